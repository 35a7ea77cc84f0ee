"""The plan of a reply, made once for each template. The renderer and all writers use it.

It says how a reply begins and ends, what is dropped from it and when, what is put in front of it, and what is learned.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeVar

from ..catalogue.model import Slot, Slots, Template, Thinking, Trim
from .conditions import All, Cases, Condition, Fact, Not, Some

T = TypeVar("T")
Way = Literal["between", "to_last_end", "answer"]


@dataclass(frozen=True)
class Body:
    """The slots of a reply: of an ``earlier`` reply and of the ``last`` one.

    ``cut`` says that earlier replies end differently; then only the end of the last reply is learned.
    """

    earlier: Slot
    last: Slot
    cut: bool


@dataclass(frozen=True)
class Dropped:
    """How a thought is dropped: ``when``, how the rest is trimmed, and what is put in ``front`` of it.

    ``way`` says what is kept: ``between`` keeps the text outside of the ``words``, ``to_last_end`` the text after the
    last end word, and ``answer`` the text between the words.
    """

    when: Some
    way: Way
    words: tuple[str, str]
    trim: Trim
    front: Cases[str]


@dataclass(frozen=True)
class Empty:
    """An empty thought at the beginning of a reply: when it is written, when it is learned, and its text."""

    when: All
    learned: All
    text: Cases[str]


@dataclass(frozen=True)
class Plan:
    """The plan of the replies of a template."""

    opener: Cases[Slot]
    generation: Cases[Slot]
    text: Body
    calls: Body
    learned: Some
    trims_first: Trim  # how the text is trimmed before a thought is put in front of it
    frames_calls: bool  # whether a turn with calls only is framed like a text
    dropped: Dropped | None
    empty: Empty | None
    before_calls: str  # the text before a learned turn with calls only


def plan_reply(template: Template) -> Plan:
    """The plan of a template's replies."""
    slots, thinking = template.slots, template.thinking
    frame = thinking.frame if thinking else None
    dropped = _dropped(template, thinking) if thinking else None
    after_results = _when(
        slots.opener_after_observation != slots.opener, (Fact("after_results"), slots.opener_after_observation)
    )
    before_calls = _when(slots.before_calls is not None, (Fact("alone"), slots.before_calls or ()))
    return Plan(
        opener=(*before_calls, *after_results, (True, slots.opener)),
        generation=(*(after_results if slots.generation == slots.opener else ()), (True, slots.generation)),
        text=_body(slots, slots.body, slots.last),
        calls=_body(slots, slots.function, slots.function_last),
        learned=Some(_learned(template)),
        trims_first="none" if thinking and thinking.rewrite else template.trim["assistant"],
        frames_calls=frame is None or frame.calls is None,
        dropped=dropped,
        empty=_empty(template, thinking, dropped) if thinking else None,
        before_calls=(frame.calls if frame else None) or "",
    )


def _when(holds: object, *parts: T) -> tuple[T, ...]:
    return parts if holds else ()


def _body(slots: Slots, earlier: Slot, last: Slot) -> Body:
    return Body(earlier, last, cut=earlier == slots.body != slots.last)


def _learned(template: Template) -> tuple[Condition, ...]:
    """The conditions of which one is enough for a reply to be learned."""
    return Fact("replied"), *_when(template.learns == "all", All((Fact("preserves"), Not(Fact("opens")))))


def _dropped(template: Template, thinking: Thinking) -> Dropped | None:
    only_prompts = thinking.history == "remove" or template.learns == "last"
    kept = All((*_when(only_prompts, Fact("asks")), Fact("preserves")))
    switched = _when(thinking.history == "switched", Fact("thinks"))
    reasons: tuple[Condition, ...] = (
        *_when(thinking.history != "keep", All((*switched, Not(Fact("replied")), Not(kept)))),
        *_when(thinking.empty_trained == "switched", All((Not(Fact("thinks")), Not(Fact("opens"))))),
    )
    if not reasons:
        return None
    unless: tuple[tuple[bool, Condition], ...] = (
        (thinking.kept_from_results, Fact("before_results")),
        (thinking.kept_in_chain, Fact("before_last_user")),
        (thinking.kept_with_tools, Not(Fact("tools"))),
    )
    for keeps, otherwise in unless:
        if keeps:
            reasons = (All((otherwise, Some(reasons))),)
    emptied = All((Fact("calls"), Not(Some((Fact("alone"), Fact("text"))))))
    before_calls = thinking.dropped_before_calls
    front: Cases[str] = (
        *_when(before_calls is not None and template.tool_format, (emptied, before_calls or "")),
        (True, thinking.when_dropped),
    )
    way: Way = "answer" if thinking.answer else thinking.span
    return Dropped(Some(reasons), way, thinking.answer or thinking.words, thinking.history_trim, front)


def _empty(template: Template, thinking: Thinking, dropped: Dropped | None) -> Empty:
    by_learning = thinking.empty_in == "learned"
    learned = Some((*_learned(template), *_when(thinking.kept_in_chain, Fact("in_chain"))))
    when: tuple[Condition, ...] = (
        *_when(by_learning and thinking.history == "remove", Fact("replied")),
        *_when(thinking.empty_after == "user", Fact("after_user")),
        Fact("thoughtless"),
        *_when(by_learning and thinking.history != "keep", learned),
        *_when(not by_learning and dropped, Not(Fact("drops"))),
        *_when(thinking.empty_in == "last", Fact("last_alike")),
    )
    return Empty(
        All(when),
        All((Fact("learned"), *_when(thinking.empty_trained == "switched", Fact("thinks")))),
        (*_when(thinking.empty_on != thinking.empty, (Fact("thinks"), thinking.empty_on)), (True, thinking.empty)),
    )
