"""What several tests share: the real catalogue and the recorded vectors."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from chatwright.catalogue.model import Catalogue, Template
from chatwright.evidence.scenarios import Scenario, scenarios
from chatwright.meaning.render import Kind
from chatwright.pipeline import load_public_catalogue

TESTS = Path(__file__).parent
ROOT = TESTS.parent
VECTORS = TESTS / "vectors"
FRAMEWORKS = ("llamafactory", "swift")


@cache
def catalogue() -> Catalogue:
    """The catalogue of this checkout."""
    return load_public_catalogue()


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
        data = json.loads(path.read_text(encoding="utf-8"))
        found[by_name[data["template"]]] = data
    assert found, f"no vectors under {VECTORS / framework}; run `make record`"
    return found


def cases(framework: str) -> list[tuple[str, str, str]]:
    """(template, scenario, kind) of every text that the framework can write."""
    return [
        (name, scenario, kind)
        for name, data in vectors(framework).items()
        for scenario, kinds in data["scenarios"].items()
        for kind, entry in kinds.items()
        if "cannot" not in entry
    ]


def lacks_tool_format(template: Template, scenario: Scenario) -> bool:
    """Whether a scenario needs tools and the template has no format for them: the one case that may be refused."""
    used = bool(scenario.tools) or any(message.get("tool_calls") for message in scenario.messages)
    return used and template.tool_format is None


__all__ = [
    "FRAMEWORKS",
    "ROOT",
    "TESTS",
    "VECTORS",
    "Kind",
    "cases",
    "catalogue",
    "lacks_tool_format",
    "scenarios",
    "vectors",
]
