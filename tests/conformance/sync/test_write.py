"""Specs are filled from, and mended after, what the frameworks really register; what a person wrote stays.

``upstream/*.json`` hold a part of what LLaMA-Factory 0.9.5 and ms-swift 4.6.0 register, read by the sync itself.
"""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml.comments import CommentedMap

from chatwright.catalogue import load_catalogue
from chatwright.catalogue.model import Catalogue, Template
from chatwright.errors import CatalogueError, ChatwrightError, Unsupported
from chatwright.inspection.registrations.lifting import Lifted, lift
from chatwright.inspection.spec_editing import Spec, put_override
from chatwright.meaning.runs import TODAY
from chatwright.meaning.tool_formats import tool_formats
from chatwright.records.frameworks import built_ins
from chatwright.targets import llamafactory, swift
from chatwright.targets.python import literal
from conformance.sync.compare import Difference, compare
from conformance.sync.place import Home, Newcomer, beside_relatives
from conformance.sync.registry import Registry
from conformance.sync.specs import Specs
from conformance.sync.template_classes import describe
from conformance.sync.write import _extending, remember_plugins, write
from tests.support import FRAMEWORKS, ROOT

UPSTREAM = Path(__file__).parent / "upstream"
SPECS = sorted((ROOT / "specs").glob("*/*.yaml"))
DEFAULT_TEMPLATE_NAMES = ("-Chat", "-Distill", "-Instruct", "-Thinking")  # extras/constants.py, register_model_group


def upstream(framework: str) -> Registry:
    data = json.loads((UPSTREAM / f"{framework}.json").read_text(encoding="utf-8"))
    return Registry(framework, data["version"], data["templates"], data["models"], tuple(data["groups"]))


def load(folder: Path) -> Catalogue:
    return load_catalogue(folder, tool_formats=frozenset(tool_formats()))


def registered(catalogue: Catalogue, theirs: Registry) -> Registry:
    """What the generated package of a catalogue registers, with what the framework itself puts where we say nothing."""
    templates, refused = {}, {}
    for template in catalogue.templates.values():
        name = template.registered[theirs.framework]
        if name is not None:
            try:
                templates[name] = FIELDS[theirs.framework](template, theirs)
            except Unsupported as reason:
                refused["template", name] = str(reason)
    models = _model_types(catalogue, theirs) if theirs.framework == "swift" else _models(catalogue)
    return Registry(theirs.framework, theirs.version, templates, models, refused=refused)


def _llamafactory_fields(template: Template, theirs: Registry) -> dict[str, Any]:
    """With the defaults of ``register_template``; the plugins' own come from a template that upstream gives them."""
    arguments = llamafactory.template_arguments(template)
    plugin = {"name": "base", **arguments.pop("mm_plugin", {})}
    name = plugin.pop("name")
    registered = template.registered["llamafactory"]
    nearest = sorted(theirs.templates, key=lambda other: other != registered)
    known = next(own for other in nearest if name in (own := theirs.templates[other]["mm_plugin"])["names"])
    tokens = dict.fromkeys(("image_token", "video_token", "audio_token"))
    given = {"tool_call_words": ("<tool_call>", "</tool_call>"), "enable_thinking": True, "preserve_thinking": False}
    fields = json.loads(json.dumps({**given, **arguments}, default=sorted))
    for key in fields:
        if key.startswith("format_"):
            cls, slots, tools = fields[key]
            fields[key] = [cls, slots or [], tools]
    return {**fields, "mm_plugin": {**known, **tokens, "expand_mm_tokens": True, **plugin}}


def _swift_fields(template: Template, theirs: Registry) -> dict[str, Any]:
    """With the defaults of ``TemplateMeta``."""
    arguments = swift.template_arguments(template)
    texts = ("thinking_prefix", "non_thinking_prefix", "history_thinking_prefix")
    defaults = {
        "template_type": template.registered["swift"],
        "template_cls": "swift.template.base.Template",
        "auto_add_bos": False,
        "stop_words": [],
        "is_thinking": False,
        **dict.fromkeys(("default_system", "agent_template", "preserve_thinking")),
        **dict.fromkeys(texts, ""),
    }
    fields = {**defaults, **{key: _today(value) for key, value in arguments.items()}}
    if any("{{SYSTEM}}" in element for element in fields["prompt"]):  # template_meta.py, __post_init__
        fields["system_prompt"] = fields["prompt"]
        fields["prompt"] = [element for element in fields["prompt"] if "{{SYSTEM}}" not in element]
    return fields


def _today(value: Any) -> Any:
    return eval(literal(value), {"today": TODAY.strftime})


FIELDS: Mapping[str, Callable[[Template, Registry], dict[str, Any]]] = {
    "llamafactory": _llamafactory_fields,
    "swift": _swift_fields,
}


def means(framework: str, template: Template, fields: Mapping[str, Any]) -> bool:
    """Whether a template of ours is upstream's, as the comparison sees it."""
    theirs = upstream(framework)
    alone = Registry(framework, "", {"": fields}, {})
    known = Registry(framework, "", {**theirs.templates, "": fields}, {})
    try:
        ours = FIELDS[framework](template, known)
    except Unsupported:
        return False
    ours["template_type"] = fields.get("template_type")
    return not compare(Registry(framework, "", {"": ours}, {}), alone)


def _models(catalogue: Catalogue) -> dict[str, Any]:
    models = {}
    for spec in catalogue.specs:
        for group in llamafactory._model_groups(spec, catalogue):
            for name, ids in group["models"].items():
                has_default = group["multimodal"] or any(mark in name for mark in DEFAULT_TEMPLATE_NAMES)
                models[name] = {
                    "ids": ids,
                    "template": group["template"] if has_default else None,
                    "multimodal": group["multimodal"],
                }
    return models


def _model_types(catalogue: Catalogue, theirs: Registry) -> dict[str, Any]:
    """With the defaults of ``ModelMeta``, ``ModelGroup`` and ``Model``."""
    fields = ("ms_model_id", "hf_model_id", "model_path", "ms_revision", "hf_revision")
    found = {}
    for name, model_type in catalogue.model_types.items():
        given = swift._model_type(model_type, catalogue)
        if "torch_dtype" in given:
            given["torch_dtype"] = f"torch.{given['torch_dtype']}"
        is_reward = theirs.models.get(name, {}).get("is_reward", False)  # by the name alone: constant.py, RMModelType
        found[name] = {
            "model_type": name,
            "loader": "swift.model.register.ModelLoader",
            "template": None,
            "model_arch": None,
            "mcore_model_type": None,
            "architectures": [],
            "additional_saved_files": [],
            "torch_dtype": None,
            "is_multimodal": False,
            "is_reward": is_reward,
            "task_type": None,
            "ignore_patterns": None,
            "requires": [],
            "tags": [],
            "groups": [],
            **given,
        }
    for spec in catalogue.specs:
        for name, group in swift._groups(spec, catalogue):
            models = [dict(zip(fields, (*ids, *[None] * 5), strict=False)) for ids in group["models"]]
            defaults = {"template": None, "ignore_patterns": None, "requires": None, "tags": []}
            found[name]["groups"].append({**defaults, **group, "models": models})
    return found


def differences(folder: Path, framework: str) -> list[Difference]:
    theirs = upstream(framework)
    empty = Registry(framework, theirs.version, {}, {})
    filled = any(folder.glob("*/*.yaml"))
    return compare(registered(load(folder), theirs) if filled else empty, theirs)


def sync(folder: Path, framework: str) -> list[str]:
    """What was done, without what is said of files in which nothing is left; those are removed, as a person does."""
    done = write(differences(folder, framework), upstream(framework), folder)
    emptied = remove_emptied(folder, done)
    return [line for line in done if line not in emptied]


def remove_emptied(folder: Path, done: list[str]) -> list[str]:
    """Remove the files of which a line says that nothing is left in them; returns those lines."""
    said = [line for line in done if line.endswith(": nothing is left in it; remove the file")]
    for line in said:
        (folder / line.split(": ")[1]).unlink()
    return said


def content(folder: Path) -> dict[str, str]:
    return {path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8") for path in folder.glob("*/*.yaml")}


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Specs made from nothing, LLaMA-Factory's models first."""
    folder = tmp_path_factory.mktemp("filled")
    for framework in FRAMEWORKS:
        sync(folder, framework)
    return folder


@pytest.fixture
def specs(filled: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(filled, tmp_path / "specs"))


# -- the style ---------------------------------------------------------------------------------------------------------


def test_a_spec_that_is_read_and_written_is_the_same_to_the_byte() -> None:
    assert SPECS
    texts = {path: path.read_text(encoding="utf-8") for path in SPECS}
    assert [path for path, text in texts.items() if Spec(path.name, text).text() != (text, [])] == []


def test_what_is_written_is_in_the_style_of_what_is_there(filled: Path) -> None:
    text = (filled / "zhipu" / "glm4.yaml") if (filled / "zhipu").exists() else next(filled.glob("*/glm4.yaml"))
    lines = text.read_text(encoding="utf-8").splitlines()
    expected = (ROOT / "specs" / "zhipu" / "glm4.yaml").read_text(encoding="utf-8").splitlines()
    assert lines[0] == expected[0]
    checkpoint = expected.index("      - name: GLM-4-9B-Chat")
    at = lines.index("      - name: GLM-4-9B-Chat")
    assert lines[at : at + 4] == expected[checkpoint : checkpoint + 4]
    assert '      user: "<|user|>\\n{{content}}"' in lines
    assert "    architectures: [Glm4ForCausalLM]" in lines
    assert '    requires: ["transformers>=4.51"]' in lines


# -- filling -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_specs_made_from_nothing_say_what_upstream_says(filled: Path, framework: str) -> None:
    assert differences(filled, framework) == []
    ours, theirs = registered(load(filled), upstream(framework)), upstream(framework)
    assert ours.models.keys() == theirs.models.keys()


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_with_nothing_to_do_nothing_is_touched(specs: Path, framework: str) -> None:
    before = content(specs)
    assert sync(specs, framework) == []
    assert content(specs) == before


def test_ms_swift_first_leads_to_the_same_registrations(tmp_path: Path) -> None:
    for framework in reversed(FRAMEWORKS):
        sync(tmp_path, framework)
    assert [differences(tmp_path, framework) for framework in FRAMEWORKS] == [[], []]


def test_a_family_that_both_know_is_one_spec(filled: Path) -> None:
    """Joined by hub id: no checkpoint stands twice, but those that ms-swift itself lists twice."""
    catalogue = load(filled)
    ids = [item.ids["huggingface"] for item in checkpoints(catalogue) if "huggingface" in item.ids]
    assert len(ids) == len(set(ids))
    assert [dict(item.targets["swift"]) for item in checkpoints(catalogue) if not item.ids and not item.path] == [
        {"huggingface": "zai-org/glm-edge-4b-chat", "modelscope": "ZhipuAI/glm-edge-4b-chat"}
    ]


def checkpoints(catalogue: Catalogue) -> Iterator[Any]:
    return (item for spec in catalogue.specs for group in spec.models for item in group.checkpoints)


def test_ids_go_to_the_checkpoint_that_ms_swift_gives_them(filled: Path) -> None:
    """LLaMA-Factory has the ModelScope ids of two Gemma models the wrong way round."""
    found = {item.name: item for item in checkpoints(load(filled))}
    assert found["Gemma-7B"].ids["modelscope"] == "AI-ModelScope/gemma-7b"
    assert dict(found["Gemma-7B"].targets["llamafactory"]) == {"modelscope": "AI-ModelScope/gemma-2b-it"}
    assert found["Gemma-2B-Instruct"].ids["modelscope"] == "AI-ModelScope/gemma-2b-it"
    assert dict(found["Gemma-2B-Instruct"].targets["llamafactory"]) == {"modelscope": "AI-ModelScope/gemma-7b"}


def test_on_modelscope_ms_swift_counts(filled: Path) -> None:
    """The two give different ids for one model there."""
    found = {item.name: item for item in checkpoints(load(filled))}["GPT-OSS-20B-Thinking"]
    assert found.ids["modelscope"] == "openai-mirror/gpt-oss-20b"
    assert dict(found.targets["llamafactory"]) == {"modelscope": "openai/gpt-oss-20b"}


def test_a_plugin_for_all_templates_of_a_file_does_not_reach_a_new_one_without(specs: Path) -> None:
    """LLaMA-Factory's qwen2_vl has the plugin of its file; a text template that comes into that file has none."""
    theirs = upstream("llamafactory")
    path = next(path for path in specs.glob("*/*.yaml") if "\n  gemma3:\n" in path.read_text(encoding="utf-8"))
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    (plugin,) = (line for line in lines if line.startswith("    mm_plugin: {name: gemma3"))
    models = next((place for place, line in enumerate(lines) if line.startswith("models:")), len(lines))
    lines.insert(models, plugin.lstrip())
    lines.remove(plugin)
    path.write_text("".join(lines), encoding="utf-8")
    home = Home(f"{path.parent.name}/{path.name}", "", "")
    text_only = {**theirs.templates["gemma2"], "stop_words": ["<stop>"]}
    more = Registry("llamafactory", "next", {**theirs.templates, "text_only": text_only}, theirs.models, theirs.groups)
    write([Difference("template", "text_only", "lacking", None, None, text_only)], more, specs, lambda *_: home)
    templates = load(specs).templates
    assert templates["text_only"].mm_plugin is None
    assert templates["gemma3"].mm_plugin is not None


def test_a_comment_on_what_is_gone_is_reported(specs: Path) -> None:
    path = next(specs.glob("*/glm4.yaml"))
    text = path.read_text(encoding="utf-8")
    line = '    requires: ["transformers>=4.51"]\n'
    assert line in text
    path.write_text(text.replace(line, f"    # why\n{line}"), encoding="utf-8")
    theirs = upstream("swift")
    changed = {**theirs.models, "glm4": {**theirs.models["glm4"], "requires": []}}
    difference = Difference("model_type", "glm4", "differs", "requires", ["transformers>=4.51"], [])
    report = write([difference], Registry("swift", "next", theirs.templates, changed), specs)
    assert any("the comment '# why' stood on something that is gone" in line for line in report)


def test_a_model_without_a_template_has_none(filled: Path) -> None:
    groups = [group for spec in load(filled).specs for group in spec.models]
    (bloom,) = (group for group in groups if any(item.name == "BLOOM-560M" for item in group.checkpoints))
    assert bloom.template is None


def test_most_models_of_a_group_decide_on_its_template(filled: Path) -> None:
    catalogue = load(filled)
    groups = [group for spec in catalogue.specs for group in spec.models]
    (small,) = (group for group in groups if any(item.name == "Gemma-3-1B" for item in group.checkpoints))
    assert small.template is not None
    assert catalogue.templates[small.template].registered["llamafactory"] == "gemma2"
    own = {
        item.name: dict(item.targets["llamafactory"]) for item in small.checkpoints if "llamafactory" in item.targets
    }
    assert own["MedGemma-27B-Instruct"] == {"multimodal": True, "template": "gemma3"}


def test_a_template_that_extends_another_leaves_out_what_that_says(filled: Path) -> None:
    extending = [
        (name, data)
        for path in filled.glob("*/*.yaml")
        for name, data in Spec(path.name, path.read_text(encoding="utf-8")).root.get("templates", {}).items()
        if "extends" in data
    ]
    assert extending
    for name, data in extending:
        assert "slots" not in data, name


# -- mending -----------------------------------------------------------------------------------------------------------


def damage(specs: Specs, chance: random.Random) -> str:
    """Take one piece of the data away."""
    entry = chance.choice(specs.entries)
    spec, group, data = entry.spec, entry.group, entry.data
    models = spec.root["models"]
    specs.touch(spec)

    def remove(nodes: list[CommentedMap], node: CommentedMap) -> None:
        del nodes[next(place for place, other in enumerate(nodes) if other is node)]

    def remove_key(owner: CommentedMap, *keys: str) -> None:
        present = [key for key in keys if key in owner]
        if present:
            del owner[chance.choice(present)]

    def forget_group() -> None:
        if len(models) > 1:
            remove(models, group)

    def forget_checkpoint() -> None:
        if len(group["checkpoints"]) > 1:
            remove(group["checkpoints"], data)

    def forget_model_type() -> None:
        name = group.get("model_type")
        if name is not None:
            home, _ = specs.model_type(name) or (None, None)
            assert home is not None
            specs.touch(home)
            del home.root["model_types"][name]
            if not home.root["model_types"]:
                del home.root["model_types"]
            for other, own in specs.groups(name):
                specs.touch(other)
                del own["model_type"]
                own.pop("targets", None)

    def forget_field() -> None:
        name = group.get("model_type")
        found = specs.model_type(name) if name else None
        if found:
            specs.touch(found[0])
            remove_key(found[1], *(key for key in found[1] if key != "targets"))

    def forget_registration() -> None:
        places = [(home, name) for home in specs.specs.values() for name in home.root.get("templates", {})]
        home, name = chance.choice(places)
        template = home.root["templates"][name]
        template["registered"] = {**template.get("registered", {}), chance.choice(FRAMEWORKS): None}
        specs.touch(home)

    damages: list[Callable[[], None]] = [
        forget_group,
        forget_checkpoint,
        forget_model_type,
        forget_field,
        forget_registration,
        lambda: remove_key(data, "name"),
        lambda: remove_key(data, "modelscope", "openmind") if "huggingface" in data else None,
        lambda: remove_key(data, "targets") if len(data) > 1 else None,
        lambda: remove_key(group, "requires", "tags", "ignore_patterns", "targets"),
    ]
    index = chance.randrange(len(damages))
    damages[index]()
    return f"{index} at {spec.source} {dict(data)}"


@pytest.mark.parametrize("seed", range(5))
def test_what_is_taken_away_comes_back(specs: Path, seed: int) -> None:
    chance = random.Random(seed)
    done = []
    for _ in range(4):
        folder = Specs(specs)
        piece = damage(folder, chance)
        try:
            remove_emptied(specs, folder.save())
            done.append(piece)
        except CatalogueError:
            continue  # without that piece the specs are not valid
    assert done
    for framework in chance.sample(FRAMEWORKS, 2):
        sync(specs, framework)
    assert [differences(specs, framework) for framework in FRAMEWORKS] == [[], []], done


@pytest.mark.parametrize("order", [FRAMEWORKS, tuple(reversed(FRAMEWORKS))], ids=lambda order: f"{order[0]} first")
def test_a_family_that_is_lost_comes_back_as_one(specs: Path, order: tuple[str, ...]) -> None:
    """Both frameworks have a qwen3_omni, and mean another one; ms-swift's hy_v3 has models that stand beside hy3's."""
    marks = ("Qwen/Qwen3-Omni", "tencent/Hy3", "\n  qwen3_omni", "\n  hy3:", "\n  hy_v3")
    for source, text in content(specs).items():
        if any(mark in text for mark in marks):
            (specs / source).unlink()
    kept = set(content(specs))
    for framework in order:
        sync(specs, framework)
    assert [differences(specs, framework) for framework in FRAMEWORKS] == [[], []]
    new = {source: text for source, text in content(specs).items() if any(mark in text for mark in marks)}
    assert len(new) == 2
    assert not kept.intersection(new)
    templates = load(specs).templates.values()
    omni = [template for template in templates if "qwen3_omni" in template.registered.values()]
    assert sorted(template.name for template in omni) == ["qwen3_omni", f"qwen3_omni-{order[1]}"]


def test_what_a_person_wrote_stays(specs: Path) -> None:
    path = next(specs.glob("*/glm4.yaml"))
    text = path.read_text(encoding="utf-8")
    for line, mine in (
        ("title: ", "# a remark\ntitle: "),
        ("      - name: GLM-4-9B\n", "      # about the base\n      - name: GLM-4-9B\n"),
        ("      - name: GLM-4-9B-1M-Chat\n        huggingface: ", "      - huggingface: "),
        ("zai-org/glm-4-9b-chat-1m\n", "zai-org/glm-4-9b-chat-1m  # long\n"),
    ):
        assert line in text
        text = text.replace(line, mine)
    path.write_text(text)
    sync(specs, "llamafactory")
    text = path.read_text(encoding="utf-8")
    assert "# a remark\ntitle: " in text
    assert "      # about the base\n      - name: GLM-4-9B\n" in text
    assert "      - name: GLM-4-9B-1M-Chat\n" in text
    assert "        huggingface: zai-org/glm-4-9b-chat-1m  # long\n" in text
    assert differences(specs, "llamafactory") == []


def test_what_only_a_person_knows_is_no_difference_and_stays(specs: Path) -> None:
    """Neither where a template is edited, not even after a class that may write anything, nor in a new one."""
    path = next(
        path for path in specs.glob("*/*.yaml") if "\n  qwen3_omni_nothink:\n" in path.read_text(encoding="utf-8")
    )
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    start = lines.index("  qwen3_omni_nothink:\n")
    stop = next(place for place, line in enumerate(lines[start:], start) if line.startswith("    stop_words: "))
    lines.insert(stop + 1, "    turns: [users, last_reply]\n")
    path.write_text("".join(lines), encoding="utf-8")
    for framework in FRAMEWORKS:
        assert differences(specs, framework) == []
    theirs, difference = changed_upstream("llamafactory", "qwen3_omni_nothink", "stop_words", ["<|end|>"])
    cls = Difference("template", "qwen3_omni_nothink", "differs", "template_cls", "a", "b")
    write([difference, cls], theirs, specs)
    (changed,) = (each for each in load(specs).templates.values() if each.name == "qwen3_omni_nothink")
    assert changed.stop_words == ("<|end|>",)
    assert changed.turns == ("last_reply", "users")


def test_a_new_template_extends_one_of_which_a_person_knows_more() -> None:
    slots = {"user": "{{content}}", "assistant": {"body": "{{content}}<end>"}}
    base = {"slots": slots, "stop_words": ["<end>"], "turns": ["users"]}
    assert _extending({"slots": slots, "stop_words": ["<eot>"]}, {"base": base}) == {
        "extends": "base",
        "stop_words": ["<eot>"],
    }


def test_a_comment_goes_with_what_it_is_about(specs: Path) -> None:
    """A checkpoint that moves into ms-swift's group takes its comment along."""
    path = next(specs.glob("*/gpt_oss.yaml"))
    folder = Specs(specs)
    spec = next(spec for source, spec in folder.specs.items() if source.endswith("/gpt_oss.yaml"))
    for group in spec.root["models"]:
        group.pop("model_type", None)
        group.pop("targets", None)
    folder.touch(spec)
    folder.save()
    line = "      - name: GPT-OSS-120B-Thinking\n"
    path.write_text(path.read_text(encoding="utf-8").replace(line, f"      # the large one\n{line}"))
    sync(specs, "swift")
    assert f"      # the large one\n{line}" in path.read_text(encoding="utf-8")
    assert differences(specs, "swift") == []


def test_what_is_gone_upstream_is_left_to_a_person(specs: Path) -> None:
    before = content(specs)
    gone = Difference("model", "BLOOM-560M", "gone", None, {}, None)
    assert write([gone], upstream("llamafactory"), specs) == ["left to a person: model BLOOM-560M is gone upstream"]
    assert content(specs) == before


CHANGES = [
    ("llamafactory", "glm4", "stop_words", ["<|user|>"], "stop_words"),
    ("llamafactory", "glm4", "default_system", "Be kind.", "default_system"),
    ("llamafactory", "glm4", "format_prefix", ["EmptyFormatter", ["[gMASK]"], None], "slots.prefix"),
    ("llamafactory", "llava_next_video", "mm_plugin.video_token", "<movie>", "mm_plugin.video_token"),
    ("swift", "gpt_oss", "agent_template", "hermes", "slots.observation, tool_format"),
    ("swift", "xverse", "system_prefix", ["<sys>{{SYSTEM}}"], "slots.system"),
]


def changed_upstream(framework: str, name: str, field: str, value: Any) -> tuple[Registry, Difference]:
    theirs = upstream(framework)
    templates = json.loads(json.dumps(theirs.templates))
    *owners, key = field.split(".")
    owner = templates[name]
    for each in owners:
        owner = owner[each]
    difference = Difference("template", name, "differs", field, owner[key], value)
    owner[key] = value
    return Registry(framework, "next", templates, theirs.models, theirs.groups), difference


@pytest.mark.parametrize(("framework", "name", "field", "value", "key"), CHANGES, ids=lambda value: str(value)[:20])
def test_a_template_that_changed_upstream_is_changed_in_place(
    specs: Path, framework: str, name: str, field: str, value: Any, key: str
) -> None:
    theirs, difference = changed_upstream(framework, name, field, value)
    before = content(specs)
    (line,) = write([difference], theirs, specs)
    after = content(specs)
    assert line.endswith(f": {key}"), line
    (source,) = (path for path in after if after[path] != before[path])
    assert abs(len(after[source].splitlines()) - len(before[source].splitlines())) <= len(key.split(", "))
    (template,) = (each for each in load(specs).templates.values() if each.registered[framework] == name)
    assert means(framework, template, theirs.templates[name])


@pytest.mark.parametrize(
    ("line", "mine"),
    [
        (
            '    tool_format: qwen\n    stop_words: ["<|im_end|>"]\n',
            '    tool_format: glm4\n    stop_words: ["<|im_end|>"]\n',
        ),
        ('    stop_words: ["<|im_end|>"]\n', '    stop_words: ["<|end|>"]\n'),
        ('image_token: "<|image_pad|>"', 'image_token: "<image>"'),
        ('        body: "{{content}}<|im_end|>\\n"\n', '        body: "{{content}}<|end|>\\n"\n'),
    ],
)
def test_what_was_changed_by_hand_is_changed_back(specs: Path, line: str, mine: str) -> None:
    path = next(
        path for path in specs.glob("*/*.yaml") if "\n  qwen3_omni_nothink:\n" in path.read_text(encoding="utf-8")
    )
    text = path.read_text(encoding="utf-8")
    start = text.index("\n  qwen3_omni_nothink:\n")
    assert line in text[start:]
    path.write_text(text[:start] + text[start:].replace(line, mine, 1), encoding="utf-8")
    assert differences(specs, "llamafactory")
    sync(specs, "llamafactory")
    assert path.read_text(encoding="utf-8") == text


def test_a_plugin_belongs_to_what_a_template_means(specs: Path) -> None:
    """A template that ms-swift alone has is LLaMA-Factory's too once it has the plugin; with another it is not."""
    catalogue = load(specs)
    fields = upstream("llamafactory").templates["qwen3_omni_nothink"]
    plain = replace(
        catalogue.templates["qwen3_omni_nothink"], mm_plugin=None, registered={"llamafactory": None, "swift": "plain"}
    )

    def lifted(template: Template) -> Lifted:
        specs = [spec for spec in catalogue.specs if spec.name == template.family]
        alone = Catalogue((replace(specs[0], templates=(template,)),))
        return lift("llamafactory", fields, alone, [template.name], describe=describe)

    joined = lifted(plain)
    assert joined.joins == plain.name
    assert joined.data["mm_plugin"]["name"] == "qwen2_omni"
    assert joined.data["mm_plugin"]["image_token"] == fields["mm_plugin"]["image_token"]
    assert lifted(replace(plain, registered={"llamafactory": "plain", "swift": "plain"})).joins is None
    assert lifted(replace(plain, mm_plugin=catalogue.templates["gemma3"].mm_plugin)).joins is None
    assert lifted(catalogue.templates["qwen3_omni_nothink"]).data == {}


@pytest.mark.parametrize("place", ["base", "extension"])
def test_what_two_templates_say_together_is_left_to_a_person(specs: Path, place: str) -> None:
    """A change of the base would change the other one too; a change of what that one inherits has no key there."""
    catalogue = load(specs)
    name, base = next(
        (name, data["extends"])
        for path in sorted(specs.glob("*/*.yaml"))
        for name, data in Spec(path.name, path.read_text(encoding="utf-8")).root.get("templates", {}).items()
        if "extends" in data
    )
    registered = catalogue.templates[base if place == "base" else name].registered
    framework = next(each for each in FRAMEWORKS if registered[each] in upstream(each).templates)
    prefix = ["EmptyFormatter", ["<new>"], None] if framework == "llamafactory" else ["<new>"]
    fields = ("format_prefix" if framework == "llamafactory" else "prefix"), prefix
    theirs, difference = changed_upstream(framework, str(registered[framework]), *fields)
    before = content(specs)
    (line,) = write([difference], theirs, specs)
    assert line.startswith("left to a person: template ")
    assert line.endswith(f": {difference.field} differs from upstream")
    assert content(specs) == before


def test_specs_that_would_become_invalid_are_not_written(specs: Path) -> None:
    path = next(specs.glob("*/glm4.yaml"))
    path.write_text(path.read_text(encoding="utf-8").replace("publisher:", "publicher:"))
    before = content(specs)
    with pytest.raises(CatalogueError):
        write([Difference("model_type", "xverse", "differs", "tags", [], [])], upstream("swift"), specs)
    assert content(specs) == before


ODD = [
    ("title: GLM-4\n", "title: >-\n  GLM-4\n# of Zhipu\n", 3),
    (
        '    stop_words: ["<|user|>", "<|observation|>"]\n',
        '    stop_words: ["<|user|>",\n      "<|observation|>"]\n',
        None,
    ),
    ("title: GLM-4\n", 'title: "GLM-4\\u200b"\n', 3),
    ("title: GLM-4\n", "title: GLM-4\t# a tab\n", 3),
    ("title: GLM-4\n", "title: |+\n  GLM-4\n\n# of Zhipu\n", 3),
]


@pytest.mark.parametrize(
    ("line", "mine", "number"), ODD, ids=["comment", "folded list", "invisible", "tab", "kept end"]
)
def test_a_file_that_would_be_rewritten_is_refused(specs: Path, line: str, mine: str, number: int | None) -> None:
    """Nothing is written then; the message names the first line that would change."""
    theirs, difference = changed_upstream("llamafactory", "glm4", "default_system", "Be kind.")
    path = next(specs.glob("*/glm4.yaml"))
    text = path.read_text(encoding="utf-8")
    text = text.replace(next(each for each in text.splitlines(True) if each.startswith("title:")), "title: GLM-4\n")
    assert line in text
    path.write_text(text.replace(line, mine, 1), encoding="utf-8")
    where = number or path.read_text(encoding="utf-8").splitlines().index(mine.splitlines()[0]) + 1
    before = content(specs)
    with pytest.raises(ChatwrightError, match=rf"glm4\.yaml:{where}: (?s:.*)make the change by hand"):
        write([difference], theirs, specs)
    assert content(specs) == before


def test_a_file_that_is_not_edited_may_be_written_in_any_way(specs: Path) -> None:
    theirs, difference = changed_upstream("llamafactory", "glm4", "default_system", "Be kind.")
    path = next(path for path in specs.glob("*/*.yaml") if path.name != "glm4.yaml")
    text = path.read_text(encoding="utf-8").replace("publisher: ", "publisher: >-\n  ", 1)
    path.write_text(text, encoding="utf-8")
    write([difference], theirs, specs)
    assert path.read_text(encoding="utf-8") == text
    assert load(specs).templates["glm4"].default_system is not None


def test_a_disk_that_refuses_leaves_each_spec_whole(specs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = content(specs)
    folder = Specs(specs)
    for spec in list(folder.specs.values())[:3]:
        spec.root["title"] = "New"
        folder.touch(spec)
    replace_file, left = os.replace, [2]

    def refusing(source: Path, target: Path) -> None:
        left[0] -= 1
        if left[0] == 0:
            raise OSError(28, "No space left on device", str(target))
        replace_file(source, target)

    monkeypatch.setattr(os, "replace", refusing)
    with pytest.raises(ChatwrightError, match="cannot write: No space left on device; each file is whole"):
        folder.save()
    [changed] = [source for source, text in content(specs).items() if before[source] != text]
    assert "title: New\n" in content(specs)[changed]
    assert [path for path in specs.rglob("*") if "chatwright" in path.name] == []


def test_a_spec_in_which_nothing_is_left_is_not_removed(specs: Path) -> None:
    """It is named, and what is left of it says so too; a new one that has nothing in the end is never written."""
    folder = Specs(specs)
    source = next(source for source in folder.specs if source.endswith("/gpt_oss.yaml"))
    for key in ("templates", "model_types", "models"):
        folder.specs[source].root.pop(key, None)
    folder.touch(folder.specs[source])
    folder.open("acme/new.yaml", "New", "Acme")
    lines = folder.save()
    assert f"left to a person: {source}: nothing is left in it; remove the file" in lines
    assert not (specs / "acme").exists()
    with pytest.raises(CatalogueError) as told:
        load(specs)
    assert [problem.message for problem in told.value.problems] == [
        "this spec has neither 'templates' nor 'models'; give it one of them or both, or remove it"
    ]
    (specs / source).unlink()
    load(specs)


def test_a_spec_that_is_a_link_is_refused(specs: Path, tmp_path: Path) -> None:
    path = next(specs.glob("*/glm4.yaml"))
    path.rename(tmp_path / "elsewhere.yaml")
    path.symlink_to(tmp_path / "elsewhere.yaml")
    with pytest.raises(ChatwrightError, match=r"glm4\.yaml: a symbolic link, which is not followed"):
        Specs(specs)


def test_a_new_spec_stands_in_the_folder_of_its_publisher(specs: Path) -> None:
    folder = Specs(specs)

    def home(*ids: tuple[str, str]) -> str:
        return beside_relatives(Newcomer("model_type", "swift", "acme_mt", ids, None, "acme_mt"), folder).source

    assert home(("path", "/acme/mt")) == "generic/acme_mt.yaml"
    assert home(("path", "/acme/mt"), ("huggingface", "Acme/MT")) == "acme/acme_mt.yaml"
    assert home(("modelscope", "\u667a\u8c31/mt")) == "u667a_u8c31/acme_mt.yaml"
    for outside in ("/acme_mt.yaml", "../acme/mt.yaml", "acme/../../mt.yaml", "mt.yaml", "/.yaml"):
        with pytest.raises(ChatwrightError, match="is not a place for a spec"):
            folder.open(outside, "MT", "Acme")


def test_an_id_that_is_dropped_upstream_is_dropped_with_its_override(specs: Path) -> None:
    path = next(
        path for path in specs.glob("*/*.yaml") if "      - name: BLOOM-560M\n" in path.read_text(encoding="utf-8")
    )
    folder = Specs(specs)
    entry = folder.named("BLOOM-560M")
    assert entry is not None
    put_override(entry.data, "llamafactory", "modelscope", "Own/bloom", "checkpoint")
    folder.touch_entry(entry)
    folder.save()
    theirs = upstream("llamafactory")
    model = {**theirs.models["BLOOM-560M"], "ids": {"DEFAULT": theirs.models["BLOOM-560M"]["ids"]["DEFAULT"]}}
    theirs = replace(theirs, models={**theirs.models, "BLOOM-560M": model})
    ours = registered(load(specs), theirs)
    write(compare(ours, theirs), theirs, specs)
    assert compare(registered(load(specs), theirs), theirs) == []
    assert "Own/bloom" not in path.read_text(encoding="utf-8")


def test_a_class_that_nobody_knows_is_left_to_a_person(specs: Path) -> None:
    """A new release's template may write what no field of it says: no other target gets it before somebody looked."""
    theirs = upstream("swift")
    fields = {
        **theirs.templates["xverse"],
        "template_type": "fresh",
        "template_cls": "swift.template.fresh.FreshTemplate",
    }
    later = replace(theirs, templates={**theirs.templates, "fresh": fields})
    report = write(compare(registered(load(specs), later), later), later, specs)
    assert (
        "left to a person: template fresh: say in it what its class swift.template.fresh.FreshTemplate writes" in report
    )
    assert (
        load(specs).templates["fresh"].undescribed
        == "what the class FreshTemplate adds, which nobody has looked at yet"
    )
    known = {**fields, "template_cls": "swift.template.templates.qwen.Qwen3OmniTemplate"}
    assert "undescribed" not in lift("swift", known, Catalogue(()), describe=describe).data


def test_plugins_of_a_newer_version_may_be_named_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = Registry("llamafactory", "9.9", {}, {}, plugins={"new_vl": ["vision_bos_token"]})
    known = built_ins()["llamafactory"]
    monkeypatch.setattr("chatwright.records.frameworks.records_path", lambda _: tmp_path)
    remember_plugins(theirs, tmp_path)
    try:
        assert built_ins()["llamafactory"] == replace(known, plugins={**known.plugins, "new_vl": ("vision_bos_token",)})
    finally:
        built_ins.cache_clear()
