"""The settings of a template that no text shows: each value is tried, and the one stays that most texts agree with."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import product
from typing import Any

ABSENT = object()
Path = tuple[str, ...]
Option = tuple[tuple[Path, Sequence[Any]], ...]  # settings that are tried together

TRIMS = ("none", "both", "newlines", "leading_newlines")
PLAIN: tuple[Option, ...] = (
    ((("empty_system",), ("default", "omit", "keep")),),
    *(((("trim", role), TRIMS),) for role in ("system", "user", "assistant")),
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
        for option in listed:
            for values in product(*(values for _, values in option)):
                other, is_default = best, True
                for (path, known), value in zip(option, values, strict=True):
                    is_default &= value == known[0]
                    other = with_value(other, path, ABSENT if value == known[0] else value)
                if other != best:
                    points = score(other)
                    if points > most or (points == most and is_default):
                        best, most = other, points
        if most == before:
            break
    return best, most


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
