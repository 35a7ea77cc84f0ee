"""Print safely: invisible and control characters are shown as escapes, so that no terminal acts on them.

Each function escapes its texts itself, so that no command can forget to. Only :func:`echo_raw` prints a text as it is,
for a file that the user asked for.
"""

from __future__ import annotations

import io
import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import click

from ..characters import is_seen, printable


def echo(text: str = "", *, err: bool = False, nl: bool = True) -> None:
    """Print a text on one line; newlines in it are escaped.

    Raises:
        BrokenPipeError: standard output is closed.
    """
    secho(text, err=err, nl=nl)


def secho(text: str, *, fg: str | None = None, bold: bool = False, err: bool = False, nl: bool = True) -> None:
    """Like :func:`echo`, in a colour or in bold if the terminal supports them."""
    shown = printable(text)
    click.echo(click.style(shown, fg=fg, bold=bold) if fg or bold else shown, err=err, nl=nl)


def echo_lines(lines: Iterable[str], *, err: bool = False) -> None:
    """Print each text on its own line."""
    for line in lines:
        echo(line, err=err)


def echo_table(rows: Sequence[Sequence[str]]) -> None:
    """Print rows as a table; all rows have the same number of columns."""
    shown = [[printable(text) for text in row] for row in rows]
    widths = [max(len(row[column]) for row in shown) for column in range(len(shown[0]))]
    for row in shown:
        click.echo("  ".join(f"{text:<{width}}" for text, width in zip(row, widths, strict=True)).rstrip())


def echo_json(value: Any, *, indent: int | None = 2) -> None:
    """Print a value as JSON; invisible characters are written as JSON escapes."""
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    click.echo(text if is_seen(text.replace("\n", "")) else _NOT_ASCII.sub(_json_escape, text))


def echo_raw(text: str) -> None:
    """Print the content of a file that the user asked for, unchanged."""
    click.echo(text, nl=False)


def echo_error(error: click.ClickException) -> None:
    """Print an error of click; for wrong usage, also how the command is called."""
    if isinstance(error, click.UsageError) and error.ctx is not None:
        echo_lines(error.ctx.get_usage().splitlines(), err=True)
        if help_ := error.ctx.command.get_help_option(error.ctx):
            echo(f"Try '{error.ctx.command_path} {help_.opts[0]}' for help.", err=True)
        echo(err=True)
    echo_lines(f"Error: {error.format_message()}".splitlines(), err=True)


class Progress:
    """A status line on the terminal, shown after the first second. Nothing is printed if stderr is no terminal."""

    def __init__(self) -> None:
        self.start = time.monotonic()
        self.shown = False

    def __enter__(self) -> Callable[[str], None]:
        return self.step

    def step(self, what: str) -> None:
        """Show the current step."""
        if sys.stderr.isatty() and time.monotonic() - self.start > 1:
            click.echo(f"\r\033[K{printable(what)}", err=True, nl=False)
            self.shown = True

    def __exit__(self, *_: object) -> None:
        if self.shown:
            click.echo("\r\033[K", err=True, nl=False)


def prepare() -> None:
    """Make the standard streams accept any text, and handle closed ones.

    A stream whose encoding lacks a character prints its escape. Writing to a closed standard output raises
    BrokenPipeError, as when its reader is gone. Text for a closed standard error is dropped. A closed standard input
    reads as empty.
    """
    for descriptor in (0, 1, 2):  # else the next opened file would get the number of a standard stream
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    if sys.stdout is None:
        sys.stdout = _Closed()
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, until the process ends
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def finish() -> None:
    """Flush standard output.

    Raises:
        BrokenPipeError: the reader of standard output is gone.
    """
    sys.stdout.flush()


def discard() -> None:
    """Discard buffered output, since the reader of standard output is gone."""
    if not isinstance(sys.stdout, _Closed):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class _Closed(io.TextIOBase):
    """A standard output that was closed before the program began."""

    encoding = "utf-8"
    errors = "backslashreplace"

    def writable(self) -> bool:
        return True

    def write(self, text: str, /) -> int:
        raise BrokenPipeError


_NOT_ASCII = re.compile(r"[^\n -~]")


def _json_escape(match: re.Match[str]) -> str:
    if is_seen(match[0]):
        return match[0]
    return json.dumps(match[0])[1:-1] if ord(match[0]) > 0x7F else f"\\u{ord(match[0]):04x}"
