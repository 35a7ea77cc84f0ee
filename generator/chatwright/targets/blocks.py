"""A writer of statements with blocks, for Jinja and Go: what is nested in Python is nested in the output."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import TypeVar

T = TypeVar("T")


class BlockWriter:
    """Writes statements one a line. Nobody writes the end of a block: it comes where the block of Python ends."""

    OTHERWISE = "elif"  # how a further case of an ``if`` begins

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.depth = 0

    def statement(self, statement: str) -> None:
        """Write one statement."""
        raise NotImplementedError

    def end_of(self, word: str) -> str:
        """The statement that ends a block which begins with a word."""
        raise NotImplementedError

    def line(self, text: str) -> None:
        """Write a line as it is, indented."""
        self.lines.append("  " * self.depth + text)

    @contextmanager
    def block(self, head: str) -> Iterator[None]:
        """Write a block with what is written inside; ``else`` and its like go on with the ``if`` just before.

        Without a head only what is written inside.
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
        """Begin a block, and return the word that :meth:`end_of` knows it by."""
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
        """Take back the end of the ``if`` that was just written."""
        del self.lines[-1]

    def branches(self, cases: Sequence[tuple[str, T]]) -> Iterator[T]:
        """Go through the cases of one decision, each in its block; one without a condition holds where no other does.

        A case without a condition that is alone needs no block.
        """
        word = "if"
        for condition, value in cases:
            with self.block(f"{word} {condition}" if condition else "" if word == "if" else "else"):
                yield value
            word = self.OTHERWISE

    def write(self, source: str) -> None:
        """Write statements, one a line; what is indented below one is its block."""
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
