"""``python -m conformance bench``: how long generating takes."""

from __future__ import annotations

import click

from chatwright.commands.terminal import Progress, echo


@click.command()
@click.option("--rounds", default=5, show_default=True, help="How often each command runs.")
@click.option("--times", multiple=True, type=int, help="Then generate so many times the catalogue; may be repeated.")
@click.option("--swift-python", metavar="PYTHON", help="A Python that has ms-swift, whose registry is then imported.")
def command(rounds: int, times: tuple[int, ...], swift_python: str | None) -> None:
    """Time the generator beside its peers, and with larger catalogues (make bench)."""
    from conformance.bench import run, sizes

    if rounds:
        with Progress() as progress:
            report = run(rounds, progress, swift_python)
        for timing in report.timings:
            shown = " ".join(f"{seconds:.2f}" for seconds in timing.seconds)
            echo(f"{timing.name:<40} median {timing.median:.3f} s   ({shown})")
        size = f"{report.python_files} files, {report.python_lines} lines, {report.python_bytes} bytes"
        echo(f"the generated Python: {size}")
        for ratio in report.ratios:
            pair = f"{ratio.ours.name} / {ratio.theirs.name}"
            echo(f"{pair:<70} {ratio.value:.2f} (at most {ratio.most})")
        if swift_python is None:
            echo("ms-swift: not timed; `make conformance` makes the environment that has it")
    with Progress() as progress:
        one = None
        for found in sizes(times, progress):
            one = one or found
            memory = "" if found.memory is None else f", {found.memory / 1e6:.0f} MB of memory"
            grown = "" if found is one else f", {found.seconds / one.seconds:.1f} times as long"
            echo(
                f"{found.times} x the catalogue: {found.specs} specs, {found.written / 1e6:.0f} MB written, "
                f"{found.seconds:.1f} s{memory}{grown}"
            )
