"""Work on several processes: errors of jobs are raised as they are, and a system without semaphores works in one."""

from __future__ import annotations

import pytest

from chatwright.pipeline import parallel
from chatwright.pipeline.parallel import in_parallel


class TwoError(Exception):
    def __init__(self, one: str, two: str) -> None:
        super().__init__(f"{one} {two}")


def _fails() -> int:
    raise TwoError("a", "b")


def test_an_error_that_cannot_be_unpickled_is_raised_as_it_is() -> None:
    with pytest.raises(TwoError, match=r"^a b$"):
        in_parallel([lambda: 1, _fails], 2)


def test_a_system_without_semaphores_works_in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(parallel, "ProcessPoolExecutor", refuse)
    assert in_parallel([lambda: 1, lambda: 2], 2) == [1, 2]
