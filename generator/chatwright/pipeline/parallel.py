"""Run jobs in forked processes: a worker starts with a copy of everything that this process has in memory."""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context, parent_process
from threading import Thread
from typing import Any, TypeVar

from ..errors import ChatwrightError

Result = TypeVar("Result")
_jobs: Sequence[Callable[[], Any]] = ()  # of a worker


def cores() -> int:
    """The number of workers to run at once; 1 if the process may not be able to fork safely."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else 1


def in_parallel(jobs: Sequence[Callable[[], Result]], workers: int) -> list[Result]:
    """The results of the jobs in their order. Results must be picklable.

    A job that fails is run again in this process, which raises its error.

    Raises:
        ChatwrightError: a worker was killed.
    """
    if workers < 2 or len(jobs) < 2:
        return [job() for job in jobs]
    try:
        started = ProcessPoolExecutor(workers, get_context("fork"), _begin, (jobs,))
    except (OSError, ImportError, NotImplementedError):  # a system without semaphores
        return [job() for job in jobs]
    try:
        with started as pool:
            before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # workers begin without Ctrl-C
            try:
                results = pool.map(_do, range(len(jobs)), chunksize=-(-len(jobs) // (workers * 16)))
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, before)
            done = list(results)
    except BrokenProcessPool:
        raise ChatwrightError("a process was stopped from outside; run the same command again") from None
    return [result if finished else jobs[number]() for number, (finished, result) in enumerate(done)]


def _begin(jobs: Sequence[Callable[[], Any]]) -> None:
    """Initialize a worker. It inherits that SIGINT is blocked: its parent handles Ctrl-C."""
    global _jobs
    _jobs = jobs
    gc.freeze()  # objects from before the fork are not collected
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    if parent := parent_process():
        parent.join()
        os._exit(1)


def _do(number: int) -> tuple[bool, Any]:
    """Whether a job is done, and its result."""
    try:
        return True, _jobs[number]()
    except Exception:
        return False, None
