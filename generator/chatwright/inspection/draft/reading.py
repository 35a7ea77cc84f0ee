"""A whole template read off the texts that it writes, as the data of a spec."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...catalogue.build import build_spec
from ...catalogue.model import Template
from ...catalogue.schema import load_schema
from ...errors import Location, Unsupported
from ...meaning.sandbox import Refused
from ...meaning.tool_formats import tool_formats
from . import calling, describing, settings, thoughts, tools
from .judging import Case, agreement, asked, plain_cases, verdicts
from .layout import Layout, layouts
from .lifting import Lifted
from .probing import Message, Oracle, chat, reply, system, user
from .thoughts import Thoughts
from .tools import Way

DEFINITION = "definition"  # the key of the data under which a new tool format stands
_TRIED = 4  # of the ways to say how a template thinks: those that agree best as they are
_Score = Callable[[Mapping[str, Any]], float]


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
        Unsupported: no conversation shows where the messages stand in its text.
    """
    first = oracle.answers([oracle.request(chat(1))])[0]
    found = _cut(oracle)
    if not found and isinstance(first, Refused):
        raise Unsupported(f"it raises for a single message of the user's: {first.reason}")
    if not found:
        raise Unsupported("its text cannot be cut at the contents of the messages")
    plain = plain_cases()
    candidates = [(layout, *settings.climb(layout.data(), settings.PLAIN, _score(oracle, plain))) for layout in found]
    layout, data, _ = max(candidates, key=lambda item: item[2])
    thinking = thoughts.explore(oracle, facts)
    if thinking.key:
        oracle.thought_key = thinking.key
    best, everything = data, plain
    if thinking.any:
        ways = _thoughtful(oracle, layout, data, thinking)
        words = next((way["thinking"]["words"] for way in ways if "words" in way["thinking"]), None)
        everything = [*plain, *thoughts.cases(thinking, words)]
        score = _score(oracle, everything, thinking.switch)
        most = score(data)
        best_first = sorted(range(len(ways)), key=lambda place: -score(ways[place]))
        for way in (ways[place] for place in sorted(best_first[:_TRIED])):
            other, points = settings.climb(way, thoughts.options(thinking, way["thinking"]), score)
            if points > most:
                best, most = other, points
    taken: list[Lifted] = []

    def taking() -> Lifted:
        taken.append(lift())
        return taken[-1]

    best = _with_tools(oracle, best, thinking.switch, everything, taking)
    if tools.leaks(best):
        raise Unsupported("its text repeats the contents of messages where no slot can say so")
    own = {text for parts in taken for part in (*parts.tools, *parts.calls) for text in part.values()}
    definition = best.get(DEFINITION, {})
    written = {text for key in ("tools", "calls") for part in definition.get(key, ()) for text in part.values()}
    return Reading(_with_turns(oracle, best), thinking, not own.isdisjoint(written))


def _cut(oracle: Oracle) -> list[Layout]:
    found = layouts(oracle)
    if not found:
        oracle.in_parts = True
        found = layouts(oracle)
    return found


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


def _score(oracle: Oracle, cases: Sequence[Case], switch: str | None = None) -> _Score:
    """How far data agrees with the template."""
    theirs = asked(oracle, cases, switch)
    known: dict[str, float] = {}

    def score(data: Mapping[str, Any]) -> float:
        key = json.dumps(data, sort_keys=True)
        if key not in known:
            known[key] = agreement(verdicts(built(data), cases, theirs))
        return known[key]

    return score


def _with_tools(
    oracle: Oracle, data: Mapping[str, Any], switch: str | None, others: Sequence[Case], lift: Callable[[], Lifted]
) -> dict[str, Any]:
    """The data with a tool format: a known one if it agrees as far as the one put together of what was read."""
    offered: list[Case] = []
    further: list[Case] = []
    for case in tools.cases(switch):
        (offered if len(case.messages) < 3 or "offered" in case.name else further).append(case)
    score = _score(oracle, offered, switch)
    described = _described(oracle, data)
    own: tuple[Sequence[Way], Sequence[Way]] | None = None
    if not _basics(oracle, described, offered, switch) and _tells(oracle):
        own = tools.ways_of(lift())
        described += _described(oracle, data, own[0]) if own[0] else []
    least = score(best := max(described, key=score)) if described else score(data) + 1
    names = [name for name in tool_formats() if score({**data, "tool_format": name}) >= least]
    if not described and not names:
        return dict(data)
    everything = [*offered, *further]
    score = _score(oracle, everything, switch)
    chosen, most = (best, score(best)) if described else (dict(data), score(data))
    for lifted in (False, True) if described else ():
        if lifted and _basics(oracle, [chosen], everything, switch):
            break
        if lifted and not (own := own or tools.ways_of(lift()))[1]:
            break
        for exchange, slots in calling.exchanges(oracle, data, own[1] if lifted and own else ()):
            if tools.leaks(exchange, slots):
                continue
            definition = {**best[DEFINITION], **exchange}
            if (points := score(other := _joined(best, definition, slots))) > most:
                chosen, most = other, points
    known = [
        {**_joined(data, {}, slots), "tool_format": name}
        for name, slots in calling.known_exchanges(oracle, data, names)
        if not tools.leaks(slots)
    ]
    if known and score(nearest := max(known, key=score)) >= most:
        chosen = nearest
    options: list[settings.Option] = [((("trim", "observation"), settings.TRIMS),)]
    if "thinking" in chosen:
        kept = ("kept_in_chain", "kept_from_results", "kept_with_tools")
        options += [((("thinking", key), (False, True)),) for key in kept]
    return settings.climb(chosen, options, _score(oracle, [*everything, *others], switch))[0]


def _basics(oracle: Oracle, candidates: Sequence[Mapping[str, Any]], cases: Sequence[Case], switch: str | None) -> bool:
    """Whether one of the candidates agrees with the template in every conversation that has weight."""
    heavy = [case for case in cases if case.weight >= tools.BASIC]
    score = _score(oracle, heavy, switch)
    return max(map(score, candidates), default=0) == sum(case.weight for case in heavy)


def _tells(oracle: Oracle) -> bool:
    """Whether the template makes anything of tools."""
    with_tools = oracle.ask(chat(1), tools=list(tools.TOOLS))
    return with_tools is not None and with_tools != oracle.ask(chat(1))


def _described(oracle: Oracle, data: Mapping[str, Any], lifted: Sequence[Way] = ()) -> list[dict[str, Any]]:
    """The data with descriptions of tools, and without calls."""
    return [
        _joined(data, {**description, "calls": tools.UNREAD}, own)
        for description, own in describing.descriptions(oracle, data, lifted)
        if not tools.leaks(description, own)
    ]


def _with_turns(oracle: Oracle, data: Mapping[str, Any]) -> dict[str, Any]:
    """The data with the orders of turns beyond the usual one that the template writes, each as its slots say."""
    orders: dict[str, list[list[Message]]] = {
        "users": [[user(0), user(1)], [user(0), reply(0), user(1), user(2)]],
        "replies": [[user(0), reply(0), reply(1), user(1)]],
        "first_reply": [[reply(0), user(0)]],
        "last_reply": [[user(0), reply(0)]],
        "later_system": [[user(0), reply(0), system(), user(1)]],
    }
    found = []
    for order, conversations in orders.items():
        cases = [Case(order, tuple(messages)) for messages in conversations]
        template = built({**data, "turns": [order]})
        pairs = verdicts(template, cases, asked(oracle, cases))
        if all(isinstance(each.ours, str) and each.agrees for each in pairs):
            found.append(order)
    return {**data, "turns": found} if found else dict(data)


def _joined(data: Mapping[str, Any], definition: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """The data with a definition of its tool format, and with slots of its own."""
    slots = {**data["slots"], **{key: value for key, value in own.get("slots", {}).items() if key != "assistant"}}
    slots["assistant"] = {**slots["assistant"], **own.get("slots", {}).get("assistant", {})}
    rest = {key: value for key, value in own.items() if key not in ("slots", "thinking")}
    if "thinking" in own:
        rest["thinking"] = {**data["thinking"], **own["thinking"]}
    tooled = {DEFINITION: dict(definition), "tool_format": "own"} if definition else {}
    return {**data, **rest, "slots": slots, **tooled}


def built(data: Mapping[str, Any]) -> Template:
    """The template that the data says."""
    own = {key: value for key, value in data.items() if key != DEFINITION}
    root: dict[str, Any] = {"name": "draft", "title": "draft", "publisher": "draft", "templates": {"draft": own}}
    if DEFINITION in data:
        root["tool_formats"] = {data["tool_format"]: data[DEFINITION]}
    return build_spec(root, path="", source="", locate=lambda _: Location("", 0, 0)).templates[0]


def simplified(data: Mapping[str, Any]) -> dict[str, Any]:
    """The data without what the schema takes for granted, in the schema's order."""
    properties = load_schema()["$defs"]["template"]["properties"]
    known = properties["thinking"]["properties"]
    out = {key: data[key] for key in (*properties, DEFINITION) if key in data}
    if out.get("result_separator") == properties["result_separator"]["default"]:
        del out["result_separator"]
    if "thinking" in out:
        thinking = dict(out["thinking"])
        words = thinking.get("words", known["words"]["default"])
        defaults = {**{key: rule.get("default") for key, rule in known.items()}, "when_off": "".join(words)}
        defaults |= {"empty": "".join(words)}
        out["thinking"] = {
            key: thinking[key] for key in known if key in thinking and thinking[key] != defaults.get(key)
        }
    return out
