"""What is known not to be exact: it covers nothing else, and recording only takes away from it."""

from __future__ import annotations

from pathlib import Path

from chatwright.meaning.scenarios import scenarios
from chatwright.records.engines import Result
from conformance.deviations import judge, load_known, outdated, shrink
from tests.support import catalogue

KNOWN = """# What is known.
- engines: [ollama]
  says: 'differs: at character'
  why: it cannot
  where:
  - templates: [a, b]
    scenarios: [plain, multi]
"""
DIFFERS = Result("differs", "at character 3: 'x' instead of 'y'")


def known_file(folder: Path) -> Path:
    file = folder / "known.yaml"
    file.write_text(KNOWN, encoding="utf-8")
    return file


def test_only_the_known_result_of_a_known_case_is_passed_over(tmp_path: Path) -> None:
    known = load_known(known_file(tmp_path))
    assert judge(known, "ollama", {"a": {"plain": DIFFERS, "multi": Result("exact")}}) == []
    assert judge(known, "ollama", {"a": {"plain": Result("unsupported", "no file")}}) == [
        "ollama: a, plain: unsupported: no file"
    ]
    assert len(judge(known, "ollama", {"c": {"plain": DIFFERS}})) == 1
    assert len(judge(known, "ollama", {"a": {"system": DIFFERS}})) == 1
    assert len(judge(known, "lmdeploy", {"a": {"plain": DIFFERS}})) == 1
    assert judge(known, "lmdeploy", {"a": {"plain": Result("not comparable", "why")}}) == []


def test_recording_takes_away_what_is_no_longer_so_and_adds_nothing(tmp_path: Path) -> None:
    file = known_file(tmp_path)
    found = {
        "a": {"plain": Result("exact"), "multi": DIFFERS},
        "b": {"plain": DIFFERS, "multi": Result("unsupported", "no file"), "new": DIFFERS},
    }
    (gone,) = outdated(load_known(file), "ollama", found, complete=True)
    assert gone.cases == {("a", "plain"), ("b", "multi")}
    shrink(file, [gone])
    (left,) = load_known(file)
    assert left.cases == {("a", "multi"), ("b", "plain")}
    assert file.read_text(encoding="utf-8").startswith("# What is known.\n")


def test_what_is_known_names_templates_and_scenarios_that_exist() -> None:
    cases = {case for entry in load_known() for case in entry.cases}
    assert {name for name, _ in cases} <= catalogue().templates.keys()
    assert {scenario for _, scenario in cases} <= scenarios().keys()
