"""What the frameworks have themselves, as it is recorded."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from chatwright.catalogue.model import Checkpoint
from chatwright.errors import Location
from chatwright.records.frameworks import BuiltIns, built_ins, dump_built_ins, load_built_ins
from chatwright.resources import records_path
from tests.support import FRAMEWORKS, VECTORS


def test_the_records_are_read_as_they_are_written() -> None:
    assert set(built_ins()) == set(FRAMEWORKS)
    for framework, record in built_ins().items():
        assert dump_built_ins(record) == (records_path("frameworks") / f"{framework}.json").read_text(encoding="utf-8")
        assert record.text_in_code <= record.templates
        assert len(record.templates) > 100


def test_models_are_those_that_are_recorded_with_their_ids() -> None:
    models = json.loads((VECTORS / "models" / "llamafactory.json").read_text(encoding="utf-8"))
    assert built_ins()["llamafactory"].models["name"] == models.keys()
    ids = {model["ids"]["DEFAULT"] for model in models.values() if "DEFAULT" in model["ids"]}
    assert built_ins()["llamafactory"].models["huggingface"] == ids


def test_without_a_record_nothing_is_known(tmp_path: Path) -> None:
    assert load_built_ins(tmp_path / "nowhere") == {}


@pytest.mark.parametrize(
    ("checkpoint", "known"),
    [
        ({"name": "Demo-7B"}, True),
        ({"name": "Demo-8B", "ids": {"huggingface": "a/demo"}}, True),
        ({"name": "Demo-8B", "ids": {"modelscope": "a/demo"}}, False),  # the id is known on another hub only
        ({"targets": {"swift": {"huggingface": "a/demo"}}}, True),
        ({"path": "/models/demo"}, False),
    ],
)
def test_a_checkpoint_is_known_by_its_name_or_an_id(checkpoint: dict[str, object], known: bool) -> None:
    given = {"name": None, "ids": {}, "path": None, "targets": {}, **checkpoint}
    record = BuiltIns("1", frozenset(), {"name": frozenset({"Demo-7B"}), "huggingface": frozenset({"a/demo"})})
    assert record.has(Checkpoint(location=Location("x"), **given).known_by) is known  # type: ignore[arg-type]
