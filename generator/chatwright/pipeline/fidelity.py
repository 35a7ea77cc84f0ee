"""Fidelity: how exactly each engine renders each template's file, derived from recorded evidence only."""

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
    """Template -> engine -> grade, version, counts by status, and the scenarios that are not exact with their reasons.

    A file that has changed since the engine read it is ``unverified``; a template without a file is ``unsupported``.
    Else the status is ``differs`` if any scenario differs, or ``exact`` if any scenario is exact; the counts say how
    many are unsupported.
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


def publisher_fidelity(comparisons: Comparisons, templates: Iterable[str], deployments: Deployments) -> dict[str, Any]:
    """How each template compares with its publishers' own: the sources, and a verdict for each template.

    A verdict is ``exact`` if every scenario that a publisher's template supports is exact, and ``differs`` if one is
    not. ``compared`` has a row for each group of publishers' templates that compare alike.
    """
    served = deployments.get("vllm", {})
    found = {name: _publisher_verdict(comparisons, name, served.get(name)) for name in templates}
    used = {each for verdict in found.values() for row in verdict.get("compared", ()) for each in row["publishers"]}
    sources = {name: asdict(source) for name, source in comparisons.sources.items() if name in used}
    return {"base": list(comparisons.base), "sources": sources, "templates": found}


def _publisher_verdict(comparisons: Comparisons, name: str, deployment: Deployment | None) -> dict[str, Any]:
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
    """``fidelity.json``: the engines with version, grade and target, then the result of :func:`fidelity`.

    The result of :func:`publisher_fidelity` comes last, if there is one. Each verdict has a line, which does not repeat
    the engine's version, grade and target.
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
    compared = {"publishers": publishers} if publishers else {}
    return json_text({"engines": engines, "templates": templates, **compared}, depth=3)


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
