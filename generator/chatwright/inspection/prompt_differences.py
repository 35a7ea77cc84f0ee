"""Why two prompts of one conversation differ: where they part, and what kind of difference that is.

The kind follows from the place in the reference renderer's prompt where the other one parts from it: its pieces know
whose turn they belong to. ``verify`` names kinds that say what to do, the comparison with publishers' templates causes;
both build on :class:`Prompt` and :func:`parting`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from itertools import accumulate, takewhile
from typing import NamedTuple

from ..catalogue.model import Slot, Template
from ..meaning.render import Kind, Piece
from ..meaning.sandbox import Refused
from ..meaning.scenarios import Scenario
from ..meaning.visible import visible
from .conversations import CORE, MEDIA, TYPED, Texts, parts_unread
from .token_ids import first_difference

_AROUND = 24  # characters shown in front of a difference, and of each side


class Parting(NamedTuple):
    """Where two texts part, made visible: the text before, and how each of them goes on."""

    before: str
    one: str
    other: str


def parting(one: str, other: str, before: str = "", show: Callable[[str], str] = visible) -> Parting:
    """Where two texts part; ``before`` is the text in front of both."""
    start = first_difference(one, other)
    front = before + one[:start]
    shown = ("…" if len(front) > _AROUND else "") + show(front[-_AROUND:])
    return Parting(shown, _clipped(one[start:], show), _clipped(other[start:], show))


def _clipped(text: str, show: Callable[[str], str]) -> str:
    return show(text[:_AROUND]) + ("…" if len(text) > _AROUND else "") if text else "(nothing more)"


def same_words(one: str, other: str) -> bool:
    """Whether two texts differ in white space at most."""
    return "".join(one.split()) == "".join(other.split())


@dataclass(frozen=True)
class Prompt:
    """The reference renderer's prompt of one conversation: its pieces, and their texts with a model's BOS and EOS."""

    scenario: Scenario
    pieces: tuple[Piece, ...]
    texts: tuple[str, ...]

    @classmethod
    def of(cls, scenario: Scenario, template: Template, today: date, bos: str, eos: str) -> Prompt:
        """The prompt that a template writes.

        Raises:
            Unsupported: the template cannot express the conversation.
        """
        pieces = scenario.pieces(template, Kind.PROMPT, today)
        own = {"bos": bos, "eos": eos}
        return cls(scenario, pieces, tuple(own.get(piece.kind, piece.text) for piece in pieces))

    @cached_property
    def text(self) -> str:
        """The whole prompt."""
        return "".join(self.texts)

    @cached_property
    def head(self) -> str:
        """The text in front of the first turn."""
        return "".join(self._run(("prefix", "system"), zip(self.pieces, self.texts, strict=True)))

    @cached_property
    def reply(self) -> list[str]:
        """The texts at the end in which the assistant's reply begins."""
        backwards = zip(reversed(self.pieces), reversed(self.texts), strict=True)
        return self._run(("assistant",), backwards)[::-1]

    @staticmethod
    def _run(roles: tuple[str, ...], pairs: Iterable[tuple[Piece, str]]) -> list[str]:
        return [text for _, text in takewhile(lambda pair: pair[0].role in roles, pairs)]

    def role_at(self, index: int) -> str:
        """Whose turn an index of the text lies in; empty after the end."""
        ends = accumulate(map(len, self.texts))
        return next((piece.role for piece, end in zip(self.pieces, ends, strict=True) if index < end), "")

    @property
    def has_system(self) -> bool:
        """Whether the conversation begins with a system message."""
        return bool(self.scenario.messages[0]["role"] == "system")

    @property
    def has_empty_system(self) -> bool:
        """Whether that message is empty."""
        return self.has_system and not self.scenario.messages[0]["content"]

    @property
    def has_calls(self) -> bool:
        """Whether a message of it calls tools."""
        return any(message.get("tool_calls") for message in self.scenario.asked)

    @property
    def is_padded(self) -> bool:
        """Whether a message of it begins or ends with white space; of messages in parts that is not said."""
        contents = (message.get("content") for message in self.scenario.asked)
        return any(isinstance(text, str) and text != text.strip() for text in contents)


# -- what is served against what was trained ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Divergence:
    """Where what was trained and what is served part, in one conversation.

    ``before`` is the text in front; ``trained`` and ``served`` follow it, as text made visible or as tokens.
    """

    conversation: str
    before: str
    trained: str
    served: str


@dataclass(frozen=True)
class Difference:
    """How one conversation's served prompt differs: the kinds, the first one shown."""

    kinds: tuple[str, ...]
    example: Divergence


def differences(template: Template, bos: str, prompts: Mapping[str, Prompt], texts: Texts) -> dict[str, Difference]:
    """The differences by conversation; those that are served as they were trained are left out."""
    return {
        name: _difference(template, bos, prompt, texts[name])
        for name, prompt in prompts.items()
        if texts[name] != prompt.text and not (name == TYPED and parts_unread(texts[name]))
    }


def is_another(found: Mapping[str, Difference]) -> bool:
    """Whether the differences are those of another format: in the layout of every core conversation."""
    core = {found[name].kinds[-1] for name in CORE if name in found}
    return found.keys() >= set(CORE) and core <= {"turn-layout", "system-layout", "generation-prompt"}


def _difference(template: Template, bos: str, prompt: Prompt, text: str | Refused) -> Difference:
    name, expected = prompt.scenario.name, prompt.text
    if isinstance(text, Refused):
        tools = prompt.scenario.tools or prompt.has_calls
        kind = "placeholder-missing" if name in MEDIA else "tool-layout" if tools else "template-refuses"
        return Difference((kind,), Divergence(name, "", visible(expected[: 2 * _AROUND]), f"(raises: {text.reason})"))
    kinds, got = [], text
    if bos:
        due, written = (_count(side, bos) for side in (expected, got))
        if due != written:
            kinds.append("bos-doubled" if written > max(due, 1) else "bos-missing" if written < due else "bos-added")
            expected, got = expected[due * len(bos) :], got[written * len(bos) :]
    if expected != got:
        kinds.append(_kind(template, prompt, expected, got))
    return Difference(tuple(kinds), Divergence(name, *parting(prompt.text, text)))


def _kind(template: Template, prompt: Prompt, expected: str, got: str) -> str:
    scenario, rest = prompt.scenario, len(expected) - first_difference(expected, got)
    if scenario.name in MEDIA and str(getattr(template.slots, scenario.name)) not in got:
        return "placeholder-missing"
    if same_words(expected, got):
        return "trimming" if prompt.is_padded else "white-space"
    marks = (template.thinking.when_on, template.thinking.when_off) if template.thinking else ()
    mark = prompt.reply[-1] if prompt.reply and prompt.reply[-1] in marks else ""
    if template.thinking and rest <= len(mark):
        return "thinking-prefill"
    if rest <= len("".join(prompt.reply)):
        return "generation-prompt"
    default = _constant(template.default_system)
    if default and default in expected and default not in got:
        return "default-system-lost"
    if prompt.has_empty_system:
        return "empty-system"
    if scenario.tools or prompt.has_calls:
        return "tool-layout"
    if got.endswith(prompt.text.removeprefix(prompt.head)):
        lost = "default-system-lost" if default else "default-system-added"
        return "system-layout" if prompt.has_system else lost
    thoughts = any(message.get("reasoning_content") for message in scenario.asked)
    if thoughts or scenario.name.startswith("thinking"):
        return "thought-layout"
    return "system-layout" if prompt.role_at(len(prompt.text) - rest) == "system" else "turn-layout"


def _constant(slot: Slot | None) -> str:
    return "".join(part.value for part in slot or () if part.kind == "text").strip()


def _count(text: str, bos: str) -> int:
    """How many BOS a text begins with."""
    count = 0
    while text.startswith(bos, count * len(bos)):
        count += 1
    return count
