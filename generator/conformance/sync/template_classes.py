"""What the Template classes of ms-swift write beyond the fields of their template, see ``template_classes.yaml``."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

import yaml

from chatwright.records.frameworks import built_ins
from chatwright.resources import checkout_root

from .. import places

Data = dict[str, Any]

_PLACEHOLDER = re.compile(r"\$\{([\w.]+)\}")


def describe(data: Data, fields: Mapping[str, Any]) -> None:
    """Add to a lifted template what its class writes."""
    if is_unknown(fields):
        data["undescribed"] = f"what the class {_class(fields)} adds, which nobody has looked at yet"
    for entry in _described().get(_class(fields), ()):
        _merge(data, entry, {**copy.deepcopy(data), **entry.get("texts", {})})


def is_unknown(fields: Mapping[str, Any]) -> bool:
    """Whether nothing says what the class of a template of ms-swift does to its text."""
    return _class(fields) not in _described() and _class(fields) not in _plain()


def _class(fields: Mapping[str, Any]) -> str:
    return str(fields["template_cls"]).rpartition(".")[2]


@cache
def _described() -> Mapping[str, list[Data]]:
    """The entries of each class, in the order in which they are merged."""
    text = resources.files(__package__).joinpath("template_classes.yaml").read_text(encoding="utf-8")
    found: dict[str, list[Data]] = {}
    for names, entry in yaml.safe_load(text).items():
        for name in names.split(", "):
            found.setdefault(name, []).append(entry)
    return found


@cache
def _plain() -> frozenset[str]:
    """The classes that change no text: of the recorded templates those that are not recorded as changing it."""
    record = built_ins().get("swift")
    changing = record.text_in_code if record else frozenset()
    root = checkout_root()
    files = sorted((places.vectors(root) / "swift").glob("*.json")) if root else []
    recorded = [json.loads(file.read_text(encoding="utf-8")) for file in files]
    return frozenset(
        each["fields"]["template_cls"].rpartition(".")[2] for each in recorded if each["template"] not in changing
    )


def _merge(data: Data, entry: Mapping[str, Any], before: Mapping[str, Any]) -> None:
    """Merge an entry of the file into a template, which was ``before`` what its placeholders say."""
    for key, value in entry.items():
        word, _, path = key.partition(" ")
        if word in ("with", "without"):
            if (_at(before, path) is not None) == (word == "with"):
                _merge(data, value, before)
        elif key == "drop":
            for path in value:
                owner, _, name = path.rpartition(".")
                _at(data, owner).pop(name, None)
        elif key == "in_front":
            for path, text in value.items():
                _change(data, path, "", text)
        elif key == "in_front_of_content":
            for path, text in value.items():
                _change(data, path, "{{content}}", text)
        elif key == "do":
            _FUNCTIONS[value](data)
        elif key != "texts":
            data[key] = _merged(data.get(key), value, before)


def _merged(old: Any, new: Any, before: Mapping[str, Any]) -> Any:
    if isinstance(new, Mapping):
        kept = dict(old) if isinstance(old, Mapping) else {}
        return {**kept, **{key: _merged(kept.get(key), value, before) for key, value in new.items()}}
    if isinstance(new, list):
        return [_merged(None, each, before) for each in new]
    return _PLACEHOLDER.sub(lambda match: _at(before, match[1]) or "", new) if isinstance(new, str) else new


def _change(data: Data, path: str, place: str, text: str) -> None:
    """Put a text in front of a place in the text at a path, if there is one."""
    owner, _, name = path.rpartition(".")
    found = _at(data, owner)
    if name in found:
        found[name] = found[name].replace(place, text + place, 1)


def _at(data: Any, path: str) -> Any:
    for key in path.split("."):
        data = data.get(key) if isinstance(data, Mapping) else None
    return data


def _shorten_generation(data: Data) -> None:
    """The newline behind the opener, or behind an empty thought there, is left to the model."""
    assistant, thinking = data["slots"]["assistant"], data.get("thinking")
    if not assistant["opener"].endswith("\n"):
        return
    assistant["generation"] = assistant["opener"][:-1]
    if "tool_format" in data:
        assistant["before_calls"] = assistant["generation"]
    if thinking:
        if thinking.get("when_on"):
            thinking["when_on"] = "\n" + thinking["when_on"]
        off = thinking.get("when_off", "")
        thinking["when_off"] = off and "\n" + off.removesuffix("\n")
        thinking.setdefault("empty", off)
        dropped = thinking.get("when_dropped", "")
        if "tool_format" in data and dropped.endswith("\n"):
            thinking["dropped_before_calls"] = dropped[:-1]


_FUNCTIONS = {"shorten_generation": _shorten_generation}
