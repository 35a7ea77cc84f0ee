"""How values reach generated Python: as black writes them, so that nothing has to be formatted once more."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

WIDTH = 120
_QUOTED = re.compile(r"\\(.)|\"", re.DOTALL)


@dataclass(frozen=True)
class Call:
    """A call of a function by its name in the generated module, with keyword arguments.

    The key ``**`` stands for a mapping of more, the empty one for an argument without a keyword.
    """

    function: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True)
class Sum:
    """Two values or more, added up: texts, and calls that return texts."""

    items: tuple[str | Call, ...]


@dataclass(frozen=True)
class _Group:
    """Items in brackets, which may stand on one line or on several."""

    opening: str
    items: tuple[str | _Group | _Sum, ...]
    closing: str
    comma: bool = False  # whether one stands behind the last item on one line, too
    call: bool = False

    def __str__(self) -> str:
        return f"{self.opening}{', '.join(map(str, self.items))}{',' if self.comma else ''}{self.closing}"


@dataclass(frozen=True)
class _Sum:
    """What is added up, which may stand on one line or on several."""

    items: tuple[str | _Group | _Sum, ...]

    def __str__(self) -> str:
        return " + ".join(map(str, self.items))


def literal(value: Any) -> str:
    """The value as Python on one line: ``repr``, with the quotes that black prefers."""
    return str(_group("", value))


def statement(value: Any, head: str = "", indent: int = 0, tail: str = "") -> str:
    """A line, or several, with the value behind ``head`` and in front of ``tail``."""
    return "\n".join(_lines(_group(head, value), indent, tail))


def _lines(item: str | _Group | _Sum, indent: int, tail: str) -> list[str]:
    margin, deeper = " " * indent, " " * (indent + 4)
    whole = f"{margin}{item}{tail}"
    if isinstance(item, str) or not item.items or len(whole) <= WIDTH:
        return [whole]
    if isinstance(item, _Sum):
        first, *others = item.items
        last = len(others) - 1
        added = [_lines(_behind("+ ", each), indent, tail if i == last else "") for i, each in enumerate(others)]
        return [*_lines(first, indent, ""), *(line for lines in added for line in lines)]
    body = f"{deeper}{', '.join(map(str, item.items))}"
    if len(item.items) == 1 and not item.comma:
        inner = _lines(item.items[0], indent + 4, "")
    elif item.call and len(body) <= WIDTH:
        inner = [body]
    else:
        inner = [line for each in item.items for line in _lines(each, indent + 4, ",")]
    return [f"{margin}{item.opening}", *inner, f"{margin}{item.closing}{tail}"]


def _behind(head: str, item: str | _Group | _Sum) -> str | _Group | _Sum:
    if isinstance(item, _Group):
        return replace(item, opening=head + item.opening)
    return f"{head}{item}"


def _group(head: str, value: Any) -> str | _Group | _Sum:
    if isinstance(value, str):
        return f"{head}{_text(value)}"
    if isinstance(value, Call):
        items = tuple(_group(key if key in ("", "**") else f"{key}=", item) for key, item in value.arguments.items())
        return _Group(f"{head}{value.function}(", items, ")", call=True)
    if isinstance(value, Sum):
        first, *others = value.items
        return _Sum((_group(head, first), *(_group("", item) for item in others)))
    if isinstance(value, list):
        return _Group(f"{head}[", tuple(_group("", item) for item in value), "]")
    if isinstance(value, tuple):
        return _Group(f"{head}(", tuple(_group("", item) for item in value), ")", comma=len(value) == 1)
    if isinstance(value, Mapping):
        items = tuple(_group(f"{literal(key)}: ", item) for key, item in value.items())
        return _Group(f"{head}{{", items, "}")
    if isinstance(value, set) and len(value) == 1:
        return _Group(f"{head}{{", (_group("", *value),), "}")
    return f"{head}{value!r}"


def _text(value: str) -> str:
    written = repr(value)
    if written[0] == '"' or value.count('"') > value.count("'"):
        return written
    return f'"{_QUOTED.sub(_in_double_quotes, written[1:-1])}"'


def _in_double_quotes(match: re.Match[str]) -> str:
    if match[0] == '"':
        return '\\"'
    return "'" if match[1] == "'" else match[0]
