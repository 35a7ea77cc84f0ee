"""Rows for the frameworks' own tables and the README's figures, as a Markdown parser reads them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from chatwright.catalogue.model import Catalogue, Spec
from chatwright.errors import ChatwrightError
from chatwright.pipeline.readme import END, START, with_counts
from chatwright.pipeline.rows import HEADS, text, upstream_rows
from chatwright.targets.sizes import size
from tests.support import FRAMEWORKS, catalogue
from tests.targets.test_docs import HOSTILE

PARSER = MarkdownIt("commonmark", {"html": True}).enable("table").enable("strikethrough")


def spec(name: str) -> Spec:
    return next(spec for spec in catalogue().specs if spec.name == name)


def cells(head: str, lines: tuple[str, ...]) -> list[list[Token]]:
    """The rows below the head, as a parser finds them."""
    found: list[list[Token]] = []
    tokens = PARSER.parse("\n".join((head, *lines)))
    assert [token.type for token in tokens if token.level == 0] == ["table_open", "table_close"]
    for index, token in enumerate(tokens):
        if token.type == "tr_open":
            found.append([])
        elif token.type in ("td_open", "th_open"):
            found[-1].append(tokens[index + 1])
    return found[1:]


def plain(cell: Token) -> str:
    assert {child.type for child in cell.children or ()} <= {"text", "text_special", "link_open", "link_close"}
    return "".join(child.content for child in cell.children or ())


def test_llamafactorys_row() -> None:
    """As LLaMA-Factory 0.9.5 has it for Qwen2-Audio, but for the title, which is the family's."""
    found = upstream_rows(catalogue(), spec("qwen2_audio"), "llamafactory")
    assert found.lines == ("| [Qwen2-Audio](https://huggingface.co/Qwen) | 7B | qwen2_audio |",)
    assert upstream_rows(catalogue(), spec("starcoder2"), "llamafactory").lines[0].endswith("| 3B/7B/15B | - |")


def test_swifts_rows() -> None:
    """As ms-swift's table has it for a model with requirements and one without."""
    found = upstream_rows(catalogue(), spec("qwen3"), "swift")
    assert found.lines[0] == (
        "|[Qwen/Qwen3-0.6B-Base](https://modelscope.cn/models/Qwen/Qwen3-0.6B-Base)|qwen3|qwen3|transformers>=4.51|-|-|"
        "[Qwen/Qwen3-0.6B-Base](https://huggingface.co/Qwen/Qwen3-0.6B-Base)|"
    )


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_no_row_of_any_family_is_broken(framework: str) -> None:
    lines: list[str] = []
    for item in catalogue().specs:
        try:
            lines += upstream_rows(catalogue(), item, framework).lines
        except ChatwrightError:
            continue
    columns = HEADS[framework].splitlines()[0].count("|") - 1
    rows = cells(HEADS[framework], tuple(lines))
    assert len(rows) == len(lines) > 100
    assert [row for row in rows if len(row) != columns] == []
    for row in rows:
        assert "" not in [plain(cell) for cell in row]


@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_names_stay_in_their_cells(hostile: str) -> None:
    item = spec("qwen3")
    group = next(group for group in item.models if group.model_type)
    checkpoint = replace(group.checkpoints[0], name=hostile, ids={"huggingface": f"a/{hostile}", "modelscope": hostile})
    group = replace(group, checkpoints=(checkpoint,), tags=(hostile,), requires=(hostile,))
    changed = replace(item, title=hostile, models=(group,))
    whole = Catalogue(tuple(changed if other is item else other for other in catalogue().specs))
    [row] = cells(HEADS["llamafactory"], upstream_rows(whole, changed, "llamafactory").lines)
    assert [plain(row[0]), plain(row[2])] == [hostile, "qwen3"]
    [row] = cells(HEADS["swift"], upstream_rows(whole, changed, "swift").lines)
    assert [plain(row[column]) for column in (3, 5, 6)] == [hostile, hostile, f"a/{hostile}"]


def test_a_plain_name_is_written_plainly() -> None:
    assert text("qwen3_nothink") == "qwen3_nothink"
    assert text("_x_") != "_x_"


def test_a_family_that_a_framework_does_not_list_is_told() -> None:
    with pytest.raises(ChatwrightError, match="under which ms-swift lists models"):
        upstream_rows(catalogue(), spec("aeva"), "swift")


def test_sizes_are_what_names_say() -> None:
    checkpoint = spec("qwen3").models[0].checkpoints[0]
    told = {
        "Qwen-1_8B-Chat": "1.8B",
        "Mixtral-8x22B-v0.1": "8x22B",
        "gemma-3n-E4B-it": "E4B",
        "Qwen3-30B-A3B": "30B-A3B",
        "Kimi-VL-A3B-Instruct": "A3B",
        "BLOOMZ-7B1-mt": "7.1B",
        "SmolLM-135M": "135M",
        "Qwen2.5-7B-Instruct-1M": "7B",
        "glm-4-chat-1m": "",
        "Kimi-K2": "",
        "int4b": "",
    }
    assert {name: size(replace(checkpoint, name=name, ids={}, targets={})) for name in told} == told
    own = {"swift": {"revision": "10M", "modelscope": "a/b-7B"}}
    assert size(replace(checkpoint, name="b", ids={}, targets=own)) == "7B"  # a revision is none


def test_figures_stand_between_the_marks_alone() -> None:
    before = f"# A\n\n{START}\nstale\n{END}\n\ntail\n"
    after = with_counts(before, catalogue())
    assert after.startswith("# A\n\n") and after.endswith(f"{END}\n\ntail\n") and "stale" not in after
    assert with_counts(after, catalogue()) == after
    assert f"{len(catalogue().specs)} families, " in after
    assert with_counts("no marks", catalogue()) == "no marks"
    assert [token.type for token in PARSER.parse(after)].count("paragraph_open") == 2
