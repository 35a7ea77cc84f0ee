"""``chatwright draft``: write a spec from a model's own chat template."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import CatalogueError, UsageError
from ..verdicts import counted, in_words
from .common import MISTAKE, count, json_option, load, refusals, shown, specs_option
from .terminal import Progress, echo, echo_json, echo_raw, secho

if TYPE_CHECKING:
    from ..inspection.draft import Draft


@click.command()
@click.argument("model", metavar="MODEL")
@click.option("--name", metavar="NAME", help="Name of the family and its template. Default: from the model.")
@click.option("--out", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path), help="Write the spec there.")
@click.option("--force", is_flag=True, help="With --out: replace a file that is there.")
@specs_option
@json_option
def command(
    model: str, name: str | None, out: Path | None, force: bool, folders: tuple[Path, ...], as_json: bool
) -> None:
    """Draft a spec from a model's own chat template.

    MODEL is a folder, a GGUF, a file with a chat template, or an id on the Hub. The spec goes to stdout, or to --out
    FILE. A report of what is exact and what is not goes to stderr, and into the spec as comments. Exit code 1 if
    anything is not exact. The only code of the model that runs is its chat template, in a sandbox.
    """
    from ..inspection import draft as drafts

    if out is not None and out.exists() and not force:
        raise UsageError(f"{shown(out)} exists already; replace it with --force, or name another file")
    if force and out is None:
        raise UsageError("--force needs --out FILE")
    catalogue = load(folders)
    with Progress() as progress:
        progress("probing the chat template")
        folder = out.resolve().parent.name if out else None
        found = drafts.draft(drafts.read_source(model), catalogue, name or (out.stem if out else None), folder)
    if out is not None:
        _write_draft(found.text, out)
    if as_json:
        echo_json(found.as_json())
    else:
        if out is None:
            echo_raw(found.text)
        _echo_draft(found, out)
        if found.data:
            _echo_refusals_of_draft(found, folders, out)
    if not found.exact:
        raise SystemExit(MISTAKE)


def _write_draft(text: str, out: Path) -> None:
    """Write a draft with its schema line for editors. Outside of a checkout, also write a copy of the schema."""
    from ..pipeline.starter import OWN_SCHEMA, schema_reference
    from ..pipeline.writer import write_file
    from ..resources import schema_path

    schema = schema_reference(out.parent)
    write_file(out, text.replace("$schema=../../schema.json", f"$schema={schema}", 1))
    copy = Path(os.path.abspath(out.parent / OWN_SCHEMA))  # `..` goes up from the path as written, even if it is a link
    if schema == OWN_SCHEMA and not os.path.lexists(copy):
        write_file(copy, schema_path().read_text(encoding="utf-8"))


def _echo_refusals_of_draft(found: Draft, folders: tuple[Path, ...], out: Path | None) -> None:
    """Print which targets cannot express the draft, and which problems keep it out of the catalogue."""
    from .. import pipeline
    from ..files import write

    with tempfile.TemporaryDirectory(prefix="chatwright-") as home:
        place = f"{(out.resolve().parent.name if out else '') or 'draft'}/{found.name}.yaml"
        write(Path(home) / place, found.text.encode("utf-8", "surrogatepass"))
        try:
            catalogue = load((*folders, Path(home)))
        except CatalogueError as error:
            for problem in error.problems:
                echo(f"note: {shown(out) if out else found.name}: {problem.message}", err=True)
            return
        part = pipeline.select(catalogue, {place})
        for line in refusals(part, pipeline.render(part), {place}):
            echo(line, err=True)


def _echo_draft(found: Draft, out: Path | None) -> None:
    """Print the outcome of every scenario and a summary to stderr."""
    for each in found.compared:
        secho(f"{each.scenario:24}", nl=False, err=True)
        secho(each.verdict, fg="green" if each.agrees else "red", nl=False, err=True)
        echo(f": {each.reason}" if each.reason else "", err=True)
    counts = in_words(counted(each.verdict for each in found.compared))
    echo(f"{counts} of {count(len(found.compared), 'scenario')}, against the publisher's template", err=True)
    if found.same:
        echo(f"means the same as template {found.same}, which the draft refers to", err=True)
    if out is not None:
        echo(f"{shown(out)}: written; check it with: chatwright validate {shown(out)}", err=True)
