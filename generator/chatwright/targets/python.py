"""How values reach generated Python: as ``repr`` writes them. Black lays them out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Call:
    """A call of a function by its name in the generated module, with keyword arguments.

    The key ``**`` means a mapping of more, the empty one an argument without a keyword.
    """

    function: str
    arguments: Mapping[str, Any]

    def __repr__(self) -> str:
        signs = {"": "", "**": "**"}
        arguments = (f"{signs.get(key, f'{key}=')}{literal(value)}" for key, value in self.arguments.items())
        return f"{self.function}({', '.join(arguments)})"


@dataclass(frozen=True)
class Sum:
    """Two values or more, added up: texts, and calls that return texts."""

    items: tuple[str | Call, ...]

    def __repr__(self) -> str:
        return " + ".join(map(literal, self.items))


def literal(value: Any) -> str:
    """The value as a Python expression: its ``repr``, with a text in double quotes where it holds none.

    Black then changes few modules but in their long lines; it formats twice what it changes.
    """
    if isinstance(value, str) and '"' not in value:
        return f'"{repr(chr(39) + value)[2:]}'  # repr takes double quotes where a text holds single ones alone
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{literal(key)}: {literal(item)}' for key, item in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(literal, value))}]"
    if isinstance(value, tuple):
        return f"({', '.join(map(literal, value))}{',' if len(value) == 1 else ''})"
    if isinstance(value, set) and value:
        return f"{{{', '.join(map(literal, value))}}}"
    return repr(value)
