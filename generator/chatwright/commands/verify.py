"""``chatwright verify``: check that a model is served with the tokens it was trained on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..characters import listing
from ..verdicts import in_words
from .common import MISTAKE, find_template, json_option, load, specs_option
from .terminal import Progress, echo, echo_json, echo_table, secho

if TYPE_CHECKING:
    from ..inspection.verify import Verification


@click.command()
@click.argument("folder", metavar="MODEL", type=click.Path(path_type=Path))
@click.option(
    "--template", "name", metavar="NAME", help="The template of its training. Default: found by its chat template."
)
@specs_option
@json_option
def command(folder: Path, name: str | None, folders: tuple[Path, ...], as_json: bool) -> None:
    """Check that a model is served with the same tokens it was trained on.

    MODEL is a folder, a GGUF, or the file of a chat template; for a file only texts are compared. The prompts of the
    model's own chat template and of the file to deploy are compared with the training texts, as text and as the token
    ids of its tokenizer. Stop tokens and vocabulary are checked, too. Exit code 1 if anything is found. No network is
    used. The only code of the folder that runs is its chat template, in a sandbox.
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
        how = "as named" if found.named else "found by its chat template"
        rows = [("template", f"{found.template}, {how}")]
        if found.same:
            rows.append(("means the same", ", ".join(found.same)))
        if compared := found.compared:
            for what, counts, none in (
                ("its chat template", compared.chat_template, "none that runs"),
                ("file to deploy", compared.deployed, "there is none"),
                ("token ids", compared.token_ids, "not compared"),
            ):
                rows.append((what, none if counts is None else in_words(counts)))
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
