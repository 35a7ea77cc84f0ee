"""The portable subset of Jinja, and a check that a file stays within it.

These engines give the same result for it: jinja2 (transformers 5.6.0, vLLM 0.33.0, SGLang 0.5.23), llama.cpp b10775,
minijinja 3.0.5 and @huggingface/jinja 0.5.9. ``make conformance`` renders every generated file in each of them, and a
sample of every name that is listed here. Everything else is refused: some engine cannot load it, or writes something
else. Training files may also use transformers' ``generation`` tag.

The check knows no types, so it cannot refuse what depends on values: llama.cpp counts and slices text in bytes,
changes the case of ASCII letters only, and does not accept a text as a list.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache, lru_cache
from typing import Any

from jinja2 import Environment, nodes
from jinja2.ext import Extension
from jinja2.parser import Parser

from .jinja import literal

_Arguments = tuple[int, int, tuple[str, ...]]
NODES = frozenset(
    (
        *("Add", "And", "Assign", "AssignBlock", "Break", "Call", "Compare", "Concat", "CondExpr", "Const", "Dict"),
        *("Filter", "For", "Getattr", "Getitem", "If", "Keyword", "List", "Macro", "Mod", "Name", "Neg", "Not"),
        *("NSRef", "Operand", "Or", "Output", "Pair", "Slice", "Sub", "Template", "TemplateData", "Test", "Tuple"),
    )
)
FILTERS: Mapping[str, _Arguments] = {  # name -> minimum and maximum number of arguments, and allowed keywords
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
FUNCTIONS: Mapping[str, _Arguments] = {"raise_exception": (1, 1, ()), "range": (1, 2, ()), "strftime_now": (1, 1, ())}
METHODS: Mapping[str, _Arguments] = (
    {  # name -> number of arguments; `strip` takes none: @huggingface/jinja ignores them
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
_GLOBALS = frozenset({*FUNCTIONS, "namespace", "cycler", "dict", "joiner", "lipsum"})
_OF_LOOPS = frozenset({"first", "index", "index0", "last"})
_DIGITS = re.compile("[0-9]+")
_OF_DICTS = frozenset({"copy", "get", "items", "keys", "pop", "update", "values"})


@lru_cache(maxsize=4096)
def portable(source: str) -> str:
    """Rewrite a fragment so that every engine reads its strings (see :func:`literal`) and items of objects alike.

    ``.items()`` becomes ``|items``: @huggingface/jinja does not find the method if the object has a key of that name.

    Raises:
        jinja2.TemplateSyntaxError: the fragment is not Jinja.
    """
    return "".join(_LOOP_OVER_ITEMS.sub(r"\1|items\2", tag) if kind == "block" else tag for kind, tag in _tags(source))


def _tags(source: str) -> Iterator[tuple[str, str]]:
    """The tags of a fragment and the texts between them, each with its kind; strings are rewritten."""
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
    """Return the names of the variables that a fragment reads or sets.

    Raises:
        jinja2.TemplateSyntaxError: the fragment is not Jinja.
    """
    return frozenset(node.name for node in _environment().parse(source).find_all(nodes.Name))


def not_portable(source: str, *, marks: bool = False) -> list[str]:
    """Return descriptions of everything outside the portable subset, sorted; empty if the source is portable.

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
        elif kind.endswith(("_begin", "_end")) and "+" in text:
            yield f"the sign + in {text.strip()}"
        elif kind == "string" and text != (written := literal(_value(text))):
            yield f"the string {text[:40]}, which is to be written {written[:60]}"
        elif kind == "float" or (kind == "integer" and (not _DIGITS.fullmatch(text) or int(text) >= 1 << 63)):
            yield f"the number {text[:40]}, where only digits are read alike"
        elif kind == "name" and not text.isascii():
            yield f"the name {text[:40]}"


def _wrong_nodes(tree: nodes.Template) -> Iterator[str]:
    whole = list(_below(tree))
    macros = {node.name: node for node in whole if isinstance(node, nodes.Macro)}
    called = {id(node.node) for node in whole if isinstance(node, nodes.Call)}
    for node in whole:
        if (kind := type(node).__name__) not in NODES:
            yield f"the construct {kind}"
        elif isinstance(node, nodes.Call):
            yield from _wrong_function(node, macros)
        elif isinstance(node, nodes.Name):
            if node.ctx == "load" and node.name in {*_GLOBALS, *macros} and id(node) not in called:
                yield f"the function {node.name} without a call"
        elif isinstance(node, nodes.Getattr):
            yield from _wrong_attribute(node, called=id(node) in called)
        elif (rule := _RULES.get(type(node))) and (wrong := rule(node)):
            yield wrong


def _below(tree: nodes.Node) -> Iterator[nodes.Node]:
    waiting: list[nodes.Node] = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        waiting.extend(node.iter_child_nodes())


def _wrong_function(node: nodes.Call, macros: Mapping[str, nodes.Macro]) -> Iterator[str]:
    function = node.node
    if isinstance(function, nodes.Getattr):
        if wrong := _wrong_arguments(f"the method {function.attr}", node, METHODS.get(function.attr)):
            yield wrong
    elif not isinstance(function, nodes.Name):
        yield "a call of an expression"
    elif macro := macros.get(function.name):
        least = len(macro.args) - len(macro.defaults)
        if wrong := _wrong_arguments(f"the macro {function.name}", node, (least, len(macro.args), ())):
            yield wrong
    elif function.name == "namespace":
        if node.args or node.dyn_args or node.dyn_kwargs:
            yield "a namespace with other than named values"
    elif wrong := _wrong_arguments(f"the function {function.name}", node, FUNCTIONS.get(function.name)):
        yield wrong


def _wrong_arguments(what: str, node: nodes.Call | nodes.Filter, allowed: _Arguments | None) -> str | None:
    if allowed is None:
        return what
    least, most, keywords = allowed
    fits = least <= len(node.args) <= most and {keyword.key for keyword in node.kwargs} <= {*keywords}
    if (
        fits
        and not node.dyn_args
        and not node.dyn_kwargs
        and not any(isinstance(arg, nodes.Tuple) for arg in node.args)
    ):
        return None
    return f"{what} with these arguments"


def _wrong_attribute(node: nodes.Getattr, *, called: bool) -> Iterator[str]:
    if node.attr in _OF_DICTS:
        yield f"the attribute {node.attr}, which may be a method of the object"
    elif isinstance(node.node, nodes.Name) and node.node.name == "loop" and node.attr not in _OF_LOOPS:
        yield f"the attribute loop.{node.attr}"


_RULES: Mapping[type[nodes.Node], Callable[[Any], str | None]] = {
    nodes.Filter: lambda node: _wrong_arguments(f"the filter {node.name}", node, FILTERS.get(node.name)),
    nodes.Test: lambda node: f"the test {node.name}" if node.name not in TESTS or node.args or node.kwargs else None,
    nodes.Neg: lambda node: None if isinstance(node.node, nodes.Const) else "a minus sign before anything but a number",
    nodes.Mod: lambda node: "a negative number in front of %" if isinstance(node.left, nodes.Neg) else None,
    nodes.For: lambda node: "a recursive loop" if node.recursive else None,
    nodes.AssignBlock: lambda node: "a set block with a filter" if node.filter is not None else None,
    nodes.Slice: lambda node: "a slice with a step" if node.step is not None else None,
    nodes.Compare: lambda node: "several comparisons at once" if len(node.ops) > 1 else None,
    nodes.Output: lambda node: (
        "a value that is printed as Python shows it"
        if any(isinstance(each, nodes.List | nodes.Tuple | nodes.Dict) or _is_word(each) for each in node.nodes)
        else None
    ),
}


def _is_word(node: nodes.Node) -> bool:
    return isinstance(node, nodes.Const) and (node.value is None or isinstance(node.value, bool))


def _value(text: str) -> str:
    """The value of a string token, as jinja2's lexer reads it (``lexer.py``, ``wrap``)."""
    return text[1:-1].encode("ascii", "backslashreplace").decode("unicode-escape")


@cache
def _environment(*, marks: bool = False) -> Environment:
    class Generation(Extension):
        """Parses the content of the ``generation`` tag as if the tag were not there."""

        tags = {"generation"}  # noqa: RUF012

        def parse(self, parser: Parser) -> list[nodes.Node]:
            next(parser.stream)
            return parser.parse_statements(("name:endgeneration",), drop_needle=True)

    extensions: list[str | type[Extension]] = ["jinja2.ext.loopcontrols", *([Generation] if marks else [])]
    return Environment(trim_blocks=True, lstrip_blocks=True, extensions=extensions)
