"""Rules between the fields of a template and of a tool format: thinking, order of turns, plugins, parsers, names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from keyword import iskeyword
from typing import Any

from ..errors import Problem
from ..records.frameworks import built_ins
from ..records.servers import parsers
from .found import ANY, Found, stated
from .jinja_fragments import wrong_jinja
from .model import Part
from .schema import suggest
from .slot_checks import wrong_date
from .slots import parse_slot
from .yaml_reader import quote

_TOKENS = {kind: f"{kind}_token" for kind in ("image", "video", "audio")}  # of a plugin
_KINDS_OF_PARTS = ("text", "date", "each", "once")  # of a tool format
# What chat servers hand to a template, or take for themselves from a request (the parameters of `apply_chat_template`
# and of what it calls, transformers 5.6.0), Jinja's own words, and the variables of the generated files.
TAKEN = re.compile(
    "self|args|kwargs|conversations?|chat_template|continue_final_message|return_assistant_tokens_mask|tokenize|"
    "padding|truncation|max_length|return_tensors|return_dict|(tokenizer|processor)_kwargs|load_audio_from_video|"
    "[a-z_]+_token|additional_special_tokens|super|caller|varargs|autoescape|print|messages|tools|documents|"
    "add_generation_prompt|preserve_thinking|raise_exception|strftime_now|true|false|none|namespace|range|dict|"
    "lipsum|cycler|joiner|loop|set|block|macro|call|filter|include|extends|raw|do|item|function|tool|calls|"
    "arguments_object|arguments_json|turns|system|described|state|message|text|part|thought|thinks|replied|scan|"
    "piece|rest|without_thoughts|asked|argument|comma|key|name|object|parameter|parameters|schema|value|level|mark|"
    "drops|instruction|query|document|user|alone|separator|index|first_mark|inner|kind|known|line|further|names|"
    "given|fields|asks|answers|answered|"
    "schemas|without_newlines|without_leading_newlines|list|one|properties|required|written|compact|elements"
)


def check_roles(spec: Found) -> Iterator[Problem]:
    """A template writes users' and assistants' turns by slots; without one a text would be written bare."""
    for found in spec.find("templates", ANY):
        slots: Any = {} if "extends" in found.mapping else found.mapping.get("slots")
        for role in ("user", "assistant") if slots and isinstance(slots, dict) else ():
            if role not in slots:
                yield found.on_key(f"nothing says how the template writes the {role}'s turn: give it slots.{role}")


def check_words(spec: Found) -> Iterator[Problem]:
    """A thought is looked for by what its words hold."""
    for found in spec.texts("templates", ANY, "thinking", "words", ANY):
        if not found.value.strip():
            yield found.on_value(
                "this is white space alone, and a thought is looked for without the white space around its words"
            )


def check_variables(spec: Found) -> Iterator[Problem]:
    """A variable of the chat template has a name that nothing else has."""
    for name in (("switch",), ("levels", "variable")):
        for found in spec.texts("templates", ANY, "thinking", *name):
            if iskeyword(found.value) or TAKEN.fullmatch(found.value):
                wrong = f"{quote(found.value)} has a meaning of its own in chat templates; name another variable"
                yield found.on_value(wrong)


def check_levels(spec: Found) -> Iterator[Problem]:
    """Levels are those that are named, and their marks have a place."""
    for thinking in spec.find("templates", ANY, "thinking"):
        names = [found.name for found in thinking.find("levels", "names", ANY)]
        for found in thinking.texts("levels", "default", ANY):
            if names and found.value not in names:
                yield found.on_value(f"unknown level {quote(found.value)} {suggest(found.value, names)}")
        for found in thinking.find("levels", "variable"):
            if found.value == thinking.mapping.get("switch", "enable_thinking"):
                yield found.on_value(f"{quote(str(found.value))} turns thinking on and off; name another variable")
        if "system_mark" not in thinking.mapping:
            for found in thinking.find("levels", "names", ANY, "mark"):
                yield found.on_key("this mark has no place; say with 'system_mark' where it stands")
    for template in spec.find("templates", ANY):
        for found in template.find("thinking", "system_mark"):
            if template.value.get("system_placement") == "none" and found.mapping.get("place", "before") != "first":
                yield found.on_key("the template has no place for a system text, so it has none for a mark in it")


def check_placement(spec: Found) -> Iterator[Problem]:
    """What needs a place for the system text has one."""
    for template in spec.find("templates", ANY):
        for found in template.find("slots", "system"):
            text = found.value if isinstance(found.value, str) else "{{content}}"
            loses = "{{text:" in text and Part("field", "content") not in parse_slot(text)
            if loses and stated(spec, template, "tool_format"):
                yield found.on_value("tools are described in the system text, and this slot leaves it out")
        own = [found for key in ("system_placement", "default_system") for found in template.find(key)]
        placement = stated(spec, template, "system_placement")
        if own and placement and placement.value == "none" and stated(spec, template, "default_system"):
            yield own[0].on_value("the template has a default system text, so it must have a place for it")


def check_turns(spec: Found) -> Iterator[Problem]:
    """An order of turns is said of formats that have several, each of its own."""
    for template in spec.find("templates", ANY):
        single = stated(spec, template, "single_turn")
        placement = stated(spec, template, "system_placement")
        for found in template.find("turns"):
            if (single and single.value is True) or stated(spec, template, "pair"):
                yield found.on_key("a format that writes a single turn has no order of turns")
            for word in found.find(ANY) if isinstance(found.value, list) else ():
                if word.value == "later_system" and placement and placement.value != "turn":
                    yield word.on_value("system texts have no turn of their own here ('system_placement')")


def check_parsers(spec: Found) -> Iterator[Problem]:
    """The parsers that are named are those that the recorded server has."""
    for engine, known in parsers().items():
        for kind, names in known.names.items():
            for above in (("serving",), ("templates", ANY, "serving")):
                for found in spec.texts(*above, engine, kind):
                    if found.value not in names:
                        yield found.on_value(
                            f"{engine} {known.version} has no {kind.replace('_', ' ')} {quote(found.value)} "
                            f"{suggest(found.value, names)}"
                        )


def check_plugins(spec: Found) -> Iterator[Problem]:
    """A plugin is one that the recorded framework has, with its settings; or a declared one under a name of its own."""
    known = built_ins().get("llamafactory")
    for plugin in (found for above in ((), ("templates", ANY)) for found in spec.find(*above, "mm_plugin")):
        tokens, declared = _TOKENS.values(), "inputs" in plugin.mapping
        options = [found for found in plugin.find(ANY) if found.path[-1] not in (*tokens, "name", "inputs")]
        if isinstance(plugin.value, dict) and plugin.value.keys().isdisjoint(tokens):
            yield plugin.on_key(f"a plugin without a token takes no media; give it {' or '.join(tokens)}")
        for option in options if declared else ():
            yield option.on_key("a declared plugin writes the texts of slots.image, slots.video and slots.audio")
        for name in plugin.texts("name") if known and known.plugins else ():
            assert known
            framework = f"LLaMA-Factory {known.version} has"
            settings = known.plugins.get(name.value)
            if declared and settings is not None:
                yield name.on_value(
                    f"{framework} a plugin {quote(name.value)} itself; give the declared one another name, or take "
                    "'inputs' away"
                )
            elif not declared and settings is None:
                yield name.on_value(
                    f"{framework} no plugin {quote(name.value)} {suggest(name.value, known.plugins)}; with 'inputs' "
                    "one is made that uses the model's own processor"
                )
            for option in options if not declared and settings is not None else ():
                if option.path[-1] not in (settings or ()):
                    takes = ", ".join(settings or ()) or "nothing but its tokens"
                    yield option.on_key(f"the plugin {quote(name.value)} has no such setting; it takes {takes}")


def check_media_texts(spec: Found) -> Iterator[Problem]:
    """A declared plugin has a token and a text for the same kinds of media."""
    for template in spec.find("templates", ANY):
        plugin = stated(spec, template, "mm_plugin") or next(spec.find("mm_plugin"), None)
        unregistered = any(name.value is None for name in template.find("registered", "llamafactory"))
        if plugin is None or "inputs" not in plugin.mapping or unregistered:
            continue
        for kind, token in _TOKENS.items():
            text = stated(spec, template, "slots", kind)
            named = next(plugin.find(token), None)
            if named and not (text and text.value):
                yield named.on_key(
                    f"template {quote(template.name)} has no text for it; say with slots.{kind} what the model's chat "
                    f"template writes for one {kind}"
                )
            elif text and text.value is not None and not named:
                name = quote(str(plugin.mapping.get("name")))
                yield text.on_value(f"the plugin {name} has no {token}, so it takes no {kind}")


def check_import_paths(spec: Found) -> Iterator[Problem]:
    """The path of a class can be imported."""
    classes = spec.texts("templates", ANY, "targets", ANY, "template_class")
    for found in (*classes, *spec.texts("model_types", ANY, "targets", ANY, "loader")):
        for word in filter(iskeyword, found.value.split(".")):
            yield found.on_value(f"{quote(word)} is a word of Python's own, and no name of a module or a class")


def check_tool_formats(spec: Found) -> Iterator[Problem]:
    """Every part of a tool format is of one kind, and its Jinja works in a chat template."""
    for definition in spec.find("tool_formats", ANY):
        parts = [part for key in ("tools", "calls", "single") for part in definition.find(key, ANY)]
        for part in parts:
            kinds = [key for key in part.mapping if key in _KINDS_OF_PARTS]
            if len(kinds) != 1:
                written = f"this part has {' and '.join(map(quote, kinds)) or 'none of them'}"
                yield part.on_value(f"a part is one of {', '.join(map(quote, _KINDS_OF_PARTS))}; {written}")
            for found in part.find("join") if kinds != ["each"] else ():
                yield found.on_key("'join' stands between two of 'each', and this part has no 'each'")
            for found in part.texts("date"):
                if wrong := wrong_date(found.value):
                    yield found.on_value(wrong)
        place = definition.mapping.get("place", "behind_system")
        fragments = [found for part in parts for key in ("each", "once") for found in part.texts(key)]
        for found in (*fragments, *definition.texts("beside", ANY), *definition.texts("result")):
            seen = place if "tools" in found.path else ""
            if wrong := wrong_jinja(found.value, {"system", "user"} - {seen}):
                yield found.on_value(wrong)


RULES = (
    *(check_roles, check_words, check_variables, check_levels, check_placement, check_turns, check_parsers),
    *(check_plugins, check_media_texts, check_import_paths, check_tool_formats),
)
