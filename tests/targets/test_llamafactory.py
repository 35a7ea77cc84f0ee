"""What we register with LLaMA-Factory against what it has itself, as recorded, and what the shared code does."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from chatwright.catalogue.build import build_spec
from chatwright.catalogue.model import Catalogue, Template
from chatwright.catalogue.slots import parse_slot
from chatwright.errors import Location, Unsupported
from chatwright.records.frameworks import built_ins
from chatwright.targets.llamafactory import elements, generate, notes, template_arguments
from chatwright.targets.protocol import Context
from tests.support import VECTORS, catalogue, vectors


@pytest.mark.parametrize("name", sorted(vectors("llamafactory")))
def test_arguments_are_the_built_ins_fields(name: str) -> None:
    there = vectors("llamafactory")[name]["fields"]
    for key, value in template_arguments(catalogue().templates[name]).items():
        if key == "mm_plugin":
            given = {option: text for option, text in value.items() if option != "name"}
            assert given.items() <= there["mm_plugin"].items()
        elif key.startswith("format_"):
            assert [value[0], plain(value[1] or []), value[2]] == there[key], key
        else:
            assert (list(value) if isinstance(value, tuple) else value) == there[key], key


def plain(slots: list[Any]) -> list[Any]:
    return [sorted(slot) if isinstance(slot, set) else slot for slot in slots]


def test_elements_keep_boundaries() -> None:
    assert elements(parse_slot(["{{token:<|user|>}}", "\n", "{{content}}"])) == [
        {"token": "<|user|>"},
        "\n",
        "{{content}}",
    ]
    assert elements(parse_slot("a{{content}}{{eos_token}}\n")) == ["a{{content}}", {"eos_token"}, "\n"]


@pytest.mark.parametrize(
    ("slot", "reason"),
    [
        ("{{date:%Y}}", "today's date"),
        ("{{id:195}}", "names tokens by their text"),
        ("{{attribute:user_token}}", "names tokens by their text"),
        ("{{text:{{content}}}}", "literal"),
    ],
)
def test_refuses_what_a_slot_cannot_say(slot: str, reason: str) -> None:
    with pytest.raises(Unsupported, match=reason):
        elements(parse_slot(slot))


@pytest.mark.parametrize("name", ["gemma3_text", "llama3_2", "glm4-swift", "qwen3-swift"])
def test_refuses_templates_that_llamafactory_cannot_say(name: str) -> None:
    with pytest.raises(Unsupported, match="LLaMA-Factory"):
        template_arguments(catalogue().templates[name])


def built(**settings: Any) -> Template:
    """A template that LLaMA-Factory has to the letter, but for the given settings; None takes one away."""
    given = {key: value for key, value in {"tool_format": "qwen", **settings}.items() if value is not None}
    data = {"name": "x", "title": "X", "publisher": "P", "templates": {"x": given}}
    (template,) = build_spec(data, path="x", source="p/x.yaml", locate=lambda _: Location("x")).templates
    return template


THOUGHTS = "one way to handle thoughts"


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ({"slots": {"user": "[{{idx}}]{{content}}"}}, "numbers the rounds"),
        ({"slots": {"observation": "[{{idx}}]{{content}}"}}, "numbers the rounds"),
        (
            {"slots": {"user": "{{idx}}{{content}}", "observation": "{{content}}"}, "system_placement": "first_user"},
            "numbers the rounds",
        ),
        ({"slots": {"user": "[{{round}}]{{content}}"}}, "numbers the rounds from 0"),
        ({"slots": {"prefix": "{{text:{{system}}}}"}}, "looks like a placeholder"),
        ({"default_system": ""}, "empty default system text for none"),
        ({"default_system": "It is {{date:%Y}}."}, "no placeholder for today's date"),
        ({"trim": {"user": "both"}}, "trim.user: LLaMA-Factory does not trim"),
        ({"slots": {"assistant": {"opener": "<a>", "generation": "<g>", "body": "{{content}}"}}}, "generation prompt"),
        ({"slots": {"assistant": {"body": "{{content}}<e>\n", "last": "{{content}}<f>"}}}, "ends the last turn"),
        ({"slots": {"assistant": {"body": "{{content}}<e>", "last": "{{content}}<e>\n"}}}, "ends the last turn"),
        ({"slots": {"assistant": {"body": "{{content}}<e>\n", "last": "<b>{{content}}<e>"}}}, "ends the last turn"),
        ({"slots": {"assistant": {"body": "{{content}}{{eos_token}}", "last": "{{content}}"}}}, "ends the last turn"),
        ({"slots": {"no_system": "none"}}, "no text for conversations without a system message"),
        ({"empty_system": "keep"}, "writes no empty system turn"),
        ({"slots": {"system_with_tools": "<s>{{content}}"}}, "one system turn, with tools or without"),
        ({"slots": {"assistant": {"before_calls": "<o>", "body": "{{content}}"}}}, "with and without calls"),
        ({"system_placement": "last_user"}, "turn of its own or in the first user turn"),
        ({"system_placement": "none"}, "turn of its own or in the first user turn"),
        ({"single_turn": True}, "writes every turn"),
        ({"undescribed": "a seed"}, "own code writes a seed"),
        ({"result_separator": "\n"}, "joins tool results in one fixed way"),
        ({"thinking": {"history": "keep"}}, THOUGHTS),
        ({"thinking": {"history": "remove"}}, THOUGHTS),
        ({"thinking": {"span": "to_last_end"}}, THOUGHTS),
        ({"thinking": {"when_dropped": "</think>"}}, THOUGHTS),
        ({"thinking": {"empty_after": "user"}}, THOUGHTS),
        ({"thinking": {"empty": "", "when_off": ""}}, THOUGHTS),
        ({"thinking": {"empty_on": ""}}, THOUGHTS),
        ({"thinking": {"empty_in": "last"}}, THOUGHTS),
        ({"thinking": {"empty_unless": "begins"}}, THOUGHTS),
        ({"thinking": {"rewrite": True}}, THOUGHTS),
        ({"thinking": {"kept_with_tools": True}}, THOUGHTS),
        ({"thinking": {"answer": ["<a>", "</a>"]}}, THOUGHTS),
        ({"thinking": {"frame": {"thought": ["", "", ""], "plain": ["", ""]}}}, THOUGHTS),
        ({"thinking": {"system_mark": {"on": "think"}}}, THOUGHTS),
        ({"thinking": {"levels": {"names": {"high": {}}}}}, THOUGHTS),
        ({"system_placement": "first_user_head"}, "turn of its own or in the first user turn"),
        ({"learns": "last"}, "learns every reply"),
        ({"last_message_end": "<e>"}, "nothing behind the text of the last message"),
        ({"pair": {"text": "{{query}}{{document}}"}}, "a query and a document"),
        ({"slots": {"system": "{{text:{{system}}}}"}}, "leaves the system text out"),
    ],
)
def test_refuses_with_a_reason(template: dict[str, Any], reason: str) -> None:
    with pytest.raises(Unsupported, match=reason):
        template_arguments(built(**template))


@pytest.mark.parametrize(
    ("template", "sees", "told"),
    [
        ({}, False, []),
        ({"mm_plugin": {"name": "x"}}, True, []),
        ({}, True, ["text only: the spec names no plugin for the images, videos or sounds of these models"]),
        (
            {"tool_format": None},
            False,
            ["the template has no tools; LLaMA-Factory writes them in its own default format"],
        ),
        (
            {"default_system": "Be nice.", "empty_system": "omit"},
            False,
            ["an empty system message gets the default system text"],
        ),
        ({"default_system": "Be nice."}, False, []),
        (
            {"slots": {"assistant": {"body": "{{content}}<e>\n", "last": "{{content}}<e>"}}},
            False,
            ["the last reply of a training text ends like every other, with white space behind the end of its turn"],
        ),
    ],
)
def test_what_is_not_to_the_letter_is_noted(template: dict[str, Any], sees: bool, told: list[str]) -> None:
    assert template_arguments(built(**template))
    assert list(notes(built(**template), sees=sees)) == told


def test_only_added_templates_have_notes() -> None:
    """Of a built-in there is nothing to note: it means what it means in LLaMA-Factory."""
    deployments = generate(Context(catalogue(), {}, {})).deployments
    noted = {catalogue().templates[name].registered["llamafactory"] for name, made in deployments.items() if made.notes}
    assert noted
    assert noted.isdisjoint(data["template"] for data in vectors("llamafactory").values())
    assert not any(made.notes for made in deployments.values() if made.path is None)


def test_a_name_that_llamafactory_ignores_ends_the_prefix() -> None:
    """LLaMA-Factory writes nothing for a set that names no token it knows (``data/template.py``)."""
    own = {"llamafactory": {"ignored_prefix": "<|endoftext|>"}}
    arguments = template_arguments(built(slots={"prefix": "<b>"}, targets=own))
    assert arguments["format_prefix"] == ("EmptyFormatter", ["<b>", {"<|endoftext|>"}], None)


def test_the_opener_after_tool_results_ends_their_turn() -> None:
    slots = {"assistant": {"opener": "<a>", "after_observation": "<o>", "body": "{{content}}"}}
    arguments = template_arguments(built(slots=slots))
    assert arguments["format_user"][1] == ["{{content}}<a>"]
    assert arguments["format_observation"][1] == ["{{content}}<o>"]


def test_a_checkpoint_may_have_another_template_other_ids_or_none() -> None:
    """The group's template, the checkpoint's own, and null for none; ids that only LLaMA-Factory has."""
    data = {
        "name": "x",
        "title": "X",
        "publisher": "P",
        "templates": {"x": {"registered": {"llamafactory": "x_there"}}, "y": {}},
        "models": [
            {
                "template": "x",
                "checkpoints": [
                    {"name": "One", "huggingface": "p/one"},
                    {"name": "Two", "huggingface": "p/two", "targets": {"llamafactory": {"template": "y"}}},
                    {"name": "Three", "openmind": "p/three", "targets": {"llamafactory": {"template": None}}},
                    {
                        "name": "Four",
                        "huggingface": "p/four",
                        "modelscope": "p/four",
                        "targets": {"llamafactory": {"huggingface": "q/four", "modelscope": None, "multimodal": True}},
                    },
                ],
            },
            {"checkpoints": [{"name": "Five", "huggingface": "p/five"}, {"name": "Seven", "path": "/models/seven"}]},
            {
                "template": "x",
                "checkpoints": [{"name": "Six", "targets": {"llamafactory": {"modelscope": "p/six"}}}],
                "targets": {"llamafactory": {"template": None}},
            },
        ],
    }
    spec = build_spec(data, path="x", source="p/x.yaml", locate=lambda _: Location("x"))
    (file,) = [file for file in generate(Context(Catalogue((spec,)), {}, {})).files if file.sources]
    body = file.body[file.body.index("MODEL_GROUPS") :]
    space: dict[str, Any] = {"DownloadSource": SimpleNamespace(DEFAULT="hf", MODELSCOPE="ms", OPENMIND="om")}
    exec(body, space)
    found = {
        name: (group["template"], group["multimodal"], ids)
        for group in space["MODEL_GROUPS"]
        for name, ids in group["models"].items()
    }
    assert found == {
        "One": ("x_there", False, {"hf": "p/one"}),
        "Two": ("y", False, {"hf": "p/two"}),
        "Three": (None, False, {"om": "p/three"}),
        "Four": ("x_there", True, {"hf": "q/four"}),
        "Five": (None, False, {"hf": "p/five"}),
        "Six": (None, False, {"ms": "p/six"}),
        "Seven": (None, False, {"hf": "/models/seven"}),
    }


# -- the models -------------------------------------------------------------------------------------------------------


@cache
def recorded_models() -> dict[str, dict[str, Any]]:
    """What LLaMA-Factory knows of each of our models: its ids by source, its default template, whether it sees."""
    path = VECTORS / "models" / "llamafactory.json"
    assert path.is_file(), f"no {path}; run `make record`"
    found: dict[str, dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    assert found
    return found


def default_template(name: str, group: dict[str, Any]) -> str | None:
    """The template that LLaMA-Factory takes for a model by itself (``register_model_group``)."""
    chats = any(mark in name for mark in ("-Chat", "-Distill", "-Instruct", "-Thinking"))
    found: str | None = group["template"] if chats or group["multimodal"] else None
    return found


def test_model_groups_say_what_llamafactory_says(stand_in: StandIn) -> None:
    ours = {}
    for module in stand_in.modules():
        for group in module.MODEL_GROUPS:
            for name, ids in group["models"].items():
                assert name not in ours, f"{name} is registered twice"
                ours[name] = {
                    "ids": {source.name: id for source, id in ids.items()},
                    "template": default_template(name, group),
                    "multimodal": group["multimodal"],
                }
    theirs = recorded_models()
    differing = {name: (facts, theirs.get(name)) for name, facts in ours.items() if facts != theirs.get(name)}
    assert differing == {}
    assert ours


# -- the shared code, on a stand-in that has the shape of LLaMA-Factory -----------------------------------------------

SHAPE = """
import enum, types
from dataclasses import dataclass, field
from typing import Any

@dataclass
class Formatter:
    slots: list = field(default_factory=list)
    tool_format: str = None
class EmptyFormatter(Formatter): ...
class StringFormatter(Formatter): ...
class FunctionFormatter(Formatter): ...
class ToolFormatter(Formatter): ...

@dataclass
class Template:
    format_user: Any
    format_assistant: Any
    format_system: Any
    format_function: Any
    format_observation: Any
    format_tools: Any
    format_prefix: Any
    default_system: str
    stop_words: list
    thought_words: tuple
    tool_call_words: tuple
    efficient_eos: bool
    replace_eos: bool
    replace_jinja_template: bool
    mm_plugin: Any
class ReasoningTemplate(Template): ...
class Glm47ReasoningTemplate(ReasoningTemplate): ...
class Llama2Template(Template): ...
TEMPLATES = {}
def get_mm_plugin(**options): return types.SimpleNamespace(**options)
def register_template(name, template_class, mm_plugin=None, tool_call_words=None, **arguments):
    if name in TEMPLATES:
        raise ValueError(f"Template {name} already exists.")
    TEMPLATES[name] = template_class(
        mm_plugin=mm_plugin or get_mm_plugin(name="base"),
        tool_call_words=tool_call_words or ("<tool_call>", "</tool_call>"),
        **arguments,
    )

class DownloadSource(str, enum.Enum):
    DEFAULT = "hf"
    MODELSCOPE = "ms"
    OPENMIND = "om"
SUPPORTED_MODELS, DEFAULT_TEMPLATE, MULTIMODAL_SUPPORTED_MODELS = {}, {}, set()
def register_model_group(models, template=None, multimodal=False):
    for name, ids in models.items():
        SUPPORTED_MODELS[name] = ids
        chats = any(mark in name for mark in ("-Chat", "-Distill", "-Instruct", "-Thinking"))
        if template is not None and (chats or multimodal):
            DEFAULT_TEMPLATE[name] = template
        if multimodal:
            MULTIMODAL_SUPPORTED_MODELS.add(name)
"""


class StandIn:
    """The generated package beside a stand-in of LLaMA-Factory; ``there`` holds the stand-in's registries."""

    def __init__(self, there: ModuleType, package: ModuleType) -> None:
        self.there, self.package = there, package

    def modules(self) -> list[ModuleType]:
        """The generated modules, one per spec."""
        name = self.package.__name__
        return [import_module(f"{name}.chatwright_llamafactory.{module}") for module in self.package.MODULES]

    def state(self) -> Any:
        """A copy of every registry, with the very objects."""
        there = self.there
        stores = (there.TEMPLATES, there.SUPPORTED_MODELS, there.DEFAULT_TEMPLATE, there.MULTIMODAL_SUPPORTED_MODELS)
        return tuple(store.copy() for store in stores)


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[StandIn]:
    """The package of the whole catalogue, imported as ``generated_here``."""
    there = ModuleType("llamafactory")
    for name in ("", ".data", ".extras", ".data.formatter", ".data.mm_plugin", ".data.template", ".extras.constants"):
        monkeypatch.setitem(sys.modules, f"llamafactory{name}", there)
    exec(SHAPE, vars(there))
    for file in generate(Context(catalogue(), {}, {})).files:
        path = tmp_path / file.path.replace("llamafactory/", "generated_here/", 1)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(file.body, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield StandIn(there, import_module("generated_here"))
    for name in [name for name in sys.modules if name.split(".")[0] == "generated_here"]:
        del sys.modules[name]


def test_registers_everything_once(stand_in: StandIn) -> None:
    stand_in.package.register_all()
    templates, models, *_ = before = stand_in.state()
    theirs = {data["template"] for data in vectors("llamafactory").values()}
    assert theirs == built_ins()["llamafactory"].templates
    assert theirs <= set(templates)
    told = {name for name, made in generate(Context(catalogue(), {}, {})).deployments.items() if made.path}
    assert set(templates) == {catalogue().templates[name].registered["llamafactory"] for name in told}
    assert set(models) == {
        name for module in stand_in.modules() for group in module.MODEL_GROUPS for name in group["models"]
    }
    stand_in.package.register_all()
    assert stand_in.state() == before
    assert all(stand_in.there.TEMPLATES[name] is template for name, template in templates.items())


def change(stand_in: StandIn) -> tuple[Any, str]:
    """Register all, then give LLaMA-Factory another qwen3, take yi away, and change a model; returns both changed."""
    there = stand_in.there
    stand_in.package.register_all()
    there.TEMPLATES["qwen3"] = replace(there.TEMPLATES["qwen3"], stop_words=["<theirs>"])
    del there.TEMPLATES["yi"]
    model, gone = list(there.SUPPORTED_MODELS)[:2]
    there.SUPPORTED_MODELS[model] = {there.DownloadSource.DEFAULT: "theirs/model"}
    del there.SUPPORTED_MODELS[gone]
    return there.TEMPLATES["qwen3"], model


def assert_kept(stand_in: StandIn, template: Any, model: str, expected: tuple[Any, ...]) -> None:
    """What was changed is as it was, and the rest is registered."""
    there = stand_in.there
    assert there.TEMPLATES["qwen3"] is template
    assert there.SUPPORTED_MODELS[model] == {there.DownloadSource.DEFAULT: "theirs/model"}
    templates, models, defaults, multimodal = expected
    assert {**templates, "qwen3": template} == there.TEMPLATES
    assert {**there.SUPPORTED_MODELS, model: models[model]} == models
    assert (defaults, multimodal) == (there.DEFAULT_TEMPLATE, there.MULTIMODAL_SUPPORTED_MODELS)


def test_a_conflict_names_both_after_everything_else(stand_in: StandIn) -> None:
    stand_in.package.register_all()
    expected = stand_in.state()
    template, model = change(stand_in)
    with pytest.raises(stand_in.package.Conflict) as conflict:
        stand_in.package.register_all()
    about_template, about_model = str(conflict.value).splitlines()
    assert "'qwen3' of qwen/qwen3.yaml" in about_template
    assert "'qwen3' that LLaMA-Factory has" in about_template
    assert "stop_words: ['<|im_end|>'] here, ['<theirs>'] there" in about_template
    assert f"{model!r} that LLaMA-Factory has" in about_model
    assert "theirs/model" in about_model
    assert_kept(stand_in, template, model, expected)


def test_keep_warns_and_keeps(stand_in: StandIn) -> None:
    stand_in.package.register_all()
    expected = stand_in.state()
    template, model = change(stand_in)
    with pytest.warns(UserWarning, match="is kept") as warned:
        stand_in.package.register_all(on_conflict="keep")
    assert len(warned) == 2
    assert {Path(warning.filename).name for warning in warned} <= {"__init__.py", Path(__file__).name}
    assert_kept(stand_in, template, model, expected)


def test_one_template_with_its_models(stand_in: StandIn) -> None:
    stand_in.package.register("qwen3")
    groups = [group for module in stand_in.modules() for group in module.MODEL_GROUPS]
    assert list(stand_in.there.TEMPLATES) == ["qwen3"]
    assert {
        name: ids for group in groups if group["template"] == "qwen3" for name, ids in group["models"].items()
    } == stand_in.there.SUPPORTED_MODELS
    assert stand_in.there.SUPPORTED_MODELS


def test_unknown_names_and_policies_are_refused(stand_in: StandIn) -> None:
    with pytest.raises(KeyError, match="no template 'gone'"):
        stand_in.package.register("gone")
    for register in (stand_in.package.register_all, lambda on_conflict: stand_in.package.register("yi", on_conflict)):
        with pytest.raises(ValueError, match="on_conflict must be 'error' or 'keep', not 'maybe'"):
            register(on_conflict="maybe")
    assert stand_in.state() == ({}, {}, {}, set())


def test_what_this_version_cannot_take_keeps_nothing_else_away(stand_in: StandIn) -> None:
    """An older LLaMA-Factory lacks a class that a module imports, and an argument that a template needs."""
    del stand_in.there.Glm47ReasoningTemplate
    register = stand_in.there.register_template

    def older(name: str, template_class: Any, mm_plugin: Any = None, **arguments: Any) -> None:
        if "tool_call_words" in arguments:
            raise TypeError("register_template() got an unexpected keyword argument 'tool_call_words'")
        register(name, template_class, mm_plugin, **arguments)

    stand_in.there.register_template = older
    with pytest.raises(stand_in.package.Conflict) as conflict:
        stand_in.package.register_all()
    told = str(conflict.value).splitlines()
    assert all("cannot be registered with this LLaMA-Factory: " in line for line in told)
    assert {line.split("'")[1] for line in told} == {"louzongzhi_aeva", "zhipu_glm4_7", "lfm2", "lfm2_vl"}
    assert {"qwen3", "yi"} <= set(stand_in.there.TEMPLATES)
    assert {"aeva", "lfm2"}.isdisjoint(stand_in.there.TEMPLATES)


def test_one_template_is_not_kept_away_by_another_module(stand_in: StandIn) -> None:
    del stand_in.there.Glm47ReasoningTemplate
    stand_in.package.register("qwen3")
    assert list(stand_in.there.TEMPLATES) == ["qwen3"]
    with pytest.raises(KeyError, match=r"no template 'aeva'.*'louzongzhi_aeva' cannot be registered"):
        stand_in.package.register("aeva")
