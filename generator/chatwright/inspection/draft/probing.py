"""A chat template as a black box: asked with conversations of sentinels, it answers with texts that can be cut there.

The sentinels are plain words, so that trimming and tests for markers leave them as they are. The tokenizer's BOS and
EOS, and the parts of a date, are characters of the private use area instead, which no template writes by itself.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import takewhile
from types import MappingProxyType
from typing import Any

from ...catalogue.model import Part, Slot
from ...catalogue.slots import join_slots
from ...meaning.sandbox import DATE_MARKS, Refused
from ..conversations import as_parts

BOS, EOS = "\ue002", "\ue003"
SYSTEM, THOUGHT = "Sq0qS", "Tq{}qT"
_MARK = re.compile(f"({BOS}|{EOS}|{DATE_MARKS[0]}[^{DATE_MARKS[1]}]*{DATE_MARKS[1]})")

Message = dict[str, Any]
Answer = str | Refused
Render = Callable[[Sequence[Mapping[str, Any]]], list[Answer]]


def user(number: int) -> Message:
    """The user's message of that number."""
    return {"role": "user", "content": f"Uq{number}qU"}


def reply(number: int, **more: Any) -> Message:
    """The assistant's message of that number."""
    return {"role": "assistant", "content": f"Aq{number}qA", **more}


def system(text: str = SYSTEM) -> Message:
    """A system message."""
    return {"role": "system", "content": text}


Kinds = Mapping[str, Callable[[int], Message]]
_KINDS: Kinds = {"s": lambda _: system(), "e": lambda _: system(""), "u": user, "a": reply}


def talk(script: str, kinds: Kinds = MappingProxyType({})) -> tuple[Message, ...]:
    """A conversation in shorthand: ``s u a u`` is a system message, and a reply between two of the user's.

    ``e`` is an empty system message; ``kinds`` makes messages of further kinds. Each gets its number, which counts the
    messages of its role; those that call tools are not counted.
    """
    known = {**_KINDS, **kinds}
    found: list[Message] = []
    for kind in script.split():
        role = known[kind](0)["role"]
        found.append(known[kind](sum(each["role"] == role and "tool_calls" not in each for each in found)))
    return tuple(found)


def chat(length: int, *head: Message) -> list[Message]:
    """Messages of users and assistants in turn, ``length`` of them, after a head."""
    return [*head, *((reply if index % 2 else user)(index // 2) for index in range(length))]


class Oracle:
    """A chat template that answers probes; what was asked before is remembered.

    ``in_parts`` says that it reads content only as a list of parts, so that this is how it gets every content.
    """

    def __init__(self, render: Render) -> None:
        self._render = render
        self._known: dict[str, Answer] = {}
        self.in_parts = False
        self.thought_key = "reasoning_content"  # where its messages carry their thoughts
        self.variables: dict[str, Any] = {}  # further ones of every request

    def ask(self, messages: Sequence[Mapping[str, Any]], *, generate: bool = True, **variables: Any) -> str | None:
        """The text of a conversation, None where the template refuses it."""
        text = self.answers([self.request(messages, generate=generate, **variables)])[0]
        return text if isinstance(text, str) else None

    def cut(
        self, messages: Sequence[Message], *marks: str, generate: bool = True, **variables: Any
    ) -> list[str] | None:
        """The text of a conversation between its contents, or between other marks; None where it cannot be cut there.

        See :func:`cut`.
        """
        return cut(self.ask(messages, generate=generate, **variables), *(marks or contents(messages)))

    def request(
        self, messages: Sequence[Mapping[str, Any]], *, generate: bool = True, **variables: Any
    ) -> dict[str, Any]:
        """The variables of a request, as ``apply_chat_template`` hands them over."""
        given = [self._message(message) for message in messages]
        own = {"bos_token": BOS, "eos_token": EOS, "tools": None, "documents": None}
        return {**own, **self.variables, "messages": given, "add_generation_prompt": generate, **variables}

    def _message(self, message: Mapping[str, Any]) -> Message:
        given = as_parts(message) if self.in_parts else dict(message)
        return {self.thought_key if key == "reasoning_content" else key: value for key, value in given.items()}

    def answers(self, requests: Sequence[Mapping[str, Any]]) -> list[Answer]:
        """The answers to many requests at once."""
        keys = [json.dumps(request) for request in requests]
        new = {key: request for key, request in zip(keys, requests, strict=True) if key not in self._known}
        if new:
            self._known.update(zip(new, self._render(list(new.values())), strict=True))
        return [self._known[key] for key in keys]


def cut(text: str | None, *marks: str) -> list[str] | None:
    """The text between the marks, each of which must be in it once and in that order; else None."""
    parts: list[str] = []
    rest = text
    for mark in marks:
        if rest is None or rest.count(mark) != 1:
            return None
        before, _, rest = rest.partition(mark)
        parts.append(before)
    return None if rest is None else [*parts, rest]


def inside(text: str, before: str, after: str) -> str | None:
    """The text between a start and an end; None where a text does not have both."""
    fits = len(text) >= len(before + after) and text.startswith(before) and text.endswith(after)
    return text[len(before) : len(text) - len(after)] if fits else None


def common_start(texts: Iterable[str]) -> str:
    """What all texts begin with."""
    same = takewhile(lambda signs: len(set(signs)) == 1, zip(*texts, strict=False))
    return "".join(signs[0] for signs in same)


def common_end(texts: Iterable[str]) -> str:
    """What all texts end with."""
    return common_start(text[::-1] for text in texts)[::-1]


def contents(messages: Sequence[Mapping[str, Any]]) -> list[str]:
    """The contents of messages, the marks to cut at."""
    return [str(message["content"]) for message in messages]


def to_slot(text: str) -> Slot:
    """A text that a template wrote as a slot: BOS, EOS and dates become parts."""
    pieces = enumerate(_MARK.split(text))
    parts = (Part("text", piece) if index % 2 == 0 else _own(piece) for index, piece in pieces if piece)
    return join_slots(tuple(parts))


def _own(mark: str) -> Part:
    return {BOS: Part("bos"), EOS: Part("eos")}.get(mark) or Part("date", mark[1:-1])


def is_plain(text: str) -> bool:
    """Whether a text holds neither BOS, EOS nor a date."""
    return not _MARK.search(text)
