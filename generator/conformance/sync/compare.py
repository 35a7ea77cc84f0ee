"""What our registry and a framework's own say differently, fact by fact."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from chatwright.inspection.registrations.differences import OPENINGS, joined, swift_meaning
from chatwright.records.frameworks import BuiltIns

from .registry import Registry

Kind = Literal["template", "model", "model_type", "group"]

KINDS: tuple[Kind, ...] = ("template", "model", "model_type", "group")


@dataclass(frozen=True)
class Difference:
    """One fact: something upstream has that we lack, that differs in one field, or that is gone upstream.

    ``field`` is None where the whole thing is lacking or gone, else a field's name (``default_system``,
    ``ids.DEFAULT``, ``mm_plugin.image_token``); ``registration`` means that this version does not take ours, for the
    reason in ``ours``.
    ``ours`` and ``theirs`` are plain data, None where a side has nothing.

    A group of an ms-swift model type is named ``<model_type>/<index of the group upstream>``, one that is gone
    ``<model_type>/<index among ours>``. Its field ``models`` is one model: added (``ours`` is None), removed
    (``theirs`` is None) or with another id.
    """

    kind: Kind
    name: str
    change: Literal["lacking", "differs", "gone"]
    field: str | None
    ours: Any
    theirs: Any


def compare(ours: Registry, theirs: Registry, before: BuiltIns | None = None) -> list[Difference]:
    """What is lacking, differs or is gone upstream, in order of kind, name and field.

    What only we register is gone upstream if the framework had it when its built-ins were last recorded (``before``),
    and else a registration of our own (:func:`extras`), which is no difference.
    """
    return [fact for fact in _facts(_claimed(ours, before), theirs) if not _is_extra(fact, theirs, before)]


def extras(ours: Registry, theirs: Registry, before: BuiltIns | None = None) -> list[Difference]:
    """What we register for the framework and it never had, which :func:`compare` leaves out."""
    registered = (fact for fact in _facts(ours, theirs) if (fact.kind, fact.name) not in ours.refused)
    return [fact for fact in registered if _is_extra(fact, theirs, before)]


def template_differences(framework: str, ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> list[str]:
    """The fields in which two templates, as plain data, mean different things.

    Of ms-swift's, adjacent texts of a prompt are joined and empty ones left out, as ms-swift does before it tokenizes;
    the prompt stands behind whatever opens a turn, so it does not matter where the two are cut; the end of a turn is a
    stop word whether or not it is listed (``TemplateMeta.init``).
    """
    one, other = _flat(ours), _flat(theirs)
    meaning = swift_meaning if framework == "swift" else dict[str, Any].get
    known = [key for key in one if key.split(".")[0] in theirs]  # another version may have other fields
    written = (key for key in {*known, *other} if one.get(key) != other.get(key))
    found = {key for key in written if meaning(one, key) != meaning(other, key)}
    if framework == "swift" and _turns(ours) == _turns(theirs):
        found -= {*OPENINGS, "prompt"}
    return sorted(found)


def group_pairs(
    ours: Sequence[Mapping[str, Any]], theirs: Sequence[Mapping[str, Any]]
) -> list[tuple[Mapping[str, Any] | None, Mapping[str, Any] | None]]:
    """The groups of a model type, ours beside upstream's with which it shares most models: upstream's order, then ours.

    Groups that share no id stand alone.
    """
    ranked = sorted(
        (-shared, sum(one[key] != other[key] for key in other if key != "models"), there, here)
        for there, other in enumerate(theirs)
        for here, one in enumerate(ours)
        if (shared := len(_group_ids(one) & _group_ids(other)))
    )
    partner: dict[int, int] = {}
    for _, _, there, here in ranked:
        if there not in partner and here not in partner.values():
            partner[there] = here
    pairs: list[tuple[Mapping[str, Any] | None, Mapping[str, Any] | None]]
    pairs = [(ours[partner[there]] if there in partner else None, other) for there, other in enumerate(theirs)]
    return pairs + [(one, None) for here, one in enumerate(ours) if here not in partner.values()]


def _claimed(ours: Registry, before: BuiltIns | None) -> Registry:
    """Ours without the templates of our own that this version refuses: nobody ever had them under these names."""
    known = before.templates if before else frozenset()
    refused = {key: reason for key, reason in ours.refused.items() if key[0] != "template" or key[1] in known}
    return replace(ours, refused=refused)


# -- facts -----------------------------------------------------------------------------------------------------------


def _facts(ours: Registry, theirs: Registry) -> list[Difference]:
    found = [*_templates(ours, theirs)]
    found += _model_types(ours, theirs) if theirs.framework == "swift" else _models(ours, theirs)
    return sorted(found, key=lambda fact: (KINDS.index(fact.kind), _natural(fact.name), fact.field or ""))


def _templates(ours: Registry, theirs: Registry) -> Iterator[Difference]:
    for name in {*ours.templates, *theirs.templates, *_refused(ours, "template")}:
        one, other = ours.templates.get(name), theirs.templates.get(name)
        if one is None or other is None:
            yield _alone("template", name, one, other, ours)
            continue
        values = _flat(one), _flat(other)
        for key in template_differences(theirs.framework, one, other):
            yield _differs("template", name, key, *values)


def _models(ours: Registry, theirs: Registry) -> Iterator[Difference]:
    for name in {*ours.models, *theirs.models, *_refused(ours, "model")}:
        one, other = ours.models.get(name), theirs.models.get(name)
        if one is None or other is None:
            yield _alone("model", name, one, other, ours)
        else:
            yield from _different_fields("model", name, one, other)


def _model_types(ours: Registry, theirs: Registry) -> Iterator[Difference]:
    for name in {*ours.models, *theirs.models, *_refused(ours, "model_type")}:
        one, other = ours.models.get(name), theirs.models.get(name)
        if one is None or other is None:
            yield _alone("model_type", name, one, other, ours)
            continue
        yield from _different_fields("model_type", name, _without(one, "groups"), _without(other, "groups"))
        for own, upstream in group_pairs(one["groups"], other["groups"]):
            if own is None or upstream is None:
                index = other["groups"].index(upstream) if upstream else one["groups"].index(own)
                yield _alone("group", f"{name}/{index}", own, upstream, ours)
                continue
            title = f"{name}/{other['groups'].index(upstream)}"
            yield from _different_fields("group", title, _without(own, "models"), _without(upstream, "models"))
            for left, right in _different_models(own["models"], upstream["models"]):
                yield Difference("group", title, "differs", "models", left, right)


def _alone(kind: Kind, name: str, ours: Any, theirs: Any, registry: Registry) -> Difference:
    """One side only; what this version refuses of ours is not lacking."""
    reason = registry.refused.get((kind, name))
    if theirs is None:
        return Difference(kind, name, "gone", None, ours or reason, None)
    if reason is not None:
        return Difference(kind, name, "differs", "registration", reason, theirs)
    return Difference(kind, name, "lacking", None, None, theirs)


def _different_fields(
    kind: Kind, name: str, ours: Mapping[str, Any], theirs: Mapping[str, Any]
) -> Iterator[Difference]:
    one, other = _flat(ours), _flat(theirs)
    for key in sorted({*one, *other}):
        if one.get(key) != other.get(key):
            yield _differs(kind, name, key, one, other)


def _differs(kind: Kind, name: str, key: str, ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> Difference:
    return Difference(kind, name, "differs", key, ours.get(key), theirs.get(key))


def _different_models(
    ours: Sequence[Mapping[str, Any]], theirs: Sequence[Mapping[str, Any]]
) -> Iterator[tuple[Mapping[str, Any] | None, Mapping[str, Any] | None]]:
    """The models that only one side has, those that share an id side by side; in the order of their ids."""
    left = sorted((model for model in ours if ours.count(model) > theirs.count(model)), key=json.dumps)
    right = sorted((model for model in theirs if theirs.count(model) > ours.count(model)), key=json.dumps)
    for one in left:
        other = next((model for model in right if _model_ids(one) & _model_ids(model)), None)
        if other is not None:
            right.remove(other)
        yield one, other
    for other in right:
        yield None, other


def _is_extra(fact: Difference, theirs: Registry, before: BuiltIns | None) -> bool:
    """Whether a fact is about something of ours that the framework neither has nor had."""
    if fact.theirs is not None or (fact.change, fact.field) not in (("gone", None), ("differs", "models")):
        return False
    known = before.models if before else {}
    if fact.kind == "template":
        return before is None or fact.name not in before.templates
    if fact.kind == "model":
        return fact.name not in known.get("name", ())
    if fact.name in known.get("model_type", ()):
        return False
    upstream = frozenset(name for model_type in theirs.models.values() for name in _all_ids(model_type))
    return not _all_ids(fact.ours) & upstream.union(*known.values())


# -- plain data ------------------------------------------------------------------------------------------------------


def _turns(fields: Mapping[str, Any]) -> list[Any]:
    """Each opening of ms-swift's with the prompt behind it."""
    return [None if fields[key] is None else joined([*fields[key], *fields["prompt"]]) for key in OPENINGS]


def _flat(fields: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Fields whose value is a mapping of its own, as ``field.key``."""
    out: dict[str, Any] = {}
    for key, value in fields.items():
        out.update(_flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value})
    return out


def _without(fields: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if key != name}


def _group_ids(group: Mapping[str, Any]) -> set[str]:
    return {name for model in group["models"] for name in _model_ids(model)}


def _all_ids(value: Any) -> set[str]:
    """The ids in a model type, a group or a model; none in the reason why a model type is refused."""
    if isinstance(value, str):
        return set()
    if "groups" in value:
        return {name for group in value["groups"] for name in _group_ids(group)}
    return _group_ids(value) if "models" in value else _model_ids(value)


def _model_ids(model: Mapping[str, Any]) -> set[str]:
    return {model[key] for key in ("ms_model_id", "hf_model_id", "model_path") if model[key]}


def _refused(registry: Registry, kind: Kind) -> Iterator[str]:
    return (name for refused, name in registry.refused if refused == kind)


def _natural(name: str) -> tuple[str, int]:
    """Groups of a model type by their number."""
    head, slash, number = name.rpartition("/")
    return (head, int(number)) if slash and number.isdigit() else (name, -1)
