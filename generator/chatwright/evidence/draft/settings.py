"""The settings of a template that no text shows: each value is tried, and the one that most conversations agree with stays."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

ABSENT = object()
Path = tuple[str, ...]
Option = tuple[Path, Sequence[Any]]

TRIMS = ("none", "both", "newlines", "leading_newlines")
PLAIN: tuple[Option, ...] = (
    (("empty_system",), ("default", "omit", "keep")),
    *((("trim", role), TRIMS) for role in ("system", "user", "assistant")),
)


def climb(
    data: Mapping[str, Any], options: Iterable[Option], score: Callable[[Mapping[str, Any]], float], rounds: int = 2
) -> tuple[dict[str, Any], float]:
    """The data with the settings that score best, one after the other; the first value of an option is the default.

    A default is left unsaid, and stays where another value is no better.
    """
    best, most = copy.deepcopy(dict(data)), score(data)
    listed = list(options)
    for _ in range(rounds):
        before = most
        for path, values in listed:
            now = at(best, path)
            for value in values:
                written = ABSENT if value == values[0] else value
                if written == now:
                    continue
                other = with_value(best, path, written)
                points = score(other)
                if points > most or (points == most and written is ABSENT):
                    best, most, now = other, points, written
        if most == before:
            break
    return best, most


def at(data: Mapping[str, Any], path: Path) -> Any:
    """The value at a path of keys, ABSENT where there is none."""
    found: Any = data
    for key in path:
        if not isinstance(found, Mapping) or key not in found:
            return ABSENT
        found = found[key]
    return found


def with_value(data: Mapping[str, Any], path: Path, value: Any) -> dict[str, Any]:
    """A copy of the data with another value at a path of keys; what is empty then is gone."""
    other = dict(data)
    key, *rest = path
    if rest:
        nested = with_value(other.get(key, {}), tuple(rest), value)
        if nested:
            other[key] = nested
        else:
            other.pop(key, None)
    elif value is ABSENT:
        other.pop(key, None)
    else:
        other[key] = value
    return other
