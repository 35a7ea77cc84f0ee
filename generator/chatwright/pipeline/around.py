"""What the files of one spec may depend on: the part of the catalogue around it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from ..cache import digest_of
from ..catalogue.build import FRAMEWORKS
from ..catalogue.model import Catalogue, ModelGroup, Spec

_NOTHING: Mapping[str, Any] = {}

Place = tuple[int, int]  # a spec's place in the catalogue, and that of a template, model type or group in it


class Surroundings:
    """Who uses what in a catalogue."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.specs = catalogue.specs
        self._digests: dict[int, tuple[Any, str]] = {}  # with what they are of, which so keeps its identity
        self.templates = {each.name: place for place, each in _places(spec.templates for spec in self.specs)}
        self.model_types = {each.name: place for place, each in _places(spec.model_types for spec in self.specs)}
        self.users: dict[str, list[Place]] = {}  # the groups that use a template, in any framework
        self.groups: dict[str, list[Place]] = {}  # the groups of a model type
        for place, group in _places(spec.models for spec in self.specs):
            for name in _templates(group):
                self.users.setdefault(name, []).append(place)
            for name in _model_types(group):
                self.groups.setdefault(name, []).append(place)

    def of(self, number: int) -> Catalogue:
        """The spec at a place of the catalogue with all that its files may depend on, the other specs cut down.

        Of these there remain: the groups that use a template of the spec's, or a model type that it introduces or uses;
        and the templates and model types that those groups, or its own, use.
        """
        spec = self.specs[number]
        known_as = {name for group in spec.models for name in _model_types(group)}
        known_as.update(model_type.name for model_type in spec.model_types)
        groups = {(number, index) for index in range(len(spec.models))}
        groups.update(place for template in spec.templates for place in self.users.get(template.name, ()))
        groups.update(place for name in known_as for place in self.groups.get(name, ()))
        used = [self.specs[home].models[index] for home, index in groups]
        templates = {self.templates[name] for group in used for name in _templates(group) if name in self.templates}
        types = {self.model_types[name] for group in used for name in _model_types(group) if name in self.model_types}
        kept: dict[int, tuple[set[int], set[int], set[int]]] = {}
        for column, places in enumerate((templates, types, groups)):
            for home, index in places:
                kept.setdefault(home, (set(), set(), set()))[column].add(index)
        around = (spec if home == number else _cut(self.specs[home], *kept[home]) for home in sorted({number, *kept}))
        return Catalogue(tuple(replace(each, path=each.source, overrides=()) for each in around))

    def digest(self, part: Catalogue) -> list[Any]:
        """What stands for a part of the catalogue in a key: the hashes of everything in it."""
        return [
            [spec.source, spec.name, spec.title, spec.publisher, self._digest(spec.serving)]
            + [[self._digest(each) for each in listed] for listed in (spec.templates, spec.model_types, spec.models)]
            for spec in part.specs
        ]

    def _digest(self, item: Any) -> str:
        if id(item) not in self._digests:
            self._digests[id(item)] = item, digest_of(item)
        return self._digests[id(item)][1]


def _cut(spec: Spec, templates: Iterable[int], model_types: Iterable[int], groups: Iterable[int]) -> Spec:
    return replace(
        spec,
        title="",
        publisher="",
        templates=tuple(spec.templates[index] for index in sorted(templates)),
        model_types=tuple(spec.model_types[index] for index in sorted(model_types)),
        models=tuple(spec.models[index] for index in sorted(groups)),
        serving=_NOTHING,
    )


def _templates(group: ModelGroup) -> set[str]:
    """The templates that the models of a group are used with in any framework."""
    used = {group.template_for(framework, item) for framework in FRAMEWORKS for item in (None, *group.checkpoints)}
    return {name for name in (*used, group.template) if name}


def _model_types(group: ModelGroup) -> set[str]:
    used = {group.model_type, *(own.get("model_type") for own in group.targets.values())}
    return {name for name in used if name}


def _places(found: Iterable[tuple[Any, ...]]) -> Iterator[tuple[Place, Any]]:
    for number, items in enumerate(found):
        for index, item in enumerate(items):
            yield (number, index), item
