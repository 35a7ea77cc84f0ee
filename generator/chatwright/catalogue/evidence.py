"""Recorded evidence: what the engines said about each generated file, read from ``tests/evidence/*.json``.

A file holds one engine: its version, the grade of the evidence (``engine``: the real thing ran; ``emulated@version``:
its documented rule was applied), the target whose files it read, and per template the hash of the file's body and what
became of each scenario. Evidence about a file that has changed since counts for nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

STATUSES = ("exact", "differs", "unsupported", "no upstream truth")


@dataclass(frozen=True)
class Result:
    """What became of one scenario: one of :data:`STATUSES`, and why where it is not exact."""

    status: str
    reason: str | None = None


@dataclass(frozen=True)
class TemplateEvidence:
    """What an engine said about one template's file, whose body had the hash ``artefact``; results by scenario."""

    artefact: str
    results: Mapping[str, Result]


@dataclass(frozen=True)
class EngineEvidence:
    """What one engine said."""

    engine: str
    version: str
    grade: str
    target: str
    templates: Mapping[str, TemplateEvidence]


def load_evidence(folder: Path) -> dict[str, EngineEvidence]:
    """All recorded evidence by engine, sorted; empty where the folder does not exist."""
    if not folder.is_dir():
        return {}
    loaded = (_read(json.loads(path.read_text(encoding="utf-8"))) for path in sorted(folder.glob("*.json")))
    return {evidence.engine: evidence for evidence in loaded}


def dump_evidence(evidence: EngineEvidence) -> str:
    """The evidence as the text of its file: sorted, one template a block."""
    templates: dict[str, Any] = {}
    for name, template in sorted(evidence.templates.items()):
        by_status: dict[str, Any] = {"artefact": template.artefact}
        for status in STATUSES:
            found = {scenario: result for scenario, result in template.results.items() if result.status == status}
            if found and status == "exact":
                by_status[status] = list(found)
            elif found:
                by_status[status] = {scenario: result.reason for scenario, result in found.items()}
        templates[name] = by_status
    head = {key: getattr(evidence, key) for key in ("engine", "version", "grade", "target")}
    return json.dumps({**head, "templates": templates}, ensure_ascii=False, indent=1) + "\n"


def _read(data: Mapping[str, Any]) -> EngineEvidence:
    templates = {}
    for name, template in data["templates"].items():
        results = {scenario: Result("exact") for scenario in template.get("exact", ())}
        for status in STATUSES[1:]:
            results.update({key: Result(status, reason) for key, reason in template.get(status, {}).items()})
        templates[name] = TemplateEvidence(template["artefact"], results)
    head = {key: data[key] for key in ("engine", "version", "grade", "target")}
    return EngineEvidence(**head, templates=templates)
