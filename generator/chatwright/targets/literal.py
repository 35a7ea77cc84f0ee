"""Shared by Ollama's and LMDeploy's targets, whose files cannot get tokens from a tokenizer."""

from __future__ import annotations

from typing import Literal

from ..catalogue.model import Part, Slot, Spec, Template
from ..catalogue.slots import split_content


def token_text(spec: Spec, token: Literal["bos_token", "eos_token"]) -> str | None:
    """The text of the tokenizer's own token from the spec (``serving.tokens``); None if the spec has none."""
    text: str | None = spec.serving.get("tokens", {}).get(token)
    return text


def without_bos(slot: Slot, bos: str | None) -> Slot:
    """The slot without a BOS at its beginning, as placeholder or as text: the engines add the BOS."""
    if slot and slot[0].kind == "bos":
        return slot[1:]
    if slot and bos and slot[0].kind in ("text", "token") and slot[0].value.startswith(bos):
        left = slot[0].value[len(bos) :]
        return (Part(slot[0].kind, left), *slot[1:]) if left else slot[1:]
    return slot


def begins_with_bos(slot: Slot, bos: str | None) -> bool:
    """Whether the slot begins with BOS."""
    return without_bos(slot, bos) != slot


def stop_texts(spec: Spec, template: Template) -> tuple[str, ...]:
    """Every text at which generation stops: the stop words, and the ends of turns that no stop word covers.

    A turn that calls tools may have its own end. Texts are left out if the model writes them before a reply is
    complete: the words around a thought, and the text before a reply or a call. If a turn ends with the tokenizer's
    own EOS, its text is known only from the spec; engines stop there anyway.
    """
    stops = list(template.stop_words)
    function_head, function_end = split_content(template.slots.function)
    ends = (template.end, function_end) if template.tool_format else (template.end,)
    for end in (next((part for part in slot if part.kind != "break"), None) for slot in ends):
        if end is not None and end.kind in ("text", "token", "eos"):
            written = end.value if end.kind != "eos" else token_text(spec, "eos_token") or ""
            if written.strip() and not any(written.startswith(stop) for stop in stops):
                stops.append(written.rstrip())
    heads = (split_content(template.slots.body)[0], split_content(template.slots.last)[0], function_head)
    onward = [part.value for head in heads for part in head]
    onward += template.thinking.words if template.thinking else ()
    return tuple(stop for stop in stops if not any(stop in word for word in onward))
