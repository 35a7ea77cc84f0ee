"""All that keeps a template from a target is said at once, with its place in the spec: no reason hides another."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from chatwright import targets
from chatwright.catalogue.build import build_spec
from chatwright.catalogue.model import Catalogue, Thinking
from chatwright.errors import Location, Refusals, Unsupported
from chatwright.meaning import render, reply
from chatwright.targets import llamafactory, lmdeploy, ollama, swift, training, vllm
from chatwright.targets.go_template import CALL, TOOL, Go, Items, Value, compile_jinja
from chatwright.targets.go_text import GoWriter
from chatwright.targets.protocol import Context

TARGETS = {
    "llamafactory": llamafactory,
    "swift": swift,
    "vllm": vllm,
    "ollama": ollama,
    "lmdeploy": lmdeploy,
    "training": training,
}
SLOTS = {
    "system": "<s>{{content}}</s>",
    "user": "<u>{{content}}</u>",
    "assistant": {"opener": "<a>", "body": "{{content}}</a>"},
    "observation": "<o>{{content}}</o>",
}
PLAIN: dict[str, Any] = {"slots": SLOTS, "default_system": "Be kind.", "stop_words": ["</a>"]}


def reasons(target: str, changes: Mapping[str, Any]) -> tuple[str, ...]:
    """Why a target has no such template; nothing where it has."""
    slots = {**SLOTS, **changes.get("slots", {})}
    data = {"name": "x", "title": "X", "publisher": "P", "templates": {"x": {**PLAIN, **changes, "slots": slots}}}
    spec = build_spec(data, path="x.yaml", source="p/x.yaml", locate=lambda _: Location("x.yaml"))
    made = TARGETS[target].generate(Context(Catalogue((spec,)), {}, {})).deployments["x"]
    assert (made.path is None) is bool(made.reasons)
    return made.reasons


DAY = {"slots": {"user": "{{date:%Y}}<u>{{content}}</u>"}}
BY_ID = {"slots": {"user": "{{id:195}}{{content}}</u>"}}
LAST = {"slots": {"assistant": {"opener": "<a>", "body": "{{content}}</a>", "last": "{{content}}</z>"}}}
LEARNS, PAIR, TRIM = {"learns": "last"}, {"pair": {"text": "{{query}}{{document}}"}}, {"trim": {"user": "both"}}
UNDESCRIBED = {"undescribed": "a seed"}
FAULTS: list[tuple[str, tuple[tuple[Mapping[str, Any], str], ...]]] = [
    (
        "llamafactory",
        (
            (UNDESCRIBED, "undescribed: the template's own code writes a seed"),
            (LEARNS, "learns: LLaMA-Factory learns every reply where it is not told otherwise"),
            (LAST, "slots.assistant.last: LLaMA-Factory ends the last turn like every other"),
            (TRIM, "trim.user: LLaMA-Factory does not trim content"),
            (DAY, "slots.user: a LLaMA-Factory slot has no placeholder for today's date"),
        ),
    ),
    (
        "swift",
        (
            (UNDESCRIBED, "undescribed: the template's own code writes a seed"),
            (TRIM, "trim.user: ms-swift does not trim the content of a role"),
            (LEARNS, "learns: ms-swift learns every reply where it is not told otherwise"),
            (
                {"slots": {"function": "{{content}}</f>"}},
                "slots.function: ms-swift ends a turn that calls tools as it ends any other",
            ),
            (
                {"slots": {"assistant": {"opener": "<a>", "body": " {{content}}</a>"}}},
                "slots.assistant.body: ms-swift has no text between the opener and the reply that a model learns",
            ),
            (
                {"slots": {"user": "<u>{{QUERY}}{{content}}</u>"}},
                "slots.user: ms-swift would fill the literal {{QUERY}} of this text",
            ),
        ),
    ),
    (
        "lmdeploy",
        (
            (UNDESCRIBED, "undescribed: the template's own code writes a seed"),
            (
                {"single_turn": True},
                "single_turn: the format has a single turn, and LMDeploy writes the whole conversation",
            ),
            (TRIM, "trim.user: the texts of messages are trimmed, and LMDeploy trims nothing"),
            (DAY, "slots.user: the format writes today's date where the file has fixed text"),
            (
                {"slots": {"assistant": {"opener": "<a>", "generation": "<g>", "body": "{{content}}</a>"}}},
                "slots.assistant.opener, slots.assistant.generation: a reply in the history begins with '<a>', the "
                "next one with '<g>'",
            ),
        ),
    ),
    (
        "ollama",
        (
            (UNDESCRIBED, "undescribed: the template's own code writes a seed"),
            (PAIR, "pair: the format has a query and a document, and Ollama sends conversations"),
            (BY_ID, "slots.user: the format has a token whose text only the tokenizer knows"),
            (
                {"slots": {"assistant": {"opener": "<a>", "body": "{{content}}{{eos_token}}"}}},
                "slots.assistant.body: the format writes the tokenizer's own EOS inside the prompt, a Go template "
                "cannot ask for it, and the spec does not tell its text (serving.tokens.eos_token)",
            ),
            (
                {"stop_words": ["\u200b"]},
                "stop_words: Ollama's Modelfile parser may drop or change U+200B, and knows no escapes",
            ),
        ),
    ),
    (
        "vllm",
        (
            (UNDESCRIBED, "undescribed: the template's own code writes a seed"),
            (
                {"thinking": {"words": ["<t>", "<t>"]}},
                "thinking.words: the thought words '<t>' and '<t>' overlap, and Jinja cannot tell them apart",
            ),
            (BY_ID, "slots.user: the format has a token whose text only the tokenizer knows"),
        ),
    ),
    (
        "training",
        (
            (PAIR, "pair: the format makes a score of a query and a document, and no reply is learned"),
            (BY_ID, "slots.user: the format has a token whose text only the tokenizer knows"),
        ),
    ),
]


def together(*changes: Mapping[str, Any]) -> dict[str, Any]:
    """A template with several faults."""
    merged: dict[str, Any] = {}
    for change in changes:
        merged |= {**change, "slots": {**merged.get("slots", {}), **change.get("slots", {})}}
    return merged


@pytest.mark.parametrize(("target", "faults"), FAULTS, ids=[target for target, _ in FAULTS])
def test_no_fault_hides_another(target: str, faults: tuple[tuple[Mapping[str, Any], str], ...]) -> None:
    assert reasons(target, {}) == ()
    for changes, reason in faults:
        assert reasons(target, changes) == (reason,)
    for one in range(len(faults)):
        for other in range(one + 1, len(faults)):
            if not faults[one][0].get("slots", {}).keys() & faults[other][0].get("slots", {}).keys():
                found = reasons(target, together(faults[one][0], faults[other][0]))
                assert set(found) == {faults[one][1], faults[other][1]}


def test_two_places_of_one_reason_are_one_line() -> None:
    twice = {"slots": {"prefix": "{{id:1}}", **BY_ID["slots"]}}
    assert reasons("llamafactory", twice) == (
        "slots.prefix, slots.user: a LLaMA-Factory slot names tokens by their text",
    )


def test_two_parts_of_one_slot() -> None:
    assert reasons("llamafactory", {"slots": {"user": "{{date:%Y}}{{id:1}}{{content}}"}}) == (
        "slots.user: a LLaMA-Factory slot has no placeholder for today's date",
        "slots.user: a LLaMA-Factory slot names tokens by their text",
    )


def test_a_placeholder_that_only_arises_where_slots_meet() -> None:
    changes = {"slots": {"user": "{{content}}{{QU", "assistant": {"opener": "ERY}}", "body": "{{content}}</a>"}}}
    assert reasons("swift", changes) == (
        "slots.user, slots.assistant.opener: ms-swift would fill the literal {{QUERY}} of this text",
    )


def test_a_boundary_at_the_end_of_what_stands_in_front_of_the_system_text() -> None:
    changes = {"slots": {"system": "{{content}}", "user": ["<u>", "{{content}}"]}, "system_placement": "first_user"}
    assert reasons("swift", changes) == ("slots.user: ms-swift joins adjacent texts before it tokenizes them",)


def test_every_way_of_thinking_that_a_framework_has_not_is_named() -> None:
    found = reasons("llamafactory", {"thinking": {"history": "keep", "rewrite": True}})
    assert found == (
        "thinking.history, thinking.rewrite: LLaMA-Factory has one way to handle thoughts, and the template has "
        "another",
    )


# -- tools, in Go ------------------------------------------------------------------------------------------------------


def of_tools(fragment: str) -> tuple[str, ...]:
    variables: dict[str, Value] = {"tools": Go("$.Tools", Items(TOOL)), "calls": Go("$calls", Items(CALL))}
    source = f"{{%- for item in tools -%}}{{%- set f = item.function -%}}{fragment}{{%- endfor -%}}"
    try:
        compile_jinja(source, GoWriter(), variables)
    except Unsupported as error:
        return error.reasons
    return ()


REPLACE, CAPITALS, NOBODY = (
    "a Go template has nothing for the filter replace here",
    "a Go template cannot write text in capital letters",
    "a Go template does not know the value of nobody here",
)


@pytest.mark.parametrize(
    ("fragment", "due"),
    [
        ("{{ f.name|replace('a', 'b') }}{{ f.name|upper }}", (REPLACE, CAPITALS)),
        ("{{ f.name|replace('a', 'b') ~ f.name|upper }}", (REPLACE, CAPITALS)),
        ("{%- set s = f.name|replace('a', 'b') -%}{{ s }}{{ s|upper }}{{ nobody }}", (REPLACE, NOBODY)),
        (
            "{%- if nobody -%}{{ f.name|upper }}{%- else -%}{{ f.name|replace('a', 'b') }}{%- endif -%}",
            (NOBODY, CAPITALS, REPLACE),
        ),
        ("{%- for a in nobody -%}{{ a|upper }}{{ loop.last }}{{ f.name|upper }}{%- endfor -%}", (NOBODY, CAPITALS)),
        ("{%- if nobody -%}{%- set s = 'a' -%}{%- else -%}{%- set s = 'b' -%}{%- endif -%}{{ s }}", (NOBODY,)),
        ("{%- set s = nobody -%}{%- if s -%}{{ f.name|upper }}{%- endif -%}", (NOBODY, CAPITALS)),
        ("{{ {'a': nobody, 'b': f.name|upper}|tojson }}", (NOBODY, CAPITALS)),
        ("{{ f.name }}", ()),
    ],
)
def test_what_go_cannot_write_of_a_tool_format_is_said_at_once(fragment: str, due: tuple[str, ...]) -> None:
    """And what is made of a value that is refused gives no reason of its own."""
    assert of_tools(fragment) == due


def test_a_modelfile_says_all_that_keeps_tools_from_it() -> None:
    data = {
        "name": "x",
        "title": "X",
        "publisher": "P",
        "templates": {
            "x": {
                **PLAIN,
                "slots": {**SLOTS, "system_with_tools": "<t>{{content}}</t>"},
                "thinking": {"kept_in_chain": True},
                "tool_format": "qwen",
            }
        },
    }
    spec = build_spec(data, path="x.yaml", source="p/x.yaml", locate=lambda _: Location("x.yaml"))
    assert (
        "# Ollama refuses tools, since this file does not write any: the system turn is another one where tools are "
        "offered; where tools are offered the format writes the thoughts of earlier turns in another way."
    ) in ollama.modelfile(spec, spec.templates[0])


# -- how they are kept -------------------------------------------------------------------------------------------------


def test_reasons_are_kept_once_and_in_order() -> None:
    refusals = Refusals(["b"])
    with refusals.collect():
        raise Unsupported("a", "b", "a")
    with refusals.collect():
        pass
    with pytest.raises(Unsupported, match=r"^b; a$") as found:
        refusals.check()
    assert found.value.reasons == ("b", "a")
    Refusals().check()
    with pytest.raises(ValueError, match="ours"), refusals.collect():
        raise ValueError("ours")


# `switch` is the name of a variable, which only Jinja has. A Modelfile and LMDeploy's file train nothing. The file of
# LMDeploy has the content of messages only: it refuses every history that keeps a thought.
NOT_READ = {
    "llamafactory": {"switch"},
    "swift": {"switch"},
    "ollama": {"switch", "empty_unless"},
    "lmdeploy": {
        *("switch", "span", "rewrite", "dropped_before_calls"),
        *("kept_with_tools", "kept_from_results", "kept_in_chain"),
        *("empty_after", "empty_in", "empty_on", "empty_trained", "empty_unless"),
    },
}


@pytest.mark.parametrize("target", ["chat_template", "ollama", "lmdeploy", "llamafactory", "swift"])
def test_a_target_writes_or_refuses_every_field_of_thinking(target: str) -> None:
    """So that a new field is never left out in silence: each target, or the plan that it follows, names it."""
    folder = Path(str(targets.__file__)).parent
    own = [*(folder / target).glob("*.py")] or [folder / f"{target}.py"]
    plan = [Path(str(reply.__file__)), Path(str(render.__file__))] if target in ("chat_template", "ollama") else []
    source = "".join(file.read_text(encoding="utf-8") for file in own + plan)
    missing = {field.name for field in fields(Thinking) if not re.search(rf"\b{field.name}\b", source)}
    assert missing == NOT_READ.get(target, set())
