"""LLaMA-Factory: our registrations beside its built-ins, and what the built-ins write, which is the truth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chatwright.catalogue.model import Template
from chatwright.meaning.conversation import Call
from chatwright.meaning.render import Kind
from chatwright.meaning.runs import BOS, EOS, TODAY, Run, normal
from chatwright.meaning.scenarios import scenarios
from chatwright.meaning.tool_formats import format_calls, format_tools, tool_formats
from chatwright.records.engines import Result
from chatwright.records.frameworks import built_ins as recorded_built_ins

from .. import clock
from ..engines import llamafactory, tokenizers
from ..fuzz import tools_and_calls
from ..sync.compare import compare
from ..sync.report import line
from ..vectors import Truth, tool_digest
from . import llamafactory_registration as registration
from .attempts import Refusal, attempt
from .workbench import Report, Results, Workbench, tally


def check_llamafactory(bench: Workbench) -> Report:
    """Registry equality, token equality in every kind of text, and the truth the other engines are compared with."""
    report = Report("llamafactory")
    built_ins = dict(llamafactory.templates())
    theirs = registration.registered()
    with llamafactory.registries(empty=True) as live, llamafactory.generated_package(bench.root) as package:
        package.register_all()
        ours, our_registry = dict(live), registration.registered()
    found: dict[str, Results] = {}
    for template in bench.catalogue.templates.values():
        name = template.registered["llamafactory"]
        if name is None:
            continue
        if name not in built_ins:
            continue  # from us alone, see check_added
        if name not in ours:
            report.wrong.append(f"template {name}: {bench.deployments['llamafactory'][template.name].reason}")
            continue
        truth, equal = _llamafactory_truth(template, built_ins[name], ours[name])
        bench.add_truth(template.name, truth)
        found[template.name] = _results(truth, equal)
    report.wrong += [
        f"{fact.kind} {fact.change}: {line(fact, theirs)}"
        for fact in compare(our_registry, theirs, recorded_built_ins().get("llamafactory"))
        if fact.change != "lacking"
    ]
    report.wrong += registration.beside_the_built_ins(bench.root)
    bench.models = dict(theirs.models)
    report.lines.append(
        f"{len(found)} templates, {len(our_registry.models)} models compared in every field, {len(report.wrong)} wrong"
    )
    report.lines.append(tally("token ids of prompt and both training texts, ours and the built-in's", found))
    return bench.conclude(report, found, theirs.version, "llamafactory")


def _llamafactory_truth(template: Template, built_in: Any, ours: Any) -> tuple[Truth, dict[str, str | None]]:
    """What the built-in writes, and per scenario what is wrong with ours."""
    tokenizer = tokenizers.byte_level(bos=BOS, eos=EOS, special=_markers(template))
    built_in.fix_special_tokens(tokenizer)
    texts: dict[str, dict[Kind, tuple[Run, ...] | str]] = {}
    wrong: dict[str, str | None] = {}
    for scenario in scenarios().values():
        texts[scenario.name] = {}
        wrong[scenario.name] = None
        for kind in Kind:
            with clock.day(TODAY):
                there = attempt(llamafactory.encode, built_in, tokenizer, scenario, kind)
                here = attempt(llamafactory.encode, ours, tokenizer, scenario, kind)
            if isinstance(there, str):
                texts[scenario.name][kind] = there
                continue
            if here != there:
                wrong[scenario.name] = f"{kind.value} ids differ"
            runs = [(tokenizers.decode(tokenizer, list(run)), trained) for run, trained in there.runs]
            texts[scenario.name][kind] = normal(runs)
    name = template.registered["llamafactory"] or template.name
    return Truth("llamafactory", name, tokenizer.eos_token, llamafactory.plain_fields(built_in), texts), wrong


def check_tool_formats(bench: Workbench) -> Report:
    """Every tool format against LLaMA-Factory's own Python on random tools and calls."""
    report = Report("tool formats")
    cases = list(tools_and_calls(1000))
    for definition in tool_formats().values():
        if "llamafactory" not in definition.frameworks:
            continue
        theirs = llamafactory.tool_writers(definition.frameworks["llamafactory"], definition.slot)
        refused, before = 0, len(report.wrong)
        digests = bench.written_tools.setdefault(definition.name, [])
        with clock.day(TODAY):
            for tools, calls in cases:
                due_tools, due_calls = theirs.tools(tools), attempt(theirs.calls, calls)
                if format_tools(definition, tools, TODAY) != due_tools:
                    report.wrong.append(f"{definition.name}: the description of {tools} differs")
                ours = attempt(format_calls, definition, [Call(call["name"], call["arguments"]) for call in calls])
                both_refuse = isinstance(ours, Refusal) and isinstance(due_calls, Refusal)
                refused += both_refuse
                if ours != due_calls and not both_refuse:
                    report.wrong.append(f"{definition.name}: the calls {calls} differ")
                digests.append(tool_digest(due_tools, None if isinstance(due_calls, Refusal) else due_calls))
        differ = len(report.wrong) - before
        report.lines.append(
            f"{definition.name}: {len(cases)} random cases, {differ} differ ({refused} refused by both)"
        )
    return report


def _results(truth: Truth, wrong: Mapping[str, str | None]) -> Results:
    results: Results = {}
    for scenario in truth.texts:
        if (reason := truth.reason(scenario)) is not None and all(
            truth.reason(scenario, kind) is not None for kind in Kind
        ):
            results[scenario] = Result("not comparable", reason)
        else:
            results[scenario] = Result("differs", wrong[scenario]) if wrong[scenario] else Result("exact")
    return results


def _markers(template: Template) -> list[str]:
    """The texts that the template writes as single tokens, and its stop words."""
    slots = template.slots
    parts = [part for slot in vars(slots).values() if isinstance(slot, tuple) for part in slot]
    return sorted({part.value for part in parts if part.kind == "token"} | set(template.stop_words))
