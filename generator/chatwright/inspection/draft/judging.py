"""A draft against the template it was read from: what the reference renderer writes, conversation by conversation."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from ...catalogue.model import Template
from ...errors import Unsupported
from ...meaning.render import Kind, render, to_text
from ...meaning.sandbox import Marked, Refused
from .probing import BOS, EOS, Answer, Message, Oracle, talk
from .template_data import built

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


def asked(oracle: Oracle, cases: Sequence[Case], switch: str | None = None) -> list[Answer]:
    """The publisher's texts of all cases; ``switch`` is its variable for thinking."""
    return oracle.answers([_request(oracle, case, switch) for case in cases])


def _request(oracle: Oracle, case: Case, switch: str | None) -> dict[str, Any]:
    variables: dict[str, Any] = dict(case.variables)
    if case.thinking is not None and switch is not None:
        variables[switch] = case.thinking
    if case.preserve:
        variables["preserve_thinking"] = True
    if case.tools:
        variables["tools"] = list(case.tools)
    return oracle.request(case.messages, generate=not case.replied, **variables)


class Judge:
    """Holds the data of templates against the publisher's template, on some conversations.

    The publisher's is asked once, with sentinels for BOS, EOS and dates; what was judged before is remembered.
    """

    def __init__(self, oracle: Oracle, cases: Sequence[Case], switch: str | None = None) -> None:
        self.cases = cases
        self._theirs = asked(oracle, cases, switch)
        self._known: dict[str, list[bool]] = {}

    def texts(self, data: Mapping[str, Any]) -> list[tuple[Answer, Answer]]:
        """What the data and the publisher's template write of each conversation."""
        template = built(data)
        return [(texts(template, case, ANY_DAY), text) for case, text in zip(self.cases, self._theirs, strict=True)]

    def agrees(self, data: Mapping[str, Any]) -> list[bool]:
        """In which conversations both write the same, or both refuse."""
        key = json.dumps(data, sort_keys=True)
        if key not in self._known:
            self._known[key] = [_same(*pair) for pair in self.texts(data)]
        return self._known[key]

    def score(self, data: Mapping[str, Any]) -> float:
        """The weight of those conversations."""
        return sum(case.weight for case, same in zip(self.cases, self.agrees(data), strict=True) if same)


def _same(ours: Answer, theirs: Answer) -> bool:
    return ours == theirs if isinstance(ours, str) else isinstance(theirs, Refused)


def plain_cases() -> list[Case]:
    """Conversations without thoughts, tools and media."""
    found = []
    for name, head in (("none", ""), ("system", "s "), ("empty", "e ")):
        weight = _DETAIL if name == "empty" else _BASIC
        for script in ("u", "u a u", "u a u a u"):
            found.append(Case(f"{name}/{script}", talk(head + script), weight=weight))
        for script in ("u a", "u a u a"):
            found.append(Case(f"{name}/{script}", talk(head + script), replied=True))
    for role in ("system", "user", "assistant"):
        for name, around in (("padded", ("\n \n", " \n\n")), ("newlines", ("\n\n", "\n"))):
            found.append(Case(f"{name}/{role}", _padded(talk("s u a u"), role, *around)))
    return found


def _padded(messages: Sequence[Message], role: str, before: str, after: str) -> tuple[Message, ...]:
    """The messages, with white space around those of one role."""
    return tuple(
        {**each, "content": f"{before}{each['content']}{after}"} if each["role"] == role else each for each in messages
    )
