"""Publishers' own chat templates as truth: which turns, beyond those that alternate, their formats carry.

The templates are not part of this repository; what is recorded of them in ``tests/vectors/publishers`` are the hashes
of their texts and of what they write. A publisher's template speaks for the catalogue's templates of the models whose
repository it comes from, and only where it writes the same as they do while the roles take turns: without a system
message, or behind one (each is a *variant* of a conversation). A BOS at the start is left aside, since some templates
leave it to the tokenizer.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Literal, get_args

import yaml

from ..catalogue.build import FRAMEWORKS, HUBS
from ..catalogue.json_writer import json_text
from ..catalogue.model import Catalogue, Template, Turns
from ..meaning.conversation import Message, irregularities
from .scenarios import scenarios
from .vectors import TODAY

REGULAR = ("plain", "multi")  # the scenarios on which a publisher's template must write what ours does
VARIANTS = ("", " behind a system message")
WORDS: tuple[Turns, ...] = get_args(Turns)

Verdict = Literal["same", "raises", "differs", "mixed", "unknown"]
Write = Callable[[Template, "Publisher", Sequence[Message]], str | None]


@dataclass(frozen=True)
class Publisher:
    """What a publisher's template writes; ``repo`` is where it comes from.

    ``bos`` and ``eos`` are the model's tokens where they are known. ``texts`` holds the digest of the prompt of each
    conversation, None where the template raises.
    """

    id: str
    repo: str
    sha256: str
    bos: str | None
    eos: str | None
    texts: Mapping[str, str | None]


@cache
def conversations() -> Mapping[str, tuple[Message, ...]]:
    """Every conversation by the name of its variant, those in which the roles take turns first."""
    file = resources.files(__package__).joinpath("irregular.yaml")
    data = yaml.safe_load(file.read_text(encoding="utf-8"))
    plain = {name: scenarios()[name].asked for name in REGULAR} | {
        name: tuple(messages) for name, messages in data["conversations"].items()
    }
    heads: tuple[tuple[Message, ...], ...] = ((), (data["system"],))
    return {
        name + variant: head + messages
        for variant, head in zip(VARIANTS, heads, strict=True)
        for name, messages in plain.items()
    }


@cache
def needs(conversation: str) -> frozenset[Turns]:
    """What a template must carry to write a conversation; nothing where the roles take turns."""
    return irregularities(conversations()[conversation])


def digest(text: str, bos: str | None) -> str:
    """What is recorded of a text."""
    return hashlib.sha256(text.removeprefix(bos or "").encode()).hexdigest()[:16]


def load_publishers(
    file: Path, names: Iterable[str], write: Callable[[str, Mapping[str, Any]], str | None]
) -> list[Publisher]:
    """The publishers' templates of a collection (JSON lines) whose repository is among the names of models.

    ``write`` renders the text of a template with variables, None where it raises.
    """
    known = {name.casefold() for name in names}
    found = []
    with file.open(encoding="utf-8") as lines:
        for data in map(json.loads, lines):
            if (data["hf_repo_guess"] or "").casefold() in known:
                found.append(_publisher(data, write))
    return sorted(found, key=lambda publisher: publisher.id)


def _publisher(data: Mapping[str, Any], write: Callable[[str, Mapping[str, Any]], str | None]) -> Publisher:
    source, bos, eos = data["chat_template"], data["bos_token"], data["eos_token"]
    texts = {name: write(source, variables(messages, bos, eos)) for name, messages in conversations().items()}
    return Publisher(
        id=data["id"],
        repo=data["hf_repo_guess"],
        sha256=hashlib.sha256(source.encode()).hexdigest(),
        bos=bos,
        eos=eos,
        texts={name: None if text is None else digest(text, bos) for name, text in texts.items()},
    )


def variables(messages: Sequence[Message], bos: str | None, eos: str | None) -> dict[str, Any]:
    """What ``apply_chat_template`` hands to a template for a prompt; tokens that are not there it leaves out."""
    given: dict[str, Any] = {"messages": [dict(message) for message in messages], "tools": None, "documents": None}
    tokens = {key: token for key, token in (("bos_token", bos), ("eos_token", eos)) if token is not None}
    return {**given, **tokens, "add_generation_prompt": True}


def publishers_by_template(publishers: Iterable[Publisher], catalogue: Catalogue) -> dict[str, list[Publisher]]:
    """The publishers' templates that speak for each template, as far as there are any.

    They are those of the models that use it; or, where none of these is known, those of its family's other models.
    """
    by_repo: dict[str, list[Publisher]] = {}
    for publisher in publishers:
        by_repo.setdefault(publisher.repo.casefold(), []).append(publisher)
    own: dict[str, list[Publisher]] = {}
    by_family: dict[str, list[Publisher]] = {}
    for model in models(catalogue):
        for publisher in by_repo.get(model.id.casefold(), ()):
            for heard in (own.setdefault(model.template, []), by_family.setdefault(model.family, [])):
                if publisher not in heard:
                    heard.append(publisher)
    found = {name: own.get(name) or by_family.get(each.family) for name, each in catalogue.templates.items()}
    return {name: sorted(heard, key=lambda each: each.id) for name, heard in found.items() if heard}


@dataclass(frozen=True)
class Model:
    """A model by an id it has on some hub, and a template that a framework uses for it."""

    id: str
    family: str
    template: str


def models(catalogue: Catalogue) -> Iterator[Model]:
    """Every model of the catalogue under each of its ids, with each of its templates."""
    for spec in catalogue.specs:
        for group in spec.models:
            for checkpoint in group.checkpoints:
                for framework in FRAMEWORKS:
                    own = checkpoint.targets.get(framework, {})
                    ids = {**checkpoint.ids, **{hub: own[hub] for hub in HUBS if hub in own}}
                    template = group.template_for(framework, checkpoint)
                    yield from (Model(str(id), spec.name, template) for id in ids.values() if id and template)


@dataclass(frozen=True)
class Finding:
    """What publishers' templates say about one of ours.

    ``verdicts`` tells by word whether they write what ours would: ``same``, ``raises``, ``differs``, ``mixed`` (they
    do not agree with each other), ``unknown`` (none writes what ours does where the roles take turns). ``wrong`` are
    the conversations, of those that need nothing but what is the same, which still differ, in words.
    """

    verdicts: Mapping[Turns, Verdict]
    wrong: tuple[str, ...]

    @property
    def turns(self) -> frozenset[Turns]:
        """What the template should say it carries."""
        return frozenset(word for word, verdict in self.verdicts.items() if verdict == "same")


def find(template: Template, publishers: Sequence[Publisher], write: Write) -> Finding:
    """Hold a template against its publishers'; ``write`` renders it, told to carry everything, None where it raises."""
    heard: dict[str, set[Verdict]] = {}
    for publisher in publishers:
        for variant in VARIANTS:
            ours: dict[str, str | None] = {}
            for name in (name for name in conversations() if _variant(name) == variant):
                text = write(template, publisher, conversations()[name])
                ours[name] = None if text is None else digest(text, publisher.bos)
            regular = [name for name in ours if not needs(name)]
            if any(ours[name] is None or ours[name] != publisher.texts[name] for name in regular):
                continue
            for name in ours.keys() - regular:
                due = publisher.texts[name]
                verdict: Verdict = "raises" if due is None else "same" if due == ours[name] else "differs"
                heard.setdefault(name, set()).add(verdict)
    verdicts = {word: _verdict([heard[name] for name in heard if needs(name) == {word}]) for word in WORDS}
    finding = Finding(verdicts, ())
    wrong = [
        f"{name}: {', '.join(sorted(heard[name]))}"
        for name in conversations()
        if name in heard and needs(name) <= finding.turns and heard[name] != {"same"}
    ]
    return Finding(verdicts, tuple(wrong))


def _variant(name: str) -> str:
    return VARIANTS[name.endswith(VARIANTS[1])]


def _verdict(heard: Sequence[set[Verdict]]) -> Verdict:
    found = set().union(*heard)
    if not found:
        return "unknown"
    return found.pop() if len(found) == 1 else "mixed"


def dump_publishers(publishers: Sequence[Publisher], findings: Mapping[str, Finding]) -> str:
    """The text of the file that holds what publishers' templates write and what follows for the catalogue's."""
    data = {
        "today": TODAY.isoformat(),
        "publishers": {
            publisher.id: {
                "repo": publisher.repo,
                "sha256": publisher.sha256,
                "bos": publisher.bos,
                "eos": publisher.eos,
                "texts": publisher.texts,
            }
            for publisher in publishers
        },
        "templates": {name: dict(finding.verdicts) for name, finding in sorted(findings.items())},
    }
    return json_text(data, depth=3)


def read_publishers(text: str) -> tuple[list[Publisher], dict[str, dict[Turns, Verdict]]]:
    """What :func:`dump_publishers` wrote: the publishers, and the verdicts of each template."""
    data = json.loads(text)
    return [Publisher(id=name, **fields) for name, fields in data["publishers"].items()], data["templates"]
