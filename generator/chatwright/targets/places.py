"""Where in a spec a reason lies: the keys under which an author writes what a target cannot express."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from ..catalogue.model import PartKind, Slot, Slots, Template, Thinking
from ..catalogue.slots import join_slots

SLOTS: Mapping[str, str] = {  # by the field of Slots
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
_DEFAULTS: Mapping[str, tuple[str, ...]] = {  # the slots that a slot is the same as where a spec leaves it out
    "opener_after_observation": ("opener",),
    "generation": ("opener",),
    "last": ("body",),
    "function": ("body",),
    "function_last": ("function", "last"),
    "observation": ("user",),
}


def placed(slots: Slots, *names: str) -> list[tuple[str, Slot]]:
    """The slots of these fields that a spec writes, each with its place there; none that is what it is by default."""
    found = [(name, getattr(slots, name)) for name in names]
    return [(SLOTS[name], slot) for name, slot in found if slot and not _by_default(slots, name)]


def _by_default(slots: Slots, name: str) -> bool:
    return any(getattr(slots, name) == getattr(slots, other) for other in _DEFAULTS.get(name, ()))


def holding(slots: Slots, kind: PartKind, names: Iterable[str] = tuple(SLOTS)) -> str:
    """The places of the slots that hold a part of a kind."""
    return ", ".join(place for place, slot in placed(slots, *names) if any(part.kind == kind for part in slot))


def merged(found: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Reasons with their places, one for each that is the same in several places."""
    places: dict[str, list[str]] = {}
    for place, reason in found:
        places.setdefault(reason, []).append(place)
    return (f"{', '.join(dict.fromkeys(where))}: {reason}" for reason, where in places.items())


def refusals_of(
    written: Iterable[Sequence[tuple[str, Slot]]], unwritable: Callable[[Slot], Iterable[str]]
) -> Iterator[str]:
    """Why slots with their places cannot be written; those in one sequence are written end to end.

    ``unwritable`` gives the reasons of a slot. What only arises where slots meet has the places of all of them.
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
    """The places where the content of these roles, or of any, is trimmed; empty: nowhere."""
    return ", ".join(f"trim.{role}" for role in roles or template.trim if template.trim[role] != "none")


def other_thinking(thinking: Thinking, **usual: Any) -> str:
    """The places where thoughts are written in another way than the usual one; empty: nowhere."""
    return ", ".join(f"thinking.{name}" for name, value in usual.items() if getattr(thinking, name) != value)
