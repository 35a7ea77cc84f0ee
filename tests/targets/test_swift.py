"""What we register with ms-swift against its own templates as recorded, and what the generated shared code does."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from chatwright.catalogue.build import build_spec
from chatwright.catalogue.model import Catalogue, Template
from chatwright.errors import Location, Unsupported
from chatwright.meaning.runs import TODAY
from chatwright.pipeline.formatting import formatted_body
from chatwright.targets import swift
from chatwright.targets.protocol import Context, GeneratedFile
from chatwright.targets.python import literal
from conformance.sync.compare import template_differences
from tests.support import catalogue, vectors

DEFAULTS = {  # ms-swift 4.6.0, template/template_meta.py
    "default_system": None,
    "template_cls": "swift.template.base.Template",
    "auto_add_bos": False,
    "stop_words": [],
    "agent_template": None,
    "is_thinking": False,
    "thinking_prefix": "",
    "non_thinking_prefix": "",
    "preserve_thinking": None,
    "history_thinking_prefix": "",
}


def files(specs: Catalogue) -> dict[str, GeneratedFile]:
    return {file.path: file for file in swift.generate(Context(specs, {}, {})).files}


def evaluated(value: Any) -> Any:
    """A value of the generated Python as it is on the day of the recording."""
    return eval(literal(value), {"today": TODAY.strftime})


def registered(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a template once ms-swift has it (4.6.0, template/template_meta.py, ``__post_init__``).

    A system text in the prompt makes two prompts: one with it, and one without the elements that hold it.
    """
    prompt = fields["prompt"]
    if not any("{{SYSTEM}}" in element for element in prompt):
        return dict(fields)
    return {**fields, "system_prompt": prompt, "prompt": [item for item in prompt if "{{SYSTEM}}" not in item]}


def template(**changes: Any) -> Template:
    """A small template with the given settings."""
    data = {
        "name": "demo",
        "title": "Demo",
        "publisher": "Acme",
        "templates": {
            "demo": {
                "slots": {
                    "system": "<s>{{content}}</s>",
                    "user": "<u>{{content}}</u>",
                    "assistant": {"opener": "<a>", "body": "{{content}}</a>"},
                },
                "empty_system": "omit",
                "stop_words": ["</a>"],
                **changes,
            }
        },
    }
    return build_spec(
        data, path="demo.yaml", source="acme/demo.yaml", locate=lambda _: Location("demo.yaml")
    ).templates[0]


# -- the fields -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(vectors("swift")))
def test_arguments_are_the_built_ins_fields(name: str) -> None:
    there = vectors("swift")[name]["fields"]
    arguments = evaluated(swift.template_arguments(catalogue().templates[name]))
    ours = {"template_type": catalogue().templates[name].registered["swift"], **DEFAULTS, **arguments}
    assert template_differences("swift", registered(ours), there) == []


def test_system_text_in_the_first_user_turn_moves_the_head_of_the_turn() -> None:
    slots = {
        "prefix": "{{bos_token}}",
        "system": "<<{{content}}>>",
        "user": "[I] {{content}} [/I]",
        "assistant": {"body": "{{content}}{{eos_token}}"},
    }
    arguments = swift.template_arguments(template(slots=slots, system_placement="first_user", stop_words=[]))
    assert arguments == {
        "prefix": [["bos_token_id"], "[I] "],
        "system_prefix": [["bos_token_id"], "[I] <<{{SYSTEM}}>>"],
        "prompt": ["{{QUERY}} [/I]"],
        "chat_sep": [["eos_token_id"], "[I] "],
        "suffix": [["eos_token_id"]],
    }


def test_system_text_in_place_of_the_head_of_the_first_user_turn() -> None:
    arguments = swift.template_arguments(
        template(
            slots={
                "prefix": "<b>",
                "system": "<s>{{text:{{system}}}}</s>",
                "no_system": "<n>",
                "user": "<u>{{content}}</u>",
                "assistant": {"body": "{{content}}</a>"},
            },
            system_placement="first_user_head",
        )
    )
    assert arguments["prefix"] == ["<b><n><u>"]
    assert arguments["system_prefix"] == ["<b><s>{{system}}</s>"]
    assert arguments["prompt"] == ["{{QUERY}}</u>"]
    assert arguments["chat_sep"] == ["</a><u>"]


def test_a_class_may_do_otherwise_than_its_fields_say() -> None:
    fields = {"thinking_prefix": "<think>", "preserve_thinking": None}
    own = {"template_class": "a.B", "thinking_fields": fields}
    thinking = {**THINKING, "history": "keep", "when_on": "x"}
    arguments = swift.template_arguments(template(thinking=thinking, targets={"swift": own}))
    assert arguments["thinking_prefix"] == "<think>"
    assert "preserve_thinking" not in arguments


def test_a_round_number_and_a_token_by_its_text() -> None:
    slots = {"user": "{{token:<u>}}Round {{idx}}: {{content}}", "assistant": {"body": "{{content}}\n"}}
    assert swift.template_arguments(template(slots=slots))["prompt"] == ["<u>Round {{ROUND0}}: {{QUERY}}"]
    slots["user"] = "{{round}}: {{content}}"
    assert swift.template_arguments(template(slots=slots))["prompt"] == ["{{ROUND1}}: {{QUERY}}"]


def test_tokens_by_id_and_by_the_tokenizers_attribute() -> None:
    """``TemplateMeta._token_attr_to_id`` asks the tokenizer for a name in a list, and keeps a number."""
    slots = {
        "prefix": "{{id:195}}",
        "user": "{{attribute:user_token}}{{content}}{{attribute:assistant_token}}",
        "assistant": {"body": "{{content}}{{id:2}}\n"},
    }
    arguments = swift.template_arguments(template(slots=slots, stop_words=[]))
    assert arguments["prefix"] == [[195]]
    assert arguments["prompt"] == [["user_token_id"], "{{QUERY}}", ["assistant_token_id"]]
    assert arguments["chat_sep"] == [[2], "\n"]


LAST_USER = {
    "slots": {
        "prefix": "<b>",
        "system": "{{content}}\n\n",
        "no_system": "{{text:{{SYSTEM}}}}\n\n",
        "user": "[I] {{content}}[/I]",
        "assistant": {"body": "{{content}}</b>"},
    },
    "system_placement": "last_user",
    "empty_system": "keep",
    "stop_words": ["</b>"],
}


def test_system_text_in_the_last_user_turn_stands_in_the_prompt() -> None:
    """As ms-swift's own ``mistral_nemo`` writes it: the element with the system text stands alone."""
    assert swift.template_arguments(template(**LAST_USER)) == {
        "prefix": ["<b>[I] "],
        "system_prefix": None,
        "prompt": ["{{SYSTEM}}\n\n", "{{QUERY}}[/I]"],
        "chat_sep": ["</b>[I] "],
        "suffix": ["</b>"],
    }


def test_a_format_without_a_place_for_the_system_text_and_with_one_turn() -> None:
    arguments = swift.template_arguments(template(system_placement="none", single_turn=True))
    assert arguments["system_prefix"] is None
    assert arguments["chat_sep"] is None


@pytest.mark.parametrize(("how", "prefix"), [("instead", []), ("before", ["<b>"])])
def test_what_the_tokenizer_puts_in_front(how: str, prefix: list[str]) -> None:
    """With ``auto_add_bos`` ms-swift lets the tokenizer begin the text; "instead" leaves the prefix slot to it."""
    slots = {"prefix": "<b>", "system": "<s>{{content}}", "assistant": {"body": "{{content}}</a>"}}
    arguments = swift.template_arguments(template(slots=slots, targets={"swift": {"auto_add_bos": how}}))
    assert arguments["auto_add_bos"] is True
    assert arguments["prefix"] == prefix
    assert arguments["system_prefix"] == ["".join([*prefix, "<s>{{SYSTEM}}"])]


def test_todays_date_is_that_of_the_day_it_is_used() -> None:
    value = swift.template_arguments(template(default_system="It is {{date:%d %b %Y}}."))["default_system"]
    assert literal(value) == '"It is " + today("%d %b %Y") + "."'
    assert evaluated(value) == f"It is {TODAY:%d %b %Y}."


THINKING = {"default": False, "history_trim": "both", "span": "to_last_end", "empty_trained": "always"}
REFUSED: list[tuple[str, dict[str, Any]]] = [
    ("does not trim", {"trim": {"user": "both"}}),
    ("one opener", {"slots": {"assistant": {"opener": "<a>", "generation": "<g>", "body": "{{content}}"}}}),
    ("no system turn for an empty", {"empty_system": "keep"}),
    ("one opener for the replies", {"slots": {"assistant": {"after_observation": "<o>", "body": "{{content}}"}}}),
    ("every reply without one", {"thinking": {**THINKING, "empty_after": "user"}}),
    ("another system turn where tools", {"slots": {"system_with_tools": "<s>{{content}}"}}),
    ("calls alone in another way", {"slots": {"assistant": {"before_calls": "<o>", "body": "{{content}}"}}}),
    ("own code writes a seed", {"undescribed": "a seed"}),
    ("literal {{SYSTEM}}", {**LAST_USER, "slots": {**LAST_USER["slots"], "no_system": ""}}),
    ("cannot fill {{round}}", {"slots": {"user": "{{round}}{{content}}"}, "system_placement": "first_user"}),
    ("ends a turn that calls tools", {"slots": {"function": "{{content}}</f>"}}),
    ("between the opener and the reply", {"slots": {"assistant": {"body": " {{content}}"}}}),
    ("literal {{QUERY}}", {"slots": {"user": "{{QUERY}}{{content}}"}}),
    ("joins adjacent texts", {"slots": {"user": ["<u>", "{{content}}"]}}),
    (
        "cannot fill {{idx}}",
        {"system_placement": "first_user", "slots": {"system": "{{content}}", "user": "{{idx}}{{content}}"}},
    ),
    ("writes tool results in another way", {"tool_format": "qwen", "slots": {"observation": "<o>{{content}}</o>"}}),
    ("does not write the tool format", {"tool_format": "qwen", "targets": {"swift": {"agent_template": "llama3"}}}),
    ("up to </think>", {"thinking": {**THINKING, "span": "between"}}),
    ("empty default system text", {"empty_system": "omit", "default_system": ""}),
    ("trims what remains", {"thinking": {**THINKING, "history_trim": "none"}}),
    ("opens a learned reply", {"thinking": {**THINKING, "empty": ""}}),
    ("thinking off by default", {"thinking": {**THINKING, "default": True}}),
    ("thinking on by default", {"thinking": {**THINKING, "when_off": "", "empty": ""}}),
    ("one empty thought", {"thinking": {**THINKING, "empty_on": ""}}),
    ("one empty thought", {"thinking": {**THINKING, "empty_in": "all"}}),
    ("one empty thought", {"thinking": {**THINKING, "empty_unless": "holds"}}),
    ("for the sake of tools", {"thinking": {**THINKING, "kept_with_tools": True}}),
    ("thoughts as they stand", {"thinking": {**THINKING, "rewrite": True}}),
    ("by a class only", {"thinking": {**THINKING, "answer": ["<a>", "</a>"]}}),
    ("by a class only", {"thinking": {**THINKING, "frame": {"thought": ["", "", ""], "plain": ["", ""]}}}),
    ("by a class only", {"thinking": {**THINKING, "system_mark": {"on": "think"}}}),
    ("by a class only", {"thinking": {**THINKING, "levels": {"names": {"high": {}}}}}),
    ("by a class only", {"pair": {"text": "{{query}}{{document}}"}}),
    ("by a class only", {"last_message_end": "<e>"}),
    ("learns every reply", {"learns": "last"}),
]


@pytest.mark.parametrize(("reason", "changes"), REFUSED)
def test_refuses_what_ms_swift_cannot_say(reason: str, changes: Mapping[str, Any]) -> None:
    with pytest.raises(Unsupported, match=reason):
        swift.template_arguments(template(**changes))


@pytest.mark.parametrize(
    ("history", "is_thinking", "preserve"),
    [("drop", True, None), ("switched", False, None), ("keep", True, True), ("remove", True, False)],
)
def test_thoughts_of_earlier_turns(history: str, is_thinking: bool, preserve: bool | None) -> None:
    """``Template._get_preserve_thinking`` (4.6.0, template/base.py) asks ``preserve_thinking`` first."""
    arguments = swift.template_arguments(
        template(thinking={**THINKING, "history": history, "when_dropped": "</think>\n"})
    )
    found = {key: arguments.get(key) for key in ("is_thinking", "preserve_thinking", "history_thinking_prefix")}
    expected = {"is_thinking": is_thinking or None, "preserve_thinking": preserve}
    assert found == {**expected, "history_thinking_prefix": "</think>\n"}


@pytest.mark.parametrize(
    ("changes", "sees", "told"),
    [
        ({}, False, []),
        ({}, True, ["text only: the spec names no class for the images, videos or sounds of these models"]),
        ({"targets": {"swift": {"template_class": "a.B"}}}, True, []),
        (
            {"empty_system": "default", "default_system": "Be nice."},
            False,
            ["an empty system message stands for none, and does not get the default system text"],
        ),
        ({"empty_system": "default"}, False, []),
        ({"default_system": "Be nice."}, False, []),
    ],
)
def test_what_is_not_to_the_letter_is_noted(changes: dict[str, Any], sees: bool, told: list[str]) -> None:
    assert swift.template_arguments(template(**changes))
    assert list(swift.notes(template(**changes), sees=sees)) == told


# -- the files --------------------------------------------------------------------------------------------------------


def test_only_one_file_stands_alone_and_no_module_has_a_bare_name() -> None:
    paths = [Path(path) for path in files(catalogue())]
    assert [path.name for path in paths if path.parent.as_posix() == "swift"] == ["register_all.py"]
    assert {path.parent.as_posix() for path in paths} == {"swift", "swift/chatwright_swift"}
    assert all(path.stem.isidentifier() for path in paths)


def test_same_catalogue_same_bytes() -> None:
    assert files(catalogue()) == files(catalogue())


def test_every_template_is_registered_or_refused_with_a_reason() -> None:
    deployments = swift.generate(Context(catalogue(), {}, {})).deployments
    assert deployments.keys() == {name for name, item in catalogue().templates.items() if item.registered["swift"]}
    assert all(deployment.path or deployment.reason for deployment in deployments.values())
    noted = {catalogue().templates[name].registered["swift"] for name, made in deployments.items() if made.notes}
    assert noted
    assert noted.isdisjoint(data["template"] for data in vectors("swift").values()), "a built-in has nothing to note"


def calls_of(source: str) -> Iterator[tuple[str, list[Any], dict[str, Any]]]:
    """The calls of a spec module: method, positional and keyword arguments."""
    collected: list[tuple[str, list[Any], dict[str, Any]]] = []

    class Registry:
        def __getattr__(self, name: str) -> Any:
            return lambda *args, **kwargs: collected.append((name, list(args), kwargs))

    body = source.replace("from .registry import", "# from .registry import")
    space: dict[str, Any] = {"Registry": Registry, "today": TODAY.strftime}
    exec(compile(body, "spec", "exec"), space)
    space["register"](Registry())
    yield from collected


def test_the_modules_say_what_the_target_derived() -> None:
    written: dict[str, dict[str, Any]] = {}
    for file in files(catalogue()).values():
        if file.sources:
            calls = calls_of(formatted_body(file))
            written.update({args[0]: values for method, args, values in calls if method == "template"})
    made = {name for name, found in swift.generate(Context(catalogue(), {}, {})).deployments.items() if found.path}
    assert written == {
        item.registered["swift"]: evaluated(swift.template_arguments(item))
        for item in catalogue().templates.values()
        if item.name in made
    }
    assert written.keys() >= {item["fields"]["template_type"] for item in vectors("swift").values()}


def test_models_and_their_templates() -> None:
    """The default of a model type is the one template of its groups; ids, a path and a revision stand by place."""
    data = {
        "name": "demo",
        "title": "Demo",
        "publisher": "Acme",
        "templates": {name: {"empty_system": "omit", "registered": {"swift": f"{name}_type"}} for name in ("a", "b")},
        "model_types": {"mixed": {}, "named": {"targets": {"swift": {"template": "b_type"}}}, "none": {}, "one": {}},
        "models": [
            {
                "template": "a",
                "model_type": "one",
                "checkpoints": [
                    {"huggingface": "h/1"},
                    {"modelscope": "m/1"},
                    {"huggingface": "h/2", "modelscope": "m/2", "targets": {"swift": {"revision": "v1"}}},
                    {"huggingface": "h/3", "modelscope": "m/3", "targets": {"swift": {"modelscope": None}}},
                    {"huggingface": "h/4", "targets": {"swift": {"huggingface": None}}},
                    {"targets": {"swift": {"huggingface": "h/5"}}},
                    {"path": "/5"},
                ],
            },
            {"template": "a", "model_type": "mixed", "checkpoints": [{"huggingface": "h/6"}]},
            {
                "template": "a",
                "model_type": "mixed",
                "checkpoints": [{"huggingface": "h/7"}],
                "targets": {"swift": {"template": "b"}},
            },
            {"template": "a", "model_type": "named", "checkpoints": [{"huggingface": "h/8"}]},
            {"model_type": "none", "checkpoints": [{"huggingface": "h/9"}]},
        ],
    }
    spec = build_spec(data, path="demo.yaml", source="acme/demo.yaml", locate=lambda _: Location("demo.yaml"))
    calls = list(calls_of(formatted_body(files(Catalogue((spec,)))["swift/chatwright_swift/acme_demo.py"])))
    types = {args[0]: values.get("template") for method, args, values in calls if method == "model_type"}
    assert types == {"one": "a_type", "mixed": None, "named": "b_type", "none": None}
    groups = [
        (args[0], values.get("template"), values["models"]) for method, args, values in calls if method == "group"
    ]
    assert groups == [
        (
            "one",
            None,
            [
                (None, "h/1"),
                ("m/1", None),
                ("m/2", "h/2", None, "v1"),
                (None, "h/3"),
                (None, "h/5"),
                (None, None, "/5"),
            ],
        ),
        ("mixed", "a_type", [(None, "h/6")]),
        ("mixed", "b_type", [(None, "h/7")]),
        ("named", "a_type", [(None, "h/8")]),
        ("none", None, [(None, "h/9")]),
    ]


def test_hostile_strings_come_out_as_they_went_in() -> None:
    hostile = '\'"""\\ \\n {x} {{ messages }} {% if %} {#c#} </script> | \u200d\u3000\x07\x1b \U0001f469 #'
    spec = build_spec(
        {
            "name": "demo",
            "title": hostile,
            "publisher": hostile,
            "templates": {
                "demo": {
                    "slots": {"user": hostile + "{{content}}", "assistant": {"body": "{{content}}" + hostile}},
                    "default_system": hostile,
                    "empty_system": "omit",
                    "stop_words": [hostile],
                }
            },
        },
        path="demo.yaml",
        source="acme/demo.yaml",
        locate=lambda _: Location("demo.yaml"),
    )
    source = formatted_body(files(Catalogue((spec,)))["swift/chatwright_swift/acme_demo.py"])
    ((_, _, values),) = calls_of(source)
    assert values["prompt"] == [hostile + "{{QUERY}}"]
    assert values["suffix"] == values["chat_sep"] == [hostile]
    assert values["default_system"] == hostile
    assert ast.get_docstring(ast.parse(source))


# -- the shared code, on a stand-in that has the shape of ms-swift 4.x or 3.12 ----------------------------------------

STAND_IN = {
    "torch.py": "bfloat16 = 'bfloat16'\n",
    "swift/__init__.py": "",
    "swift/utils.py": (
        "class Logger:\n"
        "    warnings = []\n"
        "    def warning(self, message): self.warnings.append(message)\n"
        "def get_logger(): return Logger()\n"
    ),
}
SHAPE = """
from dataclasses import dataclass, field
from typing import Any
MODEL_MAPPING, TEMPLATE_MAPPING, MODEL_ARCH_MAPPING = {}, {}, {}
@dataclass
class MultiModelKeys:
    arch_name: str
    language_model: list = field(default_factory=list)
    aligner: list = field(default_factory=list)
    vision_tower: list = field(default_factory=list)
@dataclass
class TemplateMeta:
    template_type: str
    prefix: list
    prompt: list
    chat_sep: list
    suffix: list
    template_cls: Any = None
    system_prefix: list = None
    default_system: str = None
    stop_words: list = field(default_factory=list)
    agent_template: str = None
@dataclass
class Model:
    ms_model_id: str = None
    hf_model_id: str = None
    model_path: str = None
@dataclass
class ModelGroup:
    models: list
    %(group)s
    requires: list = None
    ignore_patterns: list = None
    tags: list = field(default_factory=list)
@dataclass
class ModelMeta:
    model_type: str
    model_groups: list
    %(meta)s
    template: str = None
    model_arch: str = None
    architectures: list = field(default_factory=list)
    is_multimodal: bool = False
def register_template(meta): TEMPLATE_MAPPING[meta.template_type] = meta
def register_model(meta): MODEL_MAPPING[meta.model_type] = meta
def register_model_arch(keys): MODEL_ARCH_MAPPING[keys.arch_name] = keys
"""


@pytest.fixture(params=["4", "3"])
def shape(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Path]:
    """A folder with the stand-in of one version and the generated files of a small catalogue."""
    stand_in = dict(STAND_IN)
    if request.param == "4":
        stand_in["swift/model.py"] = SHAPE % {"group": "template: str = None", "meta": "loader: Any = None"}
        stand_in["swift/template.py"] = "from swift.model import TEMPLATE_MAPPING, TemplateMeta, register_template\n"
        stand_in["swift/agent_template.py"] = "agent_template_map = {'hermes': object}\n"
    else:
        functions = "def get_model_tokenizer_multimodal(): ...\ndef get_model_tokenizer_with_flash_attn(): ...\n"
        stand_in["swift/llm.py"] = SHAPE % {"group": "", "meta": "get_function: Any = None"} + functions
        stand_in["swift/plugin/__init__.py"] = ""
        stand_in["swift/plugin/agent_template.py"] = "agent_templates = {'hermes': object}\n"
    small = {
        "name": "demo",
        "title": "Demo",
        "publisher": "Acme",
        "templates": {
            name: {
                "slots": {"user": f"<{name}>{{{{content}}}}", "assistant": {"body": "{{content}}</a>"}},
                "empty_system": "omit",
                "targets": {"swift": own},
            }
            for name, own in (("one", {}), ("two", {"agent_template": "gone"}), ("three", {}))
        },
        "model_types": {
            "demo": {"architectures": ["Demo"]},
            "eyes": {"modules": {"language_model": ["llm", "head"], "projector": ["merger"], "vision_tower": ["vit"]}},
            "other": {"architectures": ["Demo", "Other"]},
        },
        "models": [
            {
                "template": name,
                "model_type": "demo",
                "checkpoints": [{"huggingface": f"acme/{name}-{i}"} for i in range(n)],
            }
            for name, n in (("one", 1), ("three", 2))
        ],
    }
    spec = build_spec(small, path="demo.yaml", source="acme/demo.yaml", locate=lambda _: Location("demo.yaml"))
    bodies = {path: file.body for path, file in files(Catalogue((spec,))).items()}
    for name, body in {**stand_in, **{f"out/{path}": body for path, body in bodies.items()}}.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(body, encoding="utf-8")
    return request.param, tmp_path


def run(shape: tuple[str, Path], script: str) -> Any:
    """Run Python beside the stand-in; ``m`` is its registries' module, ``load()`` imports the generated file."""
    version, folder = shape
    head = (
        "import json, sys\n"
        f"sys.path[:0] = [{str(folder)!r}]\n"
        f"import swift.{'model' if version == '4' else 'llm'} as m\n"
        "from swift.utils import Logger\n"
        "def load():\n"
        f"    sys.path.insert(0, {str(folder / 'out' / 'swift')!r})\n"
        "    import register_all\n"
        "    return register_all\n"
    )
    command = [sys.executable, "-c", head + script]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", cwd=folder, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_one_item_that_cannot_be_registered_keeps_nothing_else_away(shape: tuple[str, Path]) -> None:
    templates, warnings = run(shape, "load(); print(json.dumps([list(m.TEMPLATE_MAPPING), Logger.warnings]))")
    assert templates == ["one", "three"]
    assert warnings == ["template 'two' is not registered: ValueError: ms-swift has no agent template 'gone'"]


def test_the_parts_of_a_model_are_a_model_arch_of_its_own(shape: tuple[str, Path]) -> None:
    script = (
        "load(); found = {name: vars(keys) for name, keys in m.MODEL_ARCH_MAPPING.items()}\n"
        "print(json.dumps([found, m.MODEL_MAPPING['eyes'].model_arch, m.MODEL_MAPPING['demo'].model_arch]))"
    )
    parts = {"language_model": ["llm", "head"], "aligner": ["merger"], "vision_tower": ["vit"]}
    assert run(shape, script) == [{"eyes": {"arch_name": "eyes", **parts}}, "eyes", None]


def test_a_model_arch_of_the_same_name_is_kept_and_told(shape: tuple[str, Path]) -> None:
    script = (
        "m.register_model_arch(m.MultiModelKeys('eyes', ['llm', 'head'], ['merger'], ['other']))\n"
        "load(); print(json.dumps([m.MODEL_ARCH_MAPPING['eyes'].vision_tower, Logger.warnings]))"
    )
    kept, warnings = run(shape, script)
    assert kept == ["other"]
    assert any("ms-swift's own model arch 'eyes' is kept" in line and "['vit']" in line for line in warnings)


def test_model_types(shape: tuple[str, Path]) -> None:
    script = (
        "load()\n"
        "ids = lambda meta: [model.hf_model_id for group in meta.model_groups for model in group.models]\n"
        "facts = {name: [meta.template, ids(meta), meta.architectures] for name, meta in m.MODEL_MAPPING.items()}\n"
        "print(json.dumps(facts))"
    )
    found = run(shape, script)
    if shape[0] == "4":
        assert found == {
            "demo": [None, ["acme/one-0", "acme/three-0", "acme/three-1"], ["Demo"]],
            "eyes": [None, [], []],
            "other": [None, [], ["Demo", "Other"]],
        }
    else:  # one per template; the one with most models keeps the name
        assert found == {
            "demo-one": ["one", ["acme/one-0"], ["Demo"]],
            "demo": ["three", ["acme/three-0", "acme/three-1"], ["Demo"]],
            "eyes": [None, [], []],
            "other": [None, [], ["Demo", "Other"]],
        }


def test_models_are_added_to_a_model_type_that_is_the_same_but_for_them(shape: tuple[str, Path]) -> None:
    """A company's own model of a public model type; one that ms-swift lists in another way is told, not added."""
    script = (
        "load(); ours = m.MODEL_MAPPING.pop('demo'); m.MODEL_MAPPING.clear()\n"
        "first, *rest = ours.model_groups\n"
        "theirs = m.ModelMeta('demo', [m.ModelGroup([m.Model(None, 'acme/three-0')], requires=['x'])],\n"
        "                     template=ours.template, architectures=ours.architectures%s)\n"
        "m.register_model(theirs); Logger.warnings.clear(); sys.modules.pop('register_all')\n"
        "registry = next(name for name in sys.modules if name.endswith('.registry'))\n"
        "sys.modules[registry]._registered.clear(); load()\n"
        "found = [[model.hf_model_id for model in group.models] for group in m.MODEL_MAPPING['demo'].model_groups]\n"
        "print(json.dumps([found, [line for line in Logger.warnings if 'demo' in line]]))"
    )
    same = "" if shape[0] == "4" else ", get_function=ours.get_function"
    found, warnings = run(shape, script % same)
    assert found[0] == ["acme/three-0"]
    assert ["acme/three-1"] in found
    assert (
        len(warnings) == 1
        and "differs in models: ms-swift has none of these, chatwright has acme/three-0" in warnings[0]
    )
    found, warnings = run(shape, script % f"{same}, is_multimodal=True")
    assert found == [["acme/three-0"]]
    assert "is_multimodal" in warnings[0]


def test_a_new_model_type_leaves_a_taken_architecture_alone(shape: tuple[str, Path]) -> None:
    script = (
        "m.register_model(m.ModelMeta('theirs', [], architectures=['Demo']))\n"
        "load(); print(json.dumps({name: meta.architectures for name, meta in m.MODEL_MAPPING.items()}))"
    )
    found = run(shape, script)
    assert found["theirs"] == ["Demo"]
    assert found["demo"] == []
    assert found["other"] == ["Other"]


CHANGED = (
    "settings = dict(prompt=['<one>{{QUERY}}'], chat_sep=['</a>'], suffix=['</a>'], system_prefix=['{{SYSTEM}}'])\n"
    "m.register_template(m.TemplateMeta('one', ['<bos>'], **settings))\n"
)


def test_a_different_template_is_kept_with_a_warning_that_names_both(shape: tuple[str, Path]) -> None:
    script = (
        CHANGED
        + "load(); print(json.dumps([m.TEMPLATE_MAPPING['one'].prefix, list(m.TEMPLATE_MAPPING), Logger.warnings]))"
    )
    prefix, names, warnings = run(shape, script)
    assert prefix == ["<bos>"]
    assert names == ["one", "three"]
    assert warnings[0] == (
        "ms-swift's own template 'one' is kept; chatwright's template 'one' differs in prefix: "
        "ms-swift has ['<bos>'], chatwright has []"
    )


def test_an_error_where_asked_after_everything_else(shape: tuple[str, Path]) -> None:
    script = CHANGED + (
        "import os\nos.environ['CHATWRIGHT_ON_CONFLICT'] = 'error'\n"
        "try: load()\n"
        "except ValueError as error: print(json.dumps([type(error).__name__, str(error), list(m.TEMPLATE_MAPPING)]))"
    )
    name, message, templates = run(shape, script)
    assert name == "ConflictError"
    assert message.splitlines() == [
        "ms-swift's own template 'one' is kept; chatwright's template 'one' differs in prefix: "
        "ms-swift has ['<bos>'], chatwright has []",
        "template 'two' is not registered: ValueError: ms-swift has no agent template 'gone'",
    ]
    assert templates == ["one", "three"]


def test_an_equal_template_is_left_alone_and_a_second_call_changes_nothing(shape: tuple[str, Path]) -> None:
    script = CHANGED.replace("['<bos>']", "['']") + (
        "before = m.TEMPLATE_MAPPING['one']; module = load(); kept = dict(m.TEMPLATE_MAPPING)\n"
        "module.register_all()\n"
        "print(json.dumps([m.TEMPLATE_MAPPING['one'] is before, m.TEMPLATE_MAPPING == kept, len(Logger.warnings)]))"
    )
    assert run(shape, script) == [True, True, 2]  # 'two' is told of in each call


def test_an_unknown_policy_is_refused(shape: tuple[str, Path]) -> None:
    script = (
        "module = load()\n"
        "try: module.register_all('maybe')\n"
        "except ValueError as error: print(json.dumps(str(error)))"
    )
    assert run(shape, script) == "on_conflict must be 'keep' or 'error', not 'maybe'"
