"""Recorded evidence: how each engine rendered the generated files, read from ``data/engines/*.json``.

A file holds one engine: its version, the grade of the evidence (``engine``: the real engine ran; ``emulated@version``:
its documented rule was applied), the target whose files it read, and the scenarios. For each template it holds the hash
of the file's body and the scenarios that are not exact, by status and reason; all others are exact. Evidence about a
file that has changed since is ignored.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..json_writer import json_text
from ..resources import records_path

STATUSES = ("exact", "differs", "unsupported", "not comparable")
_HEAD = ("engine", "version", "grade", "target")


@dataclass(frozen=True)
class Result:
    """The result of one scenario: one of :data:`STATUSES`, and the reason if it is not exact."""

    status: str
    reason: str | None = None


@dataclass(frozen=True)
class TemplateEvidence:
    """An engine's results by scenario for one template's file, whose body had the hash ``artefact``."""

    artefact: str
    results: Mapping[str, Result]


@dataclass(frozen=True)
class EngineEvidence:
    """The evidence of one engine."""

    engine: str
    version: str
    grade: str
    target: str
    templates: Mapping[str, TemplateEvidence]


def load_evidence(folder: Path | None = None) -> dict[str, EngineEvidence]:
    """All recorded evidence by engine, sorted; empty if ``folder`` does not exist."""
    folder = folder or records_path("engines")
    if not folder.is_dir():
        return {}
    loaded = (_read(json.loads(path.read_text(encoding="utf-8"))) for path in sorted(folder.glob("*.json")))
    return {evidence.engine: evidence for evidence in loaded}


def dump_evidence(evidence: EngineEvidence) -> str:
    """The evidence as the text of its file: sorted, with a line per template and status.

    Raises:
        ValueError: a template was not tried on the same scenarios as the others.
    """
    scenarios: list[str] | None = None
    templates: dict[str, Any] = {}
    for name, template in sorted(evidence.templates.items()):
        scenarios = scenarios or list(template.results)
        if set(scenarios) != set(template.results):
            raise ValueError(f"{evidence.engine}: {name} was not tried on the scenarios of the others")
        templates[name] = {"artefact": template.artefact, **by_reason(template.results)}
    head = {key: getattr(evidence, key) for key in _HEAD}
    return json_text({**head, "scenarios": scenarios or [], "templates": templates}, depth=3)


def by_reason(results: Mapping[str, Result]) -> dict[str, dict[str, list[str]]]:
    """The scenarios that are not exact, by status and reason."""
    found: dict[str, dict[str, list[str]]] = {status: {} for status in STATUSES[1:]}
    for scenario, result in results.items():
        if result.status in found:
            found[result.status].setdefault(result.reason or "", []).append(scenario)
    return {status: reasons for status, reasons in found.items() if reasons}


def _read(data: Mapping[str, Any]) -> EngineEvidence:
    templates = {}
    for name, template in data["templates"].items():
        results = dict.fromkeys(data["scenarios"], Result("exact"))
        for status in STATUSES[1:]:
            for reason, scenarios in template.get(status, {}).items():
                results.update(dict.fromkeys(scenarios, Result(status, reason or None)))
        templates[name] = TemplateEvidence(template["artefact"], results)
    return EngineEvidence(**{key: data[key] for key in _HEAD}, templates=templates)
