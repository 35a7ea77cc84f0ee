"""Which characters are shown as escapes: held against another library's tables, and read back."""

from __future__ import annotations

import json
import re
import sys
import unicodedata

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from chatwright import characters
from chatwright.characters import BIDI, HALF, clipped, escaped, is_seen, printable
from chatwright.commands import terminal
from chatwright.meaning.render import Piece
from chatwright.meaning.visible import rows, visible
from tests.support import examples

EVERY = list(map(chr, range(sys.maxunicode + 1)))
ANY = st.text(st.characters())  # halves of characters, too
PIECES = ("\\", "\\x41", "x41", "\\u004", "1", "\\U00000041", "\\x5c", " ", "\t", "\n", "·", "→", "⏎", "…")
SIGNS = {"·": " ", "→": "\t", "⏎": "\n"}


@pytest.mark.parametrize(
    ("property_", "pattern"),
    [("Default_Ignorable_Code_Point", characters._IGNORABLE), ("Bidi_Control", [BIDI.pattern])],
)
def test_the_tables_are_unicodes(property_: str, pattern: tuple[str, ...]) -> None:
    ours = re.compile(f"[{''.join(pattern).strip('[]')}]")
    theirs = regex.compile(rf"\p{{{property_}}}")
    assert [f"U+{ord(each):04X}" for each in EVERY if bool(ours.match(each)) != bool(theirs.match(each))] == []


def test_what_leaves_no_mark_is_not_seen() -> None:
    hidden = {each for each in EVERY if not is_seen(each)}
    kinds = {each for each in EVERY if unicodedata.category(each) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zs", "Zl", "Zp")}
    assert kinds - hidden == {" "}
    assert set("\u2800\u3164\u115f\u1160\uffa0\u034f\u17b4\u180b\ufe0f\U000e0101\U00016fe4") <= hidden
    blank = {each for each in EVERY if re.search(r"\b(FULL|HALF|PATTERN) BLANK\b", unicodedata.name(each, ""))}
    assert blank <= hidden
    assert "".join(map(chr, range(0x20, 0x7F))) + "é模😀が·→⏎" == "".join(
        filter(is_seen, "".join(map(chr, range(0x20, 0x7F))) + "é模😀が·→⏎")
    )


@examples(300)
@given(ANY)
def test_a_message_is_one_line_that_nothing_acts_on(text: str) -> None:
    shown = printable(text)
    assert is_seen(shown)
    assert printable(shown) == shown
    assert shown.splitlines() in ([shown], [])
    assert len(clipped(text, 5)) <= 5 * 10 + 30
    assert is_seen(clipped(text, 5))


@examples(500)
@given(st.lists(st.one_of(st.characters(), st.sampled_from(PIECES))).map("".join))
def test_what_is_shown_can_be_read_back(text: str) -> None:
    """So no two texts look the same."""
    shown = visible(text)
    assert is_seen(shown)
    assert not set(shown) & {" ", "\t", "\n"}
    read = re.sub(
        r"\\x([0-9a-f]{2})|\\u([0-9a-f]{4})|\\U([0-9a-f]{8})|([·→⏎])",
        lambda match: SIGNS[match[4]] if match[4] else chr(int(match[1] or match[2] or match[3], 16)),
        shown,
    )
    assert read == text


def test_the_tokenizers_own_tokens_are_not_what_reads_so() -> None:
    [own] = rows([Piece("", "prefix", kind="bos")])
    [text] = rows([Piece("<bos>", "prefix")])
    assert (own.text, text.text) == ("<bos>", "\\x3cbos>")


@examples(200)
@given(ANY)
def test_whatever_is_printed_is_seen(text: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        printed: list[str] = []
        patch.setattr(terminal.click, "echo", lambda message, nl=True, err=False: printed.append(message))
        terminal.echo(text)
        terminal.echo(text, err=True)
        terminal.secho(text)
        terminal.echo_lines([text, text])
        terminal.echo_table([["a", text], [text, "b"]])
        terminal.echo_json({text: [text]})
        terminal.echo_json({text: [text]}, indent=None)
        terminal.echo_error(terminal.click.UsageError(text))
    assert all(is_seen(line) for message in printed for line in message.split("\n"))
    assert [json.loads(message) for message in printed[7:9]] == [{text: [text]}] * 2


def test_halves_and_escapes() -> None:
    assert [bool(HALF.match(each)) for each in "\ud7ff\ud800\udfff\ue000"] == [False, True, True, False]
    assert list(map(escaped, "\x1b\u202e\U000e0101")) == ["\\x1b", "\\u202e", "\\U000e0101"]
    assert clipped("x" * 301) == "x" * 300 + "… (301 characters)"
