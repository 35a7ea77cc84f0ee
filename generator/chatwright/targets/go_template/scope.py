"""The state of the compiler: the bound names, the collected reasons, and the current writer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace

from jinja2 import nodes

from ...errors import Refusals, Unsupported
from ..go_text import GoWriter
from .shapes import KINDS, Data
from .values import Condition, Forgotten, Go, Refused, Value


@dataclass
class Written:
    """Facts about the compiled output: ``sorted`` names the objects whose order Go does not keep."""

    sorted: set[str] = field(default_factory=set)


class Scope:
    """The state of the compiler, and its decisions between branches."""

    def __init__(self, writer: GoWriter, assigned: set[str]) -> None:
        self.root = self.writer = writer
        self.assigned = assigned
        self.written = Written()
        self.names: dict[str, Value] = {}
        self.count = 0
        self.refusals = Refusals()

    def value(self, node: nodes.Node) -> Value:
        """The value of an expression."""
        raise NotImplementedError

    def condition(self, node: nodes.Node) -> Condition:
        """The truth of an expression: a bool if it is the same for every request, else a Go condition."""
        raise NotImplementedError

    def variable(self, letter: str = "v") -> str:
        """A new Go variable."""
        self.count += 1
        return f"${letter}{self.count}"

    @contextmanager
    def apart(self) -> Iterator[GoWriter]:
        """Direct the output of the block into a separate writer."""
        outer, self.writer = self.writer, GoWriter()
        try:
            yield self.writer
        finally:
            self.writer = outer

    @contextmanager
    def scope(self, names: Mapping[str, Value], *, branch: Forgotten | Refused | None = None) -> Iterator[None]:
        """Bind names inside the block. With ``branch``, names that the block assigns get that value after it.

        In Jinja such assignments last beyond a branch.
        """
        before = dict(self.names)
        self.names.update(names)
        inside = dict(self.names)
        try:
            yield
        finally:
            if branch is not None:
                changed = {name for name, value in self.names.items() if inside.get(name) != value}
                before.update(dict.fromkeys(changed, branch))
            self.names = before

    def attempt(self, write: Callable[[], None]) -> bool:
        """Try to write; returns whether it succeeded. If not, the reasons are kept and the names are restored."""
        names = dict(self.names)
        try:
            write()
        except Unsupported as error:
            self.refusals.reasons += error.reasons
            self.names = names
            return False
        return True

    def values(self, parts: Sequence[nodes.Expr]) -> list[Value]:
        """The values of several expressions.

        Raises:
            Unsupported: some are not supported; carries the reasons of all.
        """
        refusals, found = Refusals(), list[Value]()
        for part in parts:
            with refusals.collect():
                found.append(self.value(part))
        if len(found) < len(parts):
            raise Unsupported(*refusals.reasons)
        return found

    def settled(self, test: nodes.Expr) -> bool | None:
        """The result of a test if it is the same for every request; None if Go must decide."""
        with self.apart():
            condition = self.condition(test)
        return condition if isinstance(condition, bool) else None

    def choose(self, cases: Sequence[tuple[nodes.Node, Callable[[], None]]], otherwise: Callable[[], None]) -> None:
        """Write the first case whose test holds; tests that are decided here are not written."""
        if not cases:
            otherwise()
            return
        (test, write), *rest = cases
        try:
            condition = self.condition(test)
        except Unsupported as error:
            self.refusals.reasons += error.reasons
            self._look_into(test, write, holds=True)
            self._look_into(test, lambda: self.choose(rest, otherwise), holds=False)
            return
        if condition is True:
            write()
        elif condition is False:
            self.choose(rest, otherwise)
        else:
            self._decide(condition, test, write, lambda: self.choose(rest, otherwise))

    def _look_into(self, test: nodes.Node, write: Callable[[], None], *, holds: bool) -> None:
        """Collect the reasons in a branch whose test Go cannot evaluate."""
        known: dict[str, Value] = {}
        with suppress(Unsupported):
            known = self.narrowed(test, holds=holds)
        with self.scope(known, branch=Refused()):
            self.attempt(write)

    def _decide(
        self, condition: str, test: nodes.Node, write: Callable[[], None], otherwise: Callable[[], None]
    ) -> None:
        """Write both branches of a Go condition; a branch without output is left out."""
        with self.apart() as yes, self.scope(self.narrowed(test, holds=True), branch=Forgotten()):
            write()
        with self.apart() as no, self.scope(self.narrowed(test, holds=False), branch=Forgotten()):
            otherwise()
        cases = [(condition, yes), ("", no)]
        if not no.wrote():
            cases = [(condition, yes)]
        elif not yes.wrote():
            cases = [(f"not ({condition})", no)]
        for side in self.writer.branches(cases):
            self.writer.include(side)

    def narrowed(self, test: nodes.Node, *, holds: bool) -> dict[str, Value]:
        """The narrowed values of names after a test of their kind."""
        match test:
            case nodes.Not():
                return self.narrowed(test.node, holds=not holds)
            case nodes.And() | nodes.Or() if isinstance(test, nodes.And) is holds:
                return {**self.narrowed(test.left, holds=holds), **self.narrowed(test.right, holds=holds)}
            case nodes.Test(name=kind, node=nodes.Name(name=name)) if kind in KINDS:
                value = self.value(test.node)
                if isinstance(value, Go) and isinstance(value.shape, Data):
                    kinds = value.shape.kinds & KINDS[kind] if holds else value.shape.kinds - KINDS[kind]
                    return {name: replace(value, shape=Data(kinds))}
        return {}
