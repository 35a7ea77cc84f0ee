"""The conversations that a chat template is asked for, and the requests that a chat server makes of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

from ..catalogue.model import Catalogue
from ..meaning.conversation import MEDIA_KINDS, Message
from ..meaning.sandbox import Refused
from ..meaning.scenarios import Scenario, scenarios
from .rendering import variables
from .vllm import parsed_call

CORE = ("plain", "multi", "system", "system_multi")  # conversations that any chat template must write
TYPED = "typed_text"  # the conversation whose content is a list of texts
MEDIA = MEDIA_KINDS  # one conversation each
Texts = dict[str, str | Refused]


@cache
def conversations() -> Mapping[str, Scenario]:
    """The scenarios, and one more with an image, a video and an audio clip each."""
    return {**scenarios(), **{kind: _with_media(kind) for kind in MEDIA}}


def _with_media(kind: str) -> Scenario:
    asked = {"role": "user", "content": [{"type": kind}, {"type": "text", "text": "What is this?"}]}
    replied = {"role": "assistant", "content": "A cat."}
    return Scenario(kind, (asked, replied), None, None, False, False)


def switches(catalogue: Catalogue) -> list[str]:
    """The variables that turn thinking on and off in chat templates."""
    known = {template.thinking.switch for template in catalogue.templates.values() if template.thinking}
    return sorted(known | {"enable_thinking", "thinking"})


def request(scenario: Scenario, tokens: Mapping[str, str], switch_names: Sequence[str]) -> dict[str, Any]:
    """What a chat server hands to the template: the tokenizer's special tokens, arguments of calls as objects."""
    given = variables(scenario, bos=None, eos=None)
    given["messages"] = [parsed(message) for message in given["messages"]]
    switched = {} if scenario.thinking is None else dict.fromkeys(switch_names, scenario.thinking)
    return {**tokens, **given, **switched}


def parsed(message: Message) -> dict[str, Any]:
    """The message with its calls' arguments as objects, as vLLM makes them."""
    calls = message.get("tool_calls")
    return {**message, "tool_calls": [parsed_call(call) for call in calls]} if calls else dict(message)


def as_parts(message: Mapping[str, Any]) -> dict[str, Any]:
    """The message with its text as a list of parts."""
    content = message.get("content")
    return {**message, "content": [{"type": "text", "text": content}]} if isinstance(content, str) else dict(message)


def written(
    source: Callable[[bool], str | None],
    request: Callable[[Scenario], Mapping[str, Any]],
    render: Callable[[str, Sequence[Mapping[str, Any]]], Sequence[str | Refused]],
) -> Texts:
    """What chat templates write of every conversation; those of one template are rendered at once.

    ``source`` is the template of a request with or without tools, None where there is none.
    """
    by_source: dict[str | None, list[Scenario]] = {}
    for scenario in conversations().values():
        by_source.setdefault(source(bool(scenario.tools)), []).append(scenario)
    found: Texts = {}
    for text, asked in by_source.items():
        missing = [Refused("there is no template for requests without tools")] * len(asked)
        texts = missing if text is None else render(text, list(map(request, asked)))
        found.update(zip((scenario.name for scenario in asked), texts, strict=True))
    return {name: found[name] for name in conversations()}


def parts_unread(text: str | Refused) -> bool:
    """Whether a template takes content for a text only; servers then join the parts themselves."""
    return isinstance(text, Refused) or "'type': 'text'" in text
