"""Tools as vLLM and SGLang hand them on, with null fields: the prompt is the one without these fields.

The scenarios ``tool_descriptions`` and ``tool_without_parameters`` hold the texts that the frameworks train; here every
file that describes tools is held against itself, with null and without.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from chatwright.meaning.render import render, to_text
from chatwright.meaning.tool_formats import format_of
from chatwright.targets.chat_template import chat_template
from conformance.checks.attempts import Refusal, attempt
from conformance.engines.jinja import minijinja_renderer, transformers_renderer
from tests.support import catalogue

MESSAGES = [{"role": "user", "content": "What time is it?"}]
PARAMETERS = {"type": "object", "properties": {"zone": {"type": "string"}}}
TOOLS = [  # fields that are there, and those that are null as well
    ({"name": "now", "parameters": PARAMETERS}, {"description": None}),
    ({"name": "now", "description": "", "parameters": PARAMETERS}, {"strict": None}),
    ({"name": "now", "description": "The time", "strict": True}, {"parameters": None}),
    ({"name": "now", "description": "The time", "parameters": PARAMETERS, "strict": False}, {"further": None}),
    ({"name": "now"}, {"description": None, "parameters": None, "strict": None}),
    ({"description": "The time", "name": "now", "parameters": PARAMETERS, "strict": False}, {"further": None}),
    ({"description": "The time", "name": "now", "strict": False}, {"parameters": None}),  # as SGLang hands it on
    ({"name": "now", "parameters": PARAMETERS, "strict": False}, {"description": None}),
]
REFUSED = [
    (
        {"name": "now", "description": None, "response": {"type": "string"}},
        "an order that no server gives: name response",
    ),
    ({"parameters": PARAMETERS, "name": "now", "description": None}, "an order that no server gives: parameters name"),
    ({"name": None, "description": "The time"}, "a tool has no function with a name"),
    ({"description": None, "parameters": PARAMETERS}, "a tool has no function with a name"),
]


@cache
def files() -> dict[str, str]:
    """The chat templates that describe tools, by name."""
    found = {}
    for name, template in catalogue().templates.items():
        if format_of(template) and not template.undescribed:
            text = attempt(chat_template, template)
            if not isinstance(text, Refusal):
                found[name] = text
    assert len(found) >= 209
    return found


@pytest.mark.parametrize(("given", "null"), TOOLS)
def test_a_null_field_counts_as_none(given: dict[str, Any], null: dict[str, Any]) -> None:
    wrong, refused = [], []
    for name, source in files().items():
        written = [
            attempt(renderer(source), {"messages": MESSAGES, "tools": tools, "add_generation_prompt": True})
            for renderer in (transformers_renderer, minijinja_renderer)
            for tools in ([{"type": "function", "function": {**given, **null}}], [{"function": given}], [given])
        ]
        meant = attempt(render, catalogue().templates[name], MESSAGES, [{"function": {**given, **null}}])
        if isinstance(meant, Refusal):
            refused.append(name)
            alike = all(isinstance(each, Refusal) and "ndefined" not in each for each in written)
        else:
            alike = {*written[:3]} == {to_text(meant)} and len({*written[3:]}) == 1
        if not alike:
            wrong.append(f"{name}: {written}, {meant!r}")
    assert not wrong, "\n".join(wrong)
    assert refused == ["qwen3_vl_reranker"]  # which wants a query and a document


@pytest.mark.parametrize(("function", "reason"), REFUSED)
def test_what_cannot_be_written_without_its_null_is_refused(function: dict[str, Any], reason: str) -> None:
    for tool in ({"type": "function", "function": function}, function):
        given = {"messages": MESSAGES, "tools": [tool], "add_generation_prompt": True}
        for source in files().values():
            for renderer in (transformers_renderer, minijinja_renderer):
                refused = attempt(renderer(source), given)
                assert isinstance(refused, Refusal)
                assert reason in refused


def test_a_tool_without_a_function_is_refused() -> None:
    for name, source in files().items():
        for tool in ({"type": "function", "function": None}, {"type": "function"}):
            given = {"messages": MESSAGES, "tools": [tool], "add_generation_prompt": True}
            told = [attempt(transformers_renderer(source), given)]
            told.append(attempt(render, catalogue().templates[name], MESSAGES, [tool]))
            assert all(isinstance(each, Refusal) and "a tool has no function with a name" in each for each in told)
