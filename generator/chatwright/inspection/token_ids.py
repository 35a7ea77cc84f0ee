"""Token ids as training frameworks make them: slot by slot, each piece encoded on its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ..meaning.render import Piece


def encoded_together(pieces: Sequence[Piece]) -> Iterator[Piece]:
    """The pieces as they are encoded: a joined one is part of the text before it."""
    text: Piece | None = None
    for piece in pieces:
        if piece.kind == "text" and piece.joined and text:
            text = Piece(text.text + piece.text, text.role)
            continue
        if text:
            yield text
        text = piece if piece.kind == "text" else None
        if text is None:
            yield piece
    if text:
        yield text


def encoded_texts(pieces: Sequence[Piece]) -> list[str]:
    """The texts of pieces that are encoded, each on its own."""
    return [piece.text for piece in encoded_together(pieces) if piece.kind == "text"]


def piece_ids(pieces: Sequence[Piece], tokenizer: Any) -> list[int]:
    """The token ids of pieces, encoded slot by slot.

    A tokenizer without the token that a ``bos`` or ``eos`` piece asks for writes none.
    """
    ids: list[int] = []
    own = {"bos": tokenizer.bos_token_id, "eos": tokenizer.eos_token_id}
    for piece in encoded_together(pieces):
        if piece.kind == "text":
            ids += tokenizer.encode(piece.text, add_special_tokens=False)
        elif piece.kind == "token":
            ids.append(tokenizer.convert_tokens_to_ids(piece.text))
        elif (token := own[piece.kind]) is not None:
            ids.append(token)
    return ids


def first_difference(one: Sequence[Any], other: Sequence[Any]) -> int:
    """The index at which two sequences part; the length of the shorter where it begins the longer."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((index for index, (left, right) in pairs if left != right), min(len(one), len(other)))
