"""In what a template of the catalogue and one that a framework has registered differ: proof of what was lifted."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ...catalogue.build import build_spec
from ...catalogue.model import Template
from ...errors import Location, Unsupported
from ...meaning.runs import TODAY
from ...targets import llamafactory, swift
from ...targets.python import Call, Sum

BASE_CLASS = "swift.template.base.Template"  # of a template of ms-swift without a Python class of its own
# Of ms-swift's TemplateMeta: what opens a user's turn, at the beginning, behind a system text, and later.
OPENINGS = ("prefix", "system_prefix", "chat_sep")
_PROMPTS = (*OPENINGS, "prompt", "suffix", "system_prompt")


def built(data: Mapping[str, Any], name: str = "lifted") -> Template:
    """The template that a spec would hold with that data."""
    spec = {"name": name, "title": name, "publisher": name, "templates": {name: data}}
    place = Location("", 1, 1)
    return build_spec(spec, path="", source="lifted/lifted.yaml", locate=lambda _: place).templates[0]


def demand(framework: str, data: Mapping[str, Any], fields: Mapping[str, Any]) -> None:
    """Check that a lifted template lowers to what it was lifted from.

    Raises:
        Unsupported: it does not; the message names the fields.
    """
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
        if plugin_of({"mm_plugin": {"names": names if name in names else (name,), **own}}) != plugin_of(theirs):
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
        "template_cls": BASE_CLASS,
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
    return [key for key in plain if swift_meaning(plain, key) != swift_meaning(theirs, key)]


def _plain(value: Any) -> Any:
    if isinstance(value, Sum):
        return "".join(map(_plain, value.items))
    if isinstance(value, Call):  # of `today`
        return TODAY.strftime(value.arguments[""])
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value


def swift_meaning(fields: Mapping[str, Any], key: str) -> Any:
    """What one field of an ms-swift template means.

    Adjacent texts of a prompt are joined and empty ones left out, as ms-swift does before it tokenizes; the end of a
    turn is a stop word whether or not it is listed (``TemplateMeta.init``).
    """
    value = fields.get(key)
    if key == "stop_words":
        end = fields["suffix"][-1] if fields["suffix"] else None
        words = [*fields[key], end.strip() if isinstance(end, str) else end]
        return sorted({json.dumps(word) for word in words if word})
    return value if key not in _PROMPTS or value is None else joined(value)


def joined(prompt: Sequence[Any]) -> list[Any]:
    """A prompt of ms-swift with adjacent texts as one, empty ones left out, and each token id in a list."""
    joined: list[Any] = []
    for element in prompt:
        if isinstance(element, str) and joined and isinstance(joined[-1], str):
            joined[-1] += element
        elif isinstance(element, list):
            joined += [[token] for token in element]
        elif element != "":
            joined.append(element)
    return joined


def plugin_of(fields: Mapping[str, Any]) -> dict[str, Any] | None:
    """The plugin as a spec says it; None for the one that does nothing, or where its name was not read."""
    plugin = fields["mm_plugin"]
    if "base" in (names := plugin.get("names", ("base",))):
        return None
    options = {key: value for key, value in plugin.items() if key not in ("class", "names") and value is not None}
    if options.get("expand_mm_tokens") is True:
        del options["expand_mm_tokens"]
    return {"name": names[0], **options}
