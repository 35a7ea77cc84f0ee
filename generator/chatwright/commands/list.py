"""``chatwright list``: list families, templates and models."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from .common import MISTAKE, count, json_option, load, specs_option
from .terminal import echo, echo_json, echo_table


@click.command()
@click.argument("search", default="")
@specs_option
@json_option
def command(search: str, folders: tuple[Path, ...], as_json: bool) -> None:
    """List families, templates and models; SEARCH keeps those with this text in a name or id."""
    families = [found for spec in load(folders).specs if (found := _family(spec, search.casefold()))]
    if as_json:
        echo_json({"families": families})
        return
    if not families:
        echo(f"nothing matches {search!r}", err=True)
        raise SystemExit(MISTAKE)
    rows = [("FAMILY", "TEMPLATE", "LLAMA-FACTORY", "MS-SWIFT", "CHECKPOINTS")]
    for family in families:
        number = str(len(family["checkpoints"]))
        for index, template in enumerate(family["templates"] or [{"name": "", "registered": {}}]):
            names = (template["registered"].get(framework) or "-" for framework in ("llamafactory", "swift"))
            rows.append(("" if index else family["name"], template["name"], *names, "" if index else number))
    echo_table(rows)
    templates = count(sum(len(family["templates"]) for family in families), "template")
    models = count(sum(len(family["checkpoints"]) for family in families), "checkpoint")
    echo(f"{count(len(families), 'family', 'families')}, {templates}, {models}")


def _family(spec: Any, search: str) -> dict[str, Any] | None:
    """The entry of a family: all of it if the family matches, else only the parts that match; None if none does."""
    from ..pipeline.index import names_of

    templates = [{"name": item.name, "registered": names_of(item)} for item in spec.templates]
    checkpoints = [
        {"name": checkpoint.title, "template": group.template, **checkpoint.ids}
        for group in spec.models
        for checkpoint in group.checkpoints
    ]
    family = {"name": spec.name, "title": spec.title, "publisher": spec.publisher}
    if not _matches(family, search):
        templates = [item for item in templates if _matches(item, search)]
        checkpoints = [item for item in checkpoints if _matches(item, search)]
        if not templates and not checkpoints:
            return None
    return {**family, "templates": templates, "checkpoints": checkpoints}


def _matches(item: Mapping[str, Any], search: str) -> bool:
    values = (value for field in item.values() for value in (field.values() if isinstance(field, Mapping) else [field]))
    return any(search in value.casefold() for value in values if value)
