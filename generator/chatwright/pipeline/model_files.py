"""The files of a model folder, read as they lie there: no code of the folder is run, nothing is looked up elsewhere."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import ChatwrightError

MAX_BYTES = 256 << 20  # of one file; the largest tokenizer.json there is has some 40 MB
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")  # what may be a model's id on a hub


def read_text(file: Path) -> str:
    """The text of a file.

    Raises:
        ChatwrightError: it is not UTF-8, too large, or something else than a file, from which reading might never end.
    """
    if not file.is_file():
        raise ChatwrightError(f"{file}: not a regular file")
    with file.open("rb") as stream:
        content = stream.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise ChatwrightError(f"{file}: larger than {MAX_BYTES >> 20} MB, which no file of a tokenizer is")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ChatwrightError(f"{file}: not UTF-8 text") from error


def read_json(file: Path) -> Mapping[str, Any]:
    """The JSON object in a file, empty where there is no file.

    Raises:
        ChatwrightError: the file holds no JSON object; the message says where it is wrong.
    """
    if not file.is_file():
        return {}
    try:
        data = json.loads(read_text(file))
    except json.JSONDecodeError as error:
        raise ChatwrightError(f"{file}:{error.lineno}:{error.colno}: not JSON: {error.msg}") from error
    except RecursionError as error:
        raise ChatwrightError(f"{file}: not JSON that can be read: it nests too deeply") from error
    except ValueError as error:
        raise ChatwrightError(f"{file}: not JSON that can be read: {error}") from error
    if not isinstance(data, Mapping):
        raise ChatwrightError(f"{file}: not a JSON object")
    return data


def vocabulary(folder: Path) -> dict[str, int]:
    """Token -> id, as the files of the tokenizer list them; empty where there is no ``tokenizer.json``.

    Raises:
        ChatwrightError: a file lists them in another way.
    """
    file = folder / "tokenizer.json"
    model = read_json(file).get("model") or {}
    with _shape(file):
        listed = model.get("vocab") or {}
        known = dict(listed) if isinstance(listed, Mapping) else {entry[0]: index for index, entry in enumerate(listed)}
    return known | {text: index for index, text in added_tokens(folder).items()}


def added_tokens(folder: Path) -> dict[int, str]:
    """Id -> token, of those that the files list beside the plain vocabulary.

    Raises:
        ChatwrightError: a file lists them in another way.
    """
    found: dict[int, str] = {}
    with _shape(folder / "tokenizer.json") as file:
        found |= {int(token["id"]): str(token["content"]) for token in read_json(file).get("added_tokens") or ()}
    with _shape(folder / "added_tokens.json") as file:
        found |= {int(index): text for text, index in read_json(file).items()}
    with _shape(folder / "tokenizer_config.json") as file:
        added = read_json(file).get("added_tokens_decoder") or {}
        found |= {int(index): str(token["content"]) for index, token in added.items()}
    return found


@contextmanager
def _shape(file: Path) -> Iterator[Path]:
    try:
        yield file
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        told = f"{type(error).__name__}: {error}"
        raise ChatwrightError(f"{file}: its tokens are not listed as tokenizers lists them ({told})") from error


def architectures(config: Mapping[str, Any]) -> list[str]:
    """The ``architectures`` of a ``config.json``, as far as they are names."""
    found = config.get("architectures")
    return [name for name in found if isinstance(name, str)] if isinstance(found, list) else []


def token_text(config: Mapping[str, Any], name: str) -> str | None:
    """The text of a special token, which stands as it is or as the ``content`` of an object."""
    value = config.get(name)
    value = value.get("content") if isinstance(value, Mapping) else value
    return value if isinstance(value, str) and value else None


def eos_ids(config: Mapping[str, Any]) -> list[int]:
    """The ids of ``eos_token_id``, which is one or a list."""
    found = config.get("eos_token_id")
    listed = found if isinstance(found, list) else [found]
    return [number for number in listed if isinstance(number, int) and not isinstance(number, bool)]
