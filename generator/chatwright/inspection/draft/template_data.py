"""A template as the data of a spec: put together, changed at one place, built, and written as authors do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...catalogue.build import build_spec, merge
from ...catalogue.model import Template
from ...catalogue.schema import load_schema
from ...errors import Location

ABSENT = object()
DEFINITION = "definition"  # the key of the data that holds a new tool format


def joined(data: Mapping[str, Any], definition: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """The data with a definition of its tool format, if it has one, and with what goes with that."""
    tooled = {DEFINITION: dict(definition), "tool_format": "own"} if definition else {}
    return {**merge(data, own), **tooled}


def with_value(data: Mapping[str, Any], path: Sequence[str], value: Any) -> dict[str, Any]:
    """A copy of the data with another value at a path of keys; a mapping that is empty then is gone."""
    other, (key, *rest) = dict(data), path
    if rest:
        value = with_value(other.get(key, {}), rest, value) or ABSENT
    if value is ABSENT:
        other.pop(key, None)
    else:
        other[key] = value
    return other


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
