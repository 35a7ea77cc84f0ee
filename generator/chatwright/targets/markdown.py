"""Escape text for GitHub's Markdown, so that every value is shown exactly as it is."""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import quote

from ..characters import is_seen
from ..meaning.visible import visible

_BACKSLASHED = re.compile(r"[*_`\[\]<>~!]")
_AS_REFERENCE = re.compile(r"[\\|&@#$]|:(?=\S)|(?<=www)\.|^ | $", re.IGNORECASE)
_BLOCK = re.compile(r"^([0-9]{1,9}(?=[.)](?: |$))|)([-+.)=])(?= |$|-*$|=*$)")  # a list, a line or a heading


@lru_cache(maxsize=1 << 16)
def cell(value: str) -> str:
    """The text escaped for a cell of a table, or for any other place in a line of Markdown.

    Invisible characters are shown as in :func:`visible`. Characters that are special in Markdown, HTML or for GitHub
    are written as character references or with a backslash.
    """
    shown = value if is_seen(value) else "".join(each if is_seen(each) else visible(each) for each in value)
    escaped = _AS_REFERENCE.sub(lambda match: f"&#{ord(match[0])};", shown)
    escaped = _BLOCK.sub(lambda match: f"{match[1]}&#{ord(match[2])};", escaped)
    return _BACKSLASHED.sub(lambda match: f"\\{match[0]}", escaped)


def link(title: str, address: str) -> str:
    """A link; ``address`` is percent-encoded, except for its first ``https://``."""
    scheme, mark, rest = address.partition("://") if address.startswith("https://") else ("", "", address)
    return f"[{cell(title)}]({scheme}{mark}{quote(rest, safe='/.-_~')})"
