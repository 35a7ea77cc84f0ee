"""Which template of the catalogue a chat template is: the one whose prompts it writes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from ...catalogue.model import Catalogue, Template
from ...pipeline.model_files import architectures
from ..conversations import CORE, Texts
from .folder import ModelFolder
from .vocabulary import missing
from .writings import agreement, writings_of


@dataclass(frozen=True)
class Identity:
    """The template that a chat template agrees with best.

    ``same`` are further names that mean the same in everything, ``others`` those that agree just as far and mean
    something else. ``known`` says whether the agreement holds for conversations that any template must write; else the
    template is only the nearest.
    """

    template: Template
    same: tuple[str, ...]
    others: tuple[str, ...]
    known: bool


def identify(catalogue: Catalogue, folder: ModelFolder, texts: Texts, today: date) -> Identity | None:
    """The best candidate, None where nothing is near.

    What agrees in most of the :data:`.writings.BASIC` conversations is best, then in most of all, then also in the BOS.
    Among equals, those come first whose models have the architecture that config.json names, whose markers the
    vocabulary has, that most checkpoints use, and then the alphabet.
    """
    writings = writings_of(catalogue, today)
    equal = writings.equal(texts, folder.bos, folder.eos)
    most = max(map(agreement, equal.values()), default=(0, 0, 0))
    best = [name for name in catalogue.templates if name in equal and agreement(equal[name]) == most]
    if not best or len(equal[best[0]].keys() & set(CORE)) < len(CORE) / 2:
        nearest = writings.nearest(texts, folder.bos, folder.eos)
        if nearest is None:
            return None
        return Identity(catalogue.templates[nearest], writings.same_meaning(nearest), (), False)
    known = set(architectures(folder.config))

    def rank(name: str) -> tuple[bool, bool, int, str]:
        users = catalogue.users.get(name, ())
        types = (catalogue.model_types.get(group.model_type or "") for group in users)
        fits = any(known.intersection(each.architectures) for each in types if each)
        checkpoints = sum(len(group.checkpoints) for group in users)
        return not fits, bool(missing(catalogue.templates[name], folder)), -checkpoints, name

    template = catalogue.templates[min(best, key=rank)]
    same = writings.same_meaning(template.name)
    others = tuple(name for name in sorted(best, key=rank) if name != template.name and name not in same)
    return Identity(template, same, others, True)


def same_meaning(catalogue: Catalogue, template: Template, today: date) -> tuple[str, ...]:
    """The other templates that write the same prompts and training texts and stop at the same words."""
    return writings_of(catalogue, today).same_meaning(template.name)
