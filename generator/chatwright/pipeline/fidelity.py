"""Fidelity: how true each template's file is on each engine, derived from recorded evidence and from nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..catalogue.evidence import STATUSES, EngineEvidence, by_reason
from ..catalogue.json_writer import json_text
from ..targets.protocol import Deployment, Deployments


def fidelity(evidence: Mapping[str, EngineEvidence], deployments: Deployments) -> dict[str, Any]:
    """Template -> engine -> grade, version, counts by status, and by status and reason the scenarios not exact.

    A file that has changed since the engine read it is ``unverified``; a template without a file is ``unsupported``.
    """
    names = sorted({name for target in deployments.values() for name in target})
    return {
        name: {
            engine: _judge(recorded, name, deployments[recorded.target][name])
            for engine, recorded in sorted(evidence.items())
            if name in deployments.get(recorded.target, {})
        }
        for name in names
    }


def fidelity_text(evidence: Mapping[str, EngineEvidence], known: Mapping[str, Any]) -> str:
    """``fidelity.json``: the engines with their version, grade and target, then what :func:`fidelity` found.

    What an engine's head says is not repeated in its verdicts, each of which has its line.
    """
    engines = {
        engine: {"version": recorded.version, "grade": recorded.grade, "target": recorded.target}
        for engine, recorded in sorted(evidence.items())
    }
    templates = {
        name: {
            engine: {key: value for key, value in verdict.items() if key not in ("version", "grade")}
            for engine, verdict in verdicts.items()
        }
        for name, verdicts in known.items()
    }
    return json_text({"engines": engines, "templates": templates}, depth=3)


def _judge(recorded: EngineEvidence, name: str, deployment: Deployment) -> dict[str, Any]:
    if deployment.path is None:
        return {"status": "unsupported", "reason": deployment.reason}
    template = recorded.templates.get(name)
    if template is None or template.artefact != deployment.sha256:
        return {"status": "unverified", "reason": "the file has changed since the engine read it, or it never did"}
    counts = {
        status: count
        for status in STATUSES
        if (count := sum(result.status == status for result in template.results.values()))
    }
    rest = by_reason(template.results)
    worst = "differs" if "differs" in counts else "exact" if "exact" in counts else "no upstream truth"
    return {"status": worst, "grade": recorded.grade, "version": recorded.version, "counts": counts, "not exact": rest}
