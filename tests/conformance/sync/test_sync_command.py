"""What `python -m conformance sync` refuses, and what it tells where something goes wrong on the way."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from click.testing import CliRunner, Result

from chatwright.errors import CatalogueError, ChatwrightError, Location, Problem
from chatwright.records.frameworks import built_ins
from conformance.__main__ import conformance
from conformance.sync import registry, write
from conformance.sync.registry import Registry

MODEL = {"ids": {"DEFAULT": "acme/MT"}, "template": None, "multimodal": False}


def run(monkeypatch: pytest.MonkeyPatch, version: str, *arguments: str) -> tuple[Result, list[int]]:
    """One run beside a version that has a model more; the second reading fails. Also how often it would write."""
    theirs = Registry("llamafactory", version, {}, {"MT": MODEL})
    answers: Iterator[Any] = iter([(Registry("llamafactory", version, {}, {}), theirs)])
    written: list[int] = []

    def read_both(*_: object) -> Any:
        answer = next(answers, None)
        if answer is None:
            raise ChatwrightError("it cannot be read any more")
        return answer

    def writing(*_: object, **__: object) -> list[str]:
        written.append(1)
        return ["acme/mt.yaml: model MT"]

    monkeypatch.setattr(registry, "read_both", read_both)
    monkeypatch.setattr(write, "write", writing)
    return CliRunner().invoke(conformance, ["sync", "llamafactory", *arguments]), written


def test_the_specs_are_not_taken_back_to_an_older_version(monkeypatch: pytest.MonkeyPatch) -> None:
    done, written = run(monkeypatch, "0.9.4", "--write")
    assert isinstance(done.exception, ChatwrightError)
    recorded = built_ins()["llamafactory"].version
    assert str(done.exception).startswith(f"LLaMA-Factory 0.9.4 is older than {recorded}, which the specs follow")
    assert written == []
    assert "1 difference" in run(monkeypatch, "0.9.4")[0].output  # to compare is fine


@pytest.mark.parametrize("json", [False, True])
def test_what_was_written_is_told_whatever_happens_then(monkeypatch: pytest.MonkeyPatch, json: bool) -> None:
    version = built_ins()["llamafactory"].version
    done, written = run(monkeypatch, version, "--write", *(["--json"] if json else []))
    assert written == [1]
    assert str(done.exception) == "it cannot be read any more"
    assert "acme/mt.yaml: model MT" in done.output


def test_a_catalogue_that_is_not_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    def invalid(*_: object, **__: object) -> None:
        raise CatalogueError([Problem(Location("specs/a/b.yaml", 1, 1), "models", "unknown model type")])

    monkeypatch.setattr("chatwright.pipeline.load_public_catalogue", invalid)
    done, written = run(monkeypatch, built_ins()["llamafactory"].version, "--write")
    assert isinstance(done.exception, CatalogueError)
    assert "bring back what is missing (git restore specs) or remove what refers to it" in done.output
    assert written == []
