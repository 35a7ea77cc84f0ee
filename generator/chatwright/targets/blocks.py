"""A writer of statements and blocks, for Jinja and Go: nesting in Python is nesting in the output."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import TypeVar

T = TypeVar("T")


class BlockWriter:
    """Writes one statement per line. The end of a block is written when its ``with`` block in Python ends."""

    OTHERWISE = "elif"  # the keyword of the second and later cases of an ``if``

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.depth = 0

    def statement(self, statement: str) -> None:
        """Write one statement."""
        raise NotImplementedError

    def end_of(self, word: str) -> str:
        """The statement that ends a block; ``word`` is the first word of the block."""
        raise NotImplementedError

    def line(self, text: str) -> None:
        """Write an indented line."""
        self.lines.append("  " * self.depth + text)

    @contextmanager
    def block(self, head: str) -> Iterator[None]:
        """Write a block around the statements written inside; ``else`` and the like continue the ``if`` just before.

        If the head is empty, only the statements inside are written.
        """
        if not head:
            yield
            return
        word = self.open(head)
        try:
            yield
        finally:
            self._close(word)

    def open(self, head: str) -> str:
        """Begin a block, and return its first word for :meth:`end_of`."""
        word = head.partition(" ")[0]
        if word in ("else", self.OTHERWISE):
            word = "if"
            self.reopen()
        self.statement(head)
        self.depth += 1
        return word

    def _close(self, word: str) -> None:
        self.depth -= 1
        self.statement(self.end_of(word))

    def reopen(self) -> None:
        """Remove the end of the ``if`` that was just written."""
        del self.lines[-1]

    def branches(self, cases: Sequence[tuple[str, T]]) -> Iterator[T]:
        """Iterate over (condition, value) cases, each in its block; an empty condition means ``else``.

        A single case without a condition is written without a block.
        """
        word = "if"
        for condition, value in cases:
            with self.block(f"{word} {condition}" if condition else "" if word == "if" else "else"):
                yield value
            word = self.OTHERWISE

    def write(self, source: str) -> None:
        """Write statements, one per line; the lines indented below a statement are its block."""
        lines = _parsed(source)
        blocks: list[tuple[int, str]] = []
        for (indent, text), (following, _) in zip(lines, (*lines[1:], lines[0]), strict=True):
            if following > indent:
                blocks.append((indent, self.open(text)))
            else:
                self.statement(text)
            while blocks and blocks[-1][0] >= following:
                self._close(blocks.pop()[1])


@lru_cache(maxsize=4096)
def _parsed(source: str) -> tuple[tuple[int, str], ...]:
    """The statements of a source, each with its indentation."""
    lines = ((line, line.lstrip(" ")) for line in source.split("\n"))
    return tuple((len(line) - len(text), text) for line, text in lines if text)
