"""What becomes of a trained folder: our chat template goes into it, ``verify`` reads it, transformers serves it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from chatwright.catalogue.model import Catalogue
from chatwright.inspection.verify import verify
from chatwright.meaning.scenarios import Scenario
from chatwright.pipeline import export

from .cases import Case, Trainer, image_count, with_images
from .training import Step

_IGNORED = -100  # the label of what is not learned


def problems(
    case: Case, trainer: Trainer, folder: Path, steps: Sequence[Step], images: Sequence[str], catalogue: Catalogue
) -> Iterator[str]:
    """Export the chat template into the trained folder, verify it, and compare each prompt with what was trained."""
    name = case.catalogue_name(trainer)
    made = export.export(catalogue, name, "transformers", model=str(folder), into=folder)
    export.write(made, folder, force=True)
    found = verify(folder, catalogue, name)
    for finding in found.findings:
        yield f"verify: {finding.kind}: {finding.text}"
    compared = found.compared
    if compared is None or not compared.chat_template or compared.chat_template.keys() - {"exact", "not comparable"}:
        yield f"verify: the chat template in the folder is not what was trained: {compared}"
    tokenizer = _tokenizer(case, folder)
    trained = {(ids, labels) for step in steps for ids, labels in zip(step.ids, step.labels, strict=True)}
    for scenario in case.scenarios:
        prompt = served_ids(tokenizer, trainer, scenario, images if case.images else ())
        if not any(ids[: len(prompt)] == prompt and asked(labels) == len(prompt) for ids, labels in trained):
            yield f"{scenario.name}: its prompt of {len(prompt)} tokens is none that was trained with"


def served_ids(tokenizer: Any, trainer: Trainer, scenario: Scenario, images: Sequence[str]) -> tuple[int, ...]:
    """The token ids of the prompt for the last reply, through ``apply_chat_template``.

    ``images`` are there for a processor, which takes messages in parts. ms-swift learns a reply without a thought
    behind the prompt of thinking off; with LLaMA-Factory the empty thought is learned itself.
    """
    given: dict[str, Any] = {"add_generation_prompt": True, "tokenize": True, "return_dict": True}
    if scenario.tools:
        given["tools"] = list(scenario.tools)
    if scenario.thinking is not None:
        thought = "reasoning_content" in scenario.messages[-1]
        given["enable_thinking"] = scenario.thinking if trainer == "llamafactory" else thought
        given["preserve_thinking"] = True  # both frameworks learn with earlier thoughts unless told otherwise
    encoded = tokenizer.apply_chat_template(
        with_images(scenario.asked, images[: image_count(scenario)]) if images else list(scenario.asked), **given
    )
    ids = encoded["input_ids"]
    return tuple(ids[0] if ids and isinstance(ids[0], list) else ids)


def asked(labels: Sequence[int]) -> int:
    """How many tokens stand in front of the last run that is learned."""
    end = len(labels)
    while end and labels[end - 1] == _IGNORED:
        end -= 1
    while end and labels[end - 1] != _IGNORED:
        end -= 1
    return end


def _tokenizer(case: Case, folder: Path) -> Any:
    from transformers import AutoProcessor, AutoTokenizer

    kind = AutoProcessor if case.images else AutoTokenizer
    return kind.from_pretrained(str(folder), local_files_only=True)
