"""Every tool format that ms-swift knows against what it wrote in random conversations with tools, as recorded."""

from __future__ import annotations

import json

import pytest

from chatwright.evidence.checks.swift_tools import runs_of, users
from chatwright.evidence.fuzz import tool_scenarios
from chatwright.evidence.vectors import TOOL_CASES, turns_digest
from chatwright.meaning.tool_formats import tool_formats
from tests.support import VECTORS, catalogue

RECORDED = {path.stem: json.loads(path.read_text()) for path in (VECTORS / "tool_turns").glob("*.json")}
NAMES = sorted(name for name, definition in tool_formats().items() if "swift" in definition.frameworks)


def test_every_format_is_recorded() -> None:
    assert sorted(RECORDED) == NAMES
    assert {len(digests) for digests in RECORDED.values()} == {TOOL_CASES}


@pytest.mark.parametrize("name", NAMES)
def test_writes_what_ms_swift_writes(name: str) -> None:
    template = users(catalogue())[name]
    assert template is not None
    for case, digest in zip(tool_scenarios(TOOL_CASES), RECORDED[name], strict=True):
        assert turns_digest(runs_of(template, case)) == digest, case
