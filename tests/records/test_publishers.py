"""Comparisons with publishers' templates come back as they were written."""

from __future__ import annotations

from pathlib import Path

from chatwright.records.engines import Result
from chatwright.records.publishers import (
    FILE,
    Compared,
    Comparison,
    Comparisons,
    Example,
    Source,
    dump_comparisons,
    load_comparisons,
)

RESULTS = {
    "one": Result("exact"),
    "two": Result("differs", "default-system, generation-prompt"),
    "three": Result("differs", "generation-prompt"),
    "four": Result("not comparable", "the publisher's template raises"),
}
FOUND = Comparison(("a", "b"), RESULTS, {"generation-prompt": Example("two", "x", "y", "z")}, "ours")
SAME = Comparison(("c",), dict.fromkeys(RESULTS, Result("exact")))


def test_what_is_written_is_read(tmp_path: Path) -> None:
    sources = {name: Source(f"acme/{name}", "0" * 64, "here@1", name == "a") for name in "abc"}
    said = Comparisons(sources, {"demo": Compared("aa", (FOUND, SAME)), "none": Compared(None, ())}, ("one",))
    assert load_comparisons(tmp_path) == Comparisons()
    (tmp_path / "publishers").mkdir()
    (tmp_path / FILE).write_text(dump_comparisons(said, list(RESULTS)), encoding="utf-8")
    assert load_comparisons(tmp_path) == said


def test_scenarios_are_counted_by_status_and_cause() -> None:
    assert FOUND.counts == {"exact": 1, "differs": 2, "not comparable": 1}
    assert FOUND.causes == {"default-system": ["two"], "generation-prompt": ["two", "three"]}
    assert SAME.same
    assert not FOUND.same
    raising = Comparison(("c",), dict.fromkeys(RESULTS, Result("not comparable", "it raises")))
    assert not raising.same, "nothing was compared"
