"""JSON that is read by people in a diff: one fact a line."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

_SHORT = 120


def json_text(value: Any, depth: int) -> str:
    """The value as the text of a file, with a line for each member of its outer ``depth`` mappings and lists.

    What lies deeper stands on one line behind its key, and so does what is short.
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
