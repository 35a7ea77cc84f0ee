"""The chat templates with marks: text and mask against what the real frameworks train on."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from chatwright.evidence.checks.bench import Refusal, attempt
from chatwright.evidence.engines.jinja import marked_renderer, transformers_renderer, variables
from chatwright.evidence.scenarios import Scenario
from chatwright.evidence.vectors import BOS, TODAY, Run
from chatwright.targets.chat_template import chat_template
from tests.support import FRAMEWORKS, Kind, cases, catalogue, failures, vectors

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


def test_the_text_is_that_of_the_serving_file() -> None:
    compared = 0
    for name, template in catalogue().templates.items():
        marked = source(name)
        if isinstance(marked, Refusal):
            continue
        one, other = transformers_renderer(chat_template(template)), transformers_renderer(marked)
        for scenario, kind, _ in cases_of(name):
            given = {**variables(scenario, bos=BOS, eos="<EOS>", kind=kind), "strftime_now": TODAY.strftime}
            assert attempt(one, given) == attempt(other, given), (name, scenario.name, kind)
            compared += 1
    assert compared


def cases_of(name: str) -> list[tuple[Scenario, Kind, Any]]:
    """The texts that a framework has for a template, one base scenario of each kind."""
    framework = next((framework for framework in FRAMEWORKS if name in vectors(framework)), None)
    return [case for case in cases(framework, name) if case[0].base] if framework else []


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
