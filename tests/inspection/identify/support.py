"""A small catalogue to identify models in, and chat templates of our own, which run without the sandbox's process."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date
from functools import cache
from typing import Any

from chatwright.catalogue.model import Catalogue
from chatwright.inspection.identify import Answer, Identifier
from chatwright.inspection.identify.records import read_record
from chatwright.meaning import sandbox_worker
from chatwright.meaning.sandbox import Refused, TemplateFailed
from chatwright.targets.vllm import chat_template
from tests.support import catalogue

FAMILIES = ("qwen", "qwen3", "llama3", "llama2", "yi", "deepseek", "qwen2_vl")


@cache
def identifier() -> Identifier:
    """The one that all tests ask."""
    specs = tuple(spec for spec in catalogue().specs if spec.name in FAMILIES)
    assert len(specs) == len(FAMILIES), [spec.name for spec in specs]
    return Identifier(Catalogue(specs))


def render(source: str, requests: Sequence[Mapping[str, Any]], today: date | None) -> list[str | Refused]:
    """What the sandbox answers, in this process."""
    assert today is None
    job = {"source": source, "requests": json.loads(json.dumps(list(requests))), "noon": None, "strict": False}
    try:
        answers = sandbox_worker._render({**job, "characters": 4_000_000})
    except sandbox_worker.Failed as reason:
        raise TemplateFailed(str(reason)) from reason
    return [answer["text"] if "text" in answer else Refused(answer["refused"]) for answer in answers]


class Workshop:
    """The sandbox's process, without one."""

    def __init__(self, *, seconds: int = 0) -> None:
        self.took = 0.0
        self.seconds = seconds

    def start(self) -> Workshop:
        """Nothing to do."""
        return self

    def render(self, source: str, requests: Sequence[Mapping[str, Any]], today: date | None) -> list[str | Refused]:
        """The texts."""
        return render(source, requests, today)

    def __enter__(self) -> Workshop:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def close(self) -> None:
        """Nothing to do."""


def identify(**row: Any) -> Answer:
    """The answer to a row of a dump."""
    return identifier().identify(read_record(row), render)


def deployed(name: str) -> str:
    """The chat template that is generated for a template, which writes what it writes."""
    return chat_template(identifier().catalogue.templates[name])
