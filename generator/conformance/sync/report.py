"""Differences as text for a maintainer, one line a fact, and as JSON for a machine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from chatwright.catalogue.build import FRAMEWORKS
from chatwright.meaning.visible import visible

from .compare import KINDS, Difference
from .registry import Registry

_TITLES = {"template": "templates", "model": "models", "model_type": "model types", "group": "groups of models"}
_LONGEST = 100  # characters of a value that are shown
_BEFORE = 20  # of them in front of the place where two values part


def lines(differences: Sequence[Difference], extra: Sequence[Difference], theirs: Registry) -> list[str]:
    """The differences by kind; white space in values is visible, and long values are cut around where they part.

    ``->`` stands between ours and upstream's. What only we register is counted at the end.
    """
    title = f"{FRAMEWORKS[theirs.framework]} {theirs.version}"
    out = [f"{title}: {len(differences) or 'no'} difference{'' if len(differences) == 1 else 's'}"]
    for kind in KINDS:
        facts = [fact for fact in differences if fact.kind == kind]
        if facts:
            out.append(f"{_TITLES[kind]}: {_counted(fact.change for fact in facts)}")
            out += [f"  {fact.change:<7}  {line(fact, theirs)}" for fact in facts]
    if extra:
        told = _counted(_TITLES[fact.kind] if fact.change == "gone" else "models in its groups" for fact in extra)
        out.append(f"only ours, and no difference: {told}")
    if not differences:
        out.append("nothing to do")
    return out


def as_json(differences: Sequence[Difference], extra: Sequence[Difference], theirs: Registry) -> dict[str, Any]:
    """The differences as plain data, and the names of what only we register, by kind."""
    names = {kind: sorted({fact.name for fact in extra if fact.kind == kind}) for kind in KINDS}
    return {
        "framework": theirs.framework,
        "version": theirs.version,
        "differences": [asdict(fact) for fact in differences],
        "ours_only": {kind: found for kind, found in names.items() if found},
    }


def _counted(what: Iterable[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(Counter(what).items()))


def line(fact: Difference, theirs: Registry) -> str:
    """One fact: what, the field, ours ``->`` upstream's; of what one side has alone, what it is."""
    if fact.change == "lacking":
        return f"{fact.name}: {_summary(fact.theirs)}"
    if fact.change == "gone":
        if isinstance(fact.ours, str):
            return f"{theirs.version} has no {fact.name}, and would not take ours: {_cut(fact.ours)}"
        return f"{fact.name}: {_summary(fact.ours)}"
    if fact.field == "registration":
        return f"{fact.name}: {_summary(fact.ours)}"
    name = fact.name
    if fact.kind == "group":
        model_type, _, index = name.rpartition("/")
        name += f" ({_models(theirs.models[model_type]['groups'][int(index)])})"
    if fact.kind == "group" and fact.field == "models" and fact.ours is None:
        return f"{name}: has a further model: {_ids(fact.theirs)}"
    if fact.kind == "group" and fact.field == "models" and fact.theirs is None:
        return f"{name}: has no such model: {_ids(fact.ours)}"
    return f"{name}, {fact.field}: {_sides(_text(fact.ours), _text(fact.theirs))}"


def _summary(value: Any) -> str:
    """What a template, a model, a model type or a group is, in a few words; or why this version does not take it."""
    if isinstance(value, str):
        return f"cannot be registered: {_cut(value)}"
    if "format_user" in value:
        return f"{value['template_class']}, user {_cut(_text(value['format_user'][1]))}"
    if "prompt" in value:
        return f"{value['template_cls'].rpartition('.')[2]}, prompt {_cut(_text(value['prompt']))}"
    if "ids" in value:
        media = ", multimodal" if value["multimodal"] else ""
        return f"template {value['template'] or 'none'}{media}, {_ids(value['ids'])}"
    if "groups" in value:
        models = [model for group in value["groups"] for model in group["models"]]
        return f"template {value['template'] or 'by group'}, {_models({'models': models})}"
    return f"template {value['template'] or 'of its model type'}, {_models(value)}"


def _models(group: Mapping[str, Any]) -> str:
    models = group["models"]
    if not models:
        return "no models"
    first = next(name for key in ("hf_model_id", "ms_model_id", "model_path") if (name := models[0][key]))
    return f"{first} and {len(models) - 1} more" if len(models) > 1 else str(first)


def _ids(ids: Mapping[str, str | None]) -> str:
    return " ".join(f"{hub}={name}" for hub, name in ids.items() if name)


def _sides(ours: str, theirs: str) -> str:
    """Both values; long ones from shortly before the place where they part."""
    if max(len(ours), len(theirs)) <= _LONGEST:
        return f"{ours} -> {theirs}"
    pairs = enumerate(zip(ours, theirs, strict=False))
    part = next((index for index, (one, other) in pairs if one != other), min(len(ours), len(theirs)))
    start = max(0, part - _BEFORE)
    return " -> ".join(_cut(text, start) for text in (ours, theirs))


def _cut(text: str, start: int = 0) -> str:
    if len(text) <= _LONGEST:
        return text
    end = start + _LONGEST
    head, tail = "…" if start else "", "…" if end < len(text) else ""
    return f"{head}{text[start:end]}{tail} ({len(text)} characters)"


def _text(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, str):
        return f'"{visible(value)}"'
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_text(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_text, value)) + "]"
    return str(value).lower() if isinstance(value, bool) else str(value)
