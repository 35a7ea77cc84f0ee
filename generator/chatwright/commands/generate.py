"""``chatwright generate``: generate every file from the specs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import ChatwrightError, UsageError
from .common import MISTAKE, chosen, command_line, count, refusals, shown, specs_option
from .terminal import Progress, echo, secho

if TYPE_CHECKING:
    from ..catalogue.model import Catalogue
    from ..losses import Loss

_MOST_LEFT = 10  # files that messages name


@click.command()
@click.option("--check", is_flag=True, help="Write nothing; exit 1 if anything would change.")
@click.option("--diff", is_flag=True, help="Write nothing; print what would change.")
@specs_option
@click.option("--only-mine", is_flag=True, help="With --specs: leave out public families that yours do not use.")
@click.option(
    "--out",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="The folder to write to. Default: `generated` next to the public specs.",
)
def command(check: bool, diff: bool, folders: tuple[Path, ...], only_mine: bool, out: Path | None) -> None:
    """Generate every file from the specs.

    Results of earlier runs are cached below ~/.cache/chatwright, or in the folder that CHATWRIGHT_CACHE names;
    CHATWRIGHT_CACHE=off disables the cache.
    """
    from ..cache import Run, user_cache
    from ..files import look
    from ..losses import CATALOG, since_committed
    from ..resources import checkout_root

    if folders and out is None:
        raise UsageError("--specs needs --out DIR, so that your families do not end up among the public ones")
    root = checkout_root()
    again = "make generate" if root and out is None else command_line(leave_out=("--check", "--diff"))
    if out is None:
        out = (root or Path.cwd()) / "generated"
        if look(out).kind == "link":
            raise ChatwrightError(f"{out}: a symbolic link; it is followed only if --out names it")
    readme = None if root is None or folders or out != root / "generated" else root / "README.md"
    cache = user_cache()
    if cache.unused:
        echo(f"note: {cache.unused}", err=True)
    run = Run(cache, only_mine, folders, [readme] if readme and readme.is_file() else [])
    if (before := run.before(out)) is not None:
        for line in () if check or diff else before:
            echo(line, err=True)
        _echo_losses(*since_committed(out, None))
        if check:
            echo(f"{shown(out)}: up to date")
        elif not diff:
            echo(f"{shown(out)}: 0 written, 0 removed")
        return

    from .. import pipeline
    from ..catalogue.load import spec_sources
    from ..pipeline.generate import differences
    from ..pipeline.parallel import cores
    from ..records.engines import load_evidence
    from ..records.publishers import load_comparisons

    catalogue = chosen(folders, only_mine, cache)
    mine = {source for folder in folders for source in spec_sources(folder)}
    evidence, comparisons = load_evidence(), load_comparisons()
    with Progress() as progress:
        rendering = pipeline.render(catalogue, evidence, progress, comparisons, cache=cache, workers=cores())
        messages = list(refusals(catalogue, rendering, mine))
        lost = since_committed(out, rendering.files[CATALOG].encode())
        if check or diff:
            found = differences(out, rendering.files)
        else:
            changes = pipeline.write_tree(out, rendering.files)
    stale = readme is not None and _write_counts(readme, catalogue, write=not (check or diff))
    if not stale:
        run.keep(rendering.files, messages)
    if not (check or diff):
        for line in messages:
            echo(line, err=True)
        _echo_losses(*lost)
        for line in _left(out, changes.left):
            echo(line, err=True)
        echo(f"{shown(out)}: {len(changes.written)} written, {len(changes.removed)} removed")
        if stale:
            echo("README.md: figures updated")
        return
    _echo_losses(*lost)
    if diff:
        for difference in found:
            _echo_diff(difference.diff)
    if check:
        for difference in found:
            echo(f"{shown(out / difference.path)}: {difference.kind}", err=True)
        if stale:
            echo("README.md: figures are out of date", err=True)
        if found or stale:
            echo(f"{count(len(found) + stale, 'file')} out of date; run: {again}", err=True)
            raise SystemExit(MISTAKE)
        echo(f"{shown(out)}: up to date")


def _left(out: Path, paths: Sequence[str]) -> Iterator[str]:
    """Messages about files that the manifest lists but that are not removed; a foreign manifest may list many."""
    for path in paths[:_MOST_LEFT]:
        yield (f"note: {shown(out)}/{path}: no longer generated, but left: it does not carry our header")
    if len(paths) > _MOST_LEFT:
        yield f"note: and {len(paths) - _MOST_LEFT} more"


def _write_counts(readme: Path, catalogue: Catalogue, *, write: bool) -> bool:
    """Update the figures of the README if ``write``; returns whether they were out of date."""
    from ..pipeline.readme import with_counts
    from ..pipeline.writer import read_text, write_file

    text = read_text(readme) or ""
    new = with_counts(text, catalogue)
    if write and new != text:
        write_file(readme, new)
    return new != text


def _echo_losses(lost: Sequence[Loss], note: str | None) -> None:
    """Print to stderr what the committed catalogue has and this run no longer generates."""
    from ..losses import lines

    if note:
        echo(f"note: {note}", err=True)
    for line in lines(lost):
        echo(line, err=True)


def _echo_diff(diff: str) -> None:
    for line in diff.removesuffix("\n").split("\n"):
        secho(line, fg={"+": "green", "-": "red", "@": "cyan"}.get(line[:1]))
