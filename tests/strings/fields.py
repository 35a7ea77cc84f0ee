"""The text fields of a spec, as ``schema.json`` tells them, and specs that hold given texts in them.

A field that is new in the schema is in the tests by itself: what must stand beside it is taken from the examples there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from copy import deepcopy
from functools import cache
from typing import Any

from chatwright.catalogue.build import build_spec
from chatwright.catalogue.checks import check
from chatwright.catalogue.found import Source
from chatwright.catalogue.model import Catalogue
from chatwright.catalogue.schema import load_schema, read_data, validate
from chatwright.catalogue.yaml_reader import parse_yaml
from chatwright.errors import CatalogueError
from chatwright.meaning.tool_formats import tool_formats

Field = tuple[str | int, ...]  # keys; "*" stands for a name, 0 for an item

SOURCE = "acme/family.yaml"
SLOTS: dict[str, Any] = {
    "system": "<sys>{{content}}</sys>",
    "user": "<user>{{content}}</user>",
    "assistant": {"opener": "<bot>", "body": "{{content}}<end>"},
    "observation": "<tool>{{content}}</tool>",
    "image": "<image>",
}
TEMPLATE: dict[str, Any] = {"slots": SLOTS, "default_system": "Be kind."}
MARKED: dict[str, Any] = {"words": ["<think>", "</think>"], "system_mark": {"on": "think"}}  # a place for levels' marks
_FILLED = re.compile(r"\{\{(?:content|query|document)\}\}")  # what a text must hold where its example does
_FRAGMENT = "{{ "  # what only Jinja has


_BESIDE = {"join": {"each": "{{ tool.type ~ call.name }}"}}  # what the cross-checks want beside a key
_EXAMPLES = {"once": "{{ 1 }}", "each": "{{ tool.type ~ call.name }}"}  # which any list of parts may hold


def text_fields() -> list[Field]:
    """Every field whose text may be anything."""
    return list(_walk(load_schema(), ()))


def refused_fields() -> list[Field]:
    """Those of them that hold a name of something else, or a date, so that the cross-checks refuse most texts."""
    return [field for field in text_fields() if _refuses(field)]


def free_fields() -> list[Field]:
    """Those of them whose text is data."""
    return [field for field in text_fields() if not _refuses(field)]


def is_code(field: Field) -> bool:
    """Whether a field holds Jinja of the author's, where a text is written around the example of the schema."""
    example = _EXAMPLES.get(str(field[-1])) or (_node(field).get("examples") or [""])[0]
    return isinstance(example, str) and _FRAGMENT in example


def family(texts: Mapping[Field, str]) -> dict[str, Any]:
    """A family with the texts in these fields, each one of a template, model type or group in one of its own."""
    spec: dict[str, Any] = {
        "name": "family",
        "title": "Family",
        "publisher": "Acme",
        "templates": {"plain": deepcopy(TEMPLATE)},
        "model_types": {"m": {"architectures": ["MForCausalLM"]}},
        "models": [{"template": "plain", "model_type": "m", "checkpoints": [{"huggingface": "acme/m"}]}],
    }
    for index, (field, text) in enumerate(texts.items()):
        first, name = field[0], f"x{index}"
        checkpoints = [{"name": f"X{index}", "huggingface": f"acme/x{index}"}]
        group = {"template": "plain", "model_type": "m", "checkpoints": checkpoints}
        if first == "templates":
            start = {**deepcopy(TEMPLATE), **({"thinking": deepcopy(MARKED)} if "levels" in field else {})}
            spec["templates"][name] = _put(_node(field[:2]), start, field[2:], text)
        elif first == "tool_formats":
            spec.setdefault(first, {})[name] = _put(_node(field[:2]), {}, field[2:], text)
            spec["templates"][name] = {**deepcopy(TEMPLATE), "tool_format": name}
        elif first == "model_types":
            spec[first][name] = _put(_node(field[:2]), {"architectures": ["XForCausalLM"]}, field[2:], text)
            spec["models"].append({**group, "model_type": name})
        elif first == "models":
            spec["models"].append(_put(_node(field[:2]), group, field[2:], text))
        else:
            spec = _put(load_schema(), spec, field, text)
    return spec


def load(texts: Mapping[Field, str], *, raw: bool = False) -> Catalogue:
    """The catalogue of the family, read from YAML; ``raw``: with only those characters escaped that must be.

    Raises:
        CatalogueError: a text is refused.
    """
    document = parse_yaml(yaml_text(family(texts), raw=raw).encode(), f"specs/{SOURCE}")
    data = read_data(document)
    problems = [*document.problems, *validate(document, data)]
    problems += check([Source(SOURCE, document, data)], tool_formats().keys()) if not problems else []
    if problems:
        raise CatalogueError(problems)
    return Catalogue((build_spec(data, path=document.path, source=SOURCE, locate=document.locate),))


def yaml_text(value: Any, *, raw: bool) -> str:
    """A value as YAML, its texts in double quotes."""
    if isinstance(value, Mapping):
        members = (f"{yaml_text(key, raw=raw)}: {yaml_text(item, raw=raw)}" for key, item in value.items())
        return f"{{ {', '.join(members)} }}"
    if isinstance(value, list):
        return f"[{', '.join(yaml_text(item, raw=raw) for item in value)}]"
    if isinstance(value, str):
        return f'"{"".join(character if _is_plain(character, raw) else _escape(character) for character in value)}"'
    return {None: "null", True: "true", False: "false"}.get(value) or str(value)


def _is_plain(character: str, raw: bool) -> bool:
    if character in '"\\' or character < " ":
        return False
    return character <= "~" or (raw and (character.isprintable() or "\ue000" <= character < "\uf8ff"))


def _escape(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


@cache
def _refuses(field: Field) -> bool:
    try:
        load({field: "sentinel"})
    except CatalogueError:
        return True
    return False


def _walk(node: Mapping[str, Any], path: Field) -> Iterator[Field]:
    node = _resolved(node)
    if node.get("pattern") == load_schema()["properties"]["title"]["pattern"]:
        yield path
    for key, inner in node.get("properties", {}).items():
        yield from _walk(inner, (*path, key))
    if isinstance(further := node.get("additionalProperties"), dict):
        yield from _walk(further, (*path, "*"))
    if "items" in node:
        yield from _walk(node["items"], (*path, 0))


def _node(field: Field) -> Mapping[str, Any]:
    node: Mapping[str, Any] = load_schema()
    for key in field:
        node = _inner(node, key)
    return _resolved(node)


def _inner(node: Mapping[str, Any], key: str | int) -> Mapping[str, Any]:
    node = _resolved(node)
    found: Mapping[str, Any] = (
        node["items"] if key == 0 else node["additionalProperties"] if key == "*" else node["properties"][key]
    )
    return _resolved(found)


def _resolved(node: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = load_schema()["$defs"][node["$ref"].rsplit("/", 1)[-1]] if "$ref" in node else node
    return found


def _put(node: Mapping[str, Any], value: Any, path: Field, text: str, name: str | None = None) -> Any:
    """The value with the text at a path below it, and beside it what the schema requires, as its examples have it."""
    example = next(iter(node.get("examples") or ()), "")
    filled = _FILLED.findall(example) if isinstance(example, str) else []
    if not path:
        example = _EXAMPLES.get(name or "", example)
        return text + example if _FRAGMENT in example else text + " ".join(filled) + text if filled else text
    key, *rest = path
    inner = _inner(node, key)
    if key == 0:
        put = _put(inner, value[0] if isinstance(value, list) else None, tuple(rest), text)
        return [put, *(example[1:] if isinstance(example, list) else [*filled, text] if filled else [])]
    found = dict(value or {})
    name = "name" if key == "*" else str(key)
    found[name] = _put(inner, found.get(name), tuple(rest), text, name)
    for other in node.get("required", ()):
        if other not in found:
            found[other] = deepcopy(_inner(node, other)["examples"][0])
    return {**_BESIDE.get(name, {}), **found}
