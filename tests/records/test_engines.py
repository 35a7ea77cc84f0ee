"""Recorded evidence comes back as it was written, in files that a reviewer can read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from chatwright.json_writer import json_text
from chatwright.records.engines import EngineEvidence, Result, TemplateEvidence, dump_evidence, load_evidence

RESULTS = {
    "one": Result("exact"),
    "two": Result("differs", "a space"),
    "three": Result("not comparable", "why"),
    "four": Result("not comparable", "why"),
    "five": Result("unsupported"),
}


def evidence(**templates: TemplateEvidence) -> EngineEvidence:
    return EngineEvidence("demo", "1.0", "emulated@1.0", "vllm", templates)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    exact = dict.fromkeys(RESULTS, Result("exact"))
    said = evidence(mixed=TemplateEvidence("aa", RESULTS), exact=TemplateEvidence("bb", exact))
    (tmp_path / "demo.json").write_text(dump_evidence(said), encoding="utf-8")
    assert load_evidence(tmp_path) == {"demo": said}
    assert load_evidence(tmp_path / "nowhere") == {}


def test_only_what_is_not_exact_is_listed() -> None:
    data = json.loads(dump_evidence(evidence(mixed=TemplateEvidence("aa", RESULTS))))
    assert data["scenarios"] == list(RESULTS)
    assert data["templates"]["mixed"] == {
        "artefact": "aa",
        "differs": {"a space": ["two"]},
        "unsupported": {"": ["five"]},
        "not comparable": {"why": ["three", "four"]},
    }


def test_a_template_that_was_not_tried_on_everything_is_refused() -> None:
    """Otherwise what was not tried would be read as exact."""
    less = {"one": Result("exact")}
    with pytest.raises(ValueError, match="mixed was not tried on the scenarios of the others"):
        dump_evidence(evidence(less=TemplateEvidence("aa", less), mixed=TemplateEvidence("aa", RESULTS)))


def test_json_has_a_line_for_what_is_long_and_shallow() -> None:
    long = "é\u2028" * 60
    value = {"a": [1, None, {}], "b": {"c": long, "d": [long, ("x",)]}}
    folded = f'{{\n "a": [1, null, {{}}],\n "b": {{\n  "c": "{long}",\n  "d": ["{long}", ["x"]]\n }}\n}}\n'
    assert json_text(value, depth=2) == folded
    for depth in range(5):
        assert json.loads(json_text(value, depth)) == json.loads(json.dumps(value))
    assert json_text({"a": 1}, depth=0) == json_text({"a": 1}, depth=9) == '{"a": 1}\n'
