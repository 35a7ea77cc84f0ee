"""Tool formats that write the ids of calls, in the calls and beside their results."""

from __future__ import annotations

from typing import Any

import pytest

from chatwright.catalogue.build import build_spec
from chatwright.catalogue.model import Template
from chatwright.errors import Location, Unsupported
from chatwright.inspection.draft.template_data import DEFINITION, built
from chatwright.meaning.render import render, to_text
from chatwright.targets.chat_template import chat_template
from chatwright.targets.ollama import modelfile
from conformance.engines.jinja import transformers_renderer
from tests.meaning.test_chains import SLOTS, TOOLS

DEFINED = {
    "tools": [{"text": "T:"}, {"each": "{{ function.name }}"}],
    "calls": [{"each": "{{ call.name ~ '#' ~ call_id }}"}],
    "result": "{{ call_id ~ '=' ~ text }}",
}


def template(**changes: Any) -> Template:
    return built({"slots": SLOTS, "tool_format": "mine", "result_separator": ";", DEFINITION: {**DEFINED, **changes}})


def messages(*ids: str | None) -> list[dict[str, Any]]:
    calls = [
        {"type": "function", "function": {"name": "f", "arguments": {}}, **({"id": each} if each else {})}
        for each in ids
    ]
    results = [{"role": "tool", "content": "R", **({"tool_call_id": each} if each else {})} for each in ids]
    return [{"role": "user", "content": "U"}, {"role": "assistant", "content": "", "tool_calls": calls}, *results]


def test_ids_stand_in_calls_and_results() -> None:
    given, conversation = template(), messages("c1", "c2")
    due = "T:f<u>U</u><a>f#c1f#c2</a><o>c1=R;c2=R</o><a>"
    assert to_text(render(given, conversation, TOOLS)) == due
    request = {"messages": conversation, "tools": TOOLS, "add_generation_prompt": True}
    assert transformers_renderer(chat_template(given))(request) == due


@pytest.mark.parametrize("changes", [{}, {"calls": [{"each": "{{ call.name }}"}]}])
def test_calls_without_ids_are_refused(changes: dict[str, Any]) -> None:
    given, conversation = template(**changes), messages(None)
    with pytest.raises(Unsupported, match="the id of a call"):
        render(given, conversation, TOOLS)
    with pytest.raises(Unsupported, match="the id of a call"):
        transformers_renderer(chat_template(given))({"messages": conversation, "tools": TOOLS})


@pytest.mark.parametrize(
    ("ids", "due"),
    [
        (["c2", "c1"], "c2=R0;c1=R1"),
        ([None, None], "c1=R0;c2=R1"),
        (["other", "c1"], "c1=R0;c1=R1"),
        (["c1", "c1"], "c1=R0;c1=R1"),
    ],
)
def test_a_result_answers_the_call_that_its_id_names_or_the_one_at_its_place(ids: list[str | None], due: str) -> None:
    conversation = messages("c1", "c2")
    for place, (message, each) in enumerate(zip(conversation[2:], ids, strict=True)):
        message.update(content=f"R{place}", tool_call_id=each)
    given = template()
    expected = f"T:f<u>U</u><a>f#c1f#c2</a><o>{due}</o><a>"
    assert to_text(render(given, conversation, TOOLS)) == expected
    request = {"messages": conversation, "tools": TOOLS, "add_generation_prompt": True}
    assert transformers_renderer(chat_template(given))(request) == expected


def test_two_calls_of_one_id_are_answered_in_their_order() -> None:
    conversation = messages("c1", "c1")
    given = template(calls=[{"each": "{{ call.name }}"}], result="{{ index ~ '=' ~ text }}")
    expected = "T:f<u>U</u><a>ff</a><o>0=R;1=R</o><a>"
    assert to_text(render(given, conversation, TOOLS)) == expected
    request = {"messages": conversation, "tools": TOOLS, "add_generation_prompt": True}
    assert transformers_renderer(chat_template(given))(request) == expected


def test_a_result_that_answers_no_call_is_refused_by_formats_that_name_the_call() -> None:
    conversation = [*messages("c1"), {"role": "tool", "content": "R"}]
    given = template()
    with pytest.raises(Unsupported, match="must answer a call"):
        render(given, conversation, TOOLS)
    with pytest.raises(Unsupported, match="must answer a call"):
        transformers_renderer(chat_template(given))({"messages": conversation, "tools": TOOLS})


@pytest.mark.parametrize(("named", "due"), [({"name": "f"}, "f"), ({"name": None}, "?"), ({}, "?")])
def test_names_of_tool_messages_reach_the_formats_that_write_them(named: dict[str, Any], due: str) -> None:
    given = template(calls=[{"each": "{{ call.name }}"}], result="{{ (name if name else '?') ~ '=' ~ text }}")
    conversation = messages(None)
    conversation[-1].update(named)
    expected = f"T:f<u>U</u><a>f</a><o>{due}=R</o><a>"
    assert to_text(render(given, conversation, TOOLS)) == expected
    request = {"messages": conversation, "tools": TOOLS, "add_generation_prompt": True}
    assert transformers_renderer(chat_template(given))(request) == expected


def test_ollama_has_no_ids_of_calls() -> None:
    root = {"name": "x", "title": "X", "publisher": "X", "templates": {"mine": {"slots": SLOTS, "tool_format": "own"}}}
    root["tool_formats"] = {"own": DEFINED}
    spec = build_spec(root, path="", source="", locate=lambda _: Location("", 0, 0))
    assert "the ids of calls" in modelfile(spec, spec.templates[0])
