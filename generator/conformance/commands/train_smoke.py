"""``python -m conformance train-smoke``: train tiny models on what is registered."""

from __future__ import annotations

from pathlib import Path

import click

from chatwright.commands.common import MISTAKE, count
from chatwright.commands.terminal import Progress, echo, secho


@click.command()
@click.option("--tokenizers", required=True, metavar="DIR", type=click.Path(exists=True, path_type=Path))
@click.option("--swift-4", required=True, metavar="DIR", type=click.Path(exists=True, path_type=Path))
@click.option("--swift-3", required=True, multiple=True, metavar="DIR", type=click.Path(exists=True, path_type=Path))
def command(tokenizers: Path, swift_4: Path, swift_3: tuple[Path, ...]) -> None:
    """Train tiny models in the real frameworks on what the generated files register (make train-smoke).

    --tokenizers is a folder of real tokenizers; --swift-4 and --swift-3 are folders with what each ms-swift imports
    in place of what is installed.
    """
    from conformance.smoke.run import run, table

    with Progress() as progress:
        rows = run(tokenizers, {"swift": [swift_4], "swift 3": swift_3}, progress)
    for line in table(rows):
        echo(line)
    for row in rows:
        for line in row.wrong:
            secho(f"wrong: {row.trainer}, {row.start}, {row.case}: {line}", fg="red")
    wrong = sum(bool(row.wrong) for row in rows)
    echo(f"{count(len(rows), 'training')}, {wrong} wrong")
    if wrong:
        raise SystemExit(MISTAKE)
