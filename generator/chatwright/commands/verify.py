"""``chatwright verify``: whether a model folder is served with the tokens it was trained on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..characters import listing
from .common import MISTAKE, find_template, json_option, load, specs_option
from .terminal import Progress, echo, echo_json, echo_table, secho

if TYPE_CHECKING:
    from ..inspection.verify import Verification


@click.command()
@click.argument("folder", metavar="MODEL", type=click.Path(path_type=Path))
@click.option(
    "--template", "name", metavar="NAME", help="What it was trained with; told by its chat template if left out."
)
@specs_option
@json_option
def command(folder: Path, name: str | None, folders: tuple[Path, ...], as_json: bool) -> None:
    """Check that a model is served with the very tokens it was trained on.

    MODEL is a folder, or a GGUF or the file of a chat template, of which only texts are compared. Compares its own chat
    template and the file to deploy with what training writes, as text and as the token ids of its tokenizer; then its
    stops and its vocabulary. Exit code 1 if anything is found. Uses no network and runs no code of the folder but its
    chat template, in a sandbox.
    """
    from ..inspection.verify import verify as verify_folder

    catalogue = load(folders)
    if name is not None:
        name = find_template(catalogue, name).name
    with Progress() as progress:
        progress("reading the tokenizer")
        found = verify_folder(folder, catalogue, name)
    if as_json:
        echo_json(found.as_json())
    else:
        _echo_verification(found)
    if not found.fine:
        raise SystemExit(MISTAKE)


def _echo_verification(found: Verification) -> None:
    if found.template:
        how = "as named" if found.named else "told by its chat template"
        rows = [("template", f"{found.template}, {how}")]
        if found.same:
            rows.append(("means the same", ", ".join(found.same)))
        if compared := found.compared:
            of = f"of {compared.conversations}"
            shown = (
                "none that runs"
                if compared.chat_template is None
                else f"{compared.chat_template} {of} prompts as trained"
            )
            rows.append(("its chat template", shown))
            shown = "there is none" if compared.deployed is None else f"{compared.deployed} {of} prompts as trained"
            rows.append(("file to deploy", shown))
            shown = (
                "not compared"
                if compared.token_ids is None
                else f"{compared.token_ids} {of} prompts cut as in training"
            )
            rows.append(("token ids", shown))
        echo_table(rows)
    for finding in found.findings:
        echo()
        secho(finding.kind, bold=True, fg="red", nl=False)
        seen = f" ({listing(finding.conversations, 3)})" if finding.conversations else ""
        echo(f"  {finding.place}: {finding.text}{seen}")
        if example := finding.example:
            echo(f"  {example.conversation}: {example.before}")
            echo(f"    trained  {example.trained}")
            echo(f"    served   {example.served}")
        echo(f"  to do: {finding.advice}")
    if found.notes:
        echo()
    for note in found.notes:
        echo(f"note: {note}")
    echo()
    secho(found.verdict, bold=True, fg="green" if found.fine else "red")
