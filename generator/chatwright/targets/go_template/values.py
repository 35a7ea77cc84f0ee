"""The values of Jinja's expressions at compile time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from jinja2 import nodes

from ...errors import Unsupported
from ..go_text import go_literal
from .shapes import ANY, Data, Shape, Struct


@dataclass(frozen=True)
class Constant:
    """A constant in the Jinja source."""

    value: Any


@dataclass(frozen=True)
class Forgotten:
    """A value that depends on an earlier branch and that no Go variable holds."""


@dataclass(frozen=True)
class Refused:
    """A value that failed to compile; its reason is kept already, and uses of it give no further reason."""


@dataclass(frozen=True)
class Missing:
    """A value that Ollama's data does not have."""


@dataclass(frozen=True)
class Go:
    """A value at ``place`` in Go; with ``call`` the place needs parentheses as an operand.

    An ``optional`` value is nil if it is absent.
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
    """Concatenated texts."""

    parts: tuple[Value, ...]


@dataclass(frozen=True)
class Record:
    """An object that the Jinja source builds."""

    items: Mapping[str, Value]


@dataclass(frozen=True)
class Made:
    """Text that is written by statements."""

    write: Callable[[], None]


@dataclass(frozen=True)
class Either:
    """One of two expressions; Go evaluates the test. ``names`` are the names in their scope."""

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


def field_of(value: Value, name: str) -> Value:
    """The field of a value.

    Raises:
        Unsupported: the value has no fields in Go.
    """
    match value:
        case Record():
            return value.items.get(name, Missing())
        case Go(shape=Struct(fields=fields, optional=optional)):
            if name not in fields:
                return Missing()
            field_name, shape = fields[name]
            return Go(f"{value.operand}.{field_name}", shape, optional=name in optional)
        case Go(shape=Data()):
            return Go(f"index {value.operand} {go_literal(name)}", ANY, call=True, optional=True)
        case Missing():
            return value
    raise Unsupported(f"a Go template cannot ask this value for its field {name}")


def truth(value: Value) -> Condition:
    """Whether a value is true in Jinja.

    Raises:
        Unsupported: the value is a concatenated text.
    """
    match value:
        case Constant(value=known) | Record(items=known):
            return bool(known)
        case Missing():
            return False
        case Go(shape=Struct(filled=names)):
            return "or " + " ".join(f"{value.operand}.{name}" for name in names) if names else True
        case Go():
            return value.place
    raise Unsupported("a Go template cannot ask whether a text that it puts together is empty")


def is_of(value: Go, kinds: set[str] | frozenset[str]) -> str:
    """A Go condition: the value is of one of these kinds."""
    return f'eq (printf "%T" {value.operand}) {" ".join(map(go_literal, sorted(kinds)))}'


def constant(node: nodes.Node) -> Any:
    """The value of a literal. Constant expressions are not computed: their result can be larger than memory.

    Raises:
        Unsupported: the node is no literal.
    """
    if not isinstance(node, nodes.Const):
        raise unknown(node)
    return node.value


def unknown(node: nodes.Node) -> Unsupported:
    """The error for Jinja that this compiler does not support."""
    return Unsupported(f"the compiler to Go templates does not know the Jinja {type(node).__name__} in this form")
