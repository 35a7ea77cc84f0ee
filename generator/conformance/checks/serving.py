"""Ollama and LMDeploy: the generated files in the real Go ``text/template`` and in LMDeploy's own classes."""

from __future__ import annotations

import importlib.metadata
import json
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from chatwright.errors import Unsupported
from chatwright.meaning.render import Kind, to_text
from chatwright.meaning.runs import BOS, EOS, TODAY
from chatwright.meaning.scenarios import Scenario
from chatwright.records.engines import Result
from chatwright.targets.literal import token_text

from .. import clock, json_values
from ..engines import lmdeploy, modelfile, ollama
from ..engines.tokenizers import byte_level
from . import ollama_tools
from .attempts import Refusal, attempt
from .workbench import Report, Results, Workbench, compare, tally


def check_ollama(bench: Workbench) -> Report:
    """Every Modelfile, read by Ollama's rules and run by Go, against the frameworks' prompts without BOS.

    Where tools are written, JSON may stand in another layout (see :mod:`..json_values`).
    """
    report = Report("ollama")
    found: dict[str, Results] = {}
    alike = 0
    with ollama.Engine() as engine:
        for name, truth, body in bench.served("ollama"):
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
            report.wrong += ollama_tools.unread_calls(bench, name, engine, body)
            alike += ollama_tools.random_conversations(report, bench, name, engine, read, partial(_due, bench, name))
        report.lines.append(tally("prompts against the frameworks' own", found))
        report.lines.append(f"{alike} random conversations with tools as the reference renderer writes them")
        report.lines.append(ollama_tools.told_of_calls(bench, found))
        ollama_tools.compiled_formats(report, engine)
    return bench.conclude(report, found, ollama.VERSION, "ollama", f"emulated@{ollama.VERSION}")


def check_lmdeploy(bench: Workbench) -> Report:
    """Every JSON file through LMDeploy's own classes against the frameworks' prompts without BOS."""
    report = Report("lmdeploy")
    found: dict[str, Results] = {}
    for name, truth, body in bench.served("lmdeploy"):
        found[name] = compare(
            truth,
            partial(lmdeploy.prompt, lmdeploy.load(body)),
            partial(_due, bench, name),
            lambda scenario: lmdeploy.changes(scenario.asked),
        )
    report.lines.append(tally("prompts against the frameworks' own", found))
    return bench.conclude(report, found, importlib.metadata.version("lmdeploy"), "lmdeploy")


def check_lmdeploy_folder(bench: Workbench) -> Report:
    """The generated Jinja in a model's folder, which LMDeploy uses where no file is named."""
    report = Report("lmdeploy-folder")
    found: dict[str, Results] = {}
    refused: list[str] = []
    with TemporaryDirectory(prefix="chatwright-lmdeploy-") as place, clock.day(TODAY):
        for name, truth, source in bench.served("vllm"):
            thinking = bench.catalogue.templates[name].thinking
            folder = Path(place) / "model"
            byte_level(BOS, truth.eos).save_pretrained(folder)
            (folder / "chat_template.jinja").write_text(source, encoding="utf-8")
            (folder / "config.json").write_text(json.dumps({"architectures": ["LlamaForCausalLM"]}), encoding="utf-8")
            loaded = attempt(lmdeploy.load_folder, folder)
            refused += [f"{name} ({loaded})"] * isinstance(loaded, Refusal)
            found[name] = compare(
                truth,
                partial(_folder_prompt, loaded, thinking.switch if thinking else "enable_thinking"),
                changes=lambda scenario: lmdeploy.joined(scenario.asked),
            )
    report.lines.append(tally("prompts against the frameworks' own", found))
    report.lines.append(f"{len(refused)} that LMDeploy does not take: {', '.join(refused) or '-'}")
    return bench.conclude(report, found, importlib.metadata.version("lmdeploy"), "vllm")


def _folder_prompt(loaded: Any, switch: str, scenario: Scenario) -> str:
    if isinstance(loaded, Refusal):
        raise Unsupported(str(loaded))
    return lmdeploy.folder_prompt(loaded, scenario, switch)


def _ollama_prompt(engine: ollama.Engine, read: modelfile.Modelfile, scenario: Scenario) -> str:
    return engine.prompt(read, scenario, TODAY)


def _judge_tools(bench: Workbench, name: str, scenario: Scenario, got: str, expected: str) -> Result:
    """What to think of a prompt that is not the one that is due to the character."""
    found = json_values.difference(got, expected, json_values.request_values(scenario.asked, scenario.tools))
    if found is None:
        return Result("exact")
    if found.at is None:
        return Result("differs", ollama_tools.lost(found))
    if scenario.tools and _is_due_of_what_ollama_carries(bench, name, scenario, got):
        return Result("differs", _FILLED_IN if ollama.fills_in(scenario) else _SORTED)
    here, there = found.at
    return Result(
        "differs", f"at character {here}: {got[here : here + 20]!r} instead of {expected[there : there + 20]!r}"
    )


_SORTED = "Ollama keeps no order of a tool's properties and a call's arguments, but sorts them"
_FILLED_IN = "Ollama writes an empty description and parameters without a type where a tool has none"


def _is_due_of_what_ollama_carries(bench: Workbench, name: str, scenario: Scenario, got: str) -> bool:
    """Whether a prompt is what the template means for the tools and calls as Ollama carries them."""
    carried = ollama.carried(scenario)
    pieces = carried.pieces(bench.catalogue.templates[name], Kind.PROMPT, TODAY)
    due = _due(bench, name, to_text(pieces, bos=BOS, eos=bench.truths[name].eos))
    values = json_values.request_values(carried.asked, carried.tools)
    return json_values.difference(got, due, values) is None


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
