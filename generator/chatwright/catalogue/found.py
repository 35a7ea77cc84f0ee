"""Values of a spec found by the path of their keys, with their places: what the cross-checks are written with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import Location, Problem
from .yaml_reader import Document, KeyPath, breadcrumb

ANY = object()  # in a pattern: any key of a mapping, or any item of a list


@dataclass(frozen=True)
class Found:
    """A value that was looked for, and its place."""

    document: Document
    path: KeyPath
    value: Any

    def find(self, *pattern: Any) -> Iterator[Found]:
        """All values below whose path of keys fits the pattern; what does not have the expected shape is skipped."""
        places: list[tuple[KeyPath, Any]] = [(self.path, self.value)]
        for step in pattern:
            places = [((*path, key), inner) for path, value in places for key, inner in _inside(value, step)]
            if not places:
                break
        return (Found(self.document, path, value) for path, value in places)

    def texts(self, *pattern: Any) -> Iterator[Found]:
        """Those of them that are text; the schema has refused what should be and is not."""
        return (found for found in self.find(*pattern) if isinstance(found.value, str))

    @property
    def name(self) -> str:
        """The last key of its path."""
        return str(self.path[-1])

    @property
    def mapping(self) -> Mapping[str, Any]:
        """The value, where that is a mapping; else an empty one."""
        return self.value if isinstance(self.value, dict) else {}

    @property
    def key_place(self) -> Location:
        """The place of its key."""
        return self.document.locate(self.path)

    @property
    def value_place(self) -> Location:
        """The place of the value."""
        return self.document.locate_value(self.path)

    def on_key(self, message: str) -> Problem:
        """A problem with what the key names."""
        return Problem(self.key_place, breadcrumb(self.path), message)

    def on_value(self, message: str) -> Problem:
        """A problem with the value."""
        return Problem(self.value_place, breadcrumb(self.path), message)


@dataclass(frozen=True)
class Source:
    """One spec file: its place below the specs folder, the document, and its data."""

    source: str
    document: Document
    data: Any

    @property
    def spec(self) -> Found:
        """The whole of it, to look things up in."""
        return Found(self.document, (), self.data)


def stated(spec: Found, template: Found, *pattern: Any) -> Found | None:
    """The first value that a template states, else the one that it extends."""
    bases = (base for extends in template.texts("extends") for base in spec.find("templates", extends.value))
    return next((found for place in (template, *bases) for found in place.find(*pattern)), None)


def _inside(value: Any, step: Any) -> Iterable[tuple[Any, Any]]:
    """The keys and values that one step of a pattern leads to."""
    if isinstance(value, dict):
        return value.items() if step is ANY else ((step, value[step]),) if step in value else ()
    if isinstance(value, list):
        if step is ANY:
            return enumerate(value)
        if isinstance(step, int) and step < len(value):
            return ((step, value[step]),)
    return ()
