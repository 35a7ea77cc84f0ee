"""One cache for all processes of a run: what one of them has made of the public catalogue, the others need not make."""

from __future__ import annotations

import os
import shutil
import tempfile

import pytest

from chatwright.cache import VARIABLE


def pytest_configure(config: pytest.Config) -> None:
    """Make the cache where the run starts; its workers are told by the environment."""
    if not hasattr(config, "workerinput"):
        os.environ[VARIABLE] = tempfile.mkdtemp(prefix="chatwright-tests-")


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove it where the run ends."""
    if not hasattr(config, "workerinput"):
        shutil.rmtree(os.environ.pop(VARIABLE, ""), ignore_errors=True)
