"""What the page knows: every model under a link of its own, every text and every file as it is elsewhere."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from chatwright.errors import Unsupported
from chatwright.meaning.render import to_text
from chatwright.meaning.runs import TODAY
from chatwright.pipeline import Rendering, render, select
from chatwright.pipeline.index import catalog_index
from chatwright.records.engines import load_evidence
from chatwright.records.publishers import load_comparisons
from chatwright.site import data
from chatwright.site.page import json_block
from tests.support import Kind, catalogue, scenarios


@cache
def whole() -> dict[str, Any]:
    """The index of the whole catalogue; what serves each template is left out, which takes longer to make."""
    files = {
        "catalog.json": json.dumps(catalog_index(catalogue(), {})),
        "fidelity.json": json.dumps({"engines": {}, "templates": {}}),
    }
    return data.index(catalogue(), Rendering(files, {}, {}, {}))


@cache
def family() -> Rendering:
    comparisons = load_comparisons()
    return render(select(catalogue(), {_source("qwen3")}), load_evidence(), comparisons=comparisons)


def test_every_model_and_template_is_there_under_its_own_link() -> None:
    checkpoints = [item for spec in catalogue().specs for group in spec.models for item in group.checkpoints]
    models = whole()["models"]
    assert [model["name"] for model in models] == [checkpoint.title for checkpoint in checkpoints]
    assert len({model["key"] for model in models}) == len(models)
    assert list(whole()["templates"]) == list(catalogue().templates)
    assert {model["family"] for model in models} <= whole()["families"].keys()


def test_a_second_model_of_one_id_has_a_link_of_its_own() -> None:
    hubs = {"huggingface": None, "modelscope": "a/b", "openmind": None, "path": None, "name": "n"}
    assert list(data._keys([hubs, hubs, {**hubs, "modelscope": None}])) == [
        "modelscope:a/b",
        "modelscope:a/b~2",
        "name:n",
    ]


def test_a_multimodal_model_says_what_it_takes() -> None:
    takes = {model["name"]: model["modalities"] for model in whole()["models"]}
    assert takes["Qwen2.5-VL-7B-Instruct"] == ["image", "video"]
    assert takes["Qwen2-Audio-7B-Instruct"] == ["audio"]
    assert takes["Qwen3-8B-Thinking"] == []


def test_the_searched_part_stays_small() -> None:
    assert len(json_block(whole())) < 2_000_000


def test_files_come_out_as_they_were_generated() -> None:
    block = data.files(family())
    assert {"deploy/vllm/qwen3.jinja", "deploy/ollama/qwen3.Modelfile", "training/qwen3.jinja"} <= block["files"].keys()
    for path, numbers in block["files"].items():
        assert "\n".join(block["lines"][number] for number in numbers) == family().files[path]


def test_prompts_are_the_reference_renderers() -> None:
    names = ("qwen3", "llama3_2", "atom")
    part = select(catalogue(), {spec.source for spec in catalogue().specs if spec.templates and _has(spec, names)})
    block = data.prompts(part, scenarios())
    kinds = list(Kind)
    refused = 0
    for name in names:
        template = part.templates[name]
        for place, number in enumerate(block["templates"][name]):
            scenario = list(scenarios().values())[place // len(kinds)]
            try:
                pieces = scenario.pieces(template, kinds[place % len(kinds)], today=TODAY)
            except Unsupported as reason:
                assert block["reasons"][-1 - number] == str(reason)
                refused += 1
                continue
            runs = list(zip(block["drawn"][number][::2], block["drawn"][number][1::2], strict=True))
            assert "".join(block["texts"][text] for _, text in runs) == to_text(pieces, bos="<bos>", eos="<eos>")
            learned = "".join(block["texts"][text] for what, text in runs if what & data.TRAINED)
            trained = [piece for piece in pieces if piece.trained]
            assert learned == to_text(trained, bos="<bos>", eos="<eos>")
    assert 0 < refused < len(names) * len(scenarios())


def _has(spec: Any, names: tuple[str, ...]) -> bool:
    return any(template.name in names for template in spec.templates)


def test_what_is_said_is_told_from_the_templates_own_words() -> None:
    runs = _runs("plain", Kind.PROMPT)
    assert runs == [
        ("user", True, "<|im_start|>user\n"),
        ("user", False, "Hello"),
        ("user", True, "<|im_end|>\n"),
        ("assistant", True, "<|im_start|>assistant\n"),
    ]


def _runs(scenario: str, kind: Kind) -> list[tuple[str, bool, str]]:
    template = catalogue().templates["qwen3"]
    found = data._runs(template, scenarios()[scenario].pieces(template, kind))
    return [(data.ROLES[what >> 2], bool(what & data.FROM_SLOT), text) for what, text in found]


def test_verdicts_keep_every_reason() -> None:
    known = json.loads(family().files["fidelity.json"])["templates"]
    index = data.index(select(catalogue(), {_source("qwen3")}), family())
    checked = 0
    for name, by_engine in known.items():
        for engine, verdict in by_engine.items():
            told = index["fidelity"][name][engine]
            assert (told["status"], told["counts"]) == (verdict["status"], verdict.get("counts", {}))
            why = {
                (status, index["reasons"][reason]): [index["scenarios"][n] for n in found]
                for status, reason, found in told["why"]
            }
            due = {
                (status, reason): found
                for status, by_reason in verdict.get("not exact", {}).items()
                for reason, found in by_reason.items()
            }
            if "reason" in verdict:
                due[verdict["status"], verdict["reason"]] = []
            assert why == due
            checked += len(why)
    assert checked > 20


def test_publishers_templates_keep_every_cause() -> None:
    known = json.loads(family().files["fidelity.json"])["publishers"]
    index = data.index(select(catalogue(), {_source("qwen3")}), family())
    compared = {name: verdict["compared"] for name, verdict in known["templates"].items() if "compared" in verdict}
    assert compared.keys() == index["publishers"]["templates"].keys() and compared
    for name, rows in compared.items():
        for row, told in zip(rows, index["publishers"]["templates"][name], strict=True):
            assert [repo for repo, _ in told["publishers"]] == [
                known["sources"][one]["repo"] for one in row["publishers"]
            ]
            assert (told["counts"], told["bos"]) == (row["counts"], row.get("bos"))
            for status, reason, found in told["why"]:
                assert row[status][index["reasons"][reason]] == [index["scenarios"][number] for number in found]
            causes = {
                cause
                for status, reason, _ in told["why"]
                if status == "differs"
                for cause in [index["reasons"][reason]]
            }
            assert {word for cause in causes for word in cause.split(", ")} <= index["publishers"]["causes"][
                "zh"
            ].keys()
            assert (told["first"] is None) == (told["status"] != "differs")


def _source(name: str) -> str:
    return next(spec.source for spec in catalogue().specs if spec.name == name)


def test_commands_name_the_file_and_leave_room_for_the_model() -> None:
    index = data.index(select(catalogue(), {_source("qwen3")}), family())
    commands = index["templates"]["qwen3"]["commands"]
    assert commands["vllm"][:5] == ["vllm", "serve", None, "--chat-template", "qwen3.jinja"]
    assert commands["ollama"] == ["ollama", "create", "qwen3", "-f", "qwen3.Modelfile"]
    assert "lmdeploy" not in commands
