"""Text in Markdown as GitHub shows it: whatever a value holds, a reader sees exactly that."""

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
    """The text as it may stand in a table's cell, or anywhere else in a line of Markdown.

    What cannot be seen is shown as :func:`visible` shows it. Characters that Markdown, HTML or GitHub would act on are
    written as character references or behind a backslash, so that a reader sees exactly them.
    """
    shown = value if is_seen(value) else "".join(each if is_seen(each) else visible(each) for each in value)
    escaped = _AS_REFERENCE.sub(lambda match: f"&#{ord(match[0])};", shown)
    escaped = _BLOCK.sub(lambda match: f"{match[1]}&#{ord(match[2])};", escaped)
    return _BACKSLASHED.sub(lambda match: f"\\{match[0]}", escaped)


def link(title: str, address: str) -> str:
    """A link; ``address`` is percent-encoded but for its first ``https://``."""
    scheme, mark, rest = address.partition("://") if address.startswith("https://") else ("", "", address)
    return f"[{cell(title)}]({scheme}{mark}{quote(rest, safe='/.-_~')})"
