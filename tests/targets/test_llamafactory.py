"""The arguments we register with LLaMA-Factory against the fields of its own templates, as recorded."""

from __future__ import annotations

from typing import Any

import pytest

from chatwright.catalogue.slots import parse_slot
from chatwright.errors import Unsupported
from chatwright.targets.llamafactory import elements, template_arguments
from tests.support import catalogue, vectors


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


@pytest.mark.parametrize(("slot", "reason"), [("{{date:%Y}}", "today's date"), ("{{text:{{content}}}}", "literal")])
def test_refuses_what_a_slot_cannot_say(slot: str, reason: str) -> None:
    with pytest.raises(Unsupported, match=reason):
        elements(parse_slot(slot))


@pytest.mark.parametrize("name", ["gemma3_text", "llama3_2", "glm4-swift", "qwen3-swift", "qwen2_5"])
def test_refuses_templates_that_llamafactory_cannot_say(name: str) -> None:
    with pytest.raises(Unsupported, match="LLaMA-Factory"):
        template_arguments(catalogue().templates[name])
