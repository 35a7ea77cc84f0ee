"""A template's page as a Markdown parser reads it: its prompts are those of the renderer, to the last character."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from chatwright.catalogue.model import Catalogue, Part
from chatwright.meaning.render import Kind
from chatwright.meaning.visible import rows
from chatwright.pipeline import select
from chatwright.targets import pages
from chatwright.targets.protocol import Context, Deployment
from tests.support import catalogue, scenarios

PARSER = MarkdownIt("commonmark", {"html": True}).enable("table")
SHOWN = ("qwen3", "llama3", "chatglm3")


def page(name: str, fidelity: dict[str, object] | None = None, selected: Catalogue | None = None) -> str:
    deployments = {
        "vllm": {name: Deployment(f"deploy/vllm/{name}.jinja")},
        "lmdeploy": {name: Deployment(None, reasons=("no",))},
        "llamafactory": {name: Deployment("llamafactory/x.py")},
    }
    context = Context(selected or few(), deployments, {name: fidelity or {}})
    [found] = [file.body for file in pages.generate(context).files if file.path == f"docs/templates/{name}.md"]
    return found


@cache
def few() -> Catalogue:
    homes = {spec.source for spec in catalogue().specs for item in spec.templates if item.name in SHOWN}
    return select(catalogue(), homes)


def blocks(text: str) -> dict[str, str]:
    """The code blocks by the heading above them."""
    found, heading = {}, ""
    tokens = PARSER.parse(text)
    for index, token in enumerate(tokens):
        if token.type == "heading_open":
            heading = tokens[index + 1].content
        elif token.type == "fence":
            found[heading] = token.content
    return found


def unseen(block: str) -> str:
    """The text that the lines of a block show, up to the end of the prompt."""
    lines = block.partition(f"{pages._PROMPT_ENDS}\n")[0].splitlines()
    return "".join(line[14:] for line in lines)


@pytest.mark.parametrize("name", SHOWN)
def test_every_prompt_is_the_renderers(name: str) -> None:
    template = catalogue().templates[name]
    found = blocks(page(name))
    told = pages.telling(template)
    assert {"plain", "system_multi"} <= set(told) <= set(found)
    for scenario in told:
        pieces = scenarios()[scenario].pieces(template, Kind.PROMPT, pages.DAY)
        assert unseen(found[scenario]) == "".join(row.text for row in rows(pieces)), scenario


def test_what_is_learned_is_marked() -> None:
    block = blocks(page("llama3"))["plain"]
    learned = "".join(line[14:] for line in block.splitlines() if line.startswith("*"))
    assert learned == "Hi·there.<|eot_id|>"


def test_a_prompt_that_training_does_not_continue_stands_beside_it() -> None:
    found = blocks(page("qwen3"))["thinking_on"]
    assert "trained on: the first 3 lines of the prompt, then" in found
    assert "First·thought." not in found.partition(pages._PROMPT_ENDS)[0]
    assert "First·thought." in found.partition(pages._PROMPT_ENDS)[2]


def test_commands_models_and_fidelity() -> None:
    counts = {"exact": 3, "differs": 4}
    why = {"differs": {"a | b\n`c`": ["plain", "multi", "system", "padded"]}}
    said = {"jinja": {"status": "differs", "counts": counts, "not exact": why}}
    text = page("qwen3", said)
    commands = blocks(text)["Use"].splitlines()
    assert commands[0].startswith("vllm serve MODEL --chat-template deploy/vllm/qwen3.jinja --enable-auto-tool-choice")
    assert [command for command in commands if "lmdeploy" in command or "swift" in command] == []
    assert "- [Qwen3-8B-Thinking](https://huggingface.co/Qwen/Qwen3-8B)" in text
    [row] = [tokens for tokens in rows_of(text) if tokens[0].content == "jinja"]
    assert [cell.content for cell in row[1:5]] == ["3", "4", "", ""]
    assert "".join(child.content for child in row[5].children or ()) == "a | b⏎`c` (plain, multi and 2 more)"
    assert "unverified: no engine has read these files." in page("qwen3")


def test_hostile_slots_stay_inside_their_blocks() -> None:
    spec = next(spec for spec in few().specs if spec.name == "llama3")
    template = next(item for item in spec.templates if item.name == "llama3")
    hostile = "```\n# <script>|\u202e````{{ x }}"
    slots = replace(template.slots, user=(Part("text", hostile), Part("field", "content")))
    name = "llama3"
    changed = replace(spec, templates=(replace(template, slots=slots),), title="<b>|`", models=())
    text = page(name, selected=Catalogue((changed,)))
    assert "```⏎" in blocks(text)["plain"] and "\\u202e````{{·x·}}" in blocks(text)["plain"]
    tokens = PARSER.parse(text)
    assert "html_block" not in [token.type for token in tokens]
    headings = [tokens[index + 1].content for index, token in enumerate(tokens) if token.type == "heading_open"]
    assert headings == [name, "Prompts", *pages.telling(template), "Slots", "Settings", "Fidelity", "Use"]


def rows_of(text: str) -> list[list[Token]]:
    found: list[list[Token]] = []
    tokens = PARSER.parse(text)
    for index, token in enumerate(tokens):
        if token.type == "tr_open":
            found.append([])
        elif token.type in ("td_open", "th_open"):
            found[-1].append(tokens[index + 1])
    return found
