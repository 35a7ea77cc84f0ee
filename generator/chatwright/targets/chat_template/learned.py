"""What a model learns, in a file with marks: the replies, and the ends of replies that the next turn begins with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from ...catalogue.model import Slot
from ...catalogue.slots import split_content
from .writer import JinjaWriter

_UNDECIDED = "slots.assistant.body: whether the end of an earlier reply is learned depends on the text behind it"


@contextmanager
def learned(out: JinjaWriter, when: str = "learned") -> Iterator[None]:
    """Mark what is written inside as learned, where an expression is true."""
    if not out.marks:
        yield
        return
    with out.block("set written"):
        yield
    out.write(f"""
        if {when}
            generation
                print written
        else
            print written
    """)


def write_owed_end(out: JinjaWriter, slot: Slot) -> Slot:
    """Write the end of the reply before, where the next turn begins with it, and return what is left.

    Only formats whose earlier replies have no end of their own do this, as GLM's, whose end is the next marker.
    """
    cut = _cut_end(out, slot) if _owes(out) else None
    if cut is None:
        return slot
    with learned(out, "state.owed"):
        out.print_slot(cut[0])
    out.statement("set state.owed = false")
    return cut[1]


def demand_end(out: JinjaWriter, slot: Slot) -> None:
    """Refuse a slot that may follow a reply and is empty, where it should begin with that one's end."""
    if not slot and _owes(out):
        out.refuse(_UNDECIDED)


def learned_end(out: JinjaWriter) -> tuple[Slot, Slot]:
    """What follows an earlier reply, cut where it is no longer the end of the last one: the first part is learned."""
    tail = _tail(out)
    cut = _cut_end(out, tail) if tail else None
    return cut or ((), tail)


def _owes(out: JinjaWriter) -> bool:
    return out.marks and out.slots.last != out.slots.body and not _tail(out)


def _tail(out: JinjaWriter) -> Slot:
    return tuple(part for part in split_content(out.slots.body)[1] if part.kind != "break")


def _cut_end(out: JinjaWriter, slot: Slot) -> tuple[Slot, Slot] | None:
    """The slot cut after the end of the last turn; None where it does not begin with it, or that is refused."""
    end = out.template.end
    slot = tuple(part for part in slot if part.kind != "break")
    if [part.kind for part in end] == ["eos"]:
        if slot and slot[0].kind == "field":
            out.refuse(_UNDECIDED)
        return (slot[:1], slot[1:]) if slot and slot[0].kind == "eos" else None
    rest, found = "".join(part.value for part in end), []
    if not rest:
        return None
    for index, part in enumerate(slot):
        length = min(len(part.value), len(rest))
        if part.kind not in ("text", "token", "bos", "eos"):
            break
        if part.kind in ("bos", "eos") or part.value[:length] != rest[:length]:
            return None
        found.append(replace(part, value=part.value[:length]))
        rest = rest[length:]
        if not rest:
            left = part.value[length:]
            return tuple(found), (*([replace(part, value=left)] if left else []), *slot[index + 1 :])
    out.refuse(_UNDECIDED)
    return None
