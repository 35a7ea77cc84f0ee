"""Random tools and calls, hostile ones among them, the same in every run."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_TEXTS = (
    "a",
    'Get "w"',
    "it's",
    "中文 ﬀ",
    "<b>&\\n",
    "line\nbreak",
    "{x}{{y}}",
    "",
    "  pad ",
    "👩‍👩‍👧",
    "\\",
    "%s",
    "</tool_call>",
)
_SYSTEMS = (None, "", "You are terse.", "  padded \n", "\n")
_BESIDE = (
    "",
    "Let me look. ",
    "  \n",
    "<think>\na\n</think>\n\n",
    "<think>\na\n</think>\n\nb",
    " a\n",
    "</think>\n \n",
)
_NAMES = ("city", "n", "items", "values", "keys", "get", "type", "ü", "function", "name")


def tools_and_calls(count: int, seed: int = 1) -> Iterator[tuple[list[dict[str, Any]], list[dict[str, Any]]]]:
    """``count`` pairs of a list of bare functions and a list of calls with ``name`` and ``arguments``."""
    source = random.Random(seed)
    for _ in range(count):
        yield (
            [_function(source) for _ in range(source.randint(1, 3))],
            [_call(source) for _ in range(source.randint(1, 3))],
        )


@dataclass(frozen=True)
class AgentCase:
    """Tools that are offered beside a system text, or none, and a user text; calls that stand beside a text."""

    tools: list[dict[str, Any]]
    calls: list[dict[str, Any]]
    system: str | None
    user: str
    text: str


def agent_cases(count: int) -> Iterator[AgentCase]:
    """``count`` cases with the tools and calls of :func:`tools_and_calls`."""
    for index, (tools, calls) in enumerate(tools_and_calls(count)):
        user, text = _TEXTS[index % len(_TEXTS)], _BESIDE[index % len(_BESIDE)]
        yield AgentCase(tools, calls, _SYSTEMS[index % len(_SYSTEMS)], user, text)


def _function(source: random.Random) -> dict[str, Any]:
    function: dict[str, Any] = {"name": source.choice(["get", "f_2", "Zed"])}
    if source.random() < 0.9:
        function["description"] = source.choice(_TEXTS)
    properties = {
        source.choice(_NAMES) + source.choice(["", "2"]): _property(source) for _ in range(source.randint(0, 3))
    }
    function["parameters"] = {"type": "object", "properties": properties}
    if source.random() < 0.7:
        function["parameters"]["required"] = list(properties)[:1]
    if source.random() < 0.2:
        response = {"description": source.choice(_TEXTS), "type": source.choice(["object", "string"])}
        function["response"] = {key: value for key, value in response.items() if source.random() < 0.7}
    return function


def _property(source: random.Random) -> dict[str, Any]:
    chances: list[tuple[float, str, Any]] = [
        (0.9, "type", source.choice(["string", "integer", "array", "object"])),
        (0.8, "description", source.choice(_TEXTS)),
        (0.3, "enum", [source.choice(_TEXTS) for _ in range(source.randint(0, 2))]),
        (0.3, "items", source.choice([{"type": "string"}, {"$ref": "x"}, {}])),
        (0.2, "default", _value(source)),
    ]
    return {key: value for chance, key, value in chances if source.random() < chance}


def _call(source: random.Random) -> dict[str, Any]:
    arguments = {source.choice(_NAMES) + str(i): _value(source) for i in range(source.randint(0, 3))}
    return {"name": source.choice(["get", "f_2"]), "arguments": arguments}


def _value(source: random.Random, depth: int = 0) -> Any:
    simple = (
        source.choice(_TEXTS),
        source.randrange(-9, 10**12),
        source.random() * 10 ** source.randrange(-9, 20),
        True,
        False,
        None,
    )
    if depth < 3 and source.random() < 0.3:
        size = source.randint(0, 3)
        if source.random() < 0.5:
            return [_value(source, depth + 1) for _ in range(size)]
        return {source.choice(_NAMES) + str(i): _value(source, depth + 1) for i in range(size)}
    return source.choice(simple)
