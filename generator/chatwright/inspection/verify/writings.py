"""What the catalogue's templates write of every conversation, rendered once, and found by the text.

So a chat template is told by looking its texts up, however many templates there are. BOS and EOS stand as marks in what
is rendered, and a table has them as the tokens of the model that is asked about.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import date
from functools import cached_property, lru_cache

from ...catalogue.model import Catalogue, MMPlugin, Template
from ...errors import Unsupported
from ...meaning.render import Kind, to_text
from ...meaning.runs import Run, normal
from ..conversations import CORE, Texts, conversations

# What a chat template is told by first: what any must write, and whether it knows thinking and tools.
BASIC = (*CORE, "thinking_on", "thinking_off", "tools_offered", "tool_result")
NO_BOS, NO_EOS = "\ue002", "\ue003"  # of a model whose tokens are not known; no template writes them by itself
_LIKE = ("plain", "system_multi")
_NEAR = 0.5  # the least likeness of texts that is worth naming: what they share of their runs of this many characters
_GRAM = 4
_LONG = 20_000  # how many characters are looked at for that

Equal = Mapping[str, bool]  # the conversations that are written alike, and whether their BOS is, too
Table = Mapping[str, Mapping[str, tuple[tuple[str, bool], ...]]]  # conversation -> text -> templates, and whether a BOS
# What two templates of one meaning share: all texts with what is learned, where they stop, the plugin.
_Runs = tuple[tuple[Run, ...] | None, ...]
Meaning = tuple[tuple[str | None, ...], _Runs, frozenset[str], MMPlugin | None]
TRAINED = tuple((conversation, kind) for conversation in conversations() for kind in Kind if kind is not Kind.PROMPT)


class Writings:
    """The texts of a catalogue's templates on one day."""

    def __init__(self, catalogue: Catalogue, today: date) -> None:
        self.catalogue = catalogue
        self.today = today
        self.prompts_of = lru_cache(maxsize=None)(self._prompts_of)
        self.table = lru_cache(maxsize=64)(self._table)
        self.meaning = lru_cache(maxsize=1024)(self._meaning)
        self._runs = lru_cache(maxsize=None)(self._all_runs)

    @cached_property
    def prompts(self) -> Mapping[str, Mapping[str, str]]:
        """The prompts by template and conversation, as :meth:`prompts_of` has them."""
        return {name: self.prompts_of(name) for name in self.catalogue.templates}

    def _prompts_of(self, name: str) -> Mapping[str, str]:
        """One template's prompts, with marks for BOS and EOS; what it cannot carry is left out."""
        found: dict[str, str] = {}
        for scenario in conversations().values():
            try:
                pieces = scenario.pieces(self.catalogue.templates[name], Kind.PROMPT, self.today)
            except Unsupported:
                continue
            found[scenario.name] = to_text(pieces, bos=NO_BOS, eos=NO_EOS)
        return found

    def prompt(self, template: str, conversation: str, bos: str, eos: str) -> str | None:
        """One prompt with a model's tokens, None where the template cannot carry it."""
        text = self.prompts_of(template).get(conversation)
        return None if text is None else _with_tokens(text, bos, eos)

    def equal(self, texts: Texts, bos: str, eos: str) -> dict[str, dict[str, bool]]:
        """By template, the conversations of which it writes the texts; those that write none of them are left out."""
        table = self.table(bos, eos)
        found: dict[str, dict[str, bool]] = {}
        for conversation, text in texts.items():
            if isinstance(text, str):
                headed = text.startswith(bos)
                for name, own in table[conversation].get(text.removeprefix(bos), ()):
                    found.setdefault(name, {})[conversation] = own == headed
        return found

    def nearest(self, texts: Texts, bos: str, eos: str) -> str | None:
        """The template whose texts of two core conversations have most in common with these, None where none has."""
        likeness: dict[str, float] = defaultdict(float)
        asked = {core: text[:_LONG] for core in _LIKE if isinstance(text := texts.get(core), str)}
        for core, text in asked.items():
            marked = text.replace(bos, NO_BOS) if bos else text
            own = _grams(marked.replace(eos, NO_EOS) if eos else marked)
            for name, grams in self._grams[core].items():
                likeness[name] += 2 * len(own & grams) / (len(own) + len(grams)) / len(asked)
        best = max(likeness, key=lambda name: likeness[name], default=None)
        return best if best is not None and likeness[best] >= _NEAR else None

    def same_meaning(self, name: str) -> tuple[str, ...]:
        """The other templates that write the same prompts and training texts and stop at the same words."""
        return tuple(
            other
            for other, prompts in self.prompts.items()
            if other != name
            and prompts == self.prompts[name]
            and self._runs(other) == self._runs(name)
            and self._stops(other) == self._stops(name)
        )

    def _table(self, bos: str, eos: str) -> Table:
        found: dict[str, dict[str, list[tuple[str, bool]]]] = {name: {} for name in conversations()}
        for name, prompts in self.prompts.items():
            for conversation, marked in prompts.items():
                text = _with_tokens(marked, bos, eos)
                found[conversation].setdefault(text.removeprefix(bos), []).append((name, text.startswith(bos)))
        return {name: {text: tuple(names) for text, names in by_text.items()} for name, by_text in found.items()}

    def _meaning(self, name: str, bos: str, eos: str) -> Meaning:
        """What a template means for a model with these tokens: one that writes its BOS by name means the same."""
        runs = tuple(
            None if each is None else normal([(_with_tokens(text, bos, eos), on) for text, on in each])
            for each in self._runs(name)
        )
        prompts = tuple(self.prompt(name, conversation, bos, eos) for conversation in conversations())
        return prompts, runs, self._stops(name) | {eos}, self.catalogue.templates[name].mm_plugin

    def _stops(self, name: str) -> frozenset[str]:
        return frozenset(self.catalogue.templates[name].stop_words)

    def _all_runs(self, name: str) -> _Runs:
        template = self.catalogue.templates[name]
        return tuple(_runs(template, each, kind, self.today) for each, kind in TRAINED)

    @cached_property
    def _grams(self) -> Mapping[str, Mapping[str, frozenset[str]]]:
        return {
            core: {name: _grams(prompts[core]) for name, prompts in self.prompts.items() if core in prompts}
            for core in _LIKE
        }


_last: list[Writings] = []


def writings_of(catalogue: Catalogue, today: date) -> Writings:
    """The writings of a catalogue; those asked for last are kept."""
    if not (_last and _last[0].catalogue is catalogue and _last[0].today == today):
        _last[:] = [Writings(catalogue, today)]
    return _last[0]


def agreement(equal: Equal) -> tuple[int, int, int]:
    """How far texts are equal: in how many basic conversations, then in how many of all, then also in the BOS."""
    return len(equal.keys() & set(BASIC)), len(equal), sum(equal.values())


def _with_tokens(text: str, bos: str, eos: str) -> str:
    return text.replace(NO_BOS, bos).replace(NO_EOS, eos)


def _grams(text: str) -> frozenset[str]:
    return frozenset(text[place : place + _GRAM] for place in range(max(1, len(text) - _GRAM + 1)))


def _runs(template: Template, name: str, kind: Kind, today: date) -> tuple[Run, ...] | None:
    try:
        pieces = conversations()[name].pieces(template, kind, today)
    except Unsupported:
        return None
    own = {"bos": NO_BOS, "eos": NO_EOS}
    return normal([(own.get(piece.kind, piece.text), piece.trained) for piece in pieces])
