"""Tools in Ollama's Modelfiles: what Go makes of tool formats, and what Ollama makes of replies."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from chatwright.errors import Unsupported
from chatwright.meaning.conversation import Call
from chatwright.meaning.render import render, to_text
from chatwright.meaning.runs import BOS, EOS, TODAY
from chatwright.meaning.scenarios import scenarios
from chatwright.meaning.tool_formats import ToolFormat, format_calls, format_tools, tool_format, tool_formats
from chatwright.targets.go_template import Go, Text, write_calls, write_tools
from chatwright.targets.go_text import GoWriter
from chatwright.targets.ollama import NO_CALLS, ONE_CALL

from .. import json_values
from ..engines import modelfile, ollama
from ..fuzz import tool_scenarios, tools_and_calls
from ..vectors import TOOL_CASES
from .attempts import Refusal, attempt
from .workbench import Report, Workbench

_CONVERSATIONS = 4  # random ones for each template, with thinking on and off


def random_conversations(
    report: Report,
    bench: Workbench,
    name: str,
    engine: ollama.Engine,
    read: modelfile.Modelfile,
    due: Callable[[str], str],
) -> int:
    """How many random conversations with tools a file writes as the reference renderer does; others are wrong.

    They ask to think and not to think, so that formats are tried, too, whose default Ollama turns round.
    """
    template, alike = bench.catalogue.templates[name], 0
    if ".Tools" not in read.last("template"):
        return 0
    for scenario in tool_scenarios(_CONVERSATIONS):
        for thinking in (False, True) if template.thinking else (None,):
            asked = replace(scenario, thinking=thinking)
            carried = ollama.carried(asked)
            pieces = attempt(partial(render, thinking=thinking, today=TODAY), template, carried.asked, carried.tools)
            if isinstance(pieces, Refusal):
                continue
            expected = due(to_text(pieces, bos=BOS, eos=EOS))
            got = attempt(engine.prompt, read, asked, TODAY)
            values = json_values.request_values(carried.asked, carried.tools)
            if isinstance(got, Refusal) or json_values.difference(got, expected, values) is not None:
                report.wrong.append(f"{name}, {scenario.name}, thinking {thinking}: {got!r} instead of {expected!r}")
            else:
                alike += 1
    return alike


def told_of_calls(bench: Workbench, names: Iterable[str]) -> str:
    """How many files say what of calls in replies; :func:`unread_calls` holds it against Ollama's rules."""
    bodies = [bench.body("ollama", name) or "" for name in names]
    with_tools = [body for body in bodies if ".Tools" in body]
    none, one = (sum(note in body for body in with_tools) for note in (NO_CALLS, ONE_CALL))
    read = len(with_tools) - none - one
    return f"{len(with_tools)} files take tools; Ollama finds the calls in replies for {read}, single ones for {one}"


def unread_calls(bench: Workbench, name: str, engine: ollama.Engine, body: str) -> list[str]:
    """Calls that Ollama finds in replies, and the file says otherwise, or the other way round."""
    template, tool_format_name = (
        modelfile.read_modelfile(body).last("template"),
        bench.catalogue.templates[name].tool_format,
    )
    if tool_format_name is None or ".Tools" not in template:
        return []
    wrong = []
    for scenario, number in (("tool_call", 1), ("tool_parallel", 2)):
        asked = scenarios()[scenario]
        calls = next(
            [call["function"] for call in message["tool_calls"]]
            for message in asked.messages
            if "tool_calls" in message
        )
        given = [Call(call["name"], call["arguments"]) for call in calls]
        reply = attempt(format_calls, tool_format(tool_format_name), given)
        if isinstance(reply, Refusal):
            continue
        found = engine.calls(template, reply, asked.tools or ())
        told = NO_CALLS not in body and (number == 1 or ONE_CALL not in body)
        if (found == [(call.name, call.arguments) for call in given]) is not told or (found and not told):
            wrong.append(f"{name}: Ollama reads the calls {found} in {reply!r}, the file tells otherwise")
    return wrong


def compiled_formats(report: Report, engine: ollama.Engine) -> None:
    """Every tool format in Go on random tools and calls, against the format itself."""
    compiled, refused = 0, []
    changed: list[json_values.Difference] = []
    for definition in tool_formats().values():
        try:
            report.wrong += _compiled_format(engine, definition, changed)
            compiled += 1
        except Unsupported as reason:
            refused.append(f"{definition.name} ({reason})")
    dropped = frozenset(name for found in changed for name in found.dropped)
    added = frozenset(name for found in changed for name in found.added)
    report.lines.append(f"as they were offered: {lost(json_values.Difference(dropped, added))}")
    report.lines.append(f"{compiled} tool formats in Go, {TOOL_CASES} random cases each")
    report.lines += [f"not in Go: {', '.join(refused)}"] if refused else []


def _compiled_format(engine: ollama.Engine, definition: ToolFormat, changed: list[json_values.Difference]) -> list[str]:
    """What is wrong with a tool format in Go; what Ollama changes in nothing but fields is added to ``changed``.

    Raises:
        Unsupported: it cannot be written in Go.
    """
    wrong = []
    calls_source = GoWriter()
    with calls_source.block("range .Messages"):
        calls_source.statement("$calls := .ToolCalls")
        with calls_source.block("if $calls"):
            write_calls(definition, calls_source, "$calls")
    tools_source = GoWriter()
    tools_source.statement("$_ := .Messages")
    beside = Go("$.System", Text())
    write_tools(definition, tools_source, "$.Tools", system=beside, user=beside)
    for index, (functions, calls) in enumerate(tools_and_calls(TOOL_CASES)):
        text = ("", "Be terse.", " padded \n", "\u3000")[index % 4]
        reply = {"role": "assistant", "content": "", "tool_calls": [{"function": call} for call in calls]}
        messages: list[Mapping[str, Any]] = [{"role": "system", "content": text}, reply]
        tools = [{"type": "function", "function": function} for function in functions]
        carried = ollama.carried_tools(tools)
        described = [tool["function"] for tool in carried]
        carried_calls = [Call(call["name"], ollama.sorted_object(call["arguments"])) for call in calls]
        due = {
            tools_source: attempt(partial(format_tools, system=text, user=text), definition, described, TODAY),
            calls_source: attempt(format_calls, definition, carried_calls),
        }
        values = json_values.request_values(messages, carried)
        for source, expected in due.items():
            made = engine.render(source.source(), ollama.to_ollama(messages), tools, think=None, today=TODAY)
            if isinstance(expected, Refusal):
                agrees = bool(made.error)
            else:
                agrees = not made.error and json_values.difference(made.text, expected, values) is None
            offered = attempt(partial(format_tools, system=text, user=text), definition, functions, TODAY)
            if source is tools_source and agrees and not isinstance(offered, Refusal):
                found = json_values.difference(made.text, offered, json_values.request_values(messages, tools))
                changed += [found] if found and found.at is None else []
            if not agrees:
                wrong.append(f"{definition.name} in Go: {made.error or made.text!r} instead of {expected!r}")
    return wrong


def lost(found: json_values.Difference) -> str:
    """What Ollama drops of tools, and what it adds, in words."""
    sides = (("drops", found.dropped), ("adds", found.added))
    return " and ".join(f"Ollama {verb} of a tool: {', '.join(sorted(names))}" for verb, names in sides if names)
