"""How long generating takes, beside tools that do a part of it, and how time and memory grow with the catalogue.

All commands of a round run turn by turn, so that whatever else the machine does hits all of them; what counts is the
ratio of medians. Everything happens in copies of the checkout, with a cache of their own.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from chatwright.cache import VARIABLE
from chatwright.errors import ChatwrightError

from .synthetic import copy_checkout

EDITED = "qwen/qwen3.yaml"  # a large spec, which six others use
MOST_USED = "meta/llama3.yaml"  # the one that most others use: 21
NOTHING_CHANGED, ONE_EDITED = 0.3, 1.0  # at most so many times check-jsonschema on the same specs
FROM_NOTHING = 1.6  # at most so many times black --workers 1 on the generated Python
_NEW = "    checkpoints:\n"  # behind the first of these a checkpoint is added
_SWIFT = "from swift.model import MODEL_MAPPING; from swift.template import TEMPLATE_MAPPING"
_GENERATE = ("-m", "chatwright", "generate")

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Timing:
    """The seconds of each round of one command, start of the interpreter included."""

    name: str
    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        """The median of the rounds."""
        return median(self.seconds)


@dataclass(frozen=True)
class Ratio:
    """How one command's median compares with another's, and what it may be at most."""

    ours: Timing
    theirs: Timing
    most: float

    @property
    def value(self) -> float:
        """The ratio of the medians."""
        return self.ours.median / self.theirs.median


@dataclass(frozen=True)
class Report:
    """Everything that was timed, the ratios of it, and how much Python there is for black."""

    timings: tuple[Timing, ...]
    ratios: tuple[Ratio, ...]
    python_files: int
    python_lines: int
    python_bytes: int


@dataclass(frozen=True)
class Size:
    """A cold run from so many times the catalogue: seconds, and the memory of all its processes at once, in bytes."""

    times: int
    specs: int
    written: int  # bytes
    seconds: float
    memory: int | None  # None where the system does not tell


def run(rounds: int, progress: Progress, swift_python: str | None = None) -> Report:
    """Time the generator and its peers, turn by turn.

    ``swift_python`` is a Python that has ms-swift, whose way to its table is to import its registry; without it, that
    is not timed.

    Raises:
        ChatwrightError: check-jsonschema is not installed, or a command fails.
    """
    if importlib.util.find_spec("check_jsonschema") is None:
        raise ChatwrightError("check-jsonschema is not installed; run: make bench")
    with _checkout() as root:
        specs = sorted(map(str, (root / "specs").glob("*/*.yaml")))
        _time(root, *_GENERATE)
        python = sorted(map(str, (root / "generated").rglob("*.py")))
        format_ = ("-m", "black", "--workers", "1", "--no-cache", "--quiet", "--line-length", "120", "-t", "py310")
        edits = {name: _Edit(root / "specs" / name) for name in (EDITED, MOST_USED)}
        commands: dict[str, Callable[[], float]] = {
            "generate, nothing changed": lambda: _time(root, *_GENERATE),
            f"generate, {EDITED} edited": lambda: edits[EDITED].time(root),
            f"generate, {MOST_USED} edited": lambda: edits[MOST_USED].time(root),
            "generate, cold": lambda: _cold(root),
            "check-jsonschema": lambda: _time(
                root, "-m", "check_jsonschema", "--schemafile", str(root / "schema.json"), *specs
            ),
            "black --workers 1": lambda: _time(root, *format_, *python),
            "chatwright --help": lambda: _time(root, "-m", "chatwright", "--help"),
            "import click": lambda: _time(root, "-c", "import click"),
        }
        if swift_python:
            commands["ms-swift, import of the registry"] = lambda: _time(root, "-c", _SWIFT, python=swift_python)
        taken: dict[str, list[float]] = {name: [] for name in commands}
        for number in range(rounds + 1):  # the first round warms the disk's cache and does not count
            for name, command in commands.items():
                progress(f"round {number} of {rounds}: {name}")
                seconds = command()
                if number:
                    taken[name].append(seconds)
        found = {name: Timing(name, tuple(seconds)) for name, seconds in taken.items()}
        contents = [Path(file).read_bytes() for file in python]
    nothing, edited, most_used, cold, schema, black, help_, click, *swift = found.values()
    ratios = [
        Ratio(nothing, schema, NOTHING_CHANGED),
        Ratio(edited, schema, ONE_EDITED),
        Ratio(most_used, schema, ONE_EDITED),
        Ratio(cold, black, FROM_NOTHING),
        Ratio(help_, click, 3.0),
        *(Ratio(nothing, each, 1.0) for each in swift),
    ]
    lines = sum(content.count(b"\n") for content in contents)
    return Report(tuple(found.values()), tuple(ratios), len(contents), lines, sum(map(len, contents)))


def sizes(times: Sequence[int], progress: Progress) -> Iterator[Size]:
    """Cold runs from catalogues that are so many times the real one."""
    for number in times:
        progress(f"making {number} times the catalogue")
        with _checkout(number) as root:
            specs = len(list((root / "specs").glob("*/*.yaml")))
            _time(root, "-m", "chatwright", "list", "qwen3")  # compiles the modules
            progress(f"generating {number} times the catalogue")
            memory = _Memory()
            seconds = _cold(root, memory)
            written = sum(file.stat().st_size for file in (root / "generated").rglob("*") if file.is_file())
            yield Size(number, specs, written, seconds, memory.most)


@contextmanager
def _checkout(times: int = 1) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="chatwright-bench-") as folder:
        root = Path(folder).resolve()
        copy_checkout(root, times)
        yield root


class _Edit:
    """Edits a spec each time in another way, so that no run before has seen it."""

    def __init__(self, file: Path) -> None:
        self.file, self.text, self.count = file, file.read_text(encoding="utf-8"), 0

    def time(self, root: Path) -> float:
        """The seconds of a run with the spec edited; then it is as before, and so is what is generated."""
        self.count += 1
        added = f"      - {{name: Edited-{self.count}, huggingface: bench/edited-{self.count}}}\n"
        head, found, rest = self.text.partition(_NEW)
        assert found
        self.file.write_text(f"{head}{found}{added}{rest}", encoding="utf-8")
        seconds = _time(root, *_GENERATE)
        self.file.write_text(self.text, encoding="utf-8")
        _time(root, *_GENERATE)
        return seconds


def _cold(root: Path, memory: _Memory | None = None) -> float:
    """The seconds of a run without a cache that begins with nothing.

    What there was is moved away: a file system that has just deleted thousands of files is slow at making new ones.
    """
    aside = Path(tempfile.mkdtemp(prefix="before-", dir=root))
    if (root / "generated").exists():
        (root / "generated").rename(aside / "generated")
    return _time(root, *_GENERATE, cache=aside / "cache", memory=memory)


def _time(
    root: Path, *command: str, python: str = sys.executable, cache: Path | None = None, memory: _Memory | None = None
) -> float:
    environment = {**os.environ, "PYTHONPATH": str(root / "generator"), VARIABLE: str(cache or root / "cache")}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # nobody compiles anew with each run, and the peers do not
    start = time.perf_counter()
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen([python, *command], stdout=output, stderr=output, env=environment, cwd=root)
        while memory is not None and process.poll() is None:
            memory.look(process.pid)
            time.sleep(0.02)
        if process.wait():
            output.seek(0)
            told = output.read().decode(errors="replace")[-2000:]
            raise ChatwrightError(f"{' '.join(command[:4])} failed:", *told.splitlines())
    return time.perf_counter() - start


class _Memory:
    """The most memory that a process and those it has started held at once, where the system tells (Linux).

    What they share is counted once (``Pss``).
    """

    def __init__(self) -> None:
        self.most: int | None = None

    def look(self, process: int) -> None:
        try:
            held = sum(map(_held, _family(process)))
        except (OSError, ValueError):
            return
        self.most = max(self.most or 0, held)


def _family(process: int) -> Iterator[int]:
    yield process
    for child in Path(f"/proc/{process}/task/{process}/children").read_text().split():
        yield from _family(int(child))


def _held(process: int) -> int:
    try:
        lines: Mapping[str, str] = dict(
            line.split(":", 1) for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines() if ":" in line
        )
        return int(lines["Pss"].split()[0]) * 1024
    except (OSError, KeyError):  # it has just ended
        return 0
