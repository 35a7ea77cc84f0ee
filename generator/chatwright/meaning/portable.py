"""The subset of Jinja that every engine reads alike, and the check of it.

Read alike by jinja2 (transformers 5.6.0, vLLM 0.33.0, SGLang 0.5.23), llama.cpp b10775, minijinja 3.0.5 and
@huggingface/jinja 0.5.9. ``make conformance`` renders every generated file in each of them, and a sample of every name
that is listed here. What is not listed is refused: some engine cannot load it, or writes something else.
The training files may hold transformers' ``generation`` tag as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from .jinja import literal

if TYPE_CHECKING:
    from jinja2 import Environment, nodes

_Arguments = tuple[int, int, tuple[str, ...]]
NODES = frozenset(
    (
        *("Add", "And", "Assign", "AssignBlock", "Break", "Call", "Compare", "Concat", "CondExpr", "Const", "Dict"),
        *("Filter", "For", "Getattr", "Getitem", "If", "Keyword", "List", "Macro", "Mod", "Name", "Neg", "Not"),
        *("NSRef", "Operand", "Or", "Output", "Pair", "Slice", "Sub", "Template", "TemplateData", "Test", "Tuple"),
    )
)
FILTERS: Mapping[str, _Arguments] = {  # name -> how many arguments at the least and at the most, and which keywords
    "capitalize": (0, 0, ()),
    "dictsort": (0, 0, ("case_sensitive",)),
    "first": (0, 0, ()),
    "indent": (1, 1, ("first",)),
    "items": (0, 0, ()),
    "join": (1, 1, ()),
    "last": (0, 0, ()),
    "length": (0, 0, ()),
    "list": (0, 0, ()),
    "lower": (0, 0, ()),
    "map": (0, 0, ("attribute",)),
    "rejectattr": (1, 3, ()),
    "replace": (2, 2, ()),
    "reverse": (0, 0, ()),
    "safe": (0, 0, ()),
    "selectattr": (1, 3, ()),
    "sort": (0, 0, ()),
    "string": (0, 0, ()),
    "tojson": (0, 0, ("indent",)),
    "trim": (0, 0, ()),
    "upper": (0, 0, ()),
}
TESTS = frozenset({"boolean", "defined", "iterable", "mapping", "none", "number", "string"})
FUNCTIONS = frozenset({"namespace", "raise_exception", "range", "strftime_now"})
METHODS: Mapping[str, _Arguments] = (
    {  # name -> how many arguments; @huggingface/jinja strips all white space, whatever it is told to strip
        "endswith": (1, 1, ()),
        "lower": (0, 0, ()),
        "lstrip": (0, 0, ()),
        "replace": (2, 2, ()),
        "rstrip": (0, 0, ()),
        "split": (1, 2, ()),
        "startswith": (1, 1, ()),
        "strip": (0, 0, ()),
        "title": (0, 0, ()),
        "upper": (0, 0, ()),
    }
)
_LOOP_OVER_ITEMS = re.compile(r"^(\{%[-+]?\s*for\b.*)\.items\(\)((?!\s*\|).*)$", re.DOTALL)
_OF_DICTS = frozenset({"copy", "get", "items", "keys", "pop", "update", "values"})


@lru_cache(maxsize=4096)
def portable(source: str) -> str:
    """Write a fragment so that every engine reads its strings alike (see :func:`literal`), and an object's items.

    ``.items()`` becomes ``|items``: @huggingface/jinja finds no method where the object has a key of that name.

    Raises:
        jinja2.TemplateSyntaxError: the fragment is not Jinja.
    """
    return "".join(_LOOP_OVER_ITEMS.sub(r"\1|items\2", tag) if kind == "block" else tag for kind, tag in _tags(source))


def _tags(source: str) -> Iterator[tuple[str, str]]:
    """The tags of a fragment and what is between them, with its strings rewritten; the kind of each."""
    inside, tag = "", ""
    for _, kind, text in _environment().lexer.tokeniter(source, None):
        if kind.endswith("_begin"):
            inside = kind.removesuffix("_begin")
        tag += literal(_value(text)) if kind == "string" else text
        if not inside or kind == f"{inside}_end":
            yield inside, tag
            inside, tag = "", ""


@lru_cache(maxsize=4096)
def names_in(source: str) -> frozenset[str]:
    """Return the names of variables that a fragment reads or sets.

    Raises:
        jinja2.TemplateSyntaxError: the fragment is not Jinja.
    """
    from jinja2 import nodes

    return frozenset(node.name for node in _environment().parse(source).find_all(nodes.Name))


def not_portable(source: str, *, marks: bool = False) -> list[str]:
    """Return what in the Jinja lies outside the subset, in words, sorted; nothing: every engine reads it alike.

    ``marks`` allows the ``generation`` tag.

    Raises:
        jinja2.TemplateSyntaxError: the text is not Jinja.
    """
    found = set(_wrong_tokens(source))
    found.update(_wrong_nodes(_environment(marks=marks).parse(source)))
    return sorted(found)


def _wrong_tokens(source: str) -> Iterator[str]:
    for _, kind, text in _environment().lexer.tokeniter(source, None):
        if kind == "data" and text.strip():
            yield f"text outside of tags ({text.strip()[:20]!r}), whose white space engines trim differently"
        elif kind == "raw_begin":
            yield "the tag raw"
        elif kind in ("linestatement_begin", "linecomment_begin"):
            yield "line statements"
        elif kind == "string" and text != (written := literal(_value(text))):
            yield f"the string {text[:40]}, which is to be written {written[:60]}"


def _wrong_nodes(tree: nodes.Template) -> Iterator[str]:
    from jinja2 import nodes

    found = list(_below(tree))
    macros = {node.name for node in found if isinstance(node, nodes.Macro)}
    for node in found:
        kind = type(node).__name__
        if kind not in NODES:
            yield f"the construct {kind}"
        elif isinstance(node, nodes.Filter):
            yield from _wrong_call(f"the filter {node.name}", node, FILTERS.get(node.name))
        elif isinstance(node, nodes.Test):
            if node.name not in TESTS or node.args or node.kwargs:
                yield f"the test {node.name}"
        elif isinstance(node, nodes.Call):
            yield from _wrong_function(node, macros)
        elif isinstance(node, nodes.Neg):
            if not isinstance(node.node, nodes.Const):
                yield "a minus sign before anything but a number"
        elif isinstance(node, nodes.For):
            if node.recursive:
                yield "a recursive loop"
        elif isinstance(node, nodes.AssignBlock):
            if node.filter is not None:
                yield "a set block with a filter"
        elif isinstance(node, nodes.Getattr) and node.attr in _OF_DICTS:
            yield f"the attribute {node.attr}, which may be a method of the object"


def _below(tree: nodes.Node) -> Iterator[nodes.Node]:
    waiting: list[nodes.Node] = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        waiting.extend(node.iter_child_nodes())


def _wrong_function(node: nodes.Call, macros: set[str]) -> Iterator[str]:
    from jinja2 import nodes

    called = node.node
    if isinstance(called, nodes.Name):
        if called.name not in FUNCTIONS | macros:
            yield f"the function {called.name}"
        elif called.name != "namespace" and node.kwargs:
            yield f"keywords in a call of {called.name}"
    elif isinstance(called, nodes.Getattr):
        if called.attr in METHODS:
            yield from _wrong_call(f"the method {called.attr}", node, METHODS[called.attr])
        else:
            yield f"the method {called.attr}"
    else:
        yield "a call of an expression"


def _wrong_call(what: str, node: nodes.Call | nodes.Filter, allowed: _Arguments | None) -> Iterator[str]:
    if allowed is None:
        yield what
        return
    least, most, keywords = allowed
    fits = least <= len(node.args) <= most and {keyword.key for keyword in node.kwargs} <= {*keywords}
    if not fits or node.dyn_args is not None or node.dyn_kwargs is not None:
        yield f"{what} with these arguments"


def _value(text: str) -> str:
    """The value of a string token, as jinja2's lexer reads it (``lexer.py``, ``wrap``)."""
    return text[1:-1].encode("ascii", "backslashreplace").decode("unicode-escape")


@cache
def _environment(*, marks: bool = False) -> Environment:
    from jinja2 import Environment
    from jinja2.ext import Extension
    from jinja2.parser import Parser

    class Generation(Extension):
        """Reads what a training file holds between its marks as if they were not there."""

        tags = {"generation"}  # noqa: RUF012

        def parse(self, parser: Parser) -> list[nodes.Node]:
            next(parser.stream)
            return parser.parse_statements(("name:endgeneration",), drop_needle=True)

    extensions: list[str | type[Extension]] = ["jinja2.ext.loopcontrols", *([Generation] if marks else [])]
    return Environment(trim_blocks=True, lstrip_blocks=True, extensions=extensions)
