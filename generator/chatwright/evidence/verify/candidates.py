"""Which template of the catalogue a chat template is: the one whose prompts it writes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from difflib import SequenceMatcher

from ...catalogue.model import Catalogue, Template
from ...errors import Unsupported
from ...meaning.render import Kind
from ..vectors import EOS, Run, piece_runs
from .folder import ModelFolder
from .prompts import Texts, conversations, trained
from .texts import CORE
from .vocabulary import missing

# What a chat template is told by first: what any must write, and whether it knows thinking and tools.
BASIC = (*CORE, "thinking_on", "thinking_off", "tools_offered", "tool_result")
_NEAR = 0.6  # the least likeness of texts that is worth naming


@dataclass(frozen=True)
class Identity:
    """The template that a chat template agrees with best.

    ``same`` are further names that mean the same in everything, ``others`` those that agree just as far and mean
    something else. ``known`` says whether the agreement holds for conversations that any template must write; else the
    template is only the nearest.
    """

    template: Template
    same: tuple[str, ...]
    others: tuple[str, ...]
    known: bool


def identify(catalogue: Catalogue, folder: ModelFolder, texts: Texts, today: date) -> Identity | None:
    """The best candidate, None where nothing is near.

    What agrees in most of the :data:`BASIC` conversations is best, then in most of all, then also in the BOS. Among
    equals, those come first whose models have the architecture that config.json names, whose markers the vocabulary
    has, that most checkpoints use, and then the alphabet.
    """
    equal = {name: _equal(template, folder, texts, today) for name, template in catalogue.templates.items()}
    most = max(map(_agreement, equal.values()))
    best = [name for name, found in equal.items() if _agreement(found) == most]
    if len(equal[best[0]].keys() & set(CORE)) < len(CORE) / 2:
        nearest = _nearest(catalogue, folder, texts, today)
        if nearest is None:
            return None
        template = catalogue.templates[nearest]
        return Identity(template, same_meaning(catalogue, template, today), (), False)
    users = _users(catalogue, set(folder.config.get("architectures") or ()))

    def rank(name: str) -> tuple[bool, bool, int, str]:
        architecture, checkpoints = users.get(name, (False, 0))
        return not architecture, bool(missing(catalogue.templates[name], folder)), -checkpoints, name

    template = catalogue.templates[min(best, key=rank)]
    same = same_meaning(catalogue, template, today)
    others = tuple(name for name in sorted(best, key=rank) if name != template.name and name not in same)
    return Identity(template, same, others, True)


def same_meaning(catalogue: Catalogue, template: Template, today: date) -> tuple[str, ...]:
    """The other templates that write the same prompts and training texts and stop at the same words."""
    texts = [(name, kind) for name in conversations() for kind in Kind]
    meaning = [_runs(template, name, kind, today) for name, kind in texts]
    return tuple(
        other.name
        for other in catalogue.templates.values()
        if other.name != template.name
        and _stops(other) == _stops(template)
        and all(_runs(other, *text, today) == runs for text, runs in zip(texts, meaning, strict=True))
    )


def _equal(template: Template, folder: ModelFolder, texts: Texts, today: date) -> dict[str, bool]:
    """The conversations in which the chat template writes the template's prompt, and whether its BOS, too."""
    prompts, _ = trained(template, folder, today)
    return {
        name: text == prompt.text
        for name, prompt in prompts.items()
        if isinstance(text := texts[name], str)
        and text.removeprefix(folder.bos) == prompt.text.removeprefix(folder.bos)
    }


def _agreement(equal: dict[str, bool]) -> tuple[int, int, int]:
    return len(equal.keys() & set(BASIC)), len(equal), sum(equal.values())


def _nearest(catalogue: Catalogue, folder: ModelFolder, texts: Texts, today: date) -> str | None:
    """The template whose text of two core conversations is most like the chat template's."""
    likeness: dict[str, float] = {}
    for name, template in catalogue.templates.items():
        prompts, _ = trained(template, folder, today)
        ratios = [
            SequenceMatcher(None, text, prompts[core].text, autojunk=False).ratio()
            for core in ("plain", "system_multi")
            if core in prompts and isinstance(text := texts[core], str)
        ]
        if ratios:
            likeness[name] = sum(ratios) / len(ratios)
    best = max(likeness, key=lambda name: likeness[name], default=None)
    return best if best is not None and likeness[best] >= _NEAR else None


def _users(catalogue: Catalogue, architectures: set[str]) -> dict[str, tuple[bool, int]]:
    """Of every template: whether models of these architectures use it, and how many checkpoints do."""
    found: dict[str, tuple[bool, int]] = {}
    for spec in catalogue.specs:
        for group in spec.models:
            model_type = catalogue.model_types.get(group.model_type or "")
            fits = model_type is not None and bool(architectures & set(model_type.architectures))
            for name in {group.template, *(group.template_for(framework) for framework in ("llamafactory", "swift"))}:
                if name is not None:
                    before = found.get(name, (False, 0))
                    found[name] = (before[0] or fits, before[1] + len(group.checkpoints))
    return found


def _runs(template: Template, name: str, kind: Kind, today: date) -> tuple[Run, ...] | None:
    try:
        return piece_runs(conversations()[name].pieces(template, kind, today), EOS)
    except Unsupported:
        return None


def _stops(template: Template) -> set[str]:
    return set(template.stop_words)
