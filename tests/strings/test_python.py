"""Any value reaches generated Python as the expression that means it, and black changes the layout alone."""

from __future__ import annotations

from collections.abc import Callable
from keyword import iskeyword
from types import MappingProxyType
from typing import Any

import black
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatwright.pipeline.formatting import format_python
from chatwright.targets.python import Call, Sum, literal
from tests.support import examples

PROSE = st.lists(st.sampled_from(("word", "it's", 'a "quote"', "\n", "\\", "{{SYSTEM}}", "x" * 60)), max_size=40).map(
    " ".join
)
TEXT = st.text(max_size=150) | PROSE
NAME = st.from_regex(r"[a-z]{1,20}", fullmatch=True).filter(lambda name: not iskeyword(name))
TODAY = TEXT.map(lambda pattern: Call("today", {"": pattern}))
SUM = st.lists(TEXT | TODAY, min_size=2, max_size=5).map(lambda items: Sum(tuple(items)))
SIMPLE = TEXT | st.integers() | st.booleans() | st.none()


def _containers(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    pairs = st.dictionaries(NAME, inner, max_size=4)
    return (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(TEXT, inner, max_size=4)
        | st.dictionaries(TEXT, inner, max_size=4).map(MappingProxyType)
        | TEXT.map(lambda text: {text})
        | st.builds(Call, NAME, pairs)
        | st.builds(Call, NAME, pairs.map(lambda found: {"**": found}))
    )


VALUE = st.recursive(SIMPLE | SUM | TODAY, _containers, max_leaves=12)


class Functions(dict[str, Callable[..., str]]):
    """A function under every name; it returns a text that says how it was called."""

    def __missing__(self, name: str) -> Callable[..., str]:
        return lambda *positional, **named: repr((name, positional, named))


def meant(value: Any) -> Any:
    """What a value is where the generated module runs."""
    if isinstance(value, Sum):
        return "".join(map(meant, value.items))
    if isinstance(value, Call):
        named = {key: meant(item) for key, item in value.arguments.items()}
        positional = [named.pop("")] if "" in named else []
        return Functions()[value.function](*positional, **named.pop("**", {}), **named)
    if isinstance(value, (dict, MappingProxyType)):
        return {key: meant(item) for key, item in value.items()}
    return type(value)(map(meant, value)) if isinstance(value, (list, tuple)) else value


@examples(150)
@given(VALUE)
def test_a_literal_is_the_value(value: Any) -> None:
    assert eval(literal(value), {}, Functions()) == meant(value)


@examples(50)
@given(VALUE)
def test_black_changes_the_layout_alone(value: Any) -> None:
    written = format_python(f"f(\n    value={literal(value)},\n)\n")
    assert eval(written, {}, Functions()) == Functions()["f"](value=meant(value))
    assert format_python(written) == written


@pytest.mark.parametrize("text", ["it's", 'a "quote"', 'it\'s a "quote"', "\\'\"", "", "\n", "'", '"', "\\"])
def test_black_keeps_the_quotes_of_texts_without_double_ones(text: str) -> None:
    """What black changes it formats twice, and most modules have nothing else that it would change."""
    line = f"value = {literal(text)}\n"
    assert eval(literal(text)) == text
    assert format_python(line) == line or '"' in text


def test_black_decides_how_wide_other_characters_are() -> None:
    line = f"value = {literal(['中' * 55])}"
    assert len(line) < 120 < black.strings.str_width(line)
    assert format_python(line) != f"{line}\n"
