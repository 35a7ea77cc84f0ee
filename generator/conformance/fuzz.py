"""Random tools, calls and conversations that use them, hostile ones among them, the same in every run."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from chatwright.meaning.scenarios import Scenario

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
_NAMES = ("city", "n", "items", "values", "keys", "get", "type", "ü", "function", "name")


def tools_and_calls(count: int, seed: int = 1) -> Iterator[tuple[list[dict[str, Any]], list[dict[str, Any]]]]:
    """``count`` pairs of a list of bare functions and a list of calls with ``name`` and ``arguments``."""
    source = random.Random(seed)
    for _ in range(count):
        yield (
            [_function(source) for _ in range(source.randint(1, 3))],
            [_call(source) for _ in range(source.randint(1, 3))],
        )


def tool_scenarios(count: int, seed: int = 2) -> Iterator[Scenario]:
    """``count`` conversations: a system text or none, tools, calls beside a text or alone, and the calls' results."""
    source = random.Random(seed)
    for index, (tools, calls) in enumerate(tools_and_calls(count, seed)):
        system = source.choice([None, None, *_TEXTS])
        messages: list[dict[str, Any]] = [] if system is None else [{"role": "system", "content": system}]
        messages.append({"role": "user", "content": source.choice(_TEXTS)})
        beside = source.choice(["", "", *_TEXTS])
        numbered = [{"type": "function", "id": f"c{i}", "function": call} for i, call in enumerate(calls)]
        messages.append({"role": "assistant", "content": beside, "tool_calls": numbered})
        for call in numbered:
            messages.append({"role": "tool", "tool_call_id": call["id"], "content": source.choice(_TEXTS)})
        messages.append({"role": "assistant", "content": "Done."})
        if source.random() < 0.3:
            messages += [{"role": "user", "content": "Thanks"}, {"role": "assistant", "content": "Welcome."}]
        wrapped = tuple({"type": "function", "function": tool} for tool in tools)
        yield Scenario(f"random {index}", tuple(messages), wrapped, None, preserve_thinking=False, base=False)


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
