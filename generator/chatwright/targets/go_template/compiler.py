"""Compiles the Jinja of tool formats to Go ``text/template`` over the data that Ollama gives a template.

The source is the very Jinja that the reference renderer runs (:mod:`chatwright.meaning.tool_formats`), read by Jinja's
own parser. Each expression is followed with the shape that its value has in Ollama, so that what Jinja must ask and
Ollama has settled (whether a tool is in its OpenAI wrapping, whether arguments are JSON text) is decided here, and only
what differs from request to request is written.

What Ollama's data means for the text:

- ``tojson`` becomes Ollama's ``json``: the same value in Go's layout, without spaces and with ``<``, ``>`` and ``&``
  escaped. Ollama keeps no further fields of a schema than :data:`.shapes.PROPERTY` and its neighbours name.
- Objects are Go maps, which have no order but that of their keys. What loops over one is named in
  :attr:`.scope.Written.sorted`.
- Numbers are floating point, so an integer above 2**53 may change before any template sees it.
- Text that Jinja would write in Python's way (``True``, ``None``, a list) cannot be had in Go: where a value turns out
  not to be text, the rendering ends with an error.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache, partial

from jinja2 import Environment, nodes

from ...errors import Unsupported
from ...meaning.tool_formats import ToolFormat, calls_jinja, tools_jinja
from ..go_text import GoWriter
from .expressions import Expressions
from .scope import Written
from .shapes import ANY, CALL, LIST, MAPPING, NONE, TOOL, Data, Flag, Items, Object, Shape, Struct, Text
from .values import Constant, Go, Pairs, Record, Refused, Value, field_of, is_of, unknown


def write_tools(
    definition: ToolFormat,
    writer: GoWriter,
    tools: str = ".Tools",
    *,
    system: Value | None = None,
    user: Value | None = None,
) -> Written:
    """Write the description of the tools that the place ``tools`` holds.

    ``system`` or ``user`` is the text that it takes the place of.

    Raises:
        Unsupported: Go, or Ollama's data, cannot carry the format.
    """
    texts = {"system": system or Constant(None), "user": user or Constant("")}
    return compile_jinja(tools_jinja(definition), writer, {"tools": Go(tools, Items(TOOL)), **texts})


def write_calls(definition: ToolFormat, writer: GoWriter, calls: str = ".ToolCalls") -> Written:
    """Write the calls of a turn that the place ``calls`` holds.

    Raises:
        Unsupported: Go, or Ollama's data, cannot carry the format.
    """
    return compile_jinja(calls_jinja(definition), writer, {"calls": Go(calls, Items(CALL))})


def keep_text(fragment: str, writer: GoWriter, variable: str, *, of: str | None = None) -> None:
    """Make a variable what a fragment prints that sees it, or the variable ``of``, as ``text``.

    Raises:
        Unsupported: Go cannot keep that.
    """
    compiler = _Compiler(writer, set())
    compiler.names["text"] = Go(of or variable, Text())
    match Environment().parse(fragment).body:
        case [nodes.Output(nodes=[printed])]:
            compiler.keep("text", variable, compiler.value(printed))
        case _:
            raise Unsupported("a Go template cannot keep the text of a fragment that is more than an expression")


def compile_jinja(source: str, writer: GoWriter, variables: Mapping[str, Value]) -> Written:
    """Write a Jinja template as Go.

    Raises:
        Unsupported: it uses what Go, Ollama's data or this compiler does not have; carries every reason.
    """
    tree = _parsed(source)
    compiler = _Compiler(writer, _assigned_anew(tree))
    compiler.names.update(variables)
    compiler.body(tree.body)
    compiler.refusals.check()
    return compiler.written


@cache
def _parsed(source: str) -> nodes.Template:
    """The tree of a Jinja template, which nobody changes: one tool format is written for many templates."""
    return Environment(trim_blocks=True, lstrip_blocks=True).parse(source)


def _assigned_anew(tree: nodes.Template) -> set[str]:
    """The names that an ``if`` gives another value than they have, so that Go needs a variable for them as well."""
    found: set[str] = set()

    def names(body: Sequence[nodes.Node], *, branch: bool) -> Iterator[tuple[str, bool]]:
        for node in body:
            match node:
                case nodes.Assign(target=nodes.Name(name=name)):
                    yield name, branch
                case nodes.If():
                    yield from names([*node.body, *node.elif_, *node.else_], branch=True)
                case nodes.For() | nodes.Macro():  # a scope of its own
                    collect(node.body)

    def collect(body: Sequence[nodes.Node]) -> None:
        assigned = list(names(body, branch=False))
        found.update(name for name, branch in assigned if branch and sum(name == other for other, _ in assigned) > 1)

    collect(tree.body)
    return found


class _Compiler(Expressions):
    """The part of the compiler that writes statements."""

    def body(self, statements: Sequence[nodes.Node]) -> None:
        """Write statements. One that cannot be written leaves its reasons, and nothing else is made of what it sets."""
        for statement in statements:
            match statement:
                case nodes.Output():
                    for part in statement.nodes:
                        self.attempt(partial(self._output, part))
                case nodes.Assign():
                    if not self.attempt(partial(self._assign, statement)):
                        self.names.update(dict.fromkeys(_names(statement.target), Refused()))
                case nodes.If():
                    cases = [(each.test, partial(self.body, each.body)) for each in (statement, *statement.elif_)]
                    self.attempt(partial(self.choose, cases, partial(self.body, statement.else_)))
                case nodes.For():
                    if not self.attempt(partial(self._loop, statement)):
                        with self.scope(dict.fromkeys([*_names(statement.target), "loop"], Refused())):
                            self.body([*statement.body, *statement.else_])
                case nodes.Macro():
                    self.macros[statement.name] = statement
                case _:
                    self.refusals.reasons += unknown(statement).reasons

    def _output(self, part: nodes.Expr) -> None:
        self.print(Constant(part.data) if isinstance(part, nodes.TemplateData) else self.value(part))

    def _assign(self, statement: nodes.Assign) -> None:
        if not isinstance(statement.target, nodes.Name):
            raise unknown(statement)
        name, value = statement.target.name, self.value(statement.node)
        if name in self.assigned:
            before = self.names.get(name)
            variable, sign = (before.place, "=") if isinstance(before, Go) else (self.variable(), ":=")
            self.keep(name, variable, value, sign)
            value = Go(variable, Text())
        self.names[name] = value

    def _loop(self, statement: nodes.For) -> None:
        if statement.else_ or statement.test or statement.recursive:
            raise unknown(statement)
        match statement.target, self.value(statement.iter):
            case nodes.Tuple(items=[nodes.Name(name=key), nodes.Name(name=name)]), Pairs(of=Go() as over) as pairs:
                if isinstance(over.shape, Struct):
                    self._unroll(statement, over, key, name)
                else:
                    self._loop_over_pairs(statement, over, key, name, ordered=pairs.ordered)
            case nodes.Name(name=name), Go() as over:
                index, value = self.variable("i"), self.variable()
                item = _item(statement, over)
                last = Go(f"eq (len (slice {over.operand} {index})) 1", Flag(), call=True)
                with self.writer.block(f"range {index}, {value} := {over.place}"):
                    self._once(statement, {name: Go(value, item), "loop": Record({"last": last})})
            case _:
                raise unknown(statement)

    def _once(self, statement: nodes.For, bound: Mapping[str, Value]) -> None:
        with self.scope(bound):
            self.body(statement.body)

    def _loop_over_pairs(self, statement: nodes.For, over: Go, key_name: str, name: str, *, ordered: bool) -> None:
        match over.shape:
            case Object(item=item, name=what):
                pass
            case Data(kinds=kinds) if kinds == {MAPPING}:
                item, what = ANY, "objects"
            case _:
                raise unknown(statement)
        if not ordered:
            self.written.sorted.add(what)
        key, value = self.variable("k"), self.variable()
        bound: dict[str, Value] = {key_name: Go(key, Text()), name: Go(value, item)}
        seen = self.variable("n") if _asks_for_last(statement) else None
        if seen:  # Go has no counter but the length of a text that grows
            self.writer.statement(f'{seen} := ""')
            bound["loop"] = Record({"last": Go(f"eq (len {seen}) (len {over.operand})", Flag(), call=True)})
        with self.writer.block(f"range {key}, {value} := {over.place}"):
            if seen:
                self.writer.statement(f'{seen} = printf "%s." {seen}')
            self._once(statement, bound)

    def _unroll(self, statement: nodes.For, over: Go, key: str, name: str) -> None:
        """Write a loop over the fields of a struct, one after another, which is not the order that a tool has."""
        assert isinstance(over.shape, Struct)
        wrote = 0
        for field in over.shape.fields:
            value = field_of(over, field)
            assert isinstance(value, Go)
            with self.apart() as inner:
                self._once(statement, {key: Constant(field), name: replace(value, optional=False)})
            if inner.wrote():
                there = f"not ({is_of(value, {NONE})})" if isinstance(value.shape, Data) else value.place
                with self.writer.block(f"if {there}" if value.optional else ""):
                    self.writer.include(inner)
                wrote += 1
        if wrote > 1:
            self.written.sorted.add("fields of schemas")


def _item(statement: nodes.For, over: Go) -> Shape:
    match over.shape:
        case Items(item=item):
            return item
        case Data(kinds=kinds) if kinds == {LIST}:
            return ANY
    raise unknown(statement)


def _asks_for_last(statement: nodes.For) -> bool:
    return any(
        isinstance(asked.node, nodes.Name) and asked.node.name == "loop" for asked in statement.find_all(nodes.Getattr)
    )


def _names(target: nodes.Node) -> list[str]:
    """The names that an assignment or a loop sets."""
    return [name.name for name in ([target] if isinstance(target, nodes.Name) else target.find_all(nodes.Name))]
