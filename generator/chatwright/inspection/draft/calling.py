"""Calls of tools and their results: how they are written, and where their turns begin and end."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import Any

from ...catalogue.build import merge
from ...catalogue.slots import join_slots, write_slot
from ...errors import Unsupported
from ...meaning.conversation import Result
from ...meaning.jinja import literal
from ...meaning.tool_formats import format_calls, format_result, format_separator, tool_formats
from .lifting import definition_of
from .probing import Oracle, common_end, common_start, cut, inside, is_plain, to_slot
from .thoughts import OPEN
from .tools import (
    ARGUMENTS_WAYS,
    CALLS,
    CONTENT,
    FIRST,
    ID,
    RESULTS,
    SECOND,
    SENTINEL,
    TOOLS,
    Way,
    call_ways,
    exchange,
    merged,
    plain_parts,
    text_of,
    way_of_calls,
)

_VALUES = {FIRST: "call.name", f"{ID}0": "call_id"}  # what of a call its result may name again
_VALUE = re.compile("|".join(_VALUES))
_VALUE_APART = re.compile(f"({_VALUE.pattern})")
_CLOSING = {"{": "}", "[": "]", "<": ">"}


def exchanges(
    oracle: Oracle, data: Mapping[str, Any], lifted: Sequence[Way] = ()
) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Definitions of calls and results, each with the slots that go with it.

    With ``lifted`` ways to write a call, the template's own, those alone.
    """
    read = _read(oracle, data)
    if read is None:
        return
    for lead, own in read.leads:
        single = read.one[1].removeprefix(lead)
        double = inside(read.two[1], lead, "") if read.two else None
        beside = read.start if "slots" in own else lead
        for definition, rest in _calls(single, double, lifted):
            texts = read if definition.get("parallel", True) else replace(read, two=None)
            for function, head in _boundaries(rest, read, lead, single):
                for wrap in [_Wrap("{{ '' }}")] if read.silent else _wraps(head, read.one[2]):
                    for slots in _results(texts, head, wrap, data, function):
                        more = {"result": wrap.fragment} if wrap.fragment else {}
                        yield {**_beside(oracle, beside, single, definition), **more}, merge(slots, own)


def _read(oracle: Oracle, data: Mapping[str, Any]) -> _Read | None:
    slots, thinking = data["slots"], data.get("thinking", {})
    user_tail = text_of(slots["user"]).partition("\0")[2]
    start = user_tail + text_of(slots["assistant"].get("opener", ""))
    ask = partial(oracle.ask, tools=list(TOOLS))
    called = [ask(exchange(script), generate=False) for script in ("u call", "u calls")]
    texts = [ask(exchange(f"u {script}")) for script in ("call result", "calls result result", "call result a u")]
    silent = texts[0] is not None and RESULTS[0] not in texts[0]
    if silent:  # results are skipped: they would stand after the calls
        fronts, marks = (*called, called[0]), (RESULTS[0], "".join(RESULTS), RESULTS[0])
        texts = [_inserted(*each) for each in zip(texts, fronts, marks, strict=True)]
    one, two = cut(texts[0], "Uq0qU", RESULTS[0]), cut(texts[1], "Uq0qU", *RESULTS)
    ends = cut(texts[2], "Uq0qU", RESULTS[0], "Aq0qA", "Uq1qU")
    if one is None:
        return None
    last = cut(called[0], "Uq0qU")
    empties = dict.fromkeys((thinking.get("empty", "".join(thinking.get("words", ()))), thinking.get("when_off", "")))
    leads: list[tuple[str, dict[str, Any]]] = [
        (start + text, {"thinking": {"kept_in_chain": True}}) for text in empties if thinking and text
    ]
    leads += [(start + thinking.get("when_dropped", ""), {}), (start, {})]
    if thinking.get("when_dropped"):
        leads.append((start, {"thinking": {"dropped_before_calls": ""}}))
    opener = start.removeprefix(user_tail).rstrip()
    if user_tail + opener != start:  # the white space may be the calls'
        leads.append((user_tail + opener, {"slots": {"assistant": {"before_calls": opener}}}))
    if not one[1].startswith(start):
        shared = OPEN.sub("", common_start([start, one[1]]))
        leads += [(shared, {"slots": {"assistant": {"before_calls": shared[len(user_tail) :]}}}), (shared, {})]
    fitting = tuple((lead, own) for lead, own in leads if one[1].startswith(lead) and lead.startswith(user_tail))
    tail = text_of(slots["assistant"]["body"]).partition("\0")[2]
    return _Read(start, fitting, tail, one, two, last[1] if last else None, ends, silent)


def _inserted(text: str | None, front: str | None, mark: str) -> str | None:
    """The text with a mark after what it begins with; None where it does not."""
    return text.replace(front, front + mark, 1) if text and front is not None and text.startswith(front) else None


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
            answers = [format_result(known, text, Result(()), CALLS, place) for place, text in enumerate(RESULTS)]
        except Unsupported:
            continue
        first, second = map(cut, answers, RESULTS)
        if first is None or second is None:
            continue
        wrap = _Wrap(None, (first[0], second[0]), (first[1], second[1]))
        for lead, own in read.leads:
            single = read.one[1].removeprefix(lead)
            if single.startswith(calls):
                for function, head in _boundaries(single.removeprefix(calls), read, lead, single):
                    for slots in _results(read, head, wrap, data, function):
                        yield name, merge(slots, own)


@dataclass(frozen=True)
class _Read:
    """The conversations with calls, cut: the opener and what goes with it, and the texts around calls and results."""

    start: str  # what stands between a user's message and a reply
    leads: tuple[tuple[str, dict[str, Any]], ...]
    tail: str
    one: list[str]
    two: list[str] | None
    last: str | None
    ends: list[str] | None
    silent: bool  # no result stands in any text


@dataclass(frozen=True)
class _Wrap:
    """What a format writes around a result: the fragment, and the texts before and behind it for either call."""

    fragment: str | None
    before: tuple[str, str] = ("", "")
    behind: tuple[str, str] = ("", "")

    def off(self, read: _Read, head: str) -> tuple[_Read, str] | None:
        """The texts and the head of the results without it; None where it is not there."""
        (before, again), (behind, last) = self.before, self.behind
        one, two, ends = read.one, read.two, read.ends
        rest = inside(one[2], behind, "")
        if not head.endswith(before) or rest is None:
            return None
        if two is not None:
            between, end = inside(two[2], behind, again), inside(two[3], last, "")
            if between is None or end is None:
                return None
            two = [*two[:2], between, end]
        if ends is not None:
            ends = [*ends[:2], ends[2].removeprefix(behind), *ends[3:]]
        return replace(read, one=[*one[:2], rest], two=two, ends=ends), head.removesuffix(before)


def _wraps(head: str, after: str) -> Iterator[_Wrap]:
    """What a format may write around a result, told by what stands in front of the first result and behind it."""
    first = _VALUE.search(head)
    before = head[first.start() :] if first else ""
    last = [match.end() for match in _VALUE.finditer(after)]
    behind = after[: last[-1]] if last else ""
    if before and (wider := _wider(head.removesuffix(before), after.removeprefix(behind))):
        before, behind = wider[0] + before, behind + wider[1]
    found = [(before, "text", behind)]
    if head.endswith('"') and after.startswith('"'):
        inside = (before or '"')[:-1], "text|tojson", (behind or '"')[1:]
        found.append(inside)
        found.reverse()
    for start, text, end in found:
        quote = '"' if text != "text" else ""
        expression = " ~ ".join(filter(None, (_valued(start), text, _valued(end))))
        fragment = None if expression == "text" else f"{{{{ {expression} }}}}"
        texts = start + quote, quote + end
        yield _Wrap(fragment, *((each, _second(each)) for each in texts))


def _wider(head: str, after: str) -> tuple[str, str] | None:
    """The wrapper around two texts, made wider until its brackets balance."""
    place = next((place for place in range(len(head) - 1, -1, -1) if _opens(head[place:])), None)
    if place is None:
        return None
    end = after.find(_CLOSING[head[place]]) + 1
    return (head[place:], after[:end]) if end and is_plain(head[place:] + after[:end]) else None


def _opens(text: str) -> bool:
    """Whether a text begins with a bracket that does not close in it."""
    return text[0] in _CLOSING and _CLOSING[text[0]] not in text


def _valued(text: str) -> str:
    """An expression for a text that names a call."""
    pieces = enumerate(_VALUE_APART.split(text))
    return " ~ ".join(_VALUES[piece] if index % 2 else literal(piece) for index, piece in pieces if piece)


def _second(text: str) -> str:
    return text.replace(FIRST, SECOND).replace(f"{ID}0", f"{ID}1")


def _calls(single: str, double: str | None, lifted: Sequence[Way]) -> Iterator[tuple[dict[str, Any], str]]:
    """Definitions of the calls in what stands between the opener and the first result, and what stands behind them.

    What stands behind belongs to the calls as far as two of them show that it stands between them, too.
    """
    if FIRST not in single and "vq1qv" not in single:
        yield {"calls": [{"text": ""}]}, single
        return
    ways = [way for way in lifted or call_ways() if way.texts[0] in single]
    if not lifted:
        made = (way_of_calls({"each": fragment}) for fragment in _generic(single))
        ways += [way for way in made if way and way.texts[0] in single]
    for way in sorted(ways, key=lambda way: -len(way.texts[0]))[:4]:
        head, _, rest = single.partition(way.texts[0])
        if not is_plain(head) or SENTINEL.search(head) or ID in head:
            continue
        parts = way.cut(double) if double is not None else None
        if parts is None or parts[0] != head or not is_plain(parts[1]):
            definition = {"calls": merged([*plain_parts(head), way.part])}
            if double is not None and lifted and (joint := _joint(way.part, head, double)) is not None:
                yield definition, common_start([rest, joint])
            yield {**definition, "parallel": False}, rest
            continue
        each = {**way.part, **({"join": parts[1]} if parts[1] else {})}
        own = common_start([parts[1], rest])
        own = own[: max(own.rfind(end) for end in "\n>]})") + 1]  # a call ends so wherever it stands
        yield {"calls": merged([*plain_parts(head), each, *plain_parts(own)])}, rest.removeprefix(own)
        if parts[2] != rest and (shared := common_start([parts[2], rest])):
            yield {"calls": merged([*plain_parts(head), each])}, shared


def _joint(part: Mapping[str, str], head: str, double: str) -> str | None:
    """What stands behind two calls that one part writes at once; None where it does not."""
    try:
        before, found, rest = double.partition(format_calls(definition_of(calls=part), CALLS))
    except Unsupported:
        return None
    return rest if found and before == head else None


def _generic(text: str) -> Iterator[str]:
    """Fragments that write the name, the arguments and perhaps the id of a call in the order that the text has."""
    for arguments in ARGUMENTS_WAYS:
        way = way_of_calls({"each": f"{{{{ {arguments} }}}}"})
        written = way.texts[0] if way else ""
        if not written or text.count(written) != 1 or FIRST not in text:
            continue
        place = text.index(written)
        names = [match for match in _VALUE.finditer(text) if match.end() <= place or match.start() >= place]
        for width in sorted({min(2, len(names)), 1}, reverse=True):  # what stands further off is a result's
            near = sorted(names, key=lambda match: max(match.start() - place - len(written), place - match.end()))
            chosen = near[:width]
            spans = sorted([(place, place + len(written), arguments), *((*m.span(), _VALUES[m[0]]) for m in chosen)])
            parts = [spans[0][2]]
            for (_, end, _), (start, _, value) in pairwise(spans):
                parts += [literal(text[end:start])] * (start > end) + [value]
            yield f"{{{{ {' ~ '.join(parts)} }}}}"


def _boundaries(rest: str, read: _Read, lead: str, single: str) -> Iterator[tuple[str, str]]:
    """Where calls end and the observation's turn begins: the end of the calls' turn, and the head of the results."""
    ends = []
    if read.last is not None and read.last.startswith(lead):
        end = read.last[len(lead) + len(single) - len(rest) :]
        ends += [end, common_start([end, rest])]
    if read.tail and read.tail in rest:
        ends.append(rest[: rest.index(read.tail) + len(read.tail)])
    for end in dict.fromkeys([*filter(None, ends), ""]):
        if rest.startswith(end):
            yield end, rest.removeprefix(end)


def _results(read: _Read, head: str, wrap: _Wrap, data: Mapping[str, Any], function: str) -> Iterator[dict[str, Any]]:
    """The slots of the turn of results, of which the wrap is no part."""
    if (inner := wrap.off(read, head)) is None:
        return
    read, front = inner
    separator = read.two[2] if read.two is not None else None
    if separator is not None and not is_plain(separator):
        return
    slots, prompt = data["slots"], read.one[2]
    thinking, assistant = data.get("thinking", {}), slots["assistant"]
    marks = sorted({"", *(thinking.get(key, "") for key in ("when_on", "when_off"))})
    opener = assistant.get("opener", "")
    begins = [text_of(slot) for slot in (opener, assistant.get("generation", opener))]
    begun_with = [begin + mark for mark in marks for begin in begins]
    candidates: list[tuple[str, str | None]] = [
        (prompt.removesuffix(text), None) for text in begun_with if prompt.endswith(text)
    ]
    if read.ends is not None:
        left = dict.fromkeys((thinking.get("when_dropped", ""), "", thinking.get("empty", "")))
        for mark in marks:
            shared = common_start([prompt.removesuffix(mark), read.ends[2]])
            after = read.ends[2].removeprefix(shared)
            candidates += [(shared, after.removesuffix(text)) for text in left]
    for end, begun in dict.fromkeys(candidates):
        own: dict[str, Any] = {} if begun is None else {"assistant": {"after_observation": begun}}
        own["observation"] = write_slot(join_slots(to_slot(front), CONTENT, to_slot(end)))
        if function != read.tail:
            own["function"] = write_slot(join_slots(CONTENT, to_slot(function)))
        yield {"slots": own, **({} if separator is None else {"result_separator": separator})}


def _beside(oracle: Oracle, lead: str, single: str, definition: Mapping[str, Any]) -> dict[str, Any]:
    """The definition with what becomes of a text beside calls."""
    text = oracle.ask(exchange("u text result"), tools=list(TOOLS))
    parts = cut(text, "Uq0qU", "Aq0qA", RESULTS[0])
    plain = dict(definition)
    if text is None or parts is None or not parts[1].startswith(lead):
        return {**plain, "beside": {"text": "{{ '' }}"}} if text is not None and "Aq0qA" not in text else plain
    before, behind = parts[1].removeprefix(lead), parts[2]
    shared = common_end([single, behind])
    always, separator = single.removesuffix(shared), behind.removesuffix(shared)
    beside: dict[str, str] = {}
    if before:
        beside["text"] = f"{{{{ {literal(before)} ~ text if text else '' }}}}"
    if separator or always:
        beside["separator"] = f"{{{{ {literal(separator)} if text else {literal(always)} }}}}"
    calls = [dict(part) for part in definition["calls"]]
    if always:
        if not calls[0].get("text", "").startswith(always):
            return plain
        calls[0]["text"] = calls[0]["text"].removeprefix(always)
        calls = [part for part in calls if part.get("text") != ""]
    return {**plain, "calls": calls, **({"beside": beside} if beside else {})}
