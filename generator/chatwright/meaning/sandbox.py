"""Run foreign chat templates and the Jinja of specs in a sandbox, in a separate process with limits.

Jinja's sandbox keeps a template from accessing the system, but does not limit its time and memory. So each template
runs in :mod:`.sandbox_worker`, a process of :mod:`.bounded` with at most :data:`SECONDS` of processor time,
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

SECONDS = 3  # for everything that one template renders in one call; the process takes about one more second to start
MEMORY = 500 * 1024**2  # bytes of address space; Python with Jinja takes about 30 MB of it
CHARACTERS = 4_000_000
FORBIDDEN = "it does what the sandbox forbids"  # the beginning of the reason of such a request or failure
DATE_MARKS = ("\ue000", "\ue001")


@dataclass(frozen=True)
class Refused:
    """The template raised an error instead of rendering; ``reason`` is its message."""

    reason: str


class TemplateFailed(Failed):
    """A template does not compile, exceeds a limit, or does what the sandbox forbids."""


class Marked(date):
    """A date that is written as its format between marks, as the sandbox does if it is given no date."""

    def strftime(self, form: str, /) -> str:
        return DATE_MARKS[0] + form + DATE_MARKS[1]


def render_foreign(source: str, requests: Sequence[Mapping[str, Any]], today: date) -> list[str | Refused]:
    """Render a chat template with the variables of each request, as transformers does.

    ``today`` is the date that the template's ``strftime_now`` writes.

    Raises:
        TemplateFailed: the template cannot be run within the limits; the message says why.
    """
    with Sandbox(source) as sandbox:
        return sandbox.render(requests, today)


class Sandbox(Process):
    """One chat template in its own process. It may be rendered more than once; the limits are for all of it.

    If it does what the sandbox forbids, all requests fail if ``strict``; else only that request is refused.
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
        """The texts of the requests; if ``today`` is None, dates are written as their format between DATE_MARKS.

        Raises:
            TemplateFailed: the template cannot be run within the limits; the process must not be asked again.
        """
        return self._texts(self.source, requests, today)

    def facts(self) -> dict[str, Any]:
        """Facts from the syntax tree of the template: see :func:`.sandbox_worker.facts_of`.

        Raises:
            TemplateFailed: it does not compile.
        """
        return dict(self.ask({"source": self.source, "facts": True})["facts"])

    def fragments(self) -> tuple[list[dict[str, str]], list[str]]:
        """The bodies of its loops, and its calls of macros with the tools: see :mod:`.fragments`.

        Raises:
            TemplateFailed: they cannot be found within the limits.
        """
        answer = self.ask({"source": self.source, "fragments": True})
        return answer["loops"], answer["calls"]

    def run(self, source: str, requests: Sequence[Mapping[str, Any]], today: date) -> tuple[list[str | Refused], float]:
        """Render another source with the requests in this process; also returns the processor time in seconds.

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
    """A process that runs one chat template after another, each within the limits; it is restarted when it ends.

    Templates share no state: the sandbox lets them change nothing, and every request is made of new data.
    """

    _MOST = 2000  # templates for one process, so that its memory does not grow

    def __init__(self, *, seconds: int = SECONDS) -> None:
        self.seconds = seconds
        self.took = 0.0  # processor time of all templates so far, in seconds
        self._count = 0
        self._sandbox: Sandbox | None = None

    def start(self) -> Workshop:
        """Start the process, which takes about a second; :meth:`render` does it if needed."""
        self._count = 0
        self._sandbox = Sandbox("", strict=False, seconds=self.seconds, anew=True)
        self._sandbox.ready()
        return self

    def render(self, source: str, requests: Sequence[Mapping[str, Any]], today: date | None) -> list[str | Refused]:
        """The texts of the requests, as in :meth:`Sandbox.render`.

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
            self.took += took if took or not self._sandbox.spent else self.seconds  # a killed process reports no time
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
