"""A spec's data as YAML in canonical style.

Canonical: keys in the order of ``schema.json``; lists, and maps that fit into a line, in flow style; slots and other
texts between double quotes; no line is wrapped; characters that cannot be seen are written as escapes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import yaml

from ..catalogue.schema import load_schema
from ..characters import escaped, is_seen

HEAD = "# yaml-language-server: $schema=../../schema.json"
_WIDTH = 120
_BLOCKS = ("templates", "slots", "assistant", "model_types", "models", "checkpoints", "serving")
_TEXTS = (
    *("slots", "default_system", "result_separator", "stop_words", "tokens", "requires"),
    *("words", "when_on", "when_off", "when_dropped", "empty", "prefix", "system_prefix"),
)
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_./+() -]*(?<! )")
_WORDS = ("true", "false", "yes", "no", "on", "off", "null", "y", "n")
_NUMBER = re.compile(r"0x[0-9a-f_]+|0o[0-7_]+|[0-9][0-9_.]*e[-+]?[0-9]+")


@cache
def keys_of(kind: str) -> list[str]:
    """The keys that the schema knows in a ``spec``, or in one of its definitions, in order."""
    schema = load_schema()
    return list((schema if kind == "spec" else schema["$defs"][kind])["properties"])


def yaml_text(value: Any, key: str = "", *, text: bool = False, depth: int = 0, block: bool = False) -> str:
    """Plain data as YAML; ``key`` is the key that holds it, ``depth`` that key's indentation.

    ``text`` says that strings in it are quoted whatever they are, ``block`` that a map takes a line per key.
    """
    node = _node(value, key, text=text, depth=depth, block=block)
    return str(yaml.serialize(node, Dumper=_Dumper, allow_unicode=True, width=1 << 20))


def fits(value: Any, key: str, depth: int) -> bool:
    """Whether a value in flow style fits into a line after its key."""
    return depth + len(f"{key}: ") + len(yaml_text(_Flow(value), key).rstrip("\n")) <= _WIDTH


class _Flow:
    """A value that is written in flow style."""

    def __init__(self, value: Any) -> None:
        self.value = value


def _node(value: Any, key: str, *, text: bool, depth: int, block: bool) -> yaml.Node:
    flow = isinstance(value, _Flow)
    value = value.value if isinstance(value, _Flow) else value
    text = text or key in _TEXTS
    if isinstance(value, str):
        return yaml.ScalarNode("tag:yaml.org,2002:str", value, style='"' if text or not _is_plain(value) else None)
    if isinstance(value, Mapping):
        in_lines = not flow and (block or key in _BLOCKS or not fits(value, key, depth))
        nested = key in ("templates", "model_types")
        pairs = [
            (
                _node(str(name), "", text=False, depth=0, block=False),
                _node(_as(flow, item), str(name), text=text, depth=depth + 2, block=nested),
            )
            for name, item in value.items()
        ]
        return yaml.MappingNode("tag:yaml.org,2002:map", pairs, flow_style=not in_lines)
    if isinstance(value, Sequence):
        in_lines = not flow and key in _BLOCKS and not text
        items = [_node(_as(flow, item), "", text=text, depth=depth + 2, block=in_lines) for item in value]
        return yaml.SequenceNode("tag:yaml.org,2002:seq", items, flow_style=not in_lines)
    kind = {type(None): "null", bool: "bool", int: "int", float: "float"}[type(value)]
    return yaml.ScalarNode(f"tag:yaml.org,2002:{kind}", json.dumps(value))


def _as(flow: bool, item: Any) -> Any:
    return _Flow(item) if flow else item


def _is_plain(value: str) -> bool:
    """Whether a text may stand without quotes: no reader takes it for anything else."""
    special = value.lower() in _WORDS or _NUMBER.fullmatch(value.lower())
    return bool(_PLAIN.fullmatch(value)) and any(map(str.isalpha, value)) and not special


class _Dumper(yaml.SafeDumper):
    """Indents the items of a list, and quotes texts with every character visible."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)

    def write_double_quoted(self, text: str, split: bool = True) -> None:
        quoted = json.dumps(text, ensure_ascii=False)
        seen = quoted if is_seen(quoted) else "".join(each if is_seen(each) else escaped(each) for each in quoted)
        self.write_indicator(seen, True)
