"""Publishers' own chat templates as truth: what they write, and which turns beyond those that alternate they carry.

The templates are not part of this repository. What is recorded of them in ``tests/vectors/publishers`` are the hashes
of their texts, what they write for every scenario (``texts.json``, by its digest), and digests of what they write for
conversations that do not alternate. A BOS at the start is left aside, since some templates leave it to the tokenizer.

A publisher's template speaks for the catalogue's templates of the models whose repository it comes from: how each
compares with it, :mod:`.comparison` tells. On turns it has a word only where it writes the same as they do while the
roles take turns: without a system message, or behind one (each is a *variant* of a conversation).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Literal, get_args

import yaml

from chatwright.catalogue.build import FRAMEWORKS, HUBS
from chatwright.catalogue.model import Catalogue, Template, Turns
from chatwright.inspection import rendering
from chatwright.json_writer import json_text
from chatwright.meaning.conversation import Message, irregularities
from chatwright.meaning.runs import TODAY
from chatwright.meaning.sandbox import Refused, TemplateFailed, Workshop
from chatwright.meaning.scenarios import Scenario, scenarios

REGULAR = ("plain", "multi")  # the scenarios on which a publisher's template must write what ours does
VARIANTS = ("", " behind a system message")
WORDS: tuple[Turns, ...] = get_args(Turns)
SWITCHES = ("enable_thinking", "thinking")  # what formats call the variable that turns thinking on and off

Verdict = Literal["same", "raises", "differs", "mixed", "unknown"]
Write = Callable[[Template, "Publisher", Sequence[Message]], str | None]
WriteAll = Callable[[str, Sequence[Mapping[str, Any]]], Sequence[str | Refused]]

_TEMPLATES, _TEXTS, _TURNS = "templates.json", "texts.json", "turns.json"
_REASON = 120  # characters of what a template says when it raises
_PYTHON = re.compile(r"^(\w*(?:Error|Exception))\b.*", re.DOTALL)


@dataclass(frozen=True)
class Publisher:
    """What a publisher's template writes; ``repo`` is where it comes from.

    ``bos`` and ``eos`` are the model's tokens where they are known. ``texts`` holds the digest of the prompt of each
    conversation and scenario, None where the template raises; ``raises`` what it says then, by scenario. ``source`` is
    the place and revision the template was read from, ``verbatim`` whether that place says that it is the publisher's
    own text and no copy of a third party's. ``writes_bos`` tells whether the template begins with the BOS itself.
    """

    id: str
    repo: str
    sha256: str
    bos: str | None
    eos: str | None
    texts: Mapping[str, str | None]
    raises: Mapping[str, str] = field(default_factory=dict)
    source: str = ""
    verbatim: bool = False
    writes_bos: bool = False


@dataclass(frozen=True)
class Record:
    """Publishers' templates, and the texts of the scenarios by digest, without the BOS at their start."""

    publishers: tuple[Publisher, ...]
    texts: Mapping[str, str]

    def text(self, publisher: Publisher, scenario: str) -> str | Refused:
        """What a publisher's template writes for a scenario, or what it says instead."""
        found = publisher.texts[scenario]
        return Refused(publisher.raises.get(scenario, "")) if found is None else self.texts[found]


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
    return hashlib.sha256(without_bos(text, bos).encode()).hexdigest()[:16]


def without_bos(text: str, bos: str | None) -> str:
    """A text without the BOS at its start."""
    return text.removeprefix(bos or "")


def load_record(file: Path, names: Iterable[str], write: WriteAll) -> Record:
    """The publishers' templates of a collection (JSON lines) whose repository is among the names of models.

    ``write`` renders the text of a template with the variables of each request.
    """
    known = {name.casefold() for name in names}
    with file.open(encoding="utf-8") as lines:
        mine = [data for data in map(json.loads, lines) if (data["hf_repo_guess"] or "").casefold() in known]
    found = [_publisher(data, write) for data in sorted(mine, key=lambda data: str(data["id"]))]
    texts = {digest: text for _, written in found for digest, text in written.items()}
    return Record(tuple(publisher for publisher, _ in found), dict(sorted(texts.items())))


def _publisher(data: Mapping[str, Any], write: WriteAll) -> tuple[Publisher, dict[str, str]]:
    source, bos, eos = data["chat_template"], data["bos_token"], data["eos_token"]
    turns, asked = conversations(), scenarios()
    requests = [variables(messages, bos, eos) for messages in turns.values()]
    requests += [request(scenario, bos, eos) for scenario in asked.values()]
    written = list(write(source, requests))
    of_turns = dict(zip(turns, written[: len(turns)], strict=True))
    of_scenarios = dict(zip(asked, written[len(turns) :], strict=True))
    digests = {name: None if isinstance(text, Refused) else digest(text, bos) for name, text in of_turns.items()}
    for name, text in of_scenarios.items():  # the conversations that are scenarios too are asked the same
        digests[name] = None if isinstance(text, Refused) else digest(text, bos)
    publisher = Publisher(
        id=data["id"],
        repo=data["hf_repo_guess"],
        sha256=sha256(source),
        bos=bos,
        eos=eos,
        texts=digests,
        raises={name: _reason(text.reason) for name, text in of_scenarios.items() if isinstance(text, Refused)},
        source=data["source"],
        verbatim=data["fidelity"] == "verbatim",
        writes_bos=any(bos and isinstance(text, str) and text.startswith(bos) for text in of_scenarios.values()),
    )
    texts = {digest(text, bos): without_bos(text, bos) for text in of_scenarios.values() if isinstance(text, str)}
    return publisher, texts


def sha256(source: str) -> str:
    """The hash that a template is known by."""
    return hashlib.sha256(source.encode()).hexdigest()


def _reason(said: str) -> str:
    """What a template says when it raises, made short; of Python's own errors the kind, since versions word them."""
    line = _PYTHON.sub(r"\1", " ".join(said.split()))
    return line if len(line) <= _REASON else line[: _REASON - 1] + "…"


def write_sandboxed(workshop: Workshop, source: str, requests: Sequence[Mapping[str, Any]]) -> list[str | Refused]:
    """The texts of a template that may do anything; where it cannot be run at all, that is what it says every time."""
    try:
        return workshop.render(source, requests, TODAY)
    except TemplateFailed as reason:
        return [Refused(str(reason))] * len(requests)


def request(scenario: Scenario, bos: str | None, eos: str | None) -> dict[str, Any]:
    """What ``apply_chat_template`` hands to a template for the prompt of a scenario.

    Thinking is turned on or off under each of the names that formats have for it.
    """
    given = rendering.variables(scenario, bos=bos, eos=eos)
    return given | ({} if scenario.thinking is None else dict.fromkeys(SWITCHES, scenario.thinking))


def variables(messages: Sequence[Message], bos: str | None, eos: str | None) -> dict[str, Any]:
    """What ``apply_chat_template`` hands to a template for a prompt; tokens that are not there it leaves out."""
    given: dict[str, Any] = {"messages": [dict(message) for message in messages], "tools": None, "documents": None}
    tokens = {key: token for key, token in (("bos_token", bos), ("eos_token", eos)) if token is not None}
    return {**given, **tokens, "add_generation_prompt": True}


def publishers_by_template(publishers: Iterable[Publisher], catalogue: Catalogue) -> dict[str, list[Publisher]]:
    """The publishers' templates that speak for the turns of each template, as far as there are any.

    They are those of the models that use it; or, where none of these is known, those of its family's other models.
    """
    publishers = list(publishers)
    own = own_publishers(publishers, catalogue)
    by_family = _heard(publishers, catalogue, lambda model: model.family)
    found = {name: own.get(name) or by_family.get(each.family) for name, each in catalogue.templates.items()}
    return {name: heard for name, heard in found.items() if heard}


def own_publishers(publishers: Iterable[Publisher], catalogue: Catalogue) -> dict[str, list[Publisher]]:
    """The publishers' templates of the very models that use each template, as far as there are any."""
    return _heard(publishers, catalogue, lambda model: model.template)


def _heard(
    publishers: Iterable[Publisher], catalogue: Catalogue, of: Callable[[Model], str]
) -> dict[str, list[Publisher]]:
    by_repo: dict[str, list[Publisher]] = {}
    for publisher in publishers:
        by_repo.setdefault(publisher.repo.casefold(), []).append(publisher)
    found: dict[str, dict[str, Publisher]] = {}
    for model in models(catalogue):
        for publisher in by_repo.get(model.id.casefold(), ()):
            found.setdefault(of(model), {})[publisher.id] = publisher
    return {name: [heard[key] for key in sorted(heard)] for name, heard in sorted(found.items())}


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


def dump_record(record: Record, findings: Mapping[str, Finding]) -> dict[str, str]:
    """The files that hold what publishers' templates write, and what follows for the catalogue's: name -> text."""
    templates = {
        "today": TODAY.isoformat(),
        "publishers": {
            publisher.id: {
                "repo": publisher.repo,
                "sha256": publisher.sha256,
                "source": publisher.source,
                "verbatim": publisher.verbatim,
                "bos": publisher.bos,
                "eos": publisher.eos,
                "writes_bos": publisher.writes_bos,
                "texts": publisher.texts,
                "raises": publisher.raises,
            }
            for publisher in record.publishers
        },
    }
    turns = {name: dict(finding.verdicts) for name, finding in sorted(findings.items())}
    return {
        _TEMPLATES: json_text(templates, depth=3),
        _TEXTS: json_text(record.texts, depth=1),
        _TURNS: json_text(turns, depth=1),
    }


def read_record(folder: Path) -> Record:
    """What :func:`dump_record` wrote of the publishers; nothing where the folder does not exist."""
    if not (folder / _TEMPLATES).is_file():
        return Record((), {})
    templates, texts = (json.loads((folder / name).read_text(encoding="utf-8")) for name in (_TEMPLATES, _TEXTS))
    return Record(tuple(Publisher(id=name, **fields) for name, fields in templates["publishers"].items()), texts)


def read_turns(folder: Path) -> dict[str, dict[Turns, Verdict]]:
    """What :func:`dump_record` wrote of the catalogue's templates: their verdicts."""
    found: dict[str, dict[Turns, Verdict]] = json.loads((folder / _TURNS).read_text(encoding="utf-8"))
    return found
