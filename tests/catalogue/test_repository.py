"""The specs as one body of data: sorted, unique, and every hub id is one that the hub itself could have.

A failure lists every offender, and then the command that helps.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from typing import Any

from chatwright.catalogue.build import HUBS
from chatwright.catalogue.built_ins import built_ins
from chatwright.catalogue.model import Checkpoint
from chatwright.catalogue.schema import read_data
from chatwright.catalogue.yaml_reader import read_yaml
from chatwright.resources import specs_path
from chatwright.targets.protocol import listed_in
from tests.catalogue.ratchet import EXCEPTIONS, exceptions, refuse
from tests.support import FRAMEWORKS, catalogue

VALIDATE = "chatwright validate"
SYNC = " and ".join(f"chatwright sync {framework}" for framework in FRAMEWORKS)
# A name of Hugging Face's: letters, digits and -_. inside, neither -- nor .., at most 96 characters with its owner
# (huggingface_hub, utils/_validators.py). ModelScope and Modelers take the same characters. ms-swift writes a folder
# of a repository behind a colon.
PART = r"[A-Za-z0-9](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?"
HUB_ID = re.compile(rf"(?=.{{1,96}}(?::|$))(?!.*(?:--|\.\.)){PART}/{PART}(?::[A-Za-z0-9_.-]+)?")


@cache
def documents() -> dict[str, Any]:
    """The plain data of every spec by its source."""
    folder = specs_path()
    files = sorted(folder.glob("*/*.yaml"))
    assert files
    return {file.relative_to(folder).as_posix(): read_data(read_yaml(file, file.name)) for file in files}


def checkpoints() -> Iterator[Checkpoint]:
    return (checkpoint for spec in catalogue().specs for group in spec.models for checkpoint in group.checkpoints)


def claims(checkpoint: Checkpoint) -> set[tuple[str, str]]:
    """The (hub, id) that a checkpoint claims, in the spec itself and for single frameworks."""
    listed = [checkpoint.ids, *checkpoint.targets.values()]
    return {(hub, ids[hub]) for ids in listed for hub in HUBS if ids.get(hub)}


# -- order -----------------------------------------------------------------------------------------------------------


def test_specs_stand_in_the_order_of_their_files() -> None:
    assert [spec.source for spec in catalogue().specs] == sorted(documents())


def test_model_types_are_sorted() -> None:
    unsorted = [
        source
        for source, data in documents().items()
        if list(data.get("model_types", ())) != sorted(data.get("model_types", ()))
    ]
    refuse(unsorted, VALIDATE)


# -- names -----------------------------------------------------------------------------------------------------------


def test_a_folder_is_one_publisher_s() -> None:
    publishers = defaultdict(set)
    for spec in catalogue().specs:
        publishers[spec.source.split("/")[0]].add(spec.publisher)
    several = [f"specs/{folder}: {', '.join(sorted(names))}" for folder, names in publishers.items() if len(names) > 1]
    refuse(several, "grep -rn publisher: specs")


def test_titles_are_unique() -> None:
    """The other names are compared when the specs are loaded, which lists every name that is taken."""
    titles = defaultdict(list)
    for spec in catalogue().specs:
        titles[f"{spec.title} ({spec.publisher})".casefold()].append(spec.path)
    taken = [f"{title}: {', '.join(paths)}" for title, paths in sorted(titles.items()) if len(paths) > 1]
    refuse(taken, "grep -rn title: specs")


# -- hub ids ---------------------------------------------------------------------------------------------------------


def test_hub_ids_are_well_formed() -> None:
    strange = [
        f"{checkpoint.location}: {hub} id {name}"
        for checkpoint in checkpoints()
        for hub, name in sorted(claims(checkpoint))
        if not HUB_ID.fullmatch(name)
    ]
    refuse(strange, VALIDATE)


def test_hub_ids_are_claimed_once() -> None:
    """By one checkpoint in each framework, with the ids it alone has, unless the framework lists them twice itself."""
    claimed: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for spec in catalogue().specs:
        for group in spec.models:
            for checkpoint in group.checkpoints:
                for framework in listed_in(checkpoint, group):
                    ids = {**checkpoint.ids, **checkpoint.targets.get(framework, {})}
                    for hub in HUBS:
                        if ids.get(hub):
                            claimed[framework, hub, ids[hub]].append(str(checkpoint.location))
    assert {framework for framework, _, _ in claimed} == set(FRAMEWORKS)
    listed = {(entry["framework"], entry["hub"], entry["id"]) for entry in exceptions()["twice"]}
    twice = [
        f"{framework}: {hub} id {name}: {', '.join(places)}"
        for (framework, hub, name), places in sorted(claimed.items())
        if len(places) > 1 and (framework, hub, name) not in listed
    ]
    refuse(twice, f"{VALIDATE}, or list what a framework has twice in {EXCEPTIONS.name}")


def test_ids_are_not_copied_from_one_hub_to_another() -> None:
    """The same id on two hubs is a fact about both: a framework's registry must say each of them."""
    allowed = {entry["id"] for entry in exceptions()["same_ids"]}
    copied: dict[str, str] = {}
    for checkpoint in checkpoints():
        by_id = defaultdict(set)
        for hub, name in claims(checkpoint):
            by_id[name].add(hub)
        for name, hubs in by_id.items():
            unknown = sorted(hub for hub in hubs if name not in known_to_all(hub))
            if len(hubs) > 1 and unknown:
                copied[name] = f"{checkpoint.location}: {name} on {', '.join(unknown)}, which no framework lists there"
    refuse(
        sorted(line for name, line in copied.items() if name not in allowed),
        f"{SYNC}, or look the id up on the hub and list it in {EXCEPTIONS.name}",
    )
    refuse(sorted(allowed - copied.keys()), f"$EDITOR {EXCEPTIONS.name}: these need no exception")


@cache
def known_to_all(hub: str) -> frozenset[str]:
    """The ids on a hub that the registries of the frameworks list."""
    found = [built_ins()[framework].models.get(hub, frozenset()) for framework in FRAMEWORKS]
    assert any(found), f"no framework lists ids on {hub}; run: make record"
    return frozenset().union(*found)
