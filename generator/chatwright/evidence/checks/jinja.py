"""The generated Jinja in the engines that read it, as text and as the token ids of real tokenizers."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from ...catalogue.evidence import Result
from ...catalogue.model import Template
from ...meaning.render import Kind, Piece
from ...meaning.tool_formats import calls_jinja, tool_format, tools_jinja
from .. import frozen
from ..engines import huggingface_jinja, jinja, llamafactory, npm_tokenizers
from ..scenarios import Scenario, scenarios
from ..vectors import BOS, EOS, TODAY
from .bench import Refusal, Report, Results, Workbench, attempt, compare, difference, tally
from .reference import reference_pieces


def check_transformers(bench: Workbench) -> Report:
    """The generated Jinja through transformers' engine against the frameworks' own inference prompts."""
    version = importlib.metadata.version("transformers")
    return _check_jinja(bench, "transformers", version, "engine", jinja.transformers_renderer)


def check_sglang(bench: Workbench) -> Report:
    """The same files after SGLang's loading: the same text everywhere."""
    report = _check_jinja(bench, "sglang", "0.5.23", "emulated@0.5.23", jinja.sglang_renderer)
    _same_as_transformers(bench, report, jinja.sglang_renderer, lambda template, scenario: True)
    return report


def check_minijinja(bench: Workbench) -> Report:
    """The same files in minijinja: the same text wherever the template writes no JSON, and with Python's JSON."""
    version = importlib.metadata.version("minijinja")
    report = _check_jinja(bench, "minijinja", version, "engine", jinja.minijinja_renderer)
    _same_as_transformers(bench, report, jinja.minijinja_renderer, _without_json)
    python_json = partial(jinja.minijinja_renderer, own_json=False)
    _same_as_transformers(bench, report, python_json, _without_odd_floats, "with Python's JSON in it, ")
    return report


def check_huggingface_jinja(bench: Workbench) -> Report:
    """The same files in @huggingface/jinja: the same text wherever JavaScript writes the numbers as Python does."""
    if bench.npm is None:
        return Report("huggingface-jinja", skipped="the folder of npm packages is not given")
    with huggingface_jinja.Engine(bench.npm, TODAY) as engine:
        report = _check_jinja(bench, "huggingface-jinja", engine.version, "engine", engine.renderer)
        _same_as_transformers(bench, report, engine.renderer, _without_odd_floats)
    return report


def _check_jinja(
    bench: Workbench, engine: str, version: str, grade: str, compile_source: Callable[[str], jinja.Render]
) -> Report:
    found: dict[str, Results] = {}
    for name, truth in bench.truths.items():
        source = bench.body("vllm", name)
        if source is None:
            continue
        with frozen.day(TODAY):
            found[name] = compare(truth, _jinja_texts(compile_source(source), truth.eos))
    report = Report(engine, [tally("inference prompts against the frameworks' own", found)])
    report.results[engine] = found
    report.evidence = bench.evidence(engine, version, grade, "vllm", found)
    return report


def _jinja_texts(renderer: jinja.Render, eos: str) -> Callable[[Scenario], str]:
    return lambda scenario: renderer(jinja.variables(scenario, bos=BOS, eos=eos))


def _without_json(template: Template, scenario: Scenario) -> bool:
    """Whether the template writes no JSON for the scenario; engines space and sort JSON in their own ways."""
    if template.tool_format is None:
        return True
    definition = tool_format(template.tool_format)
    calls = any(message.get("tool_calls") for message in scenario.messages)
    written = (tools_jinja(definition) if scenario.tools else "") + (calls_jinja(definition) if calls else "")
    return "tojson" not in written


def _without_odd_floats(template: Template, scenario: Scenario) -> bool:
    """Whether every engine writes the numbers in the scenario's calls alike.

    Python alone writes whole numbers of the type float with a point, and an exponent where 17 digits would do.
    """
    calls = [call["function"]["arguments"] for message in scenario.messages for call in message.get("tool_calls", ())]
    return not any(number == int(number) or not 1e-4 <= abs(number) < 1e16 for number in _floats(calls))


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
    for name, template in bench.catalogue.templates.items():
        source = bench.body("vllm", name)
        if source is None:
            continue
        with frozen.day(TODAY):
            one, other = jinja.transformers_renderer(source), compile_source(source)
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


def check_token_ids(bench: Workbench) -> Report:
    """Slot-wise ids of LLaMA-Factory against those of the served text and of the reference renderer's pieces."""
    report = Report("token-ids")
    if bench.tokenizer_root is None:
        report.skipped = "the folder of real tokenizers is not given"
        return report
    built_ins = llamafactory.templates()
    found: dict[str, Results] = {}
    slot_wise: dict[str, Results] = {}
    for package, names in npm_tokenizers.TOKENIZERS.items():
        for name in names:
            tokenizer = npm_tokenizers.load_tokenizer(bench.tokenizer_root / package / "models")
            template = bench.catalogue.templates[name]
            built_in = built_ins[template.registered["llamafactory"] or name]
            built_in.fix_special_tokens(tokenizer)
            found[name] = _token_results(bench, template, tokenizer, built_in)
            slot_wise[name] = _slot_wise_results(template, tokenizer, built_in)
    report.lines.append(tally("token ids of the reference renderer's pieces, slot by slot", slot_wise))
    report.lines.append(tally(f"token ids with {len(npm_tokenizers.TOKENIZERS)} real tokenizers", found))
    report.results = {"token-ids": found, "reference renderer, token ids": slot_wise}
    report.evidence = bench.evidence("token-ids", "@lenml/tokenizer 3.7.2", "engine", "vllm", found)
    return report


def _token_results(bench: Workbench, template: Template, tokenizer: Any, built_in: Any) -> Results:
    source = bench.body("vllm", template.name)
    assert source is not None
    renderer = jinja.transformers_renderer(source)
    results: Results = {}
    for scenario in scenarios().values():
        with frozen.day(TODAY):
            encoded = attempt(llamafactory.encode, built_in, tokenizer, scenario, Kind.PROMPT)
            if isinstance(encoded, Refusal):
                results[scenario.name] = Result("no upstream truth", str(encoded))
                continue
            given = jinja.variables(scenario, bos=tokenizer.bos_token, eos=tokenizer.eos_token)
            text = attempt(renderer, given)
        if isinstance(text, Refusal):
            results[scenario.name] = Result("unsupported", str(text))
            continue
        served = tokenizer.encode(text, add_special_tokens=False)
        if served == encoded.ids:
            results[scenario.name] = Result("exact")
        else:
            results[scenario.name] = Result("differs", _boundary(tokenizer, encoded.ids, served))
    return results


def _slot_wise_results(template: Template, tokenizer: Any, built_in: Any) -> Results:
    """LLaMA-Factory's prompt ids against those of the reference renderer's pieces."""
    results: Results = {}
    for scenario in scenarios().values():
        with frozen.day(TODAY):
            encoded = attempt(llamafactory.encode, built_in, tokenizer, scenario, Kind.PROMPT)
        if isinstance(encoded, Refusal):
            results[scenario.name] = Result("no upstream truth", str(encoded))
            continue
        pieces = attempt(reference_pieces, template, scenario, Kind.PROMPT)
        if isinstance(pieces, Refusal):
            results[scenario.name] = Result("unsupported", str(pieces))
            continue
        ids = piece_ids(pieces, tokenizer)
        same = ids == encoded.ids
        results[scenario.name] = Result("exact") if same else Result("differs", _boundary(tokenizer, encoded.ids, ids))
    return results


def piece_ids(pieces: Sequence[Piece], tokenizer: Any) -> list[int]:
    """The token ids of pieces, encoded slot by slot: a joined piece together with the one before it.

    A tokenizer without the token that a ``bos`` or ``eos`` piece asks for writes none.
    """
    ids: list[int] = []
    text = ""
    own = {"bos": tokenizer.bos_token_id, "eos": tokenizer.eos_token_id}
    for piece in pieces:
        if text and not (piece.kind == "text" and piece.joined):
            ids += tokenizer.encode(text, add_special_tokens=False)
            text = ""
        if piece.kind == "text":
            text += piece.text
        elif piece.kind == "token":
            ids.append(tokenizer.convert_tokens_to_ids(piece.text))
        elif (token := own[piece.kind]) is not None:
            ids.append(token)
    return ids + (tokenizer.encode(text, add_special_tokens=False) if text else [])


def _boundary(tokenizer: Any, trained: list[int], served: list[int]) -> str:
    """Where training and serving cut the same text differently."""
    start = next(
        (i for i, (one, other) in enumerate(zip(trained, served, strict=False)) if one != other),
        min(len(trained), len(served)),
    )
    one, other = (tokenizer.convert_ids_to_tokens(ids[start : start + 3]) for ids in (trained, served))
    before = tokenizer.decode(trained[max(0, start - 3) : start])
    return f"after {before!r} training writes the tokens {one}, serving {other}"
