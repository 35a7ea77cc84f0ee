"""The specs as one body of data: sorted, unique, and no hub id is copied from another hub.

A failure lists every offender, and then the command that helps. What `chatwright validate` refuses by itself (ids that
no hub can have, names and ids that stand twice) fails every test here, with its list.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from functools import cache

from chatwright.catalogue.build import HUBS
from chatwright.catalogue.model import Checkpoint
from chatwright.records.frameworks import built_ins
from chatwright.targets.protocol import listed_in
from tests.catalogue.ratchet import EXCEPTIONS, exceptions, refuse
from tests.support import FRAMEWORKS, ROOT, catalogue

VALIDATE = "chatwright validate"
SYNC = " and ".join(f"python -m conformance sync {framework}" for framework in FRAMEWORKS)


def checkpoints() -> Iterator[Checkpoint]:
    return (checkpoint for spec in catalogue().specs for group in spec.models for checkpoint in group.checkpoints)


def claims(checkpoint: Checkpoint) -> set[tuple[str, str]]:
    """The (hub, id) that a checkpoint claims, in the spec itself and for single frameworks."""
    listed = [checkpoint.ids, *checkpoint.targets.values()]
    return {(hub, ids[hub]) for ids in listed for hub in HUBS if ids.get(hub)}


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


def test_every_spec_names_its_schema_for_editors() -> None:
    line = "# yaml-language-server: $schema=../../schema.json\n"
    files = sorted((ROOT / "specs").glob("*/*.yaml"))
    assert files
    silent = [str(file.relative_to(ROOT)) for file in files if not file.read_text(encoding="utf-8").startswith(line)]
    refuse(silent, f"sed -i '1i {line.strip()}' FILE")


# -- hub ids ---------------------------------------------------------------------------------------------------------


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
    assert all(entry["why"] for entry in exceptions()["twice"])
    twice = {claim: places for claim, places in sorted(claimed.items()) if len(places) > 1}
    refuse(
        [": ".join((*claim, ", ".join(places))) for claim, places in twice.items() if claim not in listed],
        f"{VALIDATE}, or list what a framework has twice in {EXCEPTIONS.name}",
    )
    refuse(
        [": ".join(claim) for claim in sorted(listed - twice.keys())],
        f"$EDITOR {EXCEPTIONS.name}: these need no exception",
    )


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
