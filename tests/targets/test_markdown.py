"""Links in Markdown: an address is one, whatever stands in it; of text see ``test_docs.py``."""

from __future__ import annotations

import re

import pytest
from markdown_it import MarkdownIt

from chatwright.targets.markdown import cell, link


@pytest.mark.parametrize(
    ("address", "written"),
    [
        ("https://h.co/a/b-c_d~e.f", "https://h.co/a/b-c_d~e.f"),
        ("https://h.co/a b(c)|<d>?e#f", "https://h.co/a%20b%28c%29%7C%3Cd%3E%3Fe%23f"),
        ("https://h.co/https://x", "https://h.co/https%3A//x"),
        ("../../deploy/x.jinja", "../../deploy/x.jinja"),
        ("http://h.co", "http%3A//h.co"),
        ("javascript://h.co", "javascript%3A//h.co"),
        ("X/é", "X/%C3%A9"),
    ],
)
def test_addresses(address: str, written: str) -> None:
    assert link("a|b", address) == f"[a&#124;b]({written})"


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("*_`[]<>~!", r"\*\_\`\[\]\<\>\~\!"),
        ("\\|&@#$", "&#92;&#124;&#38;&#64;&#35;&#36;"),
        ("a: b:c www.x WWW.y", "a: b&#58;c www&#46;x WWW&#46;y"),
        (" a b ", "&#32;a b&#32;"),
        ("1. a 2. b", "1&#46; a 2. b"),
        ("12) a", "12&#41; a"),
        ("1.", "1&#46;"),
        ("- a - b", "&#45; a - b"),
        ("+", "&#43;"),
        ("---", "&#45;--"),
        ("==", "&#61;="),
        ("1.5 B-x", "1.5 B-x"),
        ("-x", "-x"),
        ("\n\x00\u200d中", "⏎\\x00\\u200d中".replace("\\", "&#92;")),
    ],
)
def test_cells(text: str, written: str) -> None:
    assert cell(text) == written
    assert re.sub(r"<[^>]*>", "", MarkdownIt("commonmark").render(written)).count("\n") == 1, "one paragraph"
    assert next(token.type for token in MarkdownIt("commonmark").parse(written)) == "paragraph_open"
