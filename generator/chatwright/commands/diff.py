"""``chatwright diff``: the changes in meaning between two revisions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import UsageError
from .common import MISTAKE, count, json_option, shown, specs_option
from .terminal import Progress, echo, echo_json, echo_lines, secho

if TYPE_CHECKING:
    from ..pipeline.compare import Comparison


@click.command()
@click.argument("before", default="HEAD", metavar="[REV]")
@click.argument("after", required=False, metavar="[REV]")
@click.option("--markdown", "as_markdown", is_flag=True, help="Print Markdown, for a pull request.")
@click.option("--exit-code", is_flag=True, help="Exit with 1 if anything changed, as git does.")
@click.option(
    "--losses",
    "listed",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Exit with 1 unless this file lists each loss with a reason, and adds no other entry.",
)
@specs_option
@json_option
def command(
    before: str,
    after: str | None,
    as_markdown: bool,
    exit_code: bool,
    listed: Path | None,
    folders: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Show what changed in meaning since a revision (HEAD), or between two: losses, models, prompts, files, fidelity.

    This generator reads the specs of both revisions. With --specs, it compares those of your own repository.
    """
    from ..cache import user_cache
    from ..pipeline import diff_report
    from ..pipeline.diff import diff
    from ..pipeline.parallel import cores
    from ..records.engines import load_evidence
    from ..records.publishers import load_comparisons

    if as_markdown and as_json:
        raise UsageError("use either --markdown or --json")
    with Progress() as progress:
        evidence, comparisons = load_evidence(), load_comparisons()
        compared = diff(before, after, folders, evidence, progress, comparisons, cache=user_cache(), workers=cores())
    if as_json:
        echo_json(diff_report.as_json(compared))
    elif as_markdown:
        echo_lines(diff_report.markdown(compared).removesuffix("\n").split("\n"))
    else:
        for line in diff_report.text_lines(compared):
            _echo_diff_line(line)
    if listed is not None:
        _check_losses(listed, compared)
    if exit_code and not compared.same:
        raise SystemExit(MISTAKE)


def _check_losses(file: Path, compared: Comparison) -> None:
    """Exit with 1 unless a file lists the losses; print what to add and what to remove."""
    from ..pipeline.loss_list import check_losses, entry_line

    found = check_losses(file, compared.losses, compared.before)
    for problem in found.stale:
        echo(str(problem), err=True)
    if found.unlisted:
        losses = count(len(found.unlisted), "loss is", "losses are")
        echo(f"{shown(file)}: {losses} not listed; bring back what is lost, or add, with the reason:", err=True)
    for loss in found.unlisted:
        echo(entry_line(loss), err=True)
    if found.stale or found.unlisted:
        raise SystemExit(MISTAKE)


def _echo_diff_line(line: str) -> None:
    colour = {"+": "green", "-": "red"}.get(line[6:7]) if line.startswith("      ") else None
    secho(line, fg=colour)
