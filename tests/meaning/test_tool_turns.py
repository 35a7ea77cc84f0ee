"""Every tool format that ms-swift knows against what it wrote in random conversations with tools, as recorded."""

from __future__ import annotations

import json

import pytest

from chatwright.errors import Unsupported
from chatwright.meaning import jinja
from chatwright.meaning.render import render, to_text
from chatwright.meaning.runs import TODAY
from chatwright.meaning.tool_formats import tool_formats
from chatwright.targets.chat_template import chat_template
from conformance.checks.swift_texts import reference_turns
from conformance.checks.swift_tools import users
from conformance.fuzz import tool_scenarios
from conformance.vectors import TOOL_CASES, turns_digest
from tests.support import VECTORS, catalogue

RECORDED = {path.stem: json.loads(path.read_text()) for path in (VECTORS / "tool_turns").glob("*.json")}
NAMES = sorted(name for name, definition in tool_formats().items() if "swift" in definition.frameworks)


def test_every_format_is_recorded() -> None:
    assert sorted(RECORDED) == NAMES
    assert {len(digests) for digests in RECORDED.values()} == {TOOL_CASES}


@pytest.mark.parametrize("name", NAMES)
def test_writes_what_ms_swift_writes(name: str) -> None:
    template = users(catalogue())[name]
    assert template is not None
    for case, digest in zip(tool_scenarios(TOOL_CASES), RECORDED[name], strict=True):
        assert turns_digest(reference_turns(template, case)) == digest, case


@pytest.mark.parametrize("name", ["kimi_k25", "kimi_k3"])
def test_a_result_that_answers_no_call_is_refused_where_it_names_the_call(name: str) -> None:
    template = catalogue().templates[name]
    call = {"type": "function", "function": {"name": "f", "arguments": {}}}
    asked = [{"role": "user", "content": "Go"}, {"role": "assistant", "content": "", "tool_calls": [call]}]
    result = {"role": "tool", "content": "done"}
    served = jinja.compile_template(chat_template(template))
    given = {"add_generation_prompt": True, "strftime_now": TODAY.strftime}
    assert served.render(messages=[*asked, result], **given) == to_text(render(template, [*asked, result]))
    for messages in ([*asked, result, result], [result]):
        with pytest.raises(Unsupported, match="must answer a call"):
            render(template, messages)
        with pytest.raises(jinja.TemplateError, match="must answer a call"):
            served.render(messages=messages, **given)


def test_the_mark_on_thinking_stands_behind_the_tools_where_their_description_places_it() -> None:
    """As ms-swift's ``KimiK3Template._swift_encode`` puts it."""
    template = catalogue().templates["kimi_k3"]
    tool = {"type": "function", "function": {"name": "f", "parameters": {}}}
    messages = [{"role": "system", "content": "Be terse."}, {"role": "user", "content": "Go"}]
    marks = ['type="tool-declare"', 'type="thinking-effort"', "Be terse."]
    served = jinja.compile_template(chat_template(template))
    for tools, due in (([tool], marks), (None, marks[1:])):
        text = to_text(render(template, messages, tools, level="low"))
        assert [text.index(mark) for mark in due] == sorted(text.index(mark) for mark in due)
        given = {"messages": messages, "tools": tools, "reasoning_effort": "low", "add_generation_prompt": True}
        assert served.render(**given) == text
