"""Chat templates of others, and the Jinja of specs: they run in a sandbox, in a process of its own that is bounded.

The sandbox alone keeps a template from reaching out, but not from running forever or filling the memory. So each one
runs in :mod:`.sandbox_worker`, a process that :mod:`.bounded` bounds: at most :data:`SECONDS` of processor time,
:data:`MEMORY` and :data:`CHARACTERS` of output.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any

from ..characters import clipped
from ..limits import LONGEST_MESSAGE
from .bounded import Failed, Process

SECONDS = 3  # for everything that one template renders in one call; the process itself takes about one more to start
MEMORY = 500 * 1024**2  # bytes of address space, of which Python with transformers' sandbox takes about 190 MB
CHARACTERS = 4_000_000
FORBIDDEN = "it does what the sandbox forbids"  # what the reason of such a request or failure begins with
DATE_MARKS = ("\ue000", "\ue001")


@dataclass(frozen=True)
class Refused:
    """The template raised instead of rendering; ``reason`` is what it said."""

    reason: str


class TemplateFailed(Failed):
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


class Sandbox(Process):
    """One chat template in its process, which may be asked more than once; the limits are for all it does there.

    Where it does what the sandbox forbids, it fails if ``strict``, else it has refused that one request. Jinja of our
    """

    def __init__(
        self,
        source: str,
        *,
        strict: bool = True,
        seconds: int | None = None,
        memory: int = MEMORY,
        anew: bool = False,
    ) -> None:
        limits = {"seconds": SECONDS if seconds is None else seconds, "memory": memory}
        super().__init__("meaning.sandbox_worker", **limits, anew=anew, failure=TemplateFailed)
        self.source = source
        self.strict = strict

    def __enter__(self) -> Sandbox:
        return self

    def render(self, requests: Sequence[Mapping[str, Any]], today: date | None) -> list[str | Refused]:
        """The texts of the requests; where ``today`` is None, dates are written as their format between DATE_MARKS.

        Raises:
            TemplateFailed: the template cannot be run within the limits; nothing more can be asked then.
        """
        return self._texts(self.source, requests, today)

    def facts(self) -> dict[str, Any]:
        """What the syntax tree of the template tells: see :func:`.sandbox_worker.facts_of`.

        Raises:
            TemplateFailed: it does not compile.
        """
        return dict(self.ask({"source": self.source, "facts": True})["facts"])

    def fragments(self) -> tuple[list[dict[str, str]], list[str]]:
        """What its loops do, and its calls of macros with the tools: see :mod:`.fragments`.

        Raises:
            TemplateFailed: they cannot be told within the limits.
        """
        answer = self.ask({"source": self.source, "fragments": True})
        return answer["loops"], answer["calls"]

    def run(self, source: str, requests: Sequence[Mapping[str, Any]], today: date) -> tuple[list[str | Refused], float]:
        """The texts that another source makes of the requests in this process, and the processor's seconds it took.

        Raises:
            TemplateFailed: as :meth:`render`.
        """
        before = self.took
        return self._texts(source, requests, today), self.took - before

    def _texts(self, source: str, requests: Sequence[Mapping[str, Any]], today: date | None) -> list[str | Refused]:
        noon = None if today is None else datetime.combine(today, time(12)).isoformat()
        question = {"source": source, "requests": requests, "noon": noon, "strict": self.strict}
        answer = self.ask({**question, "characters": CHARACTERS})
        return [
            text["text"] if "text" in text else Refused(clipped(text["refused"], 2 * LONGEST_MESSAGE))
            for text in answer["texts"]
        ]


class Workshop:
    """A process that runs one chat template after another, each within the limits; another one follows where it ends.

    No state of a template outlives it: the sandbox lets none change anything, and every request is made of new data.
    """

    _MOST = 2000  # templates for one process, so that nothing adds up

    def __init__(self, *, seconds: int = SECONDS) -> None:
        self.seconds = seconds
        self.took = 0.0  # seconds of the processor in all templates so far
        self._count = 0
        self._sandbox: Sandbox | None = None

    def start(self) -> Workshop:
        """Begin the process, which takes about a second; :meth:`render` does it where it is not there."""
        self._count = 0
        self._sandbox = Sandbox("", strict=False, seconds=self.seconds, anew=True)
        self._sandbox.ready()
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
            self._sandbox.close()
            self._sandbox = None
