"""Engines in a process of their own: the caller's end of it, and what the process does where it runs Python.

Two versions of a framework cannot live in one process, a registry that was emptied cannot be refilled, and some engines
are not Python. All speak JSON, one line each way. This module imports the standard library alone.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

Own = TypeVar("Own", bound="Worker")
_SOURCE = Path(__file__).resolve().parents[2]  # the folder that holds the package


class WorkerError(Exception):
    """The process failed; the message is its reason."""


class Worker:
    """A running process that answers each line of JSON with one; use it as a context manager."""

    def __init__(self, command: Sequence[str], **settings: Any) -> None:
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close()
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": self._log}
        self._process = subprocess.Popen(command, encoding="utf-8", **pipes, **settings)

    def __enter__(self: Own) -> Own:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ask nothing more, and wait for the end of the process."""
        self._process.communicate()
        self._log.close()

    def ask(self, request: Any) -> Any:
        """The answer to a request.

        Raises:
            WorkerError: the process has ended.
        """
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError as error:
            raise self._ended() from error
        return self._read()

    def _read(self) -> Any:
        assert self._process.stdout is not None
        if not (line := self._process.stdout.readline()):
            raise self._ended()
        return json.loads(line)

    def _ended(self) -> WorkerError:
        status = self._process.wait()
        self._log.seek(0)
        said = self._log.read().decode(errors="replace").strip()[-500:]
        return WorkerError(f"the worker ended with exit code {status}{f': {said}' if said else ''}")


class PythonWorker(Worker):
    """A module of this package that calls :func:`serve`; ``python_path`` goes in front of its search path.

    Raises:
        WorkerError: the module cannot prepare itself, since a package is missing for example.
    """

    def __init__(self, module: str, *arguments: str, python_path: Sequence[Path] = ()) -> None:
        search = os.pathsep.join(str(path.resolve()) for path in (*python_path, _SOURCE))
        super().__init__(
            [sys.executable, "-m", f"{__package__}.{module}", *arguments],
            env={**os.environ, "PYTHONPATH": search},
            cwd=_SOURCE,  # -m searches the working directory first, and the user's may hold files of any name
        )
        try:
            self._read()
        except WorkerError:
            self.close()
            raise

    def ask(self, request: Any) -> Any:
        """The answer to a request.

        Raises:
            WorkerError: the process has ended, or what was asked raised an exception.
        """
        return super().ask(request)

    def _read(self) -> Any:
        answer = super()._read()
        if "error" in answer:
            raise WorkerError(answer["error"])
        return answer["result"]


def serve(prepare: Callable[[], Callable[[Any], Any]]) -> None:
    """Answer requests with the function that ``prepare`` returns until nothing more is asked; prints go to stderr."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def say(**said: Any) -> None:
        print(json.dumps(said), file=answers, flush=True)

    try:
        answer = prepare()
    except Exception as error:
        return say(error=f"{type(error).__name__}: {error}")
    say(result=None)
    for line in sys.stdin:
        try:
            result = answer(json.loads(line))
        except Exception as error:
            say(error=f"{type(error).__name__}: {error}")
        else:
            say(result=result)
