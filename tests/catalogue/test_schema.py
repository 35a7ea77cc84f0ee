"""``schema.json`` as a field manual, and as the source of messages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from chatwright.catalogue.schema import PATTERNS, load_schema, read_data, schema_at, suggest, validate
from chatwright.catalogue.yaml_reader import parse_yaml

ANY_TEXT = r"^[^\u0000\ud800-\udfff]*$"  # refuses only what has words of its own
UNDERSTOOD = {
    *("$schema", "$defs", "$ref", "title", "description", "examples", "default"),
    *("type", "properties", "additionalProperties", "required", "propertyNames", "items", "enum", "pattern"),
    *("minItems", "maxItems", "uniqueItems", "minLength", "minProperties", "minimum", "maximum"),
}


def nodes(node: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every schema inside the schema, with its path."""
    yield path, node
    for name in ("properties", "$defs"):
        for key, inner in node.get(name, {}).items():
            yield from nodes(inner, f"{path}/{name}/{key}")
    for name in ("items", "additionalProperties", "propertyNames"):
        if isinstance(node.get(name), dict):
            yield from nodes(node[name], f"{path}/{name}")


NODES = dict(nodes(load_schema()))


def test_it_is_a_schema() -> None:
    Draft202012Validator.check_schema(load_schema())


def test_every_property_is_described_with_an_example_that_is_valid() -> None:
    wrong = []
    for path, node in NODES.items():
        if path.rsplit("/", 2)[-2:-1] not in (["properties"], ["$defs"]) or "$ref" in node:
            continue
        if not node.get("description", "").endswith(".") or not node.get("examples"):
            wrong.append(f"{path}: needs a description that ends with '.' and an example")
        validator = Draft202012Validator({**node, "$defs": load_schema()["$defs"]})
        wrong += [
            f"{path}: its example {value!r} is not valid"
            for value in node.get("examples", ())
            if not validator.is_valid(value)
        ]
        if "default" in node and not validator.is_valid(node["default"]):
            wrong.append(f"{path}: its default is not valid")
    assert wrong == []


def test_every_mapping_refuses_unknown_keys() -> None:
    assert [
        path for path, node in NODES.items() if "properties" in node and node.get("additionalProperties") is not False
    ] == []


def test_every_keyword_has_a_message() -> None:
    assert {keyword for node in NODES.values() for keyword in node} <= UNDERSTOOD


def test_every_pattern_has_its_words() -> None:
    assert {node["pattern"] for node in NODES.values() if "pattern" in node} - {ANY_TEXT} == set(PATTERNS)


@pytest.mark.parametrize("pattern", sorted(PATTERNS))
def test_patterns_refuse_what_no_target_can_carry(pattern: str) -> None:
    """So that the words for NUL and for half a character apply to them as well."""
    validator = Draft202012Validator({"pattern": pattern})
    assert not any(validator.is_valid(text) for text in ("\0", "a\0", "a/b\0", "a\ud800"))


@pytest.mark.parametrize(
    ("name", "known", "words"),
    [
        ("usr", ["user", "system"], "(did you mean 'user'?)"),
        ("USER", ["user", "system"], "(did you mean 'user'?)"),
        ("x", ["b", "a"], "(known: a, b)"),
        ("x", [], "(none is known)"),
        (
            "x",
            map(str, range(23)),
            "(known: 0, 1, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 2, 20, 21, 22, 3, 4, 5, 6 and 3 more)",
        ),
    ],
)
def test_suggestions(name: str, known: Any, words: str) -> None:
    assert suggest(name, known) == words


def test_the_schema_is_found_by_path() -> None:
    assert schema_at(("templates", "any", "slots", "user", 0))["type"] == "string"
    assert schema_at(("models", 3, "checkpoints", 0, "huggingface"))["description"] == "Id on Hugging Face."
    assert schema_at(("models", "x", "y", 0)) == {}


def test_numbers_are_text_where_text_is_wanted() -> None:
    document = parse_yaml(b"title: 1.10\nserving: {ollama: {temperature: 1.10}}\nunknown: 1.10\n", "f")
    assert read_data(document) == {"title": "1.10", "serving": {"ollama": {"temperature": 1.1}}, "unknown": 1.1}


def test_every_problem_of_a_value_is_found_once() -> None:
    document = parse_yaml(b"name: [1]\ntitle: {}\npublisher: ~\ntemplates: []\nmodels: 3\n", "f")
    assert [problem.breadcrumb for problem in validate(document, read_data(document))] == [
        "name",
        "title",
        "publisher",
        "templates",
        "models",
    ]
