"""Compiles the Jinja of tool formats to Go ``text/template`` over the data that Ollama gives a template.

The source is the very Jinja that the reference renderer runs (:mod:`chatwright.meaning.tool_formats`), read by Jinja's
own parser. Each expression is followed with the shape that its value has in Ollama (``template/template.go`` and
``api/types.go``, v0.33.0-rc2), so that what Jinja must ask and Ollama has settled (whether a tool stands in its OpenAI
wrapping, whether arguments are JSON text) is decided here, and only what differs from request to request is written.

What Ollama's data means for the text:

- ``tojson`` becomes Ollama's ``json``: the same value in Go's layout, without spaces and with ``<``, ``>`` and ``&``
  escaped. Ollama keeps no further fields of a schema than :data:`PROPERTY` and its neighbours name.
- Objects are Go maps, which have no order but that of their keys. What loops over one is named in
  :attr:`Written.sorted`.
- Numbers are floating point, so an integer above 2**53 may change before any template sees it.
- Text that Jinja would write in Python's way (``True``, ``None``, a list) cannot be had in Go: where a value turns out
  not to be text, the rendering ends with an error.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import cache, partial
from typing import Any

from jinja2 import Environment, nodes

from ..errors import Refusals, Unsupported
from ..meaning.tool_formats import ToolFormat, calls_jinja, tools_jinja
from .go_text import Action, GoWriter, go_date, go_literal

# -- the shapes of Ollama's data ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Text:
    """A Go string."""


@dataclass(frozen=True)
class Number:
    """A Go int: a length."""


@dataclass(frozen=True)
class Flag:
    """A Go condition."""


@dataclass(frozen=True)
class TypeName:
    """The ``type`` of a schema: a Go string, or where ``many`` a list of them that prints as text when it has one."""

    many: bool


@dataclass(frozen=True)
class Data:
    """Any JSON value, known to be of one of some kinds; the kinds are named by their Go types."""

    kinds: frozenset[str]


@dataclass(frozen=True)
class Opaque:
    """What a template can only write as JSON."""


@dataclass(frozen=True)
class Items:
    """A Go slice."""

    item: Shape


@dataclass(frozen=True)
class Object:
    """A Go map that prints itself as JSON; ``name`` says of what."""

    item: Shape
    name: str


@dataclass(frozen=True)
class Struct:
    """A Go struct: JSON's name of each field, its Go name and shape; ``told`` are the fields that say it is not empty.

    An empty ``told`` says that it never is. ``optional`` fields are left out of its JSON where they are empty.
    """

    fields: Mapping[str, tuple[str, Shape]]
    told: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()


Shape = Text | Number | Flag | TypeName | Data | Opaque | Items | Object | Struct

_STRING, _NONE, _BOOL, _MAPPING, _LIST, _NUMBER = (
    *("string", "<nil>", "bool"),
    *("map[string]interface {}", "[]interface {}", "float64"),
)
ANY = Data(frozenset({_STRING, _NONE, _BOOL, _MAPPING, _LIST, _NUMBER}))
PROPERTY = Struct(
    {
        "type": ("Type", TypeName(many=True)),
        "items": ("Items", ANY),
        "description": ("Description", Text()),
        "enum": ("Enum", Items(ANY)),
        "required": ("Required", Items(Text())),
        "anyOf": ("AnyOf", Opaque()),
        "properties": ("Properties", Opaque()),
    },
    optional=("type", "items", "description", "enum", "required", "anyOf", "properties"),
)
PARAMETERS = Struct(
    {
        "type": ("Type", TypeName(many=False)),
        "$defs": ("Defs", ANY),
        "items": ("Items", ANY),
        "required": ("Required", Items(Text())),
        "properties": ("Properties", Object(PROPERTY, "properties")),
    },
    told=("Type", "Required", "Properties"),
    optional=("$defs", "items", "required"),
)
FUNCTION = Struct(
    {"name": ("Name", Text()), "description": ("Description", Text()), "parameters": ("Parameters", PARAMETERS)}
)
TOOL = Struct({"type": ("Type", Text()), "function": ("Function", FUNCTION)})
CALL = Struct(
    {
        "function": (
            "Function",
            Struct({"name": ("Name", Text()), "arguments": ("Arguments", Object(ANY, "arguments"))}),
        )
    }
)
_SCHEMA_TYPES = ("string", "number", "integer", "boolean", "object", "array", "null")
_KINDS = {  # what a Jinja test asks of a JSON value
    "string": {_STRING},
    "none": {_NONE},
    "boolean": {_BOOL},
    "mapping": {_MAPPING},
    "iterable": {_STRING, _MAPPING, _LIST},
}

# -- values of expressions ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Constant:
    """A value that the Jinja itself writes."""

    value: Any


@dataclass(frozen=True)
class Forgotten:
    """A value that depends on which way a request went, and that Go has no variable for."""


@dataclass(frozen=True)
class Refused:
    """A value that Go cannot have, for a reason that is kept already; what is made of it gives no further one."""


@dataclass(frozen=True)
class Missing:
    """A value that Ollama's data does not have."""


@dataclass(frozen=True)
class Go:
    """A value that Go finds at ``place``; ``call`` says that this needs brackets to stand as an operand.

    ``optional`` says that it may be absent, and is then nil.
    """

    place: str
    shape: Shape
    call: bool = False
    optional: bool = False

    @property
    def operand(self) -> str:
        """The value as an argument of a Go function."""
        return f"({self.place})" if self.call else self.place


@dataclass(frozen=True)
class Joined:
    """Texts one after another."""

    parts: tuple[Value, ...]


@dataclass(frozen=True)
class Record:
    """An object that the Jinja puts together."""

    items: Mapping[str, Value]


@dataclass(frozen=True)
class Made:
    """Text that statements write."""

    write: Callable[[], None]


@dataclass(frozen=True)
class Either:
    """One of two expressions, by a test that Go decides; ``names`` are those that they see."""

    test: nodes.Expr
    then: nodes.Expr
    otherwise: nodes.Expr | None
    names: Mapping[str, Value]


@dataclass(frozen=True)
class Pairs:
    """The keys and values of an object; ``ordered`` says that Jinja sorts them as Go does."""

    of: Value
    ordered: bool


Value = Constant | Missing | Forgotten | Refused | Go | Joined | Record | Made | Either | Pairs
Condition = bool | str


@dataclass
class Written:
    """What a fragment turned out to need: ``sorted`` names the objects whose order Go does not keep."""

    sorted: set[str] = field(default_factory=set)


def write_tools(
    definition: ToolFormat,
    writer: GoWriter,
    tools: str = ".Tools",
    *,
    system: Value | None = None,
    user: Value | None = None,
) -> Written:
    """Write the description of the tools, which stand in ``tools``.

    ``system`` or ``user`` is the text that it takes the place of.

    Raises:
        Unsupported: Go, or Ollama's data, cannot carry the format.
    """
    texts = {"system": system or Constant(None), "user": user or Constant("")}
    return compile_jinja(tools_jinja(definition), writer, {"tools": Go(tools, Items(TOOL)), **texts})


def write_calls(definition: ToolFormat, writer: GoWriter, calls: str = ".ToolCalls") -> Written:
    """Write the calls of a turn, which stand in ``calls``.

    Raises:
        Unsupported: Go, or Ollama's data, cannot carry the format.
    """
    return compile_jinja(calls_jinja(definition), writer, {"calls": Go(calls, Items(CALL))})


def keep_text(fragment: str, writer: GoWriter, variable: str, *, of: str | None = None) -> None:
    """Make a variable what a fragment prints that sees it, or the variable ``of``, as ``text``.

    Raises:
        Unsupported: Go cannot keep that.
    """
    tree = Environment().parse(fragment)
    compiler = _Compiler(writer, set())
    compiler.names["text"] = Go(of or variable, Text())
    outputs = [part for output in tree.body if isinstance(output, nodes.Output) for part in output.nodes]
    if len(tree.body) != 1 or len(outputs) != 1:
        raise Unsupported("a Go template cannot keep the text of a fragment that is more than an expression")
    compiler.keep("text", variable, compiler.value(outputs[0]))


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
            if isinstance(node, nodes.Assign) and isinstance(node.target, nodes.Name):
                yield node.target.name, branch
            elif isinstance(node, nodes.If):
                yield from names([*node.body, *node.elif_, *node.else_], branch=True)
            elif isinstance(node, nodes.For | nodes.Macro):  # a scope of its own
                collect(node.body)

    def collect(body: Sequence[nodes.Node]) -> None:
        assigned = list(names(body, branch=False))
        found.update(name for name, branch in assigned if branch and sum(name == other for other, _ in assigned) > 1)

    collect(tree.body)
    return found


class _Compiler:
    def __init__(self, writer: GoWriter, assigned: set[str]) -> None:
        self.writer, self.assigned = writer, assigned
        self.written = Written()
        self.names: dict[str, Value] = {}
        self.macros: dict[str, nodes.Macro] = {}
        self.defined: dict[tuple[str, Shape], str] = {}
        self.count = 0
        self.refusals = Refusals()

    # -- statements ----------------------------------------------------------------------------------------------------

    def body(self, statements: Sequence[nodes.Node]) -> None:
        """Write statements. One that cannot be written leaves its reasons, and nothing else is made of what it sets."""
        for statement in statements:
            if isinstance(statement, nodes.Output):
                for part in statement.nodes:
                    self.attempt(partial(self.output, part))
            elif isinstance(statement, nodes.Assign):
                if not self.attempt(partial(self.assign, statement)):
                    self.names.update(dict.fromkeys(_names(statement.target), Refused()))
            elif isinstance(statement, nodes.If):
                self.attempt(partial(self.branches, statement))
            elif isinstance(statement, nodes.For):
                if not self.attempt(partial(self.loop, statement)):
                    with self.scope(dict.fromkeys([*_names(statement.target), "loop"], Refused())):
                        self.body([*statement.body, *statement.else_])
            elif isinstance(statement, nodes.Macro):
                self.macros[statement.name] = statement
            else:
                self.refusals.reasons += _unknown(statement).reasons

    def attempt(self, write: Callable[[], None]) -> bool:
        """Whether something can be written; if not, its reasons are kept, and all is as it was before."""
        writer, names = self.writer, dict(self.names)
        try:
            write()
        except Unsupported as error:
            self.refusals.reasons += error.reasons
            self.writer, self.names = writer, names
            return False
        return True

    def output(self, part: nodes.Expr) -> None:
        self.print(Constant(part.data) if isinstance(part, nodes.TemplateData) else self.value(part))

    def values(self, parts: Sequence[nodes.Expr]) -> list[Value]:
        """The values of several expressions, or the reasons of all that cannot be had."""
        refusals, found = Refusals(), list[Value]()
        for part in parts:
            with refusals.collect():
                found.append(self.value(part))
        if len(found) < len(parts):
            raise Unsupported(*refusals.reasons)
        return found

    def assign(self, statement: nodes.Assign) -> None:
        if not isinstance(statement.target, nodes.Name):
            raise _unknown(statement)
        name, value = statement.target.name, self.value(statement.node)
        if name not in self.assigned:
            self.names[name] = value
            return
        before = self.names.get(name)
        variable = before.place if isinstance(before, Go) else self.variable()
        if isinstance(value, Either) and not isinstance(before, Go):
            self.writer.do(f'{variable} := ""')
            before = Go(variable, Text())
        self.keep(name, variable, value, "=" if isinstance(before, Go) else ":=")
        self.names[name] = Go(variable, Text())

    def keep(self, name: str, variable: str, value: Value, sign: str = "=") -> None:
        """Give a variable the text of a value; the sign is that of a new variable or of one that Go knows."""
        if isinstance(value, Either):
            with self.scope(value.names):
                self.choose(
                    [(value.test, lambda: self.keep(name, variable, self.value(value.then)))],
                    lambda: self.keep(name, variable, self.value(value.otherwise) if value.otherwise else Constant("")),
                )
            return
        parts = value.parts if isinstance(value, Joined) else (value,)
        operands = []
        for part in parts:
            if isinstance(part, Constant) and isinstance(part.value, str):
                operands.append(go_literal(part.value))
            elif isinstance(part, Go) and (isinstance(part.shape, Text) or part.shape == Data(frozenset({_STRING}))):
                operands.append(part.operand)
            else:
                raise Unsupported(f"a Go template cannot keep the value of {name}, which depends on the conversation")
        if len(operands) == 1:
            self.writer.do(f"{variable} {sign} {operands[0]}")
        else:
            self.writer.do(f"{variable} {sign} printf {go_literal('%s' * len(operands))} {' '.join(operands)}")

    def branches(self, statement: nodes.If) -> None:
        branches: list[nodes.If] = [statement, *statement.elif_]
        cases = [(branch.test, partial(self.body, branch.body)) for branch in branches]
        self.choose(cases, partial(self.body, statement.else_))

    def choose(self, cases: Sequence[tuple[nodes.Node, Callable[[], None]]], otherwise: Callable[[], None]) -> None:
        """Write what the first case whose test holds writes; what is settled here leaves no trace."""
        if not cases:
            otherwise()
            return
        (test, write), *rest = cases
        writer = self.writer
        try:
            condition = self.condition(test)
        except Unsupported as error:
            self.refusals.reasons += error.reasons
            self.writer = writer
            self.look_into(test, write, holds=True)
            self.look_into(test, lambda: self.choose(rest, otherwise), holds=False)
            return
        if condition is True:
            write()
        elif condition is False:
            self.choose(rest, otherwise)
        else:
            self.decide(condition, test, write, lambda: self.choose(rest, otherwise))

    def look_into(self, test: nodes.Node, write: Callable[[], None], *, holds: bool) -> None:
        """Find the reasons in what depends on a test that Go cannot ask."""
        known: dict[str, Value] = {}
        with suppress(Unsupported):
            known = self.narrowed(test, holds=holds)
        with self.scope(known, branch=Refused()):
            self.attempt(write)

    def decide(
        self, condition: str, test: nodes.Node, write: Callable[[], None], otherwise: Callable[[], None]
    ) -> None:
        """Write the one or the other as Go decides; a side that writes nothing is left out."""
        writer = self.writer
        writer.do(f"if {condition}")
        start = len(writer.lines)
        with self.scope(self.narrowed(test, holds=True), branch=Forgotten()):
            write()
        writer.do("else")
        middle = len(writer.lines)
        with self.scope(self.narrowed(test, holds=False), branch=Forgotten()):
            otherwise()
        writer.do("end")
        if len(writer.lines) == middle + 1:
            del writer.lines[middle - 1]
        elif middle == start + 1:
            del writer.lines[middle - 1]
            writer.lines[start - 1] = writer.lines[start - 1].replace(condition, f"not ({condition})", 1)

    def loop(self, statement: nodes.For) -> None:
        if statement.else_ or statement.test or statement.recursive:
            raise _unknown(statement)
        over = self.value(statement.iter)
        if isinstance(over, Pairs):
            self.loop_over_pairs(statement, over)
            return
        if not isinstance(statement.target, nodes.Name) or not isinstance(over, Go):
            raise _unknown(statement)
        if isinstance(over.shape, Data) and over.shape.kinds == {_LIST}:
            item: Shape = ANY
        elif isinstance(over.shape, Items):
            item = over.shape.item
        else:
            raise _unknown(statement)
        index, value = self.variable("i"), self.variable()
        self.writer.do(f"range {index}, {value} := {over.place}")
        bound: dict[str, Value] = {statement.target.name: Go(value, item)}
        with self.scope({**bound, "loop": Record({"last": _last(over, index)})}):
            self.body(statement.body)
        self.writer.do("end")

    def loop_over_pairs(self, statement: nodes.For, pairs: Pairs) -> None:
        target, over = statement.target, pairs.of
        if not isinstance(target, nodes.Tuple) or len(target.items) != 2 or not isinstance(over, Go):
            raise _unknown(statement)
        key_name, value_name = (name.name for name in target.items if isinstance(name, nodes.Name))
        if isinstance(over.shape, Struct):
            self.unroll(statement, over, key_name, value_name)
            return
        if isinstance(over.shape, Object):
            item, name = over.shape.item, over.shape.name
        elif isinstance(over.shape, Data) and over.shape.kinds == {_MAPPING}:
            item, name = ANY, "objects"
        else:
            raise _unknown(statement)
        if not pairs.ordered:
            self.written.sorted.add(name)
        key, value = self.variable("k"), self.variable()
        bound: dict[str, Value] = {key_name: Go(key, Text()), value_name: Go(value, item)}
        if _asks_for_last(statement):
            seen = self.variable("n")  # Go has no counter but the length of a text that grows
            self.writer.do(f'{seen} := ""', f"range {key}, {value} := {over.place}", f'{seen} = printf "%s." {seen}')
            bound["loop"] = Record({"last": Go(f"eq (len {seen}) (len {over.operand})", Flag(), call=True)})
        else:
            self.writer.do(f"range {key}, {value} := {over.place}")
        with self.scope(bound):
            self.body(statement.body)
        self.writer.do("end")

    def unroll(self, statement: nodes.For, over: Go, key_name: str, value_name: str) -> None:
        """Write a loop over the fields of a struct, one after another, which is not the order that a tool has."""
        assert isinstance(over.shape, Struct)
        wrote = 0
        for name in over.shape.fields:
            before = (len(self.writer.lines), len(self.writer.pending))
            value = _field(over, name)
            assert isinstance(value, Go)
            with self.scope({key_name: Constant(name), value_name: replace(value, optional=False)}):
                self.unroll_one(statement.body, value)
            wrote += before != (len(self.writer.lines), len(self.writer.pending))
        if wrote > 1:
            self.written.sorted.add("fields of schemas")

    def unroll_one(self, body: Sequence[nodes.Node], value: Go) -> None:
        """Write the body for one field, where a tool has it."""
        writer, self.writer = self.writer, GoWriter()
        self.body(body)
        inner, self.writer = self.writer, writer
        if inner.source():
            if value.optional:
                there = f"not ({_is(value, {_NONE})})" if isinstance(value.shape, Data) else value.place
                writer.do(f"if {there}")
            writer.include(inner)
            if value.optional:
                writer.do("end")

    @contextmanager
    def scope(self, names: Mapping[str, Value], *, branch: Forgotten | Refused | None = None) -> Iterator[None]:
        """Bind names for a while. What a ``branch`` assigns meanwhile, Jinja would still know after it."""
        before = dict(self.names)
        self.names.update(names)
        inside = dict(self.names)
        try:
            yield
        except Unsupported:
            self.names = before
            raise
        if branch is not None:
            changed = {name for name, value in self.names.items() if inside.get(name) != value}
            before.update(dict.fromkeys(changed, branch))
        self.names = before

    def variable(self, letter: str = "v") -> str:
        self.count += 1
        return f"${letter}{self.count}"

    # -- text ----------------------------------------------------------------------------------------------------------

    def print(self, value: Value) -> None:
        """Write the value as Jinja would print it."""
        if isinstance(value, Constant):
            if not isinstance(value.value, str | int) or isinstance(value.value, bool):
                raise Unsupported(f"the value {value.value!r} is no text")
            self.writer.put([str(value.value)])
        elif isinstance(value, Joined):
            for part in value.parts:
                self.print(part)
        elif isinstance(value, Made):
            value.write()
        elif isinstance(value, Either):
            self.print_either(value)
        elif isinstance(value, Go):
            self.print_found(value)
        elif not isinstance(value, Missing):
            raise Unsupported(f"a {type(value).__name__.lower()} is no text")

    def print_found(self, value: Go) -> None:
        shape = value.shape
        if isinstance(shape, Text | Number):
            self.writer.put([Action(value.place)])
        elif isinstance(shape, TypeName):
            self.print_type(value, shape)
        elif isinstance(shape, Data):
            self.print_data(value, shape)
        else:
            raise Unsupported(f"Jinja prints a value ({type(shape).__name__.lower()}) as Python does, and Go cannot")

    def print_type(self, value: Go, shape: TypeName) -> None:
        if not shape.many:
            self.writer.put([Action(value.place)])
            return
        index, name = self.variable("i"), self.variable()
        self.writer.do(f"if gt (len {value.operand}) 1")
        self.writer.put(["["])
        self.writer.do(f"range {index}, {name} := {value.place}", f"if {index}")
        self.writer.put([", "])
        self.writer.do("end")
        self.writer.put(["'", Action(name), "'"])
        self.writer.do("end")
        self.writer.put(["]"])
        self.writer.do("else")
        self.writer.put([Action(value.place)])
        self.writer.do("end")

    def print_data(self, value: Go, shape: Data) -> None:
        if not shape.kinds & {_STRING, _NUMBER}:
            raise Unsupported("Jinja prints the value as Python does, and Go cannot")
        ways = [(_STRING, value.place), (_NUMBER, f"json {value.operand}")]  # of kinds that print alike
        ways = [way for way in ways if way[0] in shape.kinds]
        word, left = "if", set(shape.kinds)
        for kind, action in ways:
            if left != {kind}:
                self.writer.do(f"{word} {_is(value, {kind})}")
            elif word != "if":
                self.writer.do("else")
            self.writer.put([Action(action)])
            word = "else if"
            left.discard(kind)
        if left:
            self.writer.do("else")
            self.writer.refuse("this template can write this value where it is text only")
        if left or len(ways) > 1:
            self.writer.do("end")

    def capital_type(self, value: Value) -> Value:
        """The name of a schema's type in capital letters; Go knows no such function, and JSON Schema few names."""
        if isinstance(value, Constant | Missing):
            return Constant(str(value.value if isinstance(value, Constant) else "").upper())
        if not isinstance(value, Go) or not isinstance(value.shape, TypeName):
            raise Unsupported("a Go template cannot write text in capital letters")
        place = value.operand

        def write() -> None:
            name = self.variable()
            self.writer.do(f'{name} := printf "%v" {place}')
            word = "if"
            for known in _SCHEMA_TYPES:
                self.writer.do(f"{word} eq {name} {go_literal(known)}")
                self.writer.put([known.upper()])
                word = "else if"
            self.writer.do("else")
            self.writer.refuse("this template can write one of JSON Schema's types where a type stands, and no list")
            self.writer.do("end")

        return Made(write)

    def json(self, value: Value) -> Value:
        if isinstance(value, Constant):
            return Constant(json.dumps(value.value, ensure_ascii=False))
        if isinstance(value, Record):
            parts: list[Value] = []
            for name, item in value.items.items():
                head = f"{', ' if parts else '{'}{json.dumps(name, ensure_ascii=False)}: "
                parts += [Constant(head), self.json(item)]
            return Joined((*parts, Constant("}"))) if parts else Constant("{}")
        if not isinstance(value, Go):
            raise Unsupported(f"a {type(value).__name__.lower()} has no JSON")
        if isinstance(value.shape, Object):
            return Go(value.place, Text(), value.call)  # prints itself, and as {} where Ollama has nothing
        return Go(f"json {value.operand}", Text(), call=True)

    # -- expressions ---------------------------------------------------------------------------------------------------

    def value(self, node: nodes.Node) -> Value:
        if isinstance(node, nodes.Const):
            return Constant(node.value)
        if isinstance(node, nodes.Name):
            found = self.names.get(node.name, Forgotten())
            if isinstance(found, Refused):
                raise Unsupported
            if isinstance(found, Forgotten):
                raise Unsupported(f"a Go template does not know the value of {node.name} here")
            return found
        if isinstance(node, nodes.Concat):
            return Joined(tuple(self.values(node.nodes)))
        if isinstance(node, nodes.Getattr):
            return _field(self.value(node.node), node.attr)
        if isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const) and isinstance(node.arg.value, str):
            return _field(self.value(node.node), node.arg.value)
        if isinstance(node, nodes.Getitem):
            raise Unsupported("a Go template cannot take a text or a list apart by position as Jinja does")
        if isinstance(node, nodes.Dict):
            keys = [_constant(pair.key) for pair in node.items]
            return Record(dict(zip(keys, self.values([pair.value for pair in node.items]), strict=True)))
        if isinstance(node, nodes.List):
            return Constant([_constant(item) for item in node.items])
        if isinstance(node, nodes.CondExpr):
            return self.either(node)
        if isinstance(node, nodes.Or):
            return self.fallback(node)
        if isinstance(node, nodes.Filter):
            return self.filter(node)
        if isinstance(node, nodes.Call):
            return self.call(node)
        if isinstance(node, nodes.Compare | nodes.Test | nodes.Not | nodes.And):
            condition = self.condition(node)
            return Constant(condition) if isinstance(condition, bool) else Go(condition, Flag(), call=True)
        raise _unknown(node)

    def either(self, node: nodes.CondExpr) -> Value:
        """One of two values, which may be for Go to decide."""
        settled = self.settled(node.test)
        if settled is not None:
            other = node.expr1 if settled else node.expr2
            return self.value(other) if other is not None else Missing()

        return Either(node.test, node.expr1, node.expr2, dict(self.names))

    def print_either(self, value: Either) -> None:
        with self.scope(value.names):
            self.choose(
                [(value.test, lambda: self.print(self.value(value.then)))],
                lambda: self.print(self.value(value.otherwise) if value.otherwise else Constant("")),
            )

    def settled(self, test: nodes.Node) -> bool | None:
        """What a test says of every request, None where Go must decide."""
        writer, self.writer = self.writer, GoWriter()
        condition = self.condition(test)
        self.writer = writer
        return condition if isinstance(condition, bool) else None

    def fallback(self, node: nodes.Or) -> Value:
        """``x or y``; an object Ollama always has, be it empty."""
        value, other = self.value(node.left), self.value(node.right)
        if isinstance(value, Missing):
            return other
        if isinstance(value, Go) and isinstance(value.shape, Object) and other == Record({}):
            return value
        condition = self.settled(node.left)
        if condition is not None:
            return value if condition else other
        return Either(node.left, node.left, node.right, dict(self.names))

    def behind(self, node: nodes.Call) -> Value:
        """``x.split(word)|last``: what stands behind the last place of a word."""
        if not (isinstance(node.node, nodes.Getattr) and node.node.attr == "split" and len(node.args) == 1):
            raise _unknown(node)
        value, variable = self.value(node.node.node), self.variable()
        self.keep("text", variable, value, ":=")
        self.writer.keep_behind(variable, _constant(node.args[0]))
        return Go(variable, Text())

    def filter(self, node: nodes.Filter) -> Value:
        assert node.node is not None
        if node.name == "last" and isinstance(node.node, nodes.Call):
            return self.behind(node.node)
        value = self.value(node.node)
        if node.name == "tojson":  # the layout that its options ask for is one of JSON's, and Go has its own
            return self.json(value)
        if node.name == "items":
            return Pairs(value, ordered=False)
        words = {word.key: _constant(word.value) for word in node.kwargs}
        if node.name == "dictsort" and words == {"case_sensitive": True}:
            return Pairs(value, ordered=True)
        if node.name == "length" and isinstance(value, Go) and isinstance(value.shape, Items):
            return Go(f"len {value.operand}", Number(), call=True)
        if node.name == "string" and isinstance(value, Go) and isinstance(value.shape, TypeName | Text):
            return value
        if node.name == "string" and isinstance(value, Missing):
            return Constant("")
        if node.name == "trim" and isinstance(value, Constant) and isinstance(value.value, str):
            return Constant(value.value.strip())
        if node.name == "trim" and (isinstance(value, Either) or (isinstance(value, Go) and self.is_text(value))):
            variable = self.variable()
            if isinstance(value, Either):
                self.writer.do(f'{variable} := ""')
            self.keep("text", variable, value, "=" if isinstance(value, Either) else ":=")
            self.writer.trim(variable)
            return Go(variable, Text())
        if node.name == "upper":
            return self.capital_type(value)
        if node.name == "join" and len(node.args) == 1 and isinstance(value, Go) and isinstance(value.shape, Items):
            return self.join(value, value.shape.item, _constant(node.args[0]))
        raise Unsupported(f"a Go template has nothing for the filter {node.name} here")

    def join(self, items: Go, item: Shape, separator: str) -> Value:
        def write() -> None:
            index, value = self.variable("i"), self.variable()
            self.writer.do(f"range {index}, {value} := {items.place}", f"if {index}")
            self.writer.put([separator])
            self.writer.do("end")
            self.print(Go(value, item))
            self.writer.do("end")

        return Made(write)

    def call(self, node: nodes.Call) -> Value:
        if not isinstance(node.node, nodes.Name) or node.kwargs:
            raise _unknown(node)
        name = node.node.name
        if name == "raise_exception":
            message = _constant(_only(node))
            return Made(lambda: self.writer.refuse(message))
        if name == "strftime_now":
            form = _constant(_only(node))
            return Made(lambda: self.writer.put(go_date(form)))
        if name not in self.macros:
            raise Unsupported(f"a Go template has no function {name}")
        macro, values = self.macros[name], self.values(node.args)
        if not values or len(values) != len(macro.args):
            raise _unknown(node)
        value = values[0]
        if len(values) == 1 and isinstance(value, Go):
            definition = self.definition(macro, value.shape)
            return Made(lambda: self.writer.put([Action(f"template {go_literal(definition)} {value.operand}")]))
        return Made(lambda: self.expand(macro, values))

    def expand(self, macro: nodes.Macro, values: Sequence[Value]) -> None:
        """Write the body of a macro in the place of its call."""
        if any(
            isinstance(call.node, nodes.Name) and call.node.name == macro.name for call in macro.find_all(nodes.Call)
        ):
            raise Unsupported(f"a Go definition has one argument, and the macro {macro.name} calls itself with more")
        names, self.names = self.names, {name.name: value for name, value in zip(macro.args, values, strict=True)}
        self.body(macro.body)
        self.names = names

    def definition(self, macro: nodes.Macro, shape: Shape) -> str:
        """The name of the Go template that a macro becomes for an argument of a shape."""
        shape = ANY if isinstance(shape, Data) else shape
        key = (macro.name, shape)
        if key not in self.defined:
            name = self.defined[key] = f"{macro.name} {len(self.defined) + 1}"
            outer, self.writer = self.writer, GoWriter()
            value = self.variable()
            self.writer.do(f"define {go_literal(name)}", f"{value} := .")
            names, self.names = self.names, {macro.args[0].name: Go(value, shape)}
            self.body(macro.body)
            self.names = names
            self.writer.do("end")
            outer.define(self.writer)
            self.writer = outer
        return self.defined[key]

    # -- conditions ----------------------------------------------------------------------------------------------------

    def condition(self, node: nodes.Node) -> Condition:
        """Whether an expression is true: settled for every request, or as Go must ask."""
        if isinstance(node, nodes.Not):
            inner = self.condition(node.node)
            return not inner if isinstance(inner, bool) else f"not ({inner})"
        if isinstance(node, nodes.And | nodes.Or):
            return self.both(node)
        if isinstance(node, nodes.Test):
            return self.test(node)
        if isinstance(node, nodes.Compare):
            return self.compare(node)
        return _truth(self.value(node))

    def both(self, node: nodes.And | nodes.Or) -> Condition:
        settles = isinstance(node, nodes.Or)  # the value that decides alone
        left = self.condition(node.left)
        if left is settles:
            return settles
        with self.scope(self.narrowed(node.left, holds=not settles)):
            writer, self.writer = self.writer, GoWriter()
            right = self.condition(node.right)
            asked, self.writer = self.writer, writer
            if isinstance(left, bool) or right is settles or not isinstance(right, str):
                writer.include(asked)
                return right if isinstance(left, bool) or right is settles else left
        if not asked.lines:
            return f"{'or' if settles else 'and'} ({left}) ({right})"
        found = self.variable("f")  # what the right side looks into may not be there where the left side says no
        writer.do(f"{found} := {str(settles).lower()}", f"if {f'not ({left})' if settles else left}")
        writer.include(asked)
        writer.do(f"{found} = {_flag(right)}", "end")
        return found

    def test(self, node: nodes.Test) -> Condition:
        value = self.value(node.node)
        if node.name == "defined":
            if isinstance(value, Go) and value.optional and not isinstance(value.shape, Data):
                return value.place
            if isinstance(value, Go) and value.optional:
                return f"not ({_is(value, {_NONE})})"
            return not isinstance(value, Missing)
        if node.name not in _KINDS:
            raise Unsupported(f"a Go template has nothing for the test {node.name}")
        wanted = _KINDS[node.name]
        if isinstance(value, Go) and isinstance(value.shape, Data):
            kinds = value.shape.kinds
            if kinds <= wanted:
                return True
            return _is(value, wanted & kinds) if wanted & kinds else False
        if isinstance(value, Go) and isinstance(value.shape, Text | Items | Object | Struct):
            kind = {Text: _STRING, Items: _LIST, Object: _MAPPING, Struct: _MAPPING}[type(value.shape)]
            return kind in wanted
        if isinstance(value, Constant):
            return {str: _STRING, type(None): _NONE, bool: _BOOL}.get(type(value.value)) in wanted
        raise _unknown(node)

    def compare(self, node: nodes.Compare) -> Condition:
        if len(node.ops) != 1:
            raise _unknown(node)
        operation, value, other = node.ops[0].op, self.value(node.expr), self.value(node.ops[0].expr)
        if operation in ("in", "notin"):
            return self.found(value, other, wanted=operation == "in")
        if operation not in ("eq", "ne", "gt", "lt", "gteq", "lteq") or not isinstance(other, Constant):
            raise _unknown(node)
        if isinstance(value, Constant) and operation in ("eq", "ne"):
            return bool((value.value == other.value) is (operation == "eq"))
        name = {"gteq": "ge", "lteq": "le"}.get(operation, operation)
        if isinstance(value, Go) and isinstance(value.shape, Text) and isinstance(other.value, str):
            return f"{name} {value.operand} {go_literal(other.value)}"
        if isinstance(value, Go) and isinstance(value.shape, Number) and isinstance(other.value, int):
            return f"{name} {value.operand} {other.value}"
        raise _unknown(node)

    def found(self, value: Value, items: Value, *, wanted: bool) -> Condition:
        """Whether a text is one of a list; Go must look at each."""
        if items == Constant([]):
            return not wanted
        if isinstance(items, Either):
            return self.found_in_either(value, items, wanted=wanted)
        if isinstance(items, Constant) and isinstance(value, Constant):
            return (value.value in items.value) is wanted
        if isinstance(value, Constant) and isinstance(items, Go) and self.is_text(items):
            return self.holds(items, value.value, wanted=wanted)
        if not (isinstance(items, Go) and items.shape == Items(Text()) and isinstance(value, Go)):
            raise Unsupported("a Go template can look for a text in a list of texts only")
        found, item = self.variable("f"), self.variable()
        self.writer.do(
            f"{found} := false",
            f"range {item} := {items.place}",
            f"if eq {item} {value.operand}",
            f"{found} = true",
            "end",
            "end",
        )
        return found if wanted else f"not {found}"

    def found_in_either(self, value: Value, items: Either, *, wanted: bool) -> Condition:
        found = self.variable("f")
        self.writer.do(f"{found} := false")

        def look(place: nodes.Expr | None) -> None:
            condition = self.found(value, self.value(place), wanted=True) if place else False
            if condition is not False:
                self.writer.do(f"{found} = {'true' if condition is True else condition}")

        with self.scope(items.names):
            self.choose([(items.test, lambda: look(items.then))], lambda: look(items.otherwise))
        return found if wanted else f"not {found}"

    def is_text(self, value: Go) -> bool:
        return isinstance(value.shape, Text) or value.shape == Data(frozenset({_STRING}))

    def holds(self, text: Go, wanted_text: str, *, wanted: bool) -> Condition:
        """Whether a text holds another; Go must look at each place of it."""
        found = self.variable("f")
        self.writer.do(f"{found} := false")
        self.writer.find(text.operand, wanted_text, f"{found} = true")
        return found if wanted else f"not {found}"

    def narrowed(self, test: nodes.Node, *, holds: bool) -> dict[str, Value]:
        """What is known of a name once a test of its kind is answered."""
        if isinstance(test, nodes.Not):
            return self.narrowed(test.node, holds=not holds)
        if isinstance(test, nodes.And if holds else nodes.Or):
            return {**self.narrowed(test.left, holds=holds), **self.narrowed(test.right, holds=holds)}
        if not isinstance(test, nodes.Test) or test.name not in _KINDS or not isinstance(test.node, nodes.Name):
            return {}
        value = self.value(test.node)
        if not isinstance(value, Go) or not isinstance(value.shape, Data):
            return {}
        kinds = value.shape.kinds & _KINDS[test.name] if holds else value.shape.kinds - _KINDS[test.name]
        return {test.node.name: replace(value, shape=Data(kinds))}


def _field(value: Value, name: str) -> Value:
    if isinstance(value, Record):
        return value.items.get(name, Missing())
    if isinstance(value, Go) and isinstance(value.shape, Struct):
        if name not in value.shape.fields:
            return Missing()
        field_name, shape = value.shape.fields[name]
        return Go(f"{value.operand}.{field_name}", shape, optional=name in value.shape.optional)
    if isinstance(value, Go) and isinstance(value.shape, Data):
        return Go(f"index {value.operand} {go_literal(name)}", ANY, call=True, optional=True)
    if isinstance(value, Missing):
        return value
    raise Unsupported(f"a Go template cannot ask this value for its field {name}")


def _truth(value: Value) -> Condition:
    if isinstance(value, Constant):
        return bool(value.value)
    if isinstance(value, Missing):
        return False
    if isinstance(value, Record):
        return bool(value.items)
    if isinstance(value, Go):
        if not isinstance(value.shape, Struct):
            return value.place
        told = " ".join(f"{value.operand}.{name}" for name in value.shape.told)
        return f"or {told}" if told else True
    raise Unsupported("a Go template cannot ask whether a text that it puts together is empty")


def _is(value: Go, kinds: set[str] | frozenset[str]) -> str:
    """Go that asks whether a value is of one of some kinds."""
    return f'eq (printf "%T" {value.operand}) {" ".join(go_literal(kind) for kind in sorted(kinds))}'


def _last(over: Go, index: str) -> Value:
    return Go(f"eq (len (slice {over.operand} {index})) 1", Flag(), call=True)


def _flag(condition: str) -> str:
    """A condition as a value that a variable can have: one that is no call stands for whatever it is."""
    return condition if " " in condition or condition.startswith("$f") else f"not (not {condition})"


def _asks_for_last(statement: nodes.For) -> bool:
    return any(
        isinstance(asked.node, nodes.Name) and asked.node.name == "loop" for asked in statement.find_all(nodes.Getattr)
    )


def _names(target: nodes.Node) -> list[str]:
    """The names that an assignment or a loop sets."""
    return [name.name for name in ([target] if isinstance(target, nodes.Name) else target.find_all(nodes.Name))]


def _only(node: nodes.Call) -> nodes.Expr:
    if len(node.args) != 1:
        raise _unknown(node)
    return node.args[0]


def _constant(node: nodes.Node) -> Any:
    """The value of a literal. Nothing is computed: what constants come to can be larger than any memory."""
    if not isinstance(node, nodes.Const):
        raise _unknown(node)
    return node.value


def _unknown(node: nodes.Node) -> Unsupported:
    return Unsupported(f"the compiler to Go templates does not know the Jinja {type(node).__name__} in this form")
