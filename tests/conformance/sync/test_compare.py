"""Two registries side by side: every field that differs is a fact, and nothing else is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest

from conformance.sync.compare import Difference, compare, extras, group_pairs, template_differences
from conformance.sync.registry import Registry, built_ins_of
from tests.support import ROOT

VECTORS = ROOT / "tests" / "vectors"
# From ms-swift 4.6.0: two model types, and three of the groups of one.
QWEN2_5_VL = {
    "model_type": "qwen2_5_vl",
    "loader": "swift.model.models.qwen.Qwen2_5VLLoader",
    "template": None,
    "model_arch": "qwen2_vl",
    "architectures": ["Qwen2_5_VLForConditionalGeneration"],
    "requires": ["transformers>=4.49"],
    "tags": ["vision", "video"],
}


def model(hugging_face: str | None, model_scope: str | None) -> dict[str, Any]:
    names = ("ms_model_id", "hf_model_id", "model_path", "ms_revision", "hf_revision")
    return dict(zip(names, (model_scope, hugging_face, None, None, None), strict=True))


def group(*ids: str, **settings: Any) -> dict[str, Any]:
    known = {"template": None, "ignore_patterns": None, "requires": None, "tags": []}
    return {**known, **settings, "models": [model(name, name) for name in ids]}


@pytest.fixture
def swift() -> Registry:
    groups = [
        group("Qwen/Qwen2.5-VL-3B-Instruct", "Qwen/Qwen2.5-VL-7B-Instruct", template="qwen2_5_vl"),
        group("Qwen/Qwen2.5-VL-3B-Instruct-AWQ", template="qwen2_5_vl", tags=["awq"]),
        group("XiaomiMiMo/MiMo-VL-7B-SFT", "XiaomiMiMo/MiMo-VL-7B-RL", template="mimo_vl"),
    ]
    model_types = {"qwen2_5_vl": {**QWEN2_5_VL, "groups": groups}}
    return Registry("swift", "4.6.0", {path.stem: fields(path.stem) for path in built_in_files("swift")}, model_types)


@pytest.fixture
def llamafactory() -> Registry:
    templates = {path.stem: fields(path.stem, "llamafactory") for path in built_in_files("llamafactory")}
    models = json.loads((VECTORS / "models" / "llamafactory.json").read_text(encoding="utf-8"))
    return Registry("llamafactory", "0.9.5", templates, models)


def built_in_files(framework: str) -> list[Any]:
    found = sorted((VECTORS / framework).glob("*.json"))
    assert found, f"nothing is recorded of {framework}"
    return found


def fields(name: str, framework: str = "swift") -> dict[str, Any]:
    data = json.loads((VECTORS / framework / f"{name}.json").read_text(encoding="utf-8"))
    found: dict[str, Any] = data["fields"]
    return found


def facts(found: list[Difference]) -> list[tuple[str, str, str, str | None]]:
    return [(fact.kind, fact.name, fact.change, fact.field) for fact in found]


def changed(value: Any) -> Any:
    """Another value of the same type; a list where there was none."""
    if isinstance(value, bool):
        return not value
    if value is None:
        return ["another"]
    if isinstance(value, Mapping):
        return {key: changed(item) for key, item in value.items()}
    return [*value, "another"] if isinstance(value, list) else f"{value}another"


def with_groups(registry: Registry, groups: list[dict[str, Any]]) -> Registry:
    models = deepcopy(dict(registry.models))
    models["qwen2_5_vl"] = {**models["qwen2_5_vl"], "groups": groups}
    return replace(registry, models=models)


def groups_of(registry: Registry) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = deepcopy(registry.models["qwen2_5_vl"]["groups"])
    return found


def test_equal_registries_have_no_differences(swift: Registry, llamafactory: Registry) -> None:
    for registry in (swift, llamafactory):
        assert compare(registry, deepcopy(registry)) == []
        assert extras(registry, deepcopy(registry)) == []


@pytest.mark.parametrize("framework", ["llamafactory", "swift"])
def test_every_field_of_every_template_is_compared(framework: str, request: pytest.FixtureRequest) -> None:
    registry: Registry = request.getfixturevalue(framework)
    missed = []
    for name, there in registry.templates.items():
        for field, value in there.items():
            ours, theirs = (
                replace(registry, templates={name: fields}, models={})
                for fields in ({**there, field: changed(value)}, there)
            )
            found = facts(compare(ours, theirs))
            about = {(kind, who, change, str(key).split(".")[0]) for kind, who, change, key in found}
            if about != {("template", name, "differs", field)}:
                missed.append((name, field, found))
    assert missed == []


def test_every_field_of_every_model_is_compared(llamafactory: Registry) -> None:
    name = "Qwen2.5-7B-Instruct"
    there = llamafactory.models[name]
    for field, value in there.items():
        ours = replace(llamafactory, models={**llamafactory.models, name: {**there, field: changed(value)}})
        keys = [f"ids.{hub}" for hub in sorted(there["ids"])] if field == "ids" else [field]
        assert facts(compare(ours, llamafactory)) == [("model", name, "differs", key) for key in keys]


def test_every_field_of_a_model_type_and_its_groups_is_compared(swift: Registry) -> None:
    there = swift.models["qwen2_5_vl"]
    for field, value in there.items():
        if field != "groups":
            ours = replace(swift, models={"qwen2_5_vl": {**there, field: changed(value)}})
            assert facts(compare(ours, swift)) == [("model_type", "qwen2_5_vl", "differs", field)]
    for field in ("template", "ignore_patterns", "requires", "tags"):
        groups = groups_of(swift)
        groups[1][field] = changed(groups[1][field])
        assert facts(compare(with_groups(swift, groups), swift)) == [("group", "qwen2_5_vl/1", "differs", field)]


def test_what_upstream_has_alone_is_lacking(swift: Registry, llamafactory: Registry) -> None:
    models = {name: model for name, model in llamafactory.models.items() if name != "Qwen3-8B-Thinking"}
    templates = {name: value for name, value in llamafactory.templates.items() if name != "qwen3"}
    assert facts(compare(replace(llamafactory, templates=templates, models=models), llamafactory)) == [
        ("template", "qwen3", "lacking", None),
        ("model", "Qwen3-8B-Thinking", "lacking", None),
    ]
    assert facts(compare(replace(swift, models={}), swift)) == [("model_type", "qwen2_5_vl", "lacking", None)]
    [fact] = compare(with_groups(swift, groups_of(swift)[:2]), swift)
    assert (fact.kind, fact.name, fact.change) == ("group", "qwen2_5_vl/2", "lacking")
    assert fact.theirs == groups_of(swift)[2]


def test_what_only_we_have_is_gone_if_upstream_had_it_and_else_ours(llamafactory: Registry) -> None:
    before = built_ins_of(llamafactory)
    templates = {name: value for name, value in llamafactory.templates.items() if name != "qwen3"}
    models = {name: model for name, model in llamafactory.models.items() if name != "Qwen3-8B-Thinking"}
    later = replace(llamafactory, templates=templates, models=models)
    due = [("template", "qwen3", "gone", None), ("model", "Qwen3-8B-Thinking", "gone", None)]
    assert facts(compare(llamafactory, later, before)) == due
    assert facts(extras(llamafactory, later, before)) == []
    for never in (None, built_ins_of(later)):
        assert facts(compare(llamafactory, later, never)) == []
        assert facts(extras(llamafactory, later, never)) == due


def test_model_types_and_groups_that_are_gone_are_known_by_their_ids(swift: Registry) -> None:
    before = built_ins_of(swift)
    by_ids = replace(before, models={key: ids for key, ids in before.models.items() if key != "model_type"})
    for known in (before, by_ids):
        assert facts(compare(swift, replace(swift, models={}), known)) == [("model_type", "qwen2_5_vl", "gone", None)]
    later = with_groups(swift, groups_of(swift)[:2])
    assert facts(compare(swift, later, before)) == [("group", "qwen2_5_vl/2", "gone", None)]
    assert compare(swift, later, built_ins_of(later)) == []
    assert facts(extras(swift, later, built_ins_of(later))) == [("group", "qwen2_5_vl/2", "gone", None)]


def test_a_changed_group_is_one_group(swift: Registry) -> None:
    groups = groups_of(swift)
    groups[0]["models"] = [
        model("Qwen/Qwen2.5-VL-7B-Instruct", "Qwen/Qwen2.5-VL-7B-Instruct"),
        model("Qwen/Qwen2.5-VL-3B-Instruct", "qwen/Qwen2.5-VL-3B-Instruct"),
        model("Qwen/Qwen2.5-VL-72B-Instruct", "Qwen/Qwen2.5-VL-72B-Instruct"),
    ]
    groups[0]["tags"] = ["vision"]
    later = with_groups(swift, [groups[2], groups[1], groups[0]])
    found = compare(swift, later, built_ins_of(swift))
    assert facts(found) == [
        ("group", "qwen2_5_vl/2", "differs", "models"),
        ("group", "qwen2_5_vl/2", "differs", "models"),
        ("group", "qwen2_5_vl/2", "differs", "tags"),
    ]
    was, new = groups_of(swift)[0]["models"][0], groups[0]["models"]
    assert [(fact.ours, fact.theirs) for fact in found] == [(was, new[1]), (None, new[2]), ([], ["vision"])]


def test_a_model_that_left_its_group_is_a_difference_unless_it_is_ours(swift: Registry) -> None:
    ours = groups_of(swift)
    ours[1]["models"].append(model("acme/Own", "acme/Own"))
    registered = with_groups(swift, ours)
    assert compare(registered, swift, built_ins_of(swift)) == []
    assert facts(extras(registered, swift, built_ins_of(swift))) == [("group", "qwen2_5_vl/1", "differs", "models")]
    assert facts(compare(registered, swift, built_ins_of(registered))) == [
        ("group", "qwen2_5_vl/1", "differs", "models")
    ]
    moved = groups_of(swift)
    moved[1]["models"].append(moved[0]["models"].pop())
    found = compare(swift, with_groups(swift, moved))
    assert facts(found) == [
        ("group", "qwen2_5_vl/0", "differs", "models"),
        ("group", "qwen2_5_vl/1", "differs", "models"),
    ]
    assert [fact.theirs is None for fact in found] == [True, False]


def test_groups_are_paired_by_what_they_share_most() -> None:
    ours = [group("a", "b"), group("c", "d", "e"), group("f")]
    theirs = [group("b", "c", "d"), group("a", "b"), group("z")]
    assert group_pairs(ours, theirs) == [(ours[1], theirs[0]), (ours[0], theirs[1]), (None, theirs[2]), (ours[2], None)]


def test_order_says_nothing_within_groups(swift: Registry) -> None:
    shuffled = groups_of(swift)[::-1]
    for item in shuffled:
        item["models"].reverse()
    assert compare(with_groups(swift, shuffled), swift) == []


def test_what_a_version_refuses_is_not_lacking(llamafactory: Registry) -> None:
    templates = {name: value for name, value in llamafactory.templates.items() if name != "qwen3"}
    ours = replace(llamafactory, templates=templates, refused={("template", "qwen3"): "no such class"})
    before = built_ins_of(llamafactory)
    assert facts(compare(ours, llamafactory, before)) == [("template", "qwen3", "differs", "registration")]
    older = replace(llamafactory, templates=templates)
    [fact] = compare(ours, older, before)
    assert (fact.change, fact.ours) == ("gone", "no such class")


def test_what_is_refused_under_a_name_of_our_own_is_nothing(llamafactory: Registry) -> None:
    templates = {name: value for name, value in llamafactory.templates.items() if name != "qwen3"}
    ours = replace(llamafactory, templates=templates, refused={("template", "qwen3"): "no such class"})
    older = replace(llamafactory, templates=templates)
    before = built_ins_of(older)
    assert compare(ours, older, before) == extras(ours, older, before) == []
    assert facts(compare(ours, llamafactory, before)) == [("template", "qwen3", "lacking", None)]


def test_where_ms_swift_joins_texts_their_boundaries_mean_nothing() -> None:
    there = fields("qwen2_5")
    again = {**there, "prompt": ["", *(piece for text in there["prompt"] for piece in (text[:5], text[5:]))]}
    assert template_differences("swift", again, there) == []
    head, rest = there["prompt"][0][:12], there["prompt"][0][12:]
    cut = {key: [*there[key], head] for key in ("prefix", "system_prefix", "chat_sep")}
    assert template_differences("swift", {**there, **cut, "prompt": [rest, *there["prompt"][1:]]}, there) == []
    cut["chat_sep"] = there["chat_sep"]
    assert template_differences("swift", {**there, **cut, "prompt": [rest, *there["prompt"][1:]]}, there) != []
    assert (
        template_differences(
            "swift", {**there, "stop_words": [*there["stop_words"], there["suffix"][-1].strip()]}, there
        )
        == []
    )
    assert template_differences("swift", {**there, "stop_words": ["<|end|>"]}, there) == ["stop_words"]


def test_a_field_that_a_version_does_not_have_is_no_difference(llamafactory: Registry) -> None:
    name = "qwen3"
    older = {key: value for key, value in llamafactory.templates[name].items() if key != "preserve_thinking"}
    assert "preserve_thinking" in llamafactory.templates[name]
    assert compare(llamafactory, replace(llamafactory, templates={**llamafactory.templates, name: older})) == []
