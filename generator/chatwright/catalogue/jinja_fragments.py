"""What Jinja a spec may bring along for its tool formats. It is read here, and never run, not even in part."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import TYPE_CHECKING

from ..characters import BIDI, HALF, escaped
from .yaml_reader import quote

if TYPE_CHECKING:
    from jinja2 import Environment

_UNSEEN = re.compile(f"{BIDI.pattern}|{HALF.pattern}|[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_ALONE = ("Block", "Extends", "FromImport", "Import", "Include")  # what belongs to a file, or to several


def wrong_jinja(source: str, unseen: Collection[str]) -> str | None:
    """What keeps a fragment from being Jinja by itself, so that nothing in it reaches what stands around it.

    ``unseen`` are variables that are not there for it.
    """
    from jinja2 import TemplateSyntaxError, meta, nodes

    environment = _environment()
    try:
        environment.compile(source)  # which also knows filters and tests by name
        tree = environment.parse(source)
        generator = meta.TrackingCodeGenerator(environment)  # what meta.find_undeclared_variables runs
        generator.optimizer = None
        generator.visit(tree)
        known = generator.undeclared_identifiers
    except TemplateSyntaxError as error:
        return f"this is no Jinja: line {error.lineno}: {quote(error.message or 'it cannot be read')}"
    except RecursionError:
        return "this Jinja nests too deeply"
    except Exception as error:  # whatever Python says to what Jinja makes of it
        return f"this Jinja cannot be compiled: {quote(str(error) or type(error).__name__)}"
    if not _ends_in_text(source, environment):
        return "a fragment cannot leave a comment or a tag open, which would go on behind it"
    if any(kind == "raw_begin" for _, kind, _ in environment.lexer.tokeniter(source, None)):
        return "a fragment cannot hold {% raw %}, which may go on behind it; write the text in quotes, as {{ 'text' }}"
    for node in tree.find_all(nodes.Const):
        if isinstance(node.value, str) and (unseen_character := _UNSEEN.search(node.value)):
            return f"a text holds {escaped(unseen_character[0])}, which nobody would see in the generated file"
    for node in tree.find_all(tuple(getattr(nodes, name) for name in _ALONE)):
        return f"a fragment stands inside another text, where {quote(type(node).__name__.lower())} has no place"
    if source.rstrip("\n") != source.strip():
        return "white space at the ends of a fragment is not written; write it as {{ ' ' }}"
    if source.rstrip("\n").endswith("{"):
        return "a fragment that ends with '{' would run into what stands behind it; write {{ '{' }}"
    for name in sorted(known.intersection(unseen)):
        return f"{quote(name)} is seen by a description alone, and with 'place: {name}'"
    return None


def _ends_in_text(source: str, environment: Environment) -> bool:
    """Whether a text that follows the fragment is a text: Jinja takes an opening at the very end for one itself."""
    from jinja2 import TemplateSyntaxError

    try:
        *_, (_, kind, text) = environment.lexer.tokeniter(f"{source}x", None)
    except TemplateSyntaxError:
        return False
    return kind == "data" and text.endswith("x")


def cannot_compile(source: str) -> str | None:
    """Why a file with fragments of somebody's in it cannot be compiled, as where they nest too deeply together."""
    try:
        _environment().compile(source)
    except Exception as error:  # whatever Python says to what Jinja makes of it
        return str(error) or type(error).__name__
    return None


def _environment() -> Environment:
    """Jinja whose compiler does not compute what constants come to: that can be larger than any memory."""
    from jinja2 import Environment, pass_context

    return Environment(optimized=False, finalize=pass_context(lambda context, value: value))
