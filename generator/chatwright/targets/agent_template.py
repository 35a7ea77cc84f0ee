"""ms-swift's agent templates: the one of a template, and a check that its slots write tool results the same way."""

from __future__ import annotations

import json
from collections.abc import Iterator

from ..catalogue.model import Slot, Slots, Template
from ..catalogue.slots import join_slots, parse_slot, split_content, write_slot
from ..meaning.tool_formats import Results, format_of
from .places import placed


def agent_template(template: Template) -> str | None:
    """The agent template that the spec names, or the one of the tool format."""
    named: str | None = template.targets.get("swift", {}).get("agent_template")
    definition = format_of(template)
    return named or (definition.frameworks.get("swift") if definition else None)


def refusals_of_answers(template: Template) -> Iterator[str]:
    """Reasons why the slots differ from ms-swift's text between the end of the calls and the next reply."""
    slots, definition = template.slots, format_of(template)
    agent, known = agent_template(template), definition.frameworks.get("swift") if definition else None
    if definition and agent != known:
        yield (
            f"targets.swift.agent_template: the agent template {agent!r} does not write the tool format "
            f"{template.tool_format!r}"
        )
    results = definition.results if definition else None
    if results is None:
        if slots.opener_after_observation != slots.opener:
            yield "slots.assistant.after_observation: ms-swift has one opener for the replies to users and to tools"
        if slots.function != slots.body or slots.function_last != slots.last:
            places = ", ".join(place for place, _ in placed(slots, "function", "function_last")) or "slots.function"
            yield f"{places}: ms-swift ends a turn that calls tools as it ends any other"
        return
    end = split_content(slots.function)[1]
    calls_end = parse_slot(results.calls_end)
    if calls_end and not (slots.function == slots.function_last and end == calls_end):
        yield f"slots.function: ms-swift's agent template {known!r} ends every turn with calls with {_shown(calls_end)}"
    if not calls_end and slots.function_last != slots.last:
        yield "slots.function_last: ms-swift ends the last turn, with calls or without, as it ends any other"
    for place, ours, due in _answers(slots, results):
        if ours != due:
            yield (
                f"{place}: ms-swift's agent template {known!r} writes tool results in another way: "
                f"it writes {_shown(due)}, the spec says {_shown(ours)}"
            )
    if template.result_separator != results.separator:
        yield (
            f"result_separator: ms-swift's agent template {known!r} writes tool results in another way, "
            f"with {results.separator!r} between them"
        )


def _answers(slots: Slots, results: Results) -> Iterator[tuple[str, Slot, Slot]]:
    """Yield places in the spec with the text between calls and next reply: the spec's text and ms-swift's."""
    end, opener = split_content(slots.function)[1], slots.opener_after_observation
    whole = join_slots(end, slots.observation, opener)
    if results.way == "between":
        due = join_slots(parse_slot(results.calls_end), parse_slot(results.text))
        yield "slots.function, slots.observation, slots.assistant.opener", whole, due
        return
    body_end, turn = split_content(slots.body)[1], results_in_user_turn(slots.user, results)
    if whole != join_slots(body_end, turn, slots.opener):
        yield "slots.function", end, body_end
        yield "slots.user, slots.observation", slots.observation, turn
        yield "slots.assistant.after_observation", opener, slots.opener


def _shown(slot: Slot) -> str:
    return json.dumps(write_slot(slot), ensure_ascii=False)


def results_in_user_turn(user: Slot, results: Results) -> Slot:
    """The user's turn with the results as its content."""
    head, tail = split_content(user)
    return join_slots(head, parse_slot(results.text), tail)
