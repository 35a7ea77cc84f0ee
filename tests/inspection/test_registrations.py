"""Templates of the frameworks in the spec's own words: what is lifted says again what the framework wrote."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chatwright.catalogue.model import Catalogue
from chatwright.inspection.registrations.cutting import split_opener
from chatwright.inspection.registrations.differences import built
from chatwright.inspection.registrations.lifting import lift
from chatwright.pipeline import load_public_catalogue
from conformance.checks.attempts import attempt
from conformance.checks.reference import reference_runs
from conformance.sync.template_classes import describe
from tests.support import failures, vectors

EMPTY = Catalogue(())


def _recorded(framework: str) -> list[str]:
    return sorted(vectors(framework))


@pytest.mark.parametrize(
    ("framework", "name"),
    [(framework, name) for framework in ("llamafactory", "swift") for name in _recorded(framework)],
)
def test_a_lifted_template_writes_what_was_recorded(framework: str, name: str) -> None:
    """Lifting reads only the registered fields; the recorded texts come from the framework's own encoding."""
    recorded = vectors(framework)[name]
    template = built(lift(framework, recorded["fields"], EMPTY, describe=describe).data)
    if template.undescribed:  # lifting says that the slots are not the whole text
        return
    if template.targets.get("swift", {}).get("auto_add_bos") == "instead":  # only its publisher's tokenizer tells it
        prefix = load_public_catalogue().templates[name].slots.prefix
        template = replace(template, slots=replace(template.slots, prefix=prefix))
    wrong = failures(
        "reference renderer, {}",
        framework,
        name,
        lambda scenario, kind: attempt(reference_runs, template, scenario, kind, recorded["eos"]),
    )
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("rest", "opener"),
    [
        ("<|im_end|>\n<|im_start|>assistant\n", "<|im_start|>assistant\n"),
        (
            "<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n",
            "<|start_header_id|>assistant<|end_header_id|>\n\n",
        ),
        ("<end_of_turn>\n<start_of_turn>model\n", "<start_of_turn>model\n"),
        ("<|END_OF_TURN_TOKEN|><|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>", "<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>"),
        ("[e~[\n]~b]ai\n", "]~b]ai\n"),
        ("\n\nAssistant:", "Assistant:"),
        ("\n\n### Response:\n", "### Response:\n"),
        ("<|end|>\n<|assistant|>\n", "<|assistant|>\n"),
        (" [/INST]", ""),
        ("", ""),
    ],
)
def test_the_opener_is_what_names_the_assistant(rest: str, opener: str) -> None:
    assert rest[split_opener(rest) :] == opener


def test_an_equal_template_of_the_same_models_is_joined() -> None:
    """ms-swift's chatml is LLaMA-Factory's yi, but for where BOS comes from."""
    catalogue = load_public_catalogue()
    joined = next(name for name, template in catalogue.templates.items() if template.registered["swift"] == "chatml")
    free = replace(catalogue.templates[joined], registered={"llamafactory": joined, "swift": None}, targets={})
    alone = Catalogue(tuple(replace(spec, templates=(free,)) for spec in catalogue.specs if spec.name == free.family))
    lifted = lift("swift", vectors("swift")[joined]["fields"], alone, [joined], describe=describe)
    assert lifted.joins == joined
    assert lifted.data["targets"] == {"swift": {"auto_add_bos": "instead"}}


def test_tokens_by_number_are_one_part_each() -> None:
    fields = vectors("swift")["xverse"]["fields"]
    lifted = lift("swift", {**fields, "prefix": [[1, 2]]}, EMPTY, describe=describe)
    assert [(part.kind, part.value) for part in built(lifted.data).slots.no_system or ()] == [("id", "1"), ("id", "2")]
