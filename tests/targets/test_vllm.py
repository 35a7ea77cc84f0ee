"""The generated Jinja through transformers' engine against the prompts that the real frameworks wrote."""

from __future__ import annotations

from datetime import date
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatwright.errors import Unsupported
from chatwright.evidence.engines.jinja import Render, sglang_renderer, transformers_renderer, variables
from chatwright.evidence.vectors import BOS, TODAY, agrees
from chatwright.meaning.jinja import compile_template, literal
from chatwright.targets.vllm import chat_template
from tests.support import cases, catalogue, scenarios, vectors

PROMPTS = [case for case in cases("llamafactory") if case[2] == "prompt"]


@cache
def renderer(name: str, loading: str) -> Render:
    compile_source = {"transformers": transformers_renderer, "sglang": sglang_renderer}[loading]
    return compile_source(chat_template(catalogue().templates[name]))


@pytest.mark.parametrize("loading", ["transformers", "sglang"])
@pytest.mark.parametrize(("name", "scenario", "kind"), PROMPTS, ids="-".join)
def test_writes_llamafactorys_prompt(name: str, scenario: str, kind: str, loading: str) -> None:
    data = vectors("llamafactory")[name]
    given_variables = variables(scenarios()[scenario], bos=BOS, eos=data["eos"])
    text = renderer(name, loading)({**given_variables, "strftime_now": TODAY.strftime})
    assert agrees(data["scenarios"][scenario][kind], [(text, False)]), text


@pytest.mark.parametrize(("name", "scenario", "kind"), cases("llamafactory"), ids="-".join)
def test_writes_whole_conversations(name: str, scenario: str, kind: str) -> None:
    if kind == "prompt":
        return
    data = vectors("llamafactory")[name]
    entry = data["scenarios"][scenario][kind]
    if "runs" not in entry:
        return
    chosen = scenarios()[scenario]
    given_variables = variables(chosen, bos=BOS, eos=data["eos"])
    given_variables |= {"messages": list(chosen.messages), "add_generation_prompt": False}
    given_variables |= {"preserve_thinking": kind == "training", "strftime_now": TODAY.strftime}
    assert renderer(name, "transformers")(given_variables) == "".join(text for text, _ in entry["runs"])


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
