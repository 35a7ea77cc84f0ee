"""The plan of a reply, made once from a template: the renderer and every writer follow it.

It says how a reply begins and ends, what is dropped from it and when, what is put in front, and what is learned.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from ..catalogue.model import Slot, Slots, Template, Thinking, Trim
from .conditions import All, Cases, Condition, Fact, Not, Some

Way = Literal["between", "to_last_end", "answer"]


@dataclass(frozen=True)
class Body:
    """The slots of a reply: of an ``earlier`` one, and of the ``last`` one.

    ``cut`` says that an earlier one ends in another way than the last one, whose end alone is learned.
    """

    earlier: Slot
    last: Slot
    cut: bool


@dataclass(frozen=True)
class Dropped:
    """What becomes of a reply that loses its thought: what is kept, how that is trimmed, and what is put in front.

    ``way`` says what is kept: the text outside of the ``words``, after the last second one, or between them.
    """

    when: Some
    way: Way
    words: tuple[str, str]
    trim: Trim
    front: Cases[str]


@dataclass(frozen=True)
class Empty:
    """The empty thought that a reply begins with: when, and when it is learned."""

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
    frames_calls: bool  # whether a turn that is calls alone is framed like a text
    dropped: Dropped | None
    empty: Empty | None
    before_calls: str  # what comes before a learned turn that is calls alone


def plan_reply(template: Template) -> Plan:
    """The plan of a template's replies."""
    slots, thinking = template.slots, template.thinking
    frame = thinking.frame if thinking else None
    dropped = _dropped(template, thinking) if thinking else None
    return Plan(
        opener=(*_if(slots.before_calls, "alone"), *_after_results(slots), (True, slots.opener)),
        generation=(*(_after_results(slots) if slots.generation == slots.opener else ()), (True, slots.generation)),
        text=_body(slots, slots.body, slots.last),
        calls=_body(slots, slots.function, slots.function_last),
        learned=Some(tuple(_learned(template))),
        trims_first="none" if thinking and thinking.rewrite else template.trim["assistant"],
        frames_calls=frame is None or frame.calls is None,
        dropped=dropped,
        empty=_empty(template, thinking, drops=dropped is not None) if thinking else None,
        before_calls=(frame.calls if frame else None) or "",
    )


def _if(slot: Slot | None, fact: Literal["alone"]) -> Cases[Slot]:
    return () if slot is None else ((Fact(fact), slot),)


def _after_results(slots: Slots) -> Cases[Slot]:
    same = slots.opener_after_observation == slots.opener
    return () if same else ((Fact("after_results"), slots.opener_after_observation),)


def _body(slots: Slots, earlier: Slot, last: Slot) -> Body:
    return Body(earlier, last, cut=earlier == slots.body != slots.last)


def _learned(template: Template) -> Iterator[Condition]:
    yield Fact("replied")
    if template.learns == "all":
        yield All((Fact("preserves"), Not(Fact("opens"))))


def _dropped(template: Template, thinking: Thinking) -> Dropped | None:
    reasons = tuple(_reasons(template, thinking))
    kept: tuple[tuple[bool, Condition], ...] = (
        (thinking.kept_from_results, Fact("before_results")),
        (thinking.kept_in_chain, Fact("before_last_user")),
        (thinking.kept_with_tools, Not(Fact("tools"))),
    )
    for keeps, otherwise in kept:
        if reasons and keeps:
            reasons = (All((otherwise, Some(reasons))),)
    if not reasons:
        return None
    front: Cases[str] = ((True, thinking.when_dropped),)
    if thinking.dropped_before_calls is not None and template.tool_format:
        emptied = All((Fact("calls"), Not(Some((Fact("alone"), Fact("text"))))))
        front = ((emptied, thinking.dropped_before_calls), *front)
    way: Way = "answer" if thinking.answer else thinking.span
    return Dropped(Some(reasons), way, thinking.answer or thinking.words, thinking.history_trim, front)


def _reasons(template: Template, thinking: Thinking) -> Iterator[Condition]:
    """When a reply loses its thought."""
    if thinking.history != "keep":
        only_prompts = thinking.history == "remove" or template.learns == "last"
        kept = All((*((Fact("asks"),) if only_prompts else ()), Fact("preserves")))
        switched = (Fact("thinks"),) if thinking.history == "switched" else ()
        yield All((*switched, Not(Fact("replied")), Not(kept)))
    if thinking.empty_trained == "switched":
        yield All((Not(Fact("thinks")), Not(Fact("opens"))))


def _empty(template: Template, thinking: Thinking, *, drops: bool) -> Empty:
    parts: list[Condition] = [Fact("thoughtless")]
    if thinking.empty_after == "user":
        parts.insert(0, Fact("after_user"))
    if thinking.empty_in == "learned" and thinking.history == "remove":
        parts.insert(0, Fact("replied"))
    if thinking.empty_in == "learned" and thinking.history != "keep":
        parts.append(Some((*_learned(template), *((Fact("in_chain"),) if thinking.kept_in_chain else ()))))
    if thinking.empty_in != "learned" and drops:
        parts.append(Not(Fact("drops")))
    if thinking.empty_in == "last":
        parts.append(Fact("last_alike"))
    on: Cases[str] = ((Fact("thinks"), thinking.empty_on),) if thinking.empty_on != thinking.empty else ()
    switched = (Fact("thinks"),) if thinking.empty_trained == "switched" else ()
    return Empty(All(tuple(parts)), All((Fact("learned"), *switched)), (*on, (True, thinking.empty)))
