"""From a template as a framework registers it to the spec's own words, slots by role.

A lifted template is lowered again and must give back what it was lifted from; what the slots cannot say becomes an
override, and what not even an override can say is refused. One thing no framework tells: where its user slot ends and
the assistant's opener begins. That is read off the text (:func:`split_opener`), and a person may move it later, since
the frameworks write both without a boundary.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from chatwright.catalogue.build import build_spec
from chatwright.catalogue.model import Catalogue, Part, Slot, Template
from chatwright.catalogue.schema import load_schema
from chatwright.catalogue.slots import join_slots, parse_slot, split_content, write_slot, write_text
from chatwright.errors import Location, Unsupported
from chatwright.meaning.runs import TODAY
from chatwright.meaning.tool_formats import Results, ToolFormat, tool_formats
from chatwright.targets import llamafactory, swift
from chatwright.targets.agent_template import results_in_user_turn
from chatwright.targets.python import Call, Sum

from .compare import swift_meaning as swift_field
from .template_classes import describe

_CONTENT = Part("field", "content")
_SEPARATOR = load_schema()["$defs"]["template"]["properties"]["result_separator"]["default"]
_BASE_CLASS = "swift.template.base.Template"
_ORDER = tuple(load_schema()["$defs"]["template"]["properties"])  # of the keys of a template
_ORDER_SWIFT = tuple(load_schema()["$defs"]["template"]["properties"]["targets"]["properties"]["swift"]["properties"])
_ORDER_SLOTS = tuple(load_schema()["$defs"]["slots"]["properties"])
_ORDER_ASSISTANT = tuple(load_schema()["$defs"]["slots"]["properties"]["assistant"]["properties"])
_ORDER_THINKING = tuple(load_schema()["$defs"]["template"]["properties"]["thinking"]["properties"])
_ROLE = re.compile(
    r"(?i:<\|open\|>message role=\"assistant\"|<beginning_of_sentence>ai name=assistant|GPT4 Correct Assistant"
    r"|\]~b\]ai|<AI>|<C_A>|\[\|AI\|]|<\|response\|>|_bot>|assistant|chatbot|\bmodel\b|\bbot\b"
    r"|falcon:|response:|answer:|answer\n|solution:|答：|输出：|\x03)"
)
_MARKER = re.compile(r"\]~b\]|(?i:<[^<>]*start[^<>]*>)?<[^<>]*>|\[[^\[\]]+\]|### |\x01")
_DATES = ("%d %b %Y", "%Y-%m-%d")  # how ms-swift writes the day on which it was imported
_PARTS = re.compile(r"\{\{(SYSTEM|QUERY|ROUND0|ROUND1|content|idx)\}\}")
_FIELDS = {
    "SYSTEM": "content",
    "QUERY": "content",
    "ROUND0": "idx",
    "ROUND1": "round",
    "content": "content",
    "idx": "idx",
}


@dataclass(frozen=True)
class Lifted:
    """A template in the spec's words.

    It is new with the YAML ``data``, or it ``joins`` an existing template that means the same, which then needs the
    ``data`` (overrides, a plugin) for this framework too.
    """

    data: dict[str, Any]
    joins: str | None = None


def lift(
    framework: str, name: str, fields: Mapping[str, Any], catalogue: Catalogue, candidates: Collection[str] = ()
) -> Lifted:
    """Lift one registered template, given as plain data (:class:`.registry.Registry`).

    ``candidates`` are templates of the catalogue, such as those that the same models use in the other framework: the
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
    return Lifted(_from_llamafactory(fields) if framework == "llamafactory" else _from_swift(fields))


def _added(framework: str, template: Template, fields: Mapping[str, Any]) -> dict[str, Any]:
    """What a template must say of the framework alone: ms-swift's overrides, or the plugin where there is none yet."""
    if framework == "llamafactory":
        plugin = _plugin(fields)
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


def split_opener(rest: str) -> int:
    """Where in the text behind the user's content the assistant's opener begins; its length where there is none.

    The opener is the marker or the line that names the assistant, from its first character.
    """
    found = None
    for match in _ROLE.finditer(rest):
        found = match
    if found is None:
        return len(rest)
    start = found.start()
    if _MARKER.match(found[0]) or found[0].startswith("]"):
        return start
    for marker in _MARKER.finditer(rest):
        if marker.start() <= start < marker.end() or marker.end() == start:
            return marker.start()
    return start


# -- LLaMA-Factory ---------------------------------------------------------------------------------------------------


def _from_llamafactory(fields: Mapping[str, Any]) -> dict[str, Any]:
    user, observation = (_slot(fields[key][1]) for key in ("format_user", "format_observation"))
    body, function = (_slot(fields[key][1]) for key in ("format_assistant", "format_function"))
    user, opener = _split(user)
    prefix = fields["format_prefix"][1]
    ignored = [element[0] for element in prefix if isinstance(element, list) and element[0][:4] not in ("bos_", "eos_")]
    observation, after = _without_tail(observation, opener)
    slots: dict[str, Any] = {
        "prefix": _slot([element for element in prefix if not (isinstance(element, list) and element[0] in ignored)]),
        "system": _slot(fields["format_system"][1]),
        "user": user,
        "assistant": {"opener": opener, "body": body},
        "function": None if function == body else function,
        "observation": None if observation == user else observation,
    }
    if after is not None:
        slots["assistant"]["after_observation"] = after
    data: dict[str, Any] = {"slots": _written(slots)}
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
    if plugin := _plugin(fields):
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
    _demand("llamafactory", data, fields)
    return data


def _plugin(fields: Mapping[str, Any]) -> dict[str, Any] | None:
    """The plugin as a spec says it; None for the one that does nothing, or where its name was not read."""
    plugin = fields["mm_plugin"]
    if "base" in (names := plugin.get("names", ("base",))):
        return None
    options = {key: value for key, value in plugin.items() if key not in ("class", "names") and value is not None}
    if options.get("expand_mm_tokens") is True:
        del options["expand_mm_tokens"]
    return {"name": names[0], **options}


def _tool_format(framework: str, name: str, tools: Sequence[Any]) -> str:
    for known in tool_formats().values():
        if known.frameworks.get(framework) == name and _formatter(known) == list(tools):
            return known.name
    raise Unsupported(f"no tool format of the catalogue is LLaMA-Factory's {name!r} with {tools}")


def _formatter(definition: ToolFormat) -> list[Any]:
    cls, slots, tools = llamafactory.tools_formatter(definition)
    return [cls, slots or [], tools]


# -- ms-swift --------------------------------------------------------------------------------------------------------


def _from_swift(fields: Mapping[str, Any]) -> dict[str, Any]:
    prefix, prompt, end = (_prompt(fields[key]) for key in ("prefix", "prompt", "suffix"))
    single = fields["chat_sep"] is None
    separator = end if single else _prompt(fields["chat_sep"])
    user, opener = _split(prompt)
    slots: dict[str, Any] = {}
    data: dict[str, Any] = {"slots": slots}
    own: dict[str, Any] = {}
    system = None if fields["system_prefix"] is None else _prompt(fields["system_prefix"])
    literal_system = system if system is not None and _CONTENT not in system else None
    if literal_system is not None:  # a placeholder that ms-swift does not know stands there
        system = parse_slot(re.sub(r"\{\{\w+\}\}", "{{content}}", _text(literal_system)))
    no_system: Slot | None = None
    head = () if single else _common_tail(prefix, separator)
    if _text(head).startswith(_text(end).strip() or "\0"):
        head = ()  # the end of a system turn, and of the assistant's: no opener of the user's turn
    if "system_prompt" in fields:
        data["system_placement"] = "last_user"
        user, prefix, separator = join_slots(head, user), _drop_tail(prefix, head), _drop_tail(separator, head)
        asked = _prompt(fields["system_prompt"])
        system = _first(asked, _length(asked) - _length(prompt))
        no_system = join_slots(tuple(Part("text", "{{SYSTEM}}") if part == _CONTENT else part for part in system))
    elif system is None:
        data["system_placement"] = "none"
        user, prefix, separator = join_slots(head, user), _drop_tail(prefix, head), _drop_tail(separator, head)
    else:
        before, after = split_content(system)
        if head and _starts_with(before, prefix):
            data["system_placement"] = "first_user"
            user, prefix, separator = join_slots(head, user), _drop_tail(prefix, head), _drop_tail(separator, head)
            system = join_slots(_drop_head(before, join_slots(prefix, head)), (_CONTENT,), after)
        elif head:
            data["system_placement"] = "first_user_head"
            user, prefix, separator = join_slots(head, user), _drop_tail(prefix, head), _drop_tail(separator, head)
            shared = _common_head(prefix, literal_system or system)
            no_system, prefix = _drop_head(prefix, shared) or None, shared
            system = _drop_head(literal_system or system, shared)
        else:
            shared = _before_system(_common_head(prefix, before), user)
            rest = _drop_head(prefix, shared)
            no_system = rest or None
            prefix, system = shared, join_slots(_drop_head(before, shared), (_CONTENT,), after)
    body, last = join_slots((_CONTENT,), separator), join_slots((_CONTENT,), end)
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
    data["slots"] = _written(slots)
    if fields["default_system"] is not None:
        data["default_system"] = write_text(_dated(fields["default_system"]))
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
    if own:
        data["targets"] = {"swift": {key: own[key] for key in _ORDER_SWIFT if key in own}}
    data = {key: data[key] for key in _ORDER if key in data}
    assistant = data["slots"]["assistant"]
    data["slots"]["assistant"] = {key: assistant[key] for key in _ORDER_ASSISTANT if key in assistant}
    for key, order in (("slots", _ORDER_SLOTS), ("thinking", _ORDER_THINKING)):
        if key in data:
            data[key] = {name: data[key][name] for name in order if name in data[key]}
    _demand("swift", data, fields)
    return data


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
    elif ended and _starts_with(between, ended):
        between = _drop_head(between, ended)
    elif ended:
        slots["function"], slots["function_last"] = (_CONTENT,), assistant.get("last", body)
    before, after = split_content(between)
    opener = assistant["opener"]
    if opener and _ends_with(after, opener):
        after = _drop_tail(after, opener)
    elif opener:
        cut = split_opener(_text(after))
        after, assistant["after_observation"] = _first(after, cut), _behind(after, cut)
    slots["observation"] = join_slots(before, (_CONTENT,), after)


def _overrides(fields: Mapping[str, Any], prefix: bool) -> dict[str, Any]:
    """What ms-swift's own way to a template is, apart from its text."""
    own: dict[str, Any] = {}
    if fields["template_cls"] != _BASE_CLASS:
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


def _prompt(elements: Sequence[Any]) -> Slot:
    """A prompt of ms-swift as a slot; adjacent texts are joined, as ms-swift does."""
    parts: list[Part] = []
    for element in elements:
        if isinstance(element, list):
            named = {"bos_token_id": Part("bos"), "eos_token_id": Part("eos")}
            for item in element:
                if isinstance(item, int):
                    parts.append(Part("id", str(item)))
                else:
                    parts.append(named.get(item) or Part("attribute", item.removesuffix("_id")))
        else:
            parts.extend(_dated(element))
    return join_slots(tuple(part for part in parts if part.kind != "text" or part.value))


def _dated(text: str) -> Slot:
    """A text of ms-swift: its placeholders as ours, and the day of the reading as today's date."""
    parts: list[Part] = []
    position = 0
    for match in _PARTS.finditer(text):
        parts += [Part("text", text[position : match.start()]), Part("field", _FIELDS[match[1]])]
        position = match.end()
    parts.append(Part("text", text[position:]))
    for pattern in _DATES:
        today = TODAY.strftime(pattern)
        parts = [
            piece
            for part in parts
            for piece in (
                [part] if part.kind != "text" else _interleaved(part.value.split(today), Part("date", pattern))
            )
        ]
    return tuple(part for part in parts if part.kind != "text" or part.value)


def _interleaved(texts: Sequence[str], between: Part) -> list[Part]:
    parts = [Part("text", texts[0])]
    for text in texts[1:]:
        parts += [between, Part("text", text)]
    return parts


def _text(slot: Slot) -> str:
    """The text of a slot; what is no text is one character, and tells BOS and a token for the assistant apart."""
    return "".join(
        (
            part.value
            if part.kind in ("text", "token")
            else "\x01" if part.kind == "bos" else "\x03" if part.kind == "attribute" and "bot" in part.value else "\0"
        )
        for part in slot
    )


# -- slots -----------------------------------------------------------------------------------------------------------


def _slot(elements: Sequence[Any]) -> Slot:
    """A slot of LLaMA-Factory: texts, sets (as lists) that name the tokenizer's own token, tokens by their text."""
    parts: list[Part] = []
    for element in elements:
        if isinstance(element, str):
            if parts and parts[-1].kind in ("text", "field"):
                parts.append(Part("break"))
            parts.extend(_dated(element))
        elif isinstance(element, dict):
            parts.append(Part("token", element["token"]))
        else:
            parts.append(Part("bos" if element[0] == "bos_token" else "eos"))
    return tuple(parts)


def _split(slot: Slot) -> tuple[Slot, Slot]:
    """The user's turn and the assistant's opener, glued together in both frameworks."""
    head, rest = split_content(slot)
    cut = split_opener(_text(rest))
    return join_slots(head, (_CONTENT,), _first(rest, cut)), _behind(rest, cut)


def _without_tail(slot: Slot, tail: Slot) -> tuple[Slot, Slot | None]:
    """A slot without the opener at its end, and the opener there where it is another one."""
    head, rest = split_content(slot)
    if not tail or join_slots(rest)[len(rest) :] == tail:
        return slot, None
    for cut in range(_length(rest) + 1):
        if _behind(rest, cut) == tail:
            return join_slots(head, (_CONTENT,), _first(rest, cut)), None
    own, opener = _split(slot)
    return own, opener


def _length(slot: Slot) -> int:
    return sum(len(part.value) if part.kind in ("text", "token") else 1 for part in slot)


def _first(slot: Slot, count: int) -> Slot:
    """The first characters of a slot; what is no text counts as one."""
    parts: list[Part] = []
    for part in slot:
        length = len(part.value) if part.kind in ("text", "token") else 1
        if count <= 0:
            break
        if part.kind == "text":
            parts.append(replace(part, value=part.value[:count]))
        else:
            parts.append(part)
        count -= length
    return tuple(parts)


def _behind(slot: Slot, count: int) -> Slot:
    """What :func:`_first` leaves."""
    parts: list[Part] = []
    for part in slot:
        length = len(part.value) if part.kind in ("text", "token") else 1
        if count <= 0:
            parts.append(part)
        elif part.kind == "text" and count < length:
            parts.append(replace(part, value=part.value[count:]))
        count -= length
    return tuple(parts)


def _starts_with(slot: Slot, head: Slot) -> bool:
    return _first(slot, _length(head)) == head


def _ends_with(slot: Slot, tail: Slot) -> bool:
    return _behind(slot, _length(slot) - _length(tail)) == tail


def _drop_head(slot: Slot, head: Slot) -> Slot:
    return _behind(slot, _length(head))


def _drop_tail(slot: Slot, tail: Slot) -> Slot:
    return _first(slot, _length(slot) - _length(tail))


def _common_head(one: Slot, other: Slot) -> Slot:
    """What two slots begin with in common, cut back to where a marker ends."""
    longest = max(count for count in range(_length(one) + 1) if _starts_with(other, _first(one, count)))
    while longest and longest < max(_length(one), _length(other)) and _inside_marker(one, other, longest):
        longest -= 1
    return _first(one, longest)


def _common_tail(one: Slot, other: Slot) -> Slot:
    """What two slots end with in common, if it begins a turn: cut back to where a marker begins."""
    for count in range(min(_length(one), _length(other)), 0, -1):
        tail = _behind(one, _length(one) - count)
        if tail == _behind(other, _length(other) - count) and (
            tail[0].kind != "text" or (tail[0].value[0] in "<[" and not tail[0].value.startswith("</"))
        ):
            return tail
    return ()


def _before_system(shared: Slot, user: Slot) -> Slot:
    """What stands in front of the system turn: cut where a marker names it, or opens a turn as the user's does."""
    opens = _MARKER.match(_text(user))
    for marker in _MARKER.finditer(_text(shared)):
        if "system" in marker[0].lower() or (opens and marker[0] == opens[0]):
            return _first(shared, marker.start())
    return shared


def _inside_marker(one: Slot, other: Slot, cut: int) -> bool:
    return any(match.start() < cut < match.end() for slot in (one, other) for match in _MARKER.finditer(_text(slot)))


def _written(slots: Mapping[str, Any]) -> dict[str, Any]:
    """Slots as YAML data: what is empty or left out is not written."""
    out: dict[str, Any] = {}
    for key in ("prefix", "system", "no_system", "user", "assistant", "function", "function_last", "observation"):
        value = slots.get(key)
        if key == "assistant" and value:
            names = ("opener", "body", "last")
            out[key] = {name: write_slot(value[name]) for name in names if value.get(name)}
            if "after_observation" in value:  # which may well be nothing
                out[key]["after_observation"] = write_slot(value["after_observation"])
        elif value:
            out[key] = write_slot(value)
    return out


# -- proof -----------------------------------------------------------------------------------------------------------


def built(data: Mapping[str, Any], name: str = "lifted") -> Template:
    spec = {"name": name, "title": name, "publisher": name, "templates": {name: data}}
    place = Location("", 1, 1)
    return build_spec(spec, path="", source="lifted/lifted.yaml", locate=lambda _: place).templates[0]


def _demand(framework: str, data: Mapping[str, Any], fields: Mapping[str, Any]) -> None:
    """The lifted template lowers to what it was lifted from."""
    if differing := differences(framework, built(data), fields):
        raise Unsupported(f"the slots do not say {', '.join(differing)} as the built-in does")


def means(framework: str, template: Template, fields: Mapping[str, Any]) -> bool:
    """Whether a template lowers to what a framework has registered."""
    try:
        return not differences(framework, template, fields)
    except Unsupported:
        return False


def differences(framework: str, template: Template, fields: Mapping[str, Any]) -> list[str]:
    """The fields of a framework's own template in which the lowered template means something else.

    Raises:
        Unsupported: the template cannot be lowered to that framework.
    """
    if framework == "llamafactory":
        return _llamafactory_differences(llamafactory.template_arguments(template), fields)
    return _swift_differences(swift.template_arguments(template), fields)


def _llamafactory_differences(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> list[str]:
    found = []
    if (names := theirs["mm_plugin"].get("names")) is not None:  # recorded vectors do not tell them
        own = {"name": "base", **ours.get("mm_plugin", {})}
        name = own.pop("name")
        if _plugin({"mm_plugin": {"names": names if name in names else (name,), **own}}) != _plugin(theirs):
            found.append("mm_plugin")
    for key, value in ours.items():
        if key == "mm_plugin":
            continue
        if key.startswith("format_"):
            cls, slots, tools = value
            listed = [sorted(element) if isinstance(element, set) else element for element in slots or []]
            value = [cls, listed, tools]
        given = theirs[key]
        if list(value) != list(given) if isinstance(value, (list, tuple)) else value != given:
            found.append(key)
    return found


def _swift_differences(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> list[str]:
    defaults: dict[str, Any] = {
        "default_system": None,
        "template_cls": _BASE_CLASS,
        "auto_add_bos": False,
        "stop_words": [],
        "agent_template": None,
        "is_thinking": False,
        "thinking_prefix": "",
        "non_thinking_prefix": "",
        "history_thinking_prefix": "",
        "preserve_thinking": None,
    }
    plain = {**defaults, **{key: _plain(value) for key, value in ours.items()}}
    if "system_prompt" in theirs:
        theirs = {**theirs, "prompt": theirs["system_prompt"]}
    return [key for key in plain if swift_field(plain, key) != swift_field(theirs, key)]


def _plain(value: Any) -> Any:
    if isinstance(value, Sum):
        return "".join(map(_plain, value.items))
    if isinstance(value, Call):  # of `today`
        return TODAY.strftime(value.arguments[""])
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value
