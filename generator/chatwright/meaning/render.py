"""The reference renderer: the executable meaning of a spec. All generated files are tested against it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from enum import Enum
from typing import Any, Literal

from ..catalogue.model import Pair, Part, Slot, Template, Thinking
from ..catalogue.slots import CONTENT, MEDIUM_NUMBER, split_content
from ..errors import Unsupported
from .conditions import Cases, Name, first, holds
from .conversation import Content, Conversation, Media, Message, Text, Turn, read_conversation, role_before
from .reply import plan_reply
from .thoughts import Mode, framed, has_thought, remove_thoughts, rewritten, thinking_mode, trim
from .tool_formats import format_beside, format_calls, format_of, format_result, format_separator, format_tools

Role = Literal["prefix", "system", "user", "assistant", "observation"]


class Kind(Enum):
    """The text of a conversation to render."""

    PROMPT = "prompt"  # history and generation prompt, as a server asks the model
    TRAINING = "training"  # the whole conversation, thoughts in history kept
    TRAINING_DROPPED = "training_dropped"  # the same without the thoughts of earlier turns; only the last reply learned


@dataclass(frozen=True)
class Piece:
    """A run of text of one role.

    ``kind`` is ``text``, ``token`` (exactly one token), ``bos`` or ``eos`` (the tokenizer's own; ``text`` is then
    empty). ``trained`` says whether the piece is trained on. ``joined`` says that it is tokenized together with the
    piece before it; else slot-wise tokenization has a boundary there.
    """

    text: str
    role: Role
    kind: Literal["text", "token", "bos", "eos"] = "text"
    trained: bool = False
    joined: bool = False


def to_text(pieces: Sequence[Piece], *, bos: str = "", eos: str = "") -> str:
    """The text of the pieces; ``bos`` and ``eos`` are the tokenizer's own tokens, empty if it has none."""
    own = {"bos": bos, "eos": eos}
    return "".join(own.get(piece.kind, piece.text) for piece in pieces)


def render(
    template: Template,
    messages: Sequence[Message],
    tools: Sequence[Mapping[str, Any]] | None = None,
    *,
    kind: Kind = Kind.PROMPT,
    thinking: bool | None = None,
    level: str | None = None,
    preserve_thinking: bool = False,
    today: date | None = None,
) -> tuple[Piece, ...]:
    """Render a conversation of OpenAI messages.

    ``thinking`` is on or off; None means the template's default. ``level`` is the level of thinking that the request
    names, if any. ``preserve_thinking`` keeps the thoughts of earlier turns in a prompt.

    Raises:
        Unsupported: the template cannot express the conversation; the message says why.
    """
    if template.undescribed:
        raise Unsupported(f"the template's own code writes {template.undescribed}")
    conversation = read_conversation(messages, tools, template.turns)
    if template.pair:
        conversation, kind = _as_pair(template.pair, conversation, template.thinking), Kind.PROMPT
    last = role_before(conversation.turns, len(conversation.turns))
    if kind is Kind.PROMPT and (last is None or (last == "assistant" and "last_reply" not in template.turns)):
        raise Unsupported("a prompt must end with a user or tool message")
    if kind is not Kind.PROMPT and (last is None or conversation.turns[-1].role != "assistant"):
        raise Unsupported("a training conversation must end with an assistant message")
    if template.learns == "last" and kind is Kind.TRAINING:
        kind = Kind.TRAINING_DROPPED
    mode = thinking_mode(template.thinking, thinking, level)
    renderer = _Renderer(template, conversation, kind, mode, preserve_thinking, today or date.today())
    return renderer.pieces()


def _as_pair(pair: Pair, conversation: Conversation, settings: Thinking | None) -> Conversation:
    """Make one user turn of a query and a document, the first two messages."""
    asked, answered = (*conversation.turns, None, None)[:2]
    if asked is None or answered is None:
        raise Unsupported("the format wants a query and a document, the first two messages")
    if asked.role != "user" or answered.calls:
        raise Unsupported("a query and a document are texts, without calls of tools")
    thought: Content = ()
    if settings and answered.thought is not None:
        thought = (Text(settings.words[0] + answered.thought + settings.words[1]),)
    given = conversation.system
    values: dict[str, Content] = {
        "query": asked.content,
        "document": (*thought, *answered.content),
        "instruction": (Text(pair.instruction),) if given is None else given,
    }
    text = tuple(piece for part in pair.text for piece in values.get(part.value, (Text(part.value),)))
    return replace(conversation, system=None, turns=(Turn("user", text),))


def _contents(turn: Turn) -> tuple[Content, ...]:
    """The contents of a turn: one for each result of an observation, else its own."""
    return tuple(result.content for result in turn.results) if turn.role == "observation" else (turn.content,)


class _Renderer:
    def __init__(
        self,
        template: Template,
        conversation: Conversation,
        kind: Kind,
        mode: Mode,
        preserve_thinking: bool,
        today: date,
    ) -> None:
        self.first = conversation.turns[0].role if conversation.turns else None  # tools may be described in this turn
        self.left_out = 0
        if template.single_turn:
            if any(turn.role == "observation" for turn in conversation.turns):
                raise Unsupported("the format has a single turn, and no place for tool results")
            whole, conversation = conversation, conversation.last(1 if kind is Kind.PROMPT else 2)
            self.left_out = len(whole.turns) - len(conversation.turns)
        self.template, self.conversation, self.kind, self.today = template, conversation, kind, today
        self.definition, self.plan = format_of(template), plan_reply(template)
        self.preserve_thinking = preserve_thinking
        self.thinking, self.level = mode.on, mode.level
        self.marked = self._marked_last()
        said = (index for index, turn in enumerate(conversation.turns) if turn.role == "assistant")
        self.last_reply = max((index for index in said if self._is_one_text(conversation.turns[index])), default=None)
        self.described = self._described_turn()
        self.out: list[Piece] = []
        self.ends: list[int] = []  # where the end of an earlier reply begins, if the last reply ends differently
        self._joined = False

    def pieces(self) -> tuple[Piece, ...]:
        slots, turns = self.template.slots, self.conversation.turns
        asked_last = len(turns) - (1 if self.kind is Kind.PROMPT else 2)
        leads = {"first_user": 0, "first_user_head": 0, "last_user": asked_last}.get(self.template.system_placement)
        lead = self._head(leads)
        asked = 0
        for index, turn in enumerate(turns):
            if turn.role == "assistant":
                self._reply(index, turn)
                continue
            self._break()
            if turn.role == "system":
                self._slot(slots.system, "system", self._asked(index, turn))
                continue
            if index == self.described:
                self._text(format_tools(self._tool_format(), self.conversation.tools, self.today), "system")
            slot = slots.user if turn.role == "user" else slots.observation
            fused = lead if index == leads and turn.role == "user" else None
            headless = fused is not None and self.template.system_placement == "first_user_head"
            if fused is not None and headless:
                self._slot(fused[0], "system", fused[1])
                slot, fused = slot[len(split_content(slot)[0]) :], None
            self._slot(slot, turn.role, self._asked(index, turn), asked, lead=fused, joined=headless)
            asked += 1
        if self.kind is Kind.PROMPT:
            self._opener(len(turns), self.plan.generation, {})
        if self.kind is Kind.PROMPT and (settings := self.template.thinking):
            self._break()
            end = settings.when_on if self.thinking else settings.when_off
            if self.level and self.level.prompt is not None:
                end = self.level.prompt
            self._text(end, "assistant")
        for start in reversed(self.ends):
            self._learn_end(start)
        return tuple(self.out)

    # -- turns ---------------------------------------------------------------------------------------------------

    def _head(self, leads: int | None) -> tuple[Slot, str] | None:
        """Write the prefix and the system turn; return the slot and text that go into the user turn ``leads``."""
        template, slots = self.template, self.template.slots
        mark = self._system_mark()
        first = mark[1] if mark and mark[0] == "first" else ""
        tools = self.conversation.tools
        if not (tools and self._tool_format().writes_mark):
            self._text(first, "system")
        self._slot(slots.prefix, "prefix")
        content = self._with_tools(self._system(), first)
        if mark and mark[0] != "first":
            content = self._with_mark(content or "", *mark)
        if content is None:
            if template.system_placement == "last_user":
                return slots.no_system or (), ""
            self._slot(slots.no_system or (), "system")
            return None
        if template.system_placement == "none":
            raise Unsupported("the format has no place for a system text")
        slot = slots.system if slots.system_with_tools is None or not tools else slots.system_with_tools
        if template.system_placement == "turn":
            self._slot(slot, "system", content)
            return None
        assert leads is not None
        if self.conversation.turns[leads].role != "user":
            which = "last" if template.system_placement == "last_user" else "first"
            raise Unsupported(f"the system text goes into the {which} user turn, but that turn holds tool results")
        return slot, content

    def _system_mark(self) -> tuple[str, str] | None:
        """The place and the text of the mark on thinking in the system text; None if there is no text."""
        settings = self.template.thinking
        if settings is None or (mark := settings.system_mark) is None:
            return None
        text = mark.on if self.thinking else mark.off
        if self.level and self.level.mark is not None:
            text = self.level.mark
        return (mark.place, text) if text else None

    def _with_mark(self, content: str, place: str, mark: str) -> str:
        assert self.template.thinking is not None
        assert self.template.thinking.system_mark is not None
        settings = self.template.thinking.system_mark
        if any(text in content for text in settings.unless):
            return content
        return (settings.separator if content else "").join((mark, content) if place == "before" else (content, mark))

    def _system(self) -> str | None:
        """The system text, None if there is no system turn."""
        given = self.conversation.system
        system = None if given is None else self._flat(given)
        if system == "" and self.template.empty_system == "omit":
            return None
        if system is None or (not system and self.template.empty_system == "default"):
            default = self.template.default_system
            return None if default is None else "".join(map(self._constant, default))
        return system

    def _with_tools(self, system: str | None, mark: str) -> str | None:
        """The trimmed system text, with the description of the tools if the format places it there."""
        text = None if system is None else trim(system, self.template.trim["system"])
        if not self.conversation.tools:
            return text
        definition = self._tool_format()
        if definition.place == "user":
            if self.first != "user":
                raise Unsupported("the tools are described in the first user message, but that turn holds tool results")
            return text
        if definition.place == "before_last_user":
            return text
        if definition.place == "behind_system":
            return (text or "") + format_tools(definition, self.conversation.tools, self.today, first_mark=mark)
        if text is None and self.conversation.system is not None:
            text = ""  # an empty system message, which no default text replaces
        return format_tools(definition, self.conversation.tools, self.today, system=text, first_mark=mark)

    def _described_turn(self) -> int | None:
        """The index of the turn that the tools are described before, for formats that describe them there."""
        if not self.conversation.tools or self.definition is None or self.definition.place != "before_last_user":
            return None
        asked = (index for index, turn in enumerate(self.conversation.turns) if turn.role == "user")
        return max(asked, default=None)

    def _tool_format(self) -> Any:
        if self.definition is None:
            raise Unsupported(f"template {self.template.name!r} has no tool format")
        return self.definition

    def _marked_last(self) -> int | None:
        """The index of the turn whose text is followed by the template's ``last_message_end``."""
        end, turns = self.template.last_message_end, self.conversation.turns
        if end is None or any(end in self._flat(text) for turn in turns for text in _contents(turn)):
            return None
        return len(turns) - 1

    def _only_calls(self, turn: Turn) -> bool:
        return bool(turn.calls) and turn.thought is None and not self._flat(turn.content)

    def _is_one_text(self, turn: Turn) -> bool:
        """Whether a reply is either text or calls, not both."""
        return not turn.calls or self._only_calls(turn)

    def _asked(self, index: int, turn: Turn) -> str:
        """The text of a turn that is not a reply."""
        texts = [self._flat(content) for content in _contents(turn)]
        if index == self.marked:
            texts[-1] += self.template.last_message_end or ""
        texts = [trim(text, self.template.trim[turn.role]) for text in texts]
        if turn.role == "observation" and self.template.tool_format and (tools := self._tool_format()).result:
            calls = self.conversation.turns[index - 1].calls if index else ()
            texts = [
                format_result(tools, text, result, calls, place)
                for place, (text, result) in enumerate(zip(texts, turn.results, strict=True))
            ]
        text = self.template.result_separator.join(texts)
        if self.conversation.tools and index + self.left_out == 0 and self._tool_format().place == "user":
            return format_tools(self._tool_format(), self.conversation.tools, self.today, user=text)
        return text

    def _opener(self, index: int, opener: Cases[Slot], known: Mapping[Name, bool]) -> None:
        """Write the opener of a reply; it is tokenized together with the text of a user or tool turn before it."""
        answers = role_before(self.conversation.turns, index) == "observation"
        slot = first(opener, {**known, "after_results": answers})
        self._slot(slot, "assistant", joined=self._asks(index - 1))

    def _asks(self, index: int) -> bool:
        """Whether the text of a turn is tokenized together with the opener that follows."""
        return index >= 0 and self.conversation.turns[index].role in ("user", "observation")

    def _facts(self, index: int, turn: Turn) -> dict[Name, bool]:
        """The facts about a reply that are known before its text."""
        turns, prompt = self.conversation.turns, self.kind is Kind.PROMPT
        answered = next((place for place, other in enumerate(turns) if other.role == "observation"), len(turns) + 1)
        asked_later = any(other.role == "user" for other in turns[index:])
        return {
            "thinks": self.thinking,
            "tools": bool(self.conversation.tools),
            "asks": prompt,
            "opens": prompt,
            "preserves": self.preserve_thinking if prompt else self.kind is Kind.TRAINING,
            "replied": not prompt and index == len(turns) - 1,
            "calls": bool(turn.calls),
            "alone": self._only_calls(turn),
            "after_user": role_before(turns, index) == "user",
            "before_results": index < answered - 1,
            "before_last_user": asked_later,
            "in_chain": not asked_later,
            "last_alike": index == self.last_reply,
        }

    def _reply(self, index: int, turn: Turn) -> None:
        plan, settings, known = self.plan, self.template.thinking, self._facts(index, turn)
        self._opener(index, plan.opener, known)
        text = self._flat(turn.content)
        if index == self.marked:
            if turn.calls:
                raise Unsupported("the mark behind the last message has no place behind calls of tools")
            text += self.template.last_message_end or ""
        text, separator = trim(text, plan.trims_first), ""
        known["learned"] = learned = holds(plan.learned, known)
        if settings:
            text = self._with_thought(text, turn, settings, alone=known["alone"])
        if turn.calls:
            text = format_beside(self._tool_format(), text)
            separator = format_separator(self._tool_format(), text)
        dropped = plan.dropped
        known["drops"] = dropped is not None and holds(dropped.when, known)
        if dropped and known["drops"]:
            rest = trim(remove_thoughts(text, dropped.words, dropped.way), dropped.trim)
            text = first(dropped.front, {**known, "text": bool(rest)}) + rest
            if known["alone"]:  # the calls are then trimmed like a text
                separator = trim(separator, dropped.trim)
        if settings and plan.empty:
            known["thoughtless"] = not has_thought(text, settings)
            if holds(plan.empty.when, known):
                self._break()
                self._text(first(plan.empty.text, known), "assistant", trained=holds(plan.empty.learned, known))
        if known["alone"] and learned:
            self._break()
            self._text(plan.before_calls, "assistant", trained=True)
        body = plan.text
        if turn.calls:
            text, body = text + separator + format_calls(self._tool_format(), turn.calls), plan.calls
        self._break()
        if learned and body.cut and not known["replied"]:
            head, tail = split_content(body.earlier)
            self._slot((*head, CONTENT), "assistant", text, trained=True)
            self.ends.append(len(self.out))
            self._slot(tail, "assistant", joined=True)
        else:
            self._slot(body.last if known["replied"] else body.earlier, "assistant", text, trained=learned)

    def _with_thought(self, text: str, turn: Turn, settings: Thinking, *, alone: bool) -> str:
        """The text of a reply with its thought, as the format writes both."""
        if turn.thought is not None:
            text = settings.words[0] + turn.thought + settings.words[1] + text
        if settings.rewrite:
            text = rewritten(trim(text, self.template.trim["assistant"]), settings.words)
        if settings.frame and (self.plan.frames_calls or not alone):
            text = framed(text, settings.frame, settings)
        return text

    # -- text ----------------------------------------------------------------------------------------------------

    def _flat(self, content: Content) -> str:
        return "".join(self._media(part) if isinstance(part, Media) else part.text for part in content)

    def _media(self, media: Media) -> str:
        placeholder = getattr(self.template.slots, media.kind)
        if placeholder is None:
            raise Unsupported(f"template {self.template.name!r} has no slot for {media.kind} content")
        return str(placeholder).replace(MEDIUM_NUMBER, str(media.number))

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
        """Write a slot; ``lead`` is another slot and its content, written just before this slot's content."""
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
        """Mark pieces as learned if those from ``start`` on begin with the end of the last turn."""
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
