"""The chat templates with marks: the mask that transformers makes of them, against what the frameworks learn."""

from __future__ import annotations

import importlib.metadata
from itertools import groupby
from typing import Any

from chatwright.errors import Unsupported
from chatwright.inspection import jinja
from chatwright.meaning.render import Kind
from chatwright.meaning.runs import BOS, TODAY, normal
from chatwright.meaning.scenarios import Scenario, scenarios
from chatwright.records.engines import Result

from .. import clock
from ..engines import tokenizers
from ..vectors import Truth
from .attempts import Refusal, attempt, difference
from .workbench import Report, Results, Workbench, tally

TRAINING = (Kind.TRAINING, Kind.TRAINING_DROPPED)


def check_assistant_mask(bench: Workbench) -> Report:
    """The marked templates through ``apply_chat_template``: text and mask of both training texts."""
    report = Report("assistant-mask")
    version = importlib.metadata.version("transformers")
    found: dict[str, Results] = {}
    equal = {kind: [0, 0] for kind in TRAINING}
    for name, truth, source in bench.served("training"):
        stops = bench.catalogue.templates[name].stop_words
        tokenizer = tokenizers.byte_level(bos=BOS, eos=truth.eos, special=stops)
        found[name] = {}
        with clock.day(TODAY):
            for scenario in scenarios().values():
                told = {kind: _compared(tokenizer, source, truth, scenario, kind) for kind in TRAINING}
                for kind, result in told.items():
                    equal[kind][0] += result.status == "exact"
                    equal[kind][1] += result.status != "not comparable"
                worst = next((result for result in told.values() if result.status in ("differs", "unsupported")), None)
                exact = next((result for result in told.values() if result.status == "exact"), told[Kind.TRAINING])
                found[name][scenario.name] = worst or exact
    report.lines.append(tally("token ids and masks against the frameworks' own", found))
    for kind, (same, all_texts) in equal.items():
        what = "with every reply learned" if kind is Kind.TRAINING else "with the last reply learned alone"
        report.lines.append(f"{same} of {all_texts} texts {what} equal")
    return bench.conclude(report, found, version, "training")


def _compared(tokenizer: Any, source: str, truth: Truth, scenario: Scenario, kind: Kind) -> Result:
    due = truth.texts[scenario.name][kind]
    if isinstance(due, str):
        return Result("not comparable", due)
    marked = attempt(_marked, tokenizer, source, scenario, kind)
    if isinstance(marked, Refusal):
        return Result("unsupported", str(marked))
    runs = (([token for token, _ in run], learned == 1) for learned, run in groupby(marked, key=lambda pair: pair[1]))
    if normal([(tokenizers.decode(tokenizer, ids), learned) for ids, learned in runs]) == due:
        return Result("exact")
    got, expected = tokenizers.decode(tokenizer, [token for token, _ in marked]), "".join(text for text, _ in due)
    return Result("differs", "the mask differs" if got == expected else difference(got, expected))


def _marked(tokenizer: Any, source: str, scenario: Scenario, kind: Kind) -> list[tuple[int, int]]:
    """The token ids of a training text, each with 1 where it is learned, through transformers' own entry point."""
    from jinja2 import TemplateError

    given = jinja.variables(scenario, bos=BOS, eos=tokenizer.eos_token, kind=kind)
    messages = given.pop("messages")
    try:
        encoded = tokenizer.apply_chat_template(
            messages, chat_template=source, return_assistant_tokens_mask=True, return_dict=True, **given
        )
    except TemplateError as error:
        raise Unsupported(f"the template raises: {error.message}") from error
    return list(zip(encoded["input_ids"], encoded["assistant_masks"], strict=True))
