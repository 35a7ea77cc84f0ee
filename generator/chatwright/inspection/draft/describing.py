"""The description of tools: where it stands, how it writes a tool, and what stands around that."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from functools import cache
from itertools import pairwise
from typing import Any

from ...catalogue.slots import join_slots, parse_slot, write_slot
from ...meaning.jinja import literal
from ...meaning.sandbox import DATE_MARKS
from ...meaning.tool_formats import format_tools
from .lifting import definition_of
from .probing import BOS, EOS, SYSTEM, Oracle, chat, common_start, inside, is_plain, system, to_slot
from .tools import CONTENT, JSON, SENTINEL, TOOLS, Way, head_of, merged, plain_parts, text_of, tool_ways

_USER = "Uq0qU"
Where = tuple[str, list[str], dict[str, Any]]  # the place, the texts there without and with a system text, slots


def descriptions(
    oracle: Oracle, data: Mapping[str, Any], lifted: Sequence[Way] = ()
) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Definitions of the description, each with the slots that go with it, the likeliest first.

    With ``lifted`` ways, the template's own, those alone.
    """
    bare = oracle.cut(chat(1), _USER, tools=None)
    alone = oracle.cut(chat(1), _USER, tools=list(TOOLS))
    given = oracle.cut(chat(1, system()), _USER, tools=list(TOOLS))
    if bare is None or alone is None or alone == bare:
        return
    first = _mark(data, "first")
    shown = [[each[0].removeprefix(first), *each[1:]] for each in (alone, given or alone, bare)]
    places = list(_places(data, shown[0], shown[1] if given else None, shown[2]))
    for place, inner, around in [*places, *_unmarked(data, places)]:
        ways = _longest(lifted or tool_ways(), inner[0])
        if not lifted and (composed := _composed(inner[0])):
            ways.insert(0, composed)
        for way in ways:
            if parts := _parts(way, inner, place, data.get("default_system")):
                if place == "system" and parts[0] == {"once": "{{ system }}"}:
                    yield {"tools": parts[1:]}, around
                else:
                    yield {"tools": parts, "place": place}, around


def _parts(way: Way, inner: Sequence[str], place: str, default: str | None) -> list[dict[str, str]] | None:
    """The parts that write the texts with a way to write a tool; None where the rest of them is no format."""
    texts = [cut for text in inner if (cut := way.cut(text))]
    if len(texts) < len(inner) or SENTINEL.search("\0".join("\0".join(text) for text in texts)):
        return None  # a way that is not there, or that writes a part of a tool only
    heads, joins, tails = zip(*texts, strict=True)
    if len(set(joins)) > 1 or not is_plain(joins[0]):
        return None
    head, tail = (_either(each, place, default) for each in (heads, tails))
    if head is None or tail is None:
        return None
    return merged([*head, {**way.part, **({"join": joins[0]} if joins[0] else {})}, *tail])


def _places(data: Mapping[str, Any], alone: list[str], given: list[str] | None, bare: list[str]) -> Iterator[Where]:
    """Where the description may stand; each text is cut at the user's, ``given`` has a system text as well."""
    slots, placement = data["slots"], data.get("system_placement", "turn")
    prefix, user_head = text_of(slots.get("prefix", "")), head_of(slots["user"])
    texts = [alone[0], *([given[0]] if given and SYSTEM in given[0] else [])]
    if alone[1:] == bare[1:] and placement in ("turn", "first_user", "first_user_head"):
        before, after = _system_around(data)
        if after is not None and (inner := _all_inside(texts, before, after)):
            yield "system", inner, {}
        inner = _all_inside(texts, prefix, user_head)
        if inner and all(is_plain(text.replace(DATE_MARKS[0], "").replace(DATE_MARKS[1], "")) for text in inner):
            turn = {} if placement == "turn" else {"system_placement": "turn"}
            yield "system", inner, {"slots": {"system_with_tools": "{{content}}"}, **turn}
        moved = _shorter_prefix(data, texts)
        if moved and (inner := _all_inside(texts, moved[1], user_head)):
            yield "system", inner, moved[0]
    if alone[1:] == bare[1:] and user_head and alone[0].endswith(user_head):
        front = bare[0].removesuffix(user_head)
        if (text := inside(alone[0], front, user_head)) is not None:
            yield "before_last_user", [text], {}
    if given and SYSTEM in given[0]:
        before, _, behind = given[0].partition(SYSTEM)
        tail, found, front = behind.partition(user_head) if user_head else ("", "", "")
        rear = inside(alone[1], "", bare[1])
        if found and (front or rear) and rear is not None and before.startswith(prefix):
            whole = write_slot(join_slots(to_slot(before.removeprefix(prefix)), CONTENT, to_slot(tail)))
            own = {} if whole == slots.get("system") else {"slots": {"system_with_tools": whole}}
            yield "user", [f"{front}{_USER}{rear}"], own


def _all_inside(texts: Sequence[str], before: str, after: str) -> list[str] | None:
    """What stands in all texts between a start and an end; None where one of them does not have both."""
    found = [inner for text in texts if (inner := inside(text, before, after)) is not None]
    return found if len(found) == len(texts) else None


def _mark(data: Mapping[str, Any], place: str) -> str:
    """The mark on thinking of a request that says nothing, if it stands in that place."""
    thinking = data.get("thinking", {})
    said = thinking.get("system_mark", {})
    mark = said.get("on" if thinking.get("default", True) else "off", "")
    return str(mark) if said.get("place", "before") == place else ""


def _unmarked(data: Mapping[str, Any], places: Sequence[Where]) -> Iterator[Where]:
    """The places without the mark on thinking, where the texts of a request that says nothing have it."""
    separator = data.get("thinking", {}).get("system_mark", {}).get("separator", "")
    before, behind = _mark(data, "before"), _mark(data, "behind")
    for place, inner, around in places if before or behind else ():
        rest = [
            each.removeprefix(before + separator) if before else each.removesuffix(separator + behind) for each in inner
        ]
        if place == "system" and rest != inner:
            yield place, rest, around


def _shorter_prefix(data: Mapping[str, Any], texts: Sequence[str]) -> tuple[dict[str, Any], str] | None:
    """Slots for a description that stands within the prefix, and what is left of that: its rest goes into the turns."""
    slots = data["slots"]
    whole = text_of(slots.get("prefix", ""))
    shared = common_start([whole, *texts])
    prefix = shared[: shared.rfind(BOS) + 1]
    if data.get("system_placement", "turn") not in ("turn", "none") or prefix == whole:
        return None
    rest = to_slot(whole.removeprefix(prefix))
    own: dict[str, Any] = {"prefix": write_slot(to_slot(prefix)), "system_with_tools": "{{content}}"}
    own["no_system"] = write_slot(join_slots(rest, parse_slot(slots.get("no_system", ""))))
    if "system" in slots:
        own["system"] = write_slot(join_slots(rest, parse_slot(slots["system"])))
    return {"slots": own}, prefix


def _system_around(data: Mapping[str, Any]) -> tuple[str, str | None]:
    """What stands around a system text in front of the first user message, as the slots say."""
    slots = data["slots"]
    prefix, user_head = text_of(slots.get("prefix", "")), head_of(slots["user"])
    if "system" not in slots:
        return prefix, None
    head, _, tail = text_of(slots["system"]).partition("\0")
    placement = data.get("system_placement", "turn")
    if placement == "turn":
        return prefix + head, tail + user_head
    if placement == "first_user":
        return prefix + user_head + head, tail
    return prefix + head, tail


def _longest(ways: Sequence[Way], text: str, most: int = 6) -> list[Way]:
    """The ways whose texts stand in the text, the longest first."""
    found = [way for way in ways if all(written in text for written in way.texts)]
    return sorted(found, key=lambda way: -sum(map(len, way.texts)))[:most]


def _composed(text: str) -> Way | None:
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
    return Way({"each": f"{{{{ {' ~ '.join(parts)} }}}}"}, (whole[0], whole[1]))


@cache
def _values() -> tuple[tuple[str, tuple[str, str]], ...]:
    """What of a tool may stand in a description, the longest first: an expression, and its texts of the two tools."""
    jsons = [fragment.removeprefix("{{ ").removesuffix(" }}") for fragment in JSON]
    jsons += [f"function.parameters|tojson(indent={size})" for size in (2, 4)]
    ways = [(f"({each})" if "|" in each else each, _texts(each)) for each in jsons if "~" not in each]
    names = [
        (value, _texts(value))
        for plain in ("function.description", "function.name")
        for value in (f"{plain}|tojson", plain)
    ]
    names = [(f"({value})" if "|" in value else value, texts) for value, texts in names]
    return (*sorted(ways, key=lambda way: -len(way[1][0])), *names)


def _texts(expression: str) -> tuple[str, str]:
    definition = definition_of(tools={"each": f"{{{{ {expression} }}}}"})
    first, second = (format_tools(definition, [tool["function"]], date.min) for tool in TOOLS)
    return first, second


def _either(texts: Sequence[str], place: str, default: str | None) -> list[dict[str, str]] | None:
    """The parts that write the first text without a system text, and the second with it; None where none can."""
    if any(BOS in text or EOS in text for text in texts):
        return None
    if place == "user":
        head, found, tail = texts[0].partition(_USER)
        return [*plain_parts(head), *([{"once": "{{ user }}"}] if found else []), *plain_parts(tail)]
    if len(texts) == 1:
        return plain_parts(texts[0])
    without, given = texts
    default = text_of(default) if default else ""
    if SYSTEM not in given:
        if without == given:
            return plain_parts(given)
        return [{"once": _choice(_expression(given), without, default)}]
    before, _, behind = given.partition(SYSTEM)
    if SYSTEM in behind:
        return None
    if before + default + behind == without:
        return [*plain_parts(before), {"once": "{{ system }}"}, *plain_parts(behind)]
    if without.startswith(before):  # what stands in front whatever there is
        choice = _choice(_around("", behind), without.removeprefix(before), default)
        return [*plain_parts(before), {"once": choice}]
    if without.endswith(behind):
        return [{"once": _choice(_around(before, ""), without.removesuffix(behind), default)}, *plain_parts(behind)]
    return [{"once": _choice(_around(before, behind), without, default)}]


def _choice(given: str, without: str, default: str) -> str:
    """A fragment for what stands with a system text and without; a default text is none."""
    condition = f"system and system != {_expression(default)}" if default else "system"
    return f"{{{{ {given} if {condition} else {_expression(without)} }}}}"


def _around(before: str, behind: str) -> str:
    """An expression for the system text between two others."""
    front, rear = ([_expression(text)] if text else [] for text in (before, behind))
    return " ~ ".join([*front, "system", *rear])


def _expression(text: str) -> str:
    """A Jinja expression for a text with dates."""
    return " ~ ".join(
        f"strftime_now({literal(part.value)})" if part.kind == "date" else literal(part.value) for part in to_slot(text)
    ) or literal("")
