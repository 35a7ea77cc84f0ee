"""How each template compares with its publishers' own chat templates, read from ``data/publishers``.

Recorded by ``make conformance`` and bound, as all evidence is, to the hash of the generated file that was compared. A
scenario is ``exact``; ``differs``, by its causes in a word each; ``unsupported`` where our file refuses what the
publisher's writes; or has ``not comparable`` where the publisher's raises, or
passes over the tools.
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
# Why two texts differ, as far as a program can tell, in the order in which they are listed.
CAUSES = (
    "default-system",  # a default system text or another head that only one of them writes where none is asked for
    "empty-system",  # an empty system message
    "system-layout",  # where and how the system message stands
    "turn-layout",  # how turns are written
    "generation-prompt",  # the end of the prompt, where the model begins to write
    "thinking-prefill",  # the thought mark behind it
    "thought-layout",  # thoughts in earlier replies
    "thinking-switch",  # what a request adds that turns thinking on or off, or names a level
    "tool-layout",  # how tools are described
    "tool-calls",  # how calls and results are written
    "trimming",  # white space around messages
    "white-space",  # white space elsewhere
)
TAIL = ("generation-prompt", "thinking-prefill")
SEPARATOR = ", "  # between the causes of one scenario


@dataclass(frozen=True)
class Source:
    """A publisher's template: its repository, the hash of its text, and the place and revision it was read from.

    ``verbatim`` says that the place calls it the publisher's own text; else it is a third party's copy.
    """

    repo: str
    sha256: str
    source: str
    verbatim: bool


@dataclass(frozen=True)
class Example:
    """Where two texts of a scenario part, made visible: what stands before, and what each of them goes on with."""

    scenario: str
    before: str
    publisher: str
    ours: str


@dataclass(frozen=True)
class Comparison:
    """One of our templates beside publishers' templates that compare alike, which are named by their ids.

    ``examples`` holds the first scenario of each cause. ``bos`` names the only one of the two whose text begins with
    the BOS, ``publisher`` or ``ours``: the other leaves it to the tokenizer, and it is left aside.
    """

    publishers: tuple[str, ...]
    results: Mapping[str, Result]
    examples: Mapping[str, Example] = field(default_factory=dict)
    bos: str | None = None

    @property
    def counts(self) -> dict[str, int]:
        """How many scenarios there are of each status."""
        found = [result.status for result in self.results.values()]
        return {status: found.count(status) for status in STATUSES if status in found}

    @property
    def same(self) -> bool:
        """Whether every scenario that the publisher's template carries is exact."""
        return not {"differs", "unsupported"} & self.counts.keys() and "exact" in self.counts

    @property
    def causes(self) -> dict[str, list[str]]:
        """The scenarios that differ, by each of their causes."""
        found: dict[str, list[str]] = {}
        for scenario, result in self.results.items():
            for cause in (result.reason or "").split(SEPARATOR) if result.status == "differs" else ():
                found.setdefault(cause, []).append(scenario)
        return {cause: found[cause] for cause in CAUSES if cause in found}


@dataclass(frozen=True)
class Compared:
    """The comparisons of one template, whose generated file had the hash ``artefact``, None where there is none."""

    artefact: str | None
    comparisons: tuple[Comparison, ...]


@dataclass(frozen=True)
class Comparisons:
    """Everything that is recorded: the publishers' templates by id, and what was compared by template."""

    sources: Mapping[str, Source] = field(default_factory=dict)
    templates: Mapping[str, Compared] = field(default_factory=dict)
    base: tuple[str, ...] = ()  # the scenarios that any format must write


def load_comparisons(folder: Path | None = None) -> Comparisons:
    """What is recorded, or what another folder holds; nothing where nothing is."""
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
    """The comparisons as the text of their file; every one is about all of the scenarios."""
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
