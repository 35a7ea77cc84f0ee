"""Where in the specs folder something new goes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from .specs import Entry, Specs

Kind = Literal["template", "model", "model_type", "group"]


@dataclass(frozen=True)
class Home:
    """A spec by its path in the specs folder, with what a new one is called."""

    source: str
    title: str
    publisher: str


@dataclass(frozen=True)
class Newcomer:
    """What needs a home.

    ``name`` is upstream's (a group: ``<model_type>/<index>``). ``ids`` are (hub, id) of the checkpoints it is about, or
    that stand beside it upstream; ``template`` and ``model_type`` are upstream's names for what these use.
    """

    kind: Kind
    framework: str
    name: str
    ids: Sequence[tuple[str, str]] = ()
    template: str | None = None
    model_type: str | None = None


class Placement(Protocol):
    """A rule, or a table, that knows where things go."""

    def __call__(self, newcomer: Newcomer, specs: Specs) -> Home:
        """The home of something that no spec has yet."""
        ...


def beside_relatives(newcomer: Newcomer, specs: Specs) -> Home:
    """The spec that holds most of the same checkpoints.

    Where none does: the one that introduces the model type or the template, if it is the same organisation's. Where
    there is none either: a new one, in the folder of the organisation's publisher.
    """
    holders = (specs.holder(hub, model_id) for hub, model_id in newcomer.ids)
    sources = Counter(entry.spec.source for entry in holders if entry is not None)
    hubs = (model_id for hub, model_id in newcomer.ids if hub != "path")
    organisations = list(dict.fromkeys(model_id.split("/")[0] for model_id in hubs))
    if not sources:
        template = specs.template(specs.registered(newcomer.framework).get(newcomer.template or "", ""))
        for found in (specs.model_type(newcomer.model_type or ""), template):
            held = _organisations(specs, found[0].source) if found else set()
            if found and (not held or not organisations or held & set(organisations)):
                sources[found[0].source] += 1
    if sources:
        spec = specs.specs[sources.most_common(1)[0][0]]
        return Home(spec.source, spec.root["title"], spec.root["publisher"])
    name = newcomer.model_type or newcomer.template or newcomer.name
    folder, publisher = _publisher(specs, organisations[0]) if organisations else ("generic", "Generic")
    stem = _slug(name)
    if any(spec.root["name"] == stem and not source.startswith(f"{folder}/") for source, spec in specs.specs.items()):
        stem = f"{stem}-{folder}"
    return Home(f"{folder}/{stem}.yaml", name, publisher)


def _organisations(specs: Specs, source: str) -> set[str]:
    held = (entry for entry in specs.entries if entry.spec.source == source)
    return {organisation for entry in held for organisation in _organisations_of(entry)}


def _organisations_of(entry: Entry) -> set[str]:
    ids = (entry.data.get(hub) for hub in ("huggingface", "modelscope"))
    return {model_id.split("/")[0] for model_id in ids if model_id}


def _publisher(specs: Specs, organisation: str) -> tuple[str, str]:
    """The folder and name of an organisation's publisher, as the specs that hold most of its checkpoints say."""
    known = Counter(
        (entry.spec.source.split("/")[0], str(entry.spec.root["publisher"]))
        for entry in specs.entries
        if organisation in _organisations_of(entry)
    )
    return known.most_common(1)[0][0] if known else (_slug(organisation), organisation)


def _slug(name: str) -> str:
    """A name as part of a path; one without a letter that may stand there is spelt by its characters' numbers."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_") or "_".join(f"u{ord(each):x}" for each in name)
