"""Read OpenAI chat messages into the form that rendering works on.

Content may be a string, ``None`` or a list of typed parts. Tool calls may be parallel, and their arguments may be an
object or JSON text. ``reasoning_content`` (vLLM: ``reasoning``) is the thought before a reply. In messages and in the
functions of tools, a null field counts as missing: vLLM and SGLang pass every tool on with all the fields of their own
types.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from ..catalogue.model import Turns
from ..errors import Unsupported

Message = Mapping[str, Any]
_MEDIA = {
    "image": "image",
    "image_url": "image",
    "input_image": "image",
    "video": "video",
    "video_url": "video",
    "audio": "audio",
    "audio_url": "audio",
    "input_audio": "audio",
}
_REFUSALS: Mapping[str, str] = {"later_system": "a system message must come first"}


@dataclass(frozen=True)
class Call:
    """One tool call; ``arguments`` is an object, ``id`` is None if the message has none."""

    name: str
    arguments: Mapping[str, Any]
    id: str | None = None


@dataclass(frozen=True)
class Text:
    """A run of text in a turn."""

    text: str


MediaKind = Literal["image", "video", "audio"]
MEDIA_KINDS: tuple[MediaKind, ...] = get_args(MediaKind)


@dataclass(frozen=True)
class Media:
    """An image, video or audio clip in a turn; ``number`` counts those of its kind in the conversation, from 1."""

    kind: MediaKind
    number: int


Content = tuple[Text | Media, ...]


@dataclass(frozen=True)
class Result:
    """The result of one call; ``name`` and ``call_id`` identify the call, if the message has them."""

    content: Content
    name: str | None = None
    call_id: str | None = None


@dataclass(frozen=True)
class Turn:
    """One turn. An ``observation`` holds the results of tool calls in ``results``.

    A turn with the role ``system`` is a system message that is not the first message.
    """

    role: Literal["user", "assistant", "observation", "system"]
    content: Content = ()
    thought: str | None = None
    calls: tuple[Call, ...] = ()
    results: tuple[Result, ...] = ()


@dataclass(frozen=True)
class Conversation:
    """A system message, or None, and turns.

    The turns alternate and begin with the user's, unless :func:`read_conversation` allowed more.
    """

    system: Content | None
    turns: tuple[Turn, ...]
    tools: tuple[Mapping[str, Any], ...]  # bare functions: name, description, parameters; none of them null

    def last(self, count: int) -> Conversation:
        """The conversation with only its last turns; their media are numbered as if there were no other turns."""
        skipped = Counter(part.kind for turn in self.turns[:-count] for part in turn.content if isinstance(part, Media))
        turns = (
            replace(
                turn,
                content=tuple(
                    replace(part, number=part.number - skipped[part.kind]) if isinstance(part, Media) else part
                    for part in turn.content
                ),
            )
            for turn in self.turns[-count:]
        )
        return replace(self, turns=tuple(turns))


def read_conversation(
    messages: Sequence[Message],
    tools: Sequence[Mapping[str, Any]] | None = None,
    allowed: Collection[Turns] = (),
) -> Conversation:
    """Read OpenAI messages; consecutive tool messages become one observation.

    ``allowed`` names the exceptions from alternating turns that are accepted.

    Raises:
        Unsupported: the turns are in an order that is not allowed, or a message cannot be read.
    """
    try:
        conversation = _Reader().conversation(list(messages), tools or ())
    except (AttributeError, KeyError, TypeError) as error:
        raise Unsupported(f"a message is not an OpenAI message ({type(error).__name__}: {error})") from error
    for word in _irregularities(conversation.turns):
        if word not in allowed:
            raise Unsupported(_REFUSALS.get(word, "the roles user and assistant must take turns, the user first"))
    return conversation


def irregularities(messages: Sequence[Message]) -> frozenset[Turns]:
    """The exceptions from alternating turns that a format must support to render the messages.

    Raises:
        Unsupported: no format supports them, or a message cannot be read.
    """
    turns = read_conversation(messages, allowed=get_args(Turns)).turns
    ends_with_reply = bool(turns) and role_before(turns, len(turns)) == "assistant"
    return frozenset((*_irregularities(turns), *(("last_reply",) if ends_with_reply else ())))


def role_before(turns: Sequence[Turn], index: int) -> str | None:
    """The role of the turn before the one at ``index``, None if there is none; system messages do not count."""
    return next((turn.role for turn in reversed(turns[:index]) if turn.role != "system"), None)


def _irregularities(turns: Sequence[Turn]) -> Iterator[Turns]:
    for index, turn in enumerate(turns):
        before = role_before(turns, index)
        if turn.role == "system":
            yield "later_system"
        elif turn.role == "assistant" and before in (None, "assistant"):
            yield "first_reply" if before is None else "replies"
        elif turn.role == "user" and before == "user":
            yield "users"
        elif turn.role == "user" and before == "observation":
            raise Unsupported("an assistant message must come between tool results and a user message")
        elif turn.role == "observation" and before in ("user", "observation"):
            raise Unsupported("a tool message must follow an assistant's")
        elif turn.role == "observation" and index and turns[index - 1].role == "system":
            raise Unsupported("no system message may stand in front of a tool message")


class _Reader:
    """Reads the messages of one conversation in order."""

    def __init__(self) -> None:
        self.media: Counter[str] = Counter()

    def conversation(self, messages: list[Message], tools: Sequence[Mapping[str, Any]]) -> Conversation:
        system: Content | None = None
        if messages and messages[0]["role"] in ("system", "developer"):
            system = self._content(messages.pop(0).get("content"))
        turns: list[Turn] = []
        for message in messages:
            turn = self._turn(message)
            if turn.role == "observation" and turns and turns[-1].role == "observation":
                turns[-1] = Turn("observation", results=turns[-1].results + turn.results)
            else:
                turns.append(turn)
        return Conversation(system, tuple(turns), tuple(_offered(tool) for tool in tools))

    def _turn(self, message: Message) -> Turn:
        role = message["role"]
        content = self._content(message.get("content"))
        if role == "user":
            return Turn("user", content)
        if role == "tool":
            result = Result(content, message.get("name") or None, message.get("tool_call_id") or None)
            return Turn("observation", results=(result,))
        if role == "assistant":
            thought = message.get("reasoning_content") or message.get("reasoning") or None
            calls = tuple(_call(call) for call in message.get("tool_calls") or ())
            return Turn("assistant", content, thought, calls)
        if role in ("system", "developer"):
            return Turn("system", content)
        raise Unsupported(f"unknown role {role!r}")

    def _content(self, content: Any) -> Content:
        if content is None:
            return ()
        if isinstance(content, str):
            return (Text(content),)
        parts: list[Text | Media] = []
        for part in content:
            if part["type"] == "text":
                parts.append(Text("" + part["text"]))
            elif kind := _MEDIA.get(part["type"]):
                self.media[kind] += 1
                parts.append(Media(kind, self.media[kind]))  # type: ignore[arg-type]
            else:
                raise Unsupported(f"unknown content part {part['type']!r}")
        return tuple(parts)


def _call(call: Mapping[str, Any]) -> Call:
    function = _function(call)
    arguments = function.get("arguments") or {}
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments)
        except json.JSONDecodeError as error:
            raise Unsupported(f"the arguments of a call to {function['name']!r} are not JSON") from error
    if not isinstance(arguments, Mapping):
        raise Unsupported(f"the arguments of a call to {function['name']!r} are not an object")
    return Call("" + function["name"], arguments, call.get("id"))


def without_nulls(tool: Mapping[str, Any]) -> Mapping[str, Any]:
    """A tool without the fields of its function that are null."""
    return {**tool, "function": _function(tool)} if "function" in tool else _function(tool)


def _offered(tool: Mapping[str, Any]) -> Mapping[str, Any]:
    function = tool.get("function", tool)
    if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
        raise Unsupported("a tool has no function with a name")
    return _function(tool)


def _function(tool: Mapping[str, Any]) -> Mapping[str, Any]:
    function: Mapping[str, Any] = tool.get("function", tool)
    return {key: value for key, value in function.items() if value is not None}
