"""What is known not to be exact, read from ``known.yaml``: everything else must be.

The file says what engines report, why, and for which templates and scenarios. It is written by hand; recording
only ever takes away from it, so that no regression is recorded without a word.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import yaml

from chatwright.meaning.scenarios import scenarios
from chatwright.pipeline.writer import write_file
from chatwright.records.engines import Result

FILE = Path(__file__).with_name("known.yaml")

Case = tuple[str, str]  # template and scenario
Found = Mapping[str, Mapping[str, Result]]  # template -> scenario -> result


@dataclass(frozen=True)
class Known:
    """Cases of one engine that are known not to be exact.

    ``says`` stands in the status and reason of each (``differs: at character``), ``why`` explains it to a reader.
    """

    engine: str
    says: str
    why: str
    cases: frozenset[Case]

    def covers(self, case: Case, result: Result) -> bool:
        """Whether the result of a case is the known one."""
        return case in self.cases and not _settled(result) and self.says in _told(result)


def load_known(file: Path = FILE) -> list[Known]:
    """Everything that is known, in the order of the file."""
    data = yaml.safe_load(file.read_text(encoding="utf-8"))
    return [
        Known(engine, entry["says"], entry["why"], frozenset(_cases(entry["where"])))
        for entry in data
        for engine in entry["engines"]
    ]


def dump_known(known: Iterable[Known], head: str) -> str:
    """The text of the file below its head comment: what is the same for several engines stands there once."""
    engines: dict[tuple[str, str, frozenset[Case]], list[str]] = {}
    for entry in known:
        if entry.cases:
            engines.setdefault((entry.says, entry.why, entry.cases), []).append(entry.engine)
    data = [
        {"engines": names, "says": says, "why": why, "where": _blocks(cases)}
        for (says, why, cases), names in engines.items()
    ]
    return head + yaml.safe_dump(data, sort_keys=False, default_flow_style=None, width=110, allow_unicode=True)


def judge(known: Iterable[Known], engine: str, found: Found) -> list[str]:
    """Every result that is neither exact, nor without an upstream truth, nor known, in words."""
    entries = [entry for entry in known if entry.engine == engine]
    return [
        f"{engine}: {template}, {scenario}: {_told(result)}"
        for template, results in found.items()
        for scenario, result in results.items()
        if not _settled(result) and not any(entry.covers((template, scenario), result) for entry in entries)
    ]


def outdated(known: Iterable[Known], engine: str, found: Found, *, complete: bool) -> list[Known]:
    """What is known of an engine, with only the cases that are no longer so: settled, or with another result.

    Where the results are ``complete``, cases that were not met are no longer so either.
    """
    results = {(template, scenario): result for template in found for scenario, result in found[template].items()}
    gone = [
        replace(
            entry,
            cases=frozenset(
                case for case in entry.cases if (not entry.covers(case, results[case]) if case in results else complete)
            ),
        )
        for entry in known
        if entry.engine == engine
    ]
    return [entry for entry in gone if entry.cases]


def shrink(file: Path, gone: Iterable[Known]) -> None:
    """Take the cases of each entry out of the file; it is left alone where nothing changes."""
    known = load_known(file)
    by_entry: dict[tuple[str, str, str], frozenset[Case]] = {}
    for entry in gone:
        key = (entry.engine, entry.says, entry.why)
        by_entry[key] = by_entry.get(key, frozenset()) | entry.cases
    kept = [
        replace(entry, cases=entry.cases - by_entry.get((entry.engine, entry.says, entry.why), frozenset()))
        for entry in known
    ]
    if kept != known:
        lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
        head = "".join(line for line in lines if line.startswith("#"))
        write_file(file, dump_known(kept, head))


def _told(result: Result) -> str:
    return f"{result.status}: {result.reason}"


def _settled(result: Result) -> bool:
    return result.status in ("exact", "not comparable")


def _cases(blocks: Iterable[Mapping[str, list[str]]]) -> Iterable[Case]:
    return ((name, scenario) for block in blocks for name in block["templates"] for scenario in block["scenarios"])


def _blocks(cases: Iterable[Case]) -> list[dict[str, list[str]]]:
    by_template: dict[str, set[str]] = {}
    for template, scenario in sorted(cases):
        by_template.setdefault(template, set()).add(scenario)
    blocks: dict[tuple[str, ...], list[str]] = {}
    for template, found in by_template.items():
        known = [scenario for scenario in scenarios() if scenario in found]
        blocks.setdefault((*known, *sorted(found.difference(known))), []).append(template)
    return [{"templates": templates, "scenarios": list(names)} for names, templates in blocks.items()]
