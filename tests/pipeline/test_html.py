"""Markdown as HTML: links lead to HTML, and nothing in a text becomes HTML."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from chatwright.errors import ChatwrightError
from chatwright.pipeline.html import html_pages


def test_tables_links_and_languages(tmp_path: Path) -> None:
    (tmp_path / "templates").mkdir()
    (tmp_path / "a.zh.md").write_text(
        "<!--\nGenerated\n-->\n# A\n\n| h |\n|---|\n| [x](templates/b.md) [y](https://h.co/c.md) [z](../d.jinja) |\n",
        encoding="utf-8",
    )
    (tmp_path / "templates" / "b.md").write_text(
        "a <script>x</script> </title>\n\n```text\n<b>\n```\n", encoding="utf-8"
    )
    pages = dict(html_pages(tmp_path))
    assert list(pages) == ["a.zh.html", "templates/b.html"]
    assert '<html lang="zh">' in pages["a.zh.html"] and "Generated" not in pages["a.zh.html"]
    assert '<html lang="en">' in pages["templates/b.html"]
    assert "<title>a</title>" in pages["a.zh.html"] and "<title>b</title>" in pages["templates/b.html"]
    assert "<body>\n<h1>A</h1>" in pages["a.zh.html"]
    for address in ("templates/b.html", "https://h.co/c.md", "../d.jinja"):
        assert f'<a href="{address}">' in pages["a.zh.html"]
    assert "<table>" in pages["a.zh.html"]
    assert "<script>" not in pages["templates/b.html"] and "<b>" not in pages["templates/b.html"]


def test_titles_are_text_and_a_missing_package_is_a_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a&b<c>.md").write_bytes("# é".encode())
    [(path, page)] = html_pages(tmp_path)
    assert path == "a&b<c>.html"
    assert "<title>a&amp;b&lt;c&gt;</title>" in page
    assert "<h1>é</h1>" in page
    monkeypatch.setitem(sys.modules, "markdown_it", None)
    with pytest.raises(
        ChatwrightError, match=r"^writing Markdown as HTML needs markdown_it; run: pip install 'chatwright\[tables\]'$"
    ):
        list(html_pages(tmp_path))
