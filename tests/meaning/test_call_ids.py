"""Tool formats that write the ids of calls, in the calls and beside their results."""

from __future__ import annotations

from typing import Any

import pytest

from chatwright.catalogue.build import build_spec
from chatwright.catalogue.model import Template
from chatwright.errors import Location, Unsupported
from chatwright.evidence.draft.reading import DEFINITION, built
from chatwright.evidence.engines.jinja import transformers_renderer
from chatwright.meaning.render import render, to_text
from chatwright.targets.chat_template import chat_template
from chatwright.targets.ollama import modelfile
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


def test_ollama_has_no_ids_of_calls() -> None:
    root = {"name": "x", "title": "X", "publisher": "X", "templates": {"mine": {"slots": SLOTS, "tool_format": "own"}}}
    root["tool_formats"] = {"own": DEFINED}
    spec = build_spec(root, path="", source="", locate=lambda _: Location("", 0, 0))
    assert "the ids of calls" in modelfile(spec, spec.templates[0])
