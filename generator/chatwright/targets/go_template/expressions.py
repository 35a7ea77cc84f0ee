"""Compile Jinja's expressions to values: names, fields, filters, and calls of macros."""

from __future__ import annotations

from collections.abc import Sequence

from jinja2 import nodes

from ...errors import Unsupported
from ..go_text import Action, GoWriter, go_date, go_literal
from .printing import Printing
from .shapes import ANY, TEXTS, Data, Flag, Items, Number, Object, Shape, Text, TypeName
from .values import (
    Constant,
    Either,
    Forgotten,
    Go,
    Joined,
    Made,
    Missing,
    Pairs,
    Record,
    Refused,
    Value,
    constant,
    field_of,
    unknown,
)


class Expressions(Printing):
    """The part of the compiler for expressions."""

    def __init__(self, writer: GoWriter, assigned: set[str]) -> None:
        super().__init__(writer, assigned)
        self.macros: dict[str, nodes.Macro] = {}
        self.defined: dict[tuple[str, Shape], str] = {}

    def body(self, statements: Sequence[nodes.Node]) -> None:
        """Write statements."""
        raise NotImplementedError

    def value(self, node: nodes.Node) -> Value:
        """The value of an expression.

        Raises:
            Unsupported: Go or this compiler does not support it.
        """
        match node:
            case nodes.Const():
                return Constant(node.value)
            case nodes.Name():
                return self._named(node.name)
            case nodes.Concat():
                return Joined(tuple(self.values(node.nodes)))
            case nodes.Getattr(attr=name) | nodes.Getitem(arg=nodes.Const(value=str(name))):
                return field_of(self.value(node.node), name)
            case nodes.Getitem():
                raise Unsupported("a Go template cannot take a text or a list apart by position as Jinja does")
            case nodes.Dict():
                keys = [constant(pair.key) for pair in node.items]
                return Record(dict(zip(keys, self.values([pair.value for pair in node.items]), strict=True)))
            case nodes.List():
                return Constant([constant(item) for item in node.items])
            case nodes.CondExpr():
                return self._either(node)
            case nodes.Or():
                return self._fallback(node)
            case nodes.Filter():
                return self._filter(node)
            case nodes.Call():
                return self._call(node)
            case nodes.Compare() | nodes.Test() | nodes.Not() | nodes.And():
                condition = self.condition(node)
                return Constant(condition) if isinstance(condition, bool) else Go(condition, Flag(), call=True)
        raise unknown(node)

    def _named(self, name: str) -> Value:
        found = self.names.get(name, Forgotten())
        if isinstance(found, Refused):
            raise Unsupported
        if isinstance(found, Forgotten):
            raise Unsupported(f"a Go template does not know the value of {name} here")
        return found

    def _either(self, node: nodes.CondExpr) -> Value:
        """One of two values; Go may have to decide which."""
        settled = self.settled(node.test)
        if settled is None:
            return Either(node.test, node.expr1, node.expr2, dict(self.names))
        found = node.expr1 if settled else node.expr2
        return self.value(found) if found is not None else Missing()

    def _fallback(self, node: nodes.Or) -> Value:
        """``x or y``; objects always exist in Ollama, but may be empty."""
        value, other = self.value(node.left), self.value(node.right)
        match value, other:
            case Missing(), _:
                return other
            case Go(shape=Object()), Record(items=items) if not items:
                return value
        condition = self.settled(node.left)
        if condition is not None:
            return value if condition else other
        return Either(node.left, node.left, node.right, dict(self.names))

    def _after_last(self, node: nodes.Call) -> Value:
        """``x.split(word)|last``: the text after the last place of a word."""
        match node:
            case nodes.Call(node=nodes.Getattr(attr="split", node=of), args=[word]):
                variable = self._copy(self.value(of))
                self.writer.keep_after_last(variable, constant(word))
                return Go(variable, Text())
        raise unknown(node)

    def _copy(self, value: Value) -> str:
        """A new variable that holds the text of a value."""
        variable = self.variable()
        self.keep("text", variable, value, ":=")
        return variable

    def _filter(self, node: nodes.Filter) -> Value:
        assert node.node is not None
        if node.name == "last" and isinstance(node.node, nodes.Call):
            return self._after_last(node.node)
        value = self.value(node.node)
        if node.name == "tojson":  # options change only the layout, and Go has its own
            return self.json(value)
        if node.name == "items":
            return Pairs(value, ordered=False)
        words = {word.key: constant(word.value) for word in node.kwargs}
        match node.name, value:
            case "dictsort", _ if words == {"case_sensitive": True}:
                return Pairs(value, ordered=True)
            case "length", Go(shape=Items()):
                return Go(f"len {value.operand}", Number(), call=True)
            case "string", Go(shape=TypeName() | Text()):
                return value
            case "string", Missing():
                return Constant("")
            case "trim", Constant(value=str(text)):
                return Constant(text.strip())
            case "trim", Either() | Go() if isinstance(value, Either) or value.shape in TEXTS:
                variable = self._copy(value)
                self.writer.trim(variable)
                return Go(variable, Text())
            case "upper", _:
                return self.capital_type(value)
            case "join", Go(shape=Items(item=item)) if len(node.args) == 1:
                items, separator = value, constant(node.args[0])
                return Made(lambda: self.join(items, item, separator))
        raise Unsupported(f"a Go template has nothing for the filter {node.name} here")

    def _call(self, node: nodes.Call) -> Value:
        if not isinstance(node.node, nodes.Name) or node.kwargs:
            raise unknown(node)
        match node.node.name, node.args:
            case "raise_exception" | "strftime_now" as name, [argument]:
                text = constant(argument)
                return Made(
                    lambda: self.writer.refuse(text) if name == "raise_exception" else self.writer.put(go_date(text))
                )
            case "raise_exception" | "strftime_now", _:
                raise unknown(node)
            case name, _ if name not in self.macros:
                raise Unsupported(f"a Go template has no function {name}")
        macro, values = self.macros[name], self.values(node.args)
        match values:
            case [Go() as value] if len(macro.args) == 1:
                definition = self._definition(macro, value.shape)
                return Made(lambda: self.writer.put([Action(f"template {go_literal(definition)} {value.operand}")]))
            case [_, *_] if len(values) == len(macro.args):
                return Made(lambda: self._expand(macro, values))
        raise unknown(node)

    def _expand(self, macro: nodes.Macro, values: Sequence[Value]) -> None:
        """Write the body of a macro in place of its call."""
        if any(
            isinstance(call.node, nodes.Name) and call.node.name == macro.name for call in macro.find_all(nodes.Call)
        ):
            raise Unsupported(f"a Go definition has one argument, and the macro {macro.name} calls itself with more")
        self._body_of(macro, values)

    def _body_of(self, macro: nodes.Macro, values: Sequence[Value]) -> None:
        names, self.names = self.names, {name.name: value for name, value in zip(macro.args, values, strict=True)}
        self.body(macro.body)
        self.names = names

    def _definition(self, macro: nodes.Macro, shape: Shape) -> str:
        """The name of the Go template for a macro with an argument of this shape."""
        shape = ANY if isinstance(shape, Data) else shape
        key = (macro.name, shape)
        if key not in self.defined:
            name = self.defined[key] = f"{macro.name} {len(self.defined) + 1}"
            value = self.variable()
            with self.apart() as definition, definition.block(f"define {go_literal(name)}"):
                definition.statement(f"{value} := .")
                self._body_of(macro, [Go(value, shape)])
            self.root.define(definition)
        return self.defined[key]
