"""``python -m conformance sync``: the catalogue beside an installed framework, or publishers' repositories."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import click

from chatwright.commands.common import MISTAKE, json_option, load, suggestion
from chatwright.commands.terminal import Progress, echo, echo_json, echo_lines
from chatwright.errors import CatalogueError, ChatwrightError, UsageError

if TYPE_CHECKING:
    from chatwright.catalogue.model import Catalogue

_SYNCED = ("llamafactory", "swift", "publishers")


@click.command()
@click.argument("framework", metavar="llamafactory|swift|publishers", type=click.Choice(_SYNCED))
@click.argument("repos", nargs=-1, metavar="[REPO]...")
@click.option(
    "--path",
    metavar="DIR",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Read the version unpacked in this folder (pip install --no-deps --target DIR).",
)
@click.option("--write", "writes", is_flag=True, help="In a checkout: bring the specs up to date.")
@click.option(
    "--endpoint",
    metavar="URL",
    envvar="HF_ENDPOINT",
    help="publishers: where the repositories are; https://huggingface.co where left out.  [env: HF_ENDPOINT]",
)
@click.option("--revision", metavar="NAME", help="publishers: the revision to read; main where left out.")
@json_option
def command(
    framework: str,
    repos: tuple[str, ...],
    path: Path | None,
    writes: bool,
    endpoint: str | None,
    revision: str | None,
    as_json: bool,
) -> None:
    """Compare the catalogue with what an installed framework registers: what lacks, differs, or is gone upstream.

    For publishers: whether the chat templates in their repositories, or in each REPO, are still those that are
    recorded, and what they write in another way if not. Exit code 1 if there is anything to do.
    """
    if framework == "publishers":
        if path or writes:
            raise UsageError("--path and --write are for frameworks; publishers' repositories are read at --endpoint")
        _sync_publishers(repos, endpoint, revision, as_json)
        return
    if repos or revision:
        raise UsageError(f"repositories and --revision are for `sync publishers`; {framework} is read as installed")
    from chatwright.catalogue.build import FRAMEWORKS
    from chatwright.records.frameworks import built_ins
    from chatwright.resources import checkout_root, records_path, specs_path
    from conformance.sync import compare, registry, report

    if writes and checkout_root() is None:
        raise UsageError("--write edits the specs of a checkout of the repository, and this is none")
    if writes and find_spec("ruamel") is None:
        raise ChatwrightError("editing specs needs ruamel.yaml; run: pip install ruamel.yaml")
    before = built_ins().get(framework)
    with Progress() as progress:
        progress(f"reading {FRAMEWORKS[framework]}")
        ours, theirs = registry.read_both(framework, _load_whole(), [path] if path else [])
        differences = compare.compare(ours, theirs, before)
        done: list[str] = []
        if writes and before and registry.is_older(theirs.version, before.version):
            raise ChatwrightError(
                f"{FRAMEWORKS[framework]} {theirs.version} is older than {before.version}, which the specs "
                "follow: --write would take them back to it; leave --write out to compare only"
            )
        if writes and differences:
            from conformance.sync.write import remember_plugins, write

            remember_plugins(theirs, records_path("frameworks"))
            done = write(differences, theirs, specs_path(), before=before)
    if done:
        if not as_json:
            echo_lines(done)
        try:
            with Progress() as progress:
                progress(f"reading {FRAMEWORKS[framework]} again")
                ours, theirs = registry.read_both(framework, _load_whole(), [path] if path else [])
        except ChatwrightError:
            if as_json:
                echo_json({"written": done})
            raise
        differences = compare.compare(ours, theirs, before)
    extra = compare.extras(ours, theirs, before)
    if as_json:
        data = report.as_json(differences, extra, theirs)
        echo_json({**data, "written": done} if writes else data)
    else:
        echo_lines(report.lines(differences, extra, theirs))
    if differences:
        raise SystemExit(MISTAKE)


def _sync_publishers(repos: Sequence[str], endpoint: str | None, revision: str | None, as_json: bool) -> None:
    from chatwright.resources import checkout_root
    from conformance import places
    from conformance.publisher_record import read_record
    from conformance.sync import hub, publishers

    root = checkout_root()
    if root is None:
        raise ChatwrightError("what publishers' templates write is recorded in a checkout, and this is none")
    record = read_record(places.vectors(root) / "publishers")
    known = {publisher.repo.casefold(): publisher.repo for publisher in record.publishers}
    for repo in repos:
        if repo.casefold() not in known:
            raise UsageError(f"no template of {repo!r} is recorded{suggestion(repo, known.values())}")
    fetch = hub.hub_fetch(endpoint or hub.ENDPOINT, revision or "main")
    with Progress() as progress:
        found = publishers.check(record, load(()), repos, fetch, progress)
    if as_json:
        echo_json(publishers.as_json(found))
    else:
        echo_lines(publishers.lines(found))
    if publishers.to_do(found):
        raise SystemExit(MISTAKE)


def _load_whole() -> Catalogue:
    """The public catalogue for `sync`, which cannot bring back what other specs refer to."""
    try:
        return load(())
    except CatalogueError:
        echo(
            "sync compares a valid catalogue only, and this one is not: bring back what is missing (git restore specs) "
            "or remove what refers to it",
            err=True,
        )
        raise
