"""What the checks share: the workbench they stand at, the report they give, and how results are compared."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chatwright.catalogue.model import Catalogue
from chatwright.meaning.scenarios import Scenario, scenarios
from chatwright.records.engines import EngineEvidence, Result, TemplateEvidence
from chatwright.records.frameworks import BuiltIns
from chatwright.records.publishers import Comparisons
from chatwright.records.servers import Parsers
from chatwright.targets.protocol import Deployment

from .. import places
from ..asked import Asked
from ..publishers import Finding, Record
from ..vectors import Truth
from .attempts import Refusal, attempt, difference

Results = dict[str, Result]


@dataclass
class Workbench:
    """What the checks share: the catalogue, the tree that was generated from it, and the truths found so far."""

    catalogue: Catalogue
    root: Path  # the folder that holds generated/
    deployments: Mapping[str, Mapping[str, Deployment]]
    given: Mapping[str, Path] = field(default_factory=dict)  # what the run was given, see places.GIVEN
    recorded_publishers: Path | None = None  # what is recorded of them
    vectors: Path | None = None  # what is recorded of the frameworks
    asked: Asked = field(default_factory=lambda: Asked(everything=True))  # what engines answered before
    record: bool = False  # whether what is compared with a file is written to it instead
    truths: dict[str, Truth] = field(default_factory=dict)  # by template, see add_truth
    recorded: list[Truth] = field(default_factory=list)  # every framework's
    written_tools: dict[str, list[str]] = field(default_factory=dict)  # by tool format, see check_tool_formats
    written_turns: dict[str, list[str]] = field(default_factory=dict)  # by tool format, see check_swift_tools
    built_ins: dict[str, BuiltIns] = field(default_factory=dict)  # by framework
    parsers: dict[str, Parsers] = field(default_factory=dict)  # by server
    publishers: tuple[Record, dict[str, Finding]] | None = None  # see check_publishers
    comparisons: Comparisons | None = None  # with publishers' templates, see check_publishers
    added: dict[str, dict[str, Results]] = field(default_factory=dict)  # by framework, see check_added
    models: dict[str, Mapping[str, Any]] = field(default_factory=dict)  # LLaMA-Factory's own, by name

    def need(self, name: str) -> Path:
        """A folder or file of what was given.

        Raises:
            ImportError: it was not, or is not there; the check that needs it is skipped.
        """
        path = self.given.get(name)
        if path is None or not path.exists():
            raise ImportError(f"{places.GIVEN[name]} is not there")
        return path

    def add_truth(self, template: str, truth: Truth) -> None:
        """Keep what a framework's built-in writes for a template; LLaMA-Factory's word counts where both have one."""
        if truth.framework == "llamafactory" or template not in self.truths:
            self.truths[template] = truth
        self.recorded.append(truth)

    def built_ins_of(self, framework: str) -> set[str]:
        """The names of the framework's own templates that the catalogue has."""
        return {truth.name for truth in self.recorded if truth.framework == framework}

    def body(self, target: str, template: str) -> str | None:
        """The text of a template's file, header included; None where the target refuses it."""
        path = self.deployments[target][template].path
        return None if path is None else (self.root / "generated" / path).read_text(encoding="utf-8")

    def bodies(self, target: str) -> dict[str, str]:
        """The text of every template's file that the target makes, header included."""
        found = ((name, self.body(target, name)) for name in self.catalogue.templates)
        return {name: body for name, body in found if body is not None}

    def served(self, target: str) -> Iterator[tuple[str, Truth, str]]:
        """Each template of which a truth is known, with that truth and the text of the target's file."""
        for name, truth in self.truths.items():
            if (body := self.body(target, name)) is not None:
                yield name, truth, body

    def conclude(
        self, report: Report, found: Mapping[str, Results], version: str, target: str, grade: str = "engine"
    ) -> Report:
        """The report with the results of its engine, and the evidence that they are."""
        report.results[report.engine] = dict(found)
        report.evidence = self.evidence(report.engine, version, grade, target, found)
        return report

    def evidence(
        self, engine: str, version: str, grade: str, target: str, found: Mapping[str, Results]
    ) -> EngineEvidence:
        """The evidence of one engine, bound to the files it read."""
        artefacts = {name: self.deployments[target][name].sha256 for name in found}
        templates = {
            name: TemplateEvidence(sha256, found[name]) for name, sha256 in artefacts.items() if sha256 is not None
        }
        return EngineEvidence(engine, version, grade, target, templates)


@dataclass
class Report:
    """What one engine's check found; ``skipped`` says why it could not be had, ``wrong`` lists every failure.

    ``results`` holds what must be exact or known, by the name under which it may be known (see :mod:`..known`).
    """

    engine: str
    lines: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    results: dict[str, dict[str, Results]] = field(default_factory=dict)
    evidence: EngineEvidence | None = None
    skipped: str | None = None


def compare(
    truth: Truth,
    write: Callable[[Scenario], str],
    due: Callable[[str], str] = lambda prompt: prompt,
    changes: Callable[[Scenario], str | None] = lambda scenario: None,
    judge: Callable[[Scenario, str, str], Result] | None = None,
) -> Results:
    """Hold what an engine writes against a framework's inference prompts.

    ``due`` is what the engine must make of a prompt; ``changes`` tells what the engine does to a request before it
    reads the file, which no file can mend. ``judge`` says what to think of a text and the one that is due; they must be
    equal where it is not given.
    """
    results: Results = {}
    for scenario in scenarios().values():
        expected = truth.prompt(scenario.name)
        if expected is None:
            results[scenario.name] = Result("not comparable", truth.reason(scenario.name))
            continue
        expected = due(expected)
        if change := changes(scenario):
            results[scenario.name] = Result("differs", change)
            continue
        got = attempt(write, scenario)
        if isinstance(got, Refusal):
            results[scenario.name] = Result("unsupported", str(got))
        elif got == expected:
            results[scenario.name] = Result("exact")
        elif judge:
            results[scenario.name] = judge(scenario, got, expected)
        else:
            results[scenario.name] = Result("differs", difference(got, expected))
    return results


def tally(what: str, found: Mapping[str, Mapping[str, Result]]) -> str:
    """How many results there are of each status, in words."""
    counts: dict[str, int] = {}
    for result in _all(found):
        counts[result.status] = counts.get(result.status, 0) + 1
    told = ", ".join(f"{count} {status}" for status, count in sorted(counts.items()))
    return f"{what}: {len(found)} templates, {told}"


def _all(found: Mapping[str, Mapping[str, Result]]) -> Iterable[Result]:
    return (result for results in found.values() for result in results.values())
