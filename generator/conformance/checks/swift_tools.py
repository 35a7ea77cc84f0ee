"""Tool formats that ms-swift knows: whole random conversations with tools against its live agent templates."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping, Sequence

from chatwright.catalogue.model import Catalogue, Template
from chatwright.errors import Unsupported
from chatwright.meaning.render import Kind
from chatwright.meaning.runs import EOS, TODAY, Run, normal
from chatwright.meaning.scenarios import Scenario
from chatwright.meaning.tool_formats import tool_formats
from chatwright.records.frameworks import is_built_in

from ..engines.swift import Rendered, Swift
from ..fuzz import tool_scenarios
from ..vectors import turns_digest
from .reference import reference_runs
from .swift_registration import request_of
from .workbench import Refusal, Report, Workbench, attempt, difference

KINDS = (Kind.PROMPT, Kind.TRAINING)
_CASES = 300
_TOLD = 3  # how many differences of a format are shown


def check_swift_tools(bench: Workbench) -> Report:
    """Every tool format that ms-swift knows against its live agent template, in random conversations with tools."""
    importlib.metadata.version("ms-swift")  # ImportError where there is none
    report = Report("swift tools")
    cases = list(tool_scenarios(_CASES))
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
            requests = [request_of(template, registered, case, kind) for case in cases for kind in KINDS]
            texts = iter(swift.render(requests))
            digests = bench.written_turns.setdefault(name, [])
            differing = []
            refused = 0
            for case in cases:
                theirs = [_runs(next(texts)) for _ in KINDS]
                digests.append(turns_digest(theirs))
                for kind, ours, due_runs in zip(KINDS, runs_of(template, case), theirs, strict=True):
                    refused += ours is due_runs is None
                    if ours != due_runs:
                        differing.append(f"{name}: {case.name}, {kind.value}: {_told(ours, due_runs)}")
            report.wrong += differing[:_TOLD]
            report.lines.append(
                f"{name}: {len(cases)} random conversations through {registered}, {len(differing)} texts differ "
                f"({refused} refused by both)"
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


def runs_of(template: Template, case: Scenario) -> list[tuple[Run, ...] | None]:
    """What the reference renderer writes of a conversation, in each of the kinds; None where it refuses."""
    found = [attempt(reference_runs, template, case, kind, EOS) for kind in KINDS]
    return [None if isinstance(runs, Refusal) else runs for runs in found]


def _runs(text: Rendered | Unsupported) -> tuple[Run, ...] | None:
    return None if isinstance(text, Unsupported) else normal(text.runs)


def _told(ours: Sequence[Run] | None, theirs: Sequence[Run] | None) -> str:
    if ours is None or theirs is None:
        return "refused by us alone" if ours is None else "refused by ms-swift alone"
    got, due = ("".join(text for text, _ in runs) for runs in (ours, theirs))
    return "the mask differs" if got == due else difference(got, due)
