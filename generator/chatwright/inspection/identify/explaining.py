"""What differs, in words: between two templates, and between one and a model's own chat template."""

from __future__ import annotations

from collections.abc import Iterable

from ...catalogue.model import MMPlugin
from ...characters import listing
from ...meaning.sandbox import DATE_MARKS
from ..conversations import CORE, TYPED, conversations, parts_unread
from ..prompt_differences import parting
from ..verify.writings import NO_BOS, NO_EOS, TRAINED, Equal, Writings
from .behaviour import Behaviour


def apart(writings: Writings, name: str, other: str, bos: str, eos: str) -> str:
    """In what two templates differ for a model with these tokens: prompts, training texts, stops, plugin."""
    ours, theirs = (writings.meaning(each, bos, eos) for each in (name, other))
    prompts = [key for key, a, b in zip(conversations(), ours[0], theirs[0], strict=True) if a != b]
    differing = [key for (key, _), a, b in zip(TRAINED, ours[1], theirs[1], strict=True) if a != b]
    headless = [_headless(writings, each, bos, eos) for each in (name, other)]
    said = []
    if prompts and headless[0] == headless[1]:
        said.append("the BOS in front, which one of them leaves to the tokenizer")
    elif prompts:
        said.append(f"their prompts of {listing(prompts, 4)}")
    if trained := [each for each in dict.fromkeys(differing) if each not in prompts]:
        said.append(f"the training texts of {listing(trained, 4)}")
    if ours[2] != theirs[2]:
        said.append(f"where generation stops ({_words(ours[2])}; {_words(theirs[2])})")
    if ours[3] != theirs[3]:
        said.append(f"the multimodal plugin ({_plugin(ours[3])}; {_plugin(theirs[3])})")
    return f"{name} and {other} differ in {', '.join(said)}"


def _headless(writings: Writings, name: str, bos: str, eos: str) -> dict[str, str]:
    """The prompts without their BOS."""
    told = {key: writings.prompt(name, key, bos, eos) for key in writings.prompts_of(name)}
    return {key: text.removeprefix(bos) for key, text in told.items() if text is not None}


def difference(writings: Writings, name: str, behaviour: Behaviour, equal: Equal) -> str:
    """The first conversation that a template writes in another way than the chat template; empty where there is none.

    Left aside are a BOS at the start, which some leave to the tokenizer, and what one of the two does not write at all,
    unless that is a conversation that any must write.
    """
    differing = []
    refused = []
    for conversation, text in behaviour.texts.items():
        due = writings.prompt(name, conversation, behaviour.bos, behaviour.eos)
        if not isinstance(text, str) or conversation in equal:
            continue
        if due is None:
            refused += [conversation] if conversation in CORE else []
        elif not (conversation == TYPED and parts_unread(text)):
            differing.append((conversation, due, text))
    if not differing:
        return f"{listing(refused)}: the template cannot write this" if refused else ""
    conversation, *sides = differing[0]
    due, text = (_told(side.removeprefix(behaviour.bos)) for side in sides)
    before, one, other = parting(due, text)
    place = f"after {before}" if before else "at the start"
    rest = f" (and {len(differing) - 1} more)" if differing[1:] else ""
    alike = "; behind a system message both write the same" if _only_headless(equal) else ""
    return f"{conversation}{rest}: {place} the template writes {one}, the model's own {other}{alike}"


def _only_headless(equal: Equal) -> bool:
    """Whether the default system text is what differs: plain conversations do, and are alike behind a system text."""
    headed = {name for name in CORE if conversations()[name].messages[0]["role"] == "system"}
    return equal.keys() & set(CORE) == headed


def _told(text: str) -> str:
    """A text with its marks as placeholders."""
    text = text.replace(NO_BOS, "{{bos_token}}").replace(NO_EOS, "{{eos_token}}")
    return text.replace(DATE_MARKS[0], "{{date:").replace(DATE_MARKS[1], "}}")


def _words(stops: Iterable[str]) -> str:
    return " ".join("its EOS" if word == NO_EOS else word for word in sorted(stops) if word) or "nowhere"


def _plugin(plugin: MMPlugin | None) -> str:
    return plugin.name if plugin else "none"
