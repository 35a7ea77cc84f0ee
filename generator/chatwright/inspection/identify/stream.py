"""A dump of chat templates as a stream: lines of JSON in, one answer a line out, in the same order."""

from __future__ import annotations

import os
import time
from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from queue import SimpleQueue
from threading import Lock
from typing import BinaryIO

from ...meaning.sandbox import TemplateFailed, Workshop
from .answer import Answer, isolated
from .behaviour import Behaviour
from .identifier import Identifier
from .records import BadRecord, Record, parse_line

LONGEST_LINE = 8_000_000  # bytes
_SECONDS = 2  # of the processor for one template; publishers' take a fiftieth of that
_REMEMBERED = 512  # chat templates whose texts are kept: many models share one
_LARGE = 300_000  # characters that a chat template writes of all conversations; publishers' write a tenth of that
_AHEAD = 8  # lines that are read ahead, for each process


@dataclass
class Figures:
    """What a stream came to: ``lines`` answered, ``rendered`` chat templates that had to be run for that.

    ``elapsed`` are seconds by the clock, ``worked`` those of the processor, in this process and in the sandboxes, each
    from the first line on; ``cores`` is how many sandboxes there were.
    """

    cores: int
    lines: int = 0
    rendered: int = 0
    errors: int = 0
    elapsed: float = 0.0
    worked: float = 0.0

    @property
    def per_core(self) -> float:
        """Lines per second of the processor."""
        return self.lines / self.worked if self.worked else 0.0

    @property
    def told(self) -> str:
        """All of it in one line."""
        by_clock = self.lines / self.elapsed if self.elapsed else 0.0
        return (
            f"{self.lines} lines, {self.rendered} chat templates run, {self.errors} errors; {by_clock:.0f} lines per "
            f"second with {self.cores} sandboxes, {self.per_core:.0f} per second of a core"
        )


@dataclass
class _Known:
    """What chat templates write, by their texts and tokens; the oldest goes first."""

    lock: Lock = field(default_factory=Lock)
    behaviours: OrderedDict[object, Behaviour | TemplateFailed] = field(default_factory=OrderedDict)

    def get(self, key: object) -> Behaviour | TemplateFailed | None:
        with self.lock:
            return self.behaviours.get(key)

    def put(self, key: object, behaviour: Behaviour | TemplateFailed) -> None:
        if isinstance(behaviour, Behaviour) and behaviour.size > _LARGE:
            return
        with self.lock:
            self.behaviours[key] = behaviour
            while len(self.behaviours) > _REMEMBERED:
                self.behaviours.popitem(last=False)


def answers(lines: Iterable[bytes], identifier: Identifier, figures: Figures) -> Iterator[Answer]:
    """One answer for each line, in order; a line that is no record, or does harm, has an error for its answer."""
    known = _Known()
    workshops: SimpleQueue[Workshop] = SimpleQueue()
    every = [Workshop(seconds=_SECONDS) for _ in range(figures.cores)]
    with ThreadPoolExecutor(figures.cores) as pool:
        for workshop in pool.map(Workshop.start, every):
            workshops.put(workshop)
        identifier.writings.table("", "")  # what is there once is no part of the rate

        def answer(line: bytes) -> Answer:
            try:
                record = parse_line(line)
            except BadRecord as reason:
                return Answer(reason.name, "error", error=str(reason))
            workshop = workshops.get()
            try:
                return isolated(record.name, lambda: _answered(record, identifier, workshop, known, figures))
            finally:
                workshops.put(workshop)

        began, used = time.monotonic(), time.process_time()
        waiting: deque[Future[Answer]] = deque()
        try:
            for line in lines:
                waiting.append(pool.submit(answer, line))
                if len(waiting) >= figures.cores * _AHEAD:
                    yield _counted(waiting.popleft().result(), figures)
            while waiting:
                yield _counted(waiting.popleft().result(), figures)
        finally:
            for future in waiting:
                future.cancel()
            figures.elapsed = time.monotonic() - began
            figures.worked = time.process_time() - used + sum(workshop.took for workshop in every)
            pool.shutdown(wait=True, cancel_futures=True)
            for workshop in every:
                workshop.close()


def read_lines(file: BinaryIO) -> Iterator[bytes]:
    """The lines of a file; of one that is too long only so much that it is no JSON."""
    while line := file.readline(LONGEST_LINE):
        whole = line.endswith(b"\n")
        yield line.rstrip(b"\n")
        while not whole and (rest := file.readline(LONGEST_LINE)):
            whole = rest.endswith(b"\n")


def cores() -> int:
    """The processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _answered(record: Record, identifier: Identifier, workshop: Workshop, known: _Known, figures: Figures) -> Answer:
    if record.templates is None:
        return identifier.decide(record, None)
    key = (tuple(record.templates.by_name.items()), tuple(sorted(record.tokens.items())))
    behaviour = known.get(key)
    if behaviour is None:
        figures.rendered += 1
        try:
            behaviour = identifier.ask(record, workshop.render)
        except TemplateFailed as reason:
            behaviour = reason
        known.put(key, behaviour)
    if isinstance(behaviour, TemplateFailed):
        return identifier.failed(record, behaviour)
    return identifier.decide(record, behaviour)


def _counted(answer: Answer, figures: Figures) -> Answer:
    figures.lines += 1
    figures.errors += answer.verdict == "error"
    return answer
