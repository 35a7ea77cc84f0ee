"""Conditions over facts of a reply: evaluated by the renderer, and written in its own language by each writer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeVar

Name = Literal[
    "thinks",  # the request has thinking on
    "tools",  # tools are offered
    "asks",  # the text is a prompt, with its end or without
    "opens",  # the text is a prompt that ends with the opener of the next reply
    "preserves",  # the thoughts of earlier turns are to be kept
    "replied",  # the reply ends a training text
    "learned",  # a model learns the reply
    "calls",  # the reply makes calls
    "alone",  # the reply is calls alone, without text and thought
    "text",  # some text of the reply is left
    "thoughtless",  # the reply brings no thought of its own
    "drops",  # the reply loses its thought
    "after_user",  # the turn before is a user's
    "after_results",  # the turn before holds tool results
    "before_results",  # the reply comes before the first one that tools answered
    "before_last_user",  # a user message comes later
    "in_chain",  # no user message comes later
    "last_alike",  # the reply is the last one that is a text or calls, and not both
]
T = TypeVar("T")


@dataclass(frozen=True)
class Fact:
    """Something that is so, or not."""

    name: Name


@dataclass(frozen=True)
class Not:
    """The opposite of a condition."""

    of: Condition


@dataclass(frozen=True)
class All:
    """Every one of some conditions."""

    of: tuple[Condition, ...]


@dataclass(frozen=True)
class Some:
    """At least one of some conditions."""

    of: tuple[Condition, ...]


Condition = Fact | Not | All | Some
Cases = tuple[tuple[Condition | Literal[True], T], ...]  # the first one that holds counts


def settle(condition: Condition | bool, known: Mapping[Name, bool]) -> Condition | bool:
    """What is left of a condition once some facts are known: an answer, or a condition over the other facts."""
    if isinstance(condition, bool):
        return condition
    if isinstance(condition, Fact):
        return known.get(condition.name, condition)
    if isinstance(condition, Not):
        inner = settle(condition.of, known)
        return not inner if isinstance(inner, bool) else Not(inner)
    decides = isinstance(condition, Some)  # the answer that one of them gives alone
    left = [settle(part, known) for part in condition.of]
    if decides in left:
        return decides
    parts = tuple(part for part in left if not isinstance(part, bool))
    return type(condition)(parts) if parts else not decides


def holds(condition: Condition | bool, known: Mapping[Name, bool]) -> bool:
    """Whether a condition holds, all of whose facts are known."""
    answer = settle(condition, known)
    if not isinstance(answer, bool):
        raise AssertionError(f"a fact is not known: {answer}")
    return answer


def first(cases: Cases[T], known: Mapping[Name, bool]) -> T:
    """The value of the first case that holds; the last case always does."""
    return next(value for condition, value in cases if holds(condition, known))


def possible(cases: Cases[T], known: Mapping[Name, bool]) -> list[tuple[Condition | Literal[True], T]]:
    """The cases that may still hold once some facts are known, up to the first that always does."""
    found: list[tuple[Condition | Literal[True], T]] = []
    for condition, value in cases:
        left = settle(condition, known)
        if left is True:
            return [*found, (True, value)]
        if left is not False:
            found.append((left, value))
    return found
