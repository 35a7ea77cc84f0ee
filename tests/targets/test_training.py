"""The chat templates with marks: text and mask against what the real frameworks train on."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from chatwright.inspection.jinja import variables
from chatwright.meaning.runs import BOS, TODAY, Run
from chatwright.meaning.scenarios import Scenario
from chatwright.targets.chat_template import chat_template
from conformance.checks.attempts import Refusal, attempt
from conformance.engines.jinja import marked_renderer, transformers_renderer
from tests.support import FRAMEWORKS, Kind, catalogue, failures, scenarios, vectors

PAIRS = [(framework, name) for framework in FRAMEWORKS for name in vectors(framework)]
TRAINING = [Kind.TRAINING, Kind.TRAINING_DROPPED]


@cache
def source(name: str) -> str | Refusal:
    """The chat template with marks, or why there is none."""
    template = catalogue().templates[name]
    if template.undescribed:
        return Refusal(template.undescribed)
    refused: str | Refusal = attempt(lambda: chat_template(template, marks=True))
    return refused


@pytest.mark.parametrize(("framework", "name"), PAIRS)
def test_learns_what_the_framework_learns(framework: str, name: str) -> None:
    text = source(name)
    if isinstance(text, Refusal):
        return
    render, eos = marked_renderer(text), vectors(framework)[name]["eos"]

    def write(scenario: Scenario, kind: Kind) -> Any:
        given = variables(scenario, bos=BOS, eos=eos, kind=kind)
        return attempt(render, {**given, "strftime_now": TODAY.strftime})

    wrong = failures("assistant-mask", framework, name, write, kinds=TRAINING)
    assert not wrong, "\n".join(wrong)


def test_the_text_of_a_prompt_is_that_of_the_serving_file() -> None:
    scenario = scenarios()["thinking_unset"]
    for name in ("qwen3", "gemma3", "glm4_5", "mistral"):
        given = {**variables(scenario, bos=BOS, eos="<EOS>"), "strftime_now": TODAY.strftime}
        served = attempt(transformers_renderer(chat_template(catalogue().templates[name])), given)
        assert attempt(transformers_renderer(str(source(name))), given) == served
        assert [text for text, learned in marked_renderer(str(source(name)))(given) if learned] == []


def test_learns_every_reply_unless_told_otherwise() -> None:
    given = {
        "messages": [
            {"role": "user", "content": "One"},
            {"role": "assistant", "content": "Two"},
            {"role": "user", "content": "Three"},
            {"role": "assistant", "content": "Four"},
        ],
        "tools": None,
        "documents": None,
        "add_generation_prompt": False,
    }

    def learned(**more: Any) -> list[str]:
        text = source("qwen3_nothink")
        assert not isinstance(text, Refusal)
        runs: list[Run] = marked_renderer(text)({**given, **more})
        return [text for text, trained in runs if trained]

    assert learned() == learned(preserve_thinking=True) == ["Two<|im_end|>\n", "Four<|im_end|>\n"]
    assert learned(preserve_thinking=False) == ["Four<|im_end|>\n"]
    assert learned(messages=given["messages"][:3], add_generation_prompt=True) == []
