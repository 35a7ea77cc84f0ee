"""Run foreign code in a separate process with limits: chat templates, the Jinja of specs, tokenizers.

The process runs a module that calls :func:`.bounded_worker.serve`. Processor time, memory and output are limited, and
no file can be written. Linux enforces all of these limits; on other systems a timeout ends the process.
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
_PATIENCE = 10  # the timeout in wall time, as a multiple of the processor time: the machine may be busy
# What a worker gets of the environment: what Python needs to start, and no secret of the user's.
_KEPT = (
    *("PATH", "HOME", "USERPROFILE", "SYSTEMROOT", "TEMP", "TMP", "TMPDIR", "LANG", "LC_ALL", "LC_CTYPE"),
    *("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "PYTHONHOME", "PYTHONDONTWRITEBYTECODE", "VIRTUAL_ENV"),
)
_SOURCE = Path(__file__).resolve().parents[2]  # the folder that holds the package


class Failed(Exception):
    """Foreign code exceeded a limit or is invalid; the message says why."""


class Process:
    """A worker process that answers questions about foreign code; ``module`` is the worker's name in this package.

    ``seconds`` limits the processor time of all questions together, with ``anew`` of each question. ``memory`` limits
    the address space, in bytes. Errors are raised as ``failure``. ``took`` is the processor time so far, in seconds.
    If ``spent`` is true, the process must not be asked again. The process starts at once; :meth:`ready` waits for it.
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
        """Wait until the process has started."""
        assert self._process.stdout
        if not self._ready and self._process.stdout.readline() != "ready\n":
            self._process.kill()
            raise RuntimeError(f"the bounded process does not start: {self._process.communicate()[1].strip()[-500:]}")
        self._ready = True

    def ask(self, question: Mapping[str, Any]) -> dict[str, Any]:
        """The answer of the worker to a question.

        Raises:
            Failed: a limit was exceeded, or the worker failed; its class is ``failure``. If ``spent`` is true then,
                the process must not be asked again.
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
            self._process.kill()  # harmless if it has ended
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
        if status == -signal.SIGABRT:  # what native libraries do when they get no memory
            return f"it needs more than {self.memory // 1024**2} MB of memory, or breaks the program that reads it"
        return "it ends the process that it runs in"


def _begin(module: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", f"{__name__.partition('.')[0]}.{module}", *arguments],
        cwd=_SOURCE,  # -m searches the working directory first, and the user's may hold foreign modules
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
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    return {**kept, **own, **single, "TOKENIZERS_PARALLELISM": "false", "RUST_BACKTRACE": "0"}
