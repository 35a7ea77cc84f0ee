"""A process of its own that is bounded, for what others wrote: chat templates, the Jinja of specs, tokenizers.

The process runs a module that calls :func:`.bounded_worker.serve`: so many seconds of processor time, so much memory
and output, and no file to write. Linux bounds all of it; where a system does not, the clock is what bounds the process.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import weakref
from collections.abc import Mapping
from pathlib import Path
from threading import Timer
from typing import Any

from ..characters import clipped
from ..limits import LONGEST_MESSAGE

ANSWER = 64_000_000  # characters of one answer
_PATIENCE = 10  # times as long by the clock where the system counts the processor's seconds: others may be at work
_SOURCE = Path(__file__).resolve().parents[2]  # the folder that holds the package


class Failed(Exception):
    """What others wrote cannot be worked with in the limits: it takes too long or too much, or is not in order."""


class Process:
    """A process that answers questions about what others wrote; ``module`` is the worker's name in this package.

    The ``seconds`` are of the processor and for all questions, with ``anew`` for each; ``memory`` is in bytes of
    address space. What goes wrong is raised as ``failure``. ``took`` are the processor's seconds so far; ``spent`` says
    that the process should be, or can be, asked nothing more. It begins at once; :meth:`ready` waits for it.
    """

    def __init__(
        self,
        module: str,
        *arguments: str,
        seconds: int,
        memory: int,
        anew: bool = False,
        failure: type[Failed] = Failed,
    ) -> None:
        self.seconds = seconds
        self.memory = memory
        self.anew = anew
        self.failure = failure
        self.took = 0.0
        self.spent = False
        self._ready = False
        self._process = _begin(module, *arguments)
        self.close = weakref.finalize(self, _end, self._process)

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def ready(self) -> None:
        """Wait until the process can be asked."""
        assert self._process.stdout
        if not self._ready and self._process.stdout.readline() != "ready\n":
            self._process.kill()
            raise RuntimeError(f"the bounded process does not start: {self._process.communicate()[1].strip()[-500:]}")
        self._ready = True

    def ask(self, question: Mapping[str, Any]) -> dict[str, Any]:
        """The answer of the worker to a question.

        Raises:
            Failed: there is none within the limits; nothing more can be asked then. It is of the process's ``failure``.
        """
        self.ready()
        job = {"seconds": self.seconds, "memory": self.memory, "answer": ANSWER, "anew": self.anew, **question}
        late = Timer(self.seconds * (_PATIENCE if hasattr(signal, "SIGXCPU") else 1), self._process.kill)
        late.start()
        try:
            assert self._process.stdin and self._process.stdout
            self._process.stdin.write(json.dumps(job) + "\n")
            self._process.stdin.flush()
            answer = self._process.stdout.readline(ANSWER + 1000)
        except BrokenPipeError:
            answer = ""
        finally:
            in_time = late.is_alive()
            late.cancel()
        if not answer.endswith("\n"):
            self.spent = True
            self._process.kill()  # no harm to one that has ended
            raise self.failure(self._why(self._process.wait(), in_time=in_time))
        data: dict[str, Any] = json.loads(answer)
        self.took = data["took"]
        self.spent = "spent" in data
        if "failed" in data:
            raise self.failure(clipped(data["failed"], 2 * LONGEST_MESSAGE))
        return data

    def _why(self, status: int, *, in_time: bool) -> str:
        over = {-getattr(signal, name) for name in ("SIGXCPU", "SIGPROF") if hasattr(signal, name)}
        if not in_time or status in over:
            return f"it takes more than {self.seconds} second{'s' * (self.seconds > 1)}"
        if status == -signal.SIGABRT:  # what a library that is not Python's does where it gets no memory
            return f"it needs more than {self.memory // 1024**2} MB of memory, or breaks the program that reads it"
        return "it ends the process that it runs in"


def _begin(module: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", f"{__name__.partition('.')[0]}.{module}", *arguments],
        cwd=_SOURCE,  # -m searches the working directory first, and the user's may hold the template's own files
        env=_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )


def _end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def _environment() -> dict[str, str]:
    own = {"PYTHONPATH": str(_SOURCE), "PYTHONUTF8": "1", "HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error"}
    single = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "RAYON_NUM_THREADS", "MALLOC_ARENA_MAX"), "1")
    return {**os.environ, **own, **single, "TOKENIZERS_PARALLELISM": "false", "RUST_BACKTRACE": "0"}
