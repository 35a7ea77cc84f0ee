"""Holds two texts against each other that may write the same JSON values in another layout, as Ollama's Go does.

Both texts are walked side by side. A place is cut only where the expected text has a value that the request itself
holds as data (a tool, the arguments of a call, what stands inside them, a function's name), and only if the other
text has JSON at the same place; the two values are then compared as values. Every other character must be the same. So
nothing but the spaces, escapes and key order inside those values, and the digits in which a number is written, can
differ unseen: what a user wrote, a format's own words, and JSON that a tool returned are compared as text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_DECODER = json.JSONDecoder()
_STARTS = re.compile(r'[{"\[]|(?<![\w.+-])-?\d')


@dataclass(frozen=True)
class Difference:
    """Where two texts part: the fields that one has more of its values than the other, else the place, in characters.

    ``at`` is None where nothing but fields differ.
    """

    dropped: frozenset[str] = frozenset()  # names of fields that only the expected values have
    added: frozenset[str] = frozenset()
    at: tuple[int, int] | None = None  # in the text and in the expected one


def difference(text: str, expected: str, values: Iterable[Any]) -> Difference | None:
    """How a text differs from the expected one but for the layout of these values; None where it does not."""
    known = list(values)
    dropped: set[str] = set()
    added: set[str] = set()
    here = there = 0
    while there < len(expected):
        found = _value(expected, there, known)
        if found is None:
            if text[here : here + 1] != expected[there]:
                return Difference(at=(here, there))
            here, there = here + 1, there + 1
            continue
        value, end = found
        try:
            other, stop = _DECODER.raw_decode(text, here)
        except json.JSONDecodeError:
            return Difference(at=(here, there))
        fields = list(_fields(other, value))
        if any(field is None for field in fields):
            return Difference(at=(here, there))
        for side, name in filter(None, fields):
            (dropped if side == "dropped" else added).add(name)
        here, there = stop, end
    if here != len(text):
        return Difference(at=(here, there))
    return Difference(frozenset(dropped), frozenset(added)) if dropped or added else None


def request_values(messages: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]] | None) -> list[Any]:
    """The values of a request that formats write as JSON: tools, arguments and what they hold, the names of functions.

    A text among the arguments is no such value: formats write it as it stands.
    """
    found: list[Any] = []
    for tool in tools or ():
        function = tool.get("function", tool)
        found += [{"type": "function", "function": function}, function["name"], *_inside(function)]
    for message in messages:
        for call in message.get("tool_calls") or ():
            arguments = call["function"]["arguments"]
            read = json.loads(arguments) if isinstance(arguments, str) else arguments
            found += [call["function"]["name"], *_inside(read)]
    return found


def same(one: Any, other: Any) -> bool:
    """Whether two values that were read from JSON are the same."""
    return not any(True for _ in _fields(one, other))


def _inside(value: Any) -> Iterator[Any]:
    if not isinstance(value, str | bool | None):
        yield value
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for item in inner:
        yield from _inside(item)


def _value(text: str, start: int, known: Sequence[Any]) -> tuple[Any, int] | None:
    """The known value that stands at a place of a text, and where it ends."""
    if not _STARTS.match(text, start):
        return None
    try:
        value, end = _DECODER.raw_decode(text, start)
    except json.JSONDecodeError:
        return None
    return (value, end) if any(same(value, other) for other in known) else None


def _fields(value: Any, expected: Any) -> Iterator[tuple[str, str] | None]:
    """What differs between two values: fields dropped or added, by name; None stands for any other difference."""
    if isinstance(value, dict) and isinstance(expected, dict):
        for name in expected:
            if name in value:
                yield from _fields(value[name], expected[name])
            else:
                yield "dropped", name
        yield from (("added", name) for name in value if name not in expected)
    elif isinstance(value, list) and isinstance(expected, list) and len(value) == len(expected):
        for item, other in zip(value, expected, strict=True):
            yield from _fields(item, other)
    elif not _same_scalar(value, expected):
        yield None


def _same_scalar(value: Any, expected: Any) -> bool:
    """Unlike in Python, ``true`` is not 1. What is due as floating point may be written without a point."""
    if isinstance(value, bool) or isinstance(expected, bool):
        return value is expected
    if isinstance(value, int) and isinstance(expected, float):
        value = float(value)
    return bool(value == expected)
