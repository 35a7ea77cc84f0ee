"""``chatwright show``: show a template, its files and its prompts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..characters import listing
from ..errors import Unsupported, UsageError
from .common import count, find_template, json_option, load, specs_option, suggestion, visible_text
from .terminal import Progress, echo, echo_json, echo_table, secho

if TYPE_CHECKING:
    from ..catalogue.model import Template
    from ..meaning.render import Kind, Piece
    from ..meaning.scenarios import Scenario
    from ..meaning.visible import Row
    from ..pipeline import Rendering

_COLOURS = {"prefix": "magenta", "system": "yellow", "user": "cyan", "assistant": "green", "observation": "blue"}
_DEFAULT_SCENARIOS = ("system_multi",)
_LEGEND = (
    "* trained on   · space   → tab   ⏎ newline   <bos> <eos> the tokenizer's own tokens   "
    "\\x1b \\u202e what cannot be seen, or one of these signs in the text itself"
)


@click.command()
@click.argument("name", metavar="TEMPLATE")
@click.option("--scenario", "names", multiple=True, metavar="NAME", help="A conversation to render; may be repeated.")
@specs_option
@json_option
def command(name: str, names: tuple[str, ...], folders: tuple[Path, ...], as_json: bool) -> None:
    """Show a template: its slots, its files, and rendered prompts with every character visible."""
    from .. import pipeline
    from ..cache import user_cache
    from ..meaning.scenarios import scenarios
    from ..records.engines import load_evidence
    from ..records.publishers import load_comparisons

    catalogue = load(folders)
    template = find_template(catalogue, name)
    chosen = names or _DEFAULT_SCENARIOS
    for scenario in chosen:
        if scenario not in scenarios():
            raise UsageError(f"there is no scenario {scenario!r}{suggestion(scenario, scenarios())}")
    source = next(spec.source for spec in catalogue.specs if template in spec.templates)
    with Progress() as progress:
        evidence, comparisons = load_evidence(), load_comparisons()
        progress(f"generating {name}")
        rendering = pipeline.render_spec(catalogue, source, evidence, comparisons, cache=user_cache())
    data = {"template": name, **_summary(template, rendering)}
    if as_json:
        rendered = {scenario: _rendered_json(template, scenarios()[scenario]) for scenario in chosen}
        echo_json({**data, "scenarios": rendered})
        return
    _echo_summary(data)
    for scenario in chosen:
        _echo_scenario(template, scenario, scenarios()[scenario])


def _summary(template: Template, rendering: Rendering) -> dict[str, Any]:
    from dataclasses import fields

    from ..catalogue.slots import write_slot
    from ..pipeline.index import template_entry

    slots = {field.name: getattr(template.slots, field.name) for field in fields(template.slots)}
    return {
        **template_entry(template, rendering.deployments),
        "slots": {name: write_slot(slot) if isinstance(slot, tuple) else slot for name, slot in slots.items()},
        "fidelity": rendering.fidelity.get(template.name, {}),
        "publishers": _compared_with_publishers(template, rendering),
    }


def _compared_with_publishers(template: Template, rendering: Rendering) -> dict[str, Any]:
    """How a template compares with its publishers' own templates, each with its source."""
    verdict = dict(rendering.publishers["templates"][template.name])
    if "compared" in verdict:
        sources = rendering.publishers["sources"]
        verdict["compared"] = [
            {**row, "publishers": [{"id": each, **sources[each]} for each in row["publishers"]]}
            for row in verdict["compared"]
        ]
    return verdict


def _texts(template: Template, scenario: Scenario) -> Iterable[tuple[Kind, Sequence[Piece] | Unsupported]]:
    from ..meaning.render import Kind

    for kind in Kind:
        try:
            yield kind, scenario.pieces(template, kind)
        except Unsupported as reason:
            yield kind, reason


def _rendered_json(template: Template, scenario: Scenario) -> dict[str, Any]:
    from dataclasses import asdict

    return {
        kind.value: (
            {"unsupported": str(pieces)}
            if isinstance(pieces, Unsupported)
            else {"pieces": [asdict(piece) for piece in pieces]}
        )
        for kind, pieces in _texts(template, scenario)
    }


def _echo_summary(data: Mapping[str, Any]) -> None:
    secho(data["template"], bold=True, nl=False)
    echo(f"  family {data['family']}")
    rows = [
        (f"  {framework}", f"{name or '-'}{' (not built in: added here)' if framework in data['added'] else ''}")
        for framework, name in data["registered"].items()
    ]
    rows += [(f"  {target}", path or f"- {data['reasons'].get(target, '')}") for target, path in data["files"].items()]
    rows.append(("  stop words", " ".join(map(visible_text, data["stop_words"])) or "-"))
    rows.append(("  default system", "-" if data["default_system"] is None else visible_text(data["default_system"])))
    rows.append(("  tool format", data["tool_format"] or "-"))
    rows.append(("  thinking", "yes" if data["thinking"] else "no"))
    if "levels" in data:
        rows.append((f"  {data['levels']['variable']}", " ".join(data["levels"]["names"])))
    if "turns" in data:
        rows.append(("  also carries", " ".join(data["turns"])))
    for server, entry in data["serving"].items():
        rows.append((f"  {server} options", " ".join(entry["flags"]) + ("" if entry["proven"] else "  (unverified)")))
    echo_table(rows)
    echo("slots")
    slots = {
        name: [text] if isinstance(text, str) else text for name, text in data["slots"].items() if text is not None
    }
    echo_table([(f"  {name}", " | ".join(map(visible_text, texts))) for name, texts in slots.items()])
    echo("fidelity")
    found = [(f"  {engine}", _verdict(verdict)) for engine, verdict in data["fidelity"].items()]
    echo_table(found or [("  unverified", "no engine has read these files")])
    _echo_publishers(data["publishers"])


def _echo_publishers(found: Mapping[str, Any]) -> None:
    """Print how the template compares with each publisher's own: counts, causes, and the first difference."""
    echo("same as the publisher's")
    if "compared" not in found:
        echo(f"  {found['status']}: {found['reason']}")
        return
    for row in found["compared"]:
        names = listing([f"{each['repo']} ({each['sha256'][:8]})" for each in row["publishers"]], 3)
        counts = ", ".join(f"{number} {status}" for status, number in row["counts"].items())
        only = f"; only {'ours' if row['bos'] == 'ours' else 'the publisher’s'} writes the BOS" if "bos" in row else ""
        echo(f"  {names}: {counts}{only}")
        for cause, number in row["causes"].items():
            echo(f"    {cause}: {count(number, 'scenario')}")
        for reason, scenarios in row.get("unsupported", {}).items():
            echo(f"    refused here: {count(len(scenarios), 'scenario')}: {reason}")
        if row["first"]:
            first = row["examples"][row["first"]]
            echo(f"    {first['scenario']}: {first['before']}")
            echo(f"      publisher's  {first['publisher']}")
            echo(f"      ours         {first['ours']}")


def _verdict(verdict: Mapping[str, Any]) -> str:
    if "counts" not in verdict:
        return str(verdict["status"])
    counts = ", ".join(f"{count} {status}" for status, count in verdict["counts"].items())
    return f"{counts}  ({verdict['version']}, {verdict['grade']})"


def _echo_scenario(template: Template, name: str, scenario: Scenario) -> None:
    from ..meaning.visible import rows

    shown: dict[str, str | list[Row]] = {}
    for kind, pieces in _texts(template, scenario):
        title = f"{name}: {kind.value.replace('_', ' ')}"
        text = str(pieces) if isinstance(pieces, Unsupported) else list(rows(pieces))
        same = next((title for title, known in shown.items() if known == text), None)
        shown[title] = text
        echo()
        secho(title, bold=True)
        if same or isinstance(text, str):
            echo(f"  the same as {same}" if same else f"  unsupported: {text}")
            continue
        for row in text:
            echo("* " if row.trained else "  ", nl=False)
            secho(f"{row.role:<11}", fg=_COLOURS[row.role], nl=False)
            echo(" ", nl=False)
            secho(row.text, fg=_COLOURS[row.role], bold=row.trained)
    echo()
    echo(_LEGEND)
