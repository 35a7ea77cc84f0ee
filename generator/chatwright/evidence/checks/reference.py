"""The reference renderer against the frameworks: text and mask of every kind of text."""

from __future__ import annotations

from ...catalogue.model import Template
from ...errors import Unsupported
from ...meaning.render import Kind, render
from ..scenarios import Scenario, scenarios
from ..vectors import TODAY, Run, piece_runs
from .bench import Report, Workbench


def check_reference(bench: Workbench) -> Report:
    """The reference renderer against the frameworks: text and mask of every kind of text."""
    report = Report("reference renderer")
    counts: dict[str, list[int]] = {}
    for name, truth in bench.truths.items():
        template = bench.catalogue.templates[name]
        count = counts.setdefault(truth.framework, [0, 0])
        for scenario in scenarios().values():
            for kind in Kind:
                runs = truth.texts[scenario.name][kind]
                if isinstance(runs, str):
                    continue
                ours = reference_runs(template, scenario, kind, truth.eos)
                count[0] += ours == runs
                count[1] += 1
                if ours != runs and truth.framework == "llamafactory":
                    report.wrong.append(f"{name}, {scenario.name}, {kind.value}: the renderer differs")
    for framework, (equal, total) in counts.items():
        report.lines.append(f"{equal} of {total} texts with their masks equal to {framework}'s")
    return report


def reference_runs(template: Template, scenario: Scenario, kind: Kind, eos: str) -> tuple[Run, ...] | None:
    """The reference renderer's text of a scenario as runs, None where it refuses."""
    messages = scenario.asked if kind is Kind.PROMPT else scenario.messages
    try:
        pieces = render(
            template,
            messages,
            scenario.tools,
            kind=kind,
            thinking=scenario.thinking,
            preserve_thinking=scenario.preserve_thinking,
            today=TODAY,
        )
    except Unsupported:
        return None
    return piece_runs(pieces, eos)
