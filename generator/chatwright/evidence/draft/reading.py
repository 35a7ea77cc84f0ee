"""A whole template read off the texts that it writes, as the data of a spec."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...catalogue.schema import load_schema
from ...errors import Unsupported
from ..sync.lift import built
from . import settings, thoughts
from .judging import Case, agreement, asked, plain_cases, verdicts
from .layout import Layout, layouts
from .probing import Oracle
from .thoughts import Thoughts

_TRIED = 4  # of the ways to say how a template thinks: those that agree best as they are
_Score = Callable[[Mapping[str, Any]], float]


@dataclass(frozen=True)
class Reading:
    """What was read: the template as a spec says it, and what is known of its thinking."""

    data: dict[str, Any]
    thoughts: Thoughts


def read(oracle: Oracle, facts: Mapping[str, Any]) -> Reading:
    """Read a template.

    Raises:
        Unsupported: no conversation shows where the messages stand in its text.
    """
    found = _cut(oracle)
    if not found:
        raise Unsupported("its text cannot be cut at the contents of the messages")
    plain = plain_cases()
    candidates = [(layout, *settings.climb(layout.data(), settings.PLAIN, _score(oracle, plain))) for layout in found]
    layout, data, _ = max(candidates, key=lambda item: item[2])
    thinking = thoughts.explore(oracle, facts)
    if thinking.key:
        oracle.thought_key = thinking.key
    best = data
    if thinking.any:
        ways = _thoughtful(oracle, layout, data, thinking)
        words = next((way["thinking"]["words"] for way in ways if "words" in way["thinking"]), None)
        score = _score(oracle, [*plain, *thoughts.cases(thinking, words)], thinking.switch)
        most = score(data)
        for way in sorted(ways, key=score, reverse=True)[:_TRIED]:
            other, points = settings.climb(way, thoughts.options(thinking, way["thinking"]), score)
            if points > most:
                best, most = other, points
    return Reading(best, thinking)


def _cut(oracle: Oracle) -> list[Layout]:
    found = layouts(oracle)
    if not found:
        oracle.in_parts = True
        found = layouts(oracle)
    return found


def _thoughtful(
    oracle: Oracle, layout: Layout, data: Mapping[str, Any], found: Thoughts
) -> list[dict[str, Any]]:
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


def simplified(data: Mapping[str, Any]) -> dict[str, Any]:
    """The data without what the schema takes for granted, in the schema's order."""
    properties = load_schema()["$defs"]["template"]["properties"]
    known = properties["thinking"]["properties"]
    out = {key: data[key] for key in properties if key in data}
    if "thinking" in out:
        thinking = dict(out["thinking"])
        words = thinking.get("words", known["words"]["default"])
        defaults = {**{key: rule.get("default") for key, rule in known.items()}, "when_off": "".join(words)}
        defaults |= {"empty": "".join(words)}
        out["thinking"] = {
            key: thinking[key] for key in known if key in thinking and thinking[key] != defaults.get(key)
        }
    return out
