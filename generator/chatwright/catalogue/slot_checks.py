"""What the texts of a template may hold: contents, placeholders and dates, each where it is filled in."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from ..errors import Problem
from .found import ANY, Found
from .model import Part
from .schema import suggest
from .slots import PLACEHOLDER, parse_slot, write_slot
from .yaml_reader import quote

DATE_DIRECTIVES = "aAbBdjmyY%"  # of strftime: those that belong to a date and mean the same on every system

_BRACES = re.compile(r"\{\{([^{}]*)\}\}")
_UNCLOSED = re.compile(
    r"(\{\{(?:content|idx|round|bos_token|eos_token|query|document|instruction|token:|id:|attribute:|date:|text:))[^{}]*"
)
_WRITTEN = {
    "token": "{{token:<|user|>}}",
    "id": "{{id:195}}",
    "attribute": "{{attribute:user_token}}",
    "date": "{{date:%d %b %Y}}",
    "text": "{{text:{{name}}}}",
}
_PLACEHOLDERS = (
    *("content", "idx", "round", "bos_token", "eos_token", "query", "document", "instruction"),
    *("token:TEXT", "id:NUMBER", "attribute:NAME", "date:FORMAT"),
    "text:{{NAME}}",
)
_CONTENT = Part("field", "content")
_CONTENT_SLOTS: tuple[tuple[str, ...], ...] = (
    *(("system",), ("system_with_tools",), ("user",), ("assistant", "body"), ("assistant", "last")),
    *(("function",), ("function_last",), ("observation",)),
)
_FIXED_SLOTS: tuple[tuple[str, ...], ...] = (
    *(("prefix",), ("no_system",)),
    *(("assistant", key) for key in ("opener", "generation", "after_observation", "before_calls")),
)
_NUMBERED = (("user",), ("observation",))
_PAIR_FIELDS = ("query", "document", "instruction")
_PLAIN_TEXTS: tuple[tuple[Any, ...], ...] = (
    *(("slots", kind) for kind in ("image", "video", "audio")),
    *(("result_separator",), ("stop_words", ANY), ("last_message_end",), ("pair", "instruction")),
    *(("thinking", key, ANY) for key in ("words", "answer")),
    *(
        ("thinking", key)
        for key in ("when_on", "when_off", "when_dropped", "dropped_before_calls", "empty", "empty_on")
    ),
    *(("thinking", "frame", *keys) for keys in (("thought", ANY), ("plain", ANY), ("calls",), ("unless",))),
    *(("thinking", "system_mark", *keys) for keys in (("on",), ("off",), ("separator",), ("unless", ANY))),
    *(("thinking", "levels", "names", ANY, key) for key in ("mark", "prompt")),
)


def check_slots(spec: Found) -> Iterator[Problem]:
    """Every slot has its content once, and nothing that is not filled in there."""
    for slot in (*_CONTENT_SLOTS, *_FIXED_SLOTS):
        for found in spec.find("templates", ANY, "slots", *slot):
            texts = list(found.find(ANY)) if isinstance(found.value, list) else [found]
            if texts and all(isinstance(text.value, str) for text in texts):
                yield from _check_slot(found, slot, texts)


def _check_slot(found: Found, slot: tuple[str, ...], texts: list[Found]) -> Iterator[Problem]:
    name = ".".join(slot)
    parts = [(text, part) for text in texts for part in parse_slot(text.value)]
    for text, part in parts:
        braced = f"{{{{{part.value}}}}} cannot stand in {name}"
        if part == _CONTENT and slot in _FIXED_SLOTS:
            yield text.on_value(f"{braced}, which has no content; {_home(slot)}")
        elif part.kind == "field" and part.value in _PAIR_FIELDS:
            yield text.on_value(f"{braced}; it belongs in the text of a 'pair'")
        elif part.kind == "field" and part != _CONTENT and slot not in _NUMBERED:
            yield text.on_value(f"{braced}; only user and observation turns are numbered")
        elif part.kind == "date" and (wrong := wrong_date(part.value)):
            yield text.on_value(wrong)
    misspelt = [text.on_value(unknown) for text in texts for unknown in _unknown_placeholders(text.value)]
    yield from misspelt
    contents = sum(part == _CONTENT for _, part in parts)
    lost = slot == ("system",) and any("{{text:" in text.value for text in texts)  # a mistake of the format's, kept
    if slot in _CONTENT_SLOTS and contents > 1:
        yield found.on_value(f"{{{{content}}}} stands {contents} times in {name}; it must stand there once")
    elif slot in _CONTENT_SLOTS and not (contents or misspelt or lost):
        yield found.on_value(f"{{{{content}}}} is missing; {name} must say where the content of the turn goes")


def _home(slot: tuple[str, ...]) -> str:
    homes = {"prefix": "'system' or 'user'", "no_system": "'default_system' or 'system'"}
    return f"it belongs in {homes.get(slot[0], 'assistant.body')}"


def _unknown_placeholders(text: str) -> Iterator[str]:
    """What is wrong with everything that looks like a placeholder and is none."""
    rest = PLACEHOLDER.sub("\0", text)
    for match in _BRACES.finditer(rest):
        inner = match[1].strip()
        if not inner or "\0" in inner:
            continue
        written = _WRITTEN.get(inner.split(":")[0])
        hint = f"(it is written like {written})" if written else suggest(inner, _PLACEHOLDERS, "{{{{{}}}}}")
        literal = f"{{{{text:{quote(match[0], '')}}}}}"
        yield f"unknown placeholder {quote(match[0])} {hint}; the literal text is written {literal}"
    for match in _UNCLOSED.finditer(_BRACES.sub(lambda match: match[0] if "\0" in match[0] else "", rest)):
        inside = "; a token's text, and a date, hold no placeholder" if "\0" in match[0] else ""
        yield f"the placeholder that begins with {quote(match[1])} has no closing '}}}}'{inside}"


def wrong_date(form: str) -> str | None:
    """What is wrong with the format of a date, None where nothing is."""
    directives = re.findall(r"%(-?.?)", form, re.DOTALL)
    for directive in directives:
        if directive not in DATE_DIRECTIVES or not directive:
            known = ", ".join(f"%{letter}" for letter in DATE_DIRECTIVES)
            return f"%{directive} cannot stand in a date that every engine writes alike (known: {known})"
    if not any(directive != "%" for directive in directives):
        return f"the date format {quote(form)} has no part of a date, such as in {{{{date:%d %b %Y}}}}"
    return None


def check_pair(spec: Found) -> Iterator[Problem]:
    """The text of a pair holds a query and a document once each, and what else a pair has."""
    for found in spec.texts("templates", ANY, "pair", "text"):
        parts = parse_slot(found.value)
        for part in parts:
            if part.kind != "text" and not (part.kind == "field" and part.value in _PAIR_FIELDS):
                what = quote(str(write_slot((part,))))
                yield found.on_value(f"{what} cannot stand in the text of a pair; the user's slot stands around it")
        for name in ("query", "document"):
            if (count := parts.count(Part("field", name))) != 1:
                wrong = f"{{{{{name}}}}} stands {count} times in the text of a pair; it must stand there once"
                yield found.on_value(wrong)
        yield from map(found.on_value, _unknown_placeholders(found.value))


def check_plain_texts(spec: Found) -> Iterator[Problem]:
    """A text that is written as it is holds no placeholder."""
    for field in _PLAIN_TEXTS:
        for found in spec.texts("templates", ANY, *field):
            for placeholder in PLACEHOLDER.finditer(found.value):
                what = quote(placeholder[0])
                yield found.on_value(f"{what} is filled in only in the slots of turns; write the text itself here")


def check_default_system(spec: Found) -> Iterator[Problem]:
    """A default system text holds no placeholder but today's date."""
    for found in spec.texts("templates", ANY, "default_system"):
        for part in parse_slot(found.value):
            if part.kind == "date" and (wrong := wrong_date(part.value)):
                yield found.on_value(wrong)
            elif part.kind not in ("text", "date"):
                what = quote(str(write_slot((part,))))
                yield found.on_value(f"{what} is not filled in here, only today's date is; write the text itself")
        for match in _BRACES.finditer(PLACEHOLDER.sub("\0", found.value)):
            if match[1].strip().startswith("date") and "\0" not in match[1]:  # other braces are text
                yield found.on_value(f"{quote(match[0])} is no date; one is written like {_WRITTEN['date']}")
