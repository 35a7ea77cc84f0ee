"""JSON for people: any value comes back, and stands on as many lines as its outer depths have members."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatwright.json_writer import json_text, plain

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
LONG = "x" * 60


@given(VALUES, st.integers(0, 4))
def test_any_value_comes_back(value: Any, depth: int) -> None:
    assert json.loads(json_text(value, depth)) == value


@pytest.mark.parametrize(
    ("value", "depth", "text"),
    [
        ({}, 2, "{}\n"),
        ([], 2, "[]\n"),
        ("é\u2028", 1, '"é\u2028"\n'),
        ({"a": 1, "é": [2]}, 2, '{"a": 1, "é": [2]}\n'),
        ([1, "b"], 1, '[1, "b"]\n'),
        ((1, {"b": (2,)}), 2, '[1, {"b": [2]}]\n'),
        ({"a": LONG, "b": LONG}, 1, f'{{\n "a": "{LONG}",\n "b": "{LONG}"\n}}\n'),
        ({"a": LONG, "b": LONG}, 0, f'{{"a": "{LONG}", "b": "{LONG}"}}\n'),
        ([LONG, LONG], 1, f'[\n "{LONG}",\n "{LONG}"\n]\n'),
        ([[LONG, LONG]], 1, f'[\n ["{LONG}", "{LONG}"]\n]\n'),
        ([[LONG, LONG]], 2, f'[\n [\n  "{LONG}",\n  "{LONG}"\n ]\n]\n'),
        ([[[LONG, LONG]]], 2, f'[\n [\n  ["{LONG}", "{LONG}"]\n ]\n]\n'),
        ({"a": {"b": [LONG, LONG]}}, 1, f'{{\n "a": {{"b": ["{LONG}", "{LONG}"]}}\n}}\n'),
        ({"a": [LONG, LONG], "b": 1}, 2, f'{{\n "a": [\n  "{LONG}",\n  "{LONG}"\n ],\n "b": 1\n}}\n'),
    ],
)
def test_lines(value: Any, depth: int, text: str) -> None:
    assert json_text(value, depth) == text


def test_what_fits_into_120_characters_stands_on_one_line() -> None:
    """Counted are the members and two characters for what parts them."""
    assert json_text(["x" * 56, "x" * 56], 1).count("\n") == 1
    assert json_text(["x" * 57, "x" * 56], 1).count("\n") == 4
    assert json_text({"k": "x" * 111}, 1).count("\n") == 1
    assert json_text({"k": "x" * 112}, 1).count("\n") == 3


@dataclass(frozen=True)
class Pair:
    first: object
    second: object


def test_frozen_values_are_plain() -> None:
    assert plain({1: Pair((1, "a"), frozenset("ba"))}) == {"1": {"first": [1, "a"], "second": ["a", "b"]}}
    assert plain([None, True, Pair]) == [None, True, Pair]
