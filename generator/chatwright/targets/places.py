"""The places in a spec that reasons refer to: the keys of what a target cannot express."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from ..catalogue.model import PartKind, Slot, Slots, Template, Thinking
from ..catalogue.slots import join_slots

SLOTS: Mapping[str, str] = {  # field of Slots -> key in a spec
    "prefix": "slots.prefix",
    "system": "slots.system",
    "system_with_tools": "slots.system_with_tools",
    "no_system": "slots.no_system",
    "user": "slots.user",
    "opener": "slots.assistant.opener",
    "opener_after_observation": "slots.assistant.after_observation",
    "before_calls": "slots.assistant.before_calls",
    "generation": "slots.assistant.generation",
    "body": "slots.assistant.body",
    "last": "slots.assistant.last",
    "function": "slots.function",
    "function_last": "slots.function_last",
    "observation": "slots.observation",
}
_DEFAULTS: Mapping[str, tuple[str, ...]] = {  # slot -> the slots that it defaults to
    "opener_after_observation": ("opener",),
    "generation": ("opener",),
    "last": ("body",),
    "function": ("body",),
    "function_last": ("function", "last"),
    "observation": ("user",),
}


def placed(slots: Slots, *names: str) -> list[tuple[str, Slot]]:
    """The slots of these fields, each with its place in the spec; slots with their default value are left out."""
    found = [(name, getattr(slots, name)) for name in names]
    return [(SLOTS[name], slot) for name, slot in found if slot and not _by_default(slots, name)]


def _by_default(slots: Slots, name: str) -> bool:
    return any(getattr(slots, name) == getattr(slots, other) for other in _DEFAULTS.get(name, ()))


def holding(slots: Slots, kind: PartKind, names: Iterable[str] = tuple(SLOTS)) -> str:
    """The places of the slots that contain a part of this kind."""
    return ", ".join(place for place, slot in placed(slots, *names) if any(part.kind == kind for part in slot))


def merged(found: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Reasons with their places; a reason that occurs in several places is listed once with all of them."""
    places: dict[str, list[str]] = {}
    for place, reason in found:
        places.setdefault(reason, []).append(place)
    return (f"{', '.join(dict.fromkeys(where))}: {reason}" for reason, where in places.items())


def refusals_of(
    written: Iterable[Sequence[tuple[str, Slot]]], unwritable: Callable[[Slot], Iterable[str]]
) -> Iterator[str]:
    """Reasons why slots cannot be written, each with its place; slots in one sequence are written end to end.

    ``unwritable`` gives the reasons for a slot. A reason that arises only from joining slots has all their places.
    """
    return merged(pair for parts in written for pair in _refused(parts, unwritable))


def _refused(
    parts: Sequence[tuple[str, Slot]], unwritable: Callable[[Slot], Iterable[str]]
) -> Iterator[tuple[str, str]]:
    apart = [(place, reason) for place, slot in parts for reason in unwritable(slot)]
    yield from apart
    joined = unwritable(join_slots(*(slot for _, slot in parts)))
    for reason in [reason for reason in joined if reason not in {reason for _, reason in apart}]:
        yield ", ".join(place for place, slot in parts if slot), reason


def trims(template: Template, *roles: str) -> str:
    """The keys that trim the content of these roles, or of any role; empty if nothing is trimmed."""
    return ", ".join(f"trim.{role}" for role in roles or template.trim if template.trim[role] != "none")


def other_thinking(thinking: Thinking, **usual: Any) -> str:
    """The thinking fields whose values differ from the usual ones; empty if none does."""
    return ", ".join(f"thinking.{name}" for name, value in usual.items() if getattr(thinking, name) != value)
