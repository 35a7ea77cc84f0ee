"""Compiles the Jinja of tool formats to Go ``text/template`` over the data that Ollama gives a template.

The source is the Jinja that the reference renderer runs (:mod:`chatwright.meaning.tool_formats`), parsed by Jinja's own
parser. The compiler knows the shape of each value in Ollama. So conditions that are always true or false in Ollama
(whether a tool is in its OpenAI wrapping, whether arguments are JSON text) are decided here, and only conditions that
depend on the request are written.

Effects of Ollama's data on the text:

- ``tojson`` becomes Ollama's ``json``: the same value in Go's layout, without spaces and with ``<``, ``>`` and ``&``
  escaped. Of a schema, Ollama keeps only the fields in :data:`.shapes.PROPERTY` and its neighbours.
- Objects are Go maps, which are always sorted by key. :attr:`.scope.Written.sorted` names the objects that are looped
  over.
- Numbers are floating point, so an integer above 2**53 may change before a template sees it.
- Go cannot write values as Python does (``True``, ``None``, a list): if a value is not text, the rendering ends with an
  error.
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
    """Write the description of the tools at the place ``tools``.

    ``system`` or ``user`` is the text that the description replaces.

    Raises:
        Unsupported: Go or Ollama's data does not support the format.
    """
    texts = {"system": system or Constant(None), "user": user or Constant("")}
    return compile_jinja(tools_jinja(definition), writer, {"tools": Go(tools, Items(TOOL)), **texts})


def write_calls(definition: ToolFormat, writer: GoWriter, calls: str = ".ToolCalls") -> Written:
    """Write the calls of a turn at the place ``calls``.

    Raises:
        Unsupported: Go or Ollama's data does not support the format.
    """
    return compile_jinja(calls_jinja(definition), writer, {"calls": Go(calls, Items(CALL))})


def keep_text(fragment: str, writer: GoWriter, variable: str, *, of: str | None = None) -> None:
    """Set a variable to the output of a fragment whose ``text`` is the same variable, or the variable ``of``.

    Raises:
        Unsupported: the fragment is more than one expression, or Go cannot store its value.
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
        Unsupported: Go, Ollama's data or this compiler does not support it; carries every reason.
    """
    tree = _parsed(source)
    compiler = _Compiler(writer, _assigned_anew(tree))
    compiler.names.update(variables)
    compiler.body(tree.body)
    compiler.refusals.check()
    return compiler.written


@cache
def _parsed(source: str) -> nodes.Template:
    """The tree of a Jinja template. It must not be changed: it is cached, since many templates share a tool format."""
    return Environment(trim_blocks=True, lstrip_blocks=True).parse(source)


def _assigned_anew(tree: nodes.Template) -> set[str]:
    """The names that are assigned again inside an ``if``, so that Go needs a variable for them, too."""
    found: set[str] = set()

    def names(body: Sequence[nodes.Node], *, branch: bool) -> Iterator[tuple[str, bool]]:
        for node in body:
            match node:
                case nodes.Assign(target=nodes.Name(name=name)):
                    yield name, branch
                case nodes.If():
                    yield from names([*node.body, *node.elif_, *node.else_], branch=True)
                case nodes.For() | nodes.Macro():  # has its own scope
                    collect(node.body)

    def collect(body: Sequence[nodes.Node]) -> None:
        assigned = list(names(body, branch=False))
        found.update(name for name, branch in assigned if branch and sum(name == other for other, _ in assigned) > 1)

    collect(tree.body)
    return found


class _Compiler(Expressions):
    """The part of the compiler that writes statements."""

    def body(self, statements: Sequence[nodes.Node]) -> None:
        """Write statements. If one fails, its reasons are kept, and the names that it sets give no further reasons."""
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
        if seen:  # Go has no counter, so the length of a growing text counts
            self.writer.statement(f'{seen} := ""')
            bound["loop"] = Record({"last": Go(f"eq (len {seen}) (len {over.operand})", Flag(), call=True)})
        with self.writer.block(f"range {key}, {value} := {over.place}"):
            if seen:
                self.writer.statement(f'{seen} = printf "%s." {seen}')
            self._once(statement, bound)

    def _unroll(self, statement: nodes.For, over: Go, key: str, name: str) -> None:
        """Unroll a loop over the fields of a struct; their order may differ from the tool's."""
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
