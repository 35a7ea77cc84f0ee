"""The template's markers in the folder's vocabulary."""

from __future__ import annotations

import re
from dataclasses import fields

from ...catalogue.model import Slot, Template
from ...pipeline.model_files import is_id
from ..conversations import MEDIA
from .findings import Finding
from .folder import ModelFolder

# What looks like a special token wherever it stands: <|im_start|>, <｜User｜>. Other brackets may be plain text.
_MARKER = re.compile(r"<\|[^|<>\s]+\|>|<｜[^｜<>\s]+｜>")
_PLACEHOLDER = re.compile(r"<[^<>{}\s]+>|\[[A-Z_]+\]")  # in a medium's slot, any bracket without a number


def findings(template: Template, folder: ModelFolder) -> list[Finding]:
    """The markers that the vocabulary lacks although it has others of the same template, or must have them."""
    lacking = missing(template, folder)
    if not lacking:
        return []
    media = _placeholders(template, folder)
    found = []
    if others := [word for word in lacking if word not in media]:
        found.append(Finding("marker-missing", folder.vocabulary_file, _told(others)))
    if placeholders := [word for word in lacking if word in media]:
        found.append(Finding("placeholder-missing", folder.vocabulary_file, _told(placeholders)))
    return found


def missing(template: Template, folder: ModelFolder) -> list[str]:
    """The markers that should be tokens and are not: tokens by name, and text that looks like a token.

    A format none of whose markers is a token writes them as plain text (Zephyr does), and lacks nothing.
    """
    slots = [getattr(template.slots, field.name) for field in fields(template.slots) if field.name not in MEDIA]
    tokens = {part.value for slot in slots for part in slot or () if part.kind == "token"}
    looks = {word for slot in slots for word in _MARKER.findall(_text(slot))}
    lacking = [
        word for word in sorted(tokens | looks | _placeholders(template, folder)) if word not in folder.vocabulary
    ]
    if tokens.isdisjoint(lacking) and looks == set(lacking) and not looks & set(template.stop_words):
        return []
    return lacking


def _placeholders(template: Template, folder: ModelFolder) -> set[str]:
    return {
        word
        for kind in MEDIA
        for word in _PLACEHOLDER.findall(getattr(template.slots, kind) or "")
        if word not in (f"<{kind}>", f"</{kind}>") or _names_lost_token(folder, kind)
    }


def _names_lost_token(folder: ModelFolder, kind: str) -> bool:
    """Whether config.json names a token for a medium that the vocabulary does not have.

    ``<image>`` is a token for LLaVA, and for others a word of the text that their processors replace.
    """
    ids = set(filter(is_id, (folder.config.get(f"{kind}_token_id"), folder.config.get(f"{kind}_token_index"))))
    return bool(ids) and ids.isdisjoint(folder.vocabulary.values())


def _text(slot: Slot | None) -> str:
    return "\0".join(part.value for part in slot or () if part.kind == "text")


def _told(words: list[str]) -> str:
    return f"the vocabulary lacks {', '.join(words)}, which the template writes as {_single(words)}"


def _single(words: list[str]) -> str:
    return "one token" if len(words) == 1 else "one token each"
