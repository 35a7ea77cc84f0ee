"""Marks around learned text: replies, and ends of replies that are written as the beginning of the next turn."""

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
    """Mark the output of the block as learned if an expression is true."""
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
    """Emit the previous reply's end token when this slot starts with it (GLM), and return the rest of the slot.

    Only formats whose earlier replies have no end of their own need this: GLM's end token is the next turn's marker.
    """
    cut = _cut_end(out, slot) if _owes(out) else None
    if cut is None:
        return slot
    with learned(out, "state.owed"):
        out.print_slot(cut[0])
    out.statement("set state.owed = false")
    return cut[1]


def demand_end(out: JinjaWriter, slot: Slot) -> None:
    """Refuse an empty slot if it can follow a reply whose end it should start with."""
    if not slot and _owes(out):
        out.refuse(_UNDECIDED)


def learned_end(out: JinjaWriter) -> tuple[Slot, Slot]:
    """The slot after the content of an earlier reply in two parts: the end that the last reply has, and the rest.

    The first part is learned.
    """
    tail = _tail(out)
    cut = _cut_end(out, tail) if tail else None
    return cut or ((), tail)


def _owes(out: JinjaWriter) -> bool:
    return out.marks and out.slots.last != out.slots.body and not _tail(out)


def _tail(out: JinjaWriter) -> Slot:
    return tuple(part for part in split_content(out.slots.body)[1] if part.kind != "break")


def _cut_end(out: JinjaWriter, slot: Slot) -> tuple[Slot, Slot] | None:
    """The slot split after the end of the last turn; None if it does not begin with that end or is refused."""
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
