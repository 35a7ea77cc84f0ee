"""The placeholders of images, videos and audio clips: what a template writes for a part that is no text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ...catalogue.build import merge
from ...catalogue.slots import numbered
from ..conversations import MEDIA
from .judging import Case, Judge
from .probing import Message, Oracle, is_plain

_TEXTS = ("Uq0qU", "Vq0qV", "Wq0qW")


def placeholders(oracle: Oracle, data: Mapping[str, Any]) -> dict[str, str]:
    """What stands for each kind of part that the template knows, wherever it stands in a message."""
    bare = oracle.cut([_message(None)], *_TEXTS)
    found: dict[str, str] = {}
    for kind in MEDIA if bare else ():
        one = oracle.cut([_message(kind)], *_TEXTS)
        if one is None or bare is None:
            continue
        first, second = (text.removesuffix(between) for text, between in zip(one[1:3], bare[1:3], strict=True))
        judge = Judge(oracle, list(_cases(kind)))
        for text in dict.fromkeys((numbered(first, second) or first, first)):
            if text and is_plain(text) and all(judge.agrees(merge(data, {"slots": {kind: text}}))):
                found[kind] = text
                break
    return found


def _cases(kind: str) -> Iterator[Case]:
    part = {"type": kind}
    text = {"type": "text", "text": _TEXTS[0]}
    for name, content in (("in front", [part, text]), ("behind", [text, part])):
        yield Case(f"{kind} {name}", ({"role": "user", "content": content},))
    yield Case(f"{kind} between", (_message(kind),))


def _message(kind: str | None) -> Message:
    """A user's message of three texts, with a part of that kind between each two."""
    first, *others = ({"type": "text", "text": text} for text in _TEXTS)
    between = [{"type": kind}] if kind else []
    return {"role": "user", "content": [first, *(part for text in others for part in (*between, text))]}
