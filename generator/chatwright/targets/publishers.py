"""The page that compares each template with the chat template of its publisher."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from ..records.publishers import CAUSES
from .markdown import cell, link
from .models import address

_HASH = 8  # characters of a template's hash that are shown


def publishers_rows(known: Mapping[str, Any], labels: Mapping[str, str]) -> dict[str, Any]:
    """The data of the page; each text is escaped for a cell."""
    templates = known["templates"]
    compared = {name: verdict["compared"] for name, verdict in templates.items() if "compared" in verdict}
    rest = {name: verdict["reason"] for name, verdict in templates.items() if "compared" not in verdict}
    unknown = [name for name, verdict in templates.items() if verdict["status"] == "not comparable" and name in rest]
    return {
        "counts": list(_counts(known, compared, labels)),
        "causes": list(_causes(compared, labels)),
        "rows": [_row(name, entry, known["sources"], labels) for name, found in compared.items() for entry in found],
        "uncompared": [
            {"template": cell(name), "reason": cell(reason)} for name, reason in rest.items() if name not in unknown
        ],
        "unknown": cell(", ".join(unknown)),
    }


def same_cell(verdict: Mapping[str, Any], labels: Mapping[str, str], page: str) -> str:
    """The verdict of a template in a few words, with a link to the page with details."""
    if "compared" not in verdict:
        return "" if verdict.get("status") != "unverified" else labels["unverified"]
    shares = {f"{exact}/{total}": None for exact, total in map(_share, verdict["compared"]) if total}
    exact = f" ({', '.join(shares)})" if shares else ""
    return f"{link(labels[verdict['status']], page)}{exact}"


def _share(entry: Mapping[str, Any]) -> tuple[int, int]:
    counts = entry["counts"]
    exact = counts.get("exact", 0)
    return exact, exact + counts.get("differs", 0) + counts.get("unsupported", 0)


def _counts(known: Mapping[str, Any], compared: Mapping[str, Any], labels: Mapping[str, str]) -> Iterator[str]:
    rows = [entry for found in compared.values() for entry in found]
    with_truth = {name: [entry for entry in found if _share(entry)[1]] for name, found in compared.items()}
    same = {name: [entry["same"] for entry in found] for name, found in with_truth.items() if found}
    statuses: Counter[str] = Counter()
    for entry in rows:
        statuses.update(entry["counts"])
    without = len(compared) - len(same)
    others = sum(verdict["status"] in ("unsupported", "unverified") for verdict in known["templates"].values())
    yield labels["count_known"].format(known=len(compared) + others, all=len(known["templates"]))
    yield labels["count_same"].format(
        every=sum(map(all, same.values())),
        some=sum(map(any, same.values())),
        base=sum(any(entry["base"] for entry in found) for found in with_truth.values()),
        names=cell(", ".join(known["base"])),
    )
    yield labels["count_differ"].format(count=sum(not any(found) for found in same.values()))
    if without + others:
        yield labels["count_without"].format(count=without + others)
    counts = ", ".join(f"{statuses[status]} {labels[status]}" for status in sorted(statuses))
    yield labels["count_scenarios"].format(rows=len(rows), total=sum(statuses.values()), told=counts)


def _causes(compared: Mapping[str, Any], labels: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    for cause in CAUSES:
        rows = [
            (name, entry["causes"][cause])
            for name, found in compared.items()
            for entry in found
            if cause in entry["causes"]
        ]
        if rows:
            yield {
                "name": cell(cause),
                "meaning": cell(labels[cause]),
                "templates": len({name for name, _ in rows}),
                "scenarios": sum(count for _, count in rows),
            }


def _row(
    name: str, entry: Mapping[str, Any], sources: Mapping[str, Mapping[str, Any]], labels: Mapping[str, str]
) -> dict[str, str]:
    exact, total = _share(entry)
    differs = [f"{cause} {count}" for cause, count in entry["causes"].items()]
    if refused := entry["counts"].get("unsupported"):
        differs.append(f"{labels['refuses']} {refused}")
    if bos := entry.get("bos"):
        differs.append(labels[f"bos_{bos}"])
    without = {reason: len(names) for reason, names in entry.get("not comparable", {}).items()}
    return {
        "template": cell(name),
        "publishers": ", ".join(_source(sources[each]) for each in entry["publishers"]),
        "exact": f"{exact}/{total}" if total else "",
        "differs": cell("; ".join(differs)),
        "without": cell("; ".join(f"{count}: {reason}" for reason, count in without.items())),
        "first": _first(entry, labels),
    }


def _source(source: Mapping[str, Any]) -> str:
    copy = "" if source["verbatim"] else "\\*"
    return f"{link(source['repo'], address('huggingface', source['repo']))} {cell(source['sha256'][:_HASH])}{copy}"


def _first(entry: Mapping[str, Any], labels: Mapping[str, str]) -> str:
    if not entry.get("first"):
        return ""
    first = entry["examples"][entry["first"]]
    sides = f"{labels['theirs']}: {first['publisher']} {labels['ours']}: {first['ours']}"
    return cell(f"{first['scenario']}: {first['before']} ‖ {sides}")
