"""Where generation stops: the end of turn and the stop words of the template against the folder's settings.

A server stops at ``eos_token_id`` of ``generation_config.json`` (where that file is missing, of ``config.json``) and,
as vLLM and SGLang do, at the tokenizer's own EOS.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import date
from typing import Any

from ...catalogue.model import Template
from ...characters import clipped, listing
from ...errors import Unsupported
from ...meaning.render import Kind, Piece, to_text
from ...pipeline.model_files import eos_ids, is_id
from ..conversations import conversations
from ..token_ids import encoded_texts, piece_ids
from .findings import Finding
from .folder import ModelFolder

_GENERATION = "generation_config.json"
_SHOWN = 8  # ids in a message


def findings(template: Template, folder: ModelFolder, today: date) -> tuple[list[Finding], list[str]]:
    """What is wrong with the stops, and notes."""
    place, configured = _configured(folder)
    own = folder.tokenizer.eos_token_id
    stops = set(configured) | ({own} if own is not None else set())
    found: list[Finding] = []
    notes: list[str] = []
    ends = ends_of(template, folder, lambda text: _first_token(folder, text))
    if ends and not any(_is_token(folder, end) for end in ends):
        text = f"the end of turn {_list(ends)} is no token of the vocabulary, so generation cannot stop at it"
        found.append(Finding("end-of-turn-missing", "tokenizer.json", text))
    elif ends and not any(_id(folder, end) in stops for end in ends if _is_token(folder, end)):
        text = f"the end of turn {_list(ends)} is not among the stops {_names(folder, stops)}: replies do not end"
        found.append(Finding("eos-not-end-of-turn", place, text))
    said = bool(found)
    for word in template.stop_words:
        if word in ends and (len(ends) == 1 or said):
            continue
        if _is_token(folder, word):
            if _id(folder, word) not in stops:
                text = f"the stop word {word} is not among the stops {_names(folder, stops)}"
                found.append(Finding("stop-word-missing", place, text))
        elif len(folder.tokenizer.encode(word)) > 1 and not _looks_like_token(word):
            text = f"the stop word {word!r} is no single token, and eos_token_id cannot hold it"
            found.append(Finding("stop-word-split", "tokenizer.json", text))
        else:
            notes.append(f"the stop word {word} is not in the vocabulary, so the model never writes it")
    if configured and own is not None and own not in configured:
        text = f"eos_token_id of {place} is {_names(folder, set(configured))}, the tokenizer's EOS is {folder.eos}"
        found.append(Finding("eos-disagrees", place, text))
    strange = _strange(folder)
    found += strange
    if not configured and not strange:
        notes.append("neither generation_config.json nor config.json has an eos_token_id; the tokenizer's EOS counts")
    found += _written(template, folder, stops, place, today)
    return found, notes


def _configured(folder: ModelFolder) -> tuple[str, list[int]]:
    """The file that says where to stop, and the ids."""
    place, data = _source(folder)
    found = eos_ids(data, folder.path / place)
    return place if found else _GENERATION, found


def _source(folder: ModelFolder) -> tuple[str, Mapping[str, Any]]:
    return (_GENERATION, folder.generation) if folder.generation else ("config.json", folder.config)


def _strange(folder: ModelFolder) -> list[Finding]:
    """What stands in eos_token_id and is no id of a token."""
    place, data = _source(folder)
    given = data.get("eos_token_id")
    listed = given if isinstance(given, list) else [] if given is None else [given]
    ids = eos_ids(data, folder.path / place)
    listed_ids = set(folder.vocabulary.values())
    known = {index for index, is_known in zip(ids, folder.tokenizer.known(ids), strict=True) if is_known} | listed_ids
    wrong = [_entry(entry) for entry in listed if not is_id(entry) or entry not in known]
    text = f"its eos_token_id has {listing(wrong, _SHOWN)}, no id of the vocabulary"
    return [Finding("eos-not-an-id", place, text)] * bool(wrong)


def _entry(value: Any) -> str:
    return (
        "a list"
        if isinstance(value, list)
        else "an object" if isinstance(value, dict) else clipped(json.dumps(value), 40)
    )


def ends_of(template: Template, folder: ModelFolder, first_token: Callable[[str], str]) -> list[str]:
    """The tokens that may end a reply: the first text of the end of turn, else the tokenizer's EOS, else stop words.

    ``first_token`` is the token that a text begins with.
    """
    for part in template.end:
        if part.kind == "eos":
            return [folder.eos] if folder.eos else []
        if part.kind in ("text", "token") and part.value.strip():
            text = part.value.strip()
            words = [word for word in template.stop_words if text.startswith(word)]
            return words[:1] or [first_token(text)]
    if template.stop_words:
        return list(template.stop_words)
    return [folder.eos] if folder.eos else []


def _first_token(folder: ModelFolder, text: str) -> str:
    ids = folder.tokenizer.encode(text)
    token = folder.tokenizer.names(ids[:1])[0] if ids else ""
    return token if text.startswith(token) and token else text


def _written(template: Template, folder: ModelFolder, stops: set[int], place: str, today: date) -> list[Finding]:
    """The stops behind which a trained reply goes on: the model must write them, and is cut off there."""
    seen: dict[int, list[str]] = {}
    words = {token: word for token in sorted(stops) if (word := folder.tokenizer.decode([token]))}
    replies: dict[str, list[tuple[Piece, ...]]] = {}
    for name, scenario in conversations().items():
        with suppress(Unsupported):
            replies[name] = _replies(scenario.pieces(template, Kind.TRAINING, today))
    folder.tokenizer.learn(text for listed in replies.values() for reply in listed for text in encoded_texts(reply))
    for name, listed in replies.items():
        for reply in listed:
            text = to_text(reply, bos=folder.bos, eos=folder.eos)
            for token in sorted(words.keys() & set(piece_ids(reply, folder.tokenizer))):
                rest = text.partition(words[token])[2]
                for word in words.values():
                    rest = rest.replace(word, "")
                if rest.strip() and name not in seen.setdefault(token, []):
                    seen[token].append(name)
    return [
        Finding(
            "stop-must-be-written",
            place,
            f"{_names(folder, {token})} is a stop, and trained replies go on behind it: they are cut off there",
            tuple(names),
        )
        for token, names in seen.items()
        if names
    ]


def _replies(pieces: tuple[Piece, ...]) -> list[tuple[Piece, ...]]:
    """The runs of pieces that a model learns to write."""
    found: list[list[Piece]] = []
    before = False
    for piece in pieces:
        if piece.trained:
            if not before:
                found.append([])
            found[-1].append(piece)
        before = piece.trained
    return [tuple(run) for run in found]


def _is_token(folder: ModelFolder, word: str) -> bool:
    return word in folder.vocabulary


def _id(folder: ModelFolder, word: str) -> int:
    return folder.tokenizer.convert_tokens_to_ids(word)


def _looks_like_token(word: str) -> bool:
    return word[:1] in "<[" and word[-1:] in ">]"


def _list(words: list[str]) -> str:
    return " or ".join(words)


def _names(folder: ModelFolder, ids: set[int]) -> str:
    names = folder.tokenizer.names(sorted(ids)[:_SHOWN])
    return ", ".join(names) + (f" and {len(ids) - _SHOWN} more" if len(ids) > _SHOWN else "") or "(none)"
