"""``python -m conformance overrides``: what the specs say for one framework only."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chatwright.commands.common import count, json_option, load, shown, specs_option, suggestion
from chatwright.commands.terminal import echo, echo_json, echo_table, secho
from chatwright.errors import UsageError

if TYPE_CHECKING:
    from chatwright.catalogue.model import Catalogue, Override


@click.command()
@click.option("--kind", metavar="KIND", help="Only the overrides of this kind, such as 'group swift.template'.")
@click.option(
    "--lower", is_flag=True, help="In a checkout: let the recorded ceilings fall to what stands in the specs."
)
@specs_option
@json_option
def command(kind: str | None, lower: bool, folders: tuple[Path, ...], as_json: bool) -> None:
    """List every `targets:` override of the specs by kind, with its place and value."""
    from dataclasses import asdict

    from conformance import overrides as ledger

    if lower and (kind or folders or as_json):
        raise UsageError("--lower is for all kinds of the public catalogue, and stands alone")
    catalogue = load(folders)
    if lower:
        _lower_ceilings(catalogue)
        return
    found = ledger.overrides(catalogue)
    if kind is not None and kind not in found:
        raise UsageError(f"no spec holds an override of the kind {kind!r}{suggestion(kind, found)}")
    shown = found if kind is None else {kind: found[kind]}
    derived, others = ledger.derived(catalogue)
    openers = ledger.foreign_openers(catalogue)
    if as_json:
        data: dict[str, Any] = {
            "overrides": {name: [_override(item) for item in items] for name, items in shown.items()}
        }
        if kind is None:
            foreign = [asdict(opener) for opener in openers]
            data |= {"foreign_openers": foreign, "derived": derived, "not_derived": others}
        echo_json(data)
        return
    for name, items in shown.items():
        secho(f"{name}: {len(items)}", bold=True)
        entries = map(_override, items)
        echo_table([(f"  {item['place']}", item["owner"], json.dumps(item["value"])) for item in entries])
    if kind is None:
        secho(f"openers in the slot of another role: {len(openers)}", bold=True)
        for opener in openers:
            echo(f"  {opener.template}: the {opener.role}'s opener in {opener.slot}")
        echo(f"{count(sum(map(len, found.values())), 'override')} of {count(len(found), 'kind')}")
        echo(
            f"{len(derived)} of the {len(derived) + len(others)} templates of ms-swift whose Python class changes no "
            "text are derived from slots, without an override that says a text"
        )


def _lower_ceilings(catalogue: Catalogue) -> None:
    """Let the recorded ceilings fall to what stands in the specs; without a file, today's counts are the start."""
    from chatwright.pipeline.writer import write_file
    from conformance import overrides as ledger

    file = ledger.CEILINGS
    counts = ledger.counts(catalogue)
    before = ledger.load_ceilings(file)
    after = ledger.lowered(before, counts) if file.exists() else counts
    write_file(file, ledger.dump_ceilings(after))
    changed = [kind for kind in sorted({*before, *after}) if before.get(kind) != after.get(kind)]
    for kind in changed:
        echo(f"{kind}: {before.get(kind, 0)} to {after.get(kind, 0)}")
    if not changed:
        echo(f"{shown(file)}: nothing to lower")


def _override(item: Override) -> dict[str, Any]:
    from chatwright.json_writer import plain

    place = f"{item.location.path}:{item.location.line}"
    return {"place": place, "owner": item.owner, "value": plain(item.value)}
