"""What the schema cannot say: rules between the fields of a spec, and between specs.

The checks read the plain data of all documents, so that one run finds every problem even where a file also breaks the
schema: a value that is not what its field should hold is passed over here, since the schema has already refused it.

*Sorted* means: ``model_types`` by name, and a template after the one it extends. All other orders are the author's,
because they say something: checkpoints as their publisher lists them, stop words with the end of turn first.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from keyword import iskeyword
from pathlib import PurePosixPath
from typing import Any

from ..errors import Location, Problem
from ..files import is_reserved
from ..records.frameworks import built_ins
from ..records.servers import parsers
from .build import FRAMEWORKS, HUBS
from .jinja_fragments import wrong_jinja
from .model import Part
from .schema import suggest
from .slots import PLACEHOLDER, parse_slot, write_slot
from .yaml_reader import Document, KeyPath, breadcrumb, quote

DATE_DIRECTIVES = "aAbBdjmyY%"  # of strftime: those that belong to a date and mean the same on every system

_ANY = object()  # any key of a mapping, or any item of a list
_DATED = (("default_system",),)  # texts in which only today's date can stand
_BRACES = re.compile(r"\{\{([^{}]*)\}\}")
_UNCLOSED = re.compile(
    r"(\{\{(?:content|idx|round|bos_token|eos_token|query|document|instruction|token:|id:|attribute:|date:|text:))[^{}]*"
)
_TOKENS = {kind: f"{kind}_token" for kind in ("image", "video", "audio")}  # of a plugin
_WRITTEN = {
    "token": "{{token:<|user|>}}",
    "id": "{{id:195}}",
    "attribute": "{{attribute:user_token}}",
    "date": "{{date:%d %b %Y}}",
    "text": "{{text:{{name}}}}",
}
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
_KINDS_OF_PARTS = ("text", "date", "each", "once")  # of a tool format
_PLACEHOLDERS = (
    *("content", "idx", "round", "bos_token", "eos_token", "query", "document", "instruction"),
    *("token:TEXT", "id:NUMBER", "attribute:NAME", "date:FORMAT"),
    "text:{{NAME}}",
)


@dataclass(frozen=True)
class Source:
    """One spec file: its place below the specs folder, the document, and its data."""

    source: str
    document: Document
    data: Any


@dataclass(frozen=True)
class Found:
    """A value that was looked for, and where it stands."""

    document: Document
    path: KeyPath
    value: Any

    @property
    def key_place(self) -> Location:
        """Where the key stands."""
        return self.document.locate(self.path)

    @property
    def value_place(self) -> Location:
        """Where the value stands."""
        return self.document.locate_value(self.path)

    def on_key(self, message: str) -> Problem:
        """A problem with what the key names."""
        return Problem(self.key_place, breadcrumb(self.path), message)

    def on_value(self, message: str) -> Problem:
        """A problem with the value."""
        return Problem(self.value_place, breadcrumb(self.path), message)


def check(sources: list[Source], tool_formats: Collection[str] | None) -> list[Problem]:
    """Every problem in and between the specs; tool formats are not checked where the known ones are not given."""
    problems: list[Problem] = []
    for source in sources:
        for rule in (_check_file, _check_extends, _check_sorted, _check_checkpoints):
            problems += rule(source)
        problems += _check_roles(source)
        problems += _check_file_names(source)
        problems += _check_slots(source)
        problems += _check_plain_texts(source)
        problems += _check_dated_texts(source)
        problems += _check_words(source)
        problems += _check_switch(source)
        problems += _check_placement(source)
        problems += _check_turns(source)
        problems += _check_levels(source)
        problems += _check_pair(source)
        problems += _check_parsers(source)
        problems += _check_plugins(source)
        problems += _check_media_texts(source)
        problems += _check_modules(source)
        problems += _check_import_paths(source)
        problems += _check_tool_formats(source)
    problems += _check_unique(sources)
    problems += _check_references(sources, tool_formats)
    problems += _check_multimodal(sources)
    return problems


# -- one spec ------------------------------------------------------------------------------------------------------


def _check_file(source: Source) -> Iterator[Problem]:
    stem = PurePosixPath(source.source).stem
    for found in _find(source, "name"):
        if isinstance(found.value, str) and found.value != stem:
            yield found.on_value(f"the file is named {quote(stem + '.yaml')}, so this must be {quote(stem)}")
    if isinstance(source.data, dict) and {"name", "title", "publisher", "model_types"}.issuperset(source.data):
        yield Problem(
            source.document.locate(()),
            "",
            "this spec has neither 'templates' nor 'models'; give it one of them or both, or remove it",
        )


def _check_file_names(source: Source) -> Iterator[Problem]:
    """Names that become names of files must be ones on every system: Windows keeps some for devices."""
    for found in (*_find(source, "name"), *_find(source, "templates", _ANY)):
        name = found.value if found.path == ("name",) else found.path[-1]
        if isinstance(name, str) and is_reserved(name):
            wrong = f"{quote(name)} cannot be the name of a file on every system; choose another name"
            yield found.on_value(wrong) if found.path == ("name",) else found.on_key(wrong)


def _check_extends(source: Source) -> Iterator[Problem]:
    bases = {str(found.path[1]): found for found in _find(source, "templates", _ANY, "extends") if _is_text(found)}
    names = [str(found.path[1]) for found in _find(source, "templates", _ANY)]
    for name, found in bases.items():
        base = found.value
        if base == name:
            yield found.on_value("a template cannot extend itself")
        elif base not in names:
            others = suggest(base, (other for other in names if other != name))
            yield found.on_value(f"this spec has no template {quote(base)} {others}; 'extends' stays within one spec")
        elif base in bases:
            further = bases[base].value
            if circle := _circle(name, bases):
                if name == min(circle, key=names.index):  # one report per circle
                    yield found.on_value(f"'extends' goes round in a circle: {' → '.join((*circle, name))}")
            else:
                yield found.on_value(
                    f"{quote(base)} itself extends {quote(further)}, and 'extends' is one level deep; "
                    f"extend {quote(further)} and repeat what {quote(base)} adds"
                )


def _circle(start: str, bases: Mapping[str, Found]) -> list[str]:
    """The templates on the way from one back to itself, empty where there is no such way of reasonable length."""
    circle = [start]
    while len(circle) < 20 and circle[-1] in bases:
        following: str = bases[circle[-1]].value
        if following == start:
            return circle
        circle.append(following)
    return []


def _check_sorted(source: Source) -> Iterator[Problem]:
    model_types = list(_find(source, "model_types", _ANY))
    for before, found in pairwise(model_types):
        if str(found.path[-1]) < str(before.path[-1]):
            yield found.on_key(f"model types are sorted by name; move this above {quote(str(before.path[-1]))}")
    places = {found.path[1]: place for place, found in enumerate(_find(source, "templates", _ANY))}
    bases = {found.path[1]: found for found in _find(source, "templates", _ANY, "extends") if _is_text(found)}
    for name, found in bases.items():
        if places.get(found.value, -1) > places[name] and found.value not in bases:
            yield found.on_value(f"a template stands below the one it extends; move {quote(found.value)} up")


def _check_checkpoints(source: Source) -> Iterator[Problem]:
    for found in _find(source, "models", _ANY, "checkpoints", _ANY):
        if not isinstance(found.value, dict) or not found.value or {*HUBS, "path"}.intersection(found.value):
            continue
        targets = found.value.get("targets")
        own = targets.values() if isinstance(targets, dict) else ()
        if not any(value.get(hub) for value in own if isinstance(value, dict) for hub in HUBS):
            hubs = ", ".join(HUBS)
            yield found.on_key(f"this checkpoint can be had nowhere; give its id on a hub ({hubs}) or its 'path'")


# -- slots ---------------------------------------------------------------------------------------------------------

_CONTENT_SLOTS: tuple[tuple[str, ...], ...] = (
    ("system",),
    ("system_with_tools",),
    ("user",),
    ("assistant", "body"),
    ("assistant", "last"),
    ("function",),
    ("function_last",),
    ("observation",),
)
_FIXED_SLOTS: tuple[tuple[str, ...], ...] = (
    ("prefix",),
    ("no_system",),
    ("assistant", "opener"),
    ("assistant", "generation"),
    ("assistant", "after_observation"),
    ("assistant", "before_calls"),
)
_NUMBERED = (("user",), ("observation",))
_PLAIN_TEXTS: tuple[tuple[Any, ...], ...] = (
    *(("slots", kind) for kind in ("image", "video", "audio")),
    ("result_separator",),
    ("stop_words", _ANY),
    ("thinking", "words", _ANY),
    *(
        ("thinking", key)
        for key in ("when_on", "when_off", "when_dropped", "dropped_before_calls", "empty", "empty_on")
    ),
    *(("thinking", key, _ANY) for key in ("answer",)),
    *(("thinking", "frame", *keys) for keys in (("thought", _ANY), ("plain", _ANY), ("calls",), ("unless",))),
    *(("thinking", "system_mark", *keys) for keys in (("on",), ("off",), ("separator",), ("unless", _ANY))),
    *(("thinking", "levels", "names", _ANY, key) for key in ("mark", "prompt")),
    ("last_message_end",),
    ("pair", "instruction"),
)
_PAIR_FIELDS = ("query", "document", "instruction")


def _check_roles(source: Source) -> Iterator[Problem]:
    """A question and a reply must stand somewhere: else they would be written bare."""
    for found in _find(source, "templates", _ANY):
        if not isinstance(found.value, dict) or "extends" in found.value:
            continue
        slots = found.value.get("slots", {})
        for role in ("user", "assistant"):
            if isinstance(slots, dict) and slots and role not in slots:
                yield found.on_key(f"nothing says how the template writes the {role}'s turn: give it slots.{role}")


def _check_slots(source: Source) -> Iterator[Problem]:
    for slot in (*_CONTENT_SLOTS, *_FIXED_SLOTS):
        for found in _find(source, "templates", _ANY, "slots", *slot):
            texts = list(_items(found)) if isinstance(found.value, list) else [found]
            if texts and all(_is_text(text) for text in texts):
                yield from _check_slot(found, slot, texts)


def _check_slot(found: Found, slot: tuple[str, ...], texts: list[Found]) -> Iterator[Problem]:
    name = ".".join(slot)
    contents = 0
    misspelt = False
    for text in texts:
        for part in parse_slot(text.value):
            contents += part == Part("field", "content")
            if part == Part("field", "content") and slot in _FIXED_SLOTS:
                yield text.on_value(f"{{{{content}}}} cannot stand in {name}, which has no content; {_home(slot)}")
            elif part.kind == "field" and part.value in _PAIR_FIELDS:
                yield text.on_value(f"{{{{{part.value}}}}} cannot stand in {name}; it belongs in the text of a 'pair'")
            elif part.kind == "field" and part.value != "content" and slot not in _NUMBERED:
                yield text.on_value(
                    f"{{{{{part.value}}}}} cannot stand in {name}; only user and observation turns are numbered"
                )
            elif part.kind == "date" and (wrong := _wrong_date(part.value)):
                yield text.on_value(wrong)
        for unknown in _unknown_placeholders(text.value):
            misspelt = True
            yield text.on_value(unknown)
    lost = slot == ("system",) and any("{{text:" in text.value for text in texts)  # a mistake of the format's, kept
    if slot in _CONTENT_SLOTS and contents != 1 and not ((misspelt or lost) and not contents):
        if contents:
            yield found.on_value(f"{{{{content}}}} stands {contents} times in {name}; it must stand there once")
        else:
            yield found.on_value(f"{{{{content}}}} is missing; {name} must say where the content of the turn goes")


def _home(slot: tuple[str, ...]) -> str:
    homes = {"prefix": "'system' or 'user'", "no_system": "'default_system' or 'system'"}
    return f"it belongs in {homes.get(slot[0], 'assistant.body')}"


def _unknown_placeholders(text: str) -> Iterator[str]:
    """What is wrong with everything that looks like a placeholder and is none."""
    rest = "".join("\0" if is_one else piece for is_one, piece in _split_placeholders(text))
    for match in _BRACES.finditer(rest):
        inner = match[1].strip()
        if not inner or "\0" in inner:
            continue
        kind = inner.split(":")[0]
        hint = (
            f"(it is written like {_WRITTEN[kind]})"
            if kind in _WRITTEN
            else suggest(inner, _PLACEHOLDERS, "{{{{{}}}}}")
        )
        literal = f"{{{{text:{quote(match[0], '')}}}}}"
        yield f"unknown placeholder {quote(match[0])} {hint}; the literal text is written {literal}"
    for match in _UNCLOSED.finditer(_BRACES.sub(lambda match: match[0] if "\0" in match[0] else "", rest)):
        inside = "; a token's text, and a date, hold no placeholder" if "\0" in match[0] else ""
        yield f"the placeholder that begins with {quote(match[1])} has no closing '}}}}'{inside}"


def _split_placeholders(text: str) -> Iterator[tuple[bool, str]]:
    position = 0
    for match in PLACEHOLDER.finditer(text):
        yield False, text[position : match.start()]
        yield True, match[0]
        position = match.end()
    yield False, text[position:]


def _wrong_date(form: str) -> str | None:
    directives = re.findall(r"%(-?.?)", form, re.DOTALL)
    for directive in directives:
        if directive not in DATE_DIRECTIVES or not directive:
            known = ", ".join(f"%{letter}" for letter in DATE_DIRECTIVES)
            return f"%{directive} cannot stand in a date that every engine writes alike (known: {known})"
    if not any(directive != "%" for directive in directives):
        return f"the date format {quote(form)} has no part of a date, such as in {{{{date:%d %b %Y}}}}"
    return None


def _check_words(source: Source) -> Iterator[Problem]:
    for found in _find(source, "templates", _ANY, "thinking", "words", _ANY):
        if _is_text(found) and not found.value.strip():
            yield found.on_value(
                "this is white space alone, and a thought is looked for without the white space around its words"
            )


def _check_switch(source: Source) -> Iterator[Problem]:
    for name in (("switch",), ("levels", "variable")):
        for found in _find(source, "templates", _ANY, "thinking", *name):
            if _is_text(found) and (iskeyword(found.value) or TAKEN.fullmatch(found.value)):
                yield found.on_value(
                    f"{quote(found.value)} has a meaning of its own in chat templates; name another variable"
                )


def _check_levels(source: Source) -> Iterator[Problem]:
    for thinking in _find(source, "templates", _ANY, "thinking"):
        for levels in _item(thinking, "levels"):
            names = [str(found.path[-1]) for found in _find(source, *levels.path, "names", _ANY)]
            for found in _find(source, *levels.path, "default", _ANY):
                if _is_text(found) and names and found.value not in names:
                    yield found.on_value(f"unknown level {quote(found.value)} {suggest(found.value, names)}")
            for found in _find(source, *levels.path, "variable"):
                switches = [other.value for other in _item(thinking, "switch")] or ["enable_thinking"]
                if found.value in switches:
                    yield found.on_value(f"{quote(str(found.value))} turns thinking on and off; name another variable")
            if not list(_item(thinking, "system_mark")):
                for found in _find(source, *levels.path, "names", _ANY, "mark"):
                    yield found.on_key("this mark has no place; say with 'system_mark' where it stands")
    for template in _find(source, "templates", _ANY):
        for found in _find(source, *template.path, "thinking", "system_mark"):
            for placement in _find(source, *template.path, "system_placement"):
                if placement.value == "none" and {"place": "before", **_mapping(found)}["place"] != "first":
                    yield found.on_key("the template has no place for a system text, so it has none for a mark in it")


def _check_pair(source: Source) -> Iterator[Problem]:
    for found in _find(source, "templates", _ANY, "pair", "text"):
        if not _is_text(found):
            continue
        parts = parse_slot(found.value)
        for part in parts:
            if part.kind not in ("text", "field") or (part.kind == "field" and part.value not in _PAIR_FIELDS):
                what = quote(str(write_slot((part,))))
                yield found.on_value(f"{what} cannot stand in the text of a pair; the user's slot stands around it")
        for name in ("query", "document"):
            count = parts.count(Part("field", name))
            if count != 1:
                yield found.on_value(
                    f"{{{{{name}}}}} stands {count} times in the text of a pair; it must stand there once"
                )
        for unknown in _unknown_placeholders(found.value):
            yield found.on_value(unknown)


def _check_placement(source: Source) -> Iterator[Problem]:
    for template in _find(source, "templates", _ANY):
        base = [found for extends in _item(template, "extends") for found in _find(source, "templates", extends.value)]
        own = [found for key in ("system_placement", "default_system") for found in _item(template, key)]
        settings = {str(found.path[-1]): found.value for part in (*base, template) for found in _items(part)}
        for found in _find(source, *template.path, "slots", "system"):
            text = found.value if _is_text(found) else "{{content}}"
            if "tool_format" in settings and "{{text:" in text and Part("field", "content") not in parse_slot(text):
                yield found.on_value("tools are described in the system text, and this slot leaves it out")
        if own and settings.get("system_placement") == "none" and "default_system" in settings:
            yield own[0].on_value("the template has a default system text, so it must have a place for it")


def _check_turns(source: Source) -> Iterator[Problem]:
    for template in _find(source, "templates", _ANY):
        base = [found for extends in _item(template, "extends") for found in _find(source, "templates", extends.value)]
        settings = {str(found.path[-1]): found.value for part in (*base, template) for found in _items(part)}
        for found in _item(template, "turns"):
            if settings.get("single_turn") is True or "pair" in settings:
                yield found.on_key("a format that writes a single turn has no order of turns")
            for word in _items(found) if isinstance(found.value, list) else ():
                if word.value == "later_system" and settings.get("system_placement", "turn") != "turn":
                    yield word.on_value("system texts have no turn of their own here ('system_placement')")


def _check_parsers(source: Source) -> Iterator[Problem]:
    for engine, known in parsers().items():
        for kind, names in known.names.items():
            for above in (("serving",), ("templates", _ANY, "serving")):
                for found in _find(source, *above, engine, kind):
                    if _is_text(found) and found.value not in names:
                        yield found.on_value(
                            f"{engine} {known.version} has no {kind.replace('_', ' ')} {quote(found.value)} "
                            f"{suggest(found.value, names)}"
                        )


def _check_plugins(source: Source) -> Iterator[Problem]:
    known = built_ins().get("llamafactory")
    for above in ((), ("templates", _ANY)):
        for plugin in _find(source, *above, "mm_plugin"):
            declared = list(_item(plugin, "inputs"))
            options = [found for found in _items(plugin) if found.path[-1] not in (*_TOKENS.values(), "name", "inputs")]
            if isinstance(plugin.value, dict) and not plugin.value.keys() & {*_TOKENS.values()}:
                yield plugin.on_key(f"a plugin without a token takes no media; give it {' or '.join(_TOKENS.values())}")
            for option in options if declared else ():
                yield option.on_key("a declared plugin writes the texts of slots.image, slots.video and slots.audio")
            for name in _item(plugin, "name"):
                if known is None or not known.plugins or not _is_text(name):
                    continue
                if declared and name.value in known.plugins:
                    yield name.on_value(
                        f"LLaMA-Factory {known.version} has a plugin {quote(name.value)} itself; give the declared one "
                        "another name, or take 'inputs' away"
                    )
                elif not declared and name.value not in known.plugins:
                    yield name.on_value(
                        f"LLaMA-Factory {known.version} has no plugin {quote(name.value)} "
                        f"{suggest(name.value, known.plugins)}; with 'inputs' one is made that uses the model's own "
                        "processor"
                    )
                for option in options if not declared else ():
                    if option.path[-1] not in known.plugins.get(name.value, (option.path[-1],)):
                        takes = ", ".join(known.plugins[name.value]) or "nothing but its tokens"
                        yield option.on_key(f"the plugin {quote(name.value)} has no such setting; it takes {takes}")


def _check_media_texts(source: Source) -> Iterator[Problem]:
    """A declared plugin has a token and a text for the same kinds of media."""
    shared = list(_find(source, "mm_plugin"))
    for template in _find(source, "templates", _ANY):
        base = [found for extends in _item(template, "extends") for found in _find(source, "templates", extends.value)]
        above = [template, *base]
        names = [name for registered in _item(template, "registered") for name in _item(registered, "llamafactory")]
        plugin = next((found for place in above for found in _item(place, "mm_plugin")), next(iter(shared), None))
        if plugin is None or "inputs" not in _mapping(plugin) or any(name.value is None for name in names):
            continue
        for kind, token in _TOKENS.items():
            texts = [text for place in above for slots in _item(place, "slots") for text in _item(slots, kind)]
            named = list(_item(plugin, token))
            if named and not (texts and texts[0].value):
                yield named[0].on_key(
                    f"template {quote(str(template.path[-1]))} has no text for it; say with slots.{kind} what the "
                    f"model's chat template writes for one {kind}"
                )
            elif texts and texts[0].value is not None and not named:
                yield texts[0].on_value(
                    f"the plugin {quote(str(_mapping(plugin).get('name')))} has no {token}, so it takes no {kind}"
                )


def _check_import_paths(source: Source) -> Iterator[Problem]:
    classes = _find(source, "templates", _ANY, "targets", _ANY, "template_class")
    for found in (*classes, *_find(source, "model_types", _ANY, "targets", _ANY, "loader")):
        for word in str(found.value).split(".") if _is_text(found) else ():
            if iskeyword(word):
                yield found.on_value(f"{quote(word)} is a word of Python's own, and no name of a module or a class")


def _check_modules(source: Source) -> Iterator[Problem]:
    parts = ("language_model", "projector", "vision_tower")
    for modules in _find(source, "model_types", _ANY, "modules"):
        names = [(part, name) for part in parts for name in _find(source, *modules.path, part, _ANY) if _is_text(name)]
        for part, name in names:
            inside = [(other, each.value) for other, each in names if other != part and name.value in each.value]
            for other, value in inside[:1]:
                yield name.on_value(
                    f"LLaMA-Factory would freeze {quote(value)} of the {other} with it, since that holds this name; "
                    "name the parts beside it instead"
                )


def _check_tool_formats(source: Source) -> Iterator[Problem]:
    for definition in _find(source, "tool_formats", _ANY):
        parts = [part for key in ("tools", "calls", "single") for part in _find(source, *definition.path, key, _ANY)]
        for part in parts:
            kinds = [key for key in _mapping(part) if key in _KINDS_OF_PARTS]
            if len(kinds) != 1:
                written = f"this part has {' and '.join(map(quote, kinds)) or 'none of them'}"
                yield part.on_value(f"a part is one of {', '.join(map(quote, _KINDS_OF_PARTS))}; {written}")
            for found in _item(part, "join") if kinds != ["each"] else ():
                yield found.on_key("'join' stands between two of 'each', and this part has no 'each'")
            for found in _item(part, "date"):
                if _is_text(found) and (wrong := _wrong_date(found.value)):
                    yield found.on_value(wrong)
        place = _mapping(definition).get("place", "behind_system")
        fragments = [found for part in parts for key in ("each", "once") for found in _item(part, key)]
        fragments += [found for beside in _item(definition, "beside") for found in _items(beside)]
        for found in (*fragments, *_item(definition, "result")):
            seen = place if "tools" in found.path else ""
            if _is_text(found) and (wrong := wrong_jinja(found.value, {"system", "user"} - {seen})):
                yield found.on_value(wrong)


def _check_plain_texts(source: Source) -> Iterator[Problem]:
    for field in _PLAIN_TEXTS:
        for found in _find(source, "templates", _ANY, *field):
            if _is_text(found):
                for placeholder in (piece for is_one, piece in _split_placeholders(found.value) if is_one):
                    what = quote(placeholder)
                    yield found.on_value(f"{what} is filled in only in the slots of turns; write the text itself here")


def _check_dated_texts(source: Source) -> Iterator[Problem]:
    for field in _DATED:
        for found in _find(source, "templates", _ANY, *field):
            for part in parse_slot(found.value) if _is_text(found) else ():
                if part.kind == "date" and (wrong := _wrong_date(part.value)):
                    yield found.on_value(wrong)
                elif part.kind not in ("text", "date"):
                    what = quote(str(write_slot((part,))))
                    yield found.on_value(f"{what} is not filled in here, only today's date is; write the text itself")
            for is_one, piece in _split_placeholders(found.value) if _is_text(found) else ():
                for match in () if is_one else _BRACES.finditer(piece):
                    if match[1].strip().startswith("date"):  # other braces are text
                        yield found.on_value(f"{quote(match[0])} is no date; one is written like {_WRITTEN['date']}")


# -- all specs -----------------------------------------------------------------------------------------------------


def _check_unique(sources: list[Source]) -> Iterator[Problem]:
    def all_of(*pattern: Any) -> list[Found]:
        return [found for source in sources for found in _find(source, *pattern)]

    yield from _repeated("the family name {}", all_of("name"), key=str.casefold)
    yield from _repeated("the template name {}", all_of("templates", _ANY), key=str.casefold, on_key=True)
    yield from _repeated("the model type {}", all_of("model_types", _ANY), on_key=True)
    yield from _repeated("the checkpoint name {}", all_of("models", _ANY, "checkpoints", _ANY, "name"))
    for hub in HUBS:
        ids = all_of("models", _ANY, "checkpoints", _ANY, hub)
        yield from _repeated(f"the {hub} id {{}}", ids, key=str.casefold, ignoring="hubs")
    for framework in FRAMEWORKS:
        yield from _repeated(f"the name {{}} registered in {framework}", _registered(sources, framework))


def _registered(sources: list[Source], framework: str) -> list[Found]:
    """The names under which a framework registers templates; a template's own name where nothing is said."""
    names: list[Found] = []
    seen: set[str] = set()  # a template name that is taken is reported as such, and not again as a registered name
    for source in sources:
        for template in _find(source, "templates", _ANY):
            name = str(template.path[-1])
            given = list(_find(source, *template.path, "registered", framework))
            if not given and name.casefold() not in seen:
                names.append(Found(template.document, template.path, name))
            names += given
            seen.add(name.casefold())
    return names


def _repeated(
    what: str,
    names: list[Found],
    *,
    key: Callable[[str], str] = str,
    on_key: bool = False,
    ignoring: str = "file names",
) -> Iterator[Problem]:
    first: dict[str, Found] = {}
    for found in names:
        if not on_key and not _is_text(found):
            continue
        name = str(found.path[-1]) if on_key else found.value
        before = first.setdefault(key(name), found)
        if before is found:
            continue
        earlier = str(before.path[-1]) if on_key else before.value
        like = "" if earlier == name else f" as {quote(earlier)}, and {ignoring} ignore case"
        message = f"{what.format(quote(name))} is taken at {before.key_place}{like}; each stands once in the catalogue"
        yield found.on_key(message)


def _check_references(sources: list[Source], tool_formats: Collection[str] | None) -> Iterator[Problem]:
    readable = all(source.document.root is not None for source in sources)

    def unknown(what: str, known: set[str], *pattern: Any) -> Iterator[Problem]:
        for source in sources:
            for found in _find(source, *pattern):
                if _is_text(found) and found.value not in known:
                    yield found.on_value(f"unknown {what} {quote(found.value)} {suggest(found.value, known)}")

    if readable:  # else the unreadable file may hold what is missing
        templates = {str(found.path[-1]) for source in sources for found in _find(source, "templates", _ANY)}
        template_types = {found.value for found in _registered(sources, "swift") if _is_text(found)}
        model_types = {str(found.path[-1]) for source in sources for found in _find(source, "model_types", _ANY)}
        yield from unknown("template", templates, "models", _ANY, "template")
        for framework in FRAMEWORKS:
            yield from unknown("template", templates, "models", _ANY, "targets", framework, "template")
            yield from unknown(
                "template", templates, "models", _ANY, "checkpoints", _ANY, "targets", framework, "template"
            )
        yield from unknown("model type", model_types, "models", _ANY, "model_type")
        yield from unknown("swift template", template_types, "model_types", _ANY, "targets", "swift", "template")
    for source in sources if tool_formats is not None else ():
        own = {str(found.path[-1]): found for found in _find(source, "tool_formats", _ANY)}
        known = {*(tool_formats or ()), *own}
        for found in _find(source, "templates", _ANY, "tool_format"):
            if _is_text(found) and found.value not in known:
                yield found.on_value(f"unknown tool format {quote(found.value)} {suggest(found.value, known)}")
        for name in sorted(own.keys() & set(tool_formats or ())):
            yield own[name].on_key(f"the tool format {quote(name)} is known already, and this would hide it")


def _check_multimodal(sources: list[Source]) -> Iterator[Problem]:
    first: dict[str, tuple[Found, bool]] = {}
    for source in sources:
        for found in _find(source, "models", _ANY, "model_type"):
            group = source.data["models"][found.path[1]]
            multimodal = group.get("multimodal", False)
            if not _is_text(found) or not isinstance(multimodal, bool):
                continue
            before, expected = first.setdefault(found.value, (found, multimodal))
            if multimodal != expected:
                yield found.on_value(
                    f"model type {quote(found.value)} is {'' if multimodal else 'not '}multimodal here, but "
                    f"{'is' if expected else 'is not'} at {before.value_place}; all its groups must say the same"
                )


# -- looking things up ---------------------------------------------------------------------------------------------


def _find(source: Source, *pattern: Any) -> Iterator[Found]:
    """All values whose path of keys fits the pattern; what does not have the expected shape is passed over."""
    places: list[tuple[KeyPath, Any]] = [((), source.data)]
    for step in pattern:
        places = [((*path, key), inner) for path, value in places for key, inner in _inside(value, step)]
        if not places:
            break
    return (Found(source.document, path, value) for path, value in places)


def _inside(value: Any, step: Any) -> Iterable[tuple[Any, Any]]:
    """The keys and values that one step of a pattern leads to."""
    if isinstance(value, dict):
        return value.items() if step is _ANY else ((step, value[step]),) if step in value else ()
    if isinstance(value, list):
        if step is _ANY:
            return enumerate(value)
        if isinstance(step, int) and step < len(value):
            return ((step, value[step]),)
    return ()


def _items(found: Found) -> Iterator[Found]:
    return (Found(found.document, (*found.path, key), value) for key, value in _inside(found.value, _ANY))


def _item(found: Found, key: str | int) -> Iterator[Found]:
    return (Found(found.document, (*found.path, key), value) for key, value in _inside(found.value, key))


def _mapping(found: Found) -> Mapping[str, Any]:
    return found.value if isinstance(found.value, dict) else {}


def _is_text(found: Found) -> bool:
    return isinstance(found.value, str)
