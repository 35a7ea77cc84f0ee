"""The slot language: text with placeholders, and nothing else.

``{{content}}`` the text of the turn, ``{{idx}}`` the number of the round from 0 and ``{{round}}`` from 1,
``{{bos_token}}`` and ``{{eos_token}}`` the tokenizer's own tokens, ``{{token:<|user|>}}`` text encoded as exactly one
token, ``{{id:195}}`` the token with that id, ``{{attribute:user_token}}`` the token that the tokenizer has under that
name, and ``{{date:%d %b %Y}}`` today's date at the time of use. The text of a pair has ``{{query}}``, ``{{document}}``
and ``{{instruction}}``; the text of an image, video or audio clip is plain, but for ``{{number}}``. Everything else,
braces included, is literal text; a literal ``{{content}}`` is written ``{{text:{{content}}}}``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from .model import Part, PartKind, Slot

PLACEHOLDER = re.compile(
    r"\{\{(?:(?P<name>content|idx|round|bos_token|eos_token|query|document|instruction)"
    r"|token:(?P<token>(?:(?!\{\{).)+?)|id:(?P<id>[0-9]+)|attribute:(?P<attribute>[a-z][a-z0-9_]*)"
    r"|date:(?P<date>[^{}]+)|text:(?P<text>\{\{[^{}]*\}\}))\}\}"
)

CONTENT = Part("field", "content")
MEDIUM_NUMBER = "{{number}}"  # in the text of a medium: which one of its kind in the conversation, from 1

_BRACED = re.compile(r"\{\{[^{}]*\}\}")  # literal text that looks like a placeholder
_NAMED: tuple[PartKind, ...] = ("token", "id", "attribute", "date")


def parse_slot(value: str | Iterable[str]) -> Slot:
    """Parse the text of a slot, or a list of texts between which tokenization breaks."""
    if isinstance(value, str):
        return _merge(_parse_text(value))
    parts: list[Part] = []
    for piece in filter(None, (_merge(_parse_text(text)) for text in value)):
        if parts:
            parts.append(Part("break"))
        parts.extend(piece)
    return tuple(parts)


def _parse_text(text: str) -> list[Part]:
    parts: list[Part] = []
    position = 0
    for match in PLACEHOLDER.finditer(text):
        if match.start() > position:
            parts.append(Part("text", text[position : match.start()]))
        position = match.end()
        if name := match["name"]:
            kind = {"bos_token": "bos", "eos_token": "eos"}.get(name)
            parts.append(Part("bos") if kind == "bos" else Part("eos") if kind == "eos" else Part("field", name))
        elif match["text"]:
            parts.append(Part("text", match["text"]))
        else:
            parts.extend(Part(kind, match[kind]) for kind in _NAMED if match[kind])
    if position < len(text):
        parts.append(Part("text", text[position:]))
    return parts


def _merge(parts: Iterable[Part]) -> Slot:
    merged: list[Part] = []
    for part in parts:
        if merged and part.kind == "text" and merged[-1].kind == "text":
            merged[-1] = Part("text", merged[-1].value + part.value)
        else:
            merged.append(part)
    return tuple(merged)


def write_slot(slot: Slot) -> str | list[str]:
    """The text, or the list of texts, that :func:`parse_slot` reads as this slot."""
    texts = [""]
    for part in slot:
        if part.kind == "break":
            texts.append("")
        elif part.kind == "text":
            texts[-1] += _BRACED.sub(lambda match: f"{{{{text:{match[0]}}}}}", part.value)
        elif part.kind in _NAMED:
            texts[-1] += f"{{{{{part.kind}:{part.value}}}}}"
        else:
            texts[-1] += f"{{{{{part.value if part.kind == 'field' else part.kind + '_token'}}}}}"
    return texts[0] if len(texts) == 1 else texts


def write_text(slot: Slot) -> str:
    """A text in which only today's date is filled in, as an author writes it."""
    return "".join(f"{{{{date:{part.value}}}}}" if part.kind == "date" else part.value for part in slot)


def join_slots(*slots: Slot) -> Slot:
    """Join slots end to end; adjacent texts become one part, so no new boundary arises."""
    return _merge(part for slot in slots for part in slot)


def fields(slot: Slot) -> list[str]:
    """The names of the placeholders that are filled per turn, in order."""
    return [part.value for part in slot if part.kind == "field"]


def split_content(slot: Slot) -> tuple[Slot, Slot]:
    """What stands before and after ``{{content}}``.

    Raises:
        ValueError: the slot has no ``{{content}}``.
    """
    index = slot.index(CONTENT)
    return slot[:index], slot[index + 1 :]


def numbered(first: str, second: str) -> str | None:
    """The text of the first and the second medium, with the number as a word; None where more than that changes."""
    if first == second:
        return first
    for place, pair in enumerate(zip(first, second, strict=False)):
        if pair == ("1", "2") and first[:place] + "2" + first[place + 1 :] == second:
            return first[:place] + MEDIUM_NUMBER + first[place + 1 :]
    return None
