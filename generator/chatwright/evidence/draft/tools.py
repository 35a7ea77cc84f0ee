"""Tools: how a template describes them, how it writes calls and results; as known formats do, or as a new one.

The description of two tools, the calls of one and of two, and their results are cut at what stands for them: for a
tool one of the ways in which known formats write one, for a call such a way or its name and its arguments. What stands
around these is the format.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from itertools import pairwise
from typing import Any

from ...catalogue.model import Part, Slot
from ...catalogue.slots import join_slots, write_slot
from ...errors import Unsupported
from ...meaning.conversation import Call
from ...meaning.jinja import literal
from ...meaning.tool_formats import (
    format_calls,
    format_result,
    format_separator,
    format_tools,
    read_definition,
    tool_formats,
)
from ..sandbox import DATE_MARKS
from .judging import Case
from .probing import (
    BOS,
    EOS,
    SYSTEM,
    Message,
    Oracle,
    chat,
    common_end,
    common_start,
    cut,
    is_plain,
    reply,
    system,
    to_slot,
    user,
)

FIRST, SECOND = "fq_first_qf", "gq_second_qg"
_SENTINEL = re.compile(r"[fgpD]q_\w+_q[fgpD]|vq1qv")
_LEAK = re.compile(rf"{_SENTINEL.pattern}|callq000|[A-Z]q\d+q[A-Z]")
_ID = "callq000"  # nine characters with the number, as some templates demand
_CONTENT = (Part("field", "content"),)
UNREAD = [{"once": "{{ raise_exception('how this format writes calls could not be read') }}"}]
_RESULT = "Rq{}qR"
_WEIGHTS = {"offered": 6, "offered, system": 6, "call": 6, "result": 6}


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
CALLS = (Call(FIRST, ARGUMENTS[0]), Call(SECOND, ARGUMENTS[1]))
_JSON = (
    *(f"{{{{ {what}|tojson }}}}" for what in ("tool", "function")),
    *(f"{{{{ {what}|tojson(indent={size}) }}}}" for what in ("tool", "function") for size in (2, 4)),
    *(f"{{{{ {what}|tojson(indent={size})|indent({size}) }}}}" for what in ("tool", "function") for size in (2, 4)),
    "{{ function.name ~ ': ' ~ function|tojson }}",
    "{{ {'name': function.name, 'description': function.description, 'parameters': function.parameters}|tojson }}",
    "{{ function.parameters|tojson }}",
)
_KEYWORDS = (
    "{{ call.name ~ '(' }}{%- for key, value in arguments_object|items -%}"
    "{{ key ~ '=' ~ (\"'\" ~ value ~ \"'\" if value is string else value|tojson) ~ ('' if loop.last else ', ') }}"
    "{%- endfor -%}{{ ')' }}"
)
_ARGUMENTS = (
    "arguments_json",
    "arguments_json|tojson",
    *(f"arguments_object|tojson(indent={size})" for size in (2, 4)),
    "arguments_object|string",
)


def leaks(*said: Any) -> bool:
    """Whether something that was read off a text holds a part of the conversation it was asked with."""
    return bool(_LEAK.search(json.dumps(said)))


def call(index: int) -> dict[str, Any]:
    """An OpenAI tool call of that number."""
    function = {"name": CALLS[index].name, "arguments": dict(ARGUMENTS[index])}
    return {"type": "function", "id": f"{_ID}{index}", "function": function}


def calling(count: int, text: str | None = "") -> Message:
    """The assistant's message with that many calls."""
    return {"role": "assistant", "content": text, "tool_calls": [call(index) for index in range(count)]}


def result(number: int, text: str | None = None) -> Message:
    """The answer to the call of that number."""
    content = _RESULT.format(number) if text is None else text
    return {"role": "tool", "tool_call_id": f"{_ID}{number}", "content": content}


@dataclass(frozen=True)
class _Mode:
    """What probing with tools goes by: the opener behind a user's message, and what ends the prompt."""

    user_tail: str
    opener: str
    generation: str
    body_tail: str
    last_tail: str


# -- ways to write one tool and one call


@cache
def _tool_ways() -> tuple[tuple[str, tuple[str, str]], ...]:
    """Fragments that write a tool, with their texts of the two tools."""
    fragments = list(_JSON)
    for known in tool_formats().values():
        fragments += [part["each"] for part in known.tools if "each" in part]
    found = []
    for fragment in dict.fromkeys(fragments):
        definition = read_definition("way", {"tools": [{"each": fragment}], "calls": [{"text": "-"}]})
        try:
            texts = [format_tools(definition, [tool["function"]], date.min) for tool in TOOLS]
        except Unsupported:
            continue
        if all(texts):
            found.append((fragment, (texts[0], texts[1])))
    return tuple(found)


@cache
def _call_ways() -> tuple[tuple[str, tuple[str, str]], ...]:
    """Fragments that write a call, with their texts of the two calls."""
    fragments: list[str] = [_KEYWORDS]
    for known in tool_formats().values():
        fragments += [part["each"] for part in (*known.calls, *(known.single or ())) if "each" in part]
    return tuple(_written(fragment) for fragment in dict.fromkeys(fragments) if _written(fragment)[1][0])


def _written(fragment: str) -> tuple[str, tuple[str, str]]:
    definition = read_definition("way", {"tools": [{"text": "-"}], "calls": [{"each": fragment}]})
    try:
        first, second = (format_calls(definition, [each]) for each in CALLS)
    except Unsupported:
        first = second = ""
    return fragment, (first, second)


# -- the description


def _region(oracle: Oracle, messages: Sequence[Message], tools: Sequence[Any] | None) -> list[str] | None:
    marks = [str(message["content"]) for message in messages if message["role"] == "user"]
    return cut(oracle.ask(messages, tools=list(tools) if tools else None), *marks)


def descriptions(oracle: Oracle, data: Mapping[str, Any]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Definitions of the description, each with the slots that go with it, the likeliest first."""
    bare = _region(oracle, chat(1), None)
    alone = _region(oracle, chat(1), TOOLS)
    beside = _region(oracle, chat(1, system()), TOOLS)
    if bare is None or alone is None or alone == bare:
        return
    user_head = _head_of(data["slots"]["user"])
    for where, inner, around in _places(data, user_head, alone, beside, bare):
        ways = _longest(_tool_ways(), inner[0])
        if composed := _composed(inner[0]):
            ways.insert(0, composed)
        for fragment, (first, second) in ways:
            texts = [_split(text, first, second) for text in inner]
            if not all(texts):
                continue
            heads, joins, tails = zip(*(text for text in texts if text), strict=True)
            if len(set(joins)) > 1 or not all(map(is_plain, joins)):
                continue
            if any(_SENTINEL.search(text) for text in (*heads, *joins, *tails)):
                continue  # a way that writes a part of a tool only, and the rest is no format
            each = {"each": fragment, **({"join": joins[0]} if joins[0] else {})}
            default = data.get("default_system")
            head = _either(heads, where, default)
            tail = _either(tails, where, default)
            if head is None or tail is None:
                continue
            parts = _merged([*head, each, *tail])
            if where == "system" and parts[0] == {"once": "{{ system }}"}:
                where_now, parts = "behind_system", parts[1:]
            else:
                where_now = where
            yield {"tools": parts, **({} if where_now == "behind_system" else {"place": where_now})}, around


def _places(
    data: Mapping[str, Any], user_head: str, alone: list[str], beside: list[str] | None, bare: list[str]
) -> Iterator[tuple[str, list[str], dict[str, Any]]]:
    """Where the description may stand: the place, the texts there without and with a system text, and slots."""
    texts = [alone[0], *([beside[0]] if beside and SYSTEM in beside[0] else [])]
    slots = data["slots"]
    if alone[1:] == bare[1:] and data.get("system_placement", "turn") in ("turn", "first_user", "first_user_head"):
        before, behind = _system_around(data)
        if behind is not None and all(text.startswith(before) and text.endswith(behind) for text in texts):
            inner = [text[len(before) : len(text) - len(behind)] for text in texts]
            yield "system", inner, {}
        prefix = _text_of(slots.get("prefix", ""))
        if all(text.startswith(prefix) and text.endswith(user_head) for text in texts):
            inner = [text[len(prefix) : len(text) - len(user_head)] for text in texts]
            if all(is_plain(text.replace(DATE_MARKS[0], "").replace(DATE_MARKS[1], "")) for text in inner):
                turn = {} if data.get("system_placement", "turn") == "turn" else {"system_placement": "turn"}
                yield "system", inner, {"slots": {"system_with_tools": "{{content}}"}, **turn}
    if alone[1:] == bare[1:] and user_head and alone[0].endswith(user_head):
        front = bare[0][: len(bare[0]) - len(user_head)]
        if (front and alone[0].startswith(front)) or not front:
            yield "before_last_user", [alone[0][len(front) : len(alone[0]) - len(user_head)]], {}
    if beside and SYSTEM in beside[0]:
        before, _, behind = beside[0].partition(SYSTEM)
        tail, found, front = behind.partition(user_head)
        rear = alone[1][: len(alone[1]) - len(bare[1])] if alone[1].endswith(bare[1]) else None
        prefix = _text_of(slots.get("prefix", ""))
        if user_head and found and (front or rear) and rear is not None and before.startswith(prefix):
            whole = write_slot(join_slots(to_slot(before[len(prefix) :]), _CONTENT, to_slot(tail)))
            own = {} if whole == slots.get("system") else {"slots": {"system_with_tools": whole}}
            yield "user", [f"{front}Uq0qU{rear}"], own


def _system_around(data: Mapping[str, Any]) -> tuple[str, str | None]:
    """What stands around a system text in front of the first user message, as the slots say."""
    slots = data["slots"]
    prefix, user_head = _text_of(slots.get("prefix", "")), _head_of(slots["user"])
    if "system" not in slots:
        return prefix, None
    head, _, tail = _text_of(slots["system"]).partition("\0")
    placement = data.get("system_placement", "turn")
    if placement == "turn":
        return prefix + head, tail + user_head
    if placement == "first_user":
        return prefix + user_head + head, tail
    return prefix + head, tail


def _text_of(slot: Any) -> str:
    """A slot as the text that the oracle writes, with NUL in the place of the content."""
    from ...catalogue.slots import parse_slot

    marks = {"bos": BOS, "eos": EOS, "field": "\0", "break": ""}
    return "".join(
        f"{DATE_MARKS[0]}{part.value}{DATE_MARKS[1]}" if part.kind == "date" else marks.get(part.kind, part.value)
        for part in parse_slot(slot)
    )


def _head_of(slot: Any) -> str:
    return _text_of(slot).partition("\0")[0]


def _longest(
    ways: Sequence[tuple[str, tuple[str, str]]], text: str, most: int = 6
) -> list[tuple[str, tuple[str, str]]]:
    """The ways whose texts stand in the text, the longest first."""
    found = [way for way in ways if way[1][0] in text and way[1][1] in text]
    return sorted(found, key=lambda way: -len(way[1][0]))[:most]


def _composed(text: str) -> tuple[str, tuple[str, str]] | None:
    """A fragment put together of a tool's name, its description and its JSON, with what stands between them."""
    found: list[list[tuple[int, int, str]]] = []
    for index in (0, 1):
        places: list[tuple[int, int, str]] = []
        for fragment, texts in _values():
            place = text.find(texts[index])
            while place >= 0:
                end = place + len(texts[index])
                if all(end <= start or place >= stop for start, stop, _ in places):
                    places.append((place, end, fragment))
                place = text.find(texts[index], end)
        found.append(sorted(places))
    first, second = found
    if len(first) < 2 or [each[2] for each in first] != [each[2] for each in second]:
        return None
    between = [[text[one[1] : two[0]] for one, two in pairwise(places)] for places in found]
    if between[0] != between[1] or first[-1][1] > second[0][0] or not all(map(is_plain, between[0])):
        return None
    parts = [first[0][2]]
    for literally, (_, _, value) in zip(between[0], first[1:], strict=True):
        parts += [literal(literally)] * bool(literally) + [value]
    whole = [text[places[0][0] : places[-1][1]] for places in found]
    return f"{{{{ {' ~ '.join(parts)} }}}}", (whole[0], whole[1])


@cache
def _values() -> tuple[tuple[str, tuple[str, str]], ...]:
    """What of a tool may stand in a description, the longest first: an expression, and its texts of the two tools."""
    jsons = [fragment.removeprefix("{{ ").removesuffix(" }}") for fragment in _JSON]
    jsons += [f"function.parameters|tojson(indent={size})" for size in (2, 4)]
    ways = [(f"({each})" if "|" in each else each, _of_tools(f"{{{{ {each} }}}}")) for each in jsons if "~" not in each]
    names = [
        (value, _of_tools(f"{{{{ {value} }}}}"))
        for plain in ("function.description", "function.name")
        for value in (f"{plain}|tojson", plain)
    ]
    names = [(f"({value})" if "|" in value else value, texts) for value, texts in names]
    return (*sorted(ways, key=lambda way: -len(way[1][0])), *names)


def _of_tools(fragment: str) -> tuple[str, str]:
    definition = read_definition("way", {"tools": [{"each": fragment}], "calls": [{"text": "-"}]})
    first, second = (format_tools(definition, [tool["function"]], date.min) for tool in TOOLS)
    return first, second


def _split(text: str, first: str, second: str) -> tuple[str, str, str] | None:
    """The text in front of, between and behind two others."""
    head, found, rest = text.partition(first)
    between, also, tail = rest.partition(second)
    return (head, between, tail) if found and also else None


def _either(texts: Sequence[str], place: str, default: str | None) -> list[dict[str, str]] | None:
    """The parts that write the first text without a system text, and the second with it; None where none can."""
    if any(BOS in text or EOS in text for text in texts):
        return None
    if place == "user":
        head, found, tail = texts[0].partition("Uq0qU")
        return [*_plain(head), *([{"once": "{{ user }}"}] if found else []), *_plain(tail)]
    if len(texts) == 1:
        return _plain(texts[0])
    without, given = texts
    default = _text_of(default) if default else ""
    if SYSTEM not in given:
        if without == given:
            return _plain(given)
        return [{"once": _choice(_expression(given), without, default)}]
    before, _, behind = given.partition(SYSTEM)
    if SYSTEM in behind:
        return None
    if before + default + behind == without:
        return [*_plain(before), {"once": "{{ system }}"}, *_plain(behind)]
    if without.startswith(before):  # what stands in front whatever there is
        shared, end = before, without[len(before) :]
        return [*_plain(shared), {"once": _choice("system" + _then(behind), end, default)}]
    if without.endswith(behind):
        return [
            {"once": _choice(_before(before) + "system", without[: len(without) - len(behind)], default)},
            *_plain(behind),
        ]
    return [{"once": _choice(_before(before) + "system" + _then(behind), without, default)}]


def _choice(given: str, without: str, default: str) -> str:
    """A fragment for what stands with a system text and without; a default text is none."""
    condition = f"system and system != {_expression(default)}" if default else "system"
    return f"{{{{ {given} if {condition} else {_expression(without)} }}}}"


def _before(text: str) -> str:
    return f"{_expression(text)} ~ " if text else ""


def _then(text: str) -> str:
    return f" ~ {_expression(text)}" if text else ""


def _expression(text: str) -> str:
    """A Jinja expression for a text with dates."""
    parts = [
        f"strftime_now({literal(part.value)})" if part.kind == "date" else literal(part.value) for part in to_slot(text)
    ]
    return " ~ ".join(parts) or "''"


def _plain(text: str) -> list[dict[str, str]]:
    return [{"date": part.value} if part.kind == "date" else {"text": part.value} for part in to_slot(text)]


def _merged(parts: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
    out: list[dict[str, str]] = []
    for part in parts:
        if "text" in part and out and "text" in out[-1]:
            out[-1] = {"text": out[-1]["text"] + part["text"]}
        else:
            out.append(dict(part))
    return out


# -- calls and results


def exchanges(oracle: Oracle, data: Mapping[str, Any]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Definitions of calls and results, each with the slots that go with it."""
    read = _read(oracle, data)
    if read is None:
        return
    for lead, chained in read.leads:
        single = read.one[1][len(lead) :]
        double = read.two[1][len(lead) :] if read.two and read.two[1].startswith(lead) else None
        for definition, rest in _calls(single, double):
            for function, observation in _boundaries(rest, read.tail, read.last, lead, single):
                for more, own in _results(read.one, read.two, read.ends, observation, data, function, read.tail):
                    yield {**_beside(oracle, lead, single, definition), **more}, {**own, **chained}


def _read(oracle: Oracle, data: Mapping[str, Any]) -> _Read | None:
    slots = data["slots"]
    user_tail = _text_of(slots["user"]).partition("\0")[2]
    start = user_tail + _text_of(slots["assistant"].get("opener", ""))
    one = cut(_asked(oracle, [user(0), calling(1), result(0)]), "Uq0qU", _RESULT.format(0))
    two = cut(
        _asked(oracle, [user(0), calling(2), result(0), result(1)]), "Uq0qU", _RESULT.format(0), _RESULT.format(1)
    )
    if one is None:
        return None
    last = cut(_asked(oracle, [user(0), calling(1)], generate=False), "Uq0qU")
    behind = _asked(oracle, [user(0), calling(1), result(0), reply(0), user(1)])
    ends = cut(behind, "Uq0qU", _RESULT.format(0), "Aq0qA", "Uq1qU")
    thinking = data.get("thinking", {})
    empties = dict.fromkeys((thinking.get("empty", "".join(thinking.get("words", ()))), thinking.get("when_off", "")))
    leads: list[tuple[str, dict[str, Any]]] = [
        (start + text, {"thinking": {"kept_in_chain": True}}) for text in empties if thinking and text
    ]
    leads += [(start + thinking.get("when_dropped", ""), {}), (start, {}), (common_start([start, one[1]]), {})]
    fitting = tuple((lead, own) for lead, own in leads if one[1].startswith(lead) and lead.startswith(user_tail))
    tail = _text_of(slots["assistant"]["body"]).partition("\0")[2]
    return _Read(fitting, tail, one, two, last[1] if last else None, ends)


def known_exchanges(
    oracle: Oracle, data: Mapping[str, Any], names: Sequence[str]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """The known formats of these names that write the calls as the template does, with the slots that go with each."""
    read = _read(oracle, data)
    if read is None:
        return
    for name in names:
        known = tool_formats()[name]
        try:
            calls = format_separator(known, "") + format_calls(known, [CALLS[0]])
            wrapped = format_result(known, _RESULT.format(0), CALLS[0], 0).split(_RESULT.format(0))
            again = format_result(known, _RESULT.format(1), CALLS[1], 1).split(_RESULT.format(1))
        except Unsupported:
            continue
        for lead, own in read.leads:
            single = read.one[1][len(lead) :]
            if not single.startswith(calls) or len(wrapped) != 2:
                continue
            two = read.two
            if two and not (two[2].endswith(again[0]) and two[2].startswith(wrapped[1])):
                continue
            two = two and [*two[:2], two[2][len(wrapped[1]) : len(two[2]) - len(again[0])], *two[3:]]
            for function, head in _boundaries(single[len(calls) :], read.tail, read.last, lead, single):
                if not head.endswith(wrapped[0]) or not read.one[2].startswith(wrapped[1]):
                    continue
                within = [*read.one[:2], read.one[2][len(wrapped[1]) :]]
                ends = read.ends and [*read.ends[:2], read.ends[2].removeprefix(wrapped[1]), *read.ends[3:]]
                front = head[: len(head) - len(wrapped[0])]
                for more, slots in _results(within, two, ends, front, data, function, read.tail):
                    if not more:
                        yield name, {**slots, **own}


@dataclass(frozen=True)
class _Read:
    """The conversations with calls, cut: the opener and what goes with it, and the texts around calls and results."""

    leads: tuple[tuple[str, dict[str, Any]], ...]
    tail: str
    one: list[str]
    two: list[str] | None
    last: str | None
    ends: list[str] | None


def _asked(oracle: Oracle, messages: Sequence[Message], *, generate: bool = True) -> str | None:
    return oracle.ask(messages, generate=generate, tools=list(TOOLS))


def _calls(single: str, double: str | None) -> Iterator[tuple[dict[str, Any], str]]:
    """Definitions of the calls in what stands between the opener and the first result, and what stands behind them.

    What stands behind belongs to the calls as far as two of them show that it stands between them, too.
    """
    if FIRST not in single and "vq1qv" not in single:
        yield {"calls": [{"text": ""}]}, single
        return
    ways = [way for way in _call_ways() if way[1][0] in single]
    ways += [way for fragment in _generic(single) if (way := _written(fragment))[1][0] in single]
    for fragment, (first, second) in sorted(ways, key=lambda way: -len(way[1][0]))[:4]:
        head, _, rest = single.partition(first)
        if not is_plain(head) or _SENTINEL.search(head) or _ID in head + rest:
            continue
        parts = _split(double, first, second) if double is not None else None
        if parts is None or parts[0] != head or not is_plain(parts[1]):
            definition = {"calls": _merged([*_plain(head), {"each": fragment}]), "parallel": False}
            yield definition, rest
            continue
        each = {"each": fragment, **({"join": parts[1]} if parts[1] else {})}
        own = common_start([parts[1], rest])
        own = own[: max(own.rfind(end) for end in "\n>]") + 1]  # a call ends so wherever it stands
        yield {"calls": _merged([*_plain(head), each, *_plain(own)])}, rest[len(own) :]
        if parts[2] != rest and (shared := common_start([parts[2], rest])):
            yield {"calls": _merged([*_plain(head), each])}, shared


def _generic(text: str) -> Iterator[str]:
    """Fragments that write the name and the arguments of a call in the order that the text has."""
    for arguments in _ARGUMENTS:
        _, (written, _) = _written(f"{{{{ {arguments} }}}}")
        if not written or text.count(written) != 1 or text.count(FIRST) != 1:
            continue
        name, place = text.index(FIRST), text.index(written)
        if name < place:
            between = text[name + len(FIRST) : place]
            yield f"{{{{ call.name ~ {literal(between)} ~ {arguments} }}}}"
        else:
            between = text[place + len(written) : name]
            yield f"{{{{ {arguments} ~ {literal(between)} ~ call.name }}}}"


def _boundaries(rest: str, tail: str, last: str | None, lead: str, single: str) -> Iterator[tuple[str, str]]:
    """Where calls end and the observation's turn begins: the end of the calls' turn, and the head of the results."""
    found: list[tuple[str, str]] = []
    if last is not None and last.startswith(lead):
        end = last[len(lead) + len(single) - len(rest) :]
        if end and rest.startswith(end):
            found.append((end, rest[len(end) :]))
        shared = common_start([end, rest])
        if shared:
            found.append((shared, rest[len(shared) :]))
    if tail and tail in rest:
        place = rest.index(tail) + len(tail)
        found.append((rest[:place], rest[place:]))
    found.append(("", rest))
    yield from dict.fromkeys(found)


def _results(
    one: list[str],
    two: list[str] | None,
    ends: list[str] | None,
    head: str,
    data: Mapping[str, Any],
    function: str,
    tail: str,
) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """The turn of results: what else the definition says of one, and the slots."""
    slots = data["slots"]
    opener = _text_of(slots["assistant"].get("opener", ""))
    prompt = one[2]
    thinking = data.get("thinking", {})
    marks = {"", *(thinking.get(key, "") for key in ("when_on", "when_off"))}
    dropped, empty = thinking.get("when_dropped", ""), thinking.get("empty", "")
    generation = _text_of(slots["assistant"].get("generation", slots["assistant"].get("opener", "")))
    candidates: list[tuple[str, str | None]] = []
    for mark in sorted(marks):
        for begins in (opener, generation):
            if prompt.endswith(begins + mark):
                candidates.append((prompt[: len(prompt) - len(begins + mark)], None))
    if ends is not None:
        for mark in sorted(marks):
            shared = common_start([prompt[: len(prompt) - len(mark)] if prompt.endswith(mark) else prompt, ends[2]])
            after = ends[2][len(shared) :]
            candidates += [(shared, after.removesuffix(text)) for text in dict.fromkeys((dropped, "", empty))]
    for end, begun in dict.fromkeys(candidates):
        own: dict[str, Any] = {"slots": {}}
        if begun is not None:
            own["slots"]["assistant"] = {"after_observation": begun}
        more: dict[str, Any] = {}
        front, separator = head, None
        if two is not None and len(two) == 4:
            separator = two[2]
        if FIRST in head and (two is None or SECOND in two[2]):
            front, _, between = head.partition(FIRST)
            if FIRST in between or not is_plain(between):
                continue
            more["result"] = f"{{{{ call.name ~ {literal(between)} ~ text }}}}"
            if separator is not None:
                before, _, again = separator.partition(SECOND)
                if again != between:
                    continue
                separator = before
        if separator is not None:
            own["result_separator"] = separator
        if separator is not None and not is_plain(separator):
            continue
        own["slots"]["observation"] = write_slot(join_slots(to_slot(front), _CONTENT, to_slot(end)))
        body: Slot = join_slots(_CONTENT, to_slot(function))
        if function != tail:
            own["slots"]["function"] = write_slot(body)
        yield more, own
        if front.endswith('"') and end.startswith('"') and "result" not in more:
            encoded = join_slots(to_slot(front[:-1]), _CONTENT, to_slot(end[1:]))
            inner = (separator or "").removeprefix('"').removesuffix('"')
            other = {**own, "slots": {**own["slots"], "observation": write_slot(encoded)}}
            if separator is not None:
                other["result_separator"] = inner
            yield {"result": "{{ text|tojson }}"}, other


def _beside(oracle: Oracle, lead: str, single: str, definition: Mapping[str, Any]) -> dict[str, Any]:
    """The definition with what becomes of a text beside calls."""
    text = _asked(oracle, [user(0), calling(1, "Aq0qA"), result(0)])
    parts = cut(text, "Uq0qU", "Aq0qA", _RESULT.format(0))
    plain = dict(definition)
    if text is None or parts is None or not parts[1].startswith(lead):
        return {**plain, "beside": {"text": "{{ '' }}"}} if text is not None and "Aq0qA" not in text else plain
    before, behind = parts[1][len(lead) :], parts[2]
    if behind.endswith(single):
        separator, always = behind[: len(behind) - len(single)], ""
    else:
        always = single[: len(single) - len(common_end([single, behind]))]
        separator = behind[: len(behind) - len(single) + len(always)]
    beside: dict[str, str] = {}
    if before:
        beside["text"] = f"{{{{ {literal(before)} ~ text if text else '' }}}}"
    if separator or always:
        beside["separator"] = f"{{{{ {literal(separator)} if text else {literal(always)} }}}}"
    calls = [dict(part) for part in definition["calls"]]
    if always:
        if not calls[0].get("text", "").startswith(always):
            return plain
        calls[0]["text"] = calls[0]["text"][len(always) :]
        calls = [part for part in calls if part.get("text") != ""]
    return {**plain, "calls": calls, **({"beside": beside} if beside else {})}


def cases(switch: str | None) -> list[Case]:
    """Conversations with tools."""
    conversations: dict[str, list[Message]] = {
        "offered": chat(1),
        "offered, system": chat(1, system()),
        "offered, empty system": chat(1, system("")),
        "offered, later": chat(3, system()),
        "call": [user(0), calling(1), result(0)],
        "call, null": [user(0), calling(1, None), result(0)],
        "result": [user(0), calling(1), result(0), reply(0), user(1)],
        "results": [system(), user(0), calling(2), result(0), result(1), reply(0), user(1)],
        "chain": [user(0), calling(1), result(0), {**calling(1), "tool_calls": [call(1)]}, result(1)],
        "text beside": [user(0), calling(1, "Aq0qA"), result(0)],
        "padded text beside": [user(0), calling(1, "Aq0qA \n"), result(0)],
        "padded result": [user(0), calling(1), result(0, " \nRq0qR\n ")],
        "quoted result": [user(0), calling(1), result(0, 'Rq"0\\qR')],
    }
    found = [
        Case(f"tools: {name}", tuple(messages), tools=TOOLS, weight=_WEIGHTS.get(name, 2))
        for name, messages in conversations.items()
    ]
    thought = {**calling(1), "reasoning_content": "Tq0qT"}
    found.append(Case("tools: thought", (user(0), thought, result(0), reply(0), user(1)), tools=TOOLS))
    found.append(Case("tools: thought in chain", (user(0), thought, result(0)), tools=TOOLS, weight=2))
    if switch is not None:
        for mode in (True, False):
            for name, messages in (
                ("thought", (user(0), thought, result(0))),
                ("call", (user(0), calling(1), result(0))),
            ):
                found.append(Case(f"tools: {name}, thinking {mode}", messages, tools=TOOLS, thinking=mode, weight=2))
    found.append(Case("tools: replied", (user(0), calling(1)), tools=TOOLS, replied=True))
    return found


__all__ = ["TOOLS", "cases", "descriptions", "exchanges"]
