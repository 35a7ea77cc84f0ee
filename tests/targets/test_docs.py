"""The tables as a Markdown parser reads them: what a spec says is what a reader sees."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from chatwright.catalogue.model import Catalogue
from chatwright.targets import docs
from chatwright.targets.protocol import Context, Deployment
from tests.support import catalogue

PARSER = MarkdownIt("commonmark", {"html": True}).enable("table").enable("strikethrough")


@cache
def pages() -> dict[str, str]:
    counts = {"exact": 3, "no upstream truth": 1}
    said = {
        "jinja": {"status": "exact", "grade": "engine", "version": "1.0", "counts": counts},
        "other": {"status": "exact", "grade": "emulated@2", "version": "2: x", "counts": counts},
        "third": {"status": "unverified", "reason": "the file has changed"},
    }
    return {file.path: file.body for file in docs.generate(Context(catalogue(), {}, {"qwen3": said})).files}


def tables(text: str) -> list[list[list[Token]]]:
    """Every table as rows of cells, a cell being its inline token."""
    found: list[list[list[Token]]] = []
    tokens = PARSER.parse(text)
    for index, token in enumerate(tokens):
        if token.type == "table_open":
            found.append([])
        elif token.type == "tr_open":
            found[-1].append([])
        elif token.type in ("td_open", "th_open"):
            found[-1][-1].append(tokens[index + 1])
    return found


def plain(cell: Token) -> str:
    """What a reader sees; anything but text and links makes the test fail."""
    assert {child.type for child in cell.children or ()} <= {"text", "text_special", "link_open", "link_close"}
    return "".join(child.content for child in cell.children or ())


def links(cell: Token) -> list[str]:
    return [str(child.attrs["href"]) for child in cell.children or () if child.type == "link_open"]


@pytest.mark.parametrize("page", ["docs/supported-models.md", "docs/supported-models.zh.md"])
def test_every_checkpoint_has_its_row(page: str) -> None:
    families = [table for table in tables(pages()[page]) if len(table[0]) == 9]
    rows = [row for table in families for row in table[1:]]
    assert all(len(row) == 9 for row in rows)
    expected = sorted(
        (checkpoint.title, sorted(checkpoint.ids.values()))
        for spec in catalogue().specs
        for group in spec.models
        for checkpoint in group.checkpoints
    )
    got = sorted(
        (plain(row[0]), sorted(link.split("/", 3)[3].removeprefix("models/") for link in links(row[1]))) for row in rows
    )
    assert got == expected


def test_both_languages_say_the_same() -> None:
    english, chinese = (tables(page) for page in pages().values())
    words = {"yes": "是", "unverified": "未验证", "exact": "一致", "no upstream truth": "上游无对照"}
    pattern = re.compile(rf"\b({'|'.join(words)})\b")

    def rows(table: list[list[list[Token]]]) -> list[list[str]]:
        return [[pattern.sub(lambda match: words[match[1]], plain(cell)) for cell in row] for row in table[1:]]

    assert [rows(table) for table in english] == [rows(table) for table in chinese]
    proofs = [plain(row[5]) for row in english[-1][1:] if plain(row[0]) == "qwen3"]
    assert proofs == ["jinja 1.0: 3 exact, 1 no upstream truth; other 2: x, emulated@2: 3 exact, 1 no upstream truth"]


def test_counts() -> None:
    models = sum(len(group.checkpoints) for spec in catalogue().specs for group in spec.models)
    counts = f"{len(catalogue().specs)} families, {len(catalogue().templates)} templates and {models} checkpoints."
    assert counts in pages()["docs/supported-models.md"]


HOSTILE = [
    "a|b",
    "a\\|b",
    "\\",
    "`code` ``x``",
    "**b** __i__ ~~s~~ *",
    "<script>alert(1)</script>",
    "<!-- x -->",
    "&amp; &#124;",
    "[x](http://y) ![i](j)",
    "http://example.com www.example.com a@b.cd",
    "# h",
    "- x",
    "$x$ :smile: @me #1",
    "  padded  ",
    "\"'",
    "模型 🌍",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_text(text: str) -> None:
    assert seen(text) == text


@given(st.text(st.characters(exclude_categories=["C", "Z"], include_characters=" "), min_size=1))
def test_any_text_is_text(text: str) -> None:
    assert seen(text) == text


def test_what_cannot_be_seen_is_shown() -> None:
    assert seen("a\nb\tc\x00\u200d") == "a⏎b→c\\x00\\u200d"


def seen(text: str) -> str:
    """What a reader sees of a cell that holds the text."""
    [[_, row]] = tables(f"| h | i |\n|---|---|\n| {docs.cell(text)} | end |\n")
    assert plain(row[1]) == "end"
    return plain(row[0])


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_addresses_stay_inside_their_link(text: str) -> None:
    [[_, row]] = tables(f"| h | i |\n|---|---|\n| {docs.link(text, f'https://h.co/{text}')} | end |\n")
    assert plain(row[0]) == text
    assert plain(row[1]) == "end"
    assert len(links(row[0])) == 1


def test_hostile_specs_reach_every_page() -> None:
    spec = catalogue().specs[0]
    spec = replace(spec, title="|*<b>`\n", publisher="]](x)")
    other = tuple(spec for spec in catalogue().specs[1:])
    refused = {"vllm": {spec.templates[0].name: Deployment(None, reason="a | b\n# <i>")}}
    for file in docs.generate(Context(Catalogue((spec, *other)), refused, {})).files:
        assert all(token.type not in ("html_block", "fence", "code_block") for token in PARSER.parse(file.body))
        reasons = [plain(row[2]) for table in tables(file.body) if len(table[0]) == 3 for row in table[1:]]
        assert reasons == ["a | b⏎# <i>"]
