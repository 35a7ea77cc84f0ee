"""The draft on all scenarios, one by one: exact or not, and why. Told by rendering both, and by nothing else."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from ...catalogue.model import Template
from ...meaning.conversation import without_nulls
from ...meaning.sandbox import DATE_MARKS, Refused
from ...meaning.scenarios import Scenario
from ...meaning.visible import visible
from ...verdicts import Verdict
from ..conversations import MEDIA, TYPED, conversations, parsed, parts_unread
from ..prompt_differences import parting
from .judging import ANY_DAY, Case, asked, texts
from .probing import BOS, EOS, Answer, Oracle

_DROPS = "drops a system message"
DAYS = (date(2024, 2, 29), date(2031, 11, 5))  # two that differ in every part that a date may be written with


@dataclass(frozen=True)
class Compared:
    """One scenario: the verdict on it, and why where it is not exact.

    ``carried`` says whether the publisher's template does anything of what the scenario is about.
    """

    scenario: str
    verdict: Verdict
    reason: str = ""
    carried: bool = True

    @property
    def agrees(self) -> bool:
        """Whether the draft says what the publisher's template does, or that it does not do it."""
        return self.verdict in ("exact", "not comparable")


@dataclass(frozen=True)
class Theirs:
    """What the publisher's template writes of every scenario.

    ``without`` has what it writes of those that have them without the ``system`` message, without ``parts`` that are no
    text, and without ``tools``, calls and results.
    """

    scenarios: Mapping[str, Scenario]
    answers: Mapping[str, Answer]
    without: Mapping[str, Mapping[str, Answer]]
    variables: frozenset[str]
    has_tools: bool
    tokens: tuple[str, str] = (BOS, EOS)  # as they stand in the answers


def theirs(
    oracle: Oracle, variables: Sequence[str], switch: str | None, tokens: tuple[str, str] = (BOS, EOS)
) -> Theirs:
    """Ask the publisher's template for all scenarios; ``tokens`` are the BOS and EOS that the oracle is asked with."""
    cases = {name: case_of(scenario) for name, scenario in conversations().items()}
    reduced: dict[str, dict[str, Case]] = {
        "system": {
            name: replace(case, messages=case.messages[1:])
            for name, case in cases.items()
            if case.messages[0]["role"] == "system"
        },
        "parts": {name: replace(cases[name], messages=tuple(map(_only_text, cases[name].messages))) for name in MEDIA},
        "tools": {
            name: replace(case, tools=None, messages=_no_calls(case)) for name, case in cases.items() if case.tools
        },
    }
    answers, *others = (
        dict(zip(some, asked(oracle, list(some.values()), switch), strict=True)) for some in (cases, *reduced.values())
    )
    without = dict(zip(reduced, others, strict=True))
    has_tools = any(
        isinstance(answers[name], str) and answers[name] != untooled
        for name, untooled in without["tools"].items()
        if not any("tool_calls" in message for message in cases[name].messages)
    )
    return Theirs(conversations(), answers, without, frozenset(variables), has_tools, tokens)


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
    refused = isinstance(ours, Refused)
    if isinstance(ours, str) and ours == answer:
        return Compared(name, "exact")
    if refused and isinstance(answer, Refused):
        return Compared(name, "not comparable", answer.reason)
    untooled = scenario.tools and template.tool_format is None
    variables = known.variables & scenario.variables.keys()
    text_alone = parts_unread(answer) or (isinstance(answer, str) and "world" not in answer)
    unable = (  # why the publisher's template does nothing of the scenario, and whether that is so
        (
            "has no variable preserve_thinking",
            scenario.preserve_thinking and "preserve_thinking" not in known.variables,
        ),
        ("reads content as a text only; servers join the parts", name == TYPED and text_alone),
        ("has no such variable", refused and scenario.variables and not variables),
        ("passes over tools, calls and results", untooled and answer == known.without["tools"][name]),
        (_DROPS, refused and template.system_placement == "none" and answer == known.without["system"].get(name)),
        (
            "passes over such parts",
            refused and name in MEDIA and (parts_unread(answer) or answer == known.without["parts"][name]),
        ),
    )
    for reason, applies in unable:
        if applies:
            return Compared(name, "not comparable", f"its template {reason}", carried=reason == _DROPS)
    if untooled and refused:
        reason = "its template writes something of tools, calls or results; the draft does not"
        return Compared(name, "unsupported", reason)
    if isinstance(ours, Refused):
        return Compared(name, "unsupported", ours.reason)
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
    return [{"scenario": each.scenario, "verdict": each.verdict, "reason": each.reason} for each in found]
