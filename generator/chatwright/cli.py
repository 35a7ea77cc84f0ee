"""The command line: the table of commands, error messages and exit codes.

Exit codes: 0 success, 1 a mistake in a spec, stale output or a finding, 2 wrong usage, 3 a bug in chatwright, 141
standard output was closed.
"""

from __future__ import annotations

import gc
import os
import sys
import traceback
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any, NoReturn

import click

from . import __version__
from .commands import terminal
from .commands.common import FINE, MISTAKE, OUR_BUG, USAGE, command_line, count
from .commands.terminal import echo, echo_lines
from .errors import CatalogueError, ChatwrightError, UsageError, mistake_of_ours

NO_READER = 141  # the exit code in a shell of a program that SIGPIPE ended
COMMANDS = {
    "Write a spec": ("new", "draft", "validate", "diff"),
    "Use the catalogue": ("list", "show", "generate", "export", "site"),
    "Check a model": ("identify", "verify"),
}
_REPORT = "Please report it, with the output of the same command after `export CHATWRIGHT_DEBUG=1`."


class LazyGroup(click.Group):
    """Commands in sections. Each is a module with a ``command``; it is imported when it is first needed."""

    def __init__(self, package: str, sections: Mapping[str, Sequence[str]], **settings: Any) -> None:
        super().__init__(**settings)
        self.package, self.sections = package, sections

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of all commands, section by section."""
        return [name for names in self.sections.values() for name in names]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """A command by its name, None where there is none."""
        if cmd_name not in self.list_commands(ctx):
            return None
        command: click.Command = import_module(f"{self.package}.{cmd_name.replace('-', '_')}").command
        command.name = cmd_name
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the sections of the help."""
        for title, names in self.sections.items():
            with formatter.section(title):
                commands = [(name, self.get_command(ctx, name)) for name in names]
                formatter.write_dl([(name, command.get_short_help_str(200)) for name, command in commands if command])


cli = LazyGroup(
    "chatwright.commands",
    COMMANDS,
    help="One spec per model family: templates for training frameworks and inference engines that mean the same.",
    context_settings={"help_option_names": ["-h", "--help"]},
    params=[],
)
click.version_option(__version__, prog_name="chatwright")(cli)


def main(group: click.Group = cli, name: str = "chatwright") -> NoReturn:
    """Run a command line and exit. Users never see a traceback."""
    gc.set_threshold(100_000, 50, 100)  # a run is short: garbage collection costs more than it frees
    terminal.prepare()
    try:
        code = _run(group, name)
        terminal.finish()
    except BrokenPipeError:
        code = NO_READER
    if code == NO_READER:
        terminal.discard()
    sys.exit(code)


def _run(group: click.Group, name: str) -> int:
    """Run the command, print its error if there is one, and return the exit code."""
    try:
        colour = False if os.environ.get("NO_COLOR") else None  # None: on a terminal only
        with group.make_context(name, sys.argv[1:], color=colour) as context:
            group.invoke(context)
    except click.exceptions.Exit as exit_:
        return exit_.exit_code
    except SystemExit as exit_:
        return int(exit_.code or FINE)
    except click.ClickException as error:
        terminal.echo_error(error)
        return USAGE
    except UsageError as error:
        return _fail(f"error: {error}", USAGE)
    except CatalogueError as error:
        echo_lines(map(str, error.problems), err=True)
        return _fail(f"{count(len(error.problems), 'problem')}; after the change run: {command_line(name)}", MISTAKE)
    except ChatwrightError as error:
        first, *others = error.lines
        echo_lines((f"error: {first}", *others), err=True)
        return MISTAKE
    except BrokenPipeError:  # the reader has closed the pipe
        return NO_READER
    except (KeyboardInterrupt, click.Abort):
        return _fail("error: interrupted", MISTAKE)
    except OSError as error:
        return _fail(f"error: {error.filename or 'system'}: {error.strerror or error}", MISTAKE)
    except Exception as error:
        if os.environ.get("CHATWRIGHT_DEBUG"):
            echo_lines(traceback.format_exc().splitlines(), err=True)
            return OUR_BUG
        echo(f"error: {mistake_of_ours(error)}", err=True)
        return _fail(_REPORT, OUR_BUG)
    return FINE


def _fail(message: str, code: int) -> int:
    echo(message, err=True)
    return code
