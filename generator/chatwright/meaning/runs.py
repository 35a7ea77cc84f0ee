"""Runs: a rendered text as pairs of text and whether it is learned."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from .render import Piece

TODAY = date(2025, 3, 4)  # the date of every recorded text, since some formats write today's date
BOS, EOS = "<BOS>", "<EOS>"  # the tokens of the byte-level tokenizer that recorded texts are written with

Run = tuple[str, bool]  # a text and whether it is learned


def normal(runs: Sequence[Run]) -> tuple[Run, ...]:
    """The runs without empty ones and with equal neighbours joined, so that equal texts compare equal."""
    out: list[Run] = []
    for text, trained in runs:
        if text and out and out[-1][1] == trained:
            out[-1] = (out[-1][0] + text, trained)
        elif text:
            out.append((text, trained))
    return tuple(out)


def piece_runs(pieces: Sequence[Piece], eos: str) -> tuple[Run, ...]:
    """The reference renderer's pieces as runs, with the byte-level tokenizer's own tokens."""
    own = {"bos": BOS, "eos": eos}
    return normal([(own.get(piece.kind, piece.text), piece.trained) for piece in pieces])
