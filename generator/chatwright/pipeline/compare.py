"""What changed in meaning between two catalogues: models, templates with their prompts, files, fidelity.

Both are read and rendered by this generator, so that what differs is what the specs say. Where a prompt changed, the
first scenario that shows it is kept as a piece of a diff, line by line as the pages of ``docs/templates/`` have it.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any, Literal

from ..catalogue.build import HUBS
from ..catalogue.model import Catalogue, ModelType, Slots, Spec, Template
from ..catalogue.slots import write_slot, write_text
from ..errors import Unsupported
from ..json_writer import plain
from ..losses import Loss
from ..meaning.render import Kind, Piece
from ..meaning.scenarios import Scenario, scenarios
from ..meaning.visible import rows
from ..targets.pages import DAY, scenario_lines, shown_line, telling
from .generate import Rendering

_NO_MEANING = ("location", "name", "family")
_SERVED = ("vllm", "ollama", "lmdeploy", "training")  # targets with a file for each template
_CODE = ("llamafactory", "swift")  # targets with a module for each family
_Named = tuple[str, dict[str, Any]]  # a model's title, and what is said of it
_CONTEXT = 2  # lines of a prompt shown before and behind what changed


@dataclass(frozen=True)
class Change:
    """A value that changed, written as JSON; None where there is none."""

    name: str
    before: Any
    after: Any


@dataclass(frozen=True)
class PromptChange:
    """What a template writes in another way: the scenario shown, its lines as a diff, and how many others differ."""

    scenario: str
    lines: tuple[str, ...]
    changed: int
    of: int


@dataclass(frozen=True)
class Entry:
    """A family, model, model type or template: what became of it, and what of it changed."""

    what: Literal["added", "removed", "changed", "renamed"]
    name: str
    family: str
    told: str = ""  # what there is to know of one that is new or gone
    changes: tuple[Change, ...] = ()
    prompt: PromptChange | None = None


@dataclass(frozen=True)
class Files:
    """The files of one target: names of templates, of modules where the target is a framework.

    ``refused`` maps the templates that the target has no more, or never had, to the reason, where that is new.
    """

    target: str
    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[str, ...]
    refused: Mapping[str, str]


@dataclass(frozen=True)
class Verdict:
    """How true a template is on an engine, before and after, in words."""

    template: str
    engine: str
    before: str
    after: str
    lost: bool


@dataclass(frozen=True)
class Comparison:
    """Everything that changed.

    ``losses`` are what could be had before and cannot any more. ``pages`` are templates whose page shows another prompt
    though no spec says so: the generator, or a tool format, writes it in another way. ``unread`` are specs of the
    earlier revision that this generator cannot read.
    """

    before: str
    after: str
    losses: tuple[Loss, ...] = ()
    families: tuple[Entry, ...] = ()
    models: tuple[Entry, ...] = ()
    model_types: tuple[Entry, ...] = ()
    templates: tuple[Entry, ...] = ()
    files: tuple[Files, ...] = ()
    fidelity: tuple[Verdict, ...] = ()
    pages: tuple[Entry, ...] = ()
    unread: tuple[str, ...] = field(default=())

    @property
    def same(self) -> bool:
        """Whether nothing changed."""
        return not any(getattr(self, item.name) for item in fields(self) if item.name not in ("before", "after"))


def changed_sources(before: Catalogue, after: Catalogue) -> set[str]:
    """The sources of the families that differ in anything but places in files."""
    old, new = ({spec.source: _meaning(spec) for spec in catalogue.specs} for catalogue in (before, after))
    return {source for source in old.keys() | new.keys() if old.get(source) != new.get(source)}


def compare_specs(before: Catalogue, after: Catalogue) -> Comparison:
    """What changed in the specs: everything but files and fidelity."""
    return Comparison(
        "",
        "",
        families=tuple(_families(before, after)),
        models=tuple(_models(before, after)),
        model_types=tuple(_model_types(before.model_types, after.model_types)),
        templates=tuple(_templates(before.templates, after.templates)),
    )


def compare_files(before: Rendering, after: Rendering) -> Iterator[Files]:
    """What changed in the files of each target that has any."""
    for target in _CODE:
        old, new = (_modules(rendering, target) for rendering in (before, after))
        yield from _files(target, old, new, _newly_refused(before, after, target))
    for target in _SERVED:
        old, new = (
            {name: made.sha256 for name, made in rendering.deployments[target].items() if made.path}
            for rendering in (before, after)
        )
        yield from _files(target, old, new, _newly_refused(before, after, target))


def _newly_refused(before: Rendering, after: Rendering, target: str) -> dict[str, str]:
    """The templates that a target cannot have, with the reason, where that was not so before."""
    old, new = (
        {name: made.reason or "" for name, made in rendering.deployments[target].items() if not made.path}
        for rendering in (before, after)
    )
    return {name: reason for name, reason in new.items() if old.get(name) != reason}


def compare_fidelity(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Verdict]:
    """What engines say in another way of templates that both have: more or fewer exact scenarios, or none at all."""
    for name in sorted(before.keys() & after.keys()):
        for engine in sorted(before[name].keys() | after[name].keys()):
            old, new = before[name].get(engine), after[name].get(engine)
            exact, exact_now = (_exact(verdict) for verdict in (old, new))
            if exact != exact_now:
                yield Verdict(name, engine, _verdict(old), _verdict(new), lost=exact_now < exact)


def compare_pages(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[Entry]:
    """The templates whose pages, by name, show other prompts; of the first scenario that differs, the first place."""
    for name in sorted(before.keys() & after.keys()):
        old, new = _prompts(before[name]), _prompts(after[name])
        if differing := [scenario for scenario, lines in new.items() if scenario in old and old[scenario] != lines]:
            lines = tuple(_hunk(old[differing[0]], new[differing[0]]))
            yield Entry("changed", name, name, prompt=PromptChange(differing[0], lines, len(differing), len(new)))


def _prompts(page: str) -> dict[str, list[str]]:
    """The lines of each scenario on a page."""
    _, _, rest = page.partition("\n## Prompts\n")
    found: dict[str, list[str]] = {}
    for part in rest.partition("\n## Slots\n")[0].split("\n### ")[1:]:
        name, *lines = part.split("\n")
        found[name] = lines
    return found


# -- what there is -----------------------------------------------------------------------------------------------------


def _families(before: Catalogue, after: Catalogue) -> Iterator[Entry]:
    old, new = ({spec.source: spec for spec in catalogue.specs} for catalogue in (before, after))
    for source in sorted(new.keys() - old.keys()):
        yield Entry("added", new[source].name, new[source].name, _extent(new[source]))
    for source in sorted(old.keys() - new.keys()):
        yield Entry("removed", old[source].name, old[source].name, _extent(old[source]))
    for source in sorted(old.keys() & new.keys()):
        names = ("name", "title", "publisher", "serving")
        heads = [{name: plain(getattr(spec, name)) for name in names} for spec in (old[source], new[source])]
        if changes := tuple(_changes(*heads)):
            yield Entry("changed", new[source].name, new[source].name, changes=changes)


def _extent(spec: Spec) -> str:
    models = sum(len(group.checkpoints) for group in spec.models)
    return f"templates {len(spec.templates)}, models {models}"


def _models(before: Catalogue, after: Catalogue) -> Iterator[Entry]:
    old, new = _records(before), _records(after)
    gone: list[_Named] = []
    come: list[_Named] = []
    changed: list[Entry] = []
    for key in sorted(old.keys() | new.keys()):
        was, now = list(old.get(key, ())), list(new.get(key, ()))
        for record in [record for record in was if record in now]:
            was.remove(record)
            now.remove(record)
        for one, other in zip(was, now, strict=False):
            changed.append(Entry("changed", key[0], str(other["family"]), changes=tuple(_changes(one, other))))
        gone += [(key[0], record) for record in was[len(now) :]]
        come += [(key[0], record) for record in now[len(was) :]]
    for name, record in come:
        former = next((other for other in gone if _same_model(other[1], record)), None)
        if former is None:
            yield Entry("added", name, str(record["family"]), _model_words(record))
        else:
            gone.remove(former)
            changes = tuple(_changes(former[1], record))
            yield Entry("renamed", name, str(record["family"]), f"was {former[0]}", changes)
    yield from (Entry("removed", name, str(record["family"]), _model_words(record)) for name, record in gone)
    yield from changed


def _same_model(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return any(one.get(hub) and one.get(hub) == other.get(hub) for hub in HUBS)


def _records(catalogue: Catalogue) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """Every checkpoint with all that is said of it, by what it is called and its model type."""
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for spec, group, checkpoint in catalogue.checkpoints:
        templates = {key: group.template_for(key, checkpoint) for key in _CODE}
        record = {
            "family": spec.name,
            "name": checkpoint.name,
            "template": group.template,
            **{f"template in {key}": name for key, name in templates.items() if name != group.template},
            "model_type": group.model_type,
            **checkpoint.ids,
            "path": checkpoint.path,
            "multimodal": group.multimodal,
            "requires": plain(group.requires),
            "tags": plain(group.tags),
            "ignore_patterns": plain(group.ignore_patterns),
            "targets": {**plain(group.targets), **plain(checkpoint.targets)},
        }
        found.setdefault((checkpoint.title, group.model_type or ""), []).append(record)
    return found


def _model_words(record: Mapping[str, Any]) -> str:
    keys = ("template", "model_type", "huggingface", "modelscope", "openmind", "path")
    return ", ".join(f"{key} {record[key]}" for key in keys if record.get(key))


def _model_types(before: Mapping[str, ModelType], after: Mapping[str, ModelType]) -> Iterator[Entry]:
    old, new = ({name: _flat(item) for name, item in found.items()} for found in (before, after))
    for name in sorted(old.keys() | new.keys()):
        family = (after.get(name) or before[name]).family
        if name not in old or name not in new:
            architectures = ", ".join((after.get(name) or before[name]).architectures)
            yield Entry("added" if name in new else "removed", name, family, architectures)
        elif changes := tuple(_changes(old[name], new[name])):
            yield Entry("changed", name, family, changes=changes)


def _templates(before: Mapping[str, Template], after: Mapping[str, Template]) -> Iterator[Entry]:
    gone = {name: _flat(before[name]) for name in before.keys() - after.keys()}
    for name in sorted(after.keys() - before.keys()):
        told = _flat(after[name])
        if same := next((known for known in sorted(gone) if gone[known] == told), None):
            gone.pop(same)
            yield Entry("renamed", name, after[name].family, f"was {same}")
        else:
            yield Entry("added", name, after[name].family, prompt=_prompt(None, after[name]))
    for name in sorted(gone):
        yield Entry("removed", name, before[name].family)
    for name in sorted(before.keys() & after.keys()):
        changes = tuple(_changes(_flat(before[name]), _flat(after[name])))
        if changes:
            yield Entry("changed", name, after[name].family, changes=changes, prompt=_prompt(before[name], after[name]))


# -- prompts -----------------------------------------------------------------------------------------------------------


def _prompt(before: Template | None, after: Template) -> PromptChange | None:
    """The first scenario that shows a difference, those of a template's page first."""
    first = telling(after)
    ordered = [*first, *(name for name in scenarios() if name not in first)]
    if before is None:
        lines = tuple(f"+{line}" for line in scenario_lines(after, scenarios()[first[1]]))
        return PromptChange(first[1], lines, len(ordered), len(ordered))
    differing = [name for name in ordered if _texts(before, scenarios()[name]) != _texts(after, scenarios()[name])]
    if not differing:
        return None
    return PromptChange(
        differing[0], tuple(_first_lines(before, after, scenarios()[differing[0]])), len(differing), len(ordered)
    )


def _texts(template: Template, scenario: Scenario) -> list[Any]:
    return [_pieces(template, scenario, kind) for kind in Kind]


def _pieces(template: Template, scenario: Scenario, kind: Kind) -> tuple[Piece, ...] | str:
    try:
        return scenario.pieces(template, kind, DAY)
    except Unsupported as reason:
        return str(reason)


def _first_lines(before: Template, after: Template, scenario: Scenario) -> list[str]:
    """Where the lines of a scenario first differ, with a little around it."""
    old, new = (list(scenario_lines(template, scenario)) for template in (before, after))
    if old == new:  # other boundaries of tokens, or thoughts that are dropped
        old, new = (_all_lines(template, scenario) for template in (before, after))
    return _hunk(old, new)


def _hunk(old: Sequence[str], new: Sequence[str]) -> list[str]:
    found: list[str] = []
    for line in list(difflib.unified_diff(old, new, n=_CONTEXT, lineterm=""))[2:]:
        if line.startswith("@@"):
            if found:
                return [*found, "…"]
            continue
        found.append(line)
    return found


def _all_lines(template: Template, scenario: Scenario) -> list[str]:
    """Every text of a scenario, with a line for each piece that is tokenized on its own."""
    lines = []
    for kind in Kind:
        pieces = _pieces(template, scenario, kind)
        lines.append(f"  ----------- {kind.value.replace('_', ' ')}")
        if isinstance(pieces, str):
            lines.append(f"  unsupported: {pieces}")
            continue
        for piece in pieces:
            mark = " (one token)" if piece.kind == "token" else ""
            if not piece.joined:
                lines.append("  ----------- tokenized apart from what stands above")
            lines += [shown_line(row) + mark for row in rows([piece])]
    return lines


# -- files and fidelity ------------------------------------------------------------------------------------------------


def _modules(rendering: Rendering, target: str) -> dict[str, str | None]:
    """A framework's modules of families, without those that only list the others."""
    return {
        path.rsplit("/", 1)[-1].removesuffix(".py"): text
        for path, text in rendering.files.items()
        if path.startswith(f"{target}/") and path.count("/") == 2 and not path.endswith("__init__.py")
    }


def _files(
    target: str, old: Mapping[str, str | None], new: Mapping[str, str | None], refused: Mapping[str, str]
) -> Iterator[Files]:
    added, removed = sorted(new.keys() - old.keys()), sorted(old.keys() - new.keys())
    changed = sorted(name for name in old.keys() & new.keys() if old[name] != new[name])
    if added or removed or changed or refused:
        yield Files(target, tuple(added), tuple(removed), tuple(changed), dict(sorted(refused.items())))


def _exact(verdict: Mapping[str, Any] | None) -> int:
    """How many scenarios are exact; -1 where no engine has told."""
    return -1 if verdict is None or "counts" not in verdict else int(verdict["counts"].get("exact", 0))


def _verdict(verdict: Mapping[str, Any] | None) -> str:
    if verdict is None:
        return "nothing"
    if "counts" not in verdict:
        return str(verdict["status"])
    return ", ".join(f"{count} {status}" for status, count in verdict["counts"].items())


# -- values ------------------------------------------------------------------------------------------------------------


def _changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Change]:
    for name in dict.fromkeys((*before, *after)):
        if before.get(name) != after.get(name):
            yield Change(name, before.get(name), after.get(name))


def _meaning(spec: Spec) -> Any:
    """A spec without the places where it says things."""
    return _without_places(replace(spec, path=""))


def _without_places(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        told = [item.name for item in fields(value) if item.name != "location"]
        return (type(value).__name__, *((name, _without_places(getattr(value, name))) for name in told))
    if isinstance(value, Mapping):
        return tuple((key, _without_places(item)) for key, item in value.items())
    if isinstance(value, (tuple, list)):
        return tuple(map(_without_places, value))
    return value


def _flat(value: Any) -> dict[str, Any]:
    """What a template or a model type says, by path: ``slots.user``, ``thinking.history``."""
    found: dict[str, Any] = {}
    for item in fields(value):
        inner = getattr(value, item.name)
        if item.name in _NO_MEANING:
            continue
        if isinstance(inner, Slots):
            found |= {f"slots.{slot.name}": _slot(getattr(inner, slot.name)) for slot in fields(inner)}
        elif item.name == "default_system" and inner is not None:
            found[item.name] = write_text(inner)
        elif is_dataclass(inner) and not isinstance(inner, type):
            found |= {f"{item.name}.{name}": told for name, told in _flat(inner).items()}
        else:
            found[item.name] = plain(inner)
    return found


def _slot(slot: Any) -> Any:
    return write_slot(slot) if isinstance(slot, tuple) else slot


def value_text(value: Any) -> str:
    """A value on one line, as JSON; a dash where there is none."""
    return "-" if value is None else json.dumps(value, ensure_ascii=False)
