"""Load the catalogue; select a closed subset of specs."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from ..cache import Cache
from ..catalogue import load_catalogue
from ..catalogue.model import Catalogue, ModelGroup, Spec
from ..meaning.tool_formats import tool_formats
from ..resources import specs_path

_KINDS = ("template", "model_type")
_Name = tuple[str, str]  # of a template or a model type, after its kind


def load_public_catalogue(*folders: Path, cache: Cache | None = None) -> Catalogue:
    """The public catalogue, with the specs of these folders on top of it.

    Raises:
        CatalogueError, UsageError: as :func:`load_catalogue`.
    """
    public = specs_path()
    own = [folder for folder in dict.fromkeys(folders) if folder.resolve() != public.resolve()]
    return load_catalogue(public, *own, tool_formats=frozenset(tool_formats()), cache=cache)


def select(catalogue: Catalogue, sources: Collection[str]) -> Catalogue:
    """The specs with these sources, and the specs whose templates or model types they use."""
    home = {name: spec for spec in catalogue.specs for name in _defined(spec)}
    chosen = {spec.source for spec in catalogue.specs if spec.source in sources}
    waiting = [spec for spec in catalogue.specs if spec.source in chosen]
    while waiting:
        for used in (home[name] for group in waiting.pop().models for name in _used(group) if name in home):
            if used.source not in chosen:
                chosen.add(used.source)
                waiting.append(used)
    return Catalogue(tuple(spec for spec in catalogue.specs if spec.source in chosen))


def neighbours(catalogue: Catalogue) -> list[Catalogue]:
    """For each spec, the specs that its generated files may depend on.

    These are the specs with groups that use one of its templates or share a model type with it, and the specs that
    define what these groups, or its own groups, use.
    """
    defined = [set(_defined(spec)) for spec in catalogue.specs]
    groups = [[set(_used(group)) for group in spec.models] for spec in catalogue.specs]
    found = []
    for number, own in enumerate(defined):
        wanted = set[_Name]().union(*groups[number])
        shared = own | {name for name in wanted if name[0] == "model_type"}
        users = {at for at, used in enumerate(groups) for names in used if names & shared} | {number}
        wanted.update(*(names for at in users for names in groups[at] if names & shared))
        found.append(
            Catalogue(tuple(spec for at, spec in enumerate(catalogue.specs) if at in users or defined[at] & wanted))
        )
    return found


def _defined(spec: Spec) -> Iterator[_Name]:
    yield from (("template", template.name) for template in spec.templates)
    yield from (("model_type", model_type.name) for model_type in spec.model_types)


def _used(group: ModelGroup) -> Iterator[_Name]:
    yield from ((kind, name) for kind in _KINDS if (name := getattr(group, kind)))
    for targets in (group.targets, *(item.targets for item in group.checkpoints)):
        yield from ((kind, name) for own in targets.values() for kind in _KINDS if (name := own.get(kind)))
