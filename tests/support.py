"""What several tests share: the real catalogue, the recorded vectors, and how a template's texts are told apart.

A test holds all texts of one template against its vectors and lists every one that is wrong, by scenario and kind.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from hypothesis import settings

from chatwright.cache import user_cache
from chatwright.catalogue.model import Catalogue, Template
from chatwright.errors import CatalogueError
from chatwright.meaning.render import Kind
from chatwright.meaning.runs import Run
from chatwright.meaning.scenarios import Scenario, scenarios
from chatwright.pipeline import load_public_catalogue
from chatwright.records.engines import Result
from conformance.checks.attempts import Refusal, difference
from conformance.deviations import Known, judge, load_known
from conformance.vectors import agrees, load_vectors

FUZZ = int(os.environ.get("CHATWRIGHT_FUZZ", "0"))  # how many examples `make fuzz` tries
TESTS = Path(__file__).parent
ROOT = TESTS.parent
VECTORS = TESTS / "vectors"
FRAMEWORKS = ("llamafactory", "swift")


def examples(count: int) -> settings:
    """So many examples of a property, the same in every run; as many as it is asked for, any, for `make fuzz`."""
    return settings(max_examples=FUZZ or count, deadline=None, derandomize=not FUZZ, database=None)


def catalogue() -> Catalogue:
    """The catalogue of this checkout; a test that wants it fails with every problem it has."""
    found = _catalogue()
    if isinstance(found, CatalogueError):
        pytest.fail(f"{found}\nrun: chatwright validate", pytrace=False)
    return found


@cache
def _catalogue() -> Catalogue | CatalogueError:
    try:
        return load_public_catalogue(cache=user_cache())
    except CatalogueError as error:
        return error


@cache
def vectors(framework: str) -> dict[str, dict[str, Any]]:
    """The recorded vectors of one framework by the name its template has in the catalogue.

    Discovery that finds nothing fails: a test without vectors would assert nothing.
    """
    by_name = {
        registered: template.name
        for template in catalogue().templates.values()
        if (registered := template.registered[framework])
    }
    found = {}
    for path in sorted((VECTORS / framework).glob("*.json")):
        data = load_vectors(path.read_text(encoding="utf-8"))
        found[by_name[data["template"]]] = data
    assert found, f"no vectors under {VECTORS / framework}; run `make record`"
    return found


@cache
def known() -> Sequence[Known]:
    """What is known not to be exact."""
    return load_known()


def cases(framework: str, name: str) -> Iterator[tuple[Scenario, Kind, Any]]:
    """Every text that the framework can write for a template: scenario, kind, and what is recorded of it."""
    for scenario, kinds in vectors(framework)[name]["scenarios"].items():
        for kind, entry in kinds.items():
            if "cannot" not in entry:
                yield scenarios()[scenario], Kind(kind), entry


def failures(
    engine: str,
    framework: str,
    name: str,
    write: Callable[[Scenario, Kind], Sequence[Run] | Refusal],
    kinds: Sequence[Kind] = tuple(Kind),
) -> list[str]:
    """Every text of a template that is neither what the framework wrote nor known, in words.

    ``write`` makes a text or refuses; ``engine`` is the name under which what it makes may be known, where ``{}``
    stands for the kind.
    """
    found: dict[Kind, dict[str, Result]] = {kind: {} for kind in kinds}
    for scenario, kind, entry in cases(framework, name):
        if kind in found:
            found[kind][scenario.name] = _result(entry, write(scenario, kind))
    return [
        f"{framework}'s {kind.value}, {wrong}"
        for kind, results in found.items()
        for wrong in judge(known(), engine.format(kind.value), {name: results})
    ]


def _result(entry: Any, written: Sequence[Run] | Refusal) -> Result:
    if isinstance(written, Refusal):
        return Result("unsupported", str(written))
    if agrees(entry, written):
        return Result("exact")
    text = "".join(text for text, _ in written)
    if isinstance(entry, str):
        return Result("differs", f"the digest is not that of {text!r}")
    due = "".join(entry)
    return Result("differs", "the mask differs" if text == due else difference(text, due))


def is_told(template: Template, entry: Mapping[str, Any]) -> bool:
    """Whether an index tells where a template is registered: under its name, or nowhere and why."""
    told, reasons = entry["registered"], entry["reasons"]
    return told.keys() == template.registered.keys() and all(
        told[framework] == name or (told[framework] is None and reasons.get(framework))
        for framework, name in template.registered.items()
    )


def lacks_tool_format(template: Template, scenario: Scenario) -> bool:
    """Whether a scenario needs tools and the template has no format for them: the one case that may be refused."""
    used = bool(scenario.tools) or any(message.get("tool_calls") for message in scenario.messages)
    return used and template.tool_format is None


class Hangs(BaseException):
    """Something waits for what never comes; no handler of an error takes this for its own."""


@contextmanager
def no_waiting(seconds: int = 60) -> Iterator[None]:
    """What takes longer inside is stopped."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise Hangs

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


__all__ = [
    "FRAMEWORKS",
    "ROOT",
    "TESTS",
    "VECTORS",
    "Kind",
    "cases",
    "catalogue",
    "failures",
    "is_told",
    "known",
    "lacks_tool_format",
    "no_waiting",
    "scenarios",
    "vectors",
]
