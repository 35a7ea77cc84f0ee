"""Frameworks that are not there, or cannot be read, are told in one line; the command says how to get them."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from conformance.sync.registry import is_older
from tests.support import ROOT

PACKAGES = {"llamafactory": "llamafactory", "swift": "ms-swift"}


def sync(*arguments: str) -> tuple[int, str, str]:
    settings = {**os.environ, "PYTHONPATH": str(ROOT / "generator"), "PYTHONUTF8": "1"}
    command = [sys.executable, "-m", "conformance", "sync", *arguments]
    done = subprocess.run(command, cwd=ROOT, env=settings, check=False, capture_output=True, encoding="utf-8")
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("framework", PACKAGES)
def test_a_framework_that_is_not_there(framework: str, tmp_path: Path) -> None:
    status, printed, told = sync(framework, "--path", str(tmp_path))
    assert (status, printed) == (1, "")
    if find_spec(framework) is None:
        assert f"is not installed for this Python; run: pip install {PACKAGES[framework]}" in told
    else:
        assert f"run: pip install --no-deps --target DIR {PACKAGES[framework]}==VERSION" in told


@pytest.mark.parametrize("framework", PACKAGES)
def test_a_framework_that_cannot_be_imported(framework: str, tmp_path: Path) -> None:
    package = tmp_path / framework
    package.mkdir()
    (package / "__init__.py").write_text("import not_there_at_all\n", encoding="utf-8")
    status, printed, told = sync(framework, "--path", str(tmp_path))
    assert (status, printed) == (1, "")
    assert told.endswith("cannot be read: ModuleNotFoundError: No module named 'not_there_at_all'\n")
    assert str(tmp_path) in told


def test_wrong_usage() -> None:
    assert sync("vllm")[0] == 2
    assert sync("swift", "--path", "nowhere")[0] == 2


@pytest.mark.parametrize(
    ("version", "than", "older"),
    [
        ("0.9.4", "0.9.5", True),
        ("0.9.5", "0.9.5", False),
        ("4.10.0", "4.6.0", False),
        ("4.6", "4.6.0", False),
        ("4.7.0.dev0", "4.6.0", False),
    ],
)
def test_older_versions(version: str, than: str, older: bool) -> None:
    assert is_older(version, than) is older
