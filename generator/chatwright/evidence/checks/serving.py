"""Ollama and LMDeploy: the generated files in the real Go ``text/template`` and in LMDeploy's own classes."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable
from functools import partial

from ...targets.literal import token_text
from ..engines import lmdeploy, modelfile, ollama
from ..scenarios import Scenario, scenarios
from ..vectors import BOS, EOS, TODAY, Truth
from .bench import Report, Results, Workbench, compare, tally

OLLAMA = "0.33.0-rc2"
_MUST_BE_EXACT = ("plain", "multi", "system", "system_multi")


def check_ollama(bench: Workbench) -> Report:
    """Every Modelfile, read by Ollama's rules and run by Go, against the frameworks' prompts without BOS."""
    report = Report("ollama")
    found: dict[str, Results] = {}
    try:
        engine = ollama.Engine()
    except ImportError as error:
        report.skipped = str(error)
        return report
    with engine:
        for name, truth in bench.truths.items():
            body = bench.body("ollama", name)
            if body is None:
                continue
            read = modelfile.read_modelfile(body)
            thinking = bench.catalogue.templates[name].thinking
            default_on = thinking.default if thinking else None

            found[name] = _compare(
                bench,
                name,
                truth,
                report,
                write=partial(_ollama_prompt, engine, read),
                changes=partial(ollama.changes, default_on=default_on),
            )
            report.wrong += _missing_stops(bench, name, read)
    report.lines.append(tally("prompts against the frameworks' own", found))
    report.evidence = bench.evidence("ollama", OLLAMA, f"emulated@{OLLAMA}", "ollama", found)
    return report


def check_lmdeploy(bench: Workbench) -> Report:
    """Every JSON file through LMDeploy's own classes against the frameworks' prompts without BOS."""
    report = Report("lmdeploy")
    found: dict[str, Results] = {}
    for name, truth in bench.truths.items():
        body = bench.body("lmdeploy", name)
        if body is None:
            continue
        try:
            chat_template = lmdeploy.load(body)
        except ImportError as error:
            report.skipped = str(error)
            return report

        found[name] = _compare(
            bench,
            name,
            truth,
            report,
            write=partial(lmdeploy.prompt, chat_template),
            changes=lambda scenario: lmdeploy.changes(scenario.asked),
        )
    report.lines.append(tally("prompts against the frameworks' own", found))
    version = importlib.metadata.version("lmdeploy")
    report.evidence = bench.evidence("lmdeploy", version, "engine", "lmdeploy", found)
    return report


def _ollama_prompt(engine: ollama.Engine, read: modelfile.Modelfile, scenario: Scenario) -> str:
    return engine.prompt(read, scenario, TODAY)


def _compare(
    bench: Workbench,
    name: str,
    truth: Truth,
    report: Report,
    *,
    write: Callable[[Scenario], str],
    changes: Callable[[Scenario], str | None],
) -> Results:
    results = compare(truth, write, lambda prompt: _due(bench, name, prompt), changes)
    for scenario in map(scenarios().__getitem__, _MUST_BE_EXACT):
        result = results[scenario.name]
        if result.status not in ("exact", "no upstream truth") and not changes(scenario):
            report.wrong.append(f"{name}, {scenario.name}: {result.status}: {result.reason}")
    return results


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
