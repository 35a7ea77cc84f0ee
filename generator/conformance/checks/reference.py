"""The reference renderer against the frameworks: text and mask of every kind of text."""

from __future__ import annotations

from chatwright.catalogue.model import Template
from chatwright.meaning.render import Kind
from chatwright.meaning.runs import TODAY, Run, piece_runs
from chatwright.meaning.scenarios import Scenario, scenarios
from chatwright.records.engines import Result

from .attempts import Refusal, attempt, difference
from .workbench import Report, Results, Workbench


def check_reference(bench: Workbench) -> Report:
    """The reference renderer against the frameworks: text and mask of every kind of text."""
    report = Report("reference renderer")
    counts: dict[str, list[int]] = {}
    found: dict[Kind, dict[str, Results]] = {kind: {} for kind in Kind}
    for name, truth in bench.truths.items():
        template = bench.catalogue.templates[name]
        count = counts.setdefault(truth.framework, [0, 0])
        for kind in Kind:
            results = found[kind].setdefault(name, {})
            for scenario in scenarios().values():
                runs = truth.texts[scenario.name][kind]
                if isinstance(runs, str):
                    results[scenario.name] = Result("not comparable", runs)
                    continue
                ours = attempt(reference_runs, template, scenario, kind, truth.eos)
                count[0] += ours == runs
                count[1] += 1
                results[scenario.name] = _result(ours, runs)
    report.results = {f"reference renderer, {kind.value}": results for kind, results in found.items()}
    for framework, (equal, total) in counts.items():
        report.lines.append(f"{equal} of {total} texts with their masks equal to {framework}'s")
    return report


def _result(ours: tuple[Run, ...] | Refusal, theirs: tuple[Run, ...]) -> Result:
    if ours == theirs:
        return Result("exact")
    if isinstance(ours, Refusal):
        return Result("unsupported", str(ours))
    got, expected = ("".join(text for text, _ in runs) for runs in (ours, theirs))
    return Result("differs", "the mask differs" if got == expected else difference(got, expected))


def reference_runs(template: Template, scenario: Scenario, kind: Kind, eos: str) -> tuple[Run, ...]:
    """The reference renderer's text of a scenario as runs.

    Raises:
        Unsupported: the template cannot express it.
    """
    return piece_runs(scenario.pieces(template, kind, TODAY), eos)
