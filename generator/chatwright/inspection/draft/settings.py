"""The settings of a template that no text shows: each value is tried, and the one stays that most texts agree with."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import product
from typing import Any

from .template_data import ABSENT, with_value

Option = Mapping[str, Sequence[Any]]  # settings that are tried together: their values by their path of keys

TRIMS = ("none", "both", "newlines", "leading_newlines")
PLAIN: tuple[Option, ...] = (
    {"empty_system": ("default", "omit", "keep")},
    *({f"trim.{role}": TRIMS} for role in ("system", "user", "assistant")),
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
        for option, values in ((each, values) for each in listed for values in product(*each.values())):
            other, is_default = best, True
            for (path, known), value in zip(option.items(), values, strict=True):
                is_default &= value == known[0]
                other = with_value(other, path.split("."), ABSENT if value == known[0] else value)
            if other != best:
                points = score(other)
                if points > most or (points == most and is_default):
                    best, most = other, points
        if most == before:
            break
    return best, most
