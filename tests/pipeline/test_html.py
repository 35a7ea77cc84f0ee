"""Markdown as HTML: links lead to HTML, and nothing in a text becomes HTML."""

from __future__ import annotations

from pathlib import Path

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
    for address in ("templates/b.html", "https://h.co/c.md", "../d.jinja"):
        assert f'<a href="{address}">' in pages["a.zh.html"]
    assert "<table>" in pages["a.zh.html"]
    assert "<script>" not in pages["templates/b.html"] and "<b>" not in pages["templates/b.html"]
