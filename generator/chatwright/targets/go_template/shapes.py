"""The shapes of the data that Ollama gives a template (``template/template.go`` and ``api/types.go``, v0.33.0-rc2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Text:
    """A Go string."""


@dataclass(frozen=True)
class Number:
    """A Go int: a length."""


@dataclass(frozen=True)
class Flag:
    """A Go condition."""


@dataclass(frozen=True)
class TypeName:
    """The ``type`` of a schema: a Go string; with ``many`` a list, which prints as text if it has one item."""

    many: bool


@dataclass(frozen=True)
class Data:
    """A JSON value of one of these kinds; kinds are named by their Go types."""

    kinds: frozenset[str]


@dataclass(frozen=True)
class Opaque:
    """A value that a template can write only as JSON."""


@dataclass(frozen=True)
class Items:
    """A Go slice."""

    item: Shape


@dataclass(frozen=True)
class Object:
    """A Go map that prints itself as JSON; ``name`` says what it contains."""

    item: Shape
    name: str


@dataclass(frozen=True)
class Struct:
    """A Go struct: JSON name -> Go name and shape of each field. It is empty if all its ``filled`` fields are empty.

    Without ``filled`` it is never empty. Empty ``optional`` fields are left out of its JSON.
    """

    fields: Mapping[str, tuple[str, Shape]]
    filled: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()


Shape = Text | Number | Flag | TypeName | Data | Opaque | Items | Object | Struct

STRING, NONE, BOOL, MAPPING, LIST, NUMBER = (
    *("string", "<nil>", "bool"),
    *("map[string]interface {}", "[]interface {}", "float64"),
)
ANY = Data(frozenset({STRING, NONE, BOOL, MAPPING, LIST, NUMBER}))
PROPERTY = Struct(
    {
        "type": ("Type", TypeName(many=True)),
        "items": ("Items", ANY),
        "description": ("Description", Text()),
        "enum": ("Enum", Items(ANY)),
        "required": ("Required", Items(Text())),
        "anyOf": ("AnyOf", Opaque()),
        "properties": ("Properties", Opaque()),
    },
    optional=("type", "items", "description", "enum", "required", "anyOf", "properties"),
)
PARAMETERS = Struct(
    {
        "type": ("Type", TypeName(many=False)),
        "$defs": ("Defs", ANY),
        "items": ("Items", ANY),
        "required": ("Required", Items(Text())),
        "properties": ("Properties", Object(PROPERTY, "properties")),
    },
    filled=("Type", "Required", "Properties"),
    optional=("$defs", "items", "required"),
)
FUNCTION = Struct(
    {"name": ("Name", Text()), "description": ("Description", Text()), "parameters": ("Parameters", PARAMETERS)}
)
TOOL = Struct({"type": ("Type", Text()), "function": ("Function", FUNCTION)})
CALL = Struct(
    {
        "function": (
            "Function",
            Struct({"name": ("Name", Text()), "arguments": ("Arguments", Object(ANY, "arguments"))}),
        )
    }
)
SCHEMA_TYPES = ("string", "number", "integer", "boolean", "object", "array", "null")
KINDS = {  # Jinja test -> the kinds of JSON values that pass it
    "string": {STRING},
    "none": {NONE},
    "boolean": {BOOL},
    "mapping": {MAPPING},
    "iterable": {STRING, MAPPING, LIST},
}

TEXTS: tuple[Shape, ...] = (Text(), Data(frozenset({STRING})))  # shapes whose values are text in every request
