"""How long it takes to generate everything, beside a tool that only validates the same specs against the schema."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from ..errors import ChatwrightError
from ..resources import schema_path, specs_path


@dataclass(frozen=True)
class Timing:
    """The seconds of each round of one command, start of the interpreter included."""

    name: str
    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        """The median of the rounds."""
        return median(self.seconds)


def run(rounds: int, progress: Callable[[str], None]) -> tuple[Timing, Timing]:
    """Time ``chatwright generate`` and ``check-jsonschema`` on the same specs, turn by turn.

    Raises:
        ChatwrightError: check-jsonschema is not installed, or a command fails.
    """
    if importlib.util.find_spec("check_jsonschema") is None:
        raise ChatwrightError("check-jsonschema is not installed; run: make bench")
    specs = [str(path) for path in sorted(specs_path().glob("*/*.yaml"))]
    validating = [sys.executable, "-m", "check_jsonschema", "--schemafile", str(schema_path()), *specs]
    taken: tuple[list[float], list[float]] = ([], [])
    for number in range(rounds + 1):  # the first round warms the disk's cache and does not count
        progress(f"round {number} of {rounds}")
        with tempfile.TemporaryDirectory() as folder:
            generating = [sys.executable, "-m", "chatwright", "generate", "--out", str(Path(folder) / "generated")]
            for times, command in zip(taken, (generating, validating), strict=True):
                seconds = _time(command)
                if number:
                    times.append(seconds)
    return Timing("chatwright generate", tuple(taken[0])), Timing("check-jsonschema", tuple(taken[1]))


def _time(command: Sequence[str]) -> float:
    start = time.perf_counter()
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        raise ChatwrightError(f"{' '.join(command[:4])} failed:\n{result.stdout}{result.stderr}")
    return time.perf_counter() - start
