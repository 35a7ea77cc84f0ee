"""Token ids as training frameworks make them: slot by slot, each piece encoded on its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..meaning.render import Piece


def piece_ids(pieces: Sequence[Piece], tokenizer: Any) -> list[int]:
    """The token ids of pieces, encoded slot by slot: a joined piece together with the one before it.

    A tokenizer without the token that a ``bos`` or ``eos`` piece asks for writes none.
    """
    ids: list[int] = []
    text = ""
    own = {"bos": tokenizer.bos_token_id, "eos": tokenizer.eos_token_id}
    for piece in pieces:
        if text and not (piece.kind == "text" and piece.joined):
            ids += tokenizer.encode(text, add_special_tokens=False)
            text = ""
        if piece.kind == "text":
            text += piece.text
        elif piece.kind == "token":
            ids.append(tokenizer.convert_tokens_to_ids(piece.text))
        elif (token := own[piece.kind]) is not None:
            ids.append(token)
    return ids + (tokenizer.encode(text, add_special_tokens=False) if text else [])


def first_difference(one: Sequence[Any], other: Sequence[Any]) -> int:
    """The index at which two sequences part; the length of the shorter where it begins the longer."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((index for index, (left, right) in pairs if left != right), min(len(one), len(other)))
