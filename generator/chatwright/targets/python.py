"""Write values into generated Python by ``repr``. Black formats the result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Call:
    """A call of a function by its name in the generated module, with keyword arguments.

    The key ``**`` unpacks a mapping of more arguments; the empty key is a positional argument.
    """

    function: str
    arguments: Mapping[str, Any]

    def __repr__(self) -> str:
        signs = {"": "", "**": "**"}
        arguments = (f"{signs.get(key, f'{key}=')}{literal(value)}" for key, value in self.arguments.items())
        return f"{self.function}({', '.join(arguments)})"


@dataclass(frozen=True)
class Sum:
    """The sum of two or more values: texts, and calls that return texts."""

    items: tuple[str | Call, ...]

    def __repr__(self) -> str:
        return " + ".join(map(literal, self.items))


def literal(value: Any) -> str:
    """The value as a Python expression: its ``repr``, with double quotes around a text that contains none.

    So black changes only long lines in most modules. This saves time: black formats a changed module twice.
    """
    if isinstance(value, str) and '"' not in value:
        return f'"{repr(chr(39) + value)[2:]}'  # repr uses double quotes if a text has single quotes only
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{literal(key)}: {literal(item)}' for key, item in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(literal, value))}]"
    if isinstance(value, tuple):
        return f"({', '.join(map(literal, value))}{',' if len(value) == 1 else ''})"
    if isinstance(value, set) and value:
        return f"{{{', '.join(map(literal, value))}}}"
    return repr(value)
