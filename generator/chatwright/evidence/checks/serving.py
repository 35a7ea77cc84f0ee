"""Ollama and LMDeploy: the generated files in the real Go ``text/template`` and in LMDeploy's own classes."""

from __future__ import annotations

import importlib.metadata
from functools import partial

from ...targets.literal import token_text
from ..engines import lmdeploy, modelfile, ollama
from ..scenarios import Scenario
from ..vectors import BOS, EOS, TODAY
from .bench import Report, Results, Workbench, compare, tally


def check_ollama(bench: Workbench) -> Report:
    """Every Modelfile, read by Ollama's rules and run by Go, against the frameworks' prompts without BOS."""
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
            )
            report.wrong += _missing_stops(bench, name, read)
    report.lines.append(tally("prompts against the frameworks' own", found))
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
