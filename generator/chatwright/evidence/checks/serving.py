"""Ollama and LMDeploy: the generated files in the real Go ``text/template`` and in LMDeploy's own classes."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from ...catalogue.evidence import Result
from ...errors import Unsupported
from ...meaning.conversation import Call
from ...meaning.render import render, to_text
from ...meaning.tool_formats import ToolFormat, format_calls, format_tools, tool_format, tool_formats
from ...targets.go_template import Go, Text, write_calls, write_tools
from ...targets.go_text import GoWriter
from ...targets.literal import token_text
from ...targets.ollama import NO_CALLS, ONE_CALL
from .. import json_values
from ..engines import lmdeploy, modelfile, ollama
from ..fuzz import tools_and_calls
from ..scenarios import Scenario, scenarios
from ..vectors import BOS, EOS, TODAY, TOOL_CASES
from .bench import Refusal, Report, Results, Workbench, attempt, compare, tally


def check_ollama(bench: Workbench) -> Report:
    """Every Modelfile, read by Ollama's rules and run by Go, against the frameworks' prompts without BOS.

    Where tools are written, JSON may stand in another layout (see :mod:`..json_values`).
    """
    report = Report("ollama")
    found: dict[str, Results] = {}
    with ollama.Engine() as engine:
        for name, truth in bench.truths.items():
            body = bench.body("ollama", name)
            if body is None:
                continue
            read = modelfile.read_modelfile(body)
            thinking = bench.catalogue.templates[name].thinking
            default_on = thinking.default if thinking else None
            found[name] = compare(
                truth,
                partial(_ollama_prompt, engine, read),
                partial(_due, bench, name),
                partial(ollama.changes, default_on=default_on),
                partial(_judge_tools, bench, name),
            )
            report.wrong += _missing_stops(bench, name, read)
            report.wrong += _unread_calls(bench, name, engine, body)
        report.lines.append(tally("prompts against the frameworks' own", found))
        report.lines.append(_told_of_calls(bench, found))
        _compiled_formats(report, engine)
    report.results["ollama"] = found
    report.evidence = bench.evidence("ollama", ollama.VERSION, f"emulated@{ollama.VERSION}", "ollama", found)
    return report


def check_lmdeploy(bench: Workbench) -> Report:
    """Every JSON file through LMDeploy's own classes against the frameworks' prompts without BOS."""
    report = Report("lmdeploy")
    found: dict[str, Results] = {}
    for name, truth in bench.truths.items():
        body = bench.body("lmdeploy", name)
        if body is None:
            continue
        found[name] = compare(
            truth,
            partial(lmdeploy.prompt, lmdeploy.load(body)),
            partial(_due, bench, name),
            lambda scenario: lmdeploy.changes(scenario.asked),
        )
    report.lines.append(tally("prompts against the frameworks' own", found))
    version = importlib.metadata.version("lmdeploy")
    report.results["lmdeploy"] = found
    report.evidence = bench.evidence("lmdeploy", version, "engine", "lmdeploy", found)
    return report


def _ollama_prompt(engine: ollama.Engine, read: modelfile.Modelfile, scenario: Scenario) -> str:
    return engine.prompt(read, scenario, TODAY)


def _judge_tools(bench: Workbench, name: str, scenario: Scenario, got: str, expected: str) -> Result:
    """What to think of a prompt that is not the one that is due to the character."""
    found = json_values.difference(got, expected, json_values.request_values(scenario.asked, scenario.tools))
    if found is None:
        return Result("exact")
    if found.at is None:
        return Result("differs", _lost(found))
    if scenario.tools and _is_due_of_what_ollama_carries(bench, name, scenario, got):
        return Result("differs", "Ollama keeps no order of a tool's properties and a call's arguments, but sorts them")
    here, there = found.at
    return Result(
        "differs", f"at character {here}: {got[here : here + 20]!r} instead of {expected[there : there + 20]!r}"
    )


def _lost(found: json_values.Difference) -> str:
    sides = (("drops", found.dropped), ("adds", found.added))
    return " and ".join(f"Ollama {verb} of a tool: {', '.join(sorted(names))}" for verb, names in sides if names)


def _is_due_of_what_ollama_carries(bench: Workbench, name: str, scenario: Scenario, got: str) -> bool:
    """Whether a prompt is what the template means for the tools and calls as Ollama carries them."""
    carried = ollama.carried(scenario)
    pieces = render(
        bench.catalogue.templates[name], carried.asked, carried.tools, thinking=carried.thinking, today=TODAY
    )
    due = _due(bench, name, to_text(pieces, bos=BOS, eos=bench.truths[name].eos))
    values = json_values.request_values(carried.asked, carried.tools)
    return json_values.difference(got, due, values) is None


def _told_of_calls(bench: Workbench, names: Iterable[str]) -> str:
    """How many files say what of calls in replies; :func:`_unread_calls` holds it against Ollama's rules."""
    bodies = [bench.body("ollama", name) or "" for name in names]
    with_tools = [body for body in bodies if ".Tools" in body]
    none, one = (sum(note in body for body in with_tools) for note in (NO_CALLS, ONE_CALL))
    read = len(with_tools) - none - one
    return f"{len(with_tools)} files take tools; Ollama finds the calls in replies for {read}, single ones for {one}"


def _unread_calls(bench: Workbench, name: str, engine: ollama.Engine, body: str) -> list[str]:
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


def _compiled_formats(report: Report, engine: ollama.Engine) -> None:
    """Every tool format in Go on random tools and calls, against the format itself."""
    compiled, refused = 0, []
    lost: list[json_values.Difference] = []
    for definition in tool_formats().values():
        try:
            report.wrong += _compiled_format(engine, definition, lost)
            compiled += 1
        except Unsupported as reason:
            refused.append(f"{definition.name} ({reason})")
    dropped = frozenset(name for found in lost for name in found.dropped)
    added = frozenset(name for found in lost for name in found.added)
    report.lines.append(f"as they were offered: {_lost(json_values.Difference(dropped, added))}")
    report.lines.append(f"{compiled} tool formats in Go, {TOOL_CASES} random cases each")
    report.lines += [f"not in Go: {', '.join(refused)}"] if refused else []


def _compiled_format(engine: ollama.Engine, definition: ToolFormat, lost: list[json_values.Difference]) -> list[str]:
    """What is wrong with a tool format in Go; what Ollama changes in nothing but fields is added to ``lost``.

    Raises:
        Unsupported: it cannot be written in Go.
    """
    wrong = []
    calls_source = GoWriter()
    calls_source.do("range .Messages", "$calls := .ToolCalls", "if $calls")
    write_calls(definition, calls_source, "$calls")
    calls_source.do("end", "end")
    tools_source = GoWriter()
    tools_source.do("$_ := .Messages")
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
                lost += [found] if found and found.at is None else []
            if not agrees:
                wrong.append(f"{definition.name} in Go: {made.error or made.text!r} instead of {expected!r}")
    return wrong


def _due(bench: Workbench, name: str, prompt: str) -> str:
    """The prompt as these engines must write it: own tokens as text, without the BOS that the engine adds itself."""
    family = bench.catalogue.templates[name].family
    spec = next(spec for spec in bench.catalogue.specs if spec.name == family)
    prompt = prompt.replace(EOS, token_text(spec, "eos_token") or EOS)
    for bos in (BOS, token_text(spec, "bos_token")):
        if bos and prompt.startswith(bos):
            return prompt[len(bos) :]
    return prompt


def _missing_stops(bench: Workbench, name: str, read: modelfile.Modelfile) -> list[str]:
    given = read.parameters.get("stop", [])
    stops = given if isinstance(given, list) else [given]
    return [
        f"{name}: the Modelfile lacks the stop word {word!r}"
        for word in bench.catalogue.templates[name].stop_words
        if word not in stops
    ]
