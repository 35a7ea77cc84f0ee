"""ms-swift: our registrations beside its built-ins on 4.6, and the same files on 3.12."""

from __future__ import annotations

import importlib.metadata

from chatwright.records.engines import Result

from . import swift_registration
from .workbench import Report, Results, Workbench, tally


def check_swift(bench: Workbench) -> Report:
    """The generated registration against ms-swift's built-ins: fields, texts, masks and stop words."""
    importlib.metadata.version("ms-swift")  # ImportError where there is none
    report = Report("swift")
    findings = swift_registration.check(bench.catalogue, bench.root / "generated")
    found: dict[str, Results] = {}
    for name, truth in findings.truths.items():
        bench.add_truth(name, truth)
        found[name] = {}
        for scenario, wrong in findings.differing[name].items():
            reason = truth.reason(scenario)
            if wrong is None and reason is not None:
                found[name][scenario] = Result("no upstream truth", reason)
            else:
                found[name][scenario] = Result("differs", wrong) if wrong else Result("exact")
    report.lines = [*findings.lines, tally("texts, masks and stop words, ours and the built-in's", found)]
    report.wrong = findings.wrong
    report.results["swift"] = found
    report.evidence = bench.evidence("swift", findings.version, "engine", "swift", found)
    return report


def check_swift_3(bench: Workbench) -> Report:
    """The same files on ms-swift 3.12: they import, and every difference in what they write has a known cause."""
    report = Report("swift-3")
    if bench.swift_3 is None:
        report.skipped = "the folder of an unpacked ms-swift 3 is not given"
        return report
    importlib.metadata.version("ms-swift")  # ImportError where there is none
    findings = swift_registration.check_3(bench.catalogue, bench.root / "generated", bench.swift_3)
    report.lines, report.wrong = findings.lines, findings.wrong
    return report
