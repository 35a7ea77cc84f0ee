"""Prompts that are served against prompts that are trained on: where they part, and what kind of difference it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ...catalogue.model import Slot, Template
from ...meaning.sandbox import Refused
from ...meaning.visible import visible
from ..token_ids import first_difference
from .findings import Divergence, Finding
from .folder import ModelFolder
from .prompts import MEDIA, Texts, Trained

CORE = ("plain", "multi", "system", "system_multi")  # conversations that any chat template must write
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
TYPED = "typed_text"  # the conversation whose content is a list of texts
_AROUND = 24  # characters shown in front of a difference, and of each side


@dataclass(frozen=True)
class Difference:
    """How one conversation's served prompt differs: the kinds, the first one shown."""

    kinds: tuple[str, ...]
    example: Divergence


def differences(
    template: Template, folder: ModelFolder, prompts: Mapping[str, Trained], texts: Texts
) -> dict[str, Difference]:
    """The differences by conversation; those that are served as they were trained are left out."""
    found = {}
    for name, prompt in prompts.items():
        text = texts[name]
        if text != prompt.text and not (name == TYPED and parts_unread(text)):
            found[name] = _difference(template, folder, prompt, text)
    return found


def findings(found: Mapping[str, Difference], place: str, behaves_like: str | None = None) -> list[Finding]:
    """One finding per kind; where every core conversation is another format, the one that says so.

    ``behaves_like`` is the template that the text is in fact that of.
    """
    if is_another(found):
        told = f": it behaves like {behaves_like}" if behaves_like else ""
        text = f"the chat template is that of another format{told}"
        return [Finding("wrong-template", place, text, tuple(found), found[CORE[0]].example)]
    by_kind: dict[str, list[str]] = {}
    for name, difference in found.items():
        for kind in difference.kinds:
            by_kind.setdefault(kind, []).append(name)
    if set(CORE) & set(by_kind.get("white-space", ())):  # then padded messages tell nothing more
        by_kind["white-space"] += by_kind.pop("trimming", [])
    return [
        Finding(kind, place, _WORDS[kind], tuple(names), found[names[0]].example)
        for kind, names in sorted(by_kind.items(), key=lambda item: list(_WORDS).index(item[0]))
    ]


def is_another(found: Mapping[str, Difference]) -> bool:
    """Whether the differences are those of another format: in the layout of every core conversation."""
    core = {found[name].kinds[-1] for name in CORE if name in found}
    return found.keys() >= set(CORE) and core <= {"turn-layout", "system-layout", "generation-prompt"}


def parts_unread(text: str | Refused) -> bool:
    """Whether a template takes content for a text only; servers then join the parts themselves."""
    return isinstance(text, Refused) or "'type': 'text'" in text


def _difference(template: Template, folder: ModelFolder, prompt: Trained, text: str | Refused) -> Difference:
    if isinstance(text, Refused):
        example = Divergence(prompt.scenario.name, "", visible(prompt.text[: 2 * _AROUND]), f"(raises: {text.reason})")
        kind = "placeholder-missing" if prompt.scenario.name in MEDIA else None
        return Difference((kind or ("tool-layout" if _uses_tools(prompt) else "template-refuses"),), example)
    kinds, expected, got = [], prompt.text, text
    if folder.bos:
        due, written = (_count_bos(side, folder.bos) for side in (expected, got))
        if due != written:
            kinds.append("bos-doubled" if written > max(due, 1) else "bos-missing" if written < due else "bos-added")
            expected, got = expected[due * len(folder.bos) :], got[written * len(folder.bos) :]
    example = divergence(prompt.scenario.name, prompt.text, text)
    if expected != got:
        kinds.append(_kind(template, prompt, expected, got))
    return Difference(tuple(kinds), example)


def divergence(conversation: str, expected: str, got: str) -> Divergence:
    """Where two texts part, made visible."""
    start = first_difference(expected, got)
    before = ("…" if start > _AROUND else "") + visible(expected[max(0, start - _AROUND) : start])
    return Divergence(conversation, before, _clip(expected[start:]), _clip(got[start:]))


def _clip(text: str) -> str:
    return visible(text[:_AROUND]) + ("…" if len(text) > _AROUND else "") if text else "(nothing more)"


def _kind(template: Template, prompt: Trained, expected: str, got: str) -> str:
    scenario, start = prompt.scenario, first_difference(expected, got)
    rest = len(expected) - start
    if scenario.name in MEDIA and str(getattr(template.slots, scenario.name)) not in got:
        return "placeholder-missing"
    if "".join(expected.split()) == "".join(got.split()):
        return "trimming" if is_padded(prompt) else "white-space"
    opener, mark = _tail(template, prompt)
    if template.thinking and rest <= len(mark):
        return "thinking-prefill"
    if rest <= len(opener) + len(mark):
        return "generation-prompt"
    given = scenario.messages[0]["role"] == "system"
    default = _constant(template.default_system)
    if default and default in expected and default not in got:
        return "default-system-lost"
    if given and not scenario.messages[0]["content"]:
        return "empty-system"
    if _uses_tools(prompt):
        return "tool-layout"
    if got.endswith(_from_first_turn(prompt)):
        return "system-layout" if given else "default-system-lost" if default else "default-system-added"
    thoughts = any(message.get("reasoning_content") for message in scenario.asked)
    if thoughts or scenario.name.startswith("thinking"):
        return "thought-layout"
    if _role_at(prompt, len(prompt.text) - rest) == "system":
        return "system-layout"
    return "turn-layout"


def is_padded(prompt: Trained) -> bool:
    """Whether a message of the conversation begins or ends with white space."""
    contents = [message.get("content") for message in prompt.scenario.messages]
    return any(isinstance(content, str) and content != content.strip() for content in contents)


def _uses_tools(prompt: Trained) -> bool:
    return bool(prompt.scenario.tools) or any(message.get("tool_calls") for message in prompt.scenario.asked)


def _tail(template: Template, prompt: Trained) -> tuple[str, str]:
    """The end of a prompt in two parts: the opener of the reply, and the thought mark of the mode behind it."""
    texts: list[str] = []
    for piece, text in zip(reversed(prompt.pieces), reversed(prompt.texts), strict=True):
        if piece.role != "assistant":
            break
        texts.insert(0, text)
    marks = (template.thinking.when_on, template.thinking.when_off) if template.thinking else ()
    mark = texts.pop() if texts and texts[-1] in marks else ""
    return "".join(texts), mark


def _from_first_turn(prompt: Trained) -> str:
    """The prompt from its first turn on, without the head; the whole where there is none."""
    roles = [piece.role for piece in prompt.pieces]
    first = next((index for index, role in enumerate(roles) if role not in ("prefix", "system")), 0)
    return "".join(prompt.texts[first:])


def _role_at(prompt: Trained, index: int) -> str:
    for piece, text in zip(prompt.pieces, prompt.texts, strict=True):
        if index < len(text):
            return piece.role
        index -= len(text)
    return prompt.pieces[-1].role


def _constant(slot: Slot | None) -> str:
    return "".join(part.value for part in slot or () if part.kind == "text").strip()


def _count_bos(text: str, bos: str) -> int:
    count = 0
    while text.startswith(bos * (count + 1)):
        count += 1
    return count
