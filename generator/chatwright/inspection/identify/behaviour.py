"""What a model's own chat template writes, asked in the sandbox."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from ...catalogue.model import Catalogue
from ...meaning.sandbox import Refused
from ...meaning.scenarios import Scenario
from ..conversations import CORE, MEDIA, Texts, as_parts, parts_unread, request, switches, written
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


class Questions:
    """The requests that a chat template is asked with; those of models with the same tokens are made once."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._switches = switches(catalogue)

    def ask(self, record: Record, render: Render) -> Behaviour:
        """What the record's chat template writes; today's date stands as its format.

        Raises:
            TemplateFailed: it cannot be run within the limits.
        """
        assert record.templates
        unknown = {} if record.whole else {"bos_token": NO_BOS, "eos_token": NO_EOS}
        tokens = {**unknown, **record.tokens}
        texts = self._texts(record, tokens, render, in_parts=False)
        if not (isinstance(texts["plain"], str) and "Hello" in texts["plain"]):
            again = self._texts(record, tokens, render, in_parts=True)  # servers look for templates that want this
            if isinstance(text := again["plain"], str) and "Hello" in text:
                texts = again
        return Behaviour(texts, tokens.get("bos_token", ""), tokens.get("eos_token", ""))

    def _texts(self, record: Record, tokens: Mapping[str, str], render: Render, *, in_parts: bool) -> Texts:
        assert record.templates
        templates = record.templates

        def source(tools: bool) -> str:  # of named ones alone the first, as they are all that there is
            return templates.source(tools) or next(iter(templates.by_name.values()))

        def asked(scenario: Scenario) -> dict[str, Any]:
            given = request(scenario, tokens, self._switches)
            return {**given, "messages": list(map(as_parts, given["messages"]))} if in_parts else given

        return written(source, asked, lambda text, requests: render(text, requests, None))
