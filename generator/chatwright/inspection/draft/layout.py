"""The slots of the plain roles, cut out of conversations of sentinels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from ...catalogue.model import Part
from ...catalogue.slots import join_slots, write_slot, write_text
from .probing import BOS, EOS, SYSTEM, Oracle, chat, common_end, common_start, contents, inside, system, talk, to_slot

_CONTENT = (Part("field", "content"),)
Around = tuple[str, str]  # the texts around a content


@dataclass(frozen=True)
class Layout:
    """The texts around the contents of each role. ``system`` is None where there is no place for a system text."""

    prefix: str
    user: Around
    opener: str
    generation: str
    body: Around
    last: Around
    placement: str = "none"
    system: Around | None = None
    no_system: str | None = None
    default_system: str | None = None

    def data(self) -> dict[str, Any]:
        """The template as a spec says it."""
        assistant: dict[str, Any] = {"opener": _written(self.opener)} if self.opener else {}
        if self.generation != self.opener:
            assistant["generation"] = _written(self.generation)
        assistant["body"] = _around(self.body)
        if self.last != self.body:
            assistant["last"] = _around(self.last)
        slots: dict[str, Any] = {"prefix": _written(self.prefix)} if self.prefix else {}
        if self.system is not None:
            slots["system"] = _around(self.system)
        if self.no_system:
            slots["no_system"] = _written(self.no_system)
        slots |= {"user": _around(self.user), "assistant": assistant}
        data: dict[str, Any] = {"slots": slots}
        if self.default_system is not None:
            data["default_system"] = write_text(to_slot(self.default_system))
        if self.placement != "turn":
            data["system_placement"] = self.placement
        return data

    def with_system(self, placement: str, prefix: str, before: str, after: str) -> Layout:
        """The layout with a system text, ``before`` being all the text in front of it."""
        return replace(self, placement=placement, prefix=prefix, system=(before.removeprefix(prefix), after))


def _written(text: str) -> Any:
    return write_slot(to_slot(text))


def _around(pair: Around) -> Any:
    return write_slot(join_slots(to_slot(pair[0]), _CONTENT, to_slot(pair[1])))


def layouts(oracle: Oracle) -> list[Layout]:
    """Layouts that may be the template's, the likeliest first; none where it cannot be cut at the contents."""
    found = next(filter(None, (_plain(oracle, length) for length in (5, 3, 1))), [])
    return [candidate for layout in found for candidate in (*_with_system(oracle, layout), layout)]


def _plain(oracle: Oracle, length: int) -> list[Layout]:
    """The layout without a system message, read off a conversation of that length."""
    asked = oracle.cut(chat(length))
    if asked is None:
        return []
    bared = oracle.cut(chat(length), generate=False)
    bare = bared[-1] if bared else None
    replied = oracle.cut(chat(2), generate=False)
    ended = (oracle.cut(chat(4), generate=False) if length > 1 else None) or replied
    end = ended[-1] if ended else None
    head, generation = asked[0], asked[-1]
    if length == 1:
        tail, opener, generation = _user_tail(oracle, replied[1] if replied else generation, generation, bare, head)
        ends = ("", EOS if end is None else end)
        return [Layout("", (head, tail), opener, generation, ends, ends)]
    found = []
    for user_head in _user_heads(head, asked[2], end):
        body = asked[2].removesuffix(user_head)
        tail, opener, last = _user_tail(oracle, asked[1], generation, bare, user_head)
        ends = ("", body if end is None else end)
        found.append(Layout(head.removesuffix(user_head), (user_head, tail), opener, last, ("", body), ends))
    return found


def _user_heads(head: str, between: str, end: str | None) -> list[str]:
    """What may be the head of the user's turn: what the first turn and a later one have both in front of it."""
    common = common_end([head, between])
    found = [common]
    if end is not None and between.startswith(end) and common.endswith(rest := between.removeprefix(end)):
        found.insert(0, rest)
    return list(dict.fromkeys(found))


def _user_tail(oracle: Oracle, between: str, generation: str, bare: str | None, user_head: str) -> tuple[str, str, str]:
    """The tail of the user's turn, the opener, and the generation prompt."""
    tail = bare
    if tail is None or not (between.startswith(tail) and generation.startswith(tail)):
        tail = common_start([between, generation])
    if tail == between and tail:
        twice = oracle.cut(talk("u u"), generate=False)
        shorter = twice[1].removesuffix(user_head) if twice and user_head and twice[1].endswith(user_head) else ""
        if shorter and between.startswith(shorter) and generation.startswith(shorter):
            tail = shorter
    return tail, between.removeprefix(tail), generation.removeprefix(tail)


def _with_system(oracle: Oracle, layout: Layout) -> list[Layout]:
    """The layout with every place that a system text may have."""
    for length in (3, 1):
        messages = chat(length, system())
        if parts := oracle.cut(messages):
            return list(_in_front(layout, parts[0], parts[1], layout.prefix + layout.user[0]))
        *marks, last = contents(messages)[1:]
        before = layout.body[1] + layout.user[0]
        if length > 1 and (parts := oracle.cut(messages, *marks, SYSTEM, last)) and parts[2].startswith(before):
            return [replace(layout, placement="last_user", system=(parts[2].removeprefix(before), parts[3]))]
    return []


def _in_front(layout: Layout, before: str, after: str, head: str) -> Iterator[Layout]:
    """Layouts for a system text with ``before`` and ``after`` around it, and ``head`` where there is none."""
    user_head, prefix = layout.user[0], layout.prefix
    if after.endswith(user_head):
        yield from _turns(layout, before, after.removesuffix(user_head))
    fused = before.find(user_head, len(_bos(before))) if user_head else len(prefix)
    if fused >= 0 and prefix == before[:fused]:
        found = replace(layout, placement="first_user", system=(before.removeprefix(prefix + user_head), after))
        yield found
        if (text := inside(head, before, after)) is not None and {BOS, EOS}.isdisjoint(text):
            yield replace(found, prefix=_bos(before), default_system=text)
    if not (user_head and after.endswith(user_head)):
        shared = common_start([prefix, before])
        found = layout.with_system("first_user_head", shared, before, after)
        yield replace(found, no_system=prefix.removeprefix(shared) or None)


def _turns(layout: Layout, before: str, tail: str) -> Iterator[Layout]:
    """Layouts with a system turn."""
    rest = layout.prefix
    prefix = _bos(before) if rest.startswith(_bos(before)) else ""
    turn = layout.with_system("turn", prefix, before, tail)
    text = inside(rest, before, tail) if before + tail else None
    if text is not None and (text or (before.removeprefix(prefix) and tail)) and {BOS, EOS}.isdisjoint(text):
        yield replace(turn, default_system=text)
    if before.startswith(rest):
        yield layout.with_system("turn", rest, before, tail)
    else:
        yield replace(turn, no_system=rest.removeprefix(prefix))


def _bos(text: str) -> str:
    return text[: len(text) - len(text.lstrip(BOS))]
