"""Errors and their places in files. All other modules may import this one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec

from .characters import clipped, printable


@dataclass(frozen=True, order=True)
class Location:
    """A place in a file of the author; ``line`` and ``column`` count from 1, 0 means the whole file."""

    path: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.column}" if self.line else self.path


@dataclass(frozen=True, order=True)
class Problem:
    """One thing that the author must change.

    ``breadcrumb`` is the path of keys in the author's own names (``templates.llama4.slots.user``). ``message`` says
    what is wrong and, if there is one, names the nearest valid alternative.
    """

    location: Location
    breadcrumb: str
    message: str

    def __str__(self) -> str:
        crumb = f"{self.breadcrumb}: " if self.breadcrumb else ""
        return printable(f"{self.location}: {crumb}{self.message}")


def mistake_of_ours(error: Exception) -> str:
    """The message for an unexpected exception, in one line."""
    return f"this is a mistake in chatwright, not yours: {type(error).__name__}: {clipped(str(error))}"


class ChatwrightError(Exception):
    """A mistake of the user. The command line reports it without a traceback (exit code 1).

    Each argument is a line of the message.
    """

    def __str__(self) -> str:
        return "\n".join(map(str, self.args))

    @property
    def lines(self) -> tuple[str, ...]:
        """The message, line by line."""
        return tuple(map(str, self.args))


class CatalogueError(ChatwrightError):
    """The specs are invalid; carries every problem of every file, sorted by place."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(set(problems)))
        super().__init__(*map(str, self.problems))


class UsageError(ChatwrightError):
    """The command was called with wrong arguments (exit code 2)."""


class Unsupported(Exception):
    """A target or the renderer cannot express what was asked for; ``reasons`` holds all known reasons."""

    @property
    def reasons(self) -> tuple[str, ...]:
        """The reasons without duplicates."""
        return tuple(dict.fromkeys(map(str, self.args)))

    def __str__(self) -> str:
        return "; ".join(self.reasons)


class Refusals:
    """Collects the reasons why a target cannot express a template, so that all of them are reported at once.

    If a reason is about one place in the spec, it begins with that place: ``slots.user: …``.
    """

    def __init__(self, reasons: Iterable[str] = ()) -> None:
        self.reasons = list(reasons)

    @contextmanager
    def collect(self) -> Iterator[None]:
        """Catch an :class:`Unsupported` that is raised inside the block, and keep its reasons."""
        try:
            yield
        except Unsupported as error:
            self.reasons += error.reasons

    def check(self) -> None:
        """Raise what was collected.

        Raises:
            Unsupported: there is at least one reason; carries all of them.
        """
        if self.reasons:
            raise Unsupported(*self.reasons)


def needs(module: str, extra: str, what: str) -> None:
    """Check that a module of an extra is installed; the error names the extra.

    Raises:
        ChatwrightError: the module is not installed.
    """
    if find_spec(module) is None:
        raise ChatwrightError(f"{what} needs {module}; run: pip install 'chatwright[{extra}]'")
