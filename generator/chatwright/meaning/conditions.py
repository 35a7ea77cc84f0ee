"""Conditions over facts of a reply. The renderer evaluates them; each writer writes them in its target language."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeVar

Name = Literal[
    "thinks",  # the request has thinking on
    "tools",  # tools are offered
    "asks",  # the text is a prompt, with or without its end
    "opens",  # the text is a prompt that ends with the opener of the next reply
    "preserves",  # the thoughts of earlier turns are kept
    "replied",  # the reply ends a training text
    "learned",  # the reply is trained on
    "calls",  # the reply has tool calls
    "alone",  # the reply has only tool calls, no text and no thought
    "text",  # the reply still has text after its thought was dropped
    "thoughtless",  # the reply has no thought of its own
    "drops",  # the thought of the reply is dropped
    "after_user",  # the turn before is a user's
    "after_results",  # the turn before holds tool results
    "before_results",  # the reply comes before the first reply that tools answered
    "before_last_user",  # a user message comes later
    "in_chain",  # no user message comes later
    "last_alike",  # the reply is the last one that is either text or calls, not both
]
T = TypeVar("T")


@dataclass(frozen=True)
class Fact:
    """A fact that is true or false."""

    name: Name


@dataclass(frozen=True)
class Not:
    """The negation of a condition."""

    of: Condition


@dataclass(frozen=True)
class All:
    """The conjunction of conditions."""

    of: tuple[Condition, ...]


@dataclass(frozen=True)
class Some:
    """The disjunction of conditions."""

    of: tuple[Condition, ...]


Condition = Fact | Not | All | Some
Cases = tuple[tuple[Condition | Literal[True], T], ...]  # the first one that holds counts


def settle(condition: Condition | bool, known: Mapping[Name, bool]) -> Condition | bool:
    """Simplify a condition with the known facts: the result is a truth value, or a condition over the other facts."""
    if isinstance(condition, bool):
        return condition
    if isinstance(condition, Fact):
        return known.get(condition.name, condition)
    if isinstance(condition, Not):
        inner = settle(condition.of, known)
        return not inner if isinstance(inner, bool) else Not(inner)
    decides = isinstance(condition, Some)  # the value of one part that decides the whole
    left = [settle(part, known) for part in condition.of]
    if decides in left:
        return decides
    parts = tuple(part for part in left if not isinstance(part, bool))
    return type(condition)(parts) if parts else not decides


def holds(condition: Condition | bool, known: Mapping[Name, bool]) -> bool:
    """Whether a condition holds; all of its facts must be known."""
    answer = settle(condition, known)
    if not isinstance(answer, bool):
        raise AssertionError(f"a fact is not known: {answer}")
    return answer


def first(cases: Cases[T], known: Mapping[Name, bool]) -> T:
    """The value of the first case that holds; the last case always does."""
    return next(value for condition, value in cases if holds(condition, known))


def possible(cases: Cases[T], known: Mapping[Name, bool]) -> list[tuple[Condition | Literal[True], T]]:
    """The cases that can still hold with the known facts, up to the first that always holds."""
    found: list[tuple[Condition | Literal[True], T]] = []
    for condition, value in cases:
        left = settle(condition, known)
        if left is True:
            return [*found, (True, value)]
        if left is not False:
            found.append((left, value))
    return found
