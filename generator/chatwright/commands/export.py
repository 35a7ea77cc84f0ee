"""``chatwright export``: write a file for one engine, or rows for a framework's own table."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..characters import is_seen
from ..errors import UsageError
from .common import find_template, load, shown, specs_option, suggestion
from .terminal import Progress, echo, echo_lines, echo_raw

if TYPE_CHECKING:
    from ..catalogue.model import Catalogue

# Those of pipeline.export.
ENGINES = ("vllm", "sglang", "transformers", "llamacpp", "ollama", "lmdeploy", "llamafactory", "swift")


@click.command()
@click.argument("name", metavar="TEMPLATE")
@click.option("--for", "engine", required=True, type=click.Choice(ENGINES), help="What the file is for.")
@click.option("--into", metavar="DIR", type=click.Path(path_type=Path), help="The folder to write to.")
@click.option(
    "--model", metavar="MODEL", help="The model's folder or id for the command; a folder's stop tokens are checked."
)
@click.option(
    "--gguf",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="With --for llamacpp: write a copy of this GGUF with the template; --into DIR or a file's name.",
)
@click.option("--force", is_flag=True, help="Replace an existing file that has another content.")
@click.option("--rows", "as_rows", is_flag=True, help="Print the rows of the family TEMPLATE for a framework's table.")
@click.option("--head", is_flag=True, help="With --rows: also print the head of the table.")
@specs_option
def command(
    name: str,
    engine: str,
    into: Path | None,
    model: str | None,
    gguf: Path | None,
    force: bool,
    as_rows: bool,
    head: bool,
    folders: tuple[Path, ...],
) -> None:
    """Write a template's file for one engine, and print the command that uses it.

    Without --into the file goes to stdout. The command and notes go to stderr. A chat_template.jinja goes into the
    model's folder: --into DIR, or --model DIR.

    With --gguf, a copy of the GGUF is written that has the template as its chat template, and the BOS, EOS and end of
    turn that it needs. The original stays as it is.

    With --rows, TEMPLATE is the name of a family. Its rows for the framework's own table of supported models go to
    stdout, for a pull request there.
    """
    from ..pipeline import export as exports

    if head and not as_rows:
        raise UsageError("--head needs --rows")
    if as_rows:
        if into or model or gguf or force:
            raise UsageError("--rows prints to stdout and takes no --into, --model, --gguf or --force")
        _echo_rows(name, engine, head, folders)
        return
    catalogue = load(folders)
    find_template(catalogue, name)
    if gguf is not None:
        if engine != "llamacpp" or into is None or model is not None:
            raise UsageError("--gguf FILE needs --for llamacpp and --into DIR, and takes the place of --model")
        _copy_gguf(catalogue, name, gguf, into, force)
        return
    if into is not None and into.is_file():
        raise UsageError(f"--into {shown(into)}: a file, and a folder is to be named")
    with Progress() as progress:
        progress(f"generating {name}")
        made = exports.export(catalogue, name, engine, model=model, into=into)
        if into is None and model and Path(model).is_dir() and made.files[0][0] == exports.MODEL_FILE:
            into = Path(model)
        written = exports.write(made, into, force=force) if into else []
    for path, changed in written:
        echo(f"{shown(path)}: {'written' if changed else 'up to date'}", err=True)
    if into is None:
        for _, text in made.files:
            echo_raw(text)
    _echo_rest(made.command, made.notes)


def _copy_gguf(catalogue: Catalogue, name: str, gguf: Path, into: Path, force: bool) -> None:
    from ..pipeline.gguf_copy import plan_copy

    with Progress() as progress:
        progress(f"copying {gguf}")
        copy = plan_copy(catalogue, name, gguf, into)
        changed = copy.write(force=force)
    echo(f"{shown(copy.target)}: {'written' if changed else 'up to date'}", err=True)
    _echo_rest(copy.command, copy.notes)


def _echo_rest(command: str | None, notes: Iterable[str]) -> None:
    """The notes and the command, to stderr."""
    for note in notes:
        echo(note, err=True)
    if command:
        echo(command, err=True)
        if not is_seen(command):
            echo("note: the command shows invisible characters as escapes; rename the model, then paste it", err=True)


def _echo_rows(family: str, framework: str, head: bool, folders: tuple[Path, ...]) -> None:
    from ..pipeline.rows import HEADS, upstream_rows

    if framework not in HEADS:
        raise UsageError(f"--rows is for the tables of {' and '.join(HEADS)}")
    catalogue = load(folders)
    families = {spec.name: spec for spec in catalogue.specs}
    if family not in families:
        raise UsageError(f"there is no family {family!r}{suggestion(family, families)}; run: chatwright list")
    found = upstream_rows(catalogue, families[family], framework)
    echo_lines((*(found.head.split("\n") if head else ()), *found.lines))
    echo(f"for {found.place}", err=True)
    for note in found.notes:
        echo(note, err=True)
