"""A fixed day, for engines that write today's date."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, time

from chatwright.errors import ChatwrightError


@contextmanager
def day(today: date) -> Iterator[None]:
    """Let every clock of this process stand at noon of the day."""
    try:
        import time_machine
    except ImportError:
        raise ChatwrightError("a fixed day needs time_machine; run: pip install time-machine") from None

    with time_machine.travel(datetime.combine(today, time(12)), tick=False):
        yield
