"""``chatwright new``: write a commented spec to start from."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from ..errors import UsageError
from .common import load, shown
from .terminal import echo


@click.command()
@click.argument("name")
@click.option("--publisher", default="own", show_default=True, help="Who publishes the family.")
@click.option("--title", help="The family's name as people write it. Default: NAME.")
@click.option(
    "--specs",
    "folder",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="The folder of specs to write to. Default in a checkout: `specs`.",
)
def command(name: str, publisher: str, title: str | None, folder: Path | None) -> None:
    """Write a commented spec for the family NAME, to start from."""
    from ..pipeline.starter import write_starter
    from ..resources import checkout_root, specs_path

    if folder is None and checkout_root() is None:
        raise UsageError("name a folder of your own for the spec, for example: --specs my-specs")
    mine = folder or specs_path()
    known = load([mine] if folder and any(folder.glob("*/*.yaml")) else ())
    place = write_starter(known, name, title, publisher, mine)
    own = f" {shlex.quote(shown(mine))}" if folder else ""
    echo(f"{shown(place)}: written")
    echo(f"edit the spec, then run: chatwright validate{own}", err=True)
