"""Prompts that are served against prompts that are trained on: one finding for each kind of difference."""

from __future__ import annotations

from collections.abc import Mapping

from ..conversations import CORE
from ..prompt_differences import Difference, is_another
from .findings import Finding

_WORDS = {
    "default-system-lost": "the default system text that was trained with is not written where a request has none",
    "default-system-added": "a system text is written that was not trained with, where a request has none",
    "empty-system": "a system message that is empty is treated in another way",
    "system-layout": "the system turn is written in another way",
    "turn-layout": "turns are written in another way",
    "generation-prompt": "the prompt ends in another way, where the model begins to write",
    "thinking-prefill": "the thought mark that ends the prompt in one mode of thinking is another one or missing",
    "thought-layout": "thoughts in earlier replies are written, or left out, in another way",
    "tool-layout": "tools, calls or results are written in another way",
    "white-space": "white space is lost or added",
    "trimming": "white space around messages is cut off, or kept, unlike in training",
    "placeholder-missing": "the placeholder of an image, video or audio clip is not written as it was trained",
    "template-refuses": "it raises for conversations that the model was trained on",
    "bos-doubled": "the prompt begins with two BOS",
    "bos-missing": "the BOS that was trained with is not written",
    "bos-added": "a BOS is written that was not trained with",
}


def findings(found: Mapping[str, Difference], place: str, behaves_like: str | None = None) -> list[Finding]:
    """One finding per kind; where every core conversation is another format, the one that says so.

    ``behaves_like`` is the template that the text is in fact that of.
    """
    if is_another(found):
        told = f": it behaves like {behaves_like}" if behaves_like else ""
        text = f"the chat template is that of another format{told}"
        return [Finding("wrong-template", place, text, tuple(found), found[CORE[0]].example)]
    by_kind: dict[str, list[str]] = {}
    for name, kind in [(name, kind) for name, difference in found.items() for kind in difference.kinds]:
        by_kind.setdefault(kind, []).append(name)
    if set(CORE) & set(by_kind.get("white-space", ())):  # then padded messages add nothing
        by_kind["white-space"] += by_kind.pop("trimming", [])
    return [
        Finding(kind, place, _WORDS[kind], tuple(names), found[names[0]].example)
        for kind, names in sorted(by_kind.items(), key=lambda item: list(_WORDS).index(item[0]))
    ]
