"""What a model's name and architecture say: by its id on a hub, and as ms-swift 4.6.0 matches models by itself.

ms-swift (``swift/model/model_meta.py``) takes the last part of an id or path (``get_model_name``: of a cached snapshot
the part behind the owner, and ``___`` for a dot), and looks for a listed model whose own last part is the same in lower
case (``get_matched_model_meta``; the model type registered first wins). If there is none, the *first* architecture of
config.json tells the model type, and where several have it ms-swift refuses to choose (``get_matched_model_types``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from ...catalogue.build import FRAMEWORKS, HUBS
from ...catalogue.model import Catalogue, Checkpoint


@dataclass(frozen=True)
class Listed:
    """A model that the catalogue lists, or for an architecture a whole model type.

    ``templates`` are the catalogue's templates that each framework uses for it, ``model_type`` ms-swift's name.
    """

    title: str
    model_type: str | None
    templates: Mapping[str, str | None]

    @property
    def names(self) -> set[str]:
        """Its templates, whatever the framework."""
        return {name for name in self.templates.values() if name}

    def within(self, frameworks: Sequence[str]) -> Listed:
        """The same model as only these frameworks know it."""
        templates = {name: used if name in frameworks else None for name, used in self.templates.items()}
        return Listed(self.title, self.model_type if "swift" in frameworks else None, templates)


class Names:
    """A catalogue's models by what they may be found by."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue

    def by_id(self, model_id: str) -> list[Listed]:
        """The models of that id on any hub; hubs do not tell upper case from lower case."""
        return self._by_id.get(model_id.casefold(), [])

    def by_name(self, id_or_path: str) -> list[Listed]:
        """The models whose id or path ends as ms-swift demands."""
        return self._by_name.get(model_name(id_or_path).lower(), [])

    def by_architecture(self, architectures: Sequence[str]) -> list[Listed]:
        """The groups of models of the model types that have the first architecture."""
        return self._by_architecture.get(architectures[0], []) if architectures else []

    def model_types(self, template: str) -> list[str]:
        """The model types whose models ms-swift uses a template for."""
        return sorted(
            {each.model_type for each in self._all if each.templates["swift"] == template and each.model_type}
        )

    @cached_property
    def _all(self) -> list[Listed]:
        return [listed for listed, _ in self._models()]

    @cached_property
    def _by_id(self) -> dict[str, list[Listed]]:
        found: dict[str, list[Listed]] = {}
        for listed, checkpoint in self._models():
            for model_id, frameworks in _ids(checkpoint):
                _add(found, model_id.casefold(), listed.within(frameworks))
        return found

    @cached_property
    def _by_name(self) -> dict[str, list[Listed]]:
        found: dict[str, list[Listed]] = {}
        for listed, checkpoint in self._models():
            paths = [(checkpoint.path, tuple(FRAMEWORKS))] if checkpoint.path else []
            for value, frameworks in [*_ids(checkpoint), *paths]:
                _add(found, value.rsplit("/", 1)[-1].lower(), listed.within(frameworks))
        return found

    @cached_property
    def _by_architecture(self) -> dict[str, list[Listed]]:
        found: dict[str, list[Listed]] = {}
        for listed, _ in self._models():
            known = self.catalogue.model_types.get(listed.model_type or "")
            for architecture in known.architectures if known else ():
                each = Listed(known.name if known else "", listed.model_type, listed.templates)
                if each not in (group := found.setdefault(architecture, [])):
                    group.append(each)
        return found

    def _models(self) -> Iterator[tuple[Listed, Checkpoint]]:
        for _, group, checkpoint in self.catalogue.checkpoints:
            templates = {framework: group.template_for(framework, checkpoint) for framework in FRAMEWORKS}
            if checkpoint.name is None:
                templates["llamafactory"] = None  # it does not list the model, and nobody trains it so there
            if group.model_type is None:
                templates["swift"] = None
            yield Listed(checkpoint.title, group.model_type, templates), checkpoint


def model_name(id_or_path: str) -> str:
    """The last part of an id or a path, as ms-swift takes it."""
    text = id_or_path.replace("\\", "/").rstrip("/")
    for cache in ("/models--(?:.+?--)?(.+?)/snapshots/", "/models/(?:.+?--)?(.+?)/snapshots/"):
        if match := re.search(cache, text):
            return match[1]
    return text.rsplit("/", 1)[-1].replace("___", ".")


def _ids(checkpoint: Checkpoint) -> Iterator[tuple[str, Sequence[str]]]:
    """The ids of a checkpoint, and the frameworks that know it by them: a framework may have ids of its own."""
    for hub, model_id in checkpoint.ids.items():
        yield model_id, [name for name in FRAMEWORKS if hub not in checkpoint.targets.get(name, {})]
    for framework, own in checkpoint.targets.items():
        yield from ((str(own[hub]), [framework]) for hub in HUBS if own.get(hub))


def _add(found: dict[str, list[Listed]], key: str, listed: Listed) -> None:
    """Add a model to those of a key; of ms-swift's only the first counts."""
    known = found.setdefault(key, [])
    if any(each.model_type for each in known):
        listed = listed.within(["llamafactory"])
    if listed not in known and (listed.names or listed.model_type or not known):
        known.append(listed)
