"""What the tests over the real specs share: the list of exceptions, and a failure that lists every offender."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

import pytest
import yaml

from tests.support import TESTS

EXCEPTIONS = TESTS / "catalogue" / "exceptions.yaml"


@cache
def exceptions() -> dict[str, list[dict[str, Any]]]:
    """What is known not to follow the rules, by rule."""
    found: dict[str, list[dict[str, Any]]] = yaml.safe_load(EXCEPTIONS.read_text(encoding="utf-8"))
    return found


def refuse(found: Iterable[str], run: str) -> None:
    """Fail with all offenders, and the command to run; nothing where there are none."""
    if lines := list(found):
        pytest.fail("\n".join([*lines, f"{len(lines)} in all; run: {run}"]), pytrace=False)
