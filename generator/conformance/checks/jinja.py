"""The generated Jinja in the engines that read it."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, get_args

from chatwright.catalogue.model import Template
from chatwright.inspection import jinja, vllm
from chatwright.meaning.conversation import MediaKind, Message
from chatwright.meaning.render import render, to_text
from chatwright.meaning.runs import BOS, EOS, TODAY
from chatwright.meaning.scenarios import Scenario, scenarios
from chatwright.meaning.tool_formats import calls_jinja, format_of, needs_objects, needs_python, tools_jinja
from chatwright.records.engines import Result
from chatwright.records.servers import SERVERS
from chatwright.targets.own_prompts import refusal

from .. import clock
from ..engines import huggingface_jinja
from ..engines import jinja as jinja_engines
from .attempts import Refusal, attempt, difference
from .workbench import Report, Results, Workbench, compare, tally


def check_transformers(bench: Workbench) -> Report:
    """The generated Jinja through transformers' engine against the frameworks' own inference prompts."""
    version = importlib.metadata.version("transformers")
    return _check_jinja(bench, "transformers", version, "engine", jinja_engines.transformers_renderer)


def check_vllm(bench: Workbench) -> Report:
    """The same files with the messages as vLLM hands them over: typed parts everywhere, and media in their places.

    With text in place of typed parts, vLLM would join the texts of a message with newlines and place media itself.
    """
    report = _check_jinja(
        bench, "vllm", vllm.VERSION, f"emulated@{vllm.VERSION}", jinja_engines.transformers_renderer, vllm.messages
    )
    sources = bench.bodies("vllm")
    formats = {name: vllm.content_format(source) for name, source in sources.items()}
    report.wrong += [f"{name}: vLLM hands over {found}" for name, found in formats.items() if found != "openai"]
    report.lines.append(f"{sum(found == 'openai' for found in formats.values())} templates take typed parts")
    placed = 0
    for name, source in sources.items():
        for kind in get_args(MediaKind):
            due, got = _media_texts(bench.catalogue.templates[name], source, kind)
            placed += not isinstance(due, Refusal) and due == got
            if due != got and not (isinstance(due, Refusal) and isinstance(got, Refusal)):
                report.wrong.append(f"{name}, {kind}: {got!r} instead of {due!r}")
    report.lines.append(f"{placed} media placed as the reference renderer places them, and refused where it refuses")
    return report


def _media_texts(template: Template, source: str, kind: str) -> tuple[str | Refusal, str | Refusal]:
    """What the reference renderer, and the file in vLLM, make of a medium between two texts."""
    part = {"type": f"{kind}_url", f"{kind}_url": {"url": f"https://example.com/{kind}"}}
    content = [{"type": "text", "text": "a "}, part, {"type": "text", "text": " b"}]
    messages = [{"role": "user", "content": content}]
    due = attempt(lambda: to_text(render(template, messages, today=TODAY), bos=BOS, eos=EOS))
    given = {"messages": vllm.messages(messages), "tools": None, "documents": None, "add_generation_prompt": True}
    with clock.day(TODAY):
        return due, attempt(jinja_engines.transformers_renderer(source), {**given, "bos_token": BOS, "eos_token": EOS})


def check_sglang(bench: Workbench) -> Report:
    """The same files after SGLang's loading: the same text everywhere."""
    report = _check_jinja(bench, "sglang", "0.5.23", "emulated@0.5.23", jinja_engines.sglang_renderer)
    _same_as_transformers(bench, report, jinja_engines.sglang_renderer, lambda template, scenario: True)
    return report


def check_minijinja(bench: Workbench) -> Report:
    """The same files in minijinja: the same text wherever the template writes no JSON, and with Python's JSON."""
    version = importlib.metadata.version("minijinja")
    report = _check_jinja(bench, "minijinja", version, "engine", jinja_engines.minijinja_renderer)
    _same_as_transformers(bench, report, jinja_engines.minijinja_renderer, _without_json)
    python_json = partial(jinja_engines.minijinja_renderer, own_json=False)
    _same_as_transformers(bench, report, python_json, _with_floats_in_json, "with Python's JSON in it, ")
    return report


def check_huggingface_jinja(bench: Workbench) -> Report:
    """The same files in @huggingface/jinja: the same where JavaScript writes numbers and objects as Python does."""
    with huggingface_jinja.Engine(bench.need("npm"), TODAY) as engine:
        report = _check_jinja(bench, "huggingface-jinja", engine.version, "engine", engine.renderer)
        _same_as_transformers(bench, report, engine.renderer, _without_python)
    return report


def _check_jinja(
    bench: Workbench,
    engine: str,
    version: str,
    grade: str,
    compile_source: Callable[[str], jinja.Render],
    messages: Callable[[Sequence[Message]], Sequence[Message]] = list,
) -> Report:
    written: dict[str, Results] = {}  # what the file writes, whether or not the server uses it
    found: dict[str, Results] = {}
    for name, truth, source in bench.served("vllm"):
        with clock.day(TODAY):
            written[name] = compare(truth, _jinja_texts(compile_source(source), truth.eos, messages))
        found[name] = written[name]
        if reason := refusal(bench.catalogue.templates[name], bench.catalogue, engine) if engine in SERVERS else None:
            found[name] = {scenario: _unused(result, reason) for scenario, result in found[name].items()}
    report = Report(engine, [tally("inference prompts against the frameworks' own", found)])
    for framework in {truth.framework: None for truth in bench.recorded}:
        report.lines.append(_whole_templates(bench, framework, written))
    return bench.conclude(report, found, version, "vllm", grade)


def _unused(result: Result, reason: str) -> Result:
    return result if result.status == "not comparable" else Result("unsupported", reason)


def _whole_templates(bench: Workbench, framework: str, found: Mapping[str, Results]) -> str:
    """How many of a framework's built-ins are exact on every scenario that it accepts, and which are not."""
    names = [
        template.name
        for template in bench.catalogue.templates.values()
        if template.registered[framework] in bench.built_ins_of(framework)
    ]
    whole = [name for name in names if name in found and not _failing(found[name])]
    rest = [name for name in names if name not in whole]
    told = f"{framework}: {len(whole)} of {len(names)} templates exact on every scenario that it accepts"
    return f"{told}; not: {', '.join(rest)}" if rest else told


def _failing(results: Results) -> bool:
    return any(result.status not in ("exact", "not comparable") for result in results.values())


def _jinja_texts(
    renderer: jinja.Render, eos: str, messages: Callable[[Sequence[Message]], Sequence[Message]]
) -> Callable[[Scenario], str]:
    def write(scenario: Scenario) -> str:
        given = jinja.variables(scenario, bos=BOS, eos=eos)
        return renderer({**given, "messages": messages(given["messages"])})

    return write


def _without_json(template: Template, scenario: Scenario) -> bool:
    """Whether the template writes no JSON for the scenario; engines space and sort JSON in their own ways."""
    definition = format_of(template)
    if definition is None:
        return True
    calls = any(message.get("tool_calls") for message in scenario.messages)
    written = (tools_jinja(definition) if scenario.tools else "") + (calls_jinja(definition) if calls else "")
    return "tojson" not in written


def _without_odd_floats(template: Template, scenario: Scenario) -> bool:
    """Whether every engine writes the numbers in the scenario's calls alike.

    Python alone writes whole numbers of the type float with a point, and an exponent where 17 digits would do.
    """
    calls = [call["function"]["arguments"] for message in scenario.messages for call in message.get("tool_calls", ())]
    return not any(number == int(number) or not 1e-4 <= abs(number) < 1e16 for number in _floats(calls))


def _without_python(template: Template, scenario: Scenario) -> bool:
    """Whether nothing in the scenario's calls is written as Python alone writes it."""
    calls = any(message.get("tool_calls") for message in scenario.messages)
    definition = format_of(template)
    if calls and definition is not None and needs_python(definition):
        return False
    return _without_odd_floats(template, scenario)


def _with_floats_in_json(template: Template, scenario: Scenario) -> bool:
    """Whether the template writes the numbers in the scenario's calls as JSON, or the numbers do not matter."""
    definition = format_of(template)
    looks_inside = definition is not None and needs_objects(definition)
    return not looks_inside or _without_odd_floats(template, scenario)


def _floats(value: Any) -> Iterator[float]:
    if isinstance(value, float):
        yield value
    elif isinstance(value, Mapping | list):
        for inner in value.values() if isinstance(value, Mapping) else value:
            yield from _floats(inner)


def _same_as_transformers(
    bench: Workbench,
    report: Report,
    compile_source: Callable[[str], jinja.Render],
    wanted: Callable[[Template, Scenario], bool],
    how: str = "",
) -> None:
    """Hold every wanted text, or refusal, against what transformers makes of the same file.

    ``how`` says in words how the engine was set up.
    """
    same = unwanted = 0
    for name, source in bench.bodies("vllm").items():
        template = bench.catalogue.templates[name]
        with clock.day(TODAY):
            one, other = jinja_engines.transformers_renderer(source), compile_source(source)
            for scenario in scenarios().values():
                if not wanted(template, scenario):
                    unwanted += 1
                    continue
                given = jinja.variables(scenario, bos=BOS, eos=EOS)
                expected, got = attempt(one, given), attempt(other, given)
                if isinstance(expected, Refusal) and isinstance(got, Refusal):
                    continue
                same += expected == got
                if expected != got:
                    report.wrong.append(f"{how}{name}, {scenario.name}: {difference(got, expected)}")
    left_out = f", {unwanted} not compared" if unwanted else ""
    report.lines.append(f"{how}{same} texts the same as in transformers{left_out}")
