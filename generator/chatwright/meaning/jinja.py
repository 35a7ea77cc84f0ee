"""The Jinja that every chat engine understands, and how text is written into it as data."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any, NoReturn

from jinja2 import Template, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

__all__ = ["TemplateError", "compile_template", "literal", "text"]


# Where a literal is cut in two: engines replace, or look for, these pairs of characters in the file as a whole.
_APART = re.compile(r"(?<=\\)(?=n)|(?<=\{)(?=[{%#])|(?<=[}%#])(?=\})")
_ESCAPES = str.maketrans({"\\": "\\\\", "'": "\\'", "\n": "\\n", "\r": "\\r"})


def literal(value: str) -> str:
    """Return a Jinja string expression for the text that every engine reads alike.

    Only ``\\\\``, ``\\'``, ``\\n`` and ``\\r`` are escaped: llama.cpp's lexer knows neither ``\\u`` nor ``\\x``
    (``common/jinja/lexer.cpp``). Every other character is written as it is. Two kinds of text are cut into pieces that
    ``~`` joins:

    - a backslash followed by n, which SGLang would replace by a newline before it compiles the file
      (``template_manager.py`` of 0.5.23);
    - Jinja's delimiters, which @huggingface/jinja looks for inside strings as well (``src/lexer.ts``, ``preprocess``).
    """
    pieces = [f"'{piece.translate(_ESCAPES)}'" for piece in _APART.split(value)]
    return pieces[0] if len(pieces) == 1 else f"({' ~ '.join(pieces)})"


def text(value: str) -> str:
    """Jinja that prints the text."""
    return f"{{{{ {literal(value)} }}}}" if value else ""


@cache
def compile_template(source: str) -> Template:
    """Compile as transformers does for chat templates (``utils/chat_template_utils.py`` of 5.6.0)."""
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    environment.filters["tojson"] = _tojson
    environment.globals["raise_exception"] = _raise_exception
    return environment.from_string(source)


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
