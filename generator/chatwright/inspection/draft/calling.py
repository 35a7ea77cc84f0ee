"""Calls of tools and their results: how they are written, and where their turns begin and end."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from ...catalogue.model import Slot
from ...catalogue.slots import join_slots, write_slot
from ...errors import Unsupported
from ...meaning.conversation import Result
from ...meaning.jinja import literal
from ...meaning.tool_formats import format_calls, format_result, format_separator, read_definition, tool_formats
from .probing import Message, Oracle, common_end, common_start, cut, is_plain, reply, to_slot, user
from .tools import (
    ARGUMENTS_WAYS,
    CALLS,
    CONTENT,
    FIRST,
    ID,
    RESULT,
    SECOND,
    SENTINEL,
    TOOLS,
    Way,
    call_ways,
    calling,
    merged,
    plain_parts,
    result,
    text_of,
    way_of_calls,
)

_VALUES = {FIRST: "call.name", f"{ID}0": "call_id"}  # what of a call its result may name again
_VALUE = re.compile("|".join(_VALUES))
_OPEN = re.compile(r"[<\[][^<>\[\]\n]*$")
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
        single = read.one[1][len(lead) :]
        double = read.two[1][len(lead) :] if read.two and read.two[1].startswith(lead) else None
        beside = read.start if "slots" in own else lead
        for definition, rest in _calls(single, double, lifted):
            texts = read if definition.get("parallel", True) else replace(read, two=None)
            for function, head in _boundaries(rest, read.tail, read.last, lead, single):
                for wrap in [_Wrap("{{ '' }}")] if read.silent else _wraps(head, read.one[2]):
                    for slots in _results(texts, head, wrap, data, function):
                        more = {"result": wrap.fragment} if wrap.fragment else {}
                        yield {**_beside(oracle, beside, single, definition), **more}, _both(slots, own)


def _both(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """What both say; of the slots of an assistant all."""
    out = {**one, **other}
    if "slots" in one and "slots" in other:
        assistant = {**one["slots"].get("assistant", {}), **other["slots"].get("assistant", {})}
        out["slots"] = {**one["slots"], **other["slots"], **({"assistant": assistant} if assistant else {})}
    return out


def _read(oracle: Oracle, data: Mapping[str, Any]) -> _Read | None:
    slots = data["slots"]
    user_tail = text_of(slots["user"]).partition("\0")[2]
    start = user_tail + text_of(slots["assistant"].get("opener", ""))
    results = RESULT.format(0), RESULT.format(1)
    asked = [user(0), calling(1)], [user(0), calling(2)]
    called = [_asked(oracle, messages, generate=False) for messages in asked]
    answered = [*asked[0], result(0)], [*asked[1], result(0), result(1)], [*asked[0], result(0), reply(0), user(1)]
    texts = [_asked(oracle, messages) for messages in answered]
    silent = texts[0] is not None and results[0] not in texts[0]
    if silent:  # results are passed over: they would stand behind the calls
        fronts, marks = (*called, called[0]), (results[0], "".join(results), results[0])
        texts = [_inserted(*each) for each in zip(texts, fronts, marks, strict=True)]
    one, two = cut(texts[0], "Uq0qU", results[0]), cut(texts[1], "Uq0qU", *results)
    ends = cut(texts[2], "Uq0qU", results[0], "Aq0qA", "Uq1qU")
    if one is None:
        return None
    last = cut(called[0], "Uq0qU")
    thinking = data.get("thinking", {})
    empties = dict.fromkeys((thinking.get("empty", "".join(thinking.get("words", ()))), thinking.get("when_off", "")))
    leads: list[tuple[str, dict[str, Any]]] = [
        (start + text, {"thinking": {"kept_in_chain": True}}) for text in empties if thinking and text
    ]
    leads += [(start + thinking.get("when_dropped", ""), {}), (start, {})]
    if thinking.get("when_dropped"):
        leads.append((start, {"thinking": {"dropped_before_calls": ""}}))
    opener = start[len(user_tail) :].rstrip()
    if user_tail + opener != start:  # the white space may be the calls'
        leads.append((user_tail + opener, {"slots": {"assistant": {"before_calls": opener}}}))
    if not one[1].startswith(start):
        shared = _OPEN.sub("", common_start([start, one[1]]))
        leads += [(shared, {"slots": {"assistant": {"before_calls": shared[len(user_tail) :]}}}), (shared, {})]
    fitting = tuple((lead, own) for lead, own in leads if one[1].startswith(lead) and lead.startswith(user_tail))
    tail = text_of(slots["assistant"]["body"]).partition("\0")[2]
    return _Read(start, fitting, tail, one, two, last[1] if last else None, ends, silent)


def _inserted(text: str | None, front: str | None, mark: str) -> str | None:
    """The text with a mark behind what it begins with; None where it does not."""
    return None if text is None or front is None or not text.startswith(front) else front + mark + text[len(front) :]


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
            wrapped = format_result(known, RESULT.format(0), Result(()), CALLS, 0).split(RESULT.format(0))
            again = format_result(known, RESULT.format(1), Result(()), CALLS, 1).split(RESULT.format(1))
        except Unsupported:
            continue
        if len(wrapped) != 2 or len(again) != 2:
            continue
        wrap = _Wrap(None, (wrapped[0], again[0]), (wrapped[1], again[1]))
        for lead, own in read.leads:
            single = read.one[1][len(lead) :]
            if single.startswith(calls):
                for function, head in _boundaries(single[len(calls) :], read.tail, read.last, lead, single):
                    for slots in _results(read, head, wrap, data, function):
                        yield name, _both(slots, own)


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
        if not head.endswith(before) or not one[2].startswith(behind):
            return None
        if two is not None:
            if not (two[2].startswith(behind) and two[2].endswith(again) and two[3].startswith(last)):
                return None
            between = two[2][len(behind) : len(two[2]) - len(again)]
            two = [*two[:2], between, two[3][len(last) :]]
        if ends is not None:
            ends = [*ends[:2], ends[2].removeprefix(behind), *ends[3:]]
        inner = replace(read, one=[*one[:2], one[2][len(behind) :]], two=two, ends=ends)
        return inner, head[: len(head) - len(before)]


def _wraps(head: str, after: str) -> Iterator[_Wrap]:
    """What a format may write around a result, told by what stands in front of the first result and behind it."""
    first = _VALUE.search(head)
    before = head[first.start() :] if first else ""
    last = [match.end() for match in _VALUE.finditer(after)]
    behind = after[: last[-1]] if last else ""
    if before and (wider := _wider(head[: len(head) - len(before)], after[len(behind) :])):
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
    """What opens last in front and closes first behind, so that a fragment is a whole."""
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
    parts, place = [], 0
    for match in _VALUE.finditer(text):
        parts += [literal(text[place : match.start()])] * (match.start() > place) + [_VALUES[match[0]]]
        place = match.end()
    return " ~ ".join([*parts, *([literal(text[place:])] if text[place:] else [])])


def _second(text: str) -> str:
    return text.replace(FIRST, SECOND).replace(f"{ID}0", f"{ID}1")


def _asked(oracle: Oracle, messages: Sequence[Message], *, generate: bool = True) -> str | None:
    return oracle.ask(messages, generate=generate, tools=list(TOOLS))


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
            if double is not None and lifted and (joint := _joint(way.part, head, double)) is not None:
                shared = common_start([rest, joint])
                yield {"calls": merged([*plain_parts(head), way.part])}, shared
            definition = {"calls": merged([*plain_parts(head), way.part]), "parallel": False}
            yield definition, rest
            continue
        each = {**way.part, **({"join": parts[1]} if parts[1] else {})}
        own = common_start([parts[1], rest])
        own = own[: max(own.rfind(end) for end in "\n>]})") + 1]  # a call ends so wherever it stands
        yield {"calls": merged([*plain_parts(head), each, *plain_parts(own)])}, rest[len(own) :]
        if parts[2] != rest and (shared := common_start([parts[2], rest])):
            yield {"calls": merged([*plain_parts(head), each])}, shared


def _joint(part: Mapping[str, str], head: str, double: str) -> str | None:
    """What stands behind two calls that one part writes at once; None where it does not."""
    definition = read_definition("way", {"tools": [{"text": "-"}], "calls": [part]})
    try:
        before, found, rest = double.partition(format_calls(definition, CALLS))
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


def _results(read: _Read, head: str, wrap: _Wrap, data: Mapping[str, Any], function: str) -> Iterator[dict[str, Any]]:
    """The slots of the turn of results, of which the wrap is no part."""
    if (inner := wrap.off(read, head)) is None:
        return
    read, front = inner
    separator = read.two[2] if read.two is not None else None
    if separator is not None and not is_plain(separator):
        return
    slots, prompt = data["slots"], read.one[2]
    opener = text_of(slots["assistant"].get("opener", ""))
    thinking = data.get("thinking", {})
    marks = {"", *(thinking.get(key, "") for key in ("when_on", "when_off"))}
    dropped, empty = thinking.get("when_dropped", ""), thinking.get("empty", "")
    generation = text_of(slots["assistant"].get("generation", slots["assistant"].get("opener", "")))
    candidates: list[tuple[str, str | None]] = []
    for mark in sorted(marks):
        for begins in (opener, generation):
            if prompt.endswith(begins + mark):
                candidates.append((prompt[: len(prompt) - len(begins + mark)], None))
    if read.ends is not None:
        for mark in sorted(marks):
            bare = prompt[: len(prompt) - len(mark)] if prompt.endswith(mark) else prompt
            shared = common_start([bare, read.ends[2]])
            after = read.ends[2][len(shared) :]
            candidates += [(shared, after.removesuffix(text)) for text in dict.fromkeys((dropped, "", empty))]
    for end, begun in dict.fromkeys(candidates):
        own: dict[str, Any] = {"slots": {}}
        if begun is not None:
            own["slots"]["assistant"] = {"after_observation": begun}
        if separator is not None:
            own["result_separator"] = separator
        own["slots"]["observation"] = write_slot(join_slots(to_slot(front), CONTENT, to_slot(end)))
        body: Slot = join_slots(CONTENT, to_slot(function))
        if function != read.tail:
            own["slots"]["function"] = write_slot(body)
        yield own


def _beside(oracle: Oracle, lead: str, single: str, definition: Mapping[str, Any]) -> dict[str, Any]:
    """The definition with what becomes of a text beside calls."""
    text = _asked(oracle, [user(0), calling(1, "Aq0qA"), result(0)])
    parts = cut(text, "Uq0qU", "Aq0qA", RESULT.format(0))
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
