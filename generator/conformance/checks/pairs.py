"""Which built-ins of the two frameworks are one template: those of the same models that agree in every text.

Two built-ins agree if their prompts, training texts and masks are equal on every scenario that both can carry, if they
stop at the same words, and if the same stands for an image, a video or an audio clip (:mod:`.media` holds what their
templates here write against what they write). The tokenizer's own EOS, which every reply may end with, is not counted
as a stop word.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, get_args

from chatwright.catalogue.model import Catalogue, Template
from chatwright.inspection.registrations.differences import swift_meaning
from chatwright.meaning.conversation import MediaKind
from chatwright.meaning.runs import EOS, Run

from ..vectors import Truth
from .workbench import Report, Workbench


def check_pairs(bench: Workbench) -> Report:
    """Built-ins of the two frameworks that mean the same for the same models are one template, and only those."""
    report = Report("pairs")
    truths = {(truth.framework, truth.name): truth for truth in bench.recorded}
    pairs = sorted(_pairs(bench.catalogue))
    equal, one, prompts = [], [], 0
    for ours, theirs in pairs:
        name = bench.catalogue.templates[ours].registered["llamafactory"]
        other = bench.catalogue.templates[theirs].registered["swift"]
        left, right = truths.get(("llamafactory", str(name))), truths.get(("swift", str(other)))
        if left is None or right is None:
            continue  # one of them is from us alone
        agree = shared(left, right) > 0 and not differing(left, right)
        agree = agree and _media(bench.catalogue.templates[ours]) == _media(bench.catalogue.templates[theirs])
        prompts += left.prompt("plain") == right.prompt("plain")
        if agree:
            equal.append(f"{name} and {other}")
        if ours == theirs:
            one.append(f"{name} and {other}")
        if agree != (ours == theirs):
            what = "mean the same and are two templates" if agree else "are one template and do not mean the same"
            report.wrong.append(f"{name} of LLaMA-Factory and {other} of ms-swift {what}")
    report.lines.append(
        f"{len(pairs)} pairs of templates have models in common; {prompts} write the same plain prompt, {len(equal)} "
        f"agree in everything, {len(one)} are one template with two names: {', '.join(one)}"
    )
    return report


def shared(left: Truth, right: Truth) -> int:
    """How many texts both can write."""
    both = (
        (runs, right.texts[scenario][kind]) for scenario, kinds in left.texts.items() for kind, runs in kinds.items()
    )
    return sum(not isinstance(one, str) and not isinstance(other, str) for one, other in both)


def differing(left: Truth, right: Truth) -> list[str]:
    """Where LLaMA-Factory's and ms-swift's template differ: the texts of scenarios that both can carry, stop words."""
    found = []
    for scenario, kinds in left.texts.items():
        for kind, runs in kinds.items():
            other = right.texts[scenario][kind]
            if not isinstance(runs, str) and not isinstance(other, str) and _with_eos(runs, left) != other:
                found.append(f"{scenario}, {kind.value}")
    own = {left.eos, EOS}
    if set(left.fields["stop_words"]) - own != _stop_words(right.fields) - own:
        found.append("stop words")
    return found


def _with_eos(runs: tuple[Run, ...], truth: Truth) -> tuple[Run, ...]:
    return runs if truth.eos == EOS else tuple((text.replace(EOS, truth.eos), trained) for text, trained in runs)


def _stop_words(fields: Mapping[str, Any]) -> set[str]:
    words = map(json.loads, swift_meaning(fields, "stop_words"))
    return {word for word in words if isinstance(word, str)}


def _media(template: Template) -> list[str | None]:
    return [getattr(template.slots, kind) for kind in get_args(MediaKind)]


def _pairs(catalogue: Catalogue) -> set[tuple[str, str]]:
    """The templates, LLaMA-Factory's and ms-swift's, of every checkpoint that both list."""
    found = set()
    for spec in catalogue.specs:
        for group in spec.models:
            for checkpoint in group.checkpoints:
                ours, theirs = (group.template_for(framework, checkpoint) for framework in ("llamafactory", "swift"))
                if checkpoint.name and group.model_type and ours and theirs:
                    found.add((ours, theirs))
    return found
