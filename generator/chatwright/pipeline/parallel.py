"""Work on all cores, where the system can fork: a worker starts with everything that this process knows."""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection, Pipe, wait
from typing import Any, NoReturn, TypeVar

from ..errors import ChatwrightError

Result = TypeVar("Result")
_COLLECTED = 16  # jobs between two looks for what may go: black leaves much behind, and looking takes its time
_BATCHES = 4096  # at most; each takes 4 bytes of a pipe that is filled before anyone reads it


def cores() -> int:
    """How many workers can run at once; 1 where the system cannot fork safely."""
    if not hasattr(os, "fork") or sys.platform == "darwin":
        return 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_parallel(jobs: Sequence[Callable[[], Result]], workers: int) -> list[Result]:
    """The results of the jobs in their order; these must be such that they can be pickled.

    A job that fails in a worker is done again here, so that the error is this process's own. A worker ends by itself
    when this process is gone: it then finds nobody to read what it has found.

    Raises:
        ChatwrightError: a worker was stopped from outside.
    """
    if workers < 2 or len(jobs) < 2:
        return [job() for job in jobs]
    step = -(-len(jobs) // _BATCHES)
    to_do, given = os.pipe()
    pipes = [Pipe(duplex=False) for _ in range(workers)]
    children = []
    try:
        os.write(given, b"".join(start.to_bytes(4, "big") for start in range(0, len(jobs), step)))
        os.close(given)
        for number in range(workers):
            if child := os.fork():
                children.append(child)
            else:
                for other, (reader, writer) in enumerate(pipes):
                    reader.close()
                    if other != number:
                        writer.close()
                _work(jobs, step, to_do, pipes[number][1])
        for _, writer in pipes:
            writer.close()
        done = _collect([reader for reader, _ in pipes])
    finally:
        os.close(to_do)
        for reader, writer in pipes:
            reader.close()
            writer.close()
        for child in children:
            os.waitpid(child, 0)
    if missing := set(range(len(jobs))) - done.keys():
        raise ChatwrightError(f"{len(missing)} of {len(jobs)} parts were not made: a process was stopped from outside")
    return [jobs[number]() if failed else result for number, (failed, result) in sorted(done.items())]


def _collect(readers: list[Connection[Any, Any]]) -> dict[int, tuple[bool, Any]]:
    done: dict[int, tuple[bool, Any]] = {}
    while readers:
        for ready in wait(readers):
            assert isinstance(ready, Connection)
            try:
                number, *outcome = ready.recv()
            except EOFError:
                readers.remove(ready)
            else:
                done[number] = (outcome[0], outcome[1])
    return done


def _work(jobs: Sequence[Callable[[], Any]], step: int, to_do: int, results: Connection[Any, Any]) -> NoReturn:
    """Do jobs until there are none left; never returns."""
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever started the workers is told, and ends them
        gc.freeze()  # what was there before the fork stays
        gc.disable()
        done = 0
        while token := os.read(to_do, 4):
            start = int.from_bytes(token, "big")
            for number in range(start, min(start + step, len(jobs))):
                try:
                    outcome = (number, False, jobs[number]())
                except Exception:
                    outcome = (number, True, None)
                results.send(outcome)
                done += 1
                if done % _COLLECTED == 0:
                    gc.collect()
                    gc.freeze()
        results.close()
    except BaseException:  # nobody reads any more
        os._exit(1)
    os._exit(0)
