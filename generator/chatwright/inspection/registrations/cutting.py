"""Slots cut where a turn, an opener or a marker begins; registrations glue them together without a boundary."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ...catalogue.model import Part, Slot
from ...catalogue.slots import join_slots, split_content, write_slot
from ...meaning.runs import TODAY

CONTENT = Part("field", "content")
_ROLE = re.compile(
    r"(?i:<\|open\|>message role=\"assistant\"|<beginning_of_sentence>ai name=assistant|GPT4 Correct Assistant"
    r"|\]~b\]ai|<AI>|<C_A>|\[\|AI\|]|<\|response\|>|_bot>|assistant|chatbot|\bmodel\b|\bbot\b"
    r"|falcon:|response:|answer:|answer\n|solution:|答：|输出：|\x03)"
)
_MARKER = re.compile(r"\]~b\]|(?i:<[^<>]*start[^<>]*>)?<[^<>]*>|\[[^\[\]]+\]|### |\x01")
_DATES = ("%d %b %Y", "%Y-%m-%d")  # how ms-swift writes the day on which it was imported
_PARTS = re.compile(r"\{\{(SYSTEM|QUERY|ROUND0|ROUND1|content|idx)\}\}")
_FIELDS = {
    "SYSTEM": "content",
    "QUERY": "content",
    "ROUND0": "idx",
    "ROUND1": "round",
    "content": "content",
    "idx": "idx",
}


def split_opener(rest: str) -> int:
    """Where in the text behind the user's content the assistant's opener begins; its length where there is none.

    The opener is the marker or the line that names the assistant, from its first character.
    """
    found = None
    for match in _ROLE.finditer(rest):
        found = match
    if found is None:
        return len(rest)
    start = found.start()
    if _MARKER.match(found[0]) or found[0].startswith("]"):
        return start
    for marker in _MARKER.finditer(rest):
        if marker.start() <= start < marker.end() or marker.end() == start:
            return marker.start()
    return start


def swift_slot(elements: Sequence[Any]) -> Slot:
    """A prompt of ms-swift as a slot; adjacent texts are joined, as ms-swift does."""
    parts: list[Part] = []
    for element in elements:
        if isinstance(element, list):
            named = {"bos_token_id": Part("bos"), "eos_token_id": Part("eos")}
            for item in element:
                if isinstance(item, int):
                    parts.append(Part("id", str(item)))
                else:
                    parts.append(named.get(item) or Part("attribute", item.removesuffix("_id")))
        else:
            parts.extend(dated(element))
    return join_slots(tuple(part for part in parts if part.kind != "text" or part.value))


def dated(text: str) -> Slot:
    """A text of ms-swift: its placeholders as ours, and the day of the reading as today's date."""
    parts: list[Part] = []
    position = 0
    for match in _PARTS.finditer(text):
        parts += [Part("text", text[position : match.start()]), Part("field", _FIELDS[match[1]])]
        position = match.end()
    parts.append(Part("text", text[position:]))
    for pattern in _DATES:
        today = TODAY.strftime(pattern)
        parts = [
            piece
            for part in parts
            for piece in (
                [part] if part.kind != "text" else _interleaved(part.value.split(today), Part("date", pattern))
            )
        ]
    return tuple(part for part in parts if part.kind != "text" or part.value)


def _interleaved(texts: Sequence[str], between: Part) -> list[Part]:
    parts = [Part("text", texts[0])]
    for text in texts[1:]:
        parts += [between, Part("text", text)]
    return parts


def text_of(slot: Slot) -> str:
    """The text of a slot; what is no text is one character, and tells BOS and a token for the assistant apart."""
    return "".join(
        (
            part.value
            if part.kind in ("text", "token")
            else "\x01" if part.kind == "bos" else "\x03" if part.kind == "attribute" and "bot" in part.value else "\0"
        )
        for part in slot
    )


def llamafactory_slot(elements: Sequence[Any]) -> Slot:
    """A slot of LLaMA-Factory: texts, sets (as lists) that name the tokenizer's own token, tokens by their text."""
    parts: list[Part] = []
    for element in elements:
        if isinstance(element, str):
            if parts and parts[-1].kind in ("text", "field"):
                parts.append(Part("break"))
            parts.extend(dated(element))
        elif isinstance(element, dict):
            parts.append(Part("token", element["token"]))
        else:
            parts.append(Part("bos" if element[0] == "bos_token" else "eos"))
    return tuple(parts)


def split_turn(slot: Slot) -> tuple[Slot, Slot]:
    """The user's turn and the assistant's opener, glued together in both frameworks."""
    head, rest = split_content(slot)
    cut = split_opener(text_of(rest))
    return join_slots(head, (CONTENT,), first(rest, cut)), after_first(rest, cut)


def without_tail(slot: Slot, tail: Slot) -> tuple[Slot, Slot | None]:
    """A slot without the opener at its end, and the opener there where it is another one."""
    head, rest = split_content(slot)
    if not tail or join_slots(rest)[len(rest) :] == tail:
        return slot, None
    for cut in range(length(rest) + 1):
        if after_first(rest, cut) == tail:
            return join_slots(head, (CONTENT,), first(rest, cut)), None
    own, opener = split_turn(slot)
    return own, opener


def length(slot: Slot) -> int:
    return sum(len(part.value) if part.kind in ("text", "token") else 1 for part in slot)


def first(slot: Slot, count: int) -> Slot:
    """The first characters of a slot; what is no text counts as one."""
    parts: list[Part] = []
    for part in slot:
        length = len(part.value) if part.kind in ("text", "token") else 1
        if count <= 0:
            break
        if part.kind == "text":
            parts.append(replace(part, value=part.value[:count]))
        else:
            parts.append(part)
        count -= length
    return tuple(parts)


def after_first(slot: Slot, count: int) -> Slot:
    """What :func:`first` leaves."""
    parts: list[Part] = []
    for part in slot:
        length = len(part.value) if part.kind in ("text", "token") else 1
        if count <= 0:
            parts.append(part)
        elif part.kind == "text" and count < length:
            parts.append(replace(part, value=part.value[count:]))
        count -= length
    return tuple(parts)


def starts_with(slot: Slot, head: Slot) -> bool:
    return first(slot, length(head)) == head


def ends_with(slot: Slot, tail: Slot) -> bool:
    return after_first(slot, length(slot) - length(tail)) == tail


def drop_head(slot: Slot, head: Slot) -> Slot:
    return after_first(slot, length(head))


def drop_tail(slot: Slot, tail: Slot) -> Slot:
    return first(slot, length(slot) - length(tail))


def common_head(one: Slot, other: Slot) -> Slot:
    """What two slots begin with in common, cut back to where a marker ends."""
    longest = max(count for count in range(length(one) + 1) if starts_with(other, first(one, count)))
    while longest and longest < max(length(one), length(other)) and _inside_marker(one, other, longest):
        longest -= 1
    return first(one, longest)


def common_tail(one: Slot, other: Slot) -> Slot:
    """What two slots end with in common, if it begins a turn: cut back to where a marker begins."""
    for count in range(min(length(one), length(other)), 0, -1):
        tail = after_first(one, length(one) - count)
        if tail == after_first(other, length(other) - count) and (
            tail[0].kind != "text" or (tail[0].value[0] in "<[" and not tail[0].value.startswith("</"))
        ):
            return tail
    return ()


def before_system(shared: Slot, user: Slot) -> Slot:
    """What stands in front of the system turn: cut where a marker names it, or opens a turn as the user's does."""
    opens = _MARKER.match(text_of(user))
    for marker in _MARKER.finditer(text_of(shared)):
        if "system" in marker[0].lower() or (opens and marker[0] == opens[0]):
            return first(shared, marker.start())
    return shared


def _inside_marker(one: Slot, other: Slot, cut: int) -> bool:
    return any(match.start() < cut < match.end() for slot in (one, other) for match in _MARKER.finditer(text_of(slot)))


def written(slots: Mapping[str, Any]) -> dict[str, Any]:
    """Slots as YAML data: what is empty or left out is not written."""
    out: dict[str, Any] = {}
    for key in ("prefix", "system", "no_system", "user", "assistant", "function", "function_last", "observation"):
        value = slots.get(key)
        if key == "assistant" and value:
            names = ("opener", "body", "last")
            out[key] = {name: write_slot(value[name]) for name in names if value.get(name)}
            if "after_observation" in value:  # which may well be nothing
                out[key]["after_observation"] = write_slot(value["after_observation"])
        elif value:
            out[key] = write_slot(value)
    return out
