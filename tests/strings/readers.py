"""What reads the generated files back: the parser of each format, as plain values that can be compared.

A file is made twice, once of the texts and once of marks in their place: with the marks replaced by the texts, the
second one's values must be the first one's.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Iterator, Mapping
from html.parser import HTMLParser
from typing import Any
from urllib.parse import unquote

from markdown_it import MarkdownIt

Change = Callable[[str], str]
MARKDOWN = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
_HASHES = ("sha256",)
_REASONS = ("reason", "reasons", "notes")  # say in words what is wrong with a text


def changed(value: Any, change: Change) -> Any:
    """The value with every text in it changed, keys among them."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {change(key): changed(item, change) for key, item in value.items()}
    return [changed(item, change) for item in value] if isinstance(value, (list, tuple)) else value


def python_value(source: str) -> Any:
    """A Python file as its syntax tree; what stands in docstrings is left out, but not that there is one."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.FunctionDef, ast.ClassDef)) and ast.get_docstring(node) is not None:
            node.body[0] = ast.Expr(ast.Constant("docstring"))
    return _tree(tree)


def _tree(node: Any) -> Any:
    if isinstance(node, ast.AST):
        return [type(node).__name__, *(_tree(getattr(node, field, None)) for field in node._fields)]
    return [_tree(item) for item in node] if isinstance(node, list) else node


def json_value(text: str) -> Any:
    """A JSON file's value without the hashes of other files, and without what is told in words."""
    return without_words(json.loads(text))


def without_words(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_words(item) for key, item in value.items() if key not in (*_HASHES, *_REASONS)}
    return [without_words(item) for item in value] if isinstance(value, list) else value


def markdown_value(text: str, shown: Change, fenced: Change) -> Any:
    """A page as its blocks: what each is, and what a reader sees of it and where its links lead.

    ``shown`` changes what stands in lines, ``fenced`` what stands in blocks of code.
    """
    found: list[Any] = []
    for token in MARKDOWN.parse(text):
        if token.type == "inline":
            found.append(["inline", list(_inline(token.children or [], shown))])
        else:
            found.append([token.type, token.tag, token.info, fenced(token.content) if token.content else ""])
    return found


def _inline(tokens: list[Any], shown: Change) -> Iterator[Any]:
    text = ""
    for token in tokens:
        if token.type in ("text", "text_special"):
            text += token.content
            continue
        if text:
            yield shown(text)
            text = ""
        if token.type == "code_inline":
            yield ["code", shown(token.content)]
        else:
            yield [token.type, shown(unquote(str(token.attrGet("href") or ""))), token.content]
    if text:
        yield shown(text)


class _Elements(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[Any] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append(["<", tag, [[name, value] for name, value in attrs]])

    def handle_endtag(self, tag: str) -> None:
        self.found.append([">", tag])

    def handle_data(self, data: str) -> None:
        if self.found and self.found[-1][0] == "text":
            self.found[-1][1] += data
        else:
            self.found.append(["text", data])

    def handle_comment(self, data: str) -> None:
        self.found.append(["comment", data])

    def handle_decl(self, decl: str) -> None:
        self.found.append(["declaration", decl])

    def unknown_decl(self, data: str) -> None:
        self.found.append(["unknown", data])

    def handle_pi(self, data: str) -> None:
        self.found.append(["instruction", data])


def html_elements(text: str) -> list[Any]:
    """A page as an HTML parser reads it: tags with their attributes, texts, and whatever else there is."""
    parser = _Elements()
    parser.feed(text)
    parser.close()
    return parser.found


_ACTION = re.compile(r'\{\{(- )?((?:"(?:[^"\\]|\\.)*"|[^"])*?)( -)?\}\}', re.DOTALL)
_STRING = re.compile(r'"((?:[^"\\]|\\.)*)"')
_ESCAPE = re.compile(r"\\(?:u([0-9a-f]{4})|U([0-9a-f]{8})|(.))", re.DOTALL)
_SIMPLE = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "\\": "\\"}
_GO_SPACE = " \t\r\n"


def go_value(source: str) -> list[list[Any]]:
    """A Go template as what it writes and does, by the rules of ``text/template``: actions that are a text are text.

    Numbers in actions are left out: they count the bytes of texts.
    """
    found: list[list[Any]] = []
    at, trims = 0, False
    for match in [*_ACTION.finditer(source), None]:
        text = source[at : match.start() if match else len(source)]
        assert "{{" not in text, "no template of Go's"
        text = text.lstrip(_GO_SPACE) if trims else text
        found.append(["text", text.rstrip(_GO_SPACE) if match and match[1] else text])
        if match:
            at, trims = match.end(), bool(match[3])
            texts = [_unquoted(item) for item in _STRING.findall(match[2])]
            code = re.sub(r"\d+", "", _STRING.sub("TEXT", match[2].strip()))
            found.append(["text", texts[0]] if code == "TEXT" else ["action", code, *texts])
    joined: list[list[Any]] = []
    for item in found:
        if item[0] == "text" and joined and joined[-1][0] == "text":
            joined[-1][1] += item[1]
        elif item != ["text", ""]:
            joined.append(item)
    return joined


def _unquoted(text: str) -> str:
    return _ESCAPE.sub(lambda match: _SIMPLE[match[3]] if match[3] else chr(int(match[1] or match[2], 16)), text)
