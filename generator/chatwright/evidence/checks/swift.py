"""ms-swift: our registrations beside its built-ins on 4.6, the same files on 3.12, and its agent templates."""

from __future__ import annotations

import importlib.metadata

from ...catalogue.evidence import Result
from ...errors import Unsupported
from ...meaning.conversation import Call
from ...meaning.tool_formats import (
    ToolFormat,
    format_beside,
    format_calls,
    format_separator,
    format_tools,
    tool_formats,
)
from ..engines.swift import SwiftError, start
from ..fuzz import AgentCase, agent_cases
from ..vectors import TODAY, tool_digest
from . import swift_registration
from .bench import Report, Results, Workbench, tally


def check_swift(bench: Workbench) -> Report:
    """The generated registration against ms-swift's built-ins: fields, texts, masks and stop words."""
    importlib.metadata.version("ms-swift")  # ImportError where there is none
    report = Report("swift")
    try:
        findings = swift_registration.check(bench.catalogue, bench.root / "generated")
    except SwiftError as error:
        report.wrong.append(str(error))
        return report
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


def check_agent_templates(bench: Workbench) -> Report:
    """Every tool format of ms-swift alone against its own Python on random tools and calls."""
    report = Report("agent templates")
    importlib.metadata.version("ms-swift")  # ImportError where there is none
    cases = list(agent_cases(1000))
    with start(today=TODAY) as swift:
        for definition in tool_formats().values():
            if "llamafactory" in definition.frameworks:
                continue
            digests = bench.written_tools.setdefault(definition.name, [])
            theirs = swift.agent_texts(definition.frameworks["swift"], cases)
            before = len(report.wrong)
            for case, due in zip(cases, theirs, strict=True):
                if agent_texts(definition, case) != tuple(due):
                    report.wrong.append(f"{definition.name}: {case} differs")
                digests.append(tool_digest(*due))
            refused = sum(None in due for due in theirs)
            report.lines.append(
                f"{definition.name}: {len(cases)} random cases, {len(report.wrong) - before} differ "
                f"({refused} refused by both)"
            )
    return report


def agent_texts(definition: ToolFormat, case: AgentCase) -> tuple[str | None, str | None, str | None]:
    """Our text of what :meth:`..engines.swift.Swift.agent_texts` tells of a case."""
    described: str | None
    try:
        described = format_tools(definition, case.tools, TODAY, system=case.system, user=case.user)
    except Unsupported:
        described = None
    if described is not None and definition.place == "behind_system":
        described = (case.system or "") + described
    text = format_beside(definition, case.text)
    try:
        calls = format_calls(definition, [Call(call["name"], call["arguments"]) for call in case.calls])
    except Unsupported:
        return described, None, None
    end = definition.results.calls_end if definition.results else ""
    return described, text + format_separator(definition, text), calls + end
