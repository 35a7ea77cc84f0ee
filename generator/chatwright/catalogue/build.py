"""From the plain data of one valid file to the frozen model; nothing is checked here, and nothing is guessed.

The data has passed the schema, so every key is known and every value has its type. Defaults are written in
``schema.json`` for scalars that an author may leave out, and only there; :func:`_left_out` reads them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from functools import cache
from types import MappingProxyType
from typing import Any, TypeVar

from ..errors import Location
from ..records.servers import SERVERS
from .model import (
    Checkpoint,
    Frame,
    Level,
    Levels,
    MMPlugin,
    ModelGroup,
    ModelType,
    Modules,
    Override,
    Pair,
    Slots,
    Spec,
    SystemMark,
    Template,
    Thinking,
)
from .schema import load_schema
from .slots import parse_slot

FRAMEWORKS: Mapping[str, str] = {"llamafactory": "LLaMA-Factory", "swift": "ms-swift"}  # what people call them
HUBS = ("huggingface", "modelscope", "openmind")
ROLES = ("system", "user", "assistant", "observation")
_OWN = ("extends", "registered", "turns", "serving", "evidence")  # those that it does not take from the one it extends
_MERGED = ("slots", "targets")  # keys of a template that `extends` merges instead of replacing

Locate = Callable[[tuple[str | int, ...]], Location]


def build_spec(data: Mapping[str, Any], *, path: str, source: str, locate: Locate) -> Spec:
    """Build one spec; ``locate`` maps a path of keys to its place in the file."""
    name = data["name"]
    mm_plugin = _mm_plugin(data.get("mm_plugin"))
    raw_templates: Mapping[str, Any] = data.get("templates", {})
    return Spec(
        path=path,
        source=source,
        name=name,
        title=data["title"],
        publisher=data["publisher"],
        templates=tuple(
            _template(
                key,
                name,
                locate(("templates", key)),
                resolve_extends(raw_templates, key),
                mm_plugin,
                data.get("serving", {}),
                data.get("tool_formats", {}),
            )
            for key in raw_templates
        ),
        model_types=tuple(
            _model_type(key, name, locate(("model_types", key)), value)
            for key, value in data.get("model_types", {}).items()
        ),
        models=tuple(
            _group(value, lambda *rest, index=index: locate(("models", index, *rest)))
            for index, value in enumerate(data.get("models", ()))
        ),
        serving=_frozen(data.get("serving", {})),
        overrides=tuple(_overrides(data, locate)),
    )


def resolve_extends(templates: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """The settings of a template with those of the one it extends underneath (one level deep)."""
    own = templates[name]
    base = templates.get(own.get("extends", ""))
    if base is None:
        return {key: value for key, value in own.items() if key != "extends"}
    merged = {key: value for key, value in base.items() if key not in _OWN}
    for key, value in own.items():
        if key in _MERGED and key in merged:
            merged[key] = merge(merged[key], value)
        elif key != "extends":
            merged[key] = value
    return merged


def merge(base: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """A mapping with the values of another; of two mappings at one key, both."""
    merged = dict(base)
    for key, value in own.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = merge(merged[key], value) if both else value
    return merged


def _overrides(data: Mapping[str, Any], locate: Locate) -> Iterator[Override]:
    """Every entry below a ``targets:`` key as it is written: what a template inherits stands where it was written."""
    for what, owner, path, owned in _owners(data):
        for framework, settings in owned.get("targets", {}).items():
            for key, value in settings.items():
                place = locate((*path, "targets", framework, key))
                yield Override(place, f"{what} {framework}.{key}", owner, _frozen(value))


def _owners(data: Mapping[str, Any]) -> Iterator[tuple[str, str, tuple[str | int, ...], Mapping[str, Any]]]:
    """What may have overrides: what it is, its name, its path of keys, and its data."""
    for what, section in (("template", "templates"), ("model type", "model_types")):
        for name, value in data.get(section, {}).items():
            yield what, name, (section, name), value
    for index, group in enumerate(data.get("models", ())):
        path = ("models", index)
        yield "group", group.get("template") or group.get("model_type", ""), path, group
        for number, checkpoint in enumerate(group["checkpoints"]):
            known_as = ("name", *HUBS, "path")
            name = next((checkpoint[key] for key in known_as if key in checkpoint), "")
            yield "checkpoint", name, (*path, "checkpoints", number), checkpoint


def _template(
    name: str,
    family: str,
    location: Location,
    data: Mapping[str, Any],
    mm_plugin: MMPlugin | None,
    serving: Mapping[str, Any],
    tool_formats: Mapping[str, Any],
) -> Template:
    registered = data.get("registered", {})
    definition = tool_formats.get(data.get("tool_format", ""))
    return _made(
        Template,
        ("template",),
        data,
        name=name,
        family=family,
        location=location,
        registered=_frozen({framework: registered.get(framework, name) for framework in FRAMEWORKS}),
        slots=_slots(data.get("slots", {})),
        default_system=parse_slot(data["default_system"]) if "default_system" in data else None,
        trim=_frozen({role: data.get("trim", {}).get(role, "none") for role in ROLES}),
        tool_definition=None if definition is None else _tool_definition(definition),
        thinking=_thinking(data.get("thinking")),
        mm_plugin=_mm_plugin(data.get("mm_plugin")) or mm_plugin,
        turns=tuple(sorted(data.get("turns", ()))),
        pair=_pair(data.get("pair")),
        serving=_frozen(_parsers(data, serving)),
    )


def _tool_definition(data: Mapping[str, Any]) -> Mapping[str, Any]:
    known = load_schema()["$defs"]["tool_format"]["properties"]
    found: Mapping[str, Any] = _frozen({**{key: known[key]["default"] for key in ("place", "parallel")}, **data})
    return found


def _parsers(data: Mapping[str, Any], family: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """The parsers of a template: its own, else the family's; none of calls without tools, nor of thoughts without."""
    has = {"tool_call_parser": "tool_format" in data, "reasoning_parser": "thinking" in data}
    named = {server: {**family.get(server, {}), **data.get("serving", {}).get(server, {})} for server in SERVERS}
    return {server: {kind: name for kind, name in found.items() if has[kind]} for server, found in named.items()}


def _slots(data: Mapping[str, Any]) -> Slots:
    assistant = data.get("assistant", {"body": "{{content}}"})

    def slot(key: str, otherwise: Any = None) -> Any:
        """The slot of that name, which may be one of the assistant's."""
        role, _, part = key.rpartition(".")
        found = (assistant if role else data).get(part)
        return otherwise if found is None else parse_slot(found)

    content = parse_slot("{{content}}")
    user, opener, body = slot("user", content), slot("assistant.opener", ()), slot("assistant.body")
    last, function = slot("assistant.last", body), slot("function", body)
    return Slots(
        prefix=slot("prefix", ()),
        system=slot("system", content),
        system_with_tools=slot("system_with_tools"),
        no_system=slot("no_system"),
        user=user,
        opener=opener,
        opener_after_observation=slot("assistant.after_observation", opener),
        before_calls=slot("assistant.before_calls"),
        generation=slot("assistant.generation", opener),
        body=body,
        last=last,
        function=function,
        function_last=slot("function_last", last if function == body else function),
        observation=slot("observation", user),
        image=data.get("image"),
        video=data.get("video"),
        audio=data.get("audio"),
    )


def _pair(data: Mapping[str, Any] | None) -> Pair | None:
    return None if data is None else Pair(parse_slot(data["text"]), data.get("instruction", ""))


def _thinking(data: Mapping[str, Any] | None) -> Thinking | None:
    if data is None:
        return None
    defined = ("template", "properties", "thinking")
    words = "".join(data.get("words", _left_out(Thinking, defined)["words"]))
    empty = data.get("empty", words)
    return _made(
        Thinking,
        defined,
        data,
        when_off=data.get("when_off", words),
        empty=empty,
        empty_on=data.get("empty_on", empty),
        empty_unless=data.get("empty_unless", "begins" if data.get("span") == "to_last_end" else "holds"),
        frame=_made(Frame, (), data["frame"]) if "frame" in data else None,
        system_mark=_made(SystemMark, ("system_mark",), data["system_mark"]) if "system_mark" in data else None,
        levels=_levels(data.get("levels")),
    )


def _levels(data: Mapping[str, Any] | None) -> Levels | None:
    if data is None:
        return None
    default = data.get("default", {})
    names = {name: _made(Level, (), level) for name, level in data["names"].items()}
    said = {"default_on": default.get("on"), "default_off": default.get("off"), "names": _frozen(names)}
    return _made(Levels, ("levels",), data, **said)


def _mm_plugin(data: Mapping[str, Any] | None) -> MMPlugin | None:
    if data is None:
        return None
    own = {field.name for field in fields(MMPlugin)}
    options = {key: value for key, value in data.items() if key not in own}
    return _made(MMPlugin, (), data, options=_frozen(options))


def _model_type(name: str, family: str, location: Location, data: Mapping[str, Any]) -> ModelType:
    modules = _made(Modules, (), data["modules"]) if "modules" in data else None
    said = {"name": name, "family": family, "location": location, "modules": modules}
    return _made(ModelType, ("model_type",), data, config_type=data.get("config_type", name), **said)


def _group(data: Mapping[str, Any], locate: Callable[..., Location]) -> ModelGroup:
    checkpoints = (
        _made(
            Checkpoint,
            ("checkpoint",),
            value,
            location=locate("checkpoints", index),
            ids=_frozen({hub: value[hub] for hub in HUBS if hub in value}),
        )
        for index, value in enumerate(data["checkpoints"])
    )
    said = {"location": locate(), "multimodal": data.get("multimodal", False), "checkpoints": tuple(checkpoints)}
    return _made(ModelGroup, ("group",), data, **said)


_T = TypeVar("_T")


def _made(cls: Callable[..., _T], definition: tuple[str, ...], data: Mapping[str, Any], **own: Any) -> _T:
    """An object of what the data says under the names of its fields, and of what is given as its ``own``.

    What the data leaves out is as :func:`_left_out` says; ``definition`` is its place below ``$defs`` in the schema.
    """
    for name, value in _left_out(cls, definition).items():
        if name not in own:
            own[name] = _frozen(data[name]) if name in data else value
    return cls(**own)


@cache
def _left_out(cls: Any, definition: tuple[str, ...]) -> Mapping[str, Any]:
    """By field, what it holds where a spec says nothing: the schema's default, or an empty list or mapping, or None."""
    node: Any = load_schema()["$defs"] if definition else {}
    for key in definition:
        node = node[key]
    known = node.get("properties", {})
    return {each.name: _frozen(known.get(each.name, {}).get("default", _empty(str(each.type)))) for each in fields(cls)}


def _empty(annotation: str) -> Any:
    if annotation.endswith("| None"):
        return None
    return [] if annotation.startswith("tuple[") else {} if annotation.startswith("Mapping[") else None


def _frozen(value: Any) -> Any:
    if isinstance(value, Mapping):
        return MappingProxyType({key: _frozen(item) for key, item in value.items()})
    return tuple(_frozen(item) for item in value) if isinstance(value, list) else value
