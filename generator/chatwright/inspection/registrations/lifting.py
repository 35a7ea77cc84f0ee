"""From a template as a framework registers it to the spec's own words, slots by role.

A lifted template is lowered again and must give back what it was lifted from; what the slots cannot say becomes an
override, and what not even an override can say is refused. One thing no framework says: where its user slot ends and
the assistant's opener begins. That is read off the text (:func:`.cutting.split_opener`), and a person may move it
later, since the frameworks write both without a boundary.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ...catalogue.model import Catalogue, Part, Slot, Template
from ...catalogue.schema import load_schema
from ...catalogue.slots import join_slots, parse_slot, split_content, write_text
from ...errors import Unsupported
from ...meaning.tool_formats import Results, ToolFormat, tool_formats
from ...targets import llamafactory
from ...targets.agent_template import results_in_user_turn
from .cutting import (
    CONTENT,
    after_first,
    before_system,
    common_head,
    common_tail,
    dated,
    drop_head,
    drop_tail,
    ends_with,
    first,
    length,
    llamafactory_slot,
    split_opener,
    split_turn,
    starts_with,
    swift_slot,
    text_of,
    without_tail,
    written,
)
from .differences import BASE_CLASS, built, demand, means, plugin_of

Describe = Callable[[dict[str, Any], Mapping[str, Any]], None]
_SEPARATOR = load_schema()["$defs"]["template"]["properties"]["result_separator"]["default"]


@dataclass(frozen=True)
class Lifted:
    """A template in the spec's words.

    It is new with the YAML ``data``, or it ``joins`` an existing template that means the same, which then needs the
    ``data`` (overrides, a plugin) for this framework too.
    """

    data: dict[str, Any]
    joins: str | None = None


def lift(
    framework: str,
    fields: Mapping[str, Any],
    catalogue: Catalogue,
    candidates: Collection[str] = (),
    *,
    describe: Describe,
) -> Lifted:
    """Lift one registered template, given as plain data: its fields by name.

    ``describe`` adds to the lifted data what a Python class of ms-swift writes beyond the fields. ``candidates`` are
    templates of the catalogue, such as those that the same models use in the other framework: the
    first one that means the same is joined.

    Raises:
        Unsupported: its meaning cannot be written in a spec; the message says what stands in the way.
    """
    for candidate in candidates:
        template = catalogue.templates[candidate]
        if means(framework, template, fields):
            return Lifted({}, joins=candidate)
        added = _added(framework, template, fields)
        if added and means(framework, _with(template, added), fields):
            return Lifted(added, joins=candidate)
    return Lifted(_from_llamafactory(fields) if framework == "llamafactory" else _from_swift(fields, describe))


def _added(framework: str, template: Template, fields: Mapping[str, Any]) -> dict[str, Any]:
    """What a template must say of the framework alone: ms-swift's overrides, or the plugin where there is none yet."""
    if framework == "llamafactory":
        plugin = plugin_of(fields)
        is_free = template.mm_plugin is None and template.registered[framework] is None
        return {"mm_plugin": plugin} if plugin and is_free else {}
    overrides = _overrides(fields, bool(template.slots.prefix))
    if template.tool_format is not None:
        overrides.pop("agent_template", None)
    return {"targets": {framework: overrides}} if overrides else {}


def _with(template: Template, added: Mapping[str, Any]) -> Template:
    other = built(added)
    return replace(
        template, targets={**template.targets, **other.targets}, mm_plugin=other.mm_plugin or template.mm_plugin
    )


# -- LLaMA-Factory ---------------------------------------------------------------------------------------------------


def _from_llamafactory(fields: Mapping[str, Any]) -> dict[str, Any]:
    user, observation = (llamafactory_slot(fields[key][1]) for key in ("format_user", "format_observation"))
    body, function = (llamafactory_slot(fields[key][1]) for key in ("format_assistant", "format_function"))
    user, opener = split_turn(user)
    prefix = fields["format_prefix"][1]
    ignored = [element[0] for element in prefix if isinstance(element, list) and element[0][:4] not in ("bos_", "eos_")]
    observation, after = without_tail(observation, opener)
    slots: dict[str, Any] = {
        "prefix": llamafactory_slot(
            [element for element in prefix if not (isinstance(element, list) and element[0] in ignored)]
        ),
        "system": llamafactory_slot(fields["format_system"][1]),
        "user": user,
        "assistant": {"opener": opener, "body": body},
        "function": None if function == body else function,
        "observation": None if observation == user else observation,
    }
    if after is not None:
        slots["assistant"]["after_observation"] = after
    data: dict[str, Any] = {"slots": written(slots)}
    if fields["default_system"]:
        data["default_system"] = fields["default_system"]
    if fields["template_class"] == "Llama2Template":
        data["system_placement"] = "first_user"
    tools = fields["format_function"][2]
    data["tool_format"] = _tool_format("llamafactory", tools, fields["format_tools"])
    if fields["stop_words"]:
        data["stop_words"] = list(fields["stop_words"])
    words = list(fields["thought_words"])
    if fields["template_class"] == "ReasoningTemplate":
        data["thinking"] = {"words": words}
    elif fields["template_class"] == "Glm47ReasoningTemplate":
        data["thinking"] = {"words": words, "when_off": words[1], "empty": words[1]}
    if plugin := plugin_of(fields):
        data["mm_plugin"] = plugin
    derived = llamafactory.template_arguments(built(data))
    own = {
        key: fields[key]
        for key in ("efficient_eos", "replace_eos", "replace_jinja_template")
        if fields[key] != derived[key]
    }
    if ignored:
        own["ignored_prefix"] = ignored[0]
    if own:
        data["targets"] = {"llamafactory": own}
    demand("llamafactory", data, fields)
    return data


def _tool_format(framework: str, name: str, tools: Sequence[Any]) -> str:
    for known in tool_formats().values():
        if known.frameworks.get(framework) == name and _formatter(known) == list(tools):
            return known.name
    raise Unsupported(f"no tool format of the catalogue is LLaMA-Factory's {name!r} with {tools}")


def _formatter(definition: ToolFormat) -> list[Any]:
    cls, slots, tools = llamafactory.tools_formatter(definition)
    return [cls, slots or [], tools]


# -- ms-swift --------------------------------------------------------------------------------------------------------


def _from_swift(fields: Mapping[str, Any], describe: Describe) -> dict[str, Any]:
    prefix, prompt, end = (swift_slot(fields[key]) for key in ("prefix", "prompt", "suffix"))
    single = fields["chat_sep"] is None
    separator = end if single else swift_slot(fields["chat_sep"])
    user, opener = split_turn(prompt)
    slots: dict[str, Any] = {}
    data: dict[str, Any] = {"slots": slots}
    own: dict[str, Any] = {}
    system = None if fields["system_prefix"] is None else swift_slot(fields["system_prefix"])
    literal_system = system if system is not None and CONTENT not in system else None
    if literal_system is not None:  # it holds a placeholder that ms-swift does not fill
        system = parse_slot(re.sub(r"\{\{\w+\}\}", "{{content}}", text_of(literal_system)))
    no_system: Slot | None = None
    head = () if single else common_tail(prefix, separator)
    if text_of(head).startswith(text_of(end).strip() or "\0"):
        head = ()  # the end of a system turn, and of the assistant's: no opener of the user's turn
    begin = prefix
    user, prefix, separator = join_slots(head, user), drop_tail(prefix, head), drop_tail(separator, head)
    if "system_prompt" in fields:
        data["system_placement"] = "last_user"
        asked = swift_slot(fields["system_prompt"])
        system = first(asked, length(asked) - length(prompt))
        no_system = join_slots(tuple(Part("text", "{{SYSTEM}}") if part == CONTENT else part for part in system))
    elif system is None:
        data["system_placement"] = "none"
    else:
        before, after = split_content(system)
        if head and starts_with(before, begin):
            data["system_placement"] = "first_user"
            system = join_slots(drop_head(before, join_slots(begin)), (CONTENT,), after)
        elif head:
            data["system_placement"] = "first_user_head"
            shared = common_head(prefix, literal_system or system)
            no_system, prefix = drop_head(prefix, shared) or None, shared
            system = drop_head(literal_system or system, shared)
        else:
            prefix = before_system(common_head(begin, before), user)
            no_system = drop_head(begin, prefix) or None
            system = join_slots(drop_head(before, prefix), (CONTENT,), after)
    body, last = join_slots((CONTENT,), separator), join_slots((CONTENT,), end)
    slots["prefix"], slots["system"], slots["no_system"], slots["user"] = prefix, system, no_system, user
    slots["assistant"] = {"opener": opener, "body": body} | ({"last": last} if last != body else {})
    own |= _overrides(fields, bool(prefix))
    agent = own.get("agent_template")
    known = next((known for known in tool_formats().values() if known.frameworks.get("swift") == agent), None)
    results = known.results if agent and known else None
    if agent and known:
        del own["agent_template"]
    if results:
        _answer(slots, results)
    data["slots"] = written(slots)
    if fields["default_system"] is not None:
        data["default_system"] = write_text(dated(fields["default_system"]))
        data["empty_system"] = "omit"
    if "system_prompt" in fields:
        data["empty_system"] = "keep"
    if agent and known:
        data["tool_format"] = known.name
    if results and results.separator != _SEPARATOR:
        data["result_separator"] = results.separator
    stop = end[-1].value.strip() if end and end[-1].kind == "text" else None
    stop_words = list(dict.fromkeys([*([stop] if stop else []), *fields["stop_words"]]))
    if stop_words:
        data["stop_words"] = stop_words
    if single:
        data["single_turn"] = True
    if thinking := _thinking(fields):
        data["thinking"] = thinking
    if own:
        data["targets"] = {"swift": own}
    describe(data, fields)
    data = _ordered(data, load_schema()["$defs"]["template"])
    demand("swift", data, fields)
    return data


def _ordered(data: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    """Data with the keys of every map in the schema's order."""
    schema = load_schema()["$defs"][schema["$ref"].split("/")[-1]] if "$ref" in schema else schema
    known = schema.get("properties", {key: {} for key in data})
    return {
        key: _ordered(data[key], known[key]) if isinstance(data[key], Mapping) else data[key]
        for key in known
        if key in data
    }


def _answer(slots: dict[str, Any], results: Results) -> None:
    """Fill the slots between the calls of a turn and the next reply as ms-swift's agent template does."""
    assistant = slots["assistant"]
    if results.way == "in_user_turn":
        slots["observation"] = results_in_user_turn(slots["user"], results)
        return
    between, body = parse_slot(results.text), assistant["body"]
    ended = split_content(body)[1]
    if results.calls_end:
        slots["function"] = parse_slot(f"{{{{content}}}}{results.calls_end}")
    elif ended and starts_with(between, ended):
        between = drop_head(between, ended)
    elif ended:
        slots["function"], slots["function_last"] = (CONTENT,), assistant.get("last", body)
    before, after = split_content(between)
    opener = assistant["opener"]
    if opener and ends_with(after, opener):
        after = drop_tail(after, opener)
    elif opener:
        cut = split_opener(text_of(after))
        after, assistant["after_observation"] = first(after, cut), after_first(after, cut)
    slots["observation"] = join_slots(before, (CONTENT,), after)


def _overrides(fields: Mapping[str, Any], prefix: bool) -> dict[str, Any]:
    """What ms-swift's own way to a template is, apart from its text."""
    own: dict[str, Any] = {}
    if fields["template_cls"] != BASE_CLASS:
        own["template_class"] = fields["template_cls"]
    if fields["agent_template"] is not None:
        own["agent_template"] = fields["agent_template"]
    if fields["auto_add_bos"]:
        own["auto_add_bos"] = "before" if prefix else "instead"
    return own


def _thinking(fields: Mapping[str, Any]) -> dict[str, Any] | None:
    """How ``template/base.py`` handles thoughts, by the four fields that steer it."""
    drops, on, off = fields["is_thinking"], fields["thinking_prefix"], fields["non_thinking_prefix"]
    if not (drops or on or off):
        return None
    thinking: dict[str, Any] = {}
    if not drops or off:
        thinking["default"] = False
    if on:
        thinking["when_on"] = on
    if off != "<think>\n\n</think>\n\n":
        thinking["when_off"] = off
    kept = {None: "drop" if drops else "switched", True: "keep", False: "remove"}[fields.get("preserve_thinking")]
    thinking |= {"history": kept, "span": "to_last_end", "history_trim": "both"}
    if fields["history_thinking_prefix"]:
        thinking["when_dropped"] = fields["history_thinking_prefix"]
    if off != "<think>\n\n</think>\n\n":
        thinking["empty"] = off
    return thinking | {"empty_trained": "always"}
