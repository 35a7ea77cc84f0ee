"""How each template compares with its publishers' own chat templates, read from ``data/publishers``.

Recorded by ``make conformance``. Like all evidence, it is valid only for a generated file with the recorded hash. A
scenario is ``exact``; ``differs``, with the causes in a word each; ``unsupported`` if our file refuses what the
publisher's template renders; or ``not comparable`` if the publisher's template raises an error or ignores the
tools.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..json_writer import json_text
from ..resources import records_path
from .engines import STATUSES, Result, by_reason

FILE = "compared.json"
# The causes of differences between two texts that a program can detect, in listing order.
CAUSES = (
    "default-system",  # only one of them writes a default system text, or another head, without a system message
    "empty-system",  # an empty system message
    "system-layout",  # the place and the form of the system message
    "turn-layout",  # how turns are written
    "generation-prompt",  # the end of the prompt, where the model begins to write
    "thinking-prefill",  # the mark of a thought after the generation prompt
    "thought-layout",  # thoughts in earlier replies
    "thinking-switch",  # the effect of turning thinking on or off, or of a level
    "tool-layout",  # how tools are described
    "tool-calls",  # how calls and results are written
    "trimming",  # white space around messages
    "white-space",  # white space elsewhere
)
TAIL = ("generation-prompt", "thinking-prefill")
SEPARATOR = ", "  # between the causes of one scenario


@dataclass(frozen=True)
class Source:
    """A publisher's template: its repository, the hash of its text, and ``source``, its place and revision.

    ``verbatim``: according to that place, this is the publisher's own text; else it is a copy by a third party.
    """

    repo: str
    sha256: str
    source: str
    verbatim: bool


@dataclass(frozen=True)
class Example:
    """The first difference between two texts of a scenario: the common text before it, and how each text continues.

    All texts are made visible.
    """

    scenario: str
    before: str
    publisher: str
    ours: str


@dataclass(frozen=True)
class Comparison:
    """The comparison of one of our templates with publishers' templates that give the same results, named by ids.

    ``examples`` holds the first scenario of each cause. If only one of the two texts begins with the BOS, ``bos`` names
    it: ``publisher`` or ``ours``. The other one leaves the BOS to the tokenizer, so the BOS is not compared.
    """

    publishers: tuple[str, ...]
    results: Mapping[str, Result]
    examples: Mapping[str, Example] = field(default_factory=dict)
    bos: str | None = None

    @property
    def counts(self) -> dict[str, int]:
        """The number of scenarios by status."""
        found = [result.status for result in self.results.values()]
        return {status: found.count(status) for status in STATUSES if status in found}

    @property
    def same(self) -> bool:
        """Whether every scenario that the publisher's template supports is exact."""
        return not {"differs", "unsupported"} & self.counts.keys() and "exact" in self.counts

    @property
    def causes(self) -> dict[str, list[str]]:
        """The scenarios that differ, by cause."""
        found: dict[str, list[str]] = {}
        for scenario, result in self.results.items():
            for cause in (result.reason or "").split(SEPARATOR) if result.status == "differs" else ():
                found.setdefault(cause, []).append(scenario)
        return {cause: found[cause] for cause in CAUSES if cause in found}


@dataclass(frozen=True)
class Compared:
    """The comparisons of one template; ``artefact`` is the hash of its generated file, None if there is no file."""

    artefact: str | None
    comparisons: tuple[Comparison, ...]


@dataclass(frozen=True)
class Comparisons:
    """All recorded comparisons: the publishers' templates by id, and the comparisons by template."""

    sources: Mapping[str, Source] = field(default_factory=dict)
    templates: Mapping[str, Compared] = field(default_factory=dict)
    base: tuple[str, ...] = ()  # the scenarios that every format must support


def load_comparisons(folder: Path | None = None) -> Comparisons:
    """The recorded comparisons, or those in ``folder``; empty if there are none."""
    file = (folder or records_path("publishers")) / FILE
    if not file.is_file():
        return Comparisons()
    data = json.loads(file.read_text(encoding="utf-8"))
    return Comparisons(
        {name: Source(**fields) for name, fields in data["publishers"].items()},
        {
            name: Compared(each["artefact"], tuple(_comparison(found, data["scenarios"]) for found in each["compared"]))
            for name, each in data["templates"].items()
        },
        tuple(data["base"]),
    )


def dump_comparisons(comparisons: Comparisons, scenarios: Sequence[str]) -> str:
    """The comparisons as the text of their file; each must cover all of the scenarios."""
    templates = {
        name: {"artefact": each.artefact, "compared": [comparison_entry(found) for found in each.comparisons]}
        for name, each in sorted(comparisons.templates.items())
    }
    sources = {name: asdict(source) for name, source in sorted(comparisons.sources.items())}
    head = {"scenarios": list(scenarios), "base": list(comparisons.base), "publishers": sources}
    return json_text({**head, "templates": templates}, depth=5)


def comparison_entry(found: Comparison) -> dict[str, Any]:
    """One comparison as plain data: the publishers, the scenarios that are not exact by status and reason, examples."""
    entry: dict[str, Any] = {"publishers": list(found.publishers), **by_reason(found.results)}
    if found.examples:
        entry["examples"] = {cause: asdict(example) for cause, example in found.examples.items()}
    return entry | ({"bos": found.bos} if found.bos else {})


def _comparison(data: Mapping[str, Any], scenarios: Sequence[str]) -> Comparison:
    results = dict.fromkeys(scenarios, Result("exact"))
    for status in STATUSES[1:]:
        for reason, names in data.get(status, {}).items():
            results.update(dict.fromkeys(names, Result(status, reason or None)))
    examples = {cause: Example(**example) for cause, example in data.get("examples", {}).items()}
    return Comparison(tuple(data["publishers"]), results, examples, data.get("bos"))
