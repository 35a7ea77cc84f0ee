"""What a model's own chat template writes, asked in the sandbox."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from ...meaning.sandbox import Refused
from ...meaning.scenarios import Scenario
from ..conversations import CORE, MEDIA, Texts, as_parts, parts_unread, request, written
from ..verify.writings import NO_BOS, NO_EOS
from .records import Record

Render = Callable[[str, Sequence[Mapping[str, Any]], date | None], list[str | Refused]]


@dataclass(frozen=True)
class Behaviour:
    """The prompts that a chat template writes, by conversation, with the BOS and EOS in them."""

    texts: Texts
    bos: str
    eos: str

    @property
    def core(self) -> dict[str, str]:
        """What it writes of the conversations that any template must write, as far as it does."""
        return {name: text for name in CORE if isinstance(text := self.texts.get(name), str)}

    @property
    def size(self) -> int:
        """How many characters it writes."""
        return sum(len(text) for text in self.texts.values() if isinstance(text, str))

    @property
    def sees(self) -> bool:
        """Whether it has a place for images, video or audio: then it does not write all three questions alike."""
        texts = [text for name in MEDIA if isinstance(text := self.texts[name], str) and not parts_unread(text)]
        return len(set(texts)) > 1 or 0 < len(texts) < len(MEDIA)

    @property
    def raised(self) -> str | None:
        """What it says where it writes neither one question nor several, None where it does."""
        for name in ("plain", "multi"):
            if isinstance(text := self.texts[name], Refused):
                return text.reason
        return None


def ask(record: Record, render: Render, switch_names: Sequence[str]) -> Behaviour:
    """What a record's chat template writes; today's date stands as its format.

    Raises:
        TemplateFailed: it cannot be run within the limits.
    """
    assert record.templates
    templates = record.templates
    unknown = {} if record.whole else {"bos_token": NO_BOS, "eos_token": NO_EOS}
    tokens = {**unknown, **record.tokens}

    def source(tools: bool) -> str:  # of named ones alone the first, as they are all that there is
        return templates.source(tools) or next(iter(templates.by_name.values()))

    def texts(as_given: Callable[[dict[str, Any]], dict[str, Any]]) -> Texts:
        def asked(scenario: Scenario) -> dict[str, Any]:
            given = request(scenario, tokens, switch_names)
            return {**given, "messages": list(map(as_given, given["messages"]))}

        return written(source, asked, lambda text, requests: render(text, requests, None))

    found = texts(dict)
    if not _answers(found) and _answers(in_parts := texts(as_parts)):  # servers look for templates that want this
        found = in_parts
    return Behaviour(found, tokens.get("bos_token", ""), tokens.get("eos_token", ""))


def _answers(texts: Texts) -> bool:
    return isinstance(text := texts["plain"], str) and "Hello" in text
