"""``chatwright validate``: check specs."""

from __future__ import annotations

from pathlib import Path

import click

from ..errors import CatalogueError, Problem
from .common import count, load
from .terminal import echo


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(exists=True, path_type=Path))
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "github"]),
    default="text",
    help="github: also print each problem as an annotation of its line in a pull request.",
)
def command(paths: tuple[Path, ...], form: str) -> None:
    """Check the public catalogue, and PATHS on top of it: folders of specs, or single specs."""
    try:
        catalogue = load(paths)
    except CatalogueError as error:
        for problem in error.problems if form == "github" else ():
            echo(_annotation(problem))
        raise
    echo(f"{count(len(catalogue.specs), 'spec')}: no problems")


def _annotation(problem: Problem) -> str:
    """A problem as a workflow command of GitHub, which shows it on its line; delimiters in values are escaped."""

    def escaped(text: str, further: str = "") -> str:
        return "".join(f"%{ord(each):02X}" if each in f"%\r\n{further}" else each for each in text)

    place = problem.location
    where = {"line": str(place.line), "col": str(place.column)} if place.line else {}
    values = {"file": place.path, **where, "title": "chatwright"}
    properties = ",".join(f"{key}={escaped(value, ':,')}" for key, value in values.items())
    crumb = f"{problem.breadcrumb}: " if problem.breadcrumb else ""
    return f"::error {properties}::{escaped(crumb + problem.message)}"
