"""Tool formats that ms-swift knows: whole random conversations with tools against its live agent templates."""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Mapping, Sequence
from typing import Any

from chatwright.catalogue.model import Catalogue, Template
from chatwright.meaning.runs import TODAY
from chatwright.meaning.tool_formats import tool_formats
from chatwright.records.frameworks import is_built_in

from ..engines.swift import Swift
from ..vectors import vector_path
from . import swift_texts
from .swift_registration import fields_of
from .workbench import Report, Workbench


def check_swift_tools(bench: Workbench) -> Report:
    """Every tool format that ms-swift knows against its live agent template, in random conversations with tools."""
    importlib.metadata.version("ms-swift")  # ImportError where there is none
    report = Report("swift tools")
    items: dict[str, Any] = {}
    formats: dict[str, tuple[Template, str]] = {}
    written: dict[str, list[str]] = {}
    with Swift(today=TODAY) as swift:
        known = swift.registries["templates"]
        for name, template in users(bench.catalogue).items():
            registered = template.registered["swift"] if template else None
            if template is None or registered is None or registered not in known:
                report.wrong.append(f"{name}: no template of ms-swift's has this tool format")
                continue
            agent, due = known[registered]["agent_template"], tool_formats()[name].frameworks["swift"]
            if agent != due:
                report.wrong.append(f"{name}: ms-swift's {registered} has the agent template {agent}, not {due}")
                continue
            recorded = _recorded(bench, name)
            items[name] = recorded and [template, tool_formats()[name], fields_of(registered, swift), recorded]
            formats[name] = template, registered

        def ask(names: Sequence[str]) -> dict[str, Any]:
            found = {name: swift_texts.compared_turns(*formats[name], swift) for name in names}
            written.update({name: digests for name, (digests, _) in found.items()})
            return {name: told for name, (_, told) in found.items()}

        for name, said in bench.asked.over("swift tools", swift_texts.__name__, items, ask).items():
            digests = written[name] if name in written else items[name][-1]
            bench.written_turns.setdefault(name, []).extend(digests)
            report.wrong += [f"{name}: {told}" for told in said["differing"]]
            report.lines.append(
                f"{name}: {swift_texts.CASES} random conversations through {formats[name][1]}, {said['count']} texts "
                f"differ ({said['refused']} refused by both)"
            )
    return report


def users(catalogue: Catalogue) -> Mapping[str, Template | None]:
    """Each tool format that ms-swift knows, with the first of ms-swift's own templates that uses it."""
    found: dict[str, Template | None] = {
        name: None for name, definition in tool_formats().items() if "swift" in definition.frameworks
    }
    for template in catalogue.templates.values():
        registered, name = template.registered["swift"], template.tool_format
        if name in found and found[name] is None and registered and is_built_in("swift", registered):
            found[name] = template
    return found


def _recorded(bench: Workbench, name: str) -> list[str] | None:
    """The digests that are recorded of the format's conversations."""
    path = bench.vectors and vector_path(bench.vectors, "tool_turns", name)
    digests: list[str] | None = json.loads(path.read_text(encoding="utf-8")) if path and path.is_file() else None
    return digests
