"""Tools: what a template is probed with, and the ways in which one tool or one call may be written.

The description of two tools (:mod:`.describing`), the calls of one and of two, and their results (:mod:`.calling`) are
cut at what stands for them: for a tool one of the ways in which known formats write one, for a call such a way or its
name, its arguments and its id. What stands around these is the format.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Any

from ...catalogue.model import Part
from ...catalogue.slots import parse_slot
from ...errors import Unsupported
from ...meaning.conversation import Call
from ...meaning.sandbox import DATE_MARKS
from ...meaning.tool_formats import format_calls, format_tools, tool_formats
from .judging import Case
from .lifting import BARE, WITH_ID, WRAPPED, Lifted, definition_of
from .probing import BOS, EOS, Kinds, Message, talk, to_slot

FIRST, SECOND = "fq_first_qf", "gq_second_qg"
SENTINEL = re.compile(r"[fgpD]q_\w+_q[fgpD]|vq1qv")
_LEAK = re.compile(rf"{SENTINEL.pattern}|callq000|[A-Z]q\d+q[A-Z]|[{''.join(DATE_MARKS)}{BOS}{EOS}]")
ID = "callq000"  # nine characters with the number, as some templates demand
CONTENT = (Part("field", "content"),)
UNREAD = [{"once": "{{ raise_exception('how this format writes calls could not be read') }}"}]
RESULTS = "Rq0qR", "Rq1qR"


def _function(name: str, description: str, properties: Mapping[str, Any], required: Sequence[str]) -> dict[str, Any]:
    parameters = {"type": "object", "properties": dict(properties), "required": list(required)}
    return {"type": "function", "function": {"name": name, "description": description, "parameters": parameters}}


TOOLS = (
    _function(
        FIRST,
        'Dq_first_qD & "b"',
        {
            "pq_one_qp": {"type": "string", "description": "Its 'one'"},
            "pq_two_qp": {"type": "string", "enum": ["kq", "jq"], "description": "Its two"},
            "pq_list_qp": {"type": "array", "items": {"type": "integer"}, "description": "Its list"},
        },
        ["pq_one_qp"],
    ),
    _function(
        SECOND,
        'Dq_second_qD "c"',
        {"pq_a_qp": {"type": "number", "description": "a"}, "pq_b_qp": {"type": "number", "description": "b"}},
        ["pq_a_qp", "pq_b_qp"],
    ),
)
ARGUMENTS = ({"pq_one_qp": "vq1qv", "pq_two_qp": "kq", "pq_list_qp": [1, 2]}, {"pq_a_qp": 7, "pq_b_qp": 2.5})
CALLS = (Call(FIRST, ARGUMENTS[0], f"{ID}0"), Call(SECOND, ARGUMENTS[1], f"{ID}1"))
JSON = (
    *(f"{{{{ {what}|tojson }}}}" for what in ("tool", "function")),
    *(f"{{{{ {what}|tojson(indent={size}) }}}}" for what in ("tool", "function") for size in (2, 4)),
    *(f"{{{{ {what}|tojson(indent={size})|indent({size}) }}}}" for what in ("tool", "function") for size in (2, 4)),
    *(f"{{{{ {what}|string }}}}" for what in ("tool", "function")),
    *(f"{{{{ {what}|tojson(separators=(',', ':')) }}}}" for what in ("tool", "function")),
    "{{ function.name ~ ': ' ~ function|tojson }}",
    "{{ {'name': function.name, 'description': function.description, 'parameters': function.parameters}|tojson }}",
    "{{ function.parameters|tojson }}",
)
KEYWORDS = (
    "{{ call.name ~ '(' }}{%- for key, value in arguments_object|items -%}"
    "{{ key ~ '=' ~ (\"'\" ~ value ~ \"'\" if value is string else value|tojson) ~ ('' if loop.last else ', ') }}"
    "{%- endfor -%}{{ ')' }}"
)
_CALLED = tuple(
    f"{{{{ {call}|tojson{how} }}}}"
    for call in (WITH_ID, WRAPPED, BARE)
    for how in ("", "(indent=2)", "(indent=4)", "(indent=2)|indent(2)", "(indent=4)|indent(4)")
)
ARGUMENTS_WAYS = (
    "arguments_json",
    "arguments_json|tojson",
    *(f"arguments_object|tojson(indent={size})" for size in (2, 4)),
    "arguments_object|string",
)


def leaks(*said: Any) -> bool:
    """Whether something that was read off a text holds a part of the conversation it was asked with."""
    return bool(_LEAK.search(json.dumps(said, ensure_ascii=False)))


def call(index: int) -> dict[str, Any]:
    """An OpenAI tool call of that number."""
    function = {"name": CALLS[index].name, "arguments": dict(ARGUMENTS[index])}
    return {"type": "function", "id": CALLS[index].id, "function": function}


def calling(count: int, text: str | None = "") -> Message:
    """The assistant's message with that many calls."""
    return {"role": "assistant", "content": text, "tool_calls": [call(index) for index in range(count)]}


def result(number: int, text: str | None = None) -> Message:
    """The answer to the call of that number."""
    content = RESULTS[number] if text is None else text
    return {"role": "tool", "tool_call_id": f"{ID}{number}", "content": content}


# -- ways to write one tool and one call


@dataclass(frozen=True)
class Way:
    """A part of a definition, and what it writes: of the first and of the second, or of both at once."""

    part: Mapping[str, str]
    texts: tuple[str, ...]

    def cut(self, text: str) -> tuple[str, str, str] | None:
        """The text in front of what is written, between the two, and after it."""
        between, (head, found, tail) = "", text.partition(self.texts[0])
        if found and len(self.texts) == 2:
            between, found, tail = tail.partition(self.texts[1])
        return (head, between, tail) if found else None


@cache
def tool_ways() -> tuple[Way, ...]:
    """The ways in which known formats write a tool, and JSON in some more."""
    fragments = list(JSON)
    for known in tool_formats().values():
        fragments += [part["each"] for part in known.tools if "each" in part]
    return tuple(filter(None, (way_of_tools({"each": fragment}) for fragment in dict.fromkeys(fragments))))


def way_of_tools(part: Mapping[str, str], *, joint: bool = False) -> Way | None:
    """What a part writes of the tools, both ``joint`` in one description; None where it does not write every tool."""
    definition = definition_of(tools=part)
    bare = [tool["function"] for tool in TOOLS]
    lists = [bare] if joint or "once" in part else [[each] for each in bare]
    way = _way(part, lambda: (format_tools(definition, each, date.min) for each in lists))
    return way if way and all(way.texts) and all(name in "".join(way.texts) for name in (FIRST, SECOND)) else None


@cache
def call_ways() -> tuple[Way, ...]:
    """The ways in which known formats write a call."""
    fragments: list[str] = [KEYWORDS, *_CALLED]
    for known in tool_formats().values():
        fragments += [part["each"] for part in (*known.calls, *(known.single or ())) if "each" in part]
    return tuple(filter(None, (way_of_calls({"each": fragment}) for fragment in dict.fromkeys(fragments))))


def way_of_calls(part: Mapping[str, str]) -> Way | None:
    """What a part writes of the first call alone and of the second alone; None where it cannot or writes nothing."""
    definition = definition_of(calls=part)
    way = _way(part, lambda: (format_calls(definition, [each]) for each in CALLS))
    return way if way and way.texts[0] else None


def _way(part: Mapping[str, str], write: Callable[[], Iterable[str]]) -> Way | None:
    try:
        return Way(part, tuple(write()))
    except Unsupported:
        return None


def ways_of(lifted: Lifted) -> tuple[list[Way], list[Way]]:
    """The ways that a template's own parts are, of tools and of calls."""
    found = [way_of_tools(part, joint=joint) for part in lifted.tools for joint in (False, True)]
    return list(filter(None, found)), list(filter(None, map(way_of_calls, lifted.calls)))


# -- texts


def text_of(slot: Any) -> str:
    """A slot as the text that the oracle writes, with NUL in the place of the content."""
    marks = {"bos": BOS, "eos": EOS, "field": "\0", "break": ""}
    return "".join(
        f"{DATE_MARKS[0]}{part.value}{DATE_MARKS[1]}" if part.kind == "date" else marks.get(part.kind, part.value)
        for part in parse_slot(slot)
    )


def head_of(slot: Any) -> str:
    """What a slot writes in front of its content."""
    return text_of(slot).partition("\0")[0]


def plain_parts(text: str) -> list[dict[str, str]]:
    """A text with dates as parts of a definition."""
    return [{"date": part.value} if part.kind == "date" else {"text": part.value} for part in to_slot(text)]


def merged(parts: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
    """The parts, neighbouring texts as one."""
    out: list[dict[str, str]] = []
    for part in parts:
        if "text" in part and out and "text" in out[-1]:
            out[-1] = {"text": out[-1]["text"] + part["text"]}
        else:
            out.append(dict(part))
    return out


_MESSAGES: Kinds = {
    "call": lambda _: calling(1),
    "calls": lambda _: calling(2),
    "second": lambda _: {**calling(1), "tool_calls": [call(1)]},
    "null": lambda _: calling(1, None),
    "text": lambda _: calling(1, "Aq0qA"),
    "padded": lambda _: calling(1, "Aq0qA \n"),
    "short": lambda _: {**calling(1), "tool_calls": [{**call(0), "id": "c1"}]},
    "thought": lambda _: {**calling(1), "reasoning_content": "Tq0qT"},
    "result": result,
    "to-short": lambda n: {**result(n), "tool_call_id": "c1"},
    "padded-result": lambda n: result(n, " \nRq0qR\n "),
    "quoted-result": lambda n: result(n, 'Rq"0\\qR'),
}
_CONVERSATIONS = {
    "offered": "u",
    "offered, system": "s u",
    "offered, empty system": "e u",
    "offered, later": "s u a u",
    "call": "u call result",
    "call, null": "u null result",
    "result": "u call result a u",
    "results": "s u calls result result a u",
    "chain": "u call result second result",
    "short id": "u short to-short",
    "text beside": "u text result",
    "padded text beside": "u padded result",
    "padded result": "u call padded-result",
    "quoted result": "u call quoted-result",
    "thought": "u thought result a u",
    "thought in chain": "u thought result",
    "replied": "u call",
}
BASIC = 6  # the weight of what every use of tools has
_WEIGHTS = dict.fromkeys(("offered", "offered, system", "call", "result", "short id"), BASIC)
_WEIGHTS |= {"thought": 1, "replied": 1}


def exchange(script: str) -> tuple[Message, ...]:
    """A conversation with calls and results in shorthand, see :func:`.probing.talk`."""
    return talk(script, _MESSAGES)


def cases(switch: str | None) -> list[Case]:
    """Conversations with tools."""
    return [
        Case(f"tools: {name}", exchange(script), TOOLS, replied=name == "replied", weight=_WEIGHTS.get(name, 2))
        for name, script in _CONVERSATIONS.items()
    ] + [
        Case(f"tools: {script}, thinking {mode}", exchange(script), TOOLS, mode, weight=2)
        for mode in ((True, False) if switch is not None else ())
        for script in ("u thought result", "u call result")
    ]
