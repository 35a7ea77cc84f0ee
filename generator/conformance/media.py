"""What sources other than the catalogue say stands for an image, a video or an audio clip in a prompt.

- LLaMA-Factory and ms-swift: what training writes in place of ``<image>``, as both hand a text to vLLM: before a
  processor makes as many tokens of one as the medium needs.
- vLLM: what it would write itself, by the architectures of the models that use a template.
- Publishers: what their chat templates write for a typed part between two texts.

A template's own framework counts (LLaMA-Factory where it has both); where its text has a token in it that only a
model's processor knows, vLLM and the publishers do. ``media.yaml`` lists what is left out, what follows another source,
and which sources say something else, each with its reason.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Literal

import yaml

from chatwright.catalogue.model import Template
from chatwright.catalogue.slots import numbered
from chatwright.meaning.conversation import MediaKind

Source = Literal["llamafactory", "swift", "vllm", "publishers"]
Agreement = Literal["same", "around", "within", "open", "differs"]
IDS = "\0"  # token ids in a text of ms-swift's
_OPEN = re.compile(r"\0|\{[a-z_]+_(?:token|sequence)\}")  # what stands in a text for tokens that it does not name
_ONE_TOKEN = r"(?:<[^<>]*>)"
_TAGS: Mapping[str, MediaKind] = {"vision": "image", "video": "video", "audio": "audio"}


@dataclass(frozen=True)
class Users:
    """What ms-swift's model types say of the multimodal models that use a template: architectures, and kinds by tag."""

    architectures: frozenset[str] = frozenset()
    kinds: frozenset[MediaKind] = frozenset()


@dataclass(frozen=True)
class Notes:
    """What was decided by hand, by template and kind.

    ``left_out`` gives the reason why a template has no word, ``follows`` the source that is followed though the
    template's own framework says something else, behind a text, and ``differs`` the sources that say something else
    than the word.
    """

    left_out: Mapping[str, Mapping[MediaKind, str]]
    follows: Mapping[str, Mapping[MediaKind, tuple[Source, str]]]
    differs: Mapping[str, Mapping[MediaKind, Mapping[Source, str]]]


@cache
def notes() -> Notes:
    """The notes of ``media.yaml``, in which one reason stands for many templates."""
    text = resources.files(__package__).joinpath("media.yaml").read_text(encoding="utf-8")
    left_out: dict[str, dict[MediaKind, str]] = {}
    follows: dict[str, dict[MediaKind, tuple[Source, str]]] = {}
    differs: dict[str, dict[MediaKind, dict[Source, str]]] = {}
    for note in yaml.safe_load(text):
        for name, kinds in note["templates"].items():
            for kind in kinds:
                if "follows" in note:
                    follows.setdefault(name, {})[kind] = (note["follows"], note.get("behind", ""))
                elif "differs" in note:
                    differs.setdefault(name, {}).setdefault(kind, {})[note["differs"]] = note["why"]
                else:
                    left_out.setdefault(name, {})[kind] = note["why"]
    return Notes(left_out, follows, differs)


def users(model_types: Mapping[str, Any]) -> dict[str, Users]:
    """The multimodal users of each of ms-swift's templates, by its name there."""
    found: dict[str, Users] = {}
    for meta in model_types.values():
        if meta["is_multimodal"]:
            tags = {*(meta["tags"] or ()), *(tag for group in meta["groups"] for tag in group["tags"] or ())}
            for name in {meta["template"], *(group.get("template") for group in meta["groups"])} - {None}:
                known = found.get(name, Users())
                kinds = known.kinds | {_TAGS[tag] for tag in tags if tag in _TAGS}
                found[name] = Users(known.architectures | {*meta["architectures"]}, kinds)
    return found


def swift_text(
    kind: MediaKind, texts: Mapping[str, Sequence[str] | None], users: Users, vllm: Mapping[MediaKind, Any], known: bool
) -> str | None:
    """What a template of ms-swift's writes for a kind of media, None where its models take none.

    A template's class may answer to kinds that its models do not take: with the tag itself, or with the text of
    another kind. ``texts`` holds its answers by kind, ``vllm`` what vLLM says by kind, if it knows the architecture.
    """
    given = texts.get(kind)
    if given is None:
        return None
    text, expected = numbered(*given), users.kinds or {"image"}
    others = {answer[0] for other in expected - {kind} if (answer := texts.get(other)) is not None}
    if kind in expected:
        taken = kind == "image" or not text or given[0] not in others
    else:
        taken = (kind in vllm if known else given[0] != f"<{kind}>") and given[0] not in others
    return text if taken else None


def due(template: Template, kind: MediaKind, said: Mapping[Source, Sequence[str]]) -> str | None:
    """The word that follows from what the sources say; None where nothing does, or it is left out."""
    found = notes()
    if kind in found.left_out.get(template.name, {}):
        return None
    if followed := found.follows.get(template.name, {}).get(kind):
        source, before = followed
        text = _one(said.get(source, ()))
        return None if text is None else before + text
    own = said.get("llamafactory") or said.get("swift") or ()
    if not own or not _OPEN.search(own[0]):
        return own[0] if own else None
    theirs = _one(said.get("vllm", ())) or _one(said.get("publishers", ())) or ""
    if IDS in own[0]:
        return own[0].replace(IDS, theirs) if theirs else None
    named = _pattern(own[0]).search(theirs)
    return named[0] if named else None


def agreement(word: str, texts: Sequence[str]) -> Agreement:
    """How the texts of a source go with a word.

    One is the ``same``, or is so with a token that it leaves ``open``; one stands in the word with something
    ``around`` it, or the word ``within`` one; or the source ``differs``.
    """
    if word in texts:
        return "same"
    if any(_OPEN.search(text) and _pattern(text).fullmatch(word) for text in texts):
        return "open"
    if any(text and text in word for text in texts):
        return "around"
    return "within" if word and any(word in text for text in texts) else "differs"


def _pattern(text: str) -> re.Pattern[str]:
    """What a text may be when its open tokens are named."""
    return re.compile(_ONE_TOKEN.join(map(re.escape, _OPEN.split(text))))


def _one(texts: Iterable[str]) -> str | None:
    """What all texts are, if they are one."""
    known = set(texts)
    return known.pop() if len(known) == 1 else None
