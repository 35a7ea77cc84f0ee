"""Every tool format that LLaMA-Factory knows against what its own Python wrote for random tools, as recorded."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from chatwright.errors import Unsupported
from chatwright.meaning import jinja
from chatwright.meaning import tool_formats as formats
from chatwright.meaning.conversation import Call
from chatwright.meaning.runs import TODAY
from chatwright.meaning.sandbox import Marked
from chatwright.meaning.tool_formats import calls_jinja, format_calls, format_tools, needs_objects, tool_formats
from conformance.fuzz import tools_and_calls
from conformance.vectors import TOOL_CASES, tool_digest
from tests.support import VECTORS

RECORDED = {path.stem: json.loads(path.read_text()) for path in (VECTORS / "tool_formats").glob("*.json")}


LLAMAFACTORY = sorted(name for name, definition in tool_formats().items() if "llamafactory" in definition.frameworks)


def test_every_format_is_recorded() -> None:
    assert sorted(RECORDED) == LLAMAFACTORY
    assert {len(digests) for digests in RECORDED.values()} == {TOOL_CASES}


@pytest.mark.parametrize("name", LLAMAFACTORY)
def test_writes_what_llamafactory_writes(name: str) -> None:
    definition = tool_formats()[name]
    for (tools, calls), digest in zip(tools_and_calls(TOOL_CASES), RECORDED[name], strict=True):
        given = [Call(call["name"], call["arguments"]) for call in calls]
        try:
            written = format_calls(definition, given)
        except Unsupported:
            written = None
        assert tool_digest(format_tools(definition, tools, TODAY), written) == digest, (tools, calls)


@pytest.mark.parametrize("name", sorted(tool_formats()))
def test_arguments_that_are_json_text(name: str) -> None:
    """Formats that write JSON print it as it stands; those that need the object say so."""
    definition = tool_formats()[name]
    written = jinja.compile_template(calls_jinja(definition))
    calls = [{"type": "function", "function": {"name": "f", "arguments": '{"a": [1, "x"]}'}}]
    objects = format_calls(definition, [Call("f", {"a": [1, "x"]})])
    if needs_objects(definition):
        with pytest.raises(jinja.TemplateError, match="as an object"):
            written.render(calls=calls)
    else:
        assert written.render(calls=calls) == objects


def test_one_call_a_turn_where_the_format_has_no_more() -> None:
    with pytest.raises(Unsupported, match="one call per turn"):
        format_calls(tool_formats()["glm4"], [Call("f", {}), Call("g", {})])


@pytest.mark.parametrize("name", sorted(tool_formats()))
def test_jinja_of_specs_writes_the_same_in_the_sandbox(name: str) -> None:
    ours = tool_formats()[name]
    for tools, given in tools_and_calls(10):
        calls = [Call(call["name"], call["arguments"], "1234567ab") for call in given]
        bounded = replace(ours, own=True)
        for day in (TODAY, Marked(TODAY.year, TODAY.month, TODAY.day)):  # which are equal
            assert answer(format_tools, bounded, tools, day) == answer(format_tools, ours, tools, day)
        assert answer(format_calls, bounded, calls) == answer(format_calls, ours, calls)


def answer(write: Callable[..., str], *given: Any) -> str:
    try:
        return write(*given)
    except Unsupported as reason:
        return str(reason)


def test_jinja_of_specs_is_bounded_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formats, "_TOGETHER", -1)
    with pytest.raises(Unsupported, match="all specs together"):
        format_calls(replace(tool_formats()["qwen"], own=True), [Call("never asked", {})])
