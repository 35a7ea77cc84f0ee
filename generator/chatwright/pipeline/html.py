"""Convert the generated Markdown to HTML, for servers such as GitHub Pages that do not render Markdown."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from pathlib import Path

from ..errors import needs

_LINK = re.compile(r'(<a href="(?!https?:)[^"]*)\.md"')
_COMMENT = re.compile(r"\A<!--.*?-->\n", re.DOTALL)
_PAGE = """\
<!doctype html>
<html lang="{language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }}
body {{ max-width: 90rem; margin: auto; padding: 1rem }}
table {{ display: block; overflow-x: auto; border-collapse: collapse; margin-bottom: 1rem }}
th, td {{ border: 1px solid #8888; padding: .2rem .5rem; text-align: left; vertical-align: top }}
pre {{ overflow-x: auto; padding: .5rem; border: 1px solid #8888 }}
</style>
</head>
<body>
{body}</body>
</html>
"""


def html_pages(docs: Path) -> Iterator[tuple[str, str]]:
    """Each Markdown file below a folder as (path, HTML); links between the files lead to the HTML.

    HTML inside the Markdown is escaped and shown as text.

    Raises:
        ChatwrightError: markdown-it-py is not installed.
    """
    needs("markdown_it", "tables", "writing Markdown as HTML")
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    for file in sorted(docs.rglob("*.md")):
        text = _COMMENT.sub("", file.read_text(encoding="utf-8"))
        path = file.relative_to(docs).with_suffix(".html").as_posix()
        title = file.stem.removesuffix(".zh")
        language = "zh" if file.stem.endswith(".zh") else "en"
        body = _LINK.sub(r'\1.html"', parser.render(text))
        yield path, _PAGE.format(language=language, title=html.escape(title), body=body)
