"""Prompts for the eye: every character of a text visible, and every slot as its author writes it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..catalogue.model import Slot
from .render import Piece, Role

_SHOWN = {" ": "·", "\t": "→", "\n": "⏎"}
_TABLE = str.maketrans(_SHOWN)


@dataclass(frozen=True)
class Row:
    """One line of a shown prompt: text of one role, all of it trained on or none. ``text`` is made visible."""

    role: Role
    trained: bool
    text: str


def visible(text: str) -> str:
    """The text with white space as ``·``, ``→`` and ``⏎``, and whatever else cannot be seen as an escape."""
    shown = text.translate(_TABLE)
    if shown.isprintable():
        return shown
    return "".join(character if character.isprintable() else _escape(character) for character in shown)


def rows(pieces: Sequence[Piece]) -> Iterator[Row]:
    """The pieces as lines: a new one behind every newline and wherever the role or the training changes.

    The tokenizer's own tokens are shown as ``<bos>`` and ``<eos>``.
    """
    current: Row | None = None
    for piece in pieces:
        text = f"<{piece.kind}>" if piece.kind in ("bos", "eos") else piece.text
        for line in text.splitlines(keepends=True) if piece.kind == "text" else [text]:
            same = current and (current.role, current.trained) == (piece.role, piece.trained)
            if current and same and not current.text.endswith(_SHOWN["\n"]):
                current = Row(piece.role, piece.trained, current.text + visible(line))
            else:
                if current:
                    yield current
                current = Row(piece.role, piece.trained, visible(line))
    if current:
        yield current


def slot_text(slot: Slot) -> str | list[str]:
    """A slot in the language of specs: one text, or a list of texts between which tokenization breaks."""
    written = {"bos": "{{bos_token}}", "eos": "{{eos_token}}"}
    named = {"field": "{{%s}}", "token": "{{token:%s}}", "date": "{{date:%s}}"}
    texts = [""]
    for part in slot:
        if part.kind == "break":
            texts.append("")
        else:
            texts[-1] += written.get(part.kind) or (named[part.kind] % part.value if part.kind in named else part.value)
    return texts[0] if len(texts) == 1 else texts


def _escape(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
