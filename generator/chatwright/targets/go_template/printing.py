"""Write values: as Jinja would print them, as JSON, and into Go's variables."""

from __future__ import annotations

import json
from collections.abc import Callable

from ...errors import Unsupported
from ..go_text import Action, go_literal
from .conditions import Conditions
from .shapes import NUMBER, SCHEMA_TYPES, STRING, TEXTS, Data, Number, Object, Shape, Text, TypeName
from .values import Constant, Either, Go, Joined, Made, Missing, Record, Value, is_of


class Printing(Conditions):
    """The part of the compiler that writes values."""

    def print(self, value: Value) -> None:
        """Write the value as Jinja would print it."""
        match value:
            case Constant(value=bool()):
                raise Unsupported(f"the value {value.value!r} is no text")
            case Constant(value=str() | int() as text):
                self.writer.put([str(text)])
            case Constant():
                raise Unsupported(f"the value {value.value!r} is no text")
            case Joined():
                for part in value.parts:
                    self.print(part)
            case Made():
                value.write()
            case Either():
                self.of_either(value, self.print)
            case Go():
                self._print_found(value)
            case Missing():
                pass
            case _:
                raise Unsupported(f"a {type(value).__name__.lower()} is no text")

    def of_either(self, value: Either, use: Callable[[Value], None]) -> None:
        """Use one of two values; Go decides which."""
        with self.scope(value.names):
            self.choose(
                [(value.test, lambda: use(self.value(value.then)))],
                lambda: use(self.value(value.otherwise) if value.otherwise else Constant("")),
            )

    def keep(self, name: str, variable: str, value: Value, sign: str = "=") -> None:
        """Store the text of a value in a variable; ``sign`` is ``:=`` for a new variable, else ``=``."""
        if isinstance(value, Either):
            if sign == ":=":
                self.writer.statement(f'{variable} := ""')
            self.of_either(value, lambda one: self.keep(name, variable, one))
            return
        operands = [self._operand(name, part) for part in (value.parts if isinstance(value, Joined) else (value,))]
        joined = (
            f"printf {go_literal('%s' * len(operands))} {' '.join(operands)}" if len(operands) != 1 else operands[0]
        )
        self.writer.statement(f"{variable} {sign} {joined}")

    def _operand(self, name: str, value: Value) -> str:
        match value:
            case Constant(value=str(text)):
                return go_literal(text)
            case Go(shape=shape) if shape in TEXTS:
                return value.operand
        raise Unsupported(f"a Go template cannot keep the value of {name}, which depends on the conversation")

    def _print_found(self, value: Go) -> None:
        match value.shape:
            case Text() | Number() | TypeName(many=False):
                self.writer.put([Action(value.place)])
            case TypeName():
                self._print_types(value)
            case Data(kinds=kinds):
                self._print_data(value, kinds)
            case shape:
                name = type(shape).__name__.lower()
                raise Unsupported(f"Jinja prints a value ({name}) as Python does, and Go cannot")

    def join(self, items: Go, item: Shape, separator: str, around: str = "") -> None:
        """Write the items of a list with a separator, and a text around each item."""
        index, value = self.variable("i"), self.variable()
        with self.writer.block(f"range {index}, {value} := {items.place}"):
            with self.writer.block(f"if {index}"):
                self.writer.put([separator])
            self.writer.put([around])
            self.print(Go(value, item))
            self.writer.put([around])

    def _print_types(self, value: Go) -> None:
        with self.writer.block(f"if gt (len {value.operand}) 1"):
            self.writer.put(["["])
            self.join(value, Text(), ", ", "'")
            self.writer.put(["]"])
        with self.writer.block("else"):
            self.writer.put([Action(value.place)])

    def _print_data(self, value: Go, kinds: frozenset[str]) -> None:
        ways = {STRING: value.place, NUMBER: f"json {value.operand}"}  # how kinds are printed the same way as in Jinja
        left, cases = set(kinds), list[tuple[str, str | None]]()
        if left.isdisjoint(ways):
            raise Unsupported("Jinja prints the value as Python does, and Go cannot")
        for kind, action in ways.items():
            if kind in kinds:
                cases.append((is_of(value, {kind}) if left != {kind} else "", action))
                left.discard(kind)
        if left:
            cases.append(("", None))
        for found in self.writer.branches(cases):
            if found is None:
                self.writer.refuse("this template can write this value where it is text only")
            else:
                self.writer.put([Action(found)])

    def capital_type(self, value: Value) -> Value:
        """The name of a schema's type in capital letters. Go has no such function, but JSON Schema has few names."""
        match value:
            case Missing():
                return Constant("")
            case Constant(value=text):
                return Constant(str(text).upper())
            case Go(shape=TypeName()):
                return Made(lambda: self._print_capital_type(value))
        raise Unsupported("a Go template cannot write text in capital letters")

    def _print_capital_type(self, value: Go) -> None:
        name = self.variable()
        self.writer.statement(f'{name} := printf "%v" {value.operand}')
        known = [(f"eq {name} {go_literal(word)}", word.upper()) for word in SCHEMA_TYPES]
        for word in self.writer.branches([*known, ("", "")]):
            if word:
                self.writer.put([word])
            else:
                reason = "this template can write one of JSON Schema's types where a type stands, and no list"
                self.writer.refuse(reason)

    def json(self, value: Value) -> Value:
        """The JSON of a value; if Go writes it, in Go's layout."""
        match value:
            case Constant():
                return Constant(json.dumps(value.value, ensure_ascii=False))
            case Record():
                parts: list[Value] = []
                for name, item in value.items.items():
                    head = f"{', ' if parts else '{'}{json.dumps(name, ensure_ascii=False)}: "
                    parts += [Constant(head), self.json(item)]
                return Joined((*parts, Constant("}"))) if parts else Constant("{}")
            case Go(shape=Object()):
                return Go(value.place, Text(), value.call)  # prints itself as JSON; {} if Ollama has nothing
            case Go():
                return Go(f"json {value.operand}", Text(), call=True)
        raise Unsupported(f"a {type(value).__name__.lower()} has no JSON")
