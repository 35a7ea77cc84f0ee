"""The worker of :mod:`..meaning.bounded` that reads a model folder's tokenizer and says what it makes of texts.

The first question names the ``folder``; its answer has the special tokens and what the tokenizer does to every text.
Each further one asks about many things of one kind, and its answer is a list of as many: the ``ids`` of texts, the
``spans`` of the tokens of texts, the ``texts`` of lists of ids, the ``names`` of ids (null: there is none), the
``numbers`` of tokens, the ``sides`` on which the tokens of ids take white space, and whether ids are ``known``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..limits import LONGEST_SPECIAL
from ..meaning.bounded_worker import Failed, serve

_MOST_IDS = 4_000_000  # of all texts of a question
_loaded: list[Any] = []


def load_tokenizer(folder: Path | str) -> Any:
    """Read a tokenizer's files as they are; no remote code is run or asked for, and nothing is looked up elsewhere.

    Raises:
        OSError: the folder has no such files.
    """
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast.from_pretrained(str(folder), local_files_only=True)


def _read(folder: str) -> dict[str, Any]:
    tokenizer = load_tokenizer(folder)
    _loaded[:] = [tokenizer]
    special = {name: token for name, token in tokenizer.special_tokens_map.items() if isinstance(token, str)}
    if any(len(token) > LONGEST_SPECIAL for token in special.values()):
        raise Failed(f"one of its special tokens has more than {LONGEST_SPECIAL} characters")
    plain, whole = tokenizer.encode("a", add_special_tokens=False), tokenizer.encode("a")
    bos = tokenizer.bos_token_id
    return {
        "special": special,
        "bos": bos,
        "eos": tokenizer.eos_token_id,
        "adds_bos": bos is not None and [bos] == whole[:1] != plain[:1],
        "puts_space": _puts_space(json.loads(tokenizer.backend_tokenizer.to_str())),
    }


def _puts_space(data: Mapping[str, Any]) -> str | None:
    """The part of tokenizer.json that adds a space to every text, None where none does."""
    for place in ("normalizer", "pre_tokenizer"):
        for part in _parts(data.get(place)):
            if part.get("type") == "Prepend":
                return f"{place} Prepend"
            if part.get("add_prefix_space") and part.get("type") == "ByteLevel":
                return f"{place} ByteLevel, add_prefix_space"
            if part.get("type") == "Metaspace" and part.get("prepend_scheme") == "always":
                return f"{place} Metaspace, prepend_scheme"
    return None


def _parts(data: Mapping[str, Any] | None) -> Iterator[Mapping[str, Any]]:
    if data is None:
        return
    yield data
    for key in ("normalizers", "pretokenizers"):
        inner = data.get(key)
        if isinstance(inner, list):
            for part in inner:
                yield from _parts(part)


def _ids(texts: Sequence[str]) -> list[list[int]]:
    found, left = [], _MOST_IDS
    for text in texts:
        found.append(_loaded[0].encode(text, add_special_tokens=False))
        left -= len(found[-1])
        if left < 0:
            raise Failed(f"it cuts texts into more than {_MOST_IDS} tokens")
    return found


def _spans(texts: Sequence[str]) -> list[Any]:
    return [_loaded[0](text, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"] for text in texts]


def _texts(lists: Sequence[Sequence[int]]) -> list[str]:
    return [_loaded[0].decode(list(filter(_is_number, ids))) for ids in lists]


def _names(ids: Sequence[int]) -> list[str | None]:
    return [_loaded[0].convert_ids_to_tokens(index) if _is_number(index) else None for index in ids]


def _numbers(tokens: Sequence[str]) -> list[int | None]:
    found: list[int | None] = _loaded[0].convert_tokens_to_ids(list(tokens))
    return found


def _sides(ids: Sequence[int]) -> list[list[str]]:
    sides = (("before", "lstrip"), ("behind", "rstrip"))
    added = [_loaded[0].added_tokens_decoder.get(index) for index in ids]
    return [[name for name, side in sides if getattr(token, side, False)] for token in added]


def _known(ids: Sequence[int]) -> list[bool]:
    known = set(_loaded[0].get_vocab().values())
    return [index in known for index in ids]


def _is_number(index: int) -> bool:
    """Whether it can be the number of a token for a library that counts them in 32 bits."""
    return 0 <= index < 1 << 32


_ANSWERS: Mapping[str, Callable[[Any], Any]] = {
    "folder": _read,
    "ids": _ids,
    "spans": _spans,
    "texts": _texts,
    "names": _names,
    "numbers": _numbers,
    "sides": _sides,
    "known": _known,
}


def _answer(job: dict[str, Any]) -> dict[str, Any]:
    kind = next(kind for kind in _ANSWERS if kind in job)
    return {kind: _ANSWERS[kind](job[kind])}


def _prepare() -> None:
    from transformers import PreTrainedTokenizerFast  # noqa: F401, before the limits


if __name__ == "__main__":
    serve(_answer, _prepare)
