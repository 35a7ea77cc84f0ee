"""What a framework gets from us alone: it must write what the other framework's built-in writes for the same template.

A text may differ only as a note of the deployment says (:class:`chatwright.targets.protocol.Deployment`); then it
counts as differing, with that note as the reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

from chatwright.catalogue.model import Template
from chatwright.meaning.render import Kind
from chatwright.meaning.runs import BOS, EOS, TODAY, Run, normal
from chatwright.meaning.scenarios import Scenario, scenarios
from chatwright.records.engines import Result
from chatwright.targets import llamafactory as lf_target
from chatwright.targets import swift as swift_target

from .. import clock
from ..engines import llamafactory, tokenizers
from ..engines.swift import Swift, copied
from ..vectors import Truth
from .attempts import Refusal, attempt
from .swift_texts import request_of
from .workbench import Report, Results, Workbench, tally

_WORST = ("differs", "unsupported", "exact")
Written = dict[tuple[str, str, Kind], "tuple[Run, ...] | Refusal"]  # by template, scenario and kind


def check_added(bench: Workbench) -> Report:
    """Templates that a framework has from us alone, against the built-in of the other framework."""
    report = Report("added")
    truths = {(truth.framework, truth.name): truth for truth in bench.recorded}
    for framework, other, write in (("llamafactory", "swift", _llamafactory), ("swift", "llamafactory", _swift)):
        built_in = bench.built_ins_of(framework)
        added = {
            template.name: (template, truth)
            for template in bench.catalogue.templates.values()
            if template.registered[framework] not in (None, *built_in)
            and bench.deployments[framework][template.name].path
            and (truth := truths.get((other, str(template.registered[other]))))
        }
        written = write(bench, list(added.values()))
        found: dict[str, Results] = {}
        for name, (_, truth) in added.items():
            notes = bench.deployments[framework][name].notes
            told = _compared(name, truth, written, notes)
            found[name] = {scenario: _worst(results, truth, scenario) for scenario, results in told.items()}
            every = [(scenario, result) for scenario, results in told.items() for result in results]
            report.wrong += [
                f"{framework}: {name}, {scenario}: {result.reason}"
                for scenario, result in every
                if result.status == "differs" and result.reason not in notes
            ]
            if every and not any(result.status == "exact" for _, result in every):
                report.wrong.append(f"{framework}: {name}: not one text is the same")
        bench.added[framework] = found
        report.lines.append(tally(f"{framework}, held against what {other} writes", found))
    return report


def _compared(name: str, truth: Truth, written: Written, notes: Sequence[str]) -> dict[str, list[Result]]:
    return {
        scenario.name: [
            _told(scenario, kind, runs, written[name, scenario.name, kind], notes)
            for kind, runs in truth.texts[scenario.name].items()
            if not isinstance(runs, str)
        ]
        for scenario in scenarios().values()
    }


def _worst(results: Sequence[Result], truth: Truth, scenario: str) -> Result:
    none = Result("not comparable", truth.reason(scenario))
    return min(results, key=lambda result: _WORST.index(result.status), default=none)


def _told(
    scenario: Scenario, kind: Kind, due: tuple[Run, ...], got: tuple[Run, ...] | Refusal, notes: Sequence[str]
) -> Result:
    if isinstance(got, Refusal):
        return Result("unsupported", str(got))
    if got == due:
        return Result("exact")
    empty = any(message["role"] == "system" and not message["content"] for message in scenario.messages[:1])
    excused = {
        lf_target.NO_TOOLS: bool(scenario.tools),
        lf_target.OTHER_TOOLS: bool(scenario.tools),
        lf_target.EMPTY_SYSTEM: empty,
        swift_target.EMPTY_SYSTEM: empty,
        swift_target.FIRST_TOKEN: got == _without_first(due),
        lf_target.WHITE_SPACE: kind is not Kind.PROMPT and _without_end(got) == _without_end(due),
    }
    note = next((note for note in notes if excused.get(note)), None)
    return Result("differs", note or f"{kind.value}: {got} instead of {due}")


def _without_end(runs: tuple[Run, ...]) -> tuple[Run, ...]:
    """The runs without white space at their ends: where it stands, the one who learns it may differ."""
    return normal([(text.strip(), trained) for text, trained in runs])


def _without_first(runs: tuple[Run, ...]) -> tuple[Run, ...]:
    """The runs with the first token, a byte with these tokenizers, not learned."""
    head, *rest = runs
    return normal([(head[0][:1], False), (head[0][1:], head[1]), *rest])


def _llamafactory(bench: Workbench, added: Sequence[tuple[Template, Truth]]) -> Written:
    """What the generated registrations write in LLaMA-Factory, with the EOS of what they are held against."""
    with llamafactory.registries(empty=True) as live, llamafactory.generated_package(bench.root) as package:
        package.register_all()
        registered = dict(live)
    found: Written = {}
    for template, truth in added:
        ours = registered[str(template.registered["llamafactory"])]
        tokenizer = tokenizers.byte_level(bos=BOS, eos=truth.eos or EOS, special=template.stop_words)
        for scenario, kind in product(scenarios().values(), Kind):
            with clock.day(TODAY):
                encoded = attempt(llamafactory.encode, ours, tokenizer, scenario, kind)
            if not isinstance(encoded, Refusal):
                encoded = normal([(tokenizers.decode(tokenizer, list(run)), trained) for run, trained in encoded.runs])
            found[template.name, scenario.name, kind] = encoded
    return found


def _swift(bench: Workbench, added: Sequence[tuple[Template, Truth]]) -> Written:
    """What the generated registrations write in ms-swift, with the EOS of what they are held against."""
    cases = list(product(added, scenarios().values(), Kind))
    requests = [
        request_of(template, str(template.registered["swift"]), scenario, kind)
        for (template, _), scenario, kind in cases
    ]
    with Swift(today=TODAY) as swift, copied(bench.root / "generated") as register_all:
        swift.empty()
        swift.load(register_all)
        answers = swift.render(requests)
    found: Written = {}
    for ((template, truth), scenario, kind), answer in zip(cases, answers, strict=True):
        if isinstance(answer, Exception):
            found[template.name, scenario.name, kind] = Refusal(str(answer))
        else:
            runs = [(text.replace(EOS, truth.eos), trained) for text, trained in answer.runs]
            found[template.name, scenario.name, kind] = normal(runs)
    return found
