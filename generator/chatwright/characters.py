"""Which characters are visible, and how the others are escaped. Everything that is printed goes through here."""

from __future__ import annotations

import re
from collections.abc import Iterable

from .limits import LONGEST_MESSAGE

# Unicode 17.0, DerivedCoreProperties.txt: Default_Ignorable_Code_Point. Python's `unicodedata` lacks this property; its
# `str.isprintable` covers only the controls and formats among them; it counts variation selectors and fillers as
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
# Unicode 17.0, PropList.txt: Bidi_Control, characters that change the direction of text.
BIDI = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
HALF = re.compile("[\ud800-\udfff]")  # a surrogate, which UTF-8 cannot encode
_SHORT = {"\t": "\\t", "\n": "\\n", "\r": "\\r"}


def is_seen(text: str) -> bool:
    """Whether every character of the text is visible, or is the plain space.

    Not visible are controls, formats, other spaces, line ends, surrogates, private and unassigned characters, and
    characters that Unicode allows a font to show as nothing.
    """
    return text.isprintable() and (text.isascii() or not _UNSEEN.search(text))


def escaped(character: str) -> str:
    """The escape of a character, as Python writes it in a string: ``\\x1b``, ``\\u202e``, ``\\U000e0101``."""
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def printable(text: str) -> str:
    """The text as one line that is safe to print: invisible characters are escaped.

    The function is idempotent, so it may be called more than once on the same text.
    """
    if is_seen(text):
        return text
    return "".join(each if is_seen(each) else _SHORT.get(each) or escaped(each) for each in text)


def clipped(text: str, most: int = LONGEST_MESSAGE) -> str:
    """The text as :func:`printable` shows it, cut after ``most`` characters."""
    return printable(text) if len(text) <= most else f"{printable(text[:most])}… ({len(text)} characters)"


def listing(names: Iterable[str], most: int = 6) -> str:
    """The first ``most`` names in one line, and how many more there are."""
    found = list(names)
    return ", ".join(found[:most]) + (f" and {len(found) - most} more" if len(found) > most else "")
