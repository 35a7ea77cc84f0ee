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
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from jinja2 import Environment, nodes

from ..errors import Unsupported
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

    An empty ``told`` says that it never is.
    """

    fields: Mapping[str, tuple[str, Shape]]
    told: tuple[str, ...] = ()


Shape = Text | Number | Flag | TypeName | Data | Items | Object | Struct

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
    }
)
PARAMETERS = Struct(
    {
        "type": ("Type", TypeName(many=False)),
        "items": ("Items", ANY),
        "required": ("Required", Items(Text())),
        "properties": ("Properties", Object(PROPERTY, "properties")),
    },
    told=("Type", "Required", "Properties"),
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
class Pairs:
    """The keys and values of an object; ``ordered`` says that Jinja sorts them as Go does."""

    of: Value
    ordered: bool


Value = Constant | Missing | Forgotten | Go | Joined | Record | Made | Pairs
Condition = bool | str


@dataclass
class Written:
    """What a fragment turned out to need: ``sorted`` names the objects whose order Go does not keep."""

    sorted: set[str] = field(default_factory=set)


def write_tools(definition: ToolFormat, writer: GoWriter, tools: str = ".Tools") -> Written:
    """Write the description of the tools, which stand in ``tools``.

    Raises:
        Unsupported: Go, or Ollama's data, cannot carry the format.
    """
    return compile_jinja(tools_jinja(definition), writer, {"tools": Go(tools, Items(TOOL))})


def write_calls(definition: ToolFormat, writer: GoWriter, calls: str = ".ToolCalls") -> Written:
    """Write the calls of a turn, which stand in ``calls``.

    Raises:
        Unsupported: Go, or Ollama's data, cannot carry the format.
    """
    return compile_jinja(calls_jinja(definition), writer, {"calls": Go(calls, Items(CALL))})


def compile_jinja(source: str, writer: GoWriter, variables: Mapping[str, Value]) -> Written:
    """Write a Jinja template as Go.

    Raises:
        Unsupported: it uses what Go, Ollama's data or this compiler does not have.
    """
    tree = Environment(trim_blocks=True, lstrip_blocks=True).parse(source)
    compiler = _Compiler(writer, _assigned_anew(tree))
    compiler.names.update(variables)
    compiler.body(tree.body)
    return compiler.written


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

    # -- statements ----------------------------------------------------------------------------------------------------

    def body(self, statements: Sequence[nodes.Node]) -> None:
        for statement in statements:
            if isinstance(statement, nodes.Output):
                for part in statement.nodes:
                    text = part.data if isinstance(part, nodes.TemplateData) else None
                    self.print(Constant(text) if text is not None else self.value(part))
            elif isinstance(statement, nodes.Assign):
                self.assign(statement)
            elif isinstance(statement, nodes.If):
                self.branches(statement)
            elif isinstance(statement, nodes.For):
                self.loop(statement)
            elif isinstance(statement, nodes.Macro):
                self.macros[statement.name] = statement
            else:
                raise _unknown(statement)

    def assign(self, statement: nodes.Assign) -> None:
        if not isinstance(statement.target, nodes.Name):
            raise _unknown(statement)
        name, value = statement.target.name, self.value(statement.node)
        if name not in self.assigned:
            self.names[name] = value
            return
        if not isinstance(value, Constant) or not isinstance(value.value, str):
            raise Unsupported(f"a Go template cannot keep the value of {name}, which depends on the conversation")
        before = self.names.get(name)
        variable = before.place if isinstance(before, Go) else self.variable()
        self.writer.do(f"{variable} {'=' if isinstance(before, Go) else ':='} {go_literal(value.value)}")
        self.names[name] = Go(variable, Text())

    def branches(self, statement: nodes.If) -> None:
        branches: list[nodes.If] = [statement, *statement.elif_]
        self.choose([(branch.test, partial(self.body, branch.body)) for branch in branches], statement.else_)

    def choose(self, cases: Sequence[tuple[nodes.Node, Callable[[], None]]], otherwise: Sequence[nodes.Node]) -> None:
        """Write what the first case whose test holds writes; what is settled here leaves no trace."""
        if not cases:
            self.body(otherwise)
            return
        (test, write), *rest = cases
        condition = self.condition(test)
        if condition is True:
            write()
        elif condition is False:
            self.choose(rest, otherwise)
        else:
            self.decide(condition, test, write, lambda: self.choose(rest, otherwise))

    def decide(
        self, condition: str, test: nodes.Node, write: Callable[[], None], otherwise: Callable[[], None]
    ) -> None:
        """Write the one or the other as Go decides; a side that writes nothing is left out."""
        writer = self.writer
        writer.do(f"if {condition}")
        start = len(writer.lines)
        with self.scope(self.narrowed(test, holds=True), branch=True):
            write()
        writer.do("else")
        middle = len(writer.lines)
        with self.scope(self.narrowed(test, holds=False), branch=True):
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
        """Write a loop over the fields of a struct, one after another; more than one must not write anything."""
        assert isinstance(over.shape, Struct)
        wrote = 0
        for name in over.shape.fields:
            before = (len(self.writer.lines), len(self.writer.pending))
            with self.scope({key_name: Constant(name), value_name: _field(over, name)}):
                self.body(statement.body)
            wrote += before != (len(self.writer.lines), len(self.writer.pending))
        if wrote > 1:
            raise Unsupported("the order of a schema's fields stands in the text, and Ollama does not keep it")

    @contextmanager
    def scope(self, names: Mapping[str, Value], *, branch: bool = False) -> Iterator[None]:
        """Bind names for a while. What a ``branch`` assigns meanwhile, Jinja would still know after it."""
        before = dict(self.names)
        self.names.update(names)
        inside = dict(self.names)
        yield
        if branch:
            changed = {name for name, value in self.names.items() if inside.get(name) != value}
            before.update(dict.fromkeys(changed, Forgotten()))
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
            raise Unsupported(f"Jinja prints a {type(shape).__name__.lower()} as Python does, and Go cannot")

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
        if shape.kinds == {_NUMBER}:
            self.writer.put([Action(f"json {value.operand}")])
            return
        if shape.kinds == {_STRING}:
            self.writer.put([Action(value.place)])
            return
        if _STRING not in shape.kinds:
            raise Unsupported("Jinja prints the value as Python does, and Go cannot")
        self.writer.do(f"if {_is(value, {_STRING})}")
        self.writer.put([Action(value.place)])
        self.writer.do("else")
        self.writer.refuse("this template can write this value where it is text only")
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
            if isinstance(found, Forgotten):
                raise Unsupported(f"a Go template does not know the value of {node.name} here")
            return found
        if isinstance(node, nodes.Concat):
            return Joined(tuple(self.value(part) for part in node.nodes))
        if isinstance(node, nodes.Getattr):
            return _field(self.value(node.node), node.attr)
        if isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const) and isinstance(node.arg.value, str):
            return _field(self.value(node.node), node.arg.value)
        if isinstance(node, nodes.Dict):
            return Record({pair.key.as_const(): self.value(pair.value) for pair in node.items})
        if isinstance(node, nodes.List) and not node.items:
            return Constant([])
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
        """One of two values; where Go decides, statements write the one or the other."""
        settled = self.settled(node.test)
        if settled is not None:
            other = node.expr1 if settled else node.expr2
            return self.value(other) if other is not None else Missing()

        kept = dict(self.names)
        otherwise = [nodes.Output([node.expr2])] if node.expr2 is not None else []

        def write() -> None:
            with self.scope(kept):
                self.choose([(node.test, lambda: self.print(self.value(node.expr1)))], otherwise)

        return Made(write)

    def settled(self, test: nodes.Node) -> bool | None:
        """What a test says of every request, None where Go must decide."""
        if isinstance(test, nodes.Compare) and test.ops[0].op in ("in", "notin"):
            return None  # asking would write statements
        condition = self.condition(test)
        return condition if isinstance(condition, bool) else None

    def fallback(self, node: nodes.Or) -> Value:
        """``x or {}``: an object that Ollama always has, be it empty."""
        value, other = self.value(node.left), self.value(node.right)
        if isinstance(value, Missing):
            return other
        if isinstance(value, Go) and isinstance(value.shape, Object) and other == Record({}):
            return value
        raise _unknown(node)

    def filter(self, node: nodes.Filter) -> Value:
        assert node.node is not None
        value = self.value(node.node)
        if node.name == "tojson":  # the layout that its options ask for is one of JSON's, and Go has its own
            return self.json(value)
        if node.name == "items":
            return Pairs(value, ordered=False)
        words = {word.key: word.value.as_const() for word in node.kwargs}
        if node.name == "dictsort" and words == {"case_sensitive": True}:
            return Pairs(value, ordered=True)
        if node.name == "length" and isinstance(value, Go) and isinstance(value.shape, Items):
            return Go(f"len {value.operand}", Number(), call=True)
        if node.name == "string" and isinstance(value, Go) and isinstance(value.shape, TypeName | Text):
            return value
        if node.name == "string" and isinstance(value, Missing):
            return Constant("")
        if node.name == "upper":
            return self.capital_type(value)
        if node.name == "join" and len(node.args) == 1 and isinstance(value, Go) and isinstance(value.shape, Items):
            return self.join(value, value.shape.item, node.args[0].as_const())
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
        if not isinstance(node.node, nodes.Name) or len(node.args) != 1 or node.kwargs:
            raise _unknown(node)
        name = node.node.name
        if name == "raise_exception":
            message = node.args[0].as_const()
            return Made(lambda: self.writer.refuse(message))
        if name == "strftime_now":
            form = node.args[0].as_const()
            return Made(lambda: self.writer.put(go_date(form)))
        if name not in self.macros:
            raise Unsupported(f"a Go template has no function {name}")
        value = self.value(node.args[0])
        if not isinstance(value, Go):
            raise _unknown(node)
        definition = self.definition(self.macros[name], value.shape)
        return Made(lambda: self.writer.put([Action(f"template {go_literal(definition)} {value.operand}")]))

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
        sides = [self.condition(side) for side in (node.left, node.right)]
        if any(side is settles for side in sides):
            return settles
        open_sides = [side for side in sides if isinstance(side, str)]
        if len(open_sides) < 2:
            return open_sides[0] if open_sides else not settles
        return f"{'or' if settles else 'and'} ({open_sides[0]}) ({open_sides[1]})"

    def test(self, node: nodes.Test) -> Condition:
        value = self.value(node.node)
        if node.name == "defined":
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

    def narrowed(self, test: nodes.Node, *, holds: bool) -> dict[str, Value]:
        """What is known of a name once a test of its kind is answered."""
        if isinstance(test, nodes.Not):
            return self.narrowed(test.node, holds=not holds)
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
        return Go(f"{value.operand}.{field_name}", shape)
    if isinstance(value, Go) and isinstance(value.shape, Data):
        return Go(f"index {value.operand} {go_literal(name)}", ANY, call=True, optional=True)
    if isinstance(value, Missing):
        return value
    raise Unsupported(f"Ollama's data has no field {name} here")


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


def _asks_for_last(statement: nodes.For) -> bool:
    return any(
        isinstance(asked.node, nodes.Name) and asked.node.name == "loop" for asked in statement.find_all(nodes.Getattr)
    )


def _unknown(node: nodes.Node) -> Unsupported:
    return Unsupported(f"the compiler to Go templates does not know the Jinja {type(node).__name__} in this form")
