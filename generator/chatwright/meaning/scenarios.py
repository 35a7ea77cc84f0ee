"""The scenarios: conversations that every template is tested with, read from ``scenarios.yaml``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from importlib import resources
from typing import Any

import yaml

from ..catalogue.model import Template
from .conversation import Message
from .render import Kind, Piece, render


@dataclass(frozen=True)
class Scenario:
    """One conversation of OpenAI messages; it ends with an assistant's reply.

    ``base`` scenarios are recorded in full, the others as hashes. ``thinking`` is on, off, or None if the request does
    not set it. ``variables`` are other variables of the chat template that the request sets, for formats that have
    them.
    """

    name: str
    messages: tuple[Message, ...]
    tools: tuple[Mapping[str, Any], ...] | None
    thinking: bool | None
    preserve_thinking: bool
    base: bool
    variables: Mapping[str, Any] = field(default_factory=dict)

    @property
    def asked(self) -> tuple[Message, ...]:
        """The messages of the prompt: all before the last reply."""
        return self.messages[:-1]

    def pieces(self, template: Template, kind: Kind, today: date | None = None) -> tuple[Piece, ...]:
        """Render it with the reference renderer; its level of thinking is used if the format has levels.

        Raises:
            Unsupported: the template cannot express it.
        """
        levels = template.thinking.levels if template.thinking else None
        return render(
            template,
            self.asked if kind is Kind.PROMPT else self.messages,
            self.tools,
            kind=kind,
            thinking=self.thinking,
            level=self.variables.get(levels.variable) if levels else None,
            preserve_thinking=self.preserve_thinking,
            today=today,
        )


@cache
def scenarios() -> Mapping[str, Scenario]:
    """All scenarios by name, in file order."""
    file = resources.files(__package__).joinpath("scenarios.yaml")
    data = yaml.load(file.read_text(encoding="utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return {
        name: Scenario(
            name=name,
            messages=tuple(value["messages"]),
            tools=tuple(value["tools"]) if "tools" in value else None,
            thinking=value.get("thinking"),
            preserve_thinking=value.get("preserve_thinking", False),
            base=value.get("base", False),
            variables=value.get("variables", {}),
        )
        for name, value in data["scenarios"].items()
    }
