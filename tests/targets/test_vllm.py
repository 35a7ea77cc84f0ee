"""The generated Jinja through transformers' engine against the prompts that the real frameworks wrote."""

from __future__ import annotations

from datetime import date
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatwright.errors import Unsupported
from chatwright.evidence.checks.reference import reference_runs
from chatwright.evidence.engines.jinja import Render, sglang_renderer, transformers_renderer, variables
from chatwright.evidence.vectors import BOS, TODAY, agrees
from chatwright.meaning.jinja import compile_template, literal
from chatwright.targets.vllm import chat_template
from tests.support import FRAMEWORKS, Kind, cases, catalogue, lacks_tool_format, scenarios, vectors

CASES = [
    (framework, *case)
    for framework in FRAMEWORKS
    for case in cases(framework)
    if not lacks_tool_format(catalogue().templates[case[0]], scenarios()[case[1]])
]
PROMPTS = [case[:3] for case in CASES if case[3] == "prompt"]
CONVERSATIONS = [case for case in CASES if case[3] != "prompt"]


@cache
def renderer(name: str, loading: str) -> Render:
    compile_source = {"transformers": transformers_renderer, "sglang": sglang_renderer}[loading]
    return compile_source(chat_template(catalogue().templates[name]))


@pytest.mark.parametrize("loading", ["transformers", "sglang"])
@pytest.mark.parametrize(("framework", "name", "scenario"), PROMPTS)
def test_writes_the_frameworks_prompt(framework: str, name: str, scenario: str, loading: str) -> None:
    data = vectors(framework)[name]
    given_variables = variables(scenarios()[scenario], bos=BOS, eos=data["eos"])
    text = renderer(name, loading)({**given_variables, "strftime_now": TODAY.strftime})
    assert agrees(data["scenarios"][scenario]["prompt"], [(text, False)]), text


@pytest.mark.parametrize(("framework", "name", "scenario", "kind"), CONVERSATIONS)
def test_writes_whole_conversations(framework: str, name: str, scenario: str, kind: str) -> None:
    """The text is the reference renderer's, whose runs are held against the recorded ones.

    A hash is one of texts with masks, and a chat template knows no masks.
    """
    data, chosen, template = vectors(framework)[name], scenarios()[scenario], catalogue().templates[name]
    given_variables = variables(chosen, bos=BOS, eos=data["eos"])
    given_variables |= {"messages": list(chosen.messages), "add_generation_prompt": False}
    given_variables |= {"preserve_thinking": kind == "training", "strftime_now": TODAY.strftime}
    runs = reference_runs(template, chosen, Kind(kind), data["eos"])
    assert runs is not None
    assert agrees(data["scenarios"][scenario][kind], runs)
    assert renderer(name, "transformers")(given_variables) == "".join(text for text, _ in runs)


def test_refuses_tools_without_a_tool_format() -> None:
    without = [name for name, template in catalogue().templates.items() if template.tool_format is None]
    assert without
    for name in without:
        for scenario in scenarios().values():
            if lacks_tool_format(catalogue().templates[name], scenario):
                given_variables = variables(scenario, bos=BOS, eos="<EOS>")
                with pytest.raises(Unsupported):
                    renderer(name, "transformers")({**given_variables, "strftime_now": TODAY.strftime})


@pytest.mark.parametrize("name", sorted(catalogue().templates))
def test_refuses_turns_out_of_order(name: str) -> None:
    user = {"role": "user", "content": "q"}
    write = renderer(name, "transformers")
    with pytest.raises(Unsupported, match="take turns"):
        write({"messages": [user, user], "add_generation_prompt": True, "strftime_now": date(2025, 1, 1).strftime})


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
def test_literals_come_out_as_they_went_in(text: str) -> None:
    source = f"{{{{ {literal(text)} }}}}"
    assert compile_template(source).render() == text
    assert compile_template(source.replace("\\n", "\n")).render() == text  # SGLang's loading
