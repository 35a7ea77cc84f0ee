"""What a chat server hands to a Jinja chat template, and what one of our own files makes of it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from ..errors import Unsupported
from ..meaning.jinja import TemplateError, compile_template
from ..meaning.render import Kind
from ..meaning.scenarios import Scenario

Render = Callable[[dict[str, Any]], str]


def variables(
    scenario: Scenario,
    *,
    bos: str | None,
    eos: str | None,
    switch: str = "enable_thinking",
    kind: Kind = Kind.PROMPT,
) -> dict[str, Any]:
    """What a chat server hands to the template for the prompt of a scenario, or a trainer for a training text.

    ``switch`` is the variable that the template reads for thinking. ``apply_chat_template`` passes the special tokens
    that the tokenizer has, and no others.
    """
    given: dict[str, Any] = {
        "messages": [dict(message) for message in (scenario.asked if kind is Kind.PROMPT else scenario.messages)],
        "tools": list(scenario.tools) if scenario.tools else None,
        "documents": None,
        "add_generation_prompt": kind is Kind.PROMPT,
    }
    given.update({key: token for key, token in (("bos_token", bos), ("eos_token", eos)) if token is not None})
    if scenario.thinking is not None:
        given[switch] = scenario.thinking
    if kind is not Kind.PROMPT:
        given["preserve_thinking"] = kind is Kind.TRAINING
    elif scenario.preserve_thinking:
        given["preserve_thinking"] = True
    given.update(scenario.variables)
    return given


@cache
def renderer(source: str) -> Render:
    """Render one of our own files, in this process.

    The function that is returned raises Unsupported where the template raises.
    """
    template = compile_template(source)

    def render(given: dict[str, Any]) -> str:
        try:
            return template.render(**given)
        except TemplateError as error:
            raise Unsupported(f"the template raises: {error.message}") from error

    return render
