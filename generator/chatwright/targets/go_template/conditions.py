"""Compile Jinja's conditions to Go; conditions that are the same for every request are decided here."""

from __future__ import annotations

from typing import Any

from jinja2 import nodes

from ...errors import Unsupported
from ..go_text import go_literal
from .scope import Scope
from .shapes import BOOL, KINDS, LIST, MAPPING, NONE, STRING, TEXTS, Data, Items, Number, Object, Struct, Text
from .values import Condition, Constant, Either, Go, Missing, Value, is_of, truth, unknown

_COMPARISONS = {"eq": "eq", "ne": "ne", "gt": "gt", "lt": "lt", "gteq": "ge", "lteq": "le"}
_KIND_OF: dict[type[Any], str] = {
    Text: STRING,
    Items: LIST,
    Object: MAPPING,
    Struct: MAPPING,
    str: STRING,
    type(None): NONE,
    bool: BOOL,
}


class Conditions(Scope):
    """The part of the compiler for conditions."""

    def condition(self, node: nodes.Node) -> Condition:
        """The truth of an expression: a bool if it is the same for every request, else a Go condition."""
        match node:
            case nodes.Not():
                inner = self.condition(node.node)
                return not inner if isinstance(inner, bool) else f"not ({inner})"
            case nodes.And() | nodes.Or():
                return self._both(node)
            case nodes.Test():
                return self._test(node)
            case nodes.Compare():
                return self._compare(node)
        return truth(self.value(node))

    def _both(self, node: nodes.And | nodes.Or) -> Condition:
        settles = isinstance(node, nodes.Or)  # the value of one side that decides the whole
        left = self.condition(node.left)
        if left is settles:
            return settles
        with self.scope(self.narrowed(node.left, holds=not settles)), self.apart() as asked:
            right = self.condition(node.right)
        if isinstance(left, bool) or isinstance(right, bool):
            self.writer.include(asked)
            return right if isinstance(left, bool) or right is settles else left
        if not asked.lines:
            return f"{'or' if settles else 'and'} ({left}) ({right})"
        found = self.variable("f")  # the right side may use a value that is missing if the left side is false
        self.writer.statement(f"{found} := {str(settles).lower()}")
        with self.writer.block(f"if {f'not ({left})' if settles else left}"):
            self.writer.include(asked)
            self.writer.statement(f"{found} = {_flag(right)}")
        return found

    def _test(self, node: nodes.Test) -> Condition:
        value = self.value(node.node)
        if node.name == "defined":
            match value:
                case Go(optional=True, shape=Data()):
                    return f"not ({is_of(value, {NONE})})"
                case Go(optional=True):
                    return value.place
            return not isinstance(value, Missing)
        if node.name not in KINDS:
            raise Unsupported(f"a Go template has nothing for the test {node.name}")
        wanted = KINDS[node.name]
        match value:
            case Go(shape=Data(kinds=kinds)):
                possible = wanted & kinds
                return is_of(value, possible) if possible and not kinds <= wanted else bool(possible)
            case Go(shape=Text() | Items() | Object() | Struct() as known) | Constant(value=known):
                return _KIND_OF.get(type(known)) in wanted
        raise unknown(node)

    def _compare(self, node: nodes.Compare) -> Condition:
        if len(node.ops) != 1:
            raise unknown(node)
        value, other = self.value(node.expr), self.value(node.ops[0].expr)
        match node.ops[0].op, value, other:
            case "in" | "notin" as operation, _, _:
                return self._found(value, other, wanted=operation == "in")
            case "eq" | "ne" as operation, Constant(), Constant():
                return bool((value.value == other.value) is (operation == "eq"))
            case operation, Go(shape=Text()), Constant(value=str(text)) if operation in _COMPARISONS:
                return f"{_COMPARISONS[operation]} {value.operand} {go_literal(text)}"
            case operation, Go(shape=Number()), Constant(value=int(number)) if operation in _COMPARISONS:
                return f"{_COMPARISONS[operation]} {value.operand} {number}"
        raise unknown(node)

    def _found(self, value: Value, items: Value, *, wanted: bool) -> Condition:
        """Whether a text is in a list or in a text; Go must search for it."""
        if items == Constant([]):
            return not wanted
        if isinstance(items, Constant) and isinstance(value, Constant):
            return (value.value in items.value) is wanted
        found = self.variable("f")
        match value, items:
            case _, Either():
                self.writer.statement(f"{found} := false")
                self._look(value, items, found)
            case Constant(value=text), Go(shape=shape) if shape in TEXTS:
                self.writer.statement(f"{found} := false")
                self.writer.find(items.operand, text, f"{found} = true")
            case Go(), Go(shape=Items(item=Text())):
                item = self.variable()
                self.writer.write(f"""
                    {found} := false
                    range {item} := {items.place}
                        if eq {item} {value.operand}
                            {found} = true
                """)
            case _:
                raise Unsupported("a Go template can look for a text in a list of texts only")
        return found if wanted else f"not {found}"

    def _look(self, value: Value, items: Either, found: str) -> None:
        """Set a flag if a text is in the value that Go selects."""

        def look(place: nodes.Expr | None) -> None:
            condition = self._found(value, self.value(place), wanted=True) if place else False
            if condition is not False:
                self.writer.statement(f"{found} = {'true' if condition is True else condition}")

        with self.scope(items.names):
            self.choose([(items.test, lambda: look(items.then))], lambda: look(items.otherwise))


def _flag(condition: str) -> str:
    """A condition as a boolean for a variable; a place may hold another value, so it is negated twice."""
    return condition if " " in condition or condition.startswith("$f") else f"not (not {condition})"
