"""The data of the page, as JSON values.

There are three blocks, so that a browser parses only what it shows: ``index`` is for the search, ``prompts`` and
``files`` are parsed when a model is opened. Each text is stored once, in a list, and other places refer to its index:
templates of one family share most lines of their files, and most turns of their prompts.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any, get_args

from ..catalogue.model import Catalogue, Checkpoint, ModelGroup, Slot, Template
from ..errors import Unsupported
from ..meaning.render import Kind, Piece, Role
from ..meaning.runs import TODAY
from ..meaning.scenarios import Scenario, scenarios
from ..pipeline import Rendering
from ..records.publishers import CAUSES
from ..records.servers import SERVERS
from ..targets.commands import command, served_by
from ..targets.languages import languages
from ..targets.models import HUBS, MEDIA, modalities, requirements
from ..targets.parsers import parser_notes
from ..targets.protocol import listed_in

FILES = ("vllm", "training", "ollama", "lmdeploy")  # the targets whose files can be downloaded
ROLES: tuple[Role, ...] = get_args(Role)
FROM_SLOT, TRAINED = 1, 2  # flags; added to four times the index of a piece's role in ROLES


class Texts:
    """Numbers texts; equal texts have the same number."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def number(self, text: str) -> int:
        return self._numbers.setdefault(text, len(self._numbers))

    def all(self) -> list[str]:
        return list(self._numbers)


def blocks(catalogue: Catalogue, rendering: Rendering) -> dict[str, Any]:
    """The three blocks by name."""
    return {
        "index": index(catalogue, rendering),
        "prompts": prompts(catalogue, scenarios()),
        "files": files(rendering),
    }


# -- what is searched --------------------------------------------------------------------------------------------------


def index(catalogue: Catalogue, rendering: Rendering) -> dict[str, Any]:
    """``catalog.json`` with further data for the page, and ``fidelity.json`` with each reason once."""
    catalog = json.loads(rendering.files["catalog.json"])
    entries = zip(catalog["models"], _checkpoints(catalogue), strict=True)
    models = [{**entry, **_model(entry, catalogue, group, checkpoint)} for entry, (group, checkpoint) in entries]
    for model, key in zip(models, _keys(models), strict=True):
        model["key"] = key
    templates = {
        name: {**entry, **_template(catalogue, catalogue.templates[name], entry)}
        for name, entry in catalog["templates"].items()
    }
    reasons = Texts()
    fidelity = json.loads(rendering.files["fidelity.json"])
    names = list(scenarios())
    verdicts = {
        name: {engine: _verdict(verdict, names, reasons) for engine, verdict in by_engine.items()}
        for name, by_engine in fidelity["templates"].items()
    }
    return {
        "families": {spec.name: {"title": spec.title, "publisher": spec.publisher} for spec in catalogue.specs},
        "templates": templates,
        "models": models,
        "engines": fidelity["engines"],
        "fidelity": verdicts,
        "scenarios": names,
        "publishers": _publishers(fidelity.get("publishers", {}), names, reasons),
        "reasons": reasons.all(),
    }


def _publishers(known: Mapping[str, Any], names: Sequence[str], reasons: Texts) -> dict[str, Any]:
    """How templates compare with their publishers' own: the names of causes, and the rows of each template."""
    return {
        "causes": {each.code: {cause: each.tables[cause] for cause in CAUSES} for each in languages()},
        "templates": {
            name: [_row(row, known["sources"], names, reasons) for row in verdict["compared"]]
            for name, verdict in known.get("templates", {}).items()
            if "compared" in verdict
        },
    }


def _row(row: Mapping[str, Any], sources: Mapping[str, Any], names: Sequence[str], reasons: Texts) -> dict[str, Any]:
    """A row: the publishers, the verdict in the form of an engine's, and the first difference."""
    counts = row["counts"]
    status = "differs" if counts.keys() & {"differs", "unsupported"} else next(iter(counts), "not comparable")
    not_exact = {status: row[status] for status in counts if status in row}
    return {
        "publishers": [[sources[one]["repo"], sources[one]["verbatim"]] for one in row["publishers"]],
        "bos": row.get("bos"),
        "first": row["examples"][row["first"]] if row["first"] in row.get("examples", {}) else None,
        **_verdict({"status": status, "counts": counts, "not exact": not_exact}, names, reasons),
    }


def _checkpoints(catalogue: Catalogue) -> Iterator[tuple[ModelGroup, Checkpoint]]:
    """The models in the order of ``catalog.json``."""
    for spec in catalogue.specs:
        for group in spec.models:
            for checkpoint in group.checkpoints:
                yield group, checkpoint


def _model(entry: Mapping[str, Any], catalogue: Catalogue, group: ModelGroup, checkpoint: Checkpoint) -> dict[str, Any]:
    """Data of a model that ``catalog.json`` does not have."""
    model_type = catalogue.model_types.get(group.model_type or "")
    listed = listed_in(checkpoint, group)
    return {
        "listed": listed,
        "templates": {
            framework: name if framework in listed or not group.multimodal else None  # as in the tables
            for framework, name in entry["templates"].items()
        },
        "requires": list(requirements(group, catalogue)),
        "task": model_type.task_type if model_type else None,
        "modalities": modalities(group, checkpoint, catalogue),
    }


def _keys(models: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The ends of models' permanent links: the id on the first hub that has the model, else its path or its name."""
    seen: dict[str, int] = {}
    for model in models:
        named = ((hub, model[hub]) for hub in (*HUBS, "path", "name"))
        kind, value = next((kind, value) for kind, value in named if value)
        key = value if kind == "huggingface" else f"{kind}:{value}"
        seen[key] = seen.get(key, 0) + 1
        yield key if seen[key] == 1 else f"{key}~{seen[key]}"


def _template(catalogue: Catalogue, template: Template, entry: Mapping[str, Any]) -> dict[str, Any]:
    """Data of a template that ``catalog.json`` does not have; in a command, null is the placeholder of the model."""
    lines = {
        engine: command(template, catalogue, engine, "", PurePosixPath(path).name)
        for engine, path in served_by(template, catalogue, entry["files"])
    }
    return {
        "commands": {engine: [word or None for word in line] for engine, line in lines.items()},
        "parser_notes": {engine: list(parser_notes(template, engine)) for engine in lines if engine in SERVERS},
        "switch": template.thinking.switch if template.thinking else None,
        "media": [kind for kind in MEDIA if getattr(template.slots, kind)],
        "pair": template.pair is not None,
        "dated": any(part.kind == "date" for slot in _slots(template) for part in slot),
    }


def _verdict(verdict: Mapping[str, Any], names: Sequence[str], reasons: Texts) -> dict[str, Any]:
    """One engine's verdict: status, counts, and ``why`` as status, reason number and scenario numbers."""
    why = [
        [status, reasons.number(reason), [names.index(name) for name in found if name in names]]
        for status, by_reason in verdict.get("not exact", {}).items()
        for reason, found in by_reason.items()
    ]
    if "reason" in verdict:
        why.append([verdict["status"], reasons.number(verdict["reason"]), []])
    return {"status": verdict["status"], "counts": verdict.get("counts", {}), "why": why}


# -- prompts -----------------------------------------------------------------------------------------------------------


def prompts(catalogue: Catalogue, conversations: Mapping[str, Scenario]) -> dict[str, Any]:
    """The texts of every template and scenario, rendered by the reference renderer for a fixed date.

    ``templates`` holds for each name a list: for each scenario, the three kinds of text. A number from 0 is an index in
    ``drawn``; a negative number -1 - n is reason n why there is no text. An entry of ``drawn`` is a list of pairs: the
    index of a piece's role in ``roles``, times four, plus :data:`FROM_SLOT` and :data:`TRAINED`; and its text's number.
    """
    texts, reasons, drawn = Texts(), Texts(), Texts()
    templates = {
        name: [
            _drawn(template, scenario, kind, texts, reasons, drawn)
            for scenario in conversations.values()
            for kind in Kind
        ]
        for name, template in catalogue.templates.items()
    }
    return {
        "roles": ROLES,
        "kinds": [kind.value for kind in Kind],
        "day": TODAY.isoformat(),
        "texts": texts.all(),
        "reasons": reasons.all(),
        "drawn": [json.loads(pairs) for pairs in drawn.all()],
        "templates": templates,
    }


def _drawn(template: Template, scenario: Scenario, kind: Kind, texts: Texts, reasons: Texts, drawn: Texts) -> int:
    try:
        pieces = scenario.pieces(template, kind, today=TODAY)
    except Unsupported as reason:
        return -1 - reasons.number(str(reason))
    pairs = [number for what, text in _runs(template, pieces) for number in (what, texts.number(text))]
    return drawn.number(json.dumps(pairs))


def _runs(template: Template, pieces: Sequence[Piece]) -> Iterator[tuple[int, str]]:
    """Join pieces into runs with the same role, the same origin (slot or content), and equally learned."""
    own = frozenset(_literals(template))
    what, text = -1, ""
    for piece in pieces:
        written = piece.text if piece.kind in ("text", "token") else f"<{piece.kind}>"
        if not written:
            continue
        of_slot = piece.kind != "text" or any(word.startswith(written) or word.endswith(written) for word in own)
        now = 4 * ROLES.index(piece.role) + of_slot * FROM_SLOT + piece.trained * TRAINED
        if now != what and text:
            yield what, text
            text = ""
        what, text = now, text + written
    if text:
        yield what, text


def _literals(template: Template) -> Iterator[str]:
    """The template's own texts: those of its slots and of its thinking."""
    for slot in _slots(template):
        yield from (part.value for part in slot if part.kind in ("text", "token") and part.value)
    if thinking := template.thinking:
        yield from filter(None, (thinking.when_on, thinking.when_off, thinking.empty, *thinking.words))


def _slots(template: Template) -> Iterator[Slot]:
    return (slot for slot in vars(template.slots).values() if isinstance(slot, tuple))


# -- files -------------------------------------------------------------------------------------------------------------


def files(rendering: Rendering) -> dict[str, Any]:
    """The files by path, each as the numbers of its lines in ``lines``."""
    lines = Texts()
    paths = sorted(
        found.path for target in FILES for found in rendering.deployments.get(target, {}).values() if found.path
    )
    numbers = {path: [lines.number(line) for line in rendering.files[path].split("\n")] for path in paths}
    return {"lines": lines.all(), "files": numbers}
