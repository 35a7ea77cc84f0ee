"""Drafts of chat templates of our own, which are harmless and run without the sandbox's process."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import pytest

from chatwright.inspection.draft import Draft, drafting, lifting
from chatwright.inspection.draft.source import Source
from chatwright.inspection.verify.folder import ChatTemplates
from chatwright.meaning import sandbox_worker
from chatwright.meaning.fragments import loop_bodies, macro_calls
from chatwright.meaning.jinja import compile_template
from chatwright.meaning.sandbox import Refused
from tests.support import catalogue


class InProcess:
    """What the sandbox is to a draft, in this process."""

    def __init__(self, source: str, *, strict: bool, **bounds: Any) -> None:
        self.source, self.strict, self.bounds = source, strict, bounds

    def __enter__(self) -> InProcess:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def render(self, requests: Sequence[Mapping[str, Any]], today: date | None) -> list[str | Refused]:
        """The texts of the requests."""
        noon = None if today is None else f"{today.isoformat()}T12:00:00"
        job = {"source": self.source, "requests": json.loads(json.dumps(list(requests))), "noon": noon}
        answers = sandbox_worker._render({**job, "characters": 4_000_000, "strict": self.strict})
        return [answer["text"] if "text" in answer else Refused(answer["refused"]) for answer in answers]

    def fragments(self) -> tuple[list[dict[str, str]], list[str]]:
        """What its loops do, and its calls of macros with the tools."""
        return loop_bodies(self.source), macro_calls(self.source)

    def run(self, source: str, requests: Sequence[Mapping[str, Any]], today: date) -> tuple[list[str | Refused], float]:
        """The texts that a part of a specification makes of the requests."""
        texts: list[str | Refused] = []
        for request in requests:
            try:
                texts.append(compile_template(source).render(**request))
            except Exception as error:  # as the sandbox does
                texts.append(Refused(str(error)))
        return texts, 0.0

    def facts(self) -> dict[str, Any]:
        """What its syntax tree tells."""
        return sandbox_worker.facts_of(self.source)


def drafted(text: str, monkeypatch: pytest.MonkeyPatch, **more: Any) -> Draft:
    """The draft of a chat template."""
    monkeypatch.setattr(drafting, "Sandbox", InProcess)
    monkeypatch.setattr(lifting, "Sandbox", InProcess)
    source = Source("mine", ChatTemplates("mine.jinja", {"default": text}), **more)
    return drafting.draft(source, catalogue())


def template_of(found: Draft) -> dict[str, Any]:
    """What the draft says of its template."""
    (template,) = found.data["templates"].values()
    return dict(template)
