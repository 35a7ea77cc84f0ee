"""From the plain data of one valid file to the frozen model; nothing is checked here, and nothing is guessed.

The data has passed the schema, so every key is known and every value has its type. Defaults are written in
``schema.json`` for scalars that an author may leave out, and only there; ``_default`` reads them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from functools import cache
from types import MappingProxyType
from typing import Any

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
    return Template(
        name=name,
        family=family,
        location=location,
        registered=_frozen({framework: registered.get(framework, name) for framework in FRAMEWORKS}),
        slots=_slots(data.get("slots", {})),
        default_system=parse_slot(data["default_system"]) if "default_system" in data else None,
        empty_system=data.get("empty_system", _default("template", "empty_system")),
        system_placement=data.get("system_placement", _default("template", "system_placement")),
        trim=_frozen({role: data.get("trim", {}).get(role, "none") for role in ROLES}),
        tool_format=data.get("tool_format"),
        tool_definition=(
            _tool_definition(tool_formats[own]) if (own := data.get("tool_format", "")) in tool_formats else None
        ),
        result_separator=data.get("result_separator", _default("template", "result_separator")),
        stop_words=tuple(data.get("stop_words", ())),
        thinking=_thinking(data.get("thinking")),
        mm_plugin=_mm_plugin(data.get("mm_plugin")) or mm_plugin,
        single_turn=data.get("single_turn", False),
        turns=frozenset(data.get("turns", ())),
        learns=data.get("learns", _default("template", "learns")),
        last_message_end=data.get("last_message_end"),
        pair=_pair(data.get("pair")),
        undescribed=data.get("undescribed"),
        serving=_frozen(_parsers(data, serving)),
        evidence=_frozen(data.get("evidence", {})),
        targets=_frozen(data.get("targets", {})),
    )


def _tool_definition(data: Mapping[str, Any]) -> Mapping[str, Any]:
    defaults = {key: _default("tool_format", key) for key in ("place", "parallel")}
    found: Mapping[str, Any] = _frozen({**defaults, **data})
    return found


def _parsers(data: Mapping[str, Any], family: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """The parsers of a template: its own, else the family's; none of calls without tools, nor of thoughts without."""
    has = {"tool_call_parser": "tool_format" in data, "reasoning_parser": "thinking" in data}
    named = {server: {**family.get(server, {}), **data.get("serving", {}).get(server, {})} for server in SERVERS}
    return {server: {kind: name for kind, name in found.items() if has[kind]} for server, found in named.items()}


def _slots(data: Mapping[str, Any]) -> Slots:
    assistant = data.get("assistant", {"body": "{{content}}"})
    user = parse_slot(data.get("user", "{{content}}"))
    opener = parse_slot(assistant.get("opener", ""))
    body = parse_slot(assistant["body"])
    last = parse_slot(assistant["last"]) if "last" in assistant else body
    function = parse_slot(data["function"]) if "function" in data else body
    function_last = last if function == body else function
    return Slots(
        prefix=parse_slot(data.get("prefix", "")),
        system=parse_slot(data.get("system", "{{content}}")),
        system_with_tools=parse_slot(data["system_with_tools"]) if "system_with_tools" in data else None,
        no_system=parse_slot(data["no_system"]) if "no_system" in data else None,
        user=user,
        opener=opener,
        opener_after_observation=(
            parse_slot(assistant["after_observation"]) if "after_observation" in assistant else opener
        ),
        before_calls=parse_slot(assistant["before_calls"]) if "before_calls" in assistant else None,
        generation=parse_slot(assistant["generation"]) if "generation" in assistant else opener,
        body=body,
        last=last,
        function=function,
        function_last=parse_slot(data["function_last"]) if "function_last" in data else function_last,
        observation=parse_slot(data["observation"]) if "observation" in data else user,
        image=data.get("image"),
        video=data.get("video"),
        audio=data.get("audio"),
    )


def _pair(data: Mapping[str, Any] | None) -> Pair | None:
    return None if data is None else Pair(parse_slot(data["text"]), data.get("instruction", ""))


def _thinking(data: Mapping[str, Any] | None) -> Thinking | None:
    if data is None:
        return None
    get: Callable[[str], Any] = lambda key: data.get(key, _default("template", "thinking", key))  # noqa: E731
    words = tuple(get("words"))
    empty = data.get("empty", "".join(words))
    return Thinking(
        words=(words[0], words[1]),
        switch=get("switch"),
        default=get("default"),
        when_on=get("when_on"),
        when_off=data.get("when_off", "".join(words)),
        history=get("history"),
        kept_with_tools=get("kept_with_tools"),
        kept_from_results=get("kept_from_results"),
        kept_in_chain=get("kept_in_chain"),
        span=get("span"),
        history_trim=get("history_trim"),
        when_dropped=get("when_dropped"),
        dropped_before_calls=data.get("dropped_before_calls"),
        empty=empty,
        empty_on=data.get("empty_on", empty),
        empty_in=get("empty_in"),
        empty_unless=data.get("empty_unless", "begins" if get("span") == "to_last_end" else "holds"),
        empty_after=get("empty_after"),
        empty_trained=get("empty_trained"),
        rewrite=get("rewrite"),
        answer=(answer[0], answer[1]) if (answer := data.get("answer")) else None,
        frame=_frame(data.get("frame")),
        system_mark=_system_mark(data.get("system_mark")),
        levels=_levels(data.get("levels")),
    )


def _frame(data: Mapping[str, Any] | None) -> Frame | None:
    if data is None:
        return None
    start, between, end = data["thought"]
    head, tail = data["plain"]
    return Frame((start, between, end), (head, tail), data.get("calls"), data.get("unless"))


def _system_mark(data: Mapping[str, Any] | None) -> SystemMark | None:
    if data is None:
        return None
    get: Callable[[str], Any] = lambda key: data.get(key, _default("system_mark", key))  # noqa: E731
    return SystemMark(get("on"), get("off"), get("place"), get("separator"), tuple(data.get("unless", ())))


def _levels(data: Mapping[str, Any] | None) -> Levels | None:
    if data is None:
        return None
    default = data.get("default", {})
    return Levels(
        variable=data.get("variable", _default("levels", "variable")),
        default_on=default.get("on"),
        default_off=default.get("off"),
        unknown=data.get("unknown", _default("levels", "unknown")),
        count=data.get("count", _default("levels", "count")),
        names=_frozen(
            {
                name: Level(level.get("thinking"), level.get("mark"), level.get("prompt"))
                for name, level in data["names"].items()
            }
        ),
    )


def _mm_plugin(data: Mapping[str, Any] | None) -> MMPlugin | None:
    if data is None:
        return None
    tokens = {key: data.get(key) for key in ("image_token", "video_token", "audio_token")}
    options = {key: value for key, value in data.items() if key not in ("name", "inputs", *tokens)}
    return MMPlugin(name=data["name"], inputs=data.get("inputs"), options=_frozen(options), **tokens)


def _model_type(name: str, family: str, location: Location, data: Mapping[str, Any]) -> ModelType:
    return ModelType(
        name=name,
        family=family,
        location=location,
        architectures=tuple(data.get("architectures", ())),
        model_arch=data.get("model_arch"),
        config_type=data.get("config_type", name),
        modules=_modules(data.get("modules")),
        requires=tuple(data.get("requires", ())),
        tags=tuple(data.get("tags", ())),
        additional_saved_files=tuple(data.get("additional_saved_files", ())),
        ignore_patterns=_optional_tuple(data.get("ignore_patterns")),
        torch_dtype=data.get("torch_dtype"),
        task_type=data.get("task_type"),
        targets=_frozen(data.get("targets", {})),
    )


def _modules(data: Mapping[str, Any] | None) -> Modules | None:
    parts = (field.name for field in fields(Modules))
    return None if data is None else Modules(**{part: tuple(data.get(part, ())) for part in parts})


def _group(data: Mapping[str, Any], locate: Callable[..., Location]) -> ModelGroup:
    return ModelGroup(
        location=locate(),
        template=data.get("template"),
        model_type=data.get("model_type"),
        multimodal=data.get("multimodal", False),
        requires=_optional_tuple(data.get("requires")),
        tags=tuple(data.get("tags", ())),
        ignore_patterns=_optional_tuple(data.get("ignore_patterns")),
        checkpoints=tuple(
            Checkpoint(
                location=locate("checkpoints", index),
                name=value.get("name"),
                ids=_frozen({hub: value[hub] for hub in HUBS if hub in value}),
                path=value.get("path"),
                targets=_frozen(value.get("targets", {})),
            )
            for index, value in enumerate(data["checkpoints"])
        ),
        targets=_frozen(data.get("targets", {})),
    )


def _optional_tuple(values: list[str] | None) -> tuple[str, ...] | None:
    return None if values is None else tuple(values)


def _frozen(value: Any) -> Any:
    if isinstance(value, Mapping):
        return MappingProxyType({key: _frozen(item) for key, item in value.items()})
    return tuple(_frozen(item) for item in value) if isinstance(value, list) else value


@cache
def _default(definition: str, *keys: str) -> Any:
    node = load_schema()["$defs"][definition]
    for key in keys:
        node = node["properties"][key]
    return node["default"]
