"""Thoughts in the texts of replies, and the thinking mode of a request."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..catalogue.model import Frame, Level, Thinking, Trim
from ..errors import Unsupported
from .reply import Way


@dataclass(frozen=True)
class Mode:
    """The thinking mode of a request: on or off, and the template's level of thinking, if it has one."""

    on: bool
    level: Level | None = None


def thinking_mode(settings: Thinking | None, thinking: bool | None, level: str | None) -> Mode:
    """The mode of a request; ``thinking`` and ``level`` are None if the request does not set them.

    Raises:
        Unsupported: the template has levels, but none of that name.
    """
    on = thinking if thinking is not None else settings is not None and settings.default
    levels = settings.levels if settings else None
    if levels is None or not (on or levels.decide):
        return Mode(on)
    if level is not None and level not in levels.names:
        if levels.unknown == "refuse":
            raise Unsupported(f"the format has no level of thinking {level!r}")
        level = None
    if level is None:
        level = levels.default_on if on else levels.default_off
    found = None if level is None else levels.names[level]
    if found and found.thinking is not None:
        return Mode(found.thinking, found)
    return Mode(on, found if on or levels.count == "always" else None)


def remove_thoughts(text: str, words: tuple[str, str], way: Way = "between") -> str:
    """The text without its thoughts; see :class:`.reply.Dropped` for ``way``."""
    if way == "answer":
        return text.split(words[0])[-1].rstrip().removesuffix(words[1])
    if way == "to_last_end":
        return text.split(words[1].strip())[-1]
    return re.sub(f"{re.escape(words[0])}.*?{re.escape(words[1])}", "", text, flags=re.DOTALL)


def rewritten(text: str, words: tuple[str, str]) -> str:
    """Rewrite a reply that holds both words: the trimmed thought between them, then the rest."""
    start, end = (word.strip() for word in words)
    if start not in text or end not in text:
        return text
    before, _, rest = text.partition(end)
    return words[0] + before.split(start)[-1].strip() + words[1] + rest.lstrip("\n")


def framed(text: str, frame: Frame, settings: Thinking) -> str:
    """Put the frame around a reply.

    Raises:
        Unsupported: a thought begins but does not end.
    """
    if frame.unless and frame.unless in text:
        return text
    start, end = (word.strip() for word in settings.words)
    if settings.span == "between" and text.startswith(start):
        thought, found, rest = text.removeprefix(start).partition(end)
        if not found:
            raise Unsupported("the thought of a reply does not end")
        return frame.thought[0] + thought + frame.thought[1] + rest + frame.thought[2]
    if settings.span == "to_last_end" and end in text:
        if frame.thought[0] not in text:
            text = text.replace(start, frame.thought[0])
        return text.replace(end, frame.thought[1]) + frame.thought[2]
    return frame.plain[0] + text + frame.plain[1]


def has_thought(text: str, settings: Thinking) -> bool:
    """Whether a reply has its own thought: it begins with the first word or an empty thought, or it holds a word."""
    start, end = (word.strip() for word in settings.words)
    if settings.empty_unless == "begins":
        return text.startswith((start, settings.empty or start))
    return start in text or end in text


def trim(text: str, how: Trim) -> str:
    """Trim the text of a turn."""
    if how == "newlines":
        return text.strip("\n")
    if how == "leading_newlines":
        return text.lstrip("\n")
    return text.strip() if how == "both" else text
