"""The catalogue against whole registries: complete for the installed frameworks, and exact about older versions."""

from __future__ import annotations

from chatwright.catalogue.build import FRAMEWORKS
from chatwright.pipeline.writer import write_file
from chatwright.records.frameworks import built_ins

from ..places import RESULTS
from ..sync import compare, registry, report
from ..sync.compare import Difference
from ..sync.registry import Registry
from .workbench import Report, Workbench


def check_sync(bench: Workbench) -> Report:
    """What `python -m conformance sync` says: nothing to do, and against an older version what has changed since."""
    found = Report("sync", skipped=None if "older" in bench.given else "the folder of older versions is not there")
    for framework in FRAMEWORKS:
        try:
            _check(found, bench, framework)
        except registry.NotInstalled as error:
            raise ImportError(str(error)) from error
    return found


def _check(report_: Report, bench: Workbench, framework: str) -> None:
    ours, theirs = registry.read_both(framework, bench.catalogue)
    before = built_ins().get(framework)
    differences, extra = compare.compare(ours, theirs, before), compare.extras(ours, theirs, before)
    told = "; ".join(line for line in report.lines(differences, extra, theirs) if not line.startswith("  "))
    if differences:
        report_.wrong.append(f"{told}; run: python -m conformance sync {framework}")
    else:
        report_.lines.append(told)
    if "older" not in bench.given:
        return
    ours_there, theirs_there = registry.read_both(framework, bench.catalogue, [bench.given["older"] / framework])
    now = registry.built_ins_of(theirs)
    changed = compare.compare(ours_there, theirs_there, now)
    if not differences:
        check_changes(report_, changed, compare.compare(theirs, theirs_there, now), extra, theirs_there)
    listed = report.lines(changed, compare.extras(ours_there, theirs_there, now), theirs_there)
    text = "\n".join(listed) + "\n"
    path = RESULTS / f"sync_{framework}_{theirs_there.version}.txt"
    if bench.record:
        write_file(path, text)
    elif not path.is_file() or path.read_text(encoding="utf-8") != text:
        report_.wrong.append(f"{path.name} is not what `python -m conformance sync` lists; run `make record`")
    report_.lines.append(f"{listed[0]}, as {path.name} lists them")


def check_changes(
    report_: Report, ours: list[Difference], own: list[Difference], extra: list[Difference], there: Registry
) -> None:
    """A complete catalogue differs from an older version in the very facts in which the newer version does.

    Left out are registrations that only we have beside the newer version and that the older one has, too.
    """
    added = {(fact.kind, fact.name) for fact in extra if fact.change == "gone" and fact.kind != "group"}
    listed, due = ({_fact(fact) for fact in facts if (fact.kind, fact.name) not in added} for facts in (ours, own))
    title = f"{FRAMEWORKS[there.framework]} {there.version}"
    report_.wrong += [f"{title}: not listed, but changed since: {fact}" for fact in sorted(due - listed)]
    report_.wrong += [f"{title}: listed, but not changed since: {fact}" for fact in sorted(listed - due)]
    report_.lines.append(
        f"{title}: {len(due)} facts differ in the framework's own registries, {len(due & listed)} of them listed"
    )


def _fact(fact: Difference) -> str:
    """What a fact is about; groups that are gone have no number upstream, but models."""
    name = fact.name
    if fact.kind == "group" and fact.change == "gone":
        name = f"{name.rpartition('/')[0]}/{sorted(map(str, fact.ours['models']))}"
    return f"{fact.kind} {name} {fact.change} {fact.field or ''}".rstrip()
