"""A draft against the template it was read from: what the reference renderer writes, conversation by conversation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal

from ...catalogue.model import Template
from ...errors import Unsupported
from ...meaning.render import Kind, render, to_text
from ...meaning.sandbox import Marked, Refused
from .probing import BOS, EOS, Answer, Message, Oracle, chat, reply, system, user

Outcome = Literal["exact", "no system turn", "differs", "refused"]


ANY_DAY = Marked(2001, 2, 3)
_BASIC, _DETAIL = 6, 1  # how much a conversation counts that every user has, and one that few have


@dataclass(frozen=True)
class Case:
    """A conversation; ``replied`` says that it ends with a reply, and is a training text.

    ``weight`` is how much it counts where values are tried and one must be chosen.
    """

    name: str
    messages: tuple[Mapping[str, Any], ...]
    tools: tuple[Mapping[str, Any], ...] | None = None
    thinking: bool | None = None
    preserve: bool = False
    variables: Mapping[str, Any] = field(default_factory=dict)
    replied: bool = False
    weight: int = 1


@dataclass(frozen=True)
class Verdict:
    """What became of one conversation: the draft's text, or the reason why it has none, and the publisher's."""

    case: Case
    ours: Answer
    theirs: Answer

    @property
    def agrees(self) -> bool:
        """Whether both write the same, or both refuse."""
        return self.ours == self.theirs if isinstance(self.ours, str) else isinstance(self.theirs, Refused)

    @property
    def outcome(self) -> Outcome:
        """How the two compare; a format without a system turn is told as such where the publisher's has none either."""
        if isinstance(self.ours, str):
            return "exact" if self.ours == self.theirs else "differs"
        return "refused"


def texts(template: Template, case: Case, today: date, *, bos: str = BOS, eos: str = EOS) -> Answer:
    """The draft's text of a conversation."""
    kind = Kind.TRAINING_DROPPED if case.replied else Kind.PROMPT
    try:
        pieces = render(
            template,
            case.messages,
            case.tools,
            kind=kind,
            thinking=case.thinking,
            level=_level(template, case),
            preserve_thinking=case.preserve,
            today=today,
        )
    except Unsupported as reason:
        return Refused(str(reason))
    return to_text(pieces, bos=bos, eos=eos)


def _level(template: Template, case: Case) -> str | None:
    levels = template.thinking.levels if template.thinking else None
    return case.variables.get(levels.variable) if levels else None


def request(oracle: Oracle, case: Case, switch: str | None) -> dict[str, Any]:
    """What the publisher's template is asked for the same conversation."""
    variables: dict[str, Any] = dict(case.variables)
    if case.thinking is not None and switch is not None:
        variables[switch] = case.thinking
    if case.preserve:
        variables["preserve_thinking"] = True
    if case.tools:
        variables["tools"] = list(case.tools)
    return oracle.request(case.messages, generate=not case.replied, **variables)


def judge(oracle: Oracle, template: Template, cases: Sequence[Case], switch: str | None = None) -> list[Verdict]:
    """The verdicts on all cases, with sentinels for BOS, EOS and dates."""
    return verdicts(template, cases, asked(oracle, cases, switch))


def asked(oracle: Oracle, cases: Sequence[Case], switch: str | None = None) -> list[Answer]:
    """The publisher's texts of all cases."""
    return oracle.answers([request(oracle, case, switch) for case in cases])


def verdicts(template: Template, cases: Sequence[Case], theirs: Sequence[Answer]) -> list[Verdict]:
    """The verdicts on cases whose texts by the publisher's template are known."""
    return [Verdict(case, texts(template, case, ANY_DAY), text) for case, text in zip(cases, theirs, strict=True)]


def agreement(verdicts: Sequence[Verdict]) -> int:
    """The weight of those that are exact, or refused by both."""
    return sum(verdict.case.weight for verdict in verdicts if verdict.agrees)


def _padded(messages: Sequence[Message], role: str) -> tuple[Message, ...]:
    return tuple(
        {**message, "content": f"\n \n{message['content']} \n\n"} if message["role"] == role else message
        for message in messages
    )


def plain_cases() -> list[Case]:
    """Conversations without thoughts, tools and media."""
    found = []
    for name, head in (("none", ()), ("system", (system(),)), ("empty", (system(""),))):
        for length in (1, 3, 5):
            weight = _DETAIL if name == "empty" else _BASIC
            found.append(Case(f"{name}/{length}", tuple(chat(length, *head)), weight=weight))
        for length in (2, 4):
            found.append(Case(f"{name}/{length}", tuple(chat(length, *head)), replied=True))
    whole = chat(3, system())
    for role in ("system", "user", "assistant"):
        found.append(Case(f"padded/{role}", _padded(whole, role)))
        newlines = [
            {**message, "content": f"\n\n{message['content']}\n"} if message["role"] == role else message
            for message in whole
        ]
        found.append(Case(f"newlines/{role}", tuple(newlines)))
    return found


__all__ = ["Case", "Verdict", "agreement", "judge", "plain_cases", "reply", "texts", "user"]
