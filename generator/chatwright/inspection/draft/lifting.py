"""Parts of a tool format that are the chat template's own Jinja: its loops over tools and calls, tried in the sandbox.

What a loop writes may be too much for any form known beforehand: types as TypeScript has them, XML, objects without
quotes. Its body can stand in a spec as it is. It is first run in the sandbox, on everything that a draft is rendered
with later; what is slow there, large or random is not taken over, so that nothing of a stranger's runs unbounded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from functools import partial
from typing import Any

from ...errors import Unsupported
from ...meaning.conversation import Call, read_conversation
from ...meaning.sandbox import Refused, Sandbox, TemplateFailed
from ...meaning.tool_formats import ToolFormat, calls_jinja, read_definition, tools_jinja
from ..conversations import conversations

Part = Mapping[str, str]
_SECONDS, _MEMORY = 2, 200 * 1024**2  # for all parts together
_QUICK = 0.1  # seconds of one part, for all that it is tried on
_LARGE = 100_000  # characters of one part
_OTHER = re.compile(r"\b(random|lipsum|strftime_now|system|user|first_mark)\b")  # what would make it write anew
_STRING = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"", re.DOTALL)
_DAY = date(2001, 2, 3)
WRAPPED = "{'type': 'function', 'function': {'name': call.name, 'arguments': arguments_object}}"
WITH_ID = "{'type': 'function', 'id': call_id, 'function': {'name': call.name, 'arguments': arguments_object}}"
BARE = "{'name': call.name, 'arguments': arguments_object}"
_LIST = (
    "{%- set wrapped = namespace(tools=[]) -%}{%- for item in tools -%}"
    "{%- set function = item.function if item.function is defined else item -%}"
    "{%- set wrapped.tools = wrapped.tools + [{'type': 'function', 'function': function}] -%}{%- endfor -%}"
    "{%- set tools = wrapped.tools -%}"
)


@dataclass(frozen=True)
class Lifted:
    """Parts of descriptions and of calls that ran within the limits; none of them is known to be the right one."""

    tools: tuple[Part, ...] = ()
    calls: tuple[Part, ...] = ()


def lifted(source: str, tools: Sequence[Any], calls: Sequence[Call]) -> Lifted:
    """The parts that a chat template offers; ``tools`` and ``calls`` are those that it was probed with."""
    lists, turns = _inputs(tools, calls)
    given_tools = [{"tools": each, "system": None, "user": "", "first_mark": ""} for each in lists]
    given_calls = [{"calls": [asdict(call) for call in each]} for each in turns]
    try:
        with Sandbox(source, strict=False, seconds=_SECONDS, memory=_MEMORY) as box:
            loops, whole = box.fragments()
            runs = partial(_runs, box, calls[0].name)
            described = [(part, tools_jinja(definition_of(tools=part))) for part in _described(loops, whole)]
            called = [(part, calls_jinja(definition_of(calls=part))) for part in _called(loops)]
            return Lifted(
                tuple(part for part, source in described if runs(source, given_tools)),
                tuple(part for part, source in called if runs(source, given_calls)),
            )
    except (TemplateFailed, Unsupported):
        return Lifted()


def _inputs(tools: Sequence[Any], calls: Sequence[Call]) -> tuple[list[list[Any]], list[list[Call]]]:
    """The lists of bare tools and of calls that a draft is rendered with."""
    bare = [tool["function"] for tool in tools]
    lists = [bare, *([each] for each in bare)]
    turns = [list(calls), *([each] for each in calls), [replace(calls[0], id="c1")]]
    for scenario in conversations().values():
        if scenario.tools:
            conversation = read_conversation(scenario.asked, scenario.tools)
            lists += [list(conversation.tools)] * (list(conversation.tools) not in lists)
            turns += [list(turn.calls) for turn in conversation.turns if turn.calls]
    return lists, turns


def _described(loops: Sequence[Mapping[str, str]], whole: Sequence[str]) -> Iterator[Part]:
    yield from ({"once": (_LIST + body).strip()} for body in whole)
    for loop in loops:
        for value in ("tool", "function"):
            yield {"each": _named(loop, value)}


def _called(loops: Sequence[Mapping[str, str]]) -> Iterator[Part]:
    for loop in loops:
        for value in (WRAPPED, BARE, *([WITH_ID] if "id" in loop["body"] else [])):
            yield {"each": _named(loop, value)}


def _named(loop: Mapping[str, str], value: str) -> str:
    """The loop's body with its variable set to a value."""
    body = loop["body"] if loop["target"] == value else f"{{%- set {loop['target']} = {value} -%}}{loop['body']}"
    tokens = [name for name in ("bos_token", "eos_token") if name in body]  # the slots write them
    return ("".join(f"{{%- set {name} = '' -%}}" for name in tokens) + body).strip()  # its ends are not written


def definition_of(*, tools: Part | None = None, calls: Part | None = None) -> ToolFormat:
    """A tool format whose description, or whose calls, are one part."""
    parts = {"tools": tools, "calls": calls}
    return read_definition("part", {key: [part or {"text": "-"}] for key, part in parts.items()})


def _runs(box: Sandbox, name: str, source: str, requests: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a part writes the first it is asked by name, the same when asked again, and is quick on all of it."""
    if _OTHER.search(_STRING.sub("", source)):
        return False
    first = box.run(source, requests[:1], _DAY)[0][0]
    if isinstance(first, Refused) or name not in first:
        return False
    texts, spent = box.run(source, requests, _DAY)
    written = [text for text in texts if not isinstance(text, Refused)]
    return spent < _QUICK and 0 < sum(map(len, written)) < _LARGE
