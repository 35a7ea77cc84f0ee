"""Which specs there are, and parts of the catalogue that stand on their own."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from ..cache import Cache
from ..catalogue import load_catalogue
from ..catalogue.model import Catalogue, Spec
from ..meaning.tool_formats import tool_formats
from ..resources import specs_path


def load_public_catalogue(*folders: Path, cache: Cache | None = None) -> Catalogue:
    """The public catalogue, with the specs of these folders on top of it.

    Raises:
        CatalogueError, UsageError: as :func:`load_catalogue`.
    """
    public = specs_path()
    own = [folder for folder in dict.fromkeys(folders) if folder.resolve() != public.resolve()]
    return load_catalogue(public, *own, tool_formats=frozenset(tool_formats()), cache=cache)


def select(catalogue: Catalogue, sources: Collection[str]) -> Catalogue:
    """The specs with these sources, and those they use templates or model types of."""
    home = {name: spec for spec in catalogue.specs for name in _defined(spec)}
    chosen = {spec.source for spec in catalogue.specs if spec.source in sources}
    waiting = [spec for spec in catalogue.specs if spec.source in chosen]
    while waiting:
        for used in (home[name] for name in _used(waiting.pop()) if name in home):
            if used.source not in chosen:
                chosen.add(used.source)
                waiting.append(used)
    return Catalogue(tuple(spec for spec in catalogue.specs if spec.source in chosen))


def _defined(spec: Spec) -> Iterator[tuple[str, str]]:
    yield from (("template", template.name) for template in spec.templates)
    yield from (("model type", model_type.name) for model_type in spec.model_types)


def _used(spec: Spec) -> Iterator[tuple[str, str]]:
    for group in spec.models:
        if group.template:
            yield ("template", group.template)
        if group.model_type:
            yield ("model type", group.model_type)
        for settings in (
            *group.targets.values(),
            *(own for item in group.checkpoints for own in item.targets.values()),
        ):
            if settings.get("template"):
                yield ("template", settings["template"])
