"""Chat templates of others: they run in transformers' sandbox, in a process of its own that the system bounds.

The sandbox alone keeps a template from reaching out, but not from running forever or filling the memory. So each one
runs in :mod:`.sandbox_worker`: at most :data:`SECONDS` of processor time, 500 MB of memory and :data:`CHARACTERS` of
output, and no file to write. Linux bounds all of it; where a system does not, the clock is what bounds a template.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

SECONDS = 3  # for everything that one template renders in one call; the process itself takes about one more to start
_PATIENCE = 10  # times as long by the clock where the system counts the processor's seconds: others may be at work
CHARACTERS = 4_000_000
_SOURCE = Path(__file__).resolve().parents[2]  # the folder that holds the package


@dataclass(frozen=True)
class Refused:
    """The template raised instead of rendering; ``reason`` is what it said."""

    reason: str


class TemplateFailed(Exception):
    """A template does not compile, or does what it may not: takes too long or too much, leaves the sandbox."""


def render_foreign(
    source: str, requests: Sequence[Mapping[str, Any]], today: date, *, forgive: bool = False
) -> list[str | Refused]:
    """The texts that a chat template makes of the variables of each request, as transformers would have it.

    ``today`` is the day that the template's ``strftime_now`` tells. Where the template does what the sandbox forbids,
    all of it fails, or with ``forgive`` that request alone is refused.

    Raises:
        TemplateFailed: the template cannot be run within the limits; the message says why.
    """
    noon = datetime.combine(today, time(12)).isoformat()
    bounds = {"seconds": SECONDS, "characters": CHARACTERS, "forgive": forgive}
    job = {"source": source, "requests": requests, "noon": noon, **bounds}
    process = subprocess.Popen(
        [sys.executable, "-m", f"{__package__}.sandbox_worker"],
        cwd=_SOURCE,  # -m searches the working directory first, and the user's may hold the template's own files
        env=_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    with process:
        assert process.stdout
        if process.stdout.readline() != "ready\n":
            process.kill()
            raise RuntimeError(f"the sandbox does not start: {process.communicate()[1].strip()[-500:]}")
        try:
            wait = SECONDS * (_PATIENCE if hasattr(signal, "SIGXCPU") else 1)
            answer, _ = process.communicate(json.dumps(job), timeout=wait)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise _too_long() from None
    return _texts(answer, process.returncode)


def _texts(answer: str, code: int) -> list[str | Refused]:
    if code < 0 and code == -getattr(signal, "SIGXCPU", 0):
        raise _too_long()
    try:
        data = json.loads(answer)
    except ValueError:
        raise TemplateFailed("it ends the process that it runs in") from None
    if "failed" in data:
        raise TemplateFailed(data["failed"])
    return [text["text"] if "text" in text else Refused(text["refused"]) for text in data["texts"]]


def _too_long() -> TemplateFailed:
    return TemplateFailed(f"it takes more than {SECONDS} seconds")


def _environment() -> dict[str, str]:
    own = {"PYTHONPATH": str(_SOURCE), "PYTHONUTF8": "1", "HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error"}
    return {**os.environ, **own, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
