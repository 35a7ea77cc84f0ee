"""The placeholders of images, videos and audio clips: what a template writes for a part that is no text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .probing import Oracle, cut, is_plain

KINDS = ("image", "video", "audio")


def placeholders(oracle: Oracle, data: Mapping[str, Any]) -> dict[str, str]:
    """What stands for each kind of part that the template knows."""
    bare = cut(oracle.ask([_with_parts()]), "Uq0qU", "Vq0qV")
    found: dict[str, str] = {}
    for kind in KINDS:
        parts = cut(oracle.ask([_with_parts({"type": kind})]), "Uq0qU", "Vq0qV")
        if parts is None or bare is None:
            continue
        text = parts[1].removesuffix(bare[1])
        if text and is_plain(text) and "'type'" not in text and text + bare[1] == parts[1]:
            found[kind] = text
    return found


def _with_parts(*between: Mapping[str, Any]) -> dict[str, Any]:
    texts = ({"type": "text", "text": text} for text in ("Uq0qU", "Vq0qV"))
    first, last = texts
    return {"role": "user", "content": [first, *between, last]}
