"""Every fault is found and named, and nothing is found in a folder without one."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from chatwright.inspection.verify import ADVICE, verify
from chatwright.meaning import sandbox
from conformance.checks.model_folders import FAULTS, Fault, Folder, copy
from tests.inspection.verify.support import LEVELS, TOKENS, in_process, make
from tests.support import catalogue

RECOGNIZED = ("deepseek3", "qwen3", "yi")  # without being named; `make conformance` does it with all


@pytest.fixture(scope="module")
def folder_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Folder]:
    return cache(lambda name: make(name, tmp_path_factory.mktemp(name)))


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    endless = "fault" in request.fixturenames and request.getfixturevalue("fault").kind == "chat-template-fails"
    if endless:
        monkeypatch.setattr(sandbox, "SECONDS", 1)
    else:
        monkeypatch.setattr("chatwright.inspection.verify.prompts.render_foreign", in_process)


@pytest.mark.parametrize("name", sorted({fault.template for fault in FAULTS} | {LEVELS}))
def test_a_faultless_folder_is_fine(folder_of: Callable[[str], Folder], name: str) -> None:
    found = verify(folder_of(name).path, catalogue(), None if name in RECOGNIZED else name)
    assert name in (found.template, *found.same)
    assert found.named == (name not in RECOGNIZED)
    assert found.findings == ()
    assert found.compared is not None
    assert found.compared.token_ids["exact"] > 20
    assert set(found.compared.token_ids) <= {"exact", "not comparable"}


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.what.replace(" ", "-"))
def test_a_fault_is_found_and_nothing_beside(folder_of: Callable[[str], Folder], fault: Fault, tmp_path: Path) -> None:
    folder = copy(folder_of(fault.template), tmp_path / "model")
    fault.make(folder)
    found = verify(folder.path, catalogue(), fault.trained or fault.template)
    kinds = {finding.kind for finding in found.findings}
    assert fault.kind in kinds
    assert kinds <= {fault.kind} | fault.along
    assert not found.fine
    assert all(finding.advice for finding in found.findings)


def test_faults_are_of_known_kinds_and_in_folders_that_are_made() -> None:
    assert {fault.kind for fault in FAULTS} <= ADVICE.keys()
    assert {fault.template for fault in FAULTS} <= TOKENS.keys()
    assert len(FAULTS) >= 12
