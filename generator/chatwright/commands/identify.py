"""``chatwright identify``: find a model's template in the catalogue."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..characters import listing
from ..errors import UsageError
from .common import MISTAKE, json_option, load, specs_option
from .terminal import Progress, echo, echo_json, echo_table, secho

if TYPE_CHECKING:
    from ..inspection.identify import Answer


@click.command()
@click.argument("models", metavar="MODEL…", nargs=-1, required=True)
@click.option("--cores", type=click.IntRange(1), metavar="N", help="With -: number of sandboxes. Default: all cores.")
@specs_option
@json_option
def command(models: tuple[str, ...], cores: int | None, folders: tuple[Path, ...], as_json: bool) -> None:
    """Find the template of a model in the catalogue.

    MODEL is a folder, a GGUF, a file with a chat template, or an id on a hub, which is looked up and not fetched. With
    - models are read from standard input: lines of JSON with "chat_template" or "id", and if known "bos_token",
    "eos_token" and "architectures". One answer is printed per line, in the same order.

    Exit code 0 if each MODEL has one template, or one in each framework; with -, if every line has an answer. No
    network is used. The only code of a model that runs is its chat template, in a sandbox.
    """
    from ..inspection.identify import Identifier, isolated, read_model
    from ..meaning.sandbox import Workshop

    if "-" in models:
        if len(models) > 1:
            raise UsageError("- reads models from standard input and takes no other MODEL")
        _identify_stream(folders, cores)
        return
    if cores is not None:
        raise UsageError("--cores needs models on standard input: chatwright identify -")
    found: list[Answer] = []
    with Workshop() as workshop, Progress() as progress:
        identifier = Identifier(load(folders))
        for model in models:
            progress(f"identifying {model}")
            found.append(isolated(model, lambda: identifier.identify(read_model(model), workshop.render)))  # noqa: B023
    if as_json:
        echo_json([answer.as_json() for answer in found])
    else:
        for index, answer in enumerate(found):
            _echo_answer(answer, first=index == 0)
    if not all(answer.sure for answer in found):
        raise SystemExit(MISTAKE)


def _identify_stream(folders: tuple[Path, ...], cores: int | None) -> None:
    from ..inspection.identify import Identifier, stream

    if sys.stdin is None:  # standard input was closed before the program began
        raise SystemExit(MISTAKE)
    figures = stream.Figures(cores or stream.cores())
    lines = stream.read_lines(sys.stdin.buffer)
    for answer in stream.answers(lines, Identifier(load(folders)), figures):
        echo_json(answer.as_json(), indent=None)
    echo(figures.told, err=True)


def _echo_answer(answer: Answer, *, first: bool) -> None:
    """Print a model's template, the evidence for it, the remaining candidates, and the flags to set."""
    from ..catalogue.build import FRAMEWORKS

    if not first:
        echo()
    secho(f"{answer.id}: ", bold=True, nl=False)
    if answer.error:
        secho(f"error: {answer.error}", fg="red")
    else:
        shown = f"{answer.template}, {answer.verdict}" if answer.template else answer.verdict
        secho(shown, bold=True, fg="green" if answer.sure else "yellow")
    rows = [("  means the same", listing(answer.same, 8))] if answer.same else []
    rows += [(f"  by {kind}", listing(names, 8)) for kind, names in answer.by.items() if names]
    for candidate in answer.candidates:
        named = f", named by {' and '.join(candidate.named_by)}" if candidate.named_by else ""
        if candidate.exact is not None:
            rows.append((f"  {candidate.template}", f"{candidate.exact} of {candidate.of} prompts exact{named}"))
    rows += [(f"  {FRAMEWORKS[framework]}", flags.replace("\n", ", ")) for framework, flags in answer.flags.items()]
    if rows:
        echo_table(rows)
    for line in answer.why:
        echo(f"  note: {line}")
