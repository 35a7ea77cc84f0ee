"""How a template thinks: its switch, its words, and what becomes of thoughts; told by the texts that it writes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from os.path import commonprefix
from typing import Any

from .judging import Case
from .layout import Layout
from .probing import SYSTEM, Message, Oracle, chat, cut, is_plain, reply, system, user
from .settings import TRIMS, Option

KEYS = ("reasoning_content", "reasoning", "thinking")  # of a message, where templates look for its thought
_NAMED = re.compile(r"think|reason", re.IGNORECASE)
_MARKER = re.compile(r"<[^<>\s]{2,40}>|\[/?[A-Za-z_]{3,40}\]|◁[^◁▷\s]{2,40}▷|⟨[^⟨⟩\s]{2,40}⟩")
_THOUGHT = "Tq{}qT"


@dataclass(frozen=True)
class Thoughts:
    """What probing tells of thinking.

    ``switch`` is the variable that turns it, ``default`` whether it is on without it; ``key`` is where messages carry
    thoughts. ``levels`` maps further variables to their values that change the prompt.
    """

    switch: str | None = None
    default: bool = True
    key: str | None = None
    words: tuple[str, str] | None = None
    levels: Mapping[str, Sequence[str]] = field(default_factory=dict)
    ignored: tuple[str, ...] = ()  # further variables about thinking that change something


def thought(number: int) -> str:
    """The thought of that number."""
    return _THOUGHT.format(number)


def explore(oracle: Oracle, facts: Mapping[str, Any]) -> Thoughts:
    """Find the switch, the words and the key of thoughts."""
    names = [name for name in facts["variables"] if _NAMED.search(name)]
    switch, default = _switch(oracle, names)
    levels = {
        name: values
        for name in names
        if name != switch and (values := _values(oracle, name, facts["compared"].get(name, ())))
    }
    modes: list[dict[str, Any]] = [{}, *({switch: value} for value in (True, False) if switch)]
    key, words = None, None
    for mode in modes:
        for candidate in KEYS:
            if words is None and (words := _words(oracle, candidate, mode)):
                key = candidate
    if words is None:
        words = _typed_words(oracle, facts["texts"])
    return Thoughts(switch, default, key, words, levels)


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


def _values(oracle: Oracle, name: str, values: Sequence[str]) -> list[str]:
    tried = dict.fromkeys((*values, "low", "medium", "high", "max")) if values else {}
    texts = {value: oracle.ask(chat(1), **{name: value}) for value in tried if value}
    distinct = {text for text in texts.values() if text is not None}
    return [value for value, text in texts.items() if text is not None] if len(distinct) > 1 else []


def _words(oracle: Oracle, key: str, mode: Mapping[str, Any]) -> tuple[str, str] | None:
    """The words around a thought that a message carries under a key, in the last reply or in an earlier one."""
    for messages, generate in (
        ([user(0), reply(0, **{key: thought(0)})], False),
        ([user(0), reply(0, **{key: thought(0)}), user(1)], True),
    ):
        found = cut(oracle.ask(messages, generate=generate, **mode), *_marks(messages[:2]))
        bare = cut(oracle.ask([user(0), reply(0)], generate=False, **mode), "Uq0qU", "Aq0qA")
        asked = cut(oracle.ask([user(0)], **mode), "Uq0qU")
        if found and asked:
            start = commonprefix([found[1], (bare or asked)[1], asked[1]])
            return (found[1][len(start) :], found[2])
    return None


def _marks(messages: Sequence[Message]) -> list[str]:
    return ["Uq0qU", _THOUGHT.format(0), "Aq0qA"][: 1 + 2 * (len(messages) > 1)]


def _typed_words(oracle: Oracle, texts: Sequence[str]) -> tuple[str, str] | None:
    """The words that a template looks for in the text of an earlier reply, which then is written without a part."""
    found = dict.fromkeys(marker for text in texts for marker in _MARKER.findall(text))
    markers = list(found)[:80]
    base = [[user(0), {"role": "assistant", "content": f"{thought(0)}{marker}Aq0qA"}, user(1)] for marker in markers]
    answers = oracle.answers([oracle.request(messages) for messages in base])
    for marker, text in zip(markers, answers, strict=True):
        if isinstance(text, str) and "Aq0qA" in text and thought(0) not in text:
            opening = next((other for other in (marker.replace("/", "", 1), *_before(markers, marker)) if other != marker), marker)
            return opening, marker
    return None


def _before(markers: Sequence[str], marker: str) -> Sequence[str]:
    return markers[: markers.index(marker)][::-1]


# -- into the spec's words


def variants(oracle: Oracle, layout: Layout, found: Thoughts) -> Iterator[tuple[Layout, dict[str, Any]]]:
    """The layout and the ``thinking`` of a spec that may say what was found."""
    tails = {mode: _tail(oracle, found, mode) for mode in (None, True, False)}
    if any(tail is None for tail in tails.values()):
        return
    shown = {mode: str(tail) for mode, tail in tails.items()}
    if not all(is_plain(tail) for tail in shown.values()) and len(set(shown.values())) > 1:
        return
    user_tail = layout.user[1]
    opener = user_tail + layout.opener
    common = commonprefix([*shown.values(), opener])
    bases = [opener] if common == opener else []
    for base in dict.fromkeys([*bases, *_bases(common, found)]):
        if not base.startswith(user_tail):
            continue
        rest = opener[len(base) :]
        thinking: dict[str, Any] = {}
        if found.words:
            start, end = found.words
            thinking["words"] = [start or "<think>", end or "</think>"]
        if found.switch:
            thinking["switch"] = found.switch
        thinking["default"] = found.default
        thinking["when_on"] = shown[True][len(base) :]
        thinking["when_off"] = shown[False][len(base) :]
        if rest:
            thinking["when_dropped"] = rest
        thinking["empty"] = rest
        opening = base[len(user_tail) :]
        plain = replace(layout, opener=opening, generation=opening)
        for marked, mark in _marked(oracle, plain, found):
            yield marked, {**thinking, **mark}


def _bases(common: str, found: Thoughts) -> list[str]:
    """Where the opener may end in what all prompts and replies have in common: in front of a word of thoughts."""
    places = [common]
    for word in found.words or ():
        if word.strip() and word.strip() in common:
            places.append(common[: common.index(word.strip())])
    return places


def _tail(oracle: Oracle, found: Thoughts, mode: bool | None) -> str | None:
    given = {found.switch: mode} if found.switch and mode is not None else {}
    parts = cut(oracle.ask(chat(1), **given), "Uq0qU")
    return parts[1] if parts else None


def _marked(oracle: Oracle, layout: Layout, found: Thoughts) -> Iterator[tuple[Layout, dict[str, Any]]]:
    """The layout, and the mark on thinking in its system text, if there is one."""
    yield layout, {}
    if not found.switch:
        return
    heads = {}
    for mode in (True, False):
        given = {found.switch: mode}
        alone = cut(oracle.ask(chat(1), **given), "Uq0qU")
        beside = cut(oracle.ask(chat(1, system()), **given), SYSTEM, "Uq0qU")
        if alone is None or beside is None:
            return
        heads[mode] = (alone[0], beside[0], beside[1])
    if heads[True] == heads[False]:
        return
    (alone_on, before_on, behind_on), (alone_off, before_off, behind_off) = heads[True], heads[False]
    if before_on != before_off:
        head = commonprefix([before_on, before_off])
        marks = {"on": before_on[len(head) :], "off": before_off[len(head) :]}
        same = _same_end(marks["on"], marks["off"])
        for shared in dict.fromkeys((0, same)):
            cutoff = {mode: text[: len(text) - shared] for mode, text in marks.items()}
            for separator in _separators(cutoff):
                mark = {key: text.removesuffix(separator) for key, text in cutoff.items() if text}
                for place in ("before", "first"):
                    yield layout, {"system_mark": _mark(mark, place, separator)}
    elif behind_on != behind_off:
        shared = _same_end(behind_on, behind_off)
        marks = {"on": behind_on[: len(behind_on) - shared], "off": behind_off[: len(behind_off) - shared]}
        for separator in _separators(marks, at_end=False):
            mark = {key: text.removeprefix(separator) for key, text in marks.items() if text}
            yield layout, {"system_mark": _mark(mark, "behind", separator)}


def _mark(mark: Mapping[str, str], place: str, separator: str) -> dict[str, Any]:
    return {**mark, "place": place, "separator": separator}


def _separators(marks: Mapping[str, str], at_end: bool = True) -> list[str]:
    """White space that may stand between the mark and the system text."""
    found = [""]
    for text in marks.values():
        space = text[len(text.rstrip()) :] if at_end else text[: len(text) - len(text.lstrip())]
        found += [space[len(space) - length :] if at_end else space[:length] for length in range(1, len(space) + 1)]
    return list(dict.fromkeys(reversed(found)))


def _same_end(first: str, second: str) -> int:
    return len(commonprefix([first[::-1], second[::-1]]))


def options(found: Thoughts, thinking: Mapping[str, Any]) -> list[Option]:
    """The settings of thinking that no text shows."""
    words = thinking.get("words", ["<think>\n", "\n</think>\n\n"])
    empties = ["".join(words), "", *filter(None, (thinking.get(key) for key in ("empty", "when_off", "when_dropped")))]
    return [
        (("thinking", "history"), ("drop", "keep", "switched", "remove")),
        (("thinking", "span"), ("between", "to_last_end")),
        (("thinking", "history_trim"), ("leading_newlines", "none", "newlines", "both")),
        (("thinking", "rewrite"), (False, True)),
        (("thinking", "when_dropped"), tuple(dict.fromkeys(("", thinking.get("when_dropped", ""))))),
        (("thinking", "empty"), tuple(dict.fromkeys(empties))),
        (("thinking", "empty_in"), ("learned", "last", "all")),
        (("thinking", "empty_after"), ("any", "user")),
        (("thinking", "empty_unless"), (None, "begins", "holds")),
        (("thinking", "empty_on"), tuple(dict.fromkeys((None, *empties)))),
        (("thinking", "empty_trained"), ("switched", "always")),
        (("trim", "assistant"), TRIMS),
        (("empty_system",), ("default", "omit", "keep")),
    ]


def cases(found: Thoughts) -> list[Case]:
    """Conversations with thoughts, in every mode."""
    start, end = (word.strip() for word in found.words or ("<think>", "</think>"))
    key = "reasoning_content"
    typed = {"role": "assistant", "content": f"{start}\n{thought(0)}\n{end}\n\nAq0qA"}
    headless = {"role": "assistant", "content": f"{thought(0)}\n{end}\n\nAq0qA"}
    padded = {"role": "assistant", "content": "\n\n Aq0qA \n"}
    given = reply(0, **{key: thought(0)})
    second = reply(1, **{key: thought(1)})
    conversations: dict[str, list[Message]] = {
        "first": chat(1),
        "first, system": chat(1, system()),
        "first, empty system": chat(1, system("")),
        "later": chat(3),
        "later, system": chat(3, system()),
        "thought": [user(0), given, user(1)],
        "thoughts": [user(0), given, user(1), second, user(2)],
        "one thought": [user(0), given, user(1), reply(1), user(2)],
        "padded": [user(0), padded, user(1)],
        "padded thought": [user(0), {**padded, key: thought(0)}, user(1)],
        "typed": [user(0), typed, user(1)],
        "typed end": [user(0), headless, user(1)],
    }
    replied: dict[str, list[Message]] = {
        "reply": chat(2),
        "replies": chat(4),
        "reply with thought": [user(0), given],
        "replies with thoughts": [user(0), given, user(1), second],
        "typed reply": [user(0), typed],
    }
    modes = (None, True, False) if found.switch else (None,)
    return [
        Case(f"thinking {mode}: {name}", tuple(messages), thinking=mode, replied=ends)
        for ends, group in ((False, conversations), (True, replied))
        for name, messages in group.items()
        for mode in modes
    ]
