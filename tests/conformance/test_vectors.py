"""The file of a template's vectors: what is written is read, and tells every other text and mask apart."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from chatwright.meaning.render import Kind
from chatwright.meaning.runs import Run
from chatwright.meaning.scenarios import Scenario
from conformance.checks.reference import reference_runs
from conformance.places import vectors as vectors_of
from conformance.run import _vectors
from conformance.vectors import Truth, agrees, dump_vectors, load_vectors, vector_path
from tests.support import FRAMEWORKS, VECTORS, catalogue, failures, vectors

PROMPT: tuple[Run, ...] = (("<u>q<a>", False),)
TRAINING: tuple[Run, ...] = (("<u>q<a>", False), ("r", True), ("<u>", False))
BEGINS: tuple[Run, ...] = (("r", True),)
TEXTS = {
    "full": {Kind.PROMPT: PROMPT, Kind.TRAINING: TRAINING, Kind.TRAINING_DROPPED: TRAINING},
    "digest": {Kind.PROMPT: PROMPT, Kind.TRAINING: BEGINS, Kind.TRAINING_DROPPED: PROMPT},
    "cannot": dict.fromkeys(Kind, "no such role"),
}
TRUTH = Truth("demo", "x", "<e>", {"prefix": ["<b>"]}, TEXTS)


def test_what_is_written_is_read() -> None:
    text = dump_vectors(TRUTH, frozenset({"full"}))
    found = load_vectors(text)
    assert (found["framework"], found["template"], found["eos"]) == ("demo", "x", "<e>")
    assert found["fields"] == {"prefix": ["<b>"]}
    for scenario, kinds in TEXTS.items():
        for kind, runs in kinds.items():
            entry = found["scenarios"][scenario][kind.value]
            if isinstance(runs, str):
                assert entry == {"cannot": runs}
            else:
                assert isinstance(entry, list if scenario == "full" else str)
                assert agrees(entry, runs)
                assert agrees(entry, [("", True), *runs, ("", False)]), "empty runs say nothing"
    assert json.loads(text)["scenarios"]["full"].keys() == {"prompt", "training"}, "equal kinds stand there once"
    assert json.loads(text)["scenarios"]["full"]["training"] == ["<u>q<a>", "r", "<u>"]


def test_another_text_or_mask_does_not_agree() -> None:
    found = load_vectors(dump_vectors(TRUTH, frozenset({"full"})))["scenarios"]
    for scenario in ("full", "digest"):
        for kind, runs in TEXTS[scenario].items():
            entry = found[scenario][kind.value]
            assert not agrees(entry, [(text, not trained) for text, trained in runs])
            assert not agrees(entry, [*runs, ("!", False)])
            assert not agrees(entry, runs[:-1])
    assert not agrees(found["cannot"]["prompt"], PROMPT)


def test_every_file_is_written_in_this_way() -> None:
    for framework in FRAMEWORKS:
        for data in vectors(framework).values():
            text = (VECTORS / framework / f"{data['template']}.json").read_text(encoding="utf-8")
            prompts = [kinds["prompt"] for kinds in data["scenarios"].values()]
            assert any(isinstance(prompt, list) or "cannot" in prompt for prompt in prompts), data["template"]
            assert len(text.encode()) < 64_000, f"{data['template']}: the repository stays small"


def test_every_wrong_text_is_named_with_template_scenario_and_kind() -> None:
    """Those that are wrong, and no others."""
    eos = vectors("llamafactory")["qwen3"]["eos"]
    template = catalogue().templates["qwen3"]

    def write(scenario: Scenario, kind: Kind) -> tuple[Run, ...]:
        runs = reference_runs(template, scenario, kind, eos)
        return (*runs, ("!", True)) if (scenario.name, kind) in wrong else runs

    wrong = {("plain", Kind.TRAINING), ("tool_chain", Kind.PROMPT)}
    found = failures("demo", "llamafactory", "qwen3", write)
    assert len(found) == len(wrong)
    assert all(any(f"{kind.value}, demo: qwen3, {name}: differs" in line for line in found) for name, kind in wrong)
    wrong.clear()
    assert failures("demo", "llamafactory", "qwen3", write) == []


@pytest.mark.parametrize("record", [True, False])
def test_a_record_of_what_nothing_writes_any_more_is_named_and_stays(tmp_path: Path, record: bool) -> None:
    bench: Any = SimpleNamespace(
        recorded=[TRUTH], written_tools={}, written_turns={}, models=None, built_ins={}, parsers={}, publishers=None
    )
    due = vector_path(vectors_of(tmp_path), TRUTH.framework, TRUTH.name)
    due.parent.mkdir(parents=True)
    (due.parent / "gone.json").write_text("{}")
    report = _vectors(bench, tmp_path, record)
    told = f"{due.parent.name}/gone.json records what nothing writes any more; remove it"
    missing = f"{due.parent.name}/{due.name} is not what the framework writes; run `make record`"
    assert report.wrong == ([told] if record else [told, missing])
    assert (due.parent / "gone.json").read_text() == "{}"
    assert due.exists() is record
