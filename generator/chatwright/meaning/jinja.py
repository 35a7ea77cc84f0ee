"""Write text as literals of the Jinja that every chat engine understands, and compile templates."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import datetime
from typing import Any, NoReturn

from jinja2 import Template, TemplateError, nodes
from jinja2.ext import Extension
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

__all__ = ["Template", "TemplateError", "compile_template", "literal", "text"]


# A literal is split between these pairs of characters: engines search or replace them in the whole file.
_APART = re.compile(r"(?<=\\)(?=n)|(?<=\{)(?=[{%#])|(?<=[}%#])(?=\})")
_ESCAPES = str.maketrans({"\\": "\\\\", "'": "\\'", "\n": "\\n", "\r": "\\r"})


def literal(value: str) -> str:
    """Return a Jinja string expression for the text; every engine reads it the same way.

    Only ``\\\\``, ``\\'``, ``\\n`` and ``\\r`` are escaped: llama.cpp's lexer knows neither ``\\u`` nor ``\\x``
    (``common/jinja/lexer.cpp``). Every other character is written as it is. Two kinds of text are cut into pieces that
    ``~`` joins:

    - a backslash followed by n, which SGLang would replace with a newline before it compiles the file
      (``template_manager.py`` of 0.5.23);
    - Jinja's delimiters, which @huggingface/jinja looks for inside strings as well (``src/lexer.ts``, ``preprocess``).
    """
    pieces = [f"'{piece.translate(_ESCAPES)}'" for piece in _APART.split(value)]
    return pieces[0] if len(pieces) == 1 else f"({' ~ '.join(pieces)})"


def text(value: str) -> str:
    """Jinja that prints the text."""
    return f"{{{{ {literal(value)} }}}}" if value else ""


def compile_template(source: str) -> Template:
    """Compile as transformers does for chat templates (``utils/chat_template_utils.py`` of 5.6.0)."""
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, "jinja2.ext.loopcontrols"]
    )
    environment.filters["tojson"] = _tojson
    environment.globals["raise_exception"] = _raise_exception
    environment.globals["strftime_now"] = _strftime_now
    return environment.from_string(source)


class _Generation(Extension):
    """``{% generation %}``, by which trainers mark what is learned; in a prompt the tag has no effect."""

    tags = {"generation"}  # noqa: RUF012, as Jinja declares it

    def parse(self, parser: Parser) -> nodes.Node:
        """Parse the body as the call of a macro, so that variables set inside stay local."""
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.CallBlock(self.call_method("_written"), [], [], body).set_lineno(line)

    def _written(self, caller: Callable[[], str]) -> str:
        return caller()


def _tojson(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def _raise_exception(message: str) -> NoReturn:
    raise TemplateError(message)


def _strftime_now(pattern: str) -> str:
    return datetime.now().strftime(pattern)
