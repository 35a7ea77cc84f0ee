"""The slots of the plain roles, cut out of conversations of sentinels."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from ...catalogue.model import Part
from ...catalogue.slots import join_slots, write_slot, write_text
from .probing import BOS, EOS, SYSTEM, Oracle, chat, common_end, common_start, contents, cut, is_plain, to_slot, user

_CONTENT = (Part("field", "content"),)


@dataclass(frozen=True)
class Layout:
    """The texts around the contents of each role. ``system`` is None where there is no place for a system text."""

    prefix: str
    user: tuple[str, str]
    opener: str
    generation: str
    body: tuple[str, str]
    last: tuple[str, str]
    placement: str = "none"
    system: tuple[str, str] | None = None
    no_system: str | None = None
    default_system: str | None = None
    notes: tuple[tuple[str, str], ...] = field(default=())  # the slot that cannot be written, and why

    def data(self) -> dict[str, Any]:
        """The template as a spec says it."""
        assistant = {"opener": self.opener, "generation": self.generation}
        if self.generation == self.opener:
            del assistant["generation"]
        slots: dict[str, Any] = {"prefix": _written(self.prefix)}
        if self.system is not None:
            slots["system"] = _around(self.system)
        if self.no_system:
            slots["no_system"] = _written(self.no_system)
        slots["user"] = _around(self.user)
        slots["assistant"] = {key: _written(text) for key, text in assistant.items()}
        slots["assistant"]["body"] = _around(self.body)
        if self.last != self.body:
            slots["assistant"]["last"] = _around(self.last)
        data: dict[str, Any] = {"slots": slots}
        if self.default_system is not None:
            data["default_system"] = write_text(to_slot(self.default_system))
        if self.placement != "turn":
            data["system_placement"] = self.placement
        for key in ("prefix", "opener"):
            owner = slots if key == "prefix" else slots["assistant"]
            if not owner[key]:
                del owner[key]
        return data


def _written(text: str) -> Any:
    return write_slot(to_slot(text))


def _around(pair: tuple[str, str]) -> Any:
    return write_slot(join_slots(to_slot(pair[0]), _CONTENT, to_slot(pair[1])))


def layouts(oracle: Oracle) -> list[Layout]:
    """Layouts that may be the template's, the likeliest first; none where it cannot be cut at the contents."""
    for length in (5, 3, 1):
        found = _plain(oracle, length)
        if found:
            break
    return [candidate for layout in found for candidate in (*_with_system(oracle, layout), layout)]


def _plain(oracle: Oracle, length: int) -> list[Layout]:
    """The layout without a system message, read off a conversation of that length."""
    messages = chat(length)
    marks = contents(messages)
    asked = cut(oracle.ask(messages), *marks)
    if asked is None:
        return []
    bare = cut(oracle.ask(messages, generate=False), *marks)
    replied = cut(oracle.ask(chat(2), generate=False), *contents(chat(2)))
    long_replied = cut(oracle.ask(chat(4), generate=False), *contents(chat(4))) if length > 1 else None
    ended = long_replied or replied
    end = ended[-1] if ended else None
    head, generation = asked[0], asked[-1]
    if length == 1:
        first = replied[1] if replied else generation
        end = end if end is not None else EOS
        tail, opener, generation = _user_tail(oracle, first, generation, bare[-1] if bare else None, head)
        return [Layout("", (head, tail), opener, generation, ("", end), ("", end))]
    between = asked[2]
    found = []
    for user_head in _user_heads(head, between, end):
        body = between[: len(between) - len(user_head)]
        tail, opener, last = _user_tail(oracle, asked[1], generation, bare[-1] if bare else None, user_head)
        ends = ("", body if end is None else end)
        found.append(Layout(head[: len(head) - len(user_head)], (user_head, tail), opener, last, ("", body), ends))
    return found


def _user_heads(head: str, between: str, end: str | None) -> list[str]:
    """What may be the head of the user's turn: what the first turn and a later one have both in front of it."""
    common = common_end([head, between])
    found = []
    if end is not None and between.startswith(end) and common.endswith(between[len(end) :]):
        found.append(between[len(end) :])
    return list(dict.fromkeys([*found, common]))


def _user_tail(oracle: Oracle, between: str, generation: str, bare: str | None, user_head: str) -> tuple[str, str, str]:
    """The tail of the user's turn, the opener, and the generation prompt."""
    tail = bare
    if tail is None or not (between.startswith(tail) and generation.startswith(tail)):
        tail = common_start([between, generation])
    if tail == between and tail:
        twice = cut(oracle.ask([user(0), user(1)], generate=False), *contents([user(0), user(1)]))
        if twice and user_head and twice[1].endswith(user_head):
            shorter = twice[1][: -len(user_head)]
            if shorter and between.startswith(shorter) and generation.startswith(shorter):
                tail = shorter
    return tail, between[len(tail) :], generation[len(tail) :]


def _with_system(oracle: Oracle, layout: Layout) -> list[Layout]:
    """The layout with every place that a system text may have."""
    found: list[Layout] = []
    for length in (3, 1):
        messages = [{"role": "system", "content": SYSTEM}, *chat(length)]
        marks = contents(messages)
        text = oracle.ask(messages)
        if (parts := cut(text, *marks)) is not None:
            found += _in_front(layout, parts[0], parts[1], layout.prefix + layout.user[0])
            break
        if length > 1 and (parts := cut(text, *marks[1:-1], SYSTEM, marks[-1])) is not None:
            before = layout.body[1] + layout.user[0]
            if parts[2].startswith(before):
                around = (parts[2][len(before) :], parts[3])
                found.append(replace(layout, placement="last_user", system=around))
                break
    return found


def _in_front(layout: Layout, before: str, behind: str, head: str) -> list[Layout]:
    """Layouts for a system text with ``before`` and ``behind`` around it, and ``head`` where there is none."""
    found: list[Layout] = []
    user_head = layout.user[0]
    if behind.endswith(user_head):
        tail = behind[: len(behind) - len(user_head)]
        found += _turns(layout, before, tail, layout.prefix)
    fused = before.find(user_head, len(_bos(before))) if user_head else -1
    if user_head and fused >= 0 and layout.prefix == before[:fused]:
        system = (before[fused + len(user_head) :], behind)
        found.append(replace(layout, placement="first_user", system=system))
        found += _defaults(found[-1], head, before, behind)
    elif not user_head and before.startswith(layout.prefix):
        found.append(replace(layout, placement="first_user", system=(before[len(layout.prefix) :], behind)))
        found += _defaults(found[-1], head, before, behind)
    if not behind.endswith(user_head) or not user_head:
        prefix = common_start([layout.prefix, before])
        rest = layout.prefix[len(prefix) :]
        found.append(
            replace(
                layout,
                placement="first_user_head",
                prefix=prefix,
                no_system=rest or None,
                system=(before[len(prefix) :], behind),
            )
        )
    return found


def _defaults(layout: Layout, head: str, before: str, behind: str) -> list[Layout]:
    """The layout with the default system text that stands where there is no system message."""
    if len(head) < len(before) + len(behind) or not (head.startswith(before) and head.endswith(behind)):
        return []
    text = head[len(before) : len(head) - len(behind)]
    prefix = _bos(before)
    return [replace(layout, prefix=prefix, default_system=text)] if BOS not in text and EOS not in text else []


def _turns(layout: Layout, before: str, tail: str, rest: str) -> list[Layout]:
    """Layouts with a system turn, ``rest`` being what stands in front of the first turn without one."""
    found: list[Layout] = []
    prefix = _bos(before) if rest.startswith(_bos(before)) else ""
    if before + tail and len(rest) >= len(before) + len(tail) and rest.startswith(before) and rest.endswith(tail):
        text = rest[len(before) : len(rest) - len(tail)]
        if (text or (before[len(prefix) :] and tail)) and BOS not in text and EOS not in text:
            system = (before[len(prefix) :], tail)
            found.append(replace(layout, placement="turn", prefix=prefix, system=system, default_system=text))
    if before.startswith(rest):
        found.append(replace(layout, placement="turn", prefix=rest, system=(before[len(rest) :], tail)))
    else:
        system = (before[len(prefix) :], tail)
        no_system = rest[len(prefix) :]
        found.append(replace(layout, placement="turn", prefix=prefix, system=system, no_system=no_system))
    return found


def _bos(text: str) -> str:
    return text[: len(text) - len(text.lstrip(BOS))]


__all__ = ["Layout", "is_plain", "layouts"]
