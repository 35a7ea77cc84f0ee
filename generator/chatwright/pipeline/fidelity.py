"""Fidelity: how true each template's file is on each engine, derived from recorded evidence and from nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from ..json_writer import json_text
from ..records.engines import STATUSES, EngineEvidence, by_reason
from ..records.publishers import Comparison, Comparisons, comparison_entry
from ..targets.protocol import Deployment, Deployments


def fidelity(evidence: Mapping[str, EngineEvidence], deployments: Deployments) -> dict[str, Any]:
    """Template -> engine -> grade, version, counts by status, and by status and reason the scenarios not exact.

    A file that has changed since the engine read it is ``unverified``; a template without a file is ``unsupported``.
    One that was read ``differs`` where it does in any scenario, else it is ``exact`` where it is in any: the counts
    tell how many are unsupported.
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


def beside_publishers(comparisons: Comparisons, templates: Iterable[str], deployments: Deployments) -> dict[str, Any]:
    """How each template compares with its publishers' own: their sources, and by template a status.

    ``exact`` where every scenario that any of them carries is, ``differs`` where one is not; then what was compared,
    a list of publishers' templates that compare alike each.
    """
    served = deployments.get("vllm", {})
    found = {name: _beside(comparisons, name, served.get(name)) for name in templates}
    used = {each for verdict in found.values() for row in verdict.get("compared", ()) for each in row["publishers"]}
    sources = {name: asdict(source) for name, source in comparisons.sources.items() if name in used}
    return {"base": list(comparisons.base), "sources": sources, "templates": found}


def _beside(comparisons: Comparisons, name: str, deployment: Deployment | None) -> dict[str, Any]:
    compared = comparisons.templates.get(name)
    if compared is None:
        return {"status": "not comparable", "reason": "no publisher's template is known"}
    if deployment is None or deployment.path is None:
        return {"status": "unsupported", "reason": deployment.reason if deployment else "there is no file"}
    if compared.artefact != deployment.sha256:
        return {"status": "unverified", "reason": "the file has changed since it was compared"}
    statuses = {status for found in compared.comparisons for status in found.counts}
    status = "differs" if statuses & {"differs", "unsupported"} else "exact" if "exact" in statuses else None
    rows = [_compared(found, comparisons.base) for found in compared.comparisons]
    return {"status": status or "not comparable", "compared": rows}


def _compared(found: Comparison, base: Iterable[str]) -> dict[str, Any]:
    causes = found.causes
    first = min(
        found.examples, key=lambda cause: list(found.results).index(found.examples[cause].scenario), default=None
    )
    return {
        "same": found.same,
        "base": all(found.results[name].status == "exact" for name in base),
        "counts": found.counts,
        "causes": {cause: len(names) for cause, names in causes.items()},
        "first": first,
        **comparison_entry(found),
    }


def fidelity_text(
    evidence: Mapping[str, EngineEvidence], known: Mapping[str, Any], publishers: Mapping[str, Any] | None = None
) -> str:
    """``fidelity.json``: the engines with their version, grade and target, then what :func:`fidelity` found.

    Behind it stands what :func:`beside_publishers` found, where it was asked.

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
    beside = {"publishers": publishers} if publishers else {}
    return json_text({"engines": engines, "templates": templates, **beside}, depth=3)


def _judge(recorded: EngineEvidence, name: str, deployment: Deployment) -> dict[str, Any]:
    if deployment.path is None:
        return {"status": "unsupported", "reason": deployment.reason}
    template = recorded.templates.get(name)
    if template is None:
        return {"status": "unverified", "reason": "the engine has not read this file"}
    if template.artefact != deployment.sha256:
        return {"status": "unverified", "reason": "the file has changed since the engine read it"}
    found = Counter(result.status for result in template.results.values())
    counts = {status: found[status] for status in STATUSES if found[status]}
    rest = by_reason(template.results)
    worst = "differs" if "differs" in counts else "exact" if "exact" in counts else "not comparable"
    return {"status": worst, "grade": recorded.grade, "version": recorded.version, "counts": counts, "not exact": rest}
