"""What is to be identified: a model folder, a file of one, an id on a hub, or a line of a dump."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...errors import ChatwrightError
from ...limits import LONGEST_NAME
from ...pipeline.gguf import is_gguf, read_gguf
from ...pipeline.model_files import HUB_ID, names_in, read_json, read_text, special_tokens, token_text
from ..verify.folder import ChatTemplates, chat_templates, gguf_templates, said_ids

_ID_KEYS = ("id", "hf_repo_guess", "model_id", "repo", "modelId")


@dataclass(frozen=True)
class Record:
    """What is known of a model.

    ``path`` is what ms-swift would match by its last part. ``tokens`` are the special tokens that a chat template is
    given; a BOS or EOS that is not among them is not known, unless the record is ``whole``: then the model has none.
    """

    name: str
    ids: tuple[str, ...] = ()
    path: str | None = None
    templates: ChatTemplates | None = None
    tokens: Mapping[str, str] = field(default_factory=dict)
    architectures: tuple[str, ...] = ()
    whole: bool = False


class BadRecord(ChatwrightError):
    """A row that cannot be read; ``name`` is what it is called, as far as it says so."""

    def __init__(self, message: str, name: str = "") -> None:
        super().__init__(message)
        self.name = name


def read_model(model: str) -> Record:
    """Read a folder, a GGUF or a chat template's file, or take an id as it is: nothing is fetched.

    Raises:
        ChatwrightError: it is none of these, or one of its files cannot be read.
    """
    path = Path(model)
    try:
        if path.is_dir():
            return _of_folder(path)
        if path.is_file():
            return _of_file(path)
    except OSError as error:
        raise ChatwrightError(f"{model}: {error.strerror or error}") from error
    if HUB_ID.fullmatch(model):
        return Record(model, ids=(model,), path=model)
    raise ChatwrightError(f"{model}: there is no such folder or file, and it is no id of a model on a hub")


def read_record(data: Any) -> Record:
    """A row of a dump: ``chat_template`` and whatever else is known, see docs/identify.md; null is as good as left out.

    Raises:
        BadRecord: it is no such row; the message says why.
    """
    if not isinstance(data, Mapping):
        raise BadRecord("not a JSON object")
    said = [value for key in _ID_KEYS if isinstance(value := data.get(key), str) and value]
    name = said[0][:LONGEST_NAME] if said else ""
    try:
        return _record(data, name, tuple(dict.fromkeys(value for value in said if HUB_ID.fullmatch(value))))
    except ChatwrightError as reason:
        raise BadRecord(str(reason), name) from reason


def parse_line(line: bytes) -> Record:
    """A line of JSON as a record.

    Raises:
        BadRecord: it is no JSON object in UTF-8, or no such row.
    """
    try:
        data = json.loads(line.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise BadRecord("not UTF-8 text") from error
    except json.JSONDecodeError as error:
        raise BadRecord(f"not JSON: {error.msg} (character {error.pos})") from error
    except RecursionError as error:
        raise BadRecord("not JSON that can be read: it nests too deeply") from error
    except ValueError as error:  # a number of more digits than Python reads
        raise BadRecord("not JSON that can be read: it holds a number that is too long") from error
    return read_record(data)


def _record(data: Mapping[str, Any], name: str, ids: tuple[str, ...]) -> Record:
    config = data.get("config")
    config = config if isinstance(config, Mapping) else {}
    architectures = data.get("architectures")
    architectures = _texts(config.get("architectures") if architectures is None else architectures)
    tokens = {key: token for key in ("bos_token", "eos_token") if (token := token_text(data, key))}
    value = data.get("chat_template")
    templates = None if value is None else ChatTemplates("chat_template", _by_name(value))
    if templates is None and not ids and not architectures:
        raise ChatwrightError("it has neither a chat_template nor an id of a model on a hub nor architectures")
    return Record(name, ids, ids[0] if ids else None, templates, tokens, architectures)


def _of_folder(path: Path) -> Record:
    tokenizer, config = read_json(path / "tokenizer_config.json"), read_json(path / "config.json")
    found = chat_templates(path, tokenizer)
    special = {**read_json(path / "special_tokens_map.json"), **tokenizer}
    ids = tuple(dict.fromkeys(said_ids(config, tokenizer)))
    return Record(
        str(path),
        ids,
        str(path.resolve()),
        _checked(found[0], path) if found else None,
        special_tokens(special, path),
        tuple(_texts(config.get("architectures"))),
        whole=bool(special),
    )


def _of_gguf(path: Path) -> Record:
    gguf = read_gguf(path)
    templates = gguf_templates(gguf)
    name = gguf.name.replace(" ", "-")  # as llama.cpp's converter shows the name of a model's folder
    return Record(
        str(path),
        (gguf.hub_id,) if HUB_ID.fullmatch(gguf.hub_id) else (),
        name or None,
        _checked(templates, path) if templates else None,
        gguf.special,
        whole=True,
    )


def _of_file(path: Path) -> Record:
    if is_gguf(path):
        return _of_gguf(path)
    text = read_text(path)
    if path.suffix != ".json":
        return Record(str(path), templates=_checked(ChatTemplates(path.name, {"default": text}), path))
    data = read_json(path)
    if data.get("chat_template") is None:
        raise ChatwrightError(f"{path}: it has no chat_template")
    try:
        templates = ChatTemplates(path.name, _by_name(data["chat_template"]))
    except ChatwrightError as error:
        raise ChatwrightError(f"{path}: {error}") from error
    return Record(str(path), templates=templates, tokens=special_tokens(data, path), whole="tokenizer_class" in data)


def _checked(templates: ChatTemplates, path: Path) -> ChatTemplates:
    try:
        return ChatTemplates(templates.file, _by_name(dict(templates.by_name)))
    except ChatwrightError as error:
        raise ChatwrightError(f"{path}: {templates.file}: {error}") from error


def _by_name(value: Any) -> dict[str, str]:
    """The templates by name, in whatever form transformers writes them; a table's nulls are what is not there."""
    value = _plain(value)
    if isinstance(value, str):
        value = {"default": value}
    elif isinstance(value, list | tuple):
        pairs = [(item.get("name"), item.get("template")) for item in value if isinstance(item, Mapping)]
        value = {name if isinstance(name, str) else "": text for name, text in pairs}
    if not isinstance(value, Mapping):
        raise ChatwrightError("chat_template is neither a text nor a list of named ones")
    found = {str(name): text for name, text in value.items() if text is not None}
    if not found or not all(isinstance(text, str) for text in found.values()) or "" in found:
        raise ChatwrightError("chat_template holds what is no named text")
    return found


def _texts(value: Any) -> tuple[str, ...]:
    """A list of names; anything else is none."""
    value = _plain(value)
    value = [value] if isinstance(value, str) else value
    return tuple(names_in(value)) if isinstance(value, list | tuple) else ()


def _plain(value: Any) -> Any:
    """A list as Python has it, where an engine for tables hands over an array."""
    return value.tolist() if hasattr(value, "tolist") else value
