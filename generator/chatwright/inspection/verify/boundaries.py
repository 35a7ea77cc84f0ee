"""Slot-wise training tokenization against whole-text serving tokenization: where the ids part, and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from ...meaning.visible import visible
from ..prompt_differences import Divergence, Prompt
from ..token_ids import encoded_texts, first_difference, piece_ids
from .findings import Finding
from .folder import ModelFolder

_SHOWN = 4  # tokens of each side of a difference


@dataclass(frozen=True)
class Cut:
    """One conversation whose text training and serving cut into different tokens, and the cause."""

    cause: str
    example: Divergence


def cuts(prompts: Mapping[str, Prompt], folder: ModelFolder) -> dict[str, Cut]:
    """The differences by conversation, each prompt's text being equal on both sides."""
    found = {}
    texts = ((prompt.text, *encoded_texts(prompt.pieces)) for prompt in prompts.values())
    folder.tokenizer.learn(chain.from_iterable(texts))
    for name, prompt in prompts.items():
        ids, whole = piece_ids(prompt.pieces, folder.tokenizer), folder.tokenizer.encode(prompt.text)
        if ids == whole:
            continue
        start = first_difference(ids, whole)
        trained, served = (_tokens(folder, side[start : start + _SHOWN]) for side in (ids, whole))
        before = visible(folder.tokenizer.decode(ids[max(0, start - 3) : start]))
        found[name] = Cut(_cause(prompt, folder, whole, start), Divergence(name, before, trained, served))
    return found


def findings(found: Mapping[str, Cut], prompts: Mapping[str, Prompt]) -> tuple[list[Finding], list[str]]:
    """One finding per cause; where it takes a message with white space around it, a note."""
    by_cause: dict[str, list[str]] = {}
    padded = [name for name in found if prompts[name].is_padded]
    for name, cut in found.items():
        if name not in padded:
            by_cause.setdefault(cut.cause, []).append(name)
    notes = []
    if len(padded) == len(found) and padded:
        cut = found[padded[0]]
        notes.append(
            f"a message that begins or ends with white space is served with other tokens than it was trained with "
            f"({cut.cause}): {cut.example.before!r} is followed by {cut.example.trained} in training and by "
            f"{cut.example.served} in serving"
        )
    causes = [
        Finding("token-boundary", "tokenizer.json", cause, tuple(names), found[names[0]].example)
        for cause, names in by_cause.items()
    ]
    return causes, notes


def _tokens(folder: ModelFolder, ids: Sequence[int]) -> str:
    return " | ".join(_shown(folder, token) for token in ids) or "(nothing more)"


def _shown(folder: ModelFolder, token: int) -> str:
    """The text of a token, made visible; its name where it is no text of its own (a part of a character)."""
    text, name = folder.tokenizer.decode([token]), folder.tokenizer.names([token])[0]
    if not text or "\ufffd" in text:
        return visible(name)
    return visible(" " + text if name.startswith("▁") and not text.startswith(" ") else text)


def _cause(prompt: Prompt, folder: ModelFolder, whole: list[int], start: int) -> str:
    """Why the ids part at index ``start``, in words without anything of this one conversation."""
    for piece in prompt.pieces:
        if piece.kind == "token" and folder.tokenizer.encode(piece.text) != [
            folder.tokenizer.convert_tokens_to_ids(piece.text)
        ]:
            return f"training writes {visible(piece.text)} as one token, and its text is cut into other tokens"
    if spaced := folder.tokenizer.puts_space:
        return f"the tokenizer puts a space in front of every text that it encodes ({spaced}), so of every slot"
    spans = folder.tokenizer.spans(prompt.text)
    straddled = [
        (left, right, token)
        for (left, right), offset in _boundaries(prompt)
        for token, (begin, end) in zip(whole, spans, strict=False)
        if begin < offset < end
    ]
    if straddled:
        left, right, token = straddled[0]
        swallows = " and ".join(folder.tokenizer.sides(token))
        merged = _shown(folder, token)
        where = (
            f"between two slots of the {left}'s turn"
            if left == right
            else f"between the {left}'s and the {right}'s slot"
        )
        if swallows:
            return f"the token {merged} swallows the white space {swallows} it {where}"
        return f"serving merges characters {where} into one token {merged}"
    return "the whole text is cut in another way than its slots"


def _boundaries(prompt: Prompt) -> Iterator[tuple[tuple[str, str], int]]:
    """Where slot-wise tokenization starts anew: the roles on both sides, and the index in the text."""
    index, before = 0, None
    for piece, text in zip(prompt.pieces, prompt.texts, strict=True):
        if before is not None and not (piece.joined and piece.kind == "text"):
            yield (before.role, piece.role), index
        index += len(text)
        before = piece
