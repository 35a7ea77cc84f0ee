"""What a whole run shares: one cache, so that what one process has made of the public catalogue the others need not
make, and in each process one Go that runs Ollama's templates."""

from __future__ import annotations

import gc
import os
import shutil
import tempfile
from collections.abc import Iterator

import pytest

from chatwright.cache import VARIABLE
from conformance.engines.ollama import Engine


def pytest_configure(config: pytest.Config) -> None:
    """Make the cache where the run starts; its workers are told by the environment."""
    if not hasattr(config, "workerinput"):
        os.environ[VARIABLE] = tempfile.mkdtemp(prefix="chatwright-tests-")


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove it where the run ends."""
    if not hasattr(config, "workerinput"):
        shutil.rmtree(os.environ.pop(VARIABLE, ""), ignore_errors=True)


@pytest.fixture(scope="session")
def go() -> Iterator[Engine]:
    """Ollama's rules on Go's own templates."""
    with Engine() as running:
        yield running


gc.set_threshold(100_000, 50, 100)  # as the command line: what is loaded once is not looked through again
