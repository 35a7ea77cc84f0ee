"""What a spec means: the one executable meaning that every translation is tested against."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from enum import Enum
from typing import Any, Literal

from ..catalogue.model import Part, Slot, Template, Thinking, Trim
from ..catalogue.slots import split_content
from ..errors import Unsupported
from .conversation import Content, Conversation, Media, Message, Turn, read_conversation
from .tool_formats import format_calls, format_tools, tool_format

Role = Literal["prefix", "system", "user", "assistant", "observation"]


class Kind(Enum):
    """Which text of a conversation is rendered."""

    PROMPT = "prompt"  # history and generation prompt, as the model is asked
    TRAINING = "training"  # the whole conversation, thoughts in history kept
    TRAINING_DROPPED = "training_dropped"  # the same without the thoughts of earlier turns; only the last reply learned


@dataclass(frozen=True)
class Piece:
    """A run of text of one role.

    ``kind`` is ``text``, ``token`` (exactly one token), ``bos`` or ``eos`` (the tokenizer's own; ``text`` is then
    empty). ``trained`` says whether a model learns to write it. ``joined`` says that it is tokenized together with the
    piece before it; elsewhere slot-wise tokenization has a boundary.
    """

    text: str
    role: Role
    kind: Literal["text", "token", "bos", "eos"] = "text"
    trained: bool = False
    joined: bool = False


def to_text(pieces: Sequence[Piece], *, bos: str = "", eos: str = "") -> str:
    """The text of the pieces; ``bos`` and ``eos`` are the tokenizer's own tokens, empty where it has none."""
    own = {"bos": bos, "eos": eos}
    return "".join(own.get(piece.kind, piece.text) for piece in pieces)


def render(
    template: Template,
    messages: Sequence[Message],
    tools: Sequence[Mapping[str, Any]] | None = None,
    *,
    kind: Kind = Kind.PROMPT,
    thinking: bool | None = None,
    preserve_thinking: bool = False,
    today: date | None = None,
) -> tuple[Piece, ...]:
    """Render a conversation of OpenAI messages.

    ``thinking`` is on, off, or the template's default where None; ``preserve_thinking`` keeps the thoughts of earlier
    turns in a prompt.

    Raises:
        Unsupported: the template cannot express the conversation; the message says why.
    """
    if template.undescribed:
        raise Unsupported(f"the template's own code writes {template.undescribed}")
    conversation = read_conversation(messages, tools)
    if kind is Kind.PROMPT and len(conversation.turns) % 2 == 0:
        raise Unsupported("a prompt must end with a user or tool message")
    if kind is not Kind.PROMPT and (len(conversation.turns) % 2 or not conversation.turns):
        raise Unsupported("a training conversation must end with an assistant message")
    renderer = _Renderer(template, conversation, kind, thinking, preserve_thinking, today or date.today())
    return renderer.pieces()


def remove_thoughts(text: str, words: tuple[str, str], span: Literal["between", "to_last_end"] = "between") -> str:
    """The text without its thoughts: what stands between the two words, or everything up to the last end word."""
    if span == "to_last_end":
        return text.split(words[1].strip())[-1]
    return re.sub(f"{re.escape(words[0])}.*?{re.escape(words[1])}", "", text, flags=re.DOTALL)


def has_thought(text: str, settings: Thinking) -> bool:
    """Whether a reply brings its own thought: it holds one of the words or, with the other span, begins with one."""
    start, end = (word.strip() for word in settings.words)
    return text.startswith(start) if settings.span == "to_last_end" else start in text or end in text


def trim(text: str, how: Trim) -> str:
    """Trim the text of a turn."""
    if how == "newlines":
        return text.strip("\n")
    if how == "leading_newlines":
        return text.lstrip("\n")
    return text.strip() if how == "both" else text


class _Renderer:
    def __init__(
        self,
        template: Template,
        conversation: Conversation,
        kind: Kind,
        thinking: bool | None,
        preserve_thinking: bool,
        today: date,
    ) -> None:
        if template.single_turn:
            if any(turn.role == "observation" for turn in conversation.turns):
                raise Unsupported("the format has a single turn, and no place for tool results")
            rounds = conversation.turns[-1:] if kind is Kind.PROMPT else conversation.turns[-2:]
            conversation = replace(conversation, turns=rounds)
        self.template, self.conversation, self.kind, self.today = template, conversation, kind, today
        self.preserve_thinking = preserve_thinking
        settings = template.thinking
        self.thinking = thinking if thinking is not None else settings is not None and settings.default
        self.out: list[Piece] = []
        self.ends: list[int] = []  # where the text behind a reply begins, when the last turn ends differently
        self._joined = False

    def pieces(self) -> tuple[Piece, ...]:
        slots, turns = self.template.slots, self.conversation.turns
        asked_last = len(turns) - (1 if self.kind is Kind.PROMPT else 2)
        leads = {"first_user": 0, "last_user": asked_last}.get(self.template.system_placement)
        lead = self._head(leads)
        for index, turn in enumerate(turns):
            if turn.role == "assistant":
                self._reply(index, turn)
                continue
            self._break()
            slot = slots.user if turn.role == "user" else slots.observation
            fused = lead if index == leads and turn.role == "user" else None
            self._slot(slot, turn.role, self._asked(turn), index // 2, lead=fused)
            opener = slots.opener if turn.role == "user" else slots.opener_after_observation
            if self.kind is Kind.PROMPT and index == asked_last and slots.generation != slots.opener:
                opener = slots.generation
            self._slot(opener, "assistant", joined=True)
        if self.kind is Kind.PROMPT and (settings := self.template.thinking):
            self._break()
            self._text(settings.when_on if self.thinking else settings.when_off, "assistant")
        for start in reversed(self.ends):
            self._learn_end(start)
        return tuple(self.out)

    # -- turns ---------------------------------------------------------------------------------------------------

    def _head(self, leads: int | None) -> tuple[Slot, str] | None:
        """Write the prefix and the system turn; return the slot and text that belong into the user turn ``leads``."""
        template, slots = self.template, self.template.slots
        self._slot(slots.prefix, "prefix")
        system = self._system()
        described = self._described_tools()
        if system is None and not described:
            if template.system_placement == "last_user":
                return slots.no_system or (), ""
            self._slot(slots.no_system or (), "system")
            return None
        if template.system_placement == "none":
            raise Unsupported("the format has no place for a system text")
        content = trim(system or "", template.trim["system"]) + described
        if template.system_placement == "turn":
            self._slot(slots.system, "system", content)
            return None
        assert leads is not None
        if self.conversation.turns[leads].role != "user":
            which = "first" if template.system_placement == "first_user" else "last"
            raise Unsupported(f"the system text goes into the {which} user turn, and tool results stand there")
        return slots.system, content

    def _system(self) -> str | None:
        """The system text, None where there is no system turn."""
        given = self.conversation.system
        system = None if given is None else self._flat(given)
        if system == "" and self.template.empty_system == "omit":
            return None
        if system is None or (not system and self.template.empty_system == "default"):
            default = self.template.default_system
            return None if default is None else "".join(map(self._constant, default))
        return system

    def _described_tools(self) -> str:
        if not self.conversation.tools:
            return ""
        return format_tools(self._tool_format(), self.conversation.tools, self.today)

    def _tool_format(self) -> Any:
        if self.template.tool_format is None:
            raise Unsupported(f"template {self.template.name!r} has no tool format")
        return tool_format(self.template.tool_format)

    def _asked(self, turn: Turn) -> str:
        if turn.role == "user":
            return trim(self._flat(turn.content), self.template.trim["user"])
        how = self.template.trim["observation"]
        return self.template.result_separator.join(trim(self._flat(result), how) for result in turn.results)

    def _reply(self, index: int, turn: Turn) -> None:
        template, settings = self.template, self.template.thinking
        is_last = index == len(self.conversation.turns) - 1
        text = trim(self._flat(turn.content), template.trim["assistant"])
        learned = self.kind is Kind.TRAINING or (self.kind is Kind.TRAINING_DROPPED and is_last)
        if settings:
            if turn.thought is not None:
                text = settings.words[0] + turn.thought + settings.words[1] + text
            if self._drops_thoughts(index, settings):
                rest = remove_thoughts(text, settings.words, settings.span)
                text = settings.when_dropped + trim(rest, settings.history_trim)
            after = self.conversation.turns[index - 1].role if index else None
            due = settings.empty_after == "any" or after == "user"
            due &= learned or settings.history == "keep"
            due &= is_last or settings.history != "remove"
            if due and not has_thought(text, settings):
                self._break()
                trained = learned and (settings.empty_trained == "always" or self.thinking)
                self._text(settings.empty, "assistant", trained=trained)
        slot = template.slots.last if is_last else template.slots.body
        if turn.calls:
            text += format_calls(self._tool_format(), turn.calls)
            slot = template.slots.function if template.slots.function != template.slots.body else slot
        self._break()
        if learned and not is_last and slot is template.slots.body and template.slots.last != slot:
            head, tail = split_content(slot)
            self._slot((*head, Part("field", "content")), "assistant", text, trained=True)
            self.ends.append(len(self.out))
            self._slot(tail, "assistant", joined=True)
        else:
            self._slot(slot, "assistant", text, trained=learned)

    def _drops_thoughts(self, index: int, settings: Thinking) -> bool:
        if self.kind is not Kind.PROMPT and not self.thinking and settings.empty_trained == "switched":
            return True  # trained without thinking: no reply keeps its thought
        earlier = index < len(self.conversation.turns) - 1 or self.kind is Kind.PROMPT
        if not earlier or (self.kind is Kind.PROMPT and self.preserve_thinking):
            return False
        if self.kind is Kind.TRAINING and settings.history != "remove":
            return False
        return settings.history in ("drop", "remove") or (settings.history == "switched" and self.thinking)

    # -- text ----------------------------------------------------------------------------------------------------

    def _flat(self, content: Content) -> str:
        return "".join(self._media(part) if isinstance(part, Media) else part.text for part in content)

    def _media(self, media: Media) -> str:
        placeholder = getattr(self.template.slots, media.kind)
        if placeholder is None:
            raise Unsupported(f"template {self.template.name!r} has no slot for {media.kind} content")
        return str(placeholder)

    def _constant(self, part: Part) -> str:
        return self.today.strftime(part.value) if part.kind == "date" else part.value

    def _break(self) -> None:
        self._joined = False

    def _text(self, text: str, role: Role, *, trained: bool = False) -> None:
        if text:
            self.out.append(Piece(text, role, trained=trained, joined=self._joined))
            self._joined = True

    def _slot(
        self,
        slot: Slot,
        role: Role,
        content: str = "",
        round_number: int = 0,
        *,
        trained: bool = False,
        joined: bool = False,
        lead: tuple[Slot, str] | None = None,
    ) -> None:
        """Write a slot; ``lead`` is another slot with its content that goes in front of this one's content."""
        if not joined:
            self._break()
        values = {"content": content, "idx": str(round_number), "round": str(round_number + 1)}
        for part in slot:
            if part.kind == "text":
                self._text(part.value, role, trained=trained)
            elif part.kind == "field":
                if lead and part.value == "content":
                    self._slot(lead[0], "system", lead[1], joined=True)
                self._text(values[part.value], role, trained=trained)
            elif part.kind == "date":
                self._text(self._constant(part), role, trained=trained)
            elif part.kind == "id" or part.kind == "attribute":
                raise Unsupported("the format has a token whose text only the tokenizer knows")
            elif part.kind == "break":
                self._break()
            else:
                self._break()
                self.out.append(Piece(part.value, role, part.kind, trained))
                self._break()

    def _learn_end(self, start: int) -> None:
        """Mark the end of the last turn as learned where the pieces from ``start`` on begin with it."""
        if [part.kind for part in self.template.end] == ["eos"]:
            if self.out[start : start + 1] and self.out[start].kind == "eos":
                self.out[start] = replace(self.out[start], trained=True)
            return
        rest, found = "".join(part.value for part in self.template.end), []
        for index in range(start, len(self.out)):
            piece = self.out[index]
            length = min(len(piece.text), len(rest))
            if not rest or piece.kind in ("bos", "eos") or piece.text[:length] != rest[:length]:
                break
            found.append((index, length))
            rest = rest[length:]
        for index, length in reversed(found if not rest else []):
            piece = self.out[index]
            parts = [replace(piece, text=piece.text[:length], trained=True)]
            if length < len(piece.text):
                parts.append(replace(piece, text=piece.text[length:], joined=True))
            self.out[index : index + 1] = parts
