"""README and guides: what they show is real, what they name exists, and every link leads somewhere."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from itertools import chain
from pathlib import Path
from urllib.parse import unquote

import click
import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from chatwright.cli import LazyGroup, cli
from chatwright.records.frameworks import built_ins
from conformance.__main__ import conformance
from conformance.places import RESULTS
from tests.support import ROOT, catalogue

DOCS = ROOT / "docs"
PAGES = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *sorted(DOCS.glob("*.md")))
PACKAGE = ROOT / "generator" / "chatwright"
GROUPS = {"chatwright": cli, "python -m conformance": conformance}
MOST_BYTES = 9000  # of the README
LAYOUT, MAKE, COMMANDS = DOCS / "layout.md", DOCS / "make.md", DOCS / "commands.md"


@cache
def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


@cache
def tokens_of(page: Path) -> tuple[Token, ...]:
    """The blocks of a page, each followed by its inline content."""
    blocks = MarkdownIt().enable("table").parse(text_of(page))
    return tuple(chain.from_iterable((block, *(block.children or ())) for block in blocks))


# -- what is shown -----------------------------------------------------------------------------------------------------


def test_the_example_is_real(tmp_path: Path) -> None:
    readme = text_of(ROOT / "README.md")
    [spec] = re.findall(r"```yaml\n(.*?)```", readme, re.DOTALL)
    written, shown = re.findall(r"```text\n(.*?)```", readme, re.DOTALL)
    generating, showing = re.findall(r"`(chatwright (?:generate|show) [^`]*my-specs[^`]*)`", readme)
    file = tmp_path / "my-specs" / "acme" / "acme.yaml"
    file.parent.mkdir(parents=True)
    file.write_text(spec, encoding="utf-8")
    run(generating, tmp_path)
    assert [path for path in written.split() if not (tmp_path / path).is_file()] == []
    assert shown in run(showing, tmp_path)


@pytest.mark.parametrize(("page", "template"), [("README.md", "llama3"), ("docs/publishers.md", "phi3")])
def test_the_samples_of_show_are_real(page: str, template: str, tmp_path: Path) -> None:
    [sample] = re.findall(rf"`chatwright show {template}`[^`]*```\n(.*?)```", text_of(ROOT / page), re.DOTALL)
    parts = [part.strip("\n") for part in re.split(r"^ +…\n", sample, flags=re.MULTILINE) if part.strip()]
    shown = run(f"chatwright show {template}", tmp_path)
    assert parts and [part for part in parts if part not in shown] == []


def test_the_readmes_prompt_is_on_record() -> None:
    assert "(`Cutting Knowledge Date: December 2023 …`)" in text_of(ROOT / "README.md")
    recorded = (ROOT / "tests" / "vectors" / "publishers" / "texts.json").read_text(encoding="utf-8")
    assert r"system<|end_header_id|>\n\nCutting Knowledge Date: December 2023\n" in recorded


def test_the_figures_are_the_catalogues(tmp_path: Path) -> None:
    readme = text_of(ROOT / "README.md")
    told = re.search(r"The catalogue holds (.*?) \(`chatwright list`\)", readme)
    assert told is not None
    assert run("chatwright list", tmp_path).splitlines()[-1] == told[1]
    types = built_ins()["swift"].models["model_type"]
    assert types <= catalogue().model_types.keys()
    known = {name: len(record.templates) for name, record in built_ins().items()}
    models = len(built_ins()["llamafactory"].models["name"])
    assert f"all {known['llamafactory']} templates and {models} models of LLaMA-Factory" in readme
    assert f"all {known['swift']} templates and {len(types)} model types of ms-swift" in readme


def test_the_sample_of_sync_is_on_record() -> None:
    guide = text_of(DOCS / "frameworks-upstream.md")
    [sample] = re.findall(r"```\n(LLaMA-Factory 0\.9\.4: .*?)  …\n```", guide, re.DOTALL)
    recorded = (RESULTS / "sync_llamafactory_0.9.4.txt").read_text(encoding="utf-8")
    assert recorded.splitlines()[:2] == sample.splitlines()[:2]
    assert [line for line in sample.splitlines() if line not in recorded.splitlines()] == []


def test_the_figures_of_drafts_are_on_record() -> None:
    guide = text_of(DOCS / "draft.md")
    recorded = (RESULTS / "drafts.txt").read_text(encoding="utf-8")
    found = dict(re.findall(r"^(core|thinking|tools): (\d+ of \d+) exact$", recorded, re.MULTILINE))
    (everywhere,) = re.findall(r"^(\d+) of \d+ in every scenario", recorded, re.MULTILINE)
    (folders,) = re.findall(
        r"^folders of real tokenizers: (\d+ of \d+) exact in every scenario$", recorded, re.MULTILINE
    )
    core, thinking, tools = (found[kind].split(" of ") for kind in ("core", "thinking", "tools"))
    assert f"Measured on {core[1]} chat templates" in guide
    assert f"{core[0]} are drafted exactly in plain" in guide
    assert f"{thinking[0]} of the {thinking[1]} that know thinking" in guide
    assert f"{tools[0]} of the {tools[1]} that describe tools" in guide
    assert f"{everywhere} in every scenario there is" in guide
    assert f"{folders} folders of real tokenizers" in guide


# -- what is named -----------------------------------------------------------------------------------------------------


def test_the_readme_is_short_and_every_guide_is_in_the_index() -> None:
    assert (ROOT / "README.md").stat().st_size <= MOST_BYTES
    index = {target for _, target in links(DOCS / "README.md")}
    assert [page.name for page in DOCS.glob("*.md") if page.name not in {*index, "README.md"}] == []


def test_every_module_and_target_of_make_is_named() -> None:
    assert [name for name in targets_of_make() if f"`{name}`" not in text_of(MAKE)] == []
    told = [path.stem if path.is_dir() else path.name for path in PACKAGE.iterdir() if not path.name.startswith("_")]
    assert [name for name in told if f"`{name}`" not in text_of(LAYOUT) and f"`{name}/`" not in text_of(LAYOUT)] == []


def test_every_command_has_a_row() -> None:
    names = [name for group in GROUPS.values() for name in group.list_commands(click.Context(group))]
    assert len(names) > 10
    assert [name for name in names if not re.search(rf"^\| `{name}[` ]", text_of(COMMANDS), re.MULTILINE)] == []


def test_what_the_layout_names_is_there() -> None:
    rows = re.findall(r"^\| (`[^|]+`) \| (.+) \|$", text_of(LAYOUT), re.MULTILINE)
    assert len(rows) > 15
    missing = []
    for row, told in rows:
        places = [found for path in re.findall(r"`([^`]+)`", row) if (found := located(path))]
        assert places, row
        named = re.findall(r"`([\w.]+(?:\.py|/))`", told)
        missing += [f"{row}: {name}" for name in named if not any((place / name).exists() for place in places)]
    assert missing == []


def test_commands_that_are_named_exist() -> None:
    assert [f"{page.name}: {wrong}" for page in PAGES for line in code(page) for wrong in wrong_words(line)] == []


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("chatwright sync llamafactory", "chatwright sync"),
        ("python -m conformance rows qwen", "python -m conformance rows"),
        ("chatwright export qwen3 --for vllm --fro x", "chatwright export --fro"),
        ("make test tables", "make tables"),
    ],
)
def test_a_command_that_does_not_exist_is_found(line: str, wrong: str) -> None:
    assert list(wrong_words(line)) == [wrong]


def wrong_words(line: str) -> Iterator[str]:
    """The commands, their options and the targets of make in a line of code that do not exist."""
    for program, group in GROUPS.items():
        for name, rest in re.findall(rf"(?:^|\s){re.escape(program)} ([a-z][a-z-]*)([^|>#]*)", line):
            command = LazyGroup.get_command(group, click.Context(group), name)
            if command is None:
                yield f"{program} {name}"
                continue
            options = {option for parameter in command.params for option in parameter.opts}
            yield from (
                f"{program} {name} {option}"
                for option in re.findall(r"(?<!\S)--[a-z][a-z-]*", rest)
                if option not in options | {"--help"}
            )
    for words in re.findall(r"^make ((?:[a-z][a-z-]*)(?: [a-z][a-z-]*)*)", line):
        yield from (f"make {word}" for word in words.split() if word not in targets_of_make())


@cache
def targets_of_make() -> list[str]:
    [targets] = re.findall(r"^\.PHONY: (.*)", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    return [name for name in targets.split() if name != "help"]


# -- paths and links ---------------------------------------------------------------------------------------------------


def test_paths_that_are_named_exist() -> None:
    named = [(page, path) for page in PAGES for line in code(page) for path in paths(line)]
    assert len(named) > 60, "the paths were not found"
    assert [f"{page.name}: {path}" for page, path in named if located(path) is None] == []


@pytest.mark.parametrize(
    "line",
    [
        "tests/evidence/deviations.yaml",
        "evidence/irregular.yaml",
        "python generated/llamafactory/lanch.py",
        "targets/x.py",
    ],
)
def test_a_path_that_does_not_exist_is_found(line: str) -> None:
    assert [path for path in paths(line) if located(path) is None] == [line.split()[-1]]


def test_links_lead_somewhere() -> None:
    found = [(page, *link) for page in PAGES for link in links(page)]
    assert len(found) > 50, "the links were not found"
    assert [f"{page.name}: [{label}]({target})" for page, label, target in found if not leads(page, target)] == []


@pytest.mark.parametrize(
    "target", ["docs/nothing.md", "docs/serve.md#nothing", "#nothing", "../README.md", "/docs/serve.md"]
)
def test_a_link_that_leads_nowhere_is_found(target: str) -> None:
    assert not leads(ROOT / "README.md", target)
    assert leads(ROOT / "README.md", "docs/serve.md#export-one-template-for-one-engine")


def code(page: Path) -> Iterator[str]:
    """Each code span, and each line of what is typed into a shell."""
    for token in tokens_of(page):
        if token.type == "code_inline":
            yield token.content
        elif token.type == "fence" and token.info == "sh":
            yield from token.content.splitlines()


def paths(line: str) -> Iterator[str]:
    """Paths in a line of code: those from the root, and a path from a folder of the code where it is the whole line."""
    if re.fullmatch(r"[a-z_]+/[\w.<>*/-]*\.[a-z]+", line) and not line.startswith(built()):
        yield line
        return
    tops = "|".join(re.escape(path.name) for path in ROOT.iterdir() if path.is_dir() and f"{path.name}/" not in built())
    yield from re.findall(rf"(?<![\w./-])(?:{tops})/[\w.<>*/-]*", line)


@cache
def built() -> tuple[str, ...]:
    """The folders that git ignores: what is built there is no part of the repository."""
    return tuple(re.findall(r"^/(\w+/)$", (ROOT / ".gitignore").read_text(encoding="utf-8"), re.MULTILINE))


def located(path: str) -> Path | None:
    """Where a path leads, from the root or from a folder of the code; NAME and <name> match any name."""
    pattern = re.sub(r"<\w+>|\bNAME\b", "*", path.rstrip("/"))
    roots = (ROOT, ROOT / "generator", PACKAGE, ROOT / "specs")
    return next((found for root in roots for found in root.glob(pattern)), None)


def links(page: Path) -> Iterator[tuple[str, str]]:
    """The label and the target of each link into the repository."""
    opened = None
    for token in tokens_of(page):
        if token.type == "link_open":
            opened = unquote(str(token.attrs["href"]))
        elif opened is not None:
            if not re.match(r"[a-z]+:", opened):
                yield token.content, opened
            opened = None


def leads(page: Path, target: str) -> bool:
    """Whether a link of a page leads to a file or folder of the repository, and to a heading where it names one."""
    name, _, anchor = target.partition("#")
    found = Path(os.path.normpath(page.parent / name)) if name else page
    if not found.is_relative_to(ROOT) or not found.exists():
        return False
    return not anchor or anchor in anchors(found)


@cache
def anchors(page: Path) -> list[str]:
    """The anchors that GitHub gives to the headings of a page."""
    blocks = tokens_of(page)
    headings = [blocks[index + 1].content for index, token in enumerate(blocks) if token.type == "heading_open"]
    return [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]


def run(command: str, folder: Path) -> str:
    arguments = [sys.executable, "-m", *shlex.split(command)]
    settings = {**os.environ, "PYTHONPATH": str(ROOT / "generator"), "PYTHONUTF8": "1"}
    return subprocess.run(
        arguments, cwd=folder, env=settings, check=True, stdout=subprocess.PIPE, encoding="utf-8"
    ).stdout
