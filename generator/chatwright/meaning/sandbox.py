"""Chat templates of others, and the Jinja of specs: they run in a sandbox, in a process of its own that is bounded.

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
from threading import Timer
from typing import Any

SECONDS = 3  # for everything that one template renders in one call; the process itself takes about one more to start
_PATIENCE = 10  # times as long by the clock where the system counts the processor's seconds: others may be at work
CHARACTERS = 4_000_000
FORBIDDEN = "it does what the sandbox forbids"  # what the reason of such a request or failure begins with
DATE_MARKS = ("\ue000", "\ue001")
_SOURCE = Path(__file__).resolve().parents[2]  # the folder that holds the package


@dataclass(frozen=True)
class Refused:
    """The template raised instead of rendering; ``reason`` is what it said."""

    reason: str


class TemplateFailed(Exception):
    """A template does not compile, or does what it may not: takes too long or too much, leaves the sandbox."""


class Marked(date):
    """A day that is written as the format it is asked in, as a sandbox without a day writes it."""

    def strftime(self, form: str, /) -> str:
        return DATE_MARKS[0] + form + DATE_MARKS[1]


def render_foreign(source: str, requests: Sequence[Mapping[str, Any]], today: date) -> list[str | Refused]:
    """The texts that a chat template makes of the variables of each request, as transformers would have it.

    ``today`` is the day that the template's ``strftime_now`` tells.

    Raises:
        TemplateFailed: the template cannot be run within the limits; the message says why.
    """
    with Sandbox(source) as sandbox:
        return sandbox.render(requests, today)


class Sandbox:
    """One chat template in its process, which may be asked more than once; the limits are for all it does there.

    Where it does what the sandbox forbids, it fails if ``strict``, else it has refused that one request. With ``anew``
    the time is for each question instead. Jinja of our ``own`` runs as the reference renderer runs it, other Jinja as
    transformers does. ``took`` are the processor's seconds so far; ``spent`` says that the process should be, or can
    be, asked nothing more.
    """

    def __init__(
        self,
        source: str,
        *,
        strict: bool = True,
        seconds: int = SECONDS,
        memory: int | None = None,
        anew: bool = False,
        own: bool = False,
    ) -> None:
        self.source = source
        self.bounds = {"memory": memory} if memory else {}
        self.strict = strict
        self.seconds = seconds
        self.anew = anew
        self.took = 0.0
        self.spent = False
        self._process = subprocess.Popen(
            [sys.executable, "-m", f"{__package__}.sandbox_worker", *(["own"] if own else [])],
            cwd=_SOURCE,  # -m searches the working directory first, and the user's may hold the template's own files
            env=_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )
        assert self._process.stdout
        if self._process.stdout.readline() != "ready\n":
            self._process.kill()
            raise RuntimeError(f"the sandbox does not start: {self._process.communicate()[1].strip()[-500:]}")

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def render(self, requests: Sequence[Mapping[str, Any]], today: date | None) -> list[str | Refused]:
        """The texts of the requests; where ``today`` is None, dates are written as their format between DATE_MARKS.

        Raises:
            TemplateFailed: the template cannot be run within the limits; nothing more can be asked then.
        """
        noon = None if today is None else datetime.combine(today, time(12)).isoformat()
        answer = self._ask({"requests": requests, "noon": noon, "strict": self.strict})
        return [text["text"] if "text" in text else Refused(_printable(text["refused"])) for text in answer["texts"]]

    def facts(self) -> dict[str, Any]:
        """What the syntax tree of the template tells: see :func:`.sandbox_worker.facts_of`.

        Raises:
            TemplateFailed: it does not compile.
        """
        return dict(self._ask({"facts": True})["facts"])

    def fragments(self) -> tuple[list[dict[str, str]], list[str]]:
        """What its loops do, and its calls of macros with the tools: see :mod:`.fragments`.

        Raises:
            TemplateFailed: they cannot be told within the limits.
        """
        answer = self._ask({"fragments": True})
        return answer["loops"], answer["calls"]

    def run(self, source: str, requests: Sequence[Mapping[str, Any]], today: date) -> tuple[list[str | Refused], float]:
        """The texts that another source makes of the requests in this process, and the processor's seconds it took.

        Raises:
            TemplateFailed: as :meth:`render`.
        """
        before, noon = self.took, datetime.combine(today, time(12)).isoformat()
        answer = self._ask({"source": source, "requests": requests, "noon": noon, "strict": self.strict})
        texts: list[str | Refused] = [
            text["text"] if "text" in text else Refused(_printable(text["refused"])) for text in answer["texts"]
        ]
        return texts, self.took - before

    def _ask(self, question: Mapping[str, Any]) -> dict[str, Any]:
        limits = {"seconds": self.seconds, "characters": CHARACTERS, "anew": self.anew, **self.bounds}
        job = {"source": self.source, **limits, **question}
        wait = self.seconds * (_PATIENCE if hasattr(signal, "SIGXCPU") else 1)
        late = Timer(wait, self._process.kill)
        late.start()
        try:
            assert self._process.stdin and self._process.stdout
            self._process.stdin.write(json.dumps(job) + "\n")
            self._process.stdin.flush()
            answer = self._process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        finally:
            in_time = late.is_alive()
            late.cancel()
        if not answer.endswith("\n"):
            self.spent = True
            over = {-getattr(signal, name) for name in ("SIGXCPU", "SIGPROF") if hasattr(signal, name)}
            if not in_time or self._process.wait() in over:
                raise TemplateFailed(f"it takes more than {self.seconds} second{'s' * (self.seconds > 1)}")
            raise TemplateFailed("it ends the process that it runs in")
        data: dict[str, Any] = json.loads(answer)
        self.took = data["took"]
        self.spent = "spent" in data
        if "failed" in data:
            raise TemplateFailed(_printable(data["failed"]))
        return data


class Workshop:
    """A process that runs one chat template after another, each within the limits; another one follows where it ends.

    No state of a template outlives it: the sandbox lets none change anything, and every request is made of new data.
    """

    _MOST = 2000  # templates for one process, so that nothing adds up

    def __init__(self, *, seconds: int = SECONDS, own: bool = False) -> None:
        self.seconds = seconds
        self.own = own
        self.took = 0.0  # seconds of the processor in all templates so far
        self._count = 0
        self._sandbox: Sandbox | None = None

    def start(self) -> Workshop:
        """Begin the process, which takes about a second; :meth:`render` does it where it is not there."""
        self._count = 0
        self._sandbox = Sandbox("", strict=False, seconds=self.seconds, anew=True, own=self.own)
        return self

    def render(self, source: str, requests: Sequence[Mapping[str, Any]], today: date | None) -> list[str | Refused]:
        """The texts of the requests, as :meth:`Sandbox.render` has them.

        Raises:
            TemplateFailed: the template cannot be run within the limits.
        """
        if self._sandbox is None:
            self.start()
        assert self._sandbox
        self._sandbox.source = source
        self._count += 1
        before = self._sandbox.took
        try:
            return self._sandbox.render(requests, today)
        finally:
            took = self._sandbox.took - before
            self.took += took if took or not self._sandbox.spent else self.seconds  # one that was ended told nothing
            if self._sandbox.spent or self._count >= self._MOST:
                self.close()

    def __enter__(self) -> Workshop:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the process."""
        if self._sandbox is not None:
            self._sandbox.__exit__()
            self._sandbox = None


def _printable(text: str) -> str:
    """What a template says, as one line that no terminal acts on."""
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in text)


def _environment() -> dict[str, str]:
    own = {"PYTHONPATH": str(_SOURCE), "PYTHONUTF8": "1", "HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error"}
    return {**os.environ, **own, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
