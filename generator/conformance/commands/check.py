"""``python -m conformance check``: the generated files in the real frameworks and engines."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import click

from chatwright.commands.common import MISTAKE, count
from chatwright.commands.terminal import Progress, echo, secho

from ..places import GIVEN

_OPTIONS = {"tokenizer_root": "tokenizers"}  # where an option has another name


def _given(command: Callable[..., None]) -> Callable[..., None]:
    """The command with an option for each folder that a run may be given."""
    for name, what in GIVEN.items():
        option = f"--{_OPTIONS.get(name, name).replace('_', '-')}"
        folder = click.Path(exists=True, path_type=Path)
        command = click.option(option, name, metavar="PATH", type=folder, help=f"{what[0].upper()}{what[1:]}.")(command)
    return command


@click.command()
@_given
@click.option("--record", is_flag=True, help="Also record what the frameworks write, as vectors for the tests.")
@click.option("--all", "everything", is_flag=True, help="Ask every engine, also where nothing has changed.")
def command(record: bool, everything: bool, **given: Path | None) -> None:
    """Hold the generated files against the real frameworks and engines, and record the evidence (make conformance)."""
    from conformance.run import run

    with Progress() as progress:
        named = {name: path for name, path in given.items() if path is not None}
        reports = run(named, record=record, everything=everything, progress=progress)
    for report in reports:
        secho(report.engine, bold=True)
        for line in report.lines:
            echo(f"  {line}")
        for line in report.wrong:
            secho(f"  wrong: {line}", fg="red")
        if report.skipped:
            secho(f"  skipped: {report.skipped}", fg="yellow")
    wrong = sum(len(report.wrong) for report in reports)
    skipped = sum(report.skipped is not None for report in reports)
    echo(f"{count(len(reports), 'check')}, {wrong} wrong, {skipped} skipped")
    if wrong or (skipped and os.environ.get("CI")):
        raise SystemExit(MISTAKE)
