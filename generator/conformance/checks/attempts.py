"""What an engine writes, or why it does not, and where two texts part."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from chatwright.errors import Unsupported
from chatwright.inspection.token_ids import first_difference


class Refusal(str):
    """The reason an engine gives for not writing a text."""


def attempt(action: Callable[..., Any], *arguments: Any) -> Any:
    """What the action returns, or the :class:`Refusal` it raised as :class:`Unsupported`."""
    try:
        return action(*arguments)
    except Unsupported as reason:
        return Refusal(str(reason))


def difference(got: str, expected: str) -> str:
    """Where two texts part, in words."""
    start = first_difference(got, expected)
    return f"at character {start}: {got[start : start + 20]!r} instead of {expected[start : start + 20]!r}"
