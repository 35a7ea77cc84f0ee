"""Vectors: what the real frameworks write for every template and scenario, recorded in ``tests/vectors``.

``make record`` writes them, ``make conformance`` compares them with the live frameworks, and ``make test`` holds the
reference renderer and the generated files against them without any framework. The day is fixed, since some formats
write today's date.

A file holds one template: the fields of the registered object, and the texts by scenario and kind. Base scenarios are
kept in full, as a list of texts of which every second one is learned; the others as the first 16 digits of the SHA-256
of that very list's JSON. A kind that is left out is as the one before it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chatwright.json_writer import json_text
from chatwright.meaning.render import Kind
from chatwright.meaning.runs import TODAY, Run, normal

TOOL_CASES = 100  # how many random cases are recorded of each tool format, and how many random conversations


@dataclass(frozen=True)
class Truth:
    """What one framework writes for one template: scenario -> kind -> runs, or the reason why it cannot.

    ``name`` is the template's name there, ``eos`` the end-of-sequence token it leaves the tokenizer with, ``fields``
    the registered object as plain data.
    """

    framework: str
    name: str
    eos: str
    fields: Mapping[str, Any]
    texts: Mapping[str, Mapping[Kind, tuple[Run, ...] | str]]

    def prompt(self, scenario: str) -> str | None:
        """The inference prompt of a scenario, None where the framework cannot carry it."""
        runs = self.texts[scenario][Kind.PROMPT]
        return None if isinstance(runs, str) else "".join(text for text, _ in runs)

    def reason(self, scenario: str, kind: Kind = Kind.PROMPT) -> str | None:
        """Why the framework cannot carry a scenario."""
        runs = self.texts[scenario][kind]
        return runs if isinstance(runs, str) else None


def dump_vectors(truth: Truth, base: frozenset[str]) -> str:
    """The text of the file that holds one template's vectors."""
    scenarios: dict[str, Any] = {}
    for scenario, kinds in truth.texts.items():
        written: dict[str, Any] = {}
        before = None
        for kind in Kind:
            entry = _entry(kinds[kind], scenario in base)
            if entry != before:
                written[kind.value] = before = entry
        scenarios[scenario] = written
    head: dict[str, Any]
    head = {"framework": truth.framework, "template": truth.name, "eos": truth.eos, "today": TODAY.isoformat()}
    return json_text({**head, "fields": truth.fields, "scenarios": scenarios}, depth=3)


def load_vectors(text: str) -> dict[str, Any]:
    """The content of a template's file, with an entry for every kind of text: see :func:`agrees`.

    Raises:
        KeyError: the first kind of a scenario is left out.
    """
    data: dict[str, Any] = json.loads(text)
    for scenario, written in data["scenarios"].items():
        entry = written[next(iter(Kind)).value]
        data["scenarios"][scenario] = {kind.value: (entry := written.get(kind.value, entry)) for kind in Kind}
    return data


def restored_texts(
    text: str, write: Callable[[str, Kind], tuple[Run, ...] | str]
) -> dict[str, dict[Kind, tuple[Run, ...] | str]] | None:
    """The texts of a template's file, for :class:`Truth`; None unless all are known.

    Of a text that is recorded as its digest, ``write`` says what it may be, which counts if it has that digest.
    """
    found: dict[str, dict[Kind, tuple[Run, ...] | str]] = {}
    for scenario, kinds in load_vectors(text)["scenarios"].items():
        for kind in Kind:
            entry = kinds[kind.value]
            if isinstance(entry, list):
                runs: tuple[Run, ...] | str = normal([(part, index % 2 == 1) for index, part in enumerate(entry)])
            elif isinstance(entry, dict):
                runs = str(entry["cannot"])
            else:
                runs = write(scenario, kind)
                if isinstance(runs, str) or not agrees(entry, runs):
                    return None
            found.setdefault(scenario, {})[kind] = runs
    return found


def dump_models(models: Mapping[str, Mapping[str, Any]]) -> str:
    """The text of the file that holds LLaMA-Factory's own registrations of models: ids by hub, template, modality."""
    return json_text(dict(sorted(models.items())), depth=1)


def agrees(entry: list[str] | str | Mapping[str, str], runs: Sequence[Run]) -> bool:
    """Whether runs are what a recorded entry says: texts, their digest, or the reason why there is none."""
    return entry in (texts := _texts(runs), _digest(texts))


def tool_digest(tools: str, calls: str | None) -> str:
    """What is recorded of one random case of a tool format: the description of its tools, and its calls or None."""
    return hashlib.sha256(json.dumps([tools, calls], ensure_ascii=False).encode()).hexdigest()[:16]


def turns_digest(texts: Sequence[Sequence[Run] | None]) -> str:
    """What is recorded of one random conversation: its texts with what is learned of them, None for a refused one."""
    return _digest([None if runs is None else _texts(runs) for runs in texts])


def vector_path(folder: Path, framework: str, name: str) -> Path:
    """The file of one template's vectors."""
    return folder / framework / f"{name}.json"


def _entry(runs: tuple[Run, ...] | str, full: bool) -> list[str] | str | dict[str, str]:
    if isinstance(runs, str):
        return {"cannot": runs}
    return _texts(runs) if full else _digest(_texts(runs))


def _texts(runs: Sequence[Run]) -> list[str]:
    """The texts of runs; every second one is learned, so an empty one stands in front of a learned beginning."""
    joined = normal(runs)
    return [*([""] if joined and joined[0][1] else []), *(text for text, _ in joined)]


def _digest(texts: Sequence[str | list[str] | None]) -> str:
    return hashlib.sha256(json.dumps(texts, ensure_ascii=False).encode()).hexdigest()[:16]
