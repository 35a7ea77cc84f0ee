"""What is trained: which template with which model, on which conversations, and what it is compared with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from chatwright.meaning.conversation import Message
from chatwright.meaning.scenarios import Scenario, scenarios

Framework = Literal["llamafactory", "swift"]
Trainer = Literal["llamafactory", "swift", "swift 3"]


def framework_of(trainer: Trainer) -> Framework:
    """The framework whose registrations a trainer reads."""
    return "llamafactory" if trainer == "llamafactory" else "swift"


@dataclass(frozen=True)
class Case:
    """One model trained with one template.

    ``template`` is its name in both frameworks, ``model_type`` ms-swift's; ``built_in`` names for each framework the
    template, and ``built_in_type`` the model type, that mean the same. ``real_tokenizer`` is the folder of a
    publisher's tokenizer, None: a byte-level one is made. ``scenarios`` is what is learned, one conversation a step.
    ``by_path``: ms-swift is told neither model type nor template, and finds both by the model's local path.
    """

    name: str
    model: str
    template: str
    model_type: str
    built_in: Mapping[Framework, str]
    built_in_type: str
    scenarios: tuple[Scenario, ...]
    real_tokenizer: str | None = None
    images: bool = False
    by_path: bool = False

    def catalogue_name(self, trainer: Trainer) -> str:
        """The template's name in the spec."""
        return self.template if trainer == "llamafactory" else f"{self.template}-swift"


def cases() -> tuple[Case, ...]:
    """All cases."""
    known = scenarios()
    tools = tuple(known[name] for name in ("tool_result", "tool_parallel", "system_multi"))
    thinking = tuple(known[name] for name in ("thinking_on", "thinking_tools"))
    chatml: Mapping[Framework, str] = {"llamafactory": "qwen", "swift": "qwen2_5"}
    return (
        Case("tools", "acme-text", "acme", "acme_text", chatml, "qwen2", tools),
        Case("real tokenizer", "acme-real", "acme", "acme_text", chatml, "qwen2", tools, real_tokenizer="qwen2_5"),
        Case(
            "thinking",
            "acme-thinking",
            "acme_thinking",
            "acme_text",
            {"llamafactory": "qwen3", "swift": "qwen3"},
            "qwen2",
            thinking,
            by_path=True,
        ),
        Case(
            "images",
            "acme-eyes",
            "acme_eyes",
            "acme_eyes",
            {"llamafactory": "llava", "swift": "llava1_5_hf"},
            "llava1_5_hf",
            (_seen("one image", "What is this?", 1), _seen("two images", "Compare these.", 2), known["multi"]),
            images=True,
            by_path=True,
        ),
    )


def _seen(name: str, text: str, count: int) -> Scenario:
    content: list[dict[str, Any]] = [{"type": "image"} for _ in range(count)]
    asked = {"role": "user", "content": [*content, {"type": "text", "text": text}]}
    return Scenario(name, (asked, {"role": "assistant", "content": "A pattern."}), None, None, False, False)


def with_images(messages: Sequence[Message], paths: Sequence[str]) -> list[dict[str, Any]]:
    """The messages in parts, as processors read them, with a path in each image, in order."""
    left = iter(paths)
    found = []
    for message in messages:
        content = message["content"]
        parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
        parts = [{**part, "path": next(left)} if part["type"] == "image" else part for part in parts]
        found.append({**message, "content": parts})
    return found


def image_count(scenario: Scenario) -> int:
    """How many images the conversation has."""
    return sum(
        part["type"] == "image"
        for message in scenario.messages
        if isinstance(message["content"], list)
        for part in message["content"]
    )
