"""The draft on all scenarios, one by one: exact or not, and why. Told by rendering both, and by nothing else."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Literal

from ...catalogue.model import Template
from ...meaning.conversation import without_nulls
from ...meaning.sandbox import DATE_MARKS, Refused
from ...meaning.scenarios import Scenario
from ...meaning.visible import visible
from ..conversations import MEDIA, TYPED, conversations, parsed, parts_unread
from ..prompt_differences import parting
from .judging import ANY_DAY, Case, asked, texts
from .probing import BOS, EOS, Answer, Oracle

Outcome = Literal["exact", "no system turn", "no tools", "not read", "both refuse", "differs", "refused"]
AGREE: tuple[Outcome, ...] = ("exact", "no system turn", "no tools", "not read", "both refuse")
DAYS = (date(2024, 2, 29), date(2031, 11, 5))  # two that differ in every part that a date may be written with


@dataclass(frozen=True)
class Compared:
    """One scenario: what became of it, and why where it is not exact."""

    scenario: str
    outcome: Outcome
    reason: str = ""

    @property
    def agrees(self) -> bool:
        """Whether the draft says what the publisher's template does, or that it does not do it."""
        return self.outcome in AGREE


@dataclass(frozen=True)
class Theirs:
    """What the publisher's template writes of every scenario, and of those with a system text, what without it."""

    scenarios: Mapping[str, Scenario]
    answers: Mapping[str, Answer]
    headless: Mapping[str, Answer]
    partless: Mapping[str, Answer]  # of those with media, what it writes without
    toolless: Mapping[str, Answer]  # of those with tools, what it writes without tools, calls and results
    variables: frozenset[str]
    has_tools: bool
    tokens: tuple[str, str] = (BOS, EOS)  # as they stand in the answers


def theirs(
    oracle: Oracle, variables: Sequence[str], switch: str | None, tokens: tuple[str, str] = (BOS, EOS)
) -> Theirs:
    """Ask the publisher's template for all scenarios; ``tokens`` are the BOS and EOS that the oracle is asked with."""
    listed = conversations()
    cases = {name: case_of(scenario) for name, scenario in listed.items()}
    headless = {
        name: replace(case, messages=case.messages[1:])
        for name, case in cases.items()
        if case.messages[0]["role"] == "system"
    }
    partless = {name: replace(cases[name], messages=tuple(map(_only_text, cases[name].messages))) for name in MEDIA}
    toolless = {name: replace(case, tools=None, messages=_no_calls(case)) for name, case in cases.items() if case.tools}
    answers, without_head, without_parts, without_tools = (
        dict(zip(some, asked(oracle, list(some.values()), switch), strict=True))
        for some in (cases, headless, partless, toolless)
    )
    offered = [name for name in toolless if not any("tool_calls" in message for message in cases[name].messages)]
    has_tools = any(isinstance(answers[name], str) and answers[name] != without_tools[name] for name in offered)
    known = frozenset(variables)
    return Theirs(listed, answers, without_head, without_parts, without_tools, known, has_tools, tokens)


def _only_text(message: Mapping[str, Any]) -> Mapping[str, Any]:
    content = message["content"]
    if isinstance(content, str):
        return message
    return {**message, "content": [part for part in content if part["type"] == "text"]}


def _no_calls(case: Case) -> tuple[Mapping[str, Any], ...]:
    return tuple(
        {key: value for key, value in message.items() if key != "tool_calls"}
        for message in case.messages
        if message["role"] != "tool"
    )


def case_of(scenario: Scenario) -> Case:
    """The prompt of a scenario; a null field of a tool is one that is not there, which the publisher cannot know."""
    return Case(
        scenario.name,
        tuple(parsed(message) for message in scenario.asked),
        tuple(map(without_nulls, scenario.tools)) if scenario.tools else None,
        scenario.thinking,
        scenario.preserve_thinking,
        scenario.variables,
    )


def compare(
    template: Template, known: Theirs, *, today: date = ANY_DAY, only: Collection[str] | None = None
) -> list[Compared]:
    """What becomes of every scenario, or of ``only`` some."""
    return [
        _compared(
            template,
            known,
            name,
            texts(template, case_of(scenario), today, bos=known.tokens[0], eos=known.tokens[1]),
        )
        for name, scenario in known.scenarios.items()
        if only is None or name in only
    ]


def _compared(template: Template, known: Theirs, name: str, ours: Answer) -> Compared:
    scenario, answer = known.scenarios[name], known.answers[name]
    if isinstance(ours, str) and ours == answer:
        return Compared(name, "exact")
    if isinstance(ours, Refused) and isinstance(answer, Refused):
        return Compared(name, "both refuse", answer.reason)
    if scenario.preserve_thinking and "preserve_thinking" not in known.variables:
        return Compared(name, "not read", "its template has no variable preserve_thinking")
    if name == TYPED and (parts_unread(answer) or (isinstance(answer, str) and "world" not in answer)):
        return Compared(name, "not read", "its template reads content as a text only; servers join the parts")
    if scenario.variables and not known.variables & scenario.variables.keys() and isinstance(ours, Refused):
        return Compared(name, "not read", "its template has no such variable")
    if scenario.tools and template.tool_format is None and answer == known.toolless[name]:
        return Compared(name, "no tools", "its template passes over tools, calls and results")
    if template.system_placement == "none" and isinstance(ours, Refused) and answer == known.headless.get(name):
        return Compared(name, "no system turn", "its template drops a system message")
    if name in MEDIA and isinstance(ours, Refused) and (parts_unread(answer) or answer == known.partless[name]):
        return Compared(name, "not read", "its template passes over such parts")
    if scenario.tools and template.tool_format is None and isinstance(ours, Refused):
        return Compared(name, "refused", "its template writes something of tools, calls or results; the draft does not")
    if isinstance(ours, Refused):
        return Compared(name, "refused", ours.reason)
    if isinstance(answer, Refused):
        return Compared(name, "differs", f"its template raises: {answer.reason}")
    return Compared(name, "differs", divergence(ours, answer))


def divergence(ours: str, answer: str) -> str:
    """Where two texts part, in one line."""
    before, one, other = parting(ours, answer, show=shown)
    return f"after {before!r}: draft {one!r}, publisher {other!r}"


def shown(text: str) -> str:
    """A text with the sentinels as their names."""
    named = text.replace(BOS, "{{bos_token}}").replace(EOS, "{{eos_token}}")
    return visible(named.replace(DATE_MARKS[0], "{{date:").replace(DATE_MARKS[1], "}}"))


def as_rows(found: Sequence[Compared]) -> list[dict[str, Any]]:
    """The comparison as plain data."""
    return [{"scenario": each.scenario, "outcome": each.outcome, "reason": each.reason} for each in found]
