"""What the training for real is judged by: it must tell every difference, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from chatwright.pipeline import load_public_catalogue
from chatwright.records.frameworks import built_ins
from conformance.smoke.cases import Trainer, cases, framework_of, image_count, with_images
from conformance.smoke.run import SPECS, Row, differences, recorded, table
from conformance.smoke.served import asked
from conformance.smoke.training import Step, Trained

STEP = Step(((1, 2, 3),), ((-100, 2, 3),), {"pixel_values": "a"}, 0.5, 10)


def trained(*ranks: tuple[Step, ...]) -> Trained:
    return Trained(ranks, Path("model"), 1.0)


def test_equal_trainings_differ_in_nothing() -> None:
    assert list(differences(trained((STEP, STEP), (STEP,)), trained((STEP, STEP), (STEP,)))) == []


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"ids": ((1, 9, 3),)}, "ids differ in example 0 at token 1: 9, 2"),
        ({"ids": ((1, 2),)}, "ids differ in example 0 at token 2: None, 3"),
        ({"labels": ((-100, -100, 3),)}, "labels differ in example 0 at token 1: -100, 2"),
        ({"other": {}}, "tensors differ: {}, {'pixel_values': 'a'}"),
        ({"trained": 11}, "learned parameters differ: 11, 10"),
        ({"loss": 0.5000001}, "losses differ: 0.5000001, 0.5"),
    ],
)
def test_every_difference_is_told_with_its_step(change: dict[str, Any], says: str) -> None:
    ours = trained((STEP,), (STEP, replace(STEP, **change)))
    assert list(differences(ours, trained((STEP,), (STEP, STEP)))) == [f"process 1, step 2: {says}, ours first"]


def test_missing_steps_and_processes_are_differences() -> None:
    assert list(differences(trained((STEP,)), trained((STEP, STEP), (STEP,)))) == [
        "1 processes have trained, 2 with the built-in template",
        "process 0, step 2: trained with the built-in template only, ours first",
    ]


@pytest.mark.parametrize(
    ("labels", "count"), [([-100, 1, -100, -100, 2, 3], 4), ([-100, 1, 2, -100], 1), ([-100], 0), ([1], 0)]
)
def test_what_stands_in_front_of_the_last_reply(labels: list[int], count: int) -> None:
    assert asked(labels) == count


def test_images_get_paths_in_order() -> None:
    two = next(scenario for case in cases() for scenario in case.scenarios if image_count(scenario) == 2)
    [message] = with_images(two.asked, ["a", "b"])
    assert [part.get("path") for part in message["content"]] == ["a", "b", None]
    assert with_images([{"role": "user", "content": "Hi"}], [])[0]["content"] == [{"type": "text", "text": "Hi"}]


def test_the_templates_are_new_to_the_frameworks_and_compared_with_their_own() -> None:
    catalogue, known = load_public_catalogue(SPECS), built_ins()
    for case in cases():
        trainers: tuple[Trainer, ...] = ("llamafactory", "swift", "swift 3")
        for trainer in trainers:
            framework = framework_of(trainer)
            assert catalogue.templates[case.catalogue_name(trainer)].registered[framework] == case.template
            assert case.template not in known[framework].templates
            assert case.built_in[framework] in known[framework].templates


def test_what_is_recorded_depends_on_no_machine() -> None:
    row = Row("swift 3", "one process", "tools", "acme", "qwen2_5", 6, 100, 20, "abc", (5.0, 4.0), 1.0, ())
    other = replace(row, losses=(6.0, 5.0), seconds=9.0)
    assert table([row]) != table([other])
    assert table([row])[1].endswith("equal") and table([replace(row, wrong=("x",))])[1].endswith("differs")
    assert recorded([row], ["swift 4"]) == recorded([other], ["swift 4"])
    assert recorded([row], ["swift 4"]) != recorded([replace(row, digest="abd")], ["swift 4"])
