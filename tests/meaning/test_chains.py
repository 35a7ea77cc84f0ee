"""Thoughts behind the last user message, tool formats of a spec's own, and tools in front of the last user turn."""

from __future__ import annotations

from typing import Any

import pytest

from chatwright.catalogue.model import Template
from chatwright.errors import Unsupported
from chatwright.inspection.draft.template_data import DEFINITION, built
from chatwright.meaning.render import Kind, render, to_text
from chatwright.targets.chat_template import chat_template
from conformance.engines.jinja import transformers_renderer

SLOTS: dict[str, Any] = {
    "user": "<u>{{content}}</u>",
    "assistant": {"opener": "<a>", "body": "{{content}}</a>"},
    "observation": "<o>{{content}}</o>",
}
TOOLS = [{"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object"}}}]
CALL = {"type": "function", "function": {"name": "f", "arguments": {"x": 1}}}
CALLING = {"role": "assistant", "content": "", "tool_calls": [CALL]}
USER, RESULT = {"role": "user", "content": "U"}, {"role": "tool", "content": "R"}
DEFINED = {"tools": [{"text": "T:"}, {"each": "{{ function.name }}"}], "calls": [{"each": "{{ call.name ~ '()' }}"}]}
CHAINS: dict[str, tuple[list[dict[str, Any]], str]] = {
    "in the chain": (
        [USER, {**CALLING, "reasoning_content": "W"}, RESULT],
        "T:f<u>U</u><a><t>W</t>f()</a><o>R</o><a>",
    ),
    "in the chain, without a thought": ([USER, CALLING, RESULT], "T:f<u>U</u><a><t></t>f()</a><o>R</o><a>"),
    "behind a user": (
        [USER, {**CALLING, "reasoning_content": "W"}, RESULT, {"role": "assistant", "content": "A"}, USER],
        "T:f<u>U</u><a>f()</a><o>R</o><a>A</a><u>U</u><a>",
    ),
}


def template(**more: Any) -> Template:
    data: dict[str, Any] = {"slots": SLOTS, "tool_format": "mine", DEFINITION: DEFINED}
    return built({**data, **more})


def text(of: Template, messages: list[dict[str, Any]]) -> str:
    return to_text(render(of, messages, TOOLS, kind=Kind.PROMPT))


@pytest.mark.parametrize("what", CHAINS)
def test_thoughts_stay_behind_the_last_user_message(what: str) -> None:
    messages, due = CHAINS[what]
    chained = template(thinking={"words": ["<t>", "</t>"], "when_off": "", "kept_in_chain": True})
    assert text(chained, messages) == due
    given = {"messages": messages, "tools": TOOLS, "add_generation_prompt": True}
    assert transformers_renderer(chat_template(chained))(given) == due


def test_tools_in_front_of_the_last_user_turn() -> None:
    fronted = template(**{DEFINITION: {**DEFINED, "place": "before_last_user"}})
    messages = [USER, {"role": "assistant", "content": "A"}, USER, CALLING, RESULT]
    assert text(fronted, messages) == "<u>U</u><a>A</a>T:f<u>U</u><a>f()</a><o>R</o><a>"
    with pytest.raises(Unsupported, match="in front of the last user turn"):
        chat_template(fronted)
