"""Which characters a reader sees, and how the others are shown. All that is printed passes here."""

from __future__ import annotations

import re
from collections.abc import Iterable

from .limits import LONGEST_MESSAGE

# Unicode 17.0, DerivedCoreProperties.txt: Default_Ignorable_Code_Point. Python's `unicodedata` lacks this property; its
# `str.isprintable` knows those of them that are controls or formats, and takes variation selectors and fillers for
# letters.
_IGNORABLE = (
    *("\u00ad", "\u034f", "\u061c", "\u115f-\u1160", "\u17b4-\u17b5", "\u180b-\u180f", "\u200b-\u200f"),
    *("\u202a-\u202e", "\u2060-\u206f", "\u3164", "\ufe00-\ufe0f", "\ufeff", "\uffa0", "\ufff0-\ufff8"),
    *("\U0001bca0-\U0001bca3", "\U0001d173-\U0001d17a", "\U000e0000-\U000e0fff"),
)
# Unicode 17.0, NamesList.txt: symbols and letters whose glyph is blank. BRAILLE PATTERN BLANK, EGYPTIAN HIEROGLYPH FULL
# BLANK and HALF BLANK, KHITAN SMALL SCRIPT FILLER, MUSICAL SYMBOL NULL NOTEHEAD.
_BLANK = ("\u2800", "\U00013441-\U00013442", "\U00016fe4", "\U0001d159")
_UNSEEN = re.compile(f"[{''.join((*_IGNORABLE, *_BLANK))}]")
# Unicode 17.0, PropList.txt: Bidi_Control, what turns the direction in which text is read.
BIDI = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
HALF = re.compile("[\ud800-\udfff]")  # a surrogate, which no encoding of text can hold
_SHORT = {"\t": "\\t", "\n": "\\n", "\r": "\\r"}


def is_seen(text: str) -> bool:
    """Whether every character of the text is the plain space or leaves a mark of its own that nothing else acts on.

    Not seen are controls, formats, spaces and line ends of every kind, surrogates, private and unassigned characters,
    and what Unicode lets a font show as nothing.
    """
    return text.isprintable() and (text.isascii() or not _UNSEEN.search(text))


def escaped(character: str) -> str:
    """The escape of a character, as Python writes it in a string: ``\\x1b``, ``\\u202e``, ``\\U000e0101``."""
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def printable(text: str) -> str:
    """The text as one line that no terminal acts on: an escape for whatever is not seen.

    What this returned it returns unchanged, so it may be called wherever text goes by.
    """
    if is_seen(text):
        return text
    return "".join(each if is_seen(each) else _SHORT.get(each) or escaped(each) for each in text)


def clipped(text: str, most: int = LONGEST_MESSAGE) -> str:
    """The text as :func:`printable` shows it, its end cut off where it has more than ``most`` characters."""
    return printable(text) if len(text) <= most else f"{printable(text[:most])}… ({len(text)} characters)"


def listing(names: Iterable[str], most: int = 6) -> str:
    """The first names in one line, and how many more there are."""
    found = list(names)
    return ", ".join(found[:most]) + (f" and {len(found) - most} more" if len(found) > most else "")
