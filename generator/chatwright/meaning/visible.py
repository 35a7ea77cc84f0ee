"""Show prompts with every character visible, and slots as their author writes them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..catalogue.model import Slot
from ..characters import escaped, is_seen
from .render import Piece, Role

_SHOWN = {" ": "·", "\t": "→", "\n": "⏎"}
_CUT = "…"  # marks the place where a text is cut
_TABLE = str.maketrans({**{sign: escaped(sign) for sign in (*_SHOWN.values(), _CUT)}, **_SHOWN})
_LIKE_ESCAPE = re.compile(r"\\(?=x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8})")
_OWN_TOKEN_LIKE = re.compile("<((?:bos|eos)>)")


@dataclass(frozen=True)
class Row:
    """One line of a shown prompt: visible text of one role, either trained on or not."""

    role: Role
    trained: bool
    text: str


def visible(text: str) -> str:
    """The text with white space as ``·``, ``→`` and ``⏎``, and other invisible characters as escapes.

    Different texts are always shown differently: if the text itself contains one of these signs, or a backslash that
    looks like the start of an escape, that character is escaped, too.
    """
    shown = _LIKE_ESCAPE.sub(lambda match: escaped(match[0]), text).translate(_TABLE)
    return shown if is_seen(shown) else "".join(each if is_seen(each) else escaped(each) for each in shown)


def rows(pieces: Sequence[Piece]) -> Iterator[Row]:
    """The pieces as lines: a new one starts after every newline, and if the role or ``trained`` changes.

    The tokenizer's own tokens are shown as ``<bos>`` and ``<eos>``; a text that looks like one is escaped.
    """
    current: Row | None = None
    for piece in pieces:
        for line in _shown_lines(piece):
            same = current and (current.role, current.trained) == (piece.role, piece.trained)
            if current and same and not current.text.endswith(_SHOWN["\n"]):
                current = Row(piece.role, piece.trained, current.text + line)
            else:
                if current:
                    yield current
                current = Row(piece.role, piece.trained, line)
    if current:
        yield current


def _shown_lines(piece: Piece) -> Iterator[str]:
    if piece.kind in ("bos", "eos"):
        yield f"<{piece.kind}>"
        return
    for line in piece.text.splitlines(keepends=True) if piece.kind == "text" else [piece.text]:
        yield _OWN_TOKEN_LIKE.sub(lambda match: escaped("<") + match[1], visible(line))


def slot_text(slot: Slot) -> str | list[str]:
    """A slot as a spec writes it: one text, or a list of texts with a token boundary between them."""
    written = {"bos": "{{bos_token}}", "eos": "{{eos_token}}"}
    named = {"field": "{{%s}}", "token": "{{token:%s}}", "date": "{{date:%s}}"}
    texts = [""]
    for part in slot:
        if part.kind == "break":
            texts.append("")
        else:
            texts[-1] += written.get(part.kind) or (named[part.kind] % part.value if part.kind in named else part.value)
    return texts[0] if len(texts) == 1 else texts
