"""How a template thinks: its switch, its words, and what becomes of thoughts; told by the texts that it writes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from .judging import Case
from .layout import Layout
from .probing import (
    BOS,
    EOS,
    THOUGHT,
    Kinds,
    Oracle,
    chat,
    common_end,
    common_start,
    inside,
    is_plain,
    reply,
    system,
    talk,
    user,
)
from .settings import TRIMS, Option

OPEN = re.compile(r"[<\[][^<>\[\]\n]*$")
KEYS = ("reasoning_content", "reasoning", "thinking")  # of a message, where templates look for its thought
_NAMED = re.compile(r"think|reason", re.IGNORECASE)
_MARKER = re.compile(r"<[^<>\s]{2,40}>|\[/?[A-Za-z_]{3,40}\]|◁[^◁▷\s]{2,40}▷|⟨[^⟨⟩\s]{2,40}⟩")
_LEVELS = ("low", "medium", "high", "max")
_NONSENSE = "Nq0qN"


@dataclass(frozen=True)
class Level:
    """The variable that names a level of thinking, the names it knows, and whether it refuses others."""

    variable: str
    names: tuple[str, ...]
    refuses: bool


@dataclass(frozen=True)
class Thoughts:
    """What probing tells of thinking.

    ``switch`` is the variable that turns it, ``default`` whether it is on without it; ``key`` is where messages carry
    thoughts. ``lead`` is the text between a user's message and a thought, ``end`` that between a thought and the
    reply; ``typed`` are the words that the template looks for in the text of a reply.
    """

    switch: str | None = None
    default: bool = True
    key: str | None = None
    lead: str | None = None
    end: str = ""
    typed: tuple[str, str] | None = None
    level: Level | None = None

    @property
    def any(self) -> bool:
        """Whether the template knows thinking at all."""
        return bool(self.switch or self.lead is not None or self.typed or self.level)


def thought(number: int) -> str:
    """The thought of that number."""
    return THOUGHT.format(number)


def explore(oracle: Oracle, facts: Mapping[str, Any]) -> Thoughts:
    """Find the switch, the words and the key of thoughts."""
    names = [name for name in facts["variables"] if _NAMED.search(name)]
    switch, default = _switch(oracle, names)
    found = Thoughts(switch, default, level=_level(oracle, [name for name in names if name != switch], facts))
    modes: list[dict[str, Any]] = [{}, *({switch: value} for value in (True, False) if switch)]
    modes += [{found.level.variable: name} for name in found.level.names] if found.level else []
    for mode in modes:
        for key in KEYS:
            if around := _around(oracle, key, mode):
                return replace(found, key=key, lead=around[0], end=around[1])
    return replace(found, typed=_typed_words(oracle, facts["texts"]))


def _switch(oracle: Oracle, names: Sequence[str]) -> tuple[str | None, bool]:
    """The variable that turns thinking on, and whether it is on where nothing is said."""
    found = []
    for name in names:
        for messages in (chat(1), chat(1, system())):
            on, off, unset = (oracle.ask(messages, **given) for given in ({name: True}, {name: False}, {}))
            if on is not None and off is not None and on != off and unset in (on, off):
                found.append((name, unset == on))
                break
    found.sort(key=lambda item: (bool(re.search("skip|no_|disable|without", item[0])), item[0] != "enable_thinking"))
    return found[0] if found else (None, True)


def _level(oracle: Oracle, names: Sequence[str], facts: Mapping[str, Any]) -> Level | None:
    """The variable that names a level, told by texts that differ for two of its names and write none of them amiss."""
    for name in names:
        compared = [text for text in facts["compared"].get(name, ()) if text]
        tried = dict.fromkeys((*compared, *_LEVELS))
        asked: dict[str, dict[str, Any]] = {value: {name: value} for value in (*tried, _NONSENSE)}
        texts = {value: oracle.ask(chat(1), **asked[value]) for value in tried}
        known = {value: text for value, text in texts.items() if text is not None}
        if len(set(known.values())) < 2:
            continue
        other = oracle.ask(chat(1), **asked[_NONSENSE])
        distinct = [value for value, text in known.items() if text != other or value in compared]
        return Level(name, tuple(distinct), other is None)
    return None


def _around(oracle: Oracle, key: str, mode: Mapping[str, Any]) -> tuple[str, str] | None:
    """The texts around a thought that a message carries under a key, in the last reply or in an earlier one."""
    thinking: Kinds = {"t": lambda number: reply(number, **{key: thought(number)})}
    for script, generate in (("u t", False), ("u t u", True)):
        marks = "Uq0qU", thought(0), "Aq0qA"
        if found := oracle.cut(talk(script, thinking), *marks, generate=generate, **mode):
            return found[1], found[2]
    return None


def _typed_words(oracle: Oracle, texts: Sequence[str]) -> tuple[str, str] | None:
    """The words that a template looks for in the text of an earlier reply, which then is written without a part."""
    found = dict.fromkeys(marker for text in texts for marker in _MARKER.findall(text))
    markers = list(found)[:80]
    typed = [[user(0), reply(0, content=f"{thought(0)}{marker}Aq0qA"), user(1)] for marker in markers]
    answers = oracle.answers([oracle.request(messages) for messages in typed])
    for marker, text in zip(markers, answers, strict=True):
        if isinstance(text, str) and "Aq0qA" in text and thought(0) not in text:
            before = markers[: markers.index(marker)][::-1]
            return next((other for other in (marker.replace("/", "", 1), *before) if other != marker), marker), marker
    return None


# -- into the spec's words


@dataclass(frozen=True)
class _Shown:
    """What a mode of thinking shows: the head alone, the texts around a system text, the tail of the prompt.

    ``begun`` is what stands between a user's message and a reply without a thought.
    """

    alone: str
    before: str
    behind: str
    tail: str
    begun: str


_Mode = bool | str | None


def _shown(oracle: Oracle, given: Mapping[str, Any]) -> _Shown | None:
    alone, later = oracle.cut(chat(1), **given), oracle.cut(chat(3), **given)
    before, behind, *_ = oracle.cut(chat(1, system()), **given) or ("", "")
    return _Shown(alone[0], before, behind, alone[1], later[1]) if alone and later else None


def variants(oracle: Oracle, layout: Layout, found: Thoughts) -> Iterator[tuple[Layout, dict[str, Any]]]:
    """The layout and the ``thinking`` of a spec that may say what was found."""
    given: dict[_Mode, dict[str, Any]] = {None: {}}
    given |= {value: {found.switch: value} if found.switch else {} for value in (True, False)}
    if found.level:
        given |= {name: {found.level.variable: name} for name in found.level.names}
    modes = {mode: shown for mode, variables in given.items() if (shown := _shown(oracle, variables))}
    if not {None, True, False} <= modes.keys():
        return
    user_tail = layout.user[1]
    shared = [text for shown in modes.values() for text in (shown.tail, shown.begun)]
    common = common_start([*shared, *([] if found.lead is None else [found.lead])])
    for base in _bases(common):
        if not base.startswith(user_tail):
            continue
        words = found.typed if found.lead is None else (found.lead.removeprefix(base), found.end)
        rests = {mode: (shown.tail.removeprefix(base), shown.begun.removeprefix(base)) for mode, shown in modes.items()}
        texts = [text for pair in rests.values() for text in pair] + list(words or ())
        if (words and not all(words)) or not all(map(is_plain, texts)):
            continue
        thinking: dict[str, Any] = {"words": list(words)} if words else {}
        if found.switch:
            thinking["switch"] = found.switch
        thinking["default"] = found.default
        thinking["when_on"], thinking["when_off"] = rests[True][0], rests[False][0]
        thinking["empty"] = rests[False][1]
        if rests[True][1] != rests[False][1]:
            thinking["empty_on"] = rests[True][1]
        if rests[None][1]:
            thinking["when_dropped"] = rests[None][1]
        opening = base.removeprefix(user_tail)
        plain = replace(layout, opener=opening, generation=opening)
        prompts = {mode: rest[0] for mode, rest in rests.items() if rest[0] != rests[None][0]}
        for marked, mark, marks in _marked(plain, modes):
            levels = _levels(found.level, prompts, marks)
            yield marked, {**thinking, **mark, **levels}


def _levels(level: Level | None, prompts: Mapping[_Mode, str], marks: Mapping[_Mode, str]) -> dict[str, Any]:
    if level is None:
        return {}
    names = {
        name: {kind: texts[name] for kind, texts in (("mark", marks), ("prompt", prompts)) if name in texts}
        for name in level.names
    }
    unknown = {"unknown": "refuse"} if level.refuses else {"unknown": "ignore"}
    return {"levels": {"variable": level.variable, **unknown, "count": "always", "names": names}}


def _bases(common: str) -> list[str]:
    """Where the opener may end in what all prompts and replies have in common: at its end, or before a marker."""
    whole = OPEN.sub("", common)  # two markers that begin alike part inside
    return list(dict.fromkeys([whole, *(whole[: match.start()] for match in reversed([*_MARKER.finditer(whole)]))]))


def _marked(
    layout: Layout, modes: Mapping[_Mode, _Shown]
) -> Iterator[tuple[Layout, dict[str, Any], Mapping[_Mode, str]]]:
    """The layout, the mark on thinking in its system text, and the marks of all modes, if there are any."""
    yield layout, {}, {}
    yield from _first(layout, modes)
    befores, behinds = ([getattr(shown, side) for shown in modes.values()] for side in ("before", "behind"))
    if len(set(befores)) > 1 and len(set(behinds)) == 1:
        for head in dict.fromkeys((_at_boundary(common_start(befores)), common_start(befores))):
            marks = {mode: shown.before.removeprefix(head) for mode, shown in modes.items()}
            ends = common_end(marks.values())
            yield from _with_marks(layout, modes, head, behinds[0], marks, "before")
            if ends:
                shorter = {mode: mark.removesuffix(ends) for mode, mark in marks.items()}
                yield from _with_marks(layout, modes, head, behinds[0], shorter, "first")
    elif len(set(behinds)) > 1 and len(set(befores)) == 1:
        common = common_end(behinds)
        for tail in dict.fromkeys((_from_boundary(common), common)):
            marks = {mode: shown.behind.removesuffix(tail) for mode, shown in modes.items()}
            yield from _with_marks(layout, modes, befores[0], tail, marks, "behind")


def _first(
    layout: Layout, modes: Mapping[_Mode, _Shown]
) -> Iterator[tuple[Layout, dict[str, Any], Mapping[_Mode, str]]]:
    """The mark in front of the whole conversation, with or without a system text."""
    alone = [shown.alone for shown in modes.values()]
    if len(set(alone)) == 1:
        return
    rest = _from_boundary(common_end(alone))
    marks = {mode: shown.alone.removesuffix(rest) for mode, shown in modes.items()}
    if not all(map(is_plain, marks.values())):
        return
    usual = marks[None]
    for cut_off in (len(usual), 0):
        if layout.prefix.startswith(usual[:cut_off]):
            yield replace(layout, prefix=layout.prefix[cut_off:]), _system_mark(marks, "first", ""), marks


def _system_mark(marks: Mapping[_Mode, str], place: str, separator: str) -> dict[str, Any]:
    mark = {name: marks[mode] for name, mode in (("on", True), ("off", False)) if marks[mode]}
    return {"system_mark": {**mark, "place": place, "separator": separator}}


def _at_boundary(text: str) -> str:
    """The text up to the last line or marker that ends in it."""
    return text[: max(text.rfind(end) for end in ("\n", ">", "]")) + 1] or text


def _from_boundary(text: str) -> str:
    """The text from the first line or marker on that begins in it."""
    found = [place for start in ("\n", "<", "[") if (place := text.find(start)) >= 0]
    return text[min(found) :] if found else text


def _with_marks(
    layout: Layout, modes: Mapping[_Mode, _Shown], before: str, tail: str, marks: Mapping[_Mode, str], place: str
) -> Iterator[tuple[Layout, dict[str, Any], Mapping[_Mode, str]]]:
    user_head = layout.user[0]
    if not all(map(is_plain, marks.values())):
        return
    own = layout
    if tail.endswith(user_head) and place != "first":
        prefix = before[: len(before) - len(before.lstrip(BOS))]
        own = layout.with_system("turn", prefix, before, tail.removesuffix(user_head))
        own = replace(own, no_system=None, default_system=None)
    for separator in _separators(marks, at_end=place == "before") if place != "first" else [""]:
        cut_off = str.removesuffix if place == "before" else str.removeprefix
        alone = {mode: cut_off(text, separator) for mode, text in marks.items()}
        data = _system_mark(alone, place, separator)
        for default in dict.fromkeys((None, *_default_texts(modes, before, tail, marks, place), layout.default_system)):
            yield replace(own, default_system=default), data, alone


def _default_texts(
    modes: Mapping[_Mode, _Shown], before: str, tail: str, marks: Mapping[_Mode, str], place: str
) -> list[str]:
    """The default system text, if what stands without a system message is it with the mark."""
    found = set()
    for mode, shown in modes.items():
        head = before + (marks[mode] if place == "before" else "")
        end = (marks[mode] if place == "behind" else "") + tail
        found.add(inside(shown.alone, head, end))
    texts = [text for text in found if text is not None]
    return [text for text in texts if {BOS, EOS}.isdisjoint(text)] if len(texts) == 1 else []


def _separators(marks: Mapping[_Mode, str], *, at_end: bool) -> list[str]:
    """White space that may stand between the mark and the system text."""
    found = [""]
    for text in marks.values():
        space = text[len(text.rstrip()) :] if at_end else text[: len(text) - len(text.lstrip())]
        found += [space[len(space) - length :] if at_end else space[:length] for length in range(1, len(space) + 1)]
    return list(dict.fromkeys(reversed(found)))


def options(found: Thoughts, thinking: Mapping[str, Any]) -> list[Option]:
    """The settings of thinking that no text shows."""
    words = thinking.get("words", ["<think>\n", "\n</think>\n\n"])
    said = filter(None, (thinking.get(key) for key in ("empty", "empty_on", "when_off", "when_dropped")))
    empties = list(dict.fromkeys(("".join(words), "", *said)))
    return [
        {"thinking.history": ("drop", "keep", "switched", "remove")},
        {
            "thinking.span": ("between", "to_last_end"),
            "thinking.history_trim": ("leading_newlines", "none", "newlines", "both"),
        },
        {"thinking.rewrite": (False, True)},
        {"thinking.when_dropped": tuple(dict.fromkeys(("", thinking.get("when_dropped", ""))))},
        {"thinking.empty": empties},
        {"thinking.empty_in": ("learned", "last", "all")},
        {"thinking.empty_after": ("any", "user")},
        {"thinking.empty_unless": (None, "begins", "holds")},
        {"thinking.empty_on": [None, *empties]},
        {"thinking.empty_trained": ("switched", "always")},
        {"thinking.levels.count": ("on", "always") if "levels" in thinking else ()},
        {"trim.assistant": TRIMS},
        {"empty_system": ("default", "omit", "keep")},
    ]


_CONVERSATIONS = {
    "first": "u",
    "first, system": "s u",
    "first, empty system": "e u",
    "later": "u a u",
    "later, system": "s u a u",
    "thought": "u thought u",
    "thoughts": "u thought u thought u",
    "one thought": "u thought u a u",
    "padded": "u padded u",
    "padded thought": "u both u",
    "typed": "u typed u",
    "typed end": "u end u",
    "typed twice": "u typed u typed u",
}
_REPLIED = {
    "reply": "u a",
    "replies": "u a u a",
    "reply with thought": "u thought",
    "replies with thoughts": "u thought u thought",
    "typed reply": "u typed",
}
_WEIGHTS = dict.fromkeys(("first", "first, system", "later", "later, system", "thought", "thoughts"), 6)
_WEIGHTS |= dict.fromkeys(("typed", "typed end", "typed twice", "typed reply"), 2)


def cases(found: Thoughts, words: Sequence[str] | None) -> list[Case]:
    """Conversations with thoughts, in every mode."""
    start, end = (word.strip() for word in words or ("<think>", "</think>"))
    kinds: Kinds = {
        "thought": lambda n: reply(n, reasoning_content=thought(n)),
        "padded": lambda n: reply(n, content=f"\n\n Aq{n}qA \n"),
        "both": lambda n: reply(n, content=f"\n\n Aq{n}qA \n", reasoning_content=thought(n)),
        "typed": lambda n: reply(n, content=f"{start}\n{thought(n)}\n{end}\n\nAq{n}qA"),
        "end": lambda n: reply(n, content=f"{thought(n)}\n{end}\n\nAq{n}qA"),
    }
    modes = (None, True, False) if found.switch else (None,)
    levels = [{found.level.variable: name} for name in found.level.names] if found.level else []
    return [
        Case(f"thinking {mode}: {name}", talk(script, kinds), None, mode, replied=ends, weight=_WEIGHTS.get(name, 1))
        for ends, group in ((False, _CONVERSATIONS), (True, _REPLIED))
        for name, script in group.items()
        for mode in modes
    ] + [
        Case(f"{level}, thinking {mode}: {name}", talk(_CONVERSATIONS[name], kinds), None, mode, variables=level)
        for level in levels
        for name in ("first", "first, system", "later", "thought")
        for mode in modes
    ]
