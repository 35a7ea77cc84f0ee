"""``python -m conformance check``: the generated files in the real frameworks and engines."""

from __future__ import annotations

import os
from pathlib import Path

import click

from chatwright.commands.common import MISTAKE, count
from chatwright.commands.terminal import Progress, echo, secho


@click.command()
@click.option("--tokenizers", metavar="DIR", type=click.Path(exists=True, path_type=Path), help="Real tokenizers.")
@click.option("--npm", metavar="DIR", type=click.Path(exists=True, path_type=Path), help="A node_modules folder.")
@click.option("--swift-3", metavar="DIR", type=click.Path(exists=True, path_type=Path), help="An unpacked ms-swift 3.")
@click.option(
    "--older",
    metavar="DIR",
    type=click.Path(exists=True, path_type=Path),
    help="A folder with llamafactory/ and swift/: unpacked older versions.",
)
@click.option(
    "--servers", metavar="DIR", type=click.Path(exists=True, path_type=Path), help="vLLM and SGLang, unpacked."
)
@click.option("--vision", metavar="DIR", type=click.Path(exists=True, path_type=Path), help="Unpacked torchvision.")
@click.option("--record", is_flag=True, help="Also record what the frameworks write, as vectors for the tests.")
def command(
    tokenizers: Path | None,
    npm: Path | None,
    swift_3: Path | None,
    older: Path | None,
    servers: Path | None,
    vision: Path | None,
    record: bool,
) -> None:
    """Hold the generated files against the real frameworks and engines, and record the evidence (make conformance)."""
    from conformance.run import run

    with Progress() as progress:
        reports = run(
            tokenizers=tokenizers,
            npm=npm,
            swift_3=swift_3,
            older=older,
            servers=servers,
            vision=vision,
            record=record,
            progress=progress,
        )
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
