"""The writer on a system that has less: no fcntl, no O_NOFOLLOW, no O_NONBLOCK, no calls relative to a folder."""

from __future__ import annotations

import subprocess
import sys

from tests.support import ROOT

TESTS = (
    "tests/pipeline/test_writer.py",
    "tests/faults/test_hostile_folders.py::test_what_is_in_the_place_of_a_manifest",
    "tests/faults/test_runs.py::test_a_call_that_fails",
)


def test_the_writer_needs_none_of_what_windows_lacks() -> None:
    """Its own tests pass there, by a plugin that takes these away before anything is imported."""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "tests.faults.fewer_flags", "-n0"]
    done = subprocess.run(
        [*command, "-k", "not longest", *TESTS], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:]
    assert " passed" in done.stdout
