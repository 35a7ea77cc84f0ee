"""Read the files of a model folder: no code of the folder is run, and nothing else is read."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .. import limits
from ..characters import HALF, clipped
from ..errors import ChatwrightError
from ..limits import LONGEST_NAME

# The pattern of a model's id on a hub.
HUB_ID = re.compile(rf"(?=.{{,{LONGEST_NAME}}}\Z)[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


def read_text(file: Path) -> str:
    """The text of a file.

    Raises:
        ChatwrightError: it is not UTF-8, too large, or no regular file; reading from a pipe might never end.
    """
    if not file.is_file():
        raise ChatwrightError(f"{file}: not a regular file")
    with file.open("rb") as stream:
        content = stream.read(limits.FILE_BYTES + 1)
    if len(content) > limits.FILE_BYTES:
        raise ChatwrightError(f"{file}: larger than {limits.FILE_BYTES >> 20} MB, which no file of a tokenizer is")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ChatwrightError(f"{file}: not UTF-8 text") from error


def read_json(file: Path) -> Mapping[str, Any]:
    """The JSON object in a file, empty if there is no file.

    Raises:
        ChatwrightError: the file holds no JSON object; the message names the place of the error.
    """
    if not file.is_file():
        return {}
    text = read_text(file)
    if sum(map(text.count, "[{,")) > limits.FILE_VALUES:
        raise ChatwrightError(f"{file}: more than {limits.FILE_VALUES} values, which no file of a tokenizer has")
    try:
        data = json.loads(text)
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
    """Token -> id, as the files of the tokenizer list them; empty if there is no ``tokenizer.json``.

    Raises:
        ChatwrightError: a file lists tokens in an unknown way.
    """
    file = folder / "tokenizer.json"
    data = read_json(file)
    with _shape(file):
        listed = (data.get("model") or {}).get("vocab") or {}
        numbered = ((entry[0], place) for place, entry in enumerate(listed))  # a Unigram model
        pairs = listed.items() if isinstance(listed, Mapping) else numbered
        known = {str(text): _id(index) for text, index in pairs}
    return known | {text: index for index, text in _added(folder, data).items()}


def added_tokens(folder: Path) -> dict[int, str]:
    """Id -> token, of the added tokens, which the files list apart from the vocabulary.

    Raises:
        ChatwrightError: a file lists tokens in an unknown way.
    """
    return _added(folder, read_json(folder / "tokenizer.json"))


def _added(folder: Path, tokenizer: Mapping[str, Any]) -> dict[int, str]:
    found: dict[int, str] = {}
    with _shape(folder / "tokenizer.json"):
        found |= {_id(token["id"]): _token(token["content"]) for token in tokenizer.get("added_tokens") or ()}
    with _shape(folder / "added_tokens.json") as file:
        found |= {_id(index): _token(text) for text, index in read_json(file).items()}
    with _shape(folder / "tokenizer_config.json") as file:
        added = read_json(file).get("added_tokens_decoder") or {}
        found |= {_id(int(index)): _token(token["content"]) for index, token in added.items()}
    return found


def _id(value: Any) -> int:
    if not is_id(value):
        raise ValueError(f"{clipped(str(value), 40)} is no id")
    return int(value)


def _token(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{clipped(str(value), 40)} is no text")
    return _whole_token(value, "a token", limits.LONGEST_TOKEN)


@contextmanager
def _shape(file: Path) -> Iterator[Path]:
    try:
        yield file
    except ChatwrightError as error:
        raise ChatwrightError(f"{file}: {error}") from error
    except (AttributeError, IndexError, KeyError, OverflowError, TypeError, ValueError) as error:
        reason = f"{type(error).__name__}: {clipped(str(error))}"
        raise ChatwrightError(f"{file}: its tokens are not listed as tokenizers lists them ({reason})") from error


def architectures(config: Mapping[str, Any]) -> list[str]:
    """The ``architectures`` of a ``config.json`` that are valid names."""
    found = config.get("architectures")
    return names_in(found) if isinstance(found, list) else []


def names_in(found: Iterable[Any]) -> list[str]:
    """The items of a list that can be names: texts that are not too long and have no half characters."""
    return [name for name in found if isinstance(name, str) and len(name) <= LONGEST_NAME and not HALF.search(name)]


def token_text(config: Mapping[str, Any], name: str, file: Path | str = "") -> str | None:
    """The text of a special token; the config holds it as text or as the ``content`` of an object.

    Raises:
        ChatwrightError: the text cannot be a token; the message names the ``file``.
    """
    value = config.get(name)
    value = value.get("content") if isinstance(value, Mapping) else value
    if not isinstance(value, str) or not value:
        return None
    return _whole_token(value, _in(file, name), limits.LONGEST_SPECIAL)


def special_tokens(config: Mapping[str, Any], file: Path | str = "") -> dict[str, str]:
    """The special tokens that a file names, by the names of their attributes (``bos_token``).

    Raises:
        ChatwrightError: as :func:`token_text`.
    """
    names = [name for name in config if name.endswith("_token") and len(name) <= LONGEST_NAME]
    return {name: token for name in names if (token := token_text(config, name, file))}


def eos_ids(config: Mapping[str, Any], file: Path | str = "") -> list[int]:
    """The ids of ``eos_token_id``, which is one id or a list; invalid ids are skipped.

    Raises:
        ChatwrightError: there are too many ids; the message names the ``file``.
    """
    found = config.get("eos_token_id")
    listed = found if isinstance(found, list) else [found]
    if len(listed) > limits.MOST_STOPS:
        reason = f"lists {len(listed)} ids; at most {limits.MOST_STOPS} are read"
        raise ChatwrightError(f"{_in(file, 'eos_token_id')} {reason}")
    return list(filter(is_id, listed))


def whole_text(text: str, what: str) -> str:
    """The text, after a check that it holds no half of a character.

    Raises:
        ChatwrightError: it holds one; the message begins with ``what``, the name of the text.
    """
    if half := HALF.search(text):
        raise ChatwrightError(f"{what} holds half of a character, U+{ord(half[0]):04X}, which is no text")
    return text


def _whole_token(text: str, what: str, most: int) -> str:
    if len(text) > most:
        raise ChatwrightError(f"{what} has {len(text)} characters, and at most {most} are read")
    return whole_text(text, what)


def _in(file: Path | str, name: str) -> str:
    return f"{file}: {name}" if file else name


def is_id(value: Any) -> bool:
    """Whether a value can be the id of a token."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 32
