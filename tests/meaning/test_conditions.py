"""Conditions over facts: what is left of them once some facts are known."""

from __future__ import annotations

from itertools import product

import pytest

from chatwright.meaning.conditions import All, Cases, Condition, Fact, Not, Some, first, holds, possible, settle

THINKS, TOOLS, TEXT = Fact("thinks"), Fact("tools"), Fact("text")


def test_a_condition_settles_as_its_words_say() -> None:
    condition = Some((All((THINKS, Not(TOOLS))), TEXT))
    for thinks, tools, text in product((True, False), repeat=3):
        known = {"thinks": thinks, "tools": tools, "text": text}
        assert holds(condition, known) == ((thinks and not tools) or text)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("condition", "left"),
    [
        (All((THINKS, TEXT)), All((TEXT,))),
        (Some((THINKS, TEXT)), True),
        (All((Not(THINKS), TEXT)), False),
        (Some((Not(THINKS), TEXT)), Some((TEXT,))),
        (Not(Some((Not(THINKS),))), True),
        (Not(TEXT), Not(TEXT)),
    ],
)
def test_what_is_left_once_thinking_is_on(condition: Condition, left: Condition | bool) -> None:
    assert settle(condition, {"thinks": True}) == left


def test_a_fact_that_is_not_known_is_an_error() -> None:
    with pytest.raises(AssertionError, match="text"):
        holds(TEXT, {})


def test_cases() -> None:
    cases: Cases[str] = ((THINKS, "a"), (TEXT, "b"), (True, "c"))
    assert first(cases, {"thinks": False, "text": True}) == "b"
    assert possible(cases, {"thinks": False}) == [(TEXT, "b"), (True, "c")]
    assert possible(cases, {"thinks": True}) == [(True, "a")]
