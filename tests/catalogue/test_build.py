"""``schema.json`` and the model agree: every property is read, and every default stands in one place."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest

from chatwright.catalogue.build import build_spec
from chatwright.catalogue.model import Spec
from chatwright.catalogue.schema import load_schema, read_data, schema_at
from chatwright.catalogue.yaml_reader import KeyPath, breadcrumb, read_yaml
from chatwright.errors import Location
from tests.catalogue.cases import CASES

EVERY_KEY = read_data(read_yaml(CASES / "valid" / "every_key" / "specs" / "acme" / "demo.yaml", "demo.yaml"))
DECLARED = read_data(read_yaml(CASES / "valid" / "declared_plugin" / "spec.yaml", "demo.yaml"))  # excludes some keys


def build(data: Any) -> Spec:
    return build_spec(data, path="demo.yaml", source="acme/demo.yaml", locate=lambda path: Location("demo.yaml"))


def keys(value: Any, path: KeyPath = ()) -> Iterator[KeyPath]:
    """The path of every key in the data that the schema names as a property."""
    if isinstance(value, dict):
        named = schema_at(path).get("properties", {})
        for key, inner in value.items():
            if key in named:
                yield (*path, key)
            yield from keys(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from keys(inner, (*path, index))


def properties(node: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The path of every property of the schema, with ``*`` for a free name and for an item."""
    if "$ref" in node:
        node = load_schema()["$defs"][node["$ref"].rsplit("/", 1)[-1]]
    for key, inner in node.get("properties", {}).items():
        yield (*path, key)
        yield from properties(inner, (*path, key))
    for further in (node.get("additionalProperties"), node.get("items")):
        if isinstance(further, dict):
            yield from properties(further, (*path, "*"))


def generic(path: KeyPath) -> tuple[str, ...]:
    return tuple(
        "*" if isinstance(key, int) or "properties" not in schema_at(path[:index]) else key
        for index, key in enumerate(path)
    )


def holder(data: Any, path: KeyPath) -> Any:
    for key in path[:-1]:
        data = data[key]
    return data


def test_the_case_uses_every_property_of_the_schema() -> None:
    used = {generic(path) for data in (EVERY_KEY, DECLARED) for path in keys(data)}
    assert {path for path in properties(load_schema()) if path not in used} == set()


REQUIRED = {"name", "title", "publisher", "template", "checkpoints", "body", "text", "thought", "plain", "names"}


def _changed(value: Any) -> Any:
    """Another value of the same shape."""
    if isinstance(value, dict):
        return dict(list(value.items())[1:])
    if isinstance(value, list):
        return [f"{item} changed" for item in value] if isinstance(value[0], str) else []
    return "{{content}} changed"


@pytest.mark.parametrize("path", list(keys(EVERY_KEY)), ids=breadcrumb)
def test_every_property_is_read(path: KeyPath) -> None:
    data = copy.deepcopy(EVERY_KEY)
    where = holder(data, path)
    if path[-1] in REQUIRED and path[-1] in schema_at(path[:-1]).get("required", ()):
        where[path[-1]] = _changed(where[path[-1]])
    else:
        del where[path[-1]]
    assert build(data) != build(EVERY_KEY), "a property that changes nothing is not read"


@pytest.mark.parametrize("path", [path for path in keys(DECLARED) if path[-1] == "inputs"], ids=breadcrumb)
def test_what_declares_a_plugin_is_read(path: KeyPath) -> None:
    data = copy.deepcopy(DECLARED)
    del holder(data, path)[path[-1]]
    assert build(data) != build(DECLARED)


@pytest.mark.parametrize("path", [path for path in keys(EVERY_KEY) if "default" in schema_at(path)], ids=breadcrumb)
def test_leaving_a_property_out_means_the_default_of_the_schema(path: KeyPath) -> None:
    absent, given = copy.deepcopy(EVERY_KEY), copy.deepcopy(EVERY_KEY)
    del holder(absent, path)[path[-1]]
    holder(given, path)[path[-1]] = schema_at(path)["default"]
    assert build(absent) == build(given)
