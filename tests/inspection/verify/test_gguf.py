"""A GGUF in place of a model folder: verified as llama.cpp tokenizes it, identified by its name, drafted."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from chatwright.characters import is_seen
from chatwright.errors import ChatwrightError
from chatwright.inspection.draft.source import read_source
from chatwright.inspection.identify import Identifier, read_model
from chatwright.inspection.verify import verify
from chatwright.inspection.verify.findings import Verification
from chatwright.meaning.sandbox import Workshop
from chatwright.pipeline.export import export
from tests.faults.hostile import ESCAPES
from tests.gguf_files import QWEN, make, model_keys
from tests.support import catalogue

LLAMA = ("<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>")
GLM = ("<|endoftext|>", "[gMASK]", "<sop>", "<|system|>", "<|user|>", "<|assistant|>", "<|observation|>")
ADD_BOS = "tokenizer.ggml.add_bos_token"
WITHOUT_BOS = "the file without its BOS"


def file_of(name: str) -> str:
    return export(catalogue(), name, "vllm").files[0][1]


def verified(path: Path, name: str | None, tokens: Sequence[str], **keys: Any) -> Verification:
    own = file_of(name or "qwen2_5")
    template, more = keys.pop("template", own), keys.pop("more", {})
    template = own.replace("bos_token", "''") if template == WITHOUT_BOS else template
    made = make(path / "m.gguf", model_keys(tokens, template=template, **keys) | more, tensors={"t": bytes(4)})
    return verify(made, catalogue(), name)


def kinds(found: Verification) -> list[str]:
    return [finding.kind for finding in found.findings]


@pytest.mark.parametrize(
    ("name", "tokens", "keys"),
    [
        ("qwen2_5", QWEN, {}),
        ("qwen2_5", QWEN, {"eos": 2}),
        ("llama3", LLAMA, {"eos": 1}),
        ("llama3", LLAMA, {"eos": 4, "more": {ADD_BOS: True}}),
        ("glm4_5", GLM, {"more": {"tokenizer.ggml.eot_token_id": 4, "tokenizer.ggml.eom_token_id": 6}}),
    ],
)
def test_a_faultless_one_is_fine_as_text(
    tmp_path: Path, name: str, tokens: tuple[str, ...], keys: dict[str, Any]
) -> None:
    found = verified(tmp_path, name, tokens, **keys)
    assert kinds(found) == []
    assert found.compared
    assert found.compared.token_ids is None
    assert found.compared.chat_template == found.compared.deployed
    assert found.verdict.endswith("as text; no token ids were compared")
    assert "token ids were not compared, since the tokenizer of a GGUF is not run" in found.notes
    assert any("llama.cpp leaves one of them out" in note for note in found.notes) == (ADD_BOS in keys.get("more", {}))


@pytest.mark.parametrize(
    ("name", "tokens", "keys", "due"),
    [
        ("qwen2_5", QWEN, {"more": {ADD_BOS: True}}, ["bos-added", "bos-added"]),
        ("llama3", LLAMA, {"template": WITHOUT_BOS}, ["bos-missing"]),
        ("glm4_5", GLM, {}, ["eos-not-end-of-turn", "stop-word-missing"]),
        ("glm4_5", GLM, {"more": {"tokenizer.ggml.eot_token_id": 4}}, ["stop-word-missing"]),
        ("qwen2_5", ("<|endoftext|>", "<|im_start|>"), {}, ["end-of-turn-missing", "marker-missing"]),
        ("qwen2_5", QWEN, {"template": "{{ raise_exception('no') }}"}, ["chat-template-fails"]),
        ("qwen2_5", QWEN, {"template": None}, ["chat-template-missing"]),
        ("qwen2_5", QWEN, {"more": {"tokenizer.chat_template.tool_use": "x"}}, ["default-system-lost", "tool-layout"]),
    ],
)
def test_what_is_wrong_is_found(
    tmp_path: Path, name: str, tokens: tuple[str, ...], keys: dict[str, Any], due: list[str]
) -> None:
    found = verified(tmp_path, name, tokens, **keys)
    assert kinds(found) == due
    assert {finding.place for finding in found.findings} <= {"m.gguf", "deploy"}
    assert "m.gguf" in {finding.place for finding in found.findings}


def test_a_bos_that_llamacpp_adds_takes_the_place_of_the_templates(tmp_path: Path) -> None:
    """The template writes none, training has one, and the GGUF adds it: what is served is what was trained."""
    assert kinds(verified(tmp_path, "llama3", LLAMA, template=WITHOUT_BOS, more={ADD_BOS: True})) == []


def test_the_template_is_found_by_what_it_writes(tmp_path: Path) -> None:
    found = verified(tmp_path, None, QWEN)
    assert (found.template, found.named, kinds(found)) == ("qwen2_5", False, [])


def test_it_is_identified_by_its_name_its_id_and_its_texts(tmp_path: Path) -> None:
    identifier = Identifier(catalogue())
    source = {"general.source.huggingface.repository": "https://huggingface.co/Qwen/Qwen2.5-7B-Instruct"}
    with Workshop() as workshop:
        for more, kind in (({"general.name": "Qwen2.5 7B Instruct"}, "name"), (source, "id")):
            keys = model_keys(QWEN, eos=2, template=file_of("qwen2_5")) | more
            answer = identifier.identify(read_model(str(make(tmp_path / "m.gguf", keys))), workshop.render)
            assert (answer.template, answer.verdict, answer.error) == ("qwen2_5", "unique", "")
            assert "qwen2_5" in answer.by[kind]
        none = identifier.identify(read_model(str(make(tmp_path / "m.gguf", model_keys(QWEN)))), workshop.render)
        assert none.verdict == "unknown"


def test_it_is_drafted_with_its_special_tokens(tmp_path: Path) -> None:
    keys = model_keys(LLAMA, eos=1, template="A", general__name="My Llama") | {"tokenizer.ggml.eot_token_id": 4}
    keys |= {"tokenizer.chat_template.tool_use": "B", "general.source.repo_url": "https://example.org/x"}
    source = read_source(str(make(tmp_path / "m.gguf", keys)))
    assert (source.name, source.text, source.hub_id) == ("My Llama", "A", None)
    assert source.templates.by_name == {"default": "A", "tool_use": "B"}
    assert (source.token("bos_token"), source.token("eos_token")) == ("<|begin_of_text|>", "<|end_of_text|>")
    assert source.stops == ["<|end_of_text|>", "<|eot_id|>"]
    with pytest.raises(ChatwrightError, match="it has no chat template"):
        read_source(str(make(tmp_path / "m.gguf", model_keys(LLAMA))))


def test_names_and_tokens_of_an_enemy_are_seen(tmp_path: Path) -> None:
    tokens = [ESCAPES, f"<|{ESCAPES}|>", *QWEN[1:]]
    more = {"general.name": ESCAPES, "general.architecture": ESCAPES, "tokenizer.ggml.pre": ESCAPES}
    more |= {f"tokenizer.chat_template.{ESCAPES}": "x", ADD_BOS: True}
    found = verified(tmp_path, "qwen2_5", tokens, more=more)
    assert "bos-added" in kinds(found)
    record = read_model(str(tmp_path / "m.gguf"))
    assert not record.ids
    assert is_seen(found.verdict)
