"""The files of a model folder, read as they lie there: no code of the folder is run, nothing is looked up elsewhere."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import ChatwrightError


def read_text(file: Path) -> str:
    """The text of a file.

    Raises:
        ChatwrightError: it is not UTF-8.
    """
    try:
        return file.read_text(encoding="utf-8-sig")
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
    if not isinstance(data, Mapping):
        raise ChatwrightError(f"{file}: not a JSON object")
    return data


def vocabulary(tokenizer: Mapping[str, Any], tokenizer_config: Mapping[str, Any]) -> dict[str, int]:
    """Token -> id, as ``tokenizer.json`` and the ``added_tokens_decoder`` of ``tokenizer_config.json`` list them."""
    listed = (tokenizer.get("model") or {}).get("vocab") or {}
    found = dict(listed) if isinstance(listed, Mapping) else {entry[0]: index for index, entry in enumerate(listed)}
    found |= {token["content"]: token["id"] for token in tokenizer.get("added_tokens") or ()}
    added = tokenizer_config.get("added_tokens_decoder") or {}
    return found | {token["content"]: int(index) for index, token in added.items()}


def eos_ids(config: Mapping[str, Any]) -> list[int]:
    """The ids of ``eos_token_id``, which is one or a list."""
    found = config.get("eos_token_id")
    listed = found if isinstance(found, list) else [found]
    return [number for number in listed if isinstance(number, int) and not isinstance(number, bool)]
