"""Write values as JSON. In files each fact has a line of its own, so that a diff is easy to read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

_SHORT = 120


def plain(value: Any) -> Any:
    """Convert a frozen value for JSON: mappings and dataclasses to dictionaries, sets to sorted lists."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, frozenset):
        return sorted(value)
    if isinstance(value, (tuple, list)):
        return [plain(item) for item in value]
    if is_dataclass(value) and not isinstance(value, type):
        return {item.name: plain(getattr(value, item.name)) for item in fields(value)}
    return value


def json_text(value: Any, depth: int) -> str:
    """The value as the text of a file, with a line for each member of its outer ``depth`` mappings and lists.

    Deeper values, and short ones, are written on the line of their key.
    """
    return _written(value, depth, "\n") + "\n"


def _written(value: Any, depth: int, line: str) -> str:
    if not value or not depth or not isinstance(value, (Mapping, list, tuple)):
        return json.dumps(value, ensure_ascii=False)
    inner = f"{line} "
    if isinstance(value, Mapping):
        written = [f"{json.dumps(key, ensure_ascii=False)}: {_written(value[key], depth - 1, inner)}" for key in value]
        start, end = "{}"
    else:
        written = [_written(item, depth - 1, inner) for item in value]
        start, end = "[]"
    if sum(map(len, written)) + 2 * len(written) <= _SHORT and not any("\n" in member for member in written):
        return f"{start}{', '.join(written)}{end}"
    return f"{start}{inner}{f',{inner}'.join(written)}{line}{end}"
