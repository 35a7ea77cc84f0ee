"""A whole template read off the texts that it writes, as the data of a spec."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from ...errors import Unsupported
from ...meaning.sandbox import Refused
from ...meaning.tool_formats import tool_formats
from . import calling, describing, settings, thoughts, tools
from .judging import Case, Judge, plain_cases
from .layout import Layout, layouts
from .lifting import Lifted
from .probing import Oracle, chat, talk
from .template_data import DEFINITION, joined
from .thoughts import Thoughts
from .tools import Way

_TRIED = 4  # of the ways to say how a template thinks: those that agree best as they are
_ORDERS = {  # of turns, beyond the usual one: the conversations that show them
    "users": ("u u", "u a u u"),
    "replies": ("u a a u",),
    "first_reply": ("a u",),
    "last_reply": ("u a",),
    "later_system": ("u a s u",),
}


@dataclass(frozen=True)
class Reading:
    """What was read: the template as a spec says it, and what is known of its thinking.

    ``lifted`` says that its tool format holds Jinja of the template's own.
    """

    data: dict[str, Any]
    thoughts: Thoughts
    lifted: bool


def read(oracle: Oracle, facts: Mapping[str, Any], lift: Callable[[], Lifted]) -> Reading:
    """Read a template; ``lift`` gives the parts of its own Jinja that may write tools and calls.

    Raises:
        Unsupported: no conversation shows where its text has the messages.
    """
    first = oracle.answers([oracle.request(chat(1))])[0]
    found = layouts(oracle)
    if not found:
        oracle.in_parts = True
        found = layouts(oracle)
    if not found and isinstance(first, Refused):
        raise Unsupported(f"it raises for a single message of the user's: {first.reason}")
    if not found:
        raise Unsupported("its text cannot be cut at the contents of the messages")
    plain = plain_cases()
    judge = Judge(oracle, plain)
    candidates = [(layout, *settings.climb(layout.data(), settings.PLAIN, judge.score)) for layout in found]
    layout, best, _ = max(candidates, key=lambda item: item[2])
    thinking = thoughts.explore(oracle, facts)
    if thinking.key:
        oracle.thought_key = thinking.key
    everything = plain
    if thinking.any:
        ways = _thoughtful(oracle, layout, best, thinking)
        words = next((way["thinking"]["words"] for way in ways if "words" in way["thinking"]), None)
        everything = [*plain, *thoughts.cases(thinking, words)]
        judge = Judge(oracle, everything, thinking.switch)
        most = judge.score(best)
        best_first = sorted(ways, key=judge.score, reverse=True)[:_TRIED]
        for way in filter(best_first.__contains__, ways):
            other, points = settings.climb(way, thoughts.options(thinking, way["thinking"]), judge.score)
            if points > most:
                best, most = other, points
    taken = cache(lift)
    best = _with_tools(oracle, best, thinking.switch, everything, taken)
    if tools.leaks(best):
        raise Unsupported("its text repeats the contents of messages where no slot can say so")
    definition = best.get(DEFINITION, {})
    written = _texts(*definition.get("tools", ()), *definition.get("calls", ()))
    own = taken() if taken.cache_info().currsize else Lifted()
    return Reading(_with_turns(oracle, best), thinking, not written.isdisjoint(_texts(*own.tools, *own.calls)))


def _texts(*parts: Mapping[str, str]) -> set[str]:
    return {text for part in parts for text in part.values()}


def _thoughtful(oracle: Oracle, layout: Layout, data: Mapping[str, Any], found: Thoughts) -> list[dict[str, Any]]:
    """The data with thinking, in every way in which it may be said."""
    chosen = [layout]
    if found.switch:
        for value in (False, True):
            oracle.variables = {found.switch: value}
            chosen += layouts(oracle)
        oracle.variables = {}
    kept = {key: data[key] for key in ("trim", "empty_system") if key in data}
    out: list[dict[str, Any]] = []
    for each in chosen:
        for marked, thinking in thoughts.variants(oracle, each, found):
            other = {**marked.data(), **kept, "thinking": thinking}
            if other not in out:
                out.append(other)
    return out


def _with_tools(
    oracle: Oracle, data: Mapping[str, Any], switch: str | None, others: Sequence[Case], lift: Callable[[], Lifted]
) -> dict[str, Any]:
    """The data with a tool format: a known one if it agrees as far as the one put together of what was read."""
    everything = tools.cases(switch)
    offered = [case for case in everything if len(case.messages) < 3 or "offered" in case.name]
    score = Judge(oracle, offered, switch).score
    ways = cache(lambda: tools.ways_of(lift()))
    described = _described(oracle, data)
    if not _basics(oracle, described, offered, switch) and _tells(oracle) and ways()[0]:
        described += _described(oracle, data, ways()[0])
    least = score(best := max(described, key=score)) if described else score(data) + 1
    names = [name for name in tool_formats() if score({**data, "tool_format": name}) >= least]
    if not described and not names:
        return dict(data)
    score = Judge(oracle, everything, switch).score
    chosen, most = (best, score(best)) if described else (dict(data), score(data))
    for lifted in (False, True) if described else ():
        if lifted and (_basics(oracle, [chosen], everything, switch) or not ways()[1]):
            break
        for exchange, slots in calling.exchanges(oracle, data, ways()[1] if lifted else ()):
            if tools.leaks(exchange, slots):
                continue
            if (points := score(other := joined(best, {**best[DEFINITION], **exchange}, slots))) > most:
                chosen, most = other, points
    known = [
        {**joined(data, {}, slots), "tool_format": name}
        for name, slots in calling.known_exchanges(oracle, data, names)
        if not tools.leaks(slots)
    ]
    if known and score(nearest := max(known, key=score)) >= most:
        chosen = nearest
    options: list[settings.Option] = [{"trim.observation": settings.TRIMS}]
    if "thinking" in chosen:
        kept = ("kept_in_chain", "kept_from_results", "kept_with_tools")
        options += [{f"thinking.{key}": (False, True)} for key in kept]
    return settings.climb(chosen, options, Judge(oracle, [*everything, *others], switch).score)[0]


def _basics(oracle: Oracle, candidates: Sequence[Mapping[str, Any]], cases: Sequence[Case], switch: str | None) -> bool:
    """Whether one of the candidates agrees with the template in every conversation that has weight."""
    judge = Judge(oracle, [case for case in cases if case.weight >= tools.BASIC], switch)
    return any(all(judge.agrees(each)) for each in candidates)


def _tells(oracle: Oracle) -> bool:
    """Whether the template makes anything of tools."""
    with_tools = oracle.ask(chat(1), tools=list(tools.TOOLS))
    return with_tools is not None and with_tools != oracle.ask(chat(1))


def _described(oracle: Oracle, data: Mapping[str, Any], lifted: Sequence[Way] = ()) -> list[dict[str, Any]]:
    """The data with descriptions of tools, and without calls."""
    return [
        joined(data, {**description, "calls": tools.UNREAD}, own)
        for description, own in describing.descriptions(oracle, data, lifted)
        if not tools.leaks(description, own)
    ]


def _with_turns(oracle: Oracle, data: Mapping[str, Any]) -> dict[str, Any]:
    """The data with the orders of turns beyond the usual one that the template writes, each as its slots say."""
    found = []
    for order, scripts in _ORDERS.items():
        pairs = Judge(oracle, [Case(order, talk(script)) for script in scripts]).texts({**data, "turns": [order]})
        if all(isinstance(ours, str) and ours == theirs for ours, theirs in pairs):
            found.append(order)
    return {**data, "turns": found} if found else dict(data)
