"""What the targets share whose files cannot ask a tokenizer for its tokens: Ollama's and LMDeploy's."""

from __future__ import annotations

from typing import Literal

from ..catalogue.model import Part, Slot, Spec, Template


def token_text(spec: Spec, token: Literal["bos_token", "eos_token"]) -> str | None:
    """The text of the tokenizer's own token as the spec tells it (``serving.tokens``), or None where it does not."""
    text: str | None = spec.serving.get("tokens", {}).get(token)
    return text


def without_bos(slot: Slot, bos: str | None) -> Slot:
    """The slot without the BOS it begins with, be it the placeholder or the token's text: the engines add it."""
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
    """Every text at which generation stops: the stop words, and the end of turn where none of them covers it.

    A text that stands inside the words around a thought is left out: the model must write it and go on. Where the end
    of turn is the tokenizer's own EOS, its text is known only if the spec tells it; engines stop there by themselves.
    """
    stops = list(template.stop_words)
    end = next((part for part in template.end if part.kind != "break"), None)
    if end is not None and end.kind in ("text", "token", "eos"):
        written = end.value if end.kind != "eos" else token_text(spec, "eos_token") or ""
        if written.strip() and not any(written.startswith(stop) for stop in stops):
            stops.append(written.rstrip())
    words = template.thinking.words if template.thinking else ()
    return tuple(stop for stop in stops if not any(stop in word for word in words))
