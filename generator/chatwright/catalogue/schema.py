"""``schema.json``: where it is, and what a file must satisfy, in the words of the person who writes the file."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from ..characters import listing
from ..errors import Problem
from ..resources import schema_path
from .yaml_reader import Document, KeyPath, breadcrumb, quote

if TYPE_CHECKING:
    from jsonschema import ValidationError

_KINDS: Mapping[str, str] = {
    "string": "text",
    "array": "a list",
    "object": "a mapping",
    "boolean": "true or false",
    "integer": "a whole number",
    "number": "a number",
    "null": "null",
}

# A name of Hugging Face's: letters, digits and -_. inside, neither -- nor .., at most 96 characters with its owner
# (huggingface_hub, utils/_validators.py). ModelScope and Modelers take the same characters. ms-swift writes a folder
# of a repository behind a colon.
_PART = r"[A-Za-z0-9](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?"
_HUB_ID = rf"^(?!.*(?:--|\.\.))(?=[^:]{{1,96}}(?::|$)){_PART}/{_PART}(?::[A-Za-z0-9_.-]+)?$"

# What a value must look like, in words, by the schema's pattern. A test sees to it that every pattern has its words but
# the one of plain text, which refuses only what no target can carry; see _pattern.
PATTERNS: Mapping[str, str] = {
    r"^[a-z0-9][a-z0-9_.-]*$": "must be lower-case letters, digits, '_', '.' and '-', and start with a letter or digit",
    r"^[A-Za-z0-9][A-Za-z0-9_.-]*$": "must be letters, digits, '_', '.' and '-', and start with a letter or digit",
    r"^[A-Za-z0-9_.-]+$": "must be letters, digits, '_', '.' and '-'",
    r"^[A-Za-z0-9][A-Za-z0-9_./-]*$": "must be letters, digits, '_', '.', '/', '-', and start with a letter or digit",
    _HUB_ID: "must look like owner/name as hubs allow it, without an address",
    r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)+$": "must be an import path such as package.module.Class",
    r"^[a-z_][a-z0-9_]*$": "must be a variable name of lower-case letters, digits and '_'",
    r"^[0-9a-f]{64}$": "must be a SHA-256: 64 digits 0-9 and a-f",
}


@cache
def load_schema() -> dict[str, Any]:
    """The JSON Schema of a spec (2020-12), from the checkout or, outside one, from the installed package."""
    schema: dict[str, Any] = json.loads(schema_path().read_text(encoding="utf-8"))
    return schema


def read_data(document: Document) -> Any:
    """The document's content as plain values; an unquoted number is text where the schema wants text."""
    return document.data(lambda path: "string" in _types(schema_at(path)))


def schema_at(path: KeyPath) -> Mapping[str, Any]:
    """What the schema says about the value at a path of keys; empty where it says nothing."""
    node: Mapping[str, Any] = load_schema()
    for key in path:
        if isinstance(key, int):
            node = node.get("items", {})
        else:
            further = node.get("additionalProperties")
            node = node.get("properties", {}).get(key) or (further if isinstance(further, dict) else {})
        node = _resolved(node)
    return node


def suggest(name: str, known: Iterable[str], form: str = "{}") -> str:
    """What to say after an unknown name: the nearest known one, or all that there are, each written as in ``form``."""
    names = sorted(known)
    if nearest := _nearest(name, names):
        return f"(did you mean {quote(form.format(nearest))}?)"
    if not names:
        return "(none is known)"
    return f"(known: {listing(map(form.format, names), 20)})"


def _nearest(name: str, names: Iterable[str], cutoff: float = 0.6) -> str | None:
    folded = {other.casefold(): other for other in names}
    nearest = difflib.get_close_matches(name.casefold()[:100], folded, n=1, cutoff=cutoff)
    return folded[nearest[0]] if nearest else None


def validate(document: Document, data: Any) -> list[Problem]:
    """Everything in the document that the schema refuses; of a document that cannot be used, nothing."""
    problems: list[Problem] = []
    if document.root is None:
        return problems
    errors = list(_validator().iter_errors(data))
    mistyped = {tuple(error.absolute_path) for error in errors if error.validator == "type"}
    for error in errors:
        path = tuple(error.absolute_path)
        if error.validator != "type" and path in mistyped and "propertyNames" not in error.absolute_schema_path:
            continue  # what else is wrong with a value of the wrong type helps nobody
        for at, on_key, message in _translate(error, path):
            place = document.locate(at) if on_key else document.locate_value(at)
            problems.append(Problem(place, breadcrumb(at), message))
    return problems


def _translate(error: Any, path: KeyPath) -> Iterator[tuple[KeyPath, bool, str]]:
    """The path, whether its key is meant (else its value), and the message, for each thing that is wrong."""
    rule, value, schema = error.validator_value, error.instance, error.schema
    if "propertyNames" in error.absolute_schema_path:
        yield (*path, value), True, f"the name {quote(value)} {_pattern(rule, value)}"
    elif error.validator == "additionalProperties":
        known = schema.get("properties", {})
        for key in value:
            if key not in known:
                yield (*path, key), True, f"unknown key {quote(key)} {_suggest_key(key, known)}"
    elif error.validator == "required":
        for key in rule:
            if key not in value:
                yield path, True, f"missing key {quote(key)}: {_field((*path, key))}"
    elif error.validator == "type":
        yield path, False, f"expected {_expected(schema)}, found {_found(value)}{_mistyped_hint(schema, value)}"
    elif error.validator == "enum":
        yield path, False, f"unknown value {quote(str(value))} {suggest(str(value), map(str, rule))}"
    elif error.validator == "pattern":
        yield path, False, f"{quote(value)} {_pattern(rule, value)}"
    elif error.validator == "uniqueItems":
        for index in _repeated(value):
            yield (*path, index), False, f"{_found(value[index])} stands twice in this list; keep one"
    elif error.validator in ("minItems", "maxItems"):
        yield path, False, _wrong_length(schema, value, path)
    elif error.validator == "minLength":
        yield path, False, f"this must not be empty: {_field(path)}"
    elif error.validator == "minProperties":
        yield path, False, f"this mapping is empty; fill it or leave it out: {_field(path)}"
    elif error.validator in ("minimum", "maximum"):
        yield path, False, f"expected at {'least' if error.validator == 'minimum' else 'most'} {rule}, found {value}"
    else:
        yield path, False, f"{_found(value)} does not fit: {_field(path)}"


def _pattern(pattern: str, value: str) -> str:
    if "\0" in value:
        return "holds the character NUL (U+0000), which no target can carry"
    if surrogate := re.search("[\ud800-\udfff]", value):
        half = f"U+{ord(surrogate[0]):04X}"
        return f"holds half a character (the surrogate {half}); write the whole one, such as \\U0001F600"
    return PATTERNS.get(pattern, f"does not match {pattern}")


def _expected(schema: Mapping[str, Any]) -> str:
    types = _types(schema)
    kinds = [_KINDS[kind] for kind in types]
    if "array" in types and "string" in types:
        kinds[types.index("array")] = "a list of texts"
    return " or ".join(kinds)


def _found(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f"the text {quote(value)}"
    if isinstance(value, (int, float)):
        return f"the number {value}"
    return "a list" if isinstance(value, list) else "a mapping"


def _mistyped_hint(schema: Mapping[str, Any], value: Any) -> str:
    types = _types(schema)
    if "string" in types and isinstance(value, bool):
        return "; put it in quotes if the word is meant"
    if "string" in types and value is None:
        return '; an empty text is written "", and what is not wanted is left out'
    if "string" in types and isinstance(value, dict) and len(value) < 2:
        return "; text that holds braces or ': ' must be in quotes"
    if "array" in types and isinstance(value, str):
        return "; a list of one is written [...]"
    if types == ["boolean"] and isinstance(value, str) and value.casefold() in ("yes", "on", "y", "true"):
        return "; write true"
    if types == ["boolean"] and isinstance(value, str) and value.casefold() in ("no", "off", "n", "false"):
        return "; write false"
    return ""


def _suggest_key(key: str, known: Iterable[str]) -> str:
    """The nearest key that is known here, or where this very key belongs."""
    homes = _homes().get(key, ())
    if homes and not _nearest(key, known, cutoff=0.8):
        return f"(it belongs in {' or '.join(homes)})" if len(homes) < 4 else suggest(key, known)
    return suggest(key, known)


@cache
def _homes() -> Mapping[str, tuple[str, ...]]:
    """Where each key of the schema belongs, in words."""
    homes: dict[str, list[str]] = {}

    def walk(node: Mapping[str, Any], path: str) -> None:
        node = _resolved(node)
        for key, inner in node.get("properties", {}).items():
            homes.setdefault(key, []).append(path or "the spec itself")
            walk(inner, f"{path}.{key}".lstrip("."))
        if isinstance(further := node.get("additionalProperties"), dict):
            walk(further, f"{path}.NAME")
        if "items" in node:
            walk(node["items"], f"{path}[]")

    walk(load_schema(), "")
    return {key: tuple(paths) for key, paths in homes.items()}


def _field(path: KeyPath) -> str:
    """What a field is, with an example, from the schema."""
    while "description" not in (schema := schema_at(path)):
        path = path[:-1]
    described = re.split(r"(?<=[a-z)])[.;:] ", schema["description"])[0].rstrip(".")
    described = described[0].lower() + described[1:]
    for example in schema.get("examples", ())[:1]:
        if isinstance(example, str):
            return f"{described}, such as {quote(example)}"
    return described


def _wrong_length(schema: Mapping[str, Any], value: list[Any], path: KeyPath) -> str:
    least, most = schema.get("minItems", 0), schema.get("maxItems")
    if least == most:
        return f"expected {least} items, found {len(value)}: {_field(path)}"
    if not value:
        return f"this list is empty; fill it or leave it out: {_field(path)}"
    return f"expected at {'least' if len(value) < least else 'most'} {least if len(value) < least else most} items"


def _types(schema: Mapping[str, Any]) -> list[str]:
    types = schema.get("type", [])
    return [types] if isinstance(types, str) else list(types)


def _resolved(node: Mapping[str, Any]) -> Mapping[str, Any]:
    reference = node.get("$ref")
    target: Mapping[str, Any] = load_schema()["$defs"][reference.rsplit("/", 1)[-1]] if reference else node
    return target


def _repeated(items: list[Any]) -> list[int]:
    """The indices of items that stand earlier in the list already."""
    seen: set[str] = set()
    repeated = []
    for index, item in enumerate(items):
        key = json.dumps(item, sort_keys=True)
        if key in seen:
            repeated.append(index)
        seen.add(key)
    return repeated


def _check_pattern(validator: Any, pattern: str, instance: Any, schema: Any) -> Iterator[ValidationError]:
    from jsonschema import ValidationError

    if isinstance(instance, str) and not re.search(re.sub(r"\$$", r"\\Z", pattern), instance):
        yield ValidationError("pattern")  # ``$`` alone would let a final newline pass


def _check_unique(validator: Any, unique: bool, instance: Any, schema: Any) -> Iterator[ValidationError]:
    from jsonschema import ValidationError

    if unique and isinstance(instance, list) and _repeated(instance):
        yield ValidationError("uniqueItems")  # the library's own check is quadratic on mixed items


@cache
def _validator() -> Any:
    from jsonschema import Draft202012Validator, validators  # not where all specs are known to be faultless

    checker = Draft202012Validator.TYPE_CHECKER.redefine(
        "integer", lambda _, value: isinstance(value, int) and not isinstance(value, bool)
    )
    rules = {"pattern": _check_pattern, "uniqueItems": _check_unique}
    extended: Any = validators.extend(Draft202012Validator, rules, type_checker=checker)  # type: ignore[no-untyped-call]
    return extended(load_schema())
