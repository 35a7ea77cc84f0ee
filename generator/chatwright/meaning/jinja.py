"""The Jinja that every chat engine understands, and how text is written into it as data."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any, NoReturn

from jinja2 import Template, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

__all__ = ["TemplateError", "compile_template", "literal", "text"]


_DELIMITERS = re.compile(r"[{](?=[{%#])|(?<=[}%#])[}]")
_NOT_PLAIN = re.compile(r"\0.|[^ -&(-\[\]-~]")  # a marked delimiter, or what may have to be escaped


def literal(value: str) -> str:
    """The text as a Jinja string literal.

    A backslash is written ``\\u005c``: SGLang replaces every backslash followed by n in a template file by a newline
    before it compiles the file (``template_manager.py`` of 0.5.23), which does no harm to the escape of a newline and
    would corrupt everything else. Braces are escaped where they would look like a Jinja delimiter.
    """
    value = _DELIMITERS.sub(lambda match: f"\0{match[0]}", value)  # the schema refuses NUL, so it is free as a mark
    return f"'{_NOT_PLAIN.sub(_escaped, value)}'"


def _escaped(match: re.Match[str]) -> str:
    character = match[0][-1]
    if match[0] == "\n":
        return "\\n"
    if len(match[0]) == 2 or character in "\\'" or (not character.isprintable() and ord(character) < 0x10000):
        return f"\\u{ord(character):04x}"
    return character


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
