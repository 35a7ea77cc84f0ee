"""Python is written as black writes it, whatever the values are, so that nothing needs to be formatted again."""

from __future__ import annotations

import ast
from typing import Any

import black
from hypothesis import given
from hypothesis import strategies as st

from chatwright.pipeline.formatting import format_python
from chatwright.targets.python import Call, Sum, literal, statement
from tests.support import examples

ASCII = st.text(st.characters(max_codepoint=0x7F, exclude_characters="\0"), max_size=150)
PROSE = st.lists(st.sampled_from(("word", "it's", 'a "quote"', "\n", "\\", "{{SYSTEM}}", "x" * 60)), max_size=40).map(
    " ".join
)
TEXT = ASCII | PROSE
NAME = st.from_regex(r"[a-z]{1,20}", fullmatch=True).filter(lambda name: name not in ("as", "if", "in", "is", "or"))
TODAY = TEXT.map(lambda pattern: Call("today", {"": pattern}))
SUM = st.lists(TEXT | TODAY, min_size=2, max_size=5).map(lambda items: Sum(tuple(items)))
SIMPLE = TEXT | st.integers() | st.booleans() | st.none()


def _containers(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    pairs = st.dictionaries(NAME, inner, max_size=4)
    return (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(TEXT, inner, max_size=4)
        | TEXT.map(lambda text: {text})
        | st.builds(Call, NAME, pairs)
        | st.builds(Call, NAME, pairs.map(lambda found: {"**": found}))
    )


VALUE = st.recursive(SIMPLE | SUM | TODAY, _containers, max_leaves=12)


@examples(50)
@given(_containers(VALUE))  # a sum stands in brackets only
def test_statements_are_as_black_writes_them(value: Any) -> None:
    written = statement(value, "value = ") + "\n"
    assert format_python(written) == written


@examples(50)
@given(VALUE)
def test_arguments_are_as_black_writes_them(value: Any) -> None:
    written = f"def register(registry):\n    registry.template(\n{statement(value, 'value=', 8, ',')}\n    )\n"
    assert format_python(written) == written


@examples(50)
@given(st.recursive(SIMPLE, lambda inner: st.lists(inner) | st.lists(inner).map(tuple) | st.dictionaries(TEXT, inner)))
def test_a_literal_is_the_value(value: Any) -> None:
    assert ast.literal_eval(literal(value)) == value


def test_around_the_width() -> None:
    for length in range(80, 122):
        half, rest = "x" * (length // 2), "y" * (length - length // 2)
        calls = Call("f", {"a": half, "b": rest}), Call("f", {"": half + rest}), Call("f", {"**": {"a": half + rest}})
        others = [half, rest], (half, rest), (half + rest,), {half: rest}, [Sum((half, rest))], {half + rest}
        for value in (*calls, *others):
            written = f"def f():\n    g(\n{statement(value, 'value=', 8, ',')}\n    )\n"
            assert format_python(written) == written
            written = f"{statement(value, 'value = ')}\n"
            assert format_python(written) == written


def test_black_decides_how_wide_other_characters_are() -> None:
    line = f'value = {["中" * 55]!r}'.replace("'", '"')
    assert len(line) < 120 < black.strings.str_width(line)
    assert format_python(line) != f"{line}\n"
