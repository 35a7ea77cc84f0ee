"""The generated Jinja through transformers' engine against the prompts that the real frameworks wrote."""

from __future__ import annotations

import inspect
import re
from functools import cache
from keyword import iskeyword
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import Environment, nodes
from jinja2.parser import _statement_keywords
from transformers import PreTrainedTokenizerBase, ProcessorMixin
from transformers.utils.chat_template_utils import render_jinja_template

from chatwright.catalogue.template_checks import TAKEN
from chatwright.inspection.jinja import Render, variables
from chatwright.meaning.jinja import compile_template, literal
from chatwright.meaning.render import render, to_text
from chatwright.meaning.runs import BOS, TODAY, Run
from chatwright.meaning.scenarios import Scenario
from chatwright.records.engines import Result
from chatwright.targets.chat_template import chat_template
from conformance.checks.attempts import Refusal, attempt, difference
from conformance.checks.reference import reference_runs
from conformance.deviations import judge
from conformance.engines.jinja import minijinja_renderer, sglang_renderer, transformers_renderer
from conformance.publishers import conversations, needs
from tests.support import FRAMEWORKS, Kind, cases, catalogue, failures, known, lacks_tool_format, scenarios, vectors

LOADING = {"transformers": transformers_renderer, "sglang": sglang_renderer}


@cache
def source(name: str) -> str | Refusal:
    """The chat template, or why there is none."""
    template = catalogue().templates[name]
    if template.undescribed:
        return Refusal(template.undescribed)
    refused: str | Refusal = attempt(chat_template, template)
    return refused


def pairs() -> list[tuple[str, str]]:
    """Each framework with its templates that have a chat template."""
    found = [(framework, name) for framework in FRAMEWORKS for name in vectors(framework)]
    return [(framework, name) for framework, name in found if not isinstance(source(name), Refusal)]


@cache
def renderer(name: str, loading: str) -> Render:
    text = source(name)
    assert not isinstance(text, Refusal)
    return LOADING[loading](text)


def served(name: str, loading: str, given: dict[str, Any]) -> str | Refusal:
    """What the chat template writes on the recorded day."""
    written: str | Refusal = attempt(renderer(name, loading), {**given, "strftime_now": TODAY.strftime})
    return written


@pytest.mark.parametrize(("framework", "name"), pairs())
def test_writes_the_frameworks_prompt(framework: str, name: str) -> None:
    eos = vectors(framework)[name]["eos"]

    def write(scenario: Scenario, kind: Kind) -> tuple[Run, ...] | Refusal:
        text = served(name, "transformers", variables(scenario, bos=BOS, eos=eos))
        return text if isinstance(text, Refusal) else ((text, False),)

    wrong = failures("transformers", framework, name, write, kinds=[Kind.PROMPT])
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("scenario", ["system_multi", "tool_chain"])
def test_sglangs_loading_changes_nothing(scenario: str) -> None:
    given = variables(scenarios()[scenario], bos=BOS, eos="<EOS>")
    names = [name for _, name in pairs()][::4]  # `make conformance` does it with all
    assert [name for name in names if served(name, "sglang", given) != served(name, "transformers", given)] == []


@pytest.mark.parametrize(("framework", "name"), pairs())
def test_writes_whole_conversations(framework: str, name: str) -> None:
    """The text is the reference renderer's, whose runs are held against the recorded ones.

    A digest is one of texts with masks, and a chat template knows no masks.
    """
    template, eos = catalogue().templates[name], vectors(framework)[name]["eos"]
    wrong = []
    for scenario, kind, _ in cases(framework, name):
        if kind is Kind.PROMPT:
            continue
        given_variables = variables(scenario, bos=BOS, eos=eos)
        given_variables |= {"messages": list(scenario.messages), "add_generation_prompt": False}
        text = served(name, "transformers", {**given_variables, "preserve_thinking": kind is Kind.TRAINING})
        runs = attempt(reference_runs, template, scenario, kind, eos)
        expected = runs if isinstance(runs, Refusal) else "".join(part for part, _ in runs)
        if isinstance(text, Refusal) and not isinstance(expected, Refusal):
            wrong += judge(known(), "transformers", {name: {scenario.name: Result("unsupported", str(text))}})
        elif isinstance(text, Refusal) or isinstance(expected, Refusal):
            if type(text) is not type(expected):
                wrong.append(f"{name}, {scenario.name}, {kind.value}: {text!r} instead of {expected!r}")
        elif text != expected:
            wrong.append(f"{name}, {scenario.name}, {kind.value}: {difference(text, expected)}")
    assert not wrong, "\n".join(wrong)


def written() -> list[str]:
    """The templates that have a chat template."""
    found = [name for name in catalogue().templates if not isinstance(source(name), Refusal)]
    assert found
    return found


def test_refuses_tools_without_a_tool_format() -> None:
    cases_without = [
        (name, scenario)
        for name in written()
        for scenario in scenarios().values()
        if lacks_tool_format(catalogue().templates[name], scenario)
    ]
    assert cases_without
    accepted = [
        (name, scenario.name)
        for name, scenario in cases_without
        if not isinstance(served(name, "transformers", variables(scenario, bos=BOS, eos="<EOS>")), Refusal)
    ]
    assert accepted == []


def test_refuses_turns_out_of_order() -> None:
    """But for formats that carry them."""
    user = {"role": "user", "content": "q"}
    given_variables = {"messages": [user, user], "add_generation_prompt": True, "bos_token": BOS, "eos_token": "<EOS>"}
    told = {name: served(name, "transformers", given_variables) for name in written()}
    words = {name: "a query and a document" if catalogue().templates[name].pair else "take turns" for name in told}
    accepted = {name for name, said in told.items() if not (isinstance(said, Refusal) and words[name] in said)}
    assert accepted == {name for name in told if "users" in catalogue().templates[name].turns}


@pytest.mark.parametrize("name", [name for name, template in catalogue().templates.items() if template.turns])
def test_turns_that_do_not_alternate_are_as_the_reference_renderer_means_them(name: str) -> None:
    """Written by every engine or refused by every engine."""
    template, minijinja = catalogue().templates[name], minijinja_renderer(str(source(name)))
    written = 0
    for conversation, messages in conversations().items():
        given_variables = {"messages": messages, "add_generation_prompt": True, "bos_token": BOS, "eos_token": "<EOS>"}
        expected = attempt(lambda said=messages: to_text(render(template, said, today=TODAY), bos=BOS, eos="<EOS>"))
        told = [served(name, loading, given_variables) for loading in LOADING]
        told.append(attempt(minijinja, {**given_variables, "strftime_now": TODAY.strftime}))
        if isinstance(expected, Refusal):
            assert all(isinstance(each, Refusal) for each in told), conversation
        else:
            assert told == [expected] * 3, conversation
            written += bool(needs(conversation))
    assert written


def test_strips_no_named_characters() -> None:
    """@huggingface/jinja takes all white space off whatever it is told to strip."""
    assert [name for name in written() if re.search(r"strip\([^)]", str(source(name)))] == []


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
def test_literals_come_out_as_they_went_in(text: str) -> None:
    source = f"{{{{ {literal(text)} }}}}"
    assert compile_template(source).render() == text
    assert sglang_renderer(source)({}) == text
    assert minijinja_renderer(source)({}) == text


def test_what_renders_with_the_generation_prompt_renders_without_it() -> None:
    """llama.cpp renders both and takes the difference for the generation prompt."""
    compared, wrong = 0, []
    for name in written():
        render = renderer(name, "transformers")
        for scenario in scenarios().values():
            given = variables(scenario, bos=BOS, eos="</s>")
            prompt = attempt(render, given)
            if isinstance(prompt, Refusal):
                continue
            compared += 1
            history = attempt(render, {**given, "add_generation_prompt": False})
            if isinstance(history, Refusal) or not prompt.startswith(history):
                wrong.append(f"{name}, {scenario.name}: {history!r} is not the head of {prompt!r}")
    assert compared > 9000
    assert not wrong, "\n".join(wrong)


def test_no_switch_can_have_the_name_of_a_variable() -> None:
    """The cross-checks refuse as a switch every name that some generated file uses for anything else."""
    used = set()
    for name in written():
        thinking = catalogue().templates[name].thinking
        own = {thinking.switch, thinking.levels.variable if thinking.levels else None} if thinking else set()
        tree = Environment(extensions=["jinja2.ext.loopcontrols"]).parse(str(source(name)))
        used |= {node.name for node in tree.find_all(nodes.Name)} - own
    assert len(used) > 10
    assert {name for name in used if not TAKEN.fullmatch(name)} == set()


def test_no_switch_can_have_a_name_that_a_call_or_jinja_keeps() -> None:
    calls = (PreTrainedTokenizerBase.apply_chat_template, ProcessorMixin.apply_chat_template, render_jinja_template)
    kept = {name for call in calls for name in inspect.signature(call).parameters}
    kept |= {"self", "loop", "super", "caller", "varargs", "kwargs", *Environment().globals, *_statement_keywords}
    assert {name for name in kept if not (TAKEN.fullmatch(name) or iskeyword(name))} == set()
