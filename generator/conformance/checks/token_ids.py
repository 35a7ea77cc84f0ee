"""The served text as token ids of real tokenizers: against what a framework trains, and what a publisher writes."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from chatwright.catalogue.model import Template
from chatwright.inspection import jinja, tokenizer_worker
from chatwright.inspection.token_ids import encoded_together, first_difference, piece_ids
from chatwright.meaning.render import Kind, Piece
from chatwright.meaning.runs import TODAY
from chatwright.meaning.scenarios import Scenario, scenarios
from chatwright.records.engines import Result
from conformance.engines import jinja as jinja_engines

from .. import clock
from ..engines import llamafactory, mistral_common, npm_tokenizers
from .attempts import Refusal, attempt, difference
from .workbench import Report, Results, Workbench, tally


def check_token_ids(bench: Workbench) -> Report:
    """Slot-wise ids of LLaMA-Factory against those of the served text and of the reference renderer's pieces."""
    report = Report("token-ids")
    packages, root = npm_tokenizers.TOKENIZERS, bench.need("tokenizer_root")
    if missing := [name for name in packages if not (root / name).is_dir()]:
        report.skipped = f"these tokenizers are not there: {', '.join(missing)}"
        return report
    served: dict[str, Results] = {}
    slot_wise: dict[str, Results] = {}
    one_bos: list[bool] = []
    for package, names in packages.items():
        for name in names:
            case = _Case.start(bench, name, root / package / "models")
            for scenario in scenarios().values():
                asked = case.ask(scenario)
                if asked.beginning is not None:
                    one_bos.append(asked.bos == 1)
                    if asked.beginning:
                        report.wrong.append(f"{package}, {name}, {scenario.name}: {asked.beginning}")
                for results, result in ((served, asked.served), (slot_wise, asked.slot_wise)):
                    _add(results.setdefault(name, {}), scenario.name, package, result)
    report.lines.append(tally("token ids of the reference renderer's pieces, slot by slot", slot_wise))
    report.lines.append(tally(f"token ids with {len(packages)} real tokenizers", served))
    report.lines.append(
        f"{len(one_bos)} served texts of tokenizers with a BOS: as many as in training and never two in a row, "
        f"exactly one in {sum(one_bos)}"
    )
    report.results["reference renderer, token ids"] = slot_wise
    return bench.conclude(report, served, f"@lenml/tokenizer {npm_tokenizers.VERSION}", "vllm")


def check_mistral_common(bench: Workbench) -> Report:
    """The served ids of Mistral's templates against the publisher's own encoding of the same conversation."""
    report = Report("mistral-common")
    version = importlib.metadata.version("mistral-common")  # ImportError where there is none
    found: dict[str, Results] = {}
    for name, (layout, vocabulary) in mistral_common.TEMPLATES.items():
        source = bench.body("vllm", name)
        if source is None:
            report.wrong.append(f"{name} has no chat template")
            continue
        mistral = mistral_common.encoder(layout, vocabulary)
        renderer = jinja_engines.transformers_renderer(source)
        found[name] = {}
        for scenario in scenarios().values():
            found[name][scenario.name] = _against_mistral(mistral, renderer, scenario)
    report.lines.append(tally("token ids against the publisher's own encoding", found))
    return bench.conclude(report, found, version, "vllm")


def _against_mistral(mistral: Any, renderer: jinja.Render, scenario: Scenario) -> Result:
    with clock.day(TODAY):
        due = attempt(mistral_common.encode, mistral, scenario)
        if isinstance(due, Refusal):
            return Result("not comparable", str(due))
        text = attempt(renderer, jinja.variables(scenario, bos="<s>", eos="</s>"))
    if isinstance(text, Refusal):
        return Result("unsupported", str(text))
    if mistral_common.text_ids(mistral, text) == due:
        return Result("exact")
    theirs = mistral_common.text(mistral, due)
    return Result("differs", "the ids alone" if text == theirs else difference(text, theirs))


@dataclass(frozen=True)
class _Asked:
    """What became of one scenario: the served ids, the ids of the reference renderer's pieces, and the BOS tokens.

    ``beginning`` is None where the tokenizer has no BOS or there is no text, else what is wrong with them, or nothing.
    """

    served: Result
    slot_wise: Result
    beginning: str | None = None
    bos: int = 0  # how many are served


@dataclass(frozen=True)
class _Case:
    """A template with a tokenizer of its models, as LLaMA-Factory sets it up."""

    template: Template
    tokenizer: Any
    built_in: Any
    renderer: jinja.Render

    @classmethod
    def start(cls, bench: Workbench, name: str, folder: Path) -> _Case:
        template, source = bench.catalogue.templates[name], bench.body("vllm", name)
        assert source is not None
        tokenizer = tokenizer_worker.load_tokenizer(folder)
        built_in = llamafactory.templates()[template.registered["llamafactory"] or name]
        built_in.fix_special_tokens(tokenizer)
        return cls(template, tokenizer, built_in, jinja_engines.transformers_renderer(source))

    def ask(self, scenario: Scenario) -> _Asked:
        """LLaMA-Factory's prompt ids beside those of the served text and of the reference renderer's pieces."""
        tokenizer = self.tokenizer
        with clock.day(TODAY):
            encoded = attempt(llamafactory.encode, self.built_in, tokenizer, scenario, Kind.PROMPT)
            given = jinja.variables(scenario, bos=tokenizer.bos_token, eos=tokenizer.eos_token)
            text = attempt(self.renderer, given)
        if isinstance(encoded, Refusal):
            none = Result("not comparable", str(encoded))
            return _Asked(none, none)
        pieces = attempt(scenario.pieces, self.template, Kind.PROMPT, TODAY)
        if isinstance(pieces, Refusal):
            return _Asked(Result("unsupported", str(text)), Result("unsupported", str(pieces)))
        ids = piece_ids(pieces, tokenizer)
        slot_wise = Result("exact") if ids == encoded.ids else Result("differs", _parting(tokenizer, encoded.ids, ids))
        if isinstance(text, Refusal):
            return _Asked(Result("unsupported", str(text)), slot_wise)
        served = tokenizer.encode(text, add_special_tokens=False)
        beginning = _beginning(tokenizer.bos_token_id, encoded.ids, served)
        same = served == encoded.ids
        cause = None if same else _cause(tokenizer, pieces, text, encoded.ids, served)
        result = Result("exact" if same else "differs", cause)
        return _Asked(result, slot_wise, beginning, served.count(tokenizer.bos_token_id))


def _add(results: Results, scenario: str, package: str, result: Result) -> None:
    """Add what one tokenizer says; where several are tried with one template, the first that is not exact counts."""
    before = results.get(scenario)
    if before is None or before.status == "exact":
        reason = result.reason if result.status != "differs" else f"{package}: {result.reason}"
        results[scenario] = Result(result.status, reason)


def _beginning(bos: int | None, trained: Sequence[int], served: Sequence[int]) -> str | None:
    if bos is None:
        return None
    if trained.count(bos) != served.count(bos):
        return f"{served.count(bos)} BOS tokens are served, {trained.count(bos)} trained"
    doubled = any(one == other == bos for one, other in pairwise(served))
    return "two BOS tokens in a row" if doubled else ""


def _cause(tokenizer: Any, pieces: Sequence[Piece], text: str, trained: list[int], served: list[int]) -> str:
    """Why training and serving cut the same text differently."""
    own = {"bos": tokenizer.bos_token or "", "eos": tokenizer.eos_token or ""}
    groups = list(encoded_together(pieces))
    for piece in groups:
        token = tokenizer.convert_tokens_to_ids(piece.text) if piece.kind == "token" else None
        if token is not None and served.count(token) < trained.count(token):
            return f"text cannot make the token {piece.text!r}"
    ends, written = set(), ""
    for piece in groups:
        written += own.get(piece.kind, piece.text)
        ends.add(len(written))
    if written == text:
        offsets = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
        merged = [
            f"{text[start:cut]!r} and {text[cut:end]!r}"
            for start, end in offsets
            for cut in range(start + 1, end)
            if cut in ends
        ]
        if merged:
            told = ", ".join(dict.fromkeys(merged))
            return f"one token for both sides of a slot boundary: {told}"
    alone = tokenizer.convert_ids_to_tokens(tokenizer.encode("a", add_special_tokens=False))
    if alone[0].startswith("▁") and "▁" in _parting(tokenizer, trained, served):
        return f"a space in front of each text that is encoded alone: {_parting(tokenizer, trained, served)}"
    return _parting(tokenizer, trained, served)


def _parting(tokenizer: Any, trained: list[int], served: list[int]) -> str:
    """Where two lists of ids part, in words."""
    start = first_difference(trained, served)
    one, other = (tokenizer.convert_ids_to_tokens(ids[start : start + 3]) for ids in (trained, served))
    before = tokenizer.decode(trained[max(0, start - 3) : start])
    return f"after {before!r} training writes the tokens {one}, serving {other}"
