"""What is read of a model folder, what is not run, and what is said of one that cannot be read."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import NoReturn

import pytest

from chatwright.errors import ChatwrightError
from chatwright.inspection.verify import verify, vocabulary
from chatwright.inspection.verify.folder import read_folder
from conformance.checks.model_folders import CONFIG, JINJA, Folder, copy
from tests.inspection.verify.support import in_process, make
from tests.support import catalogue


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    return make("qwen3", tmp_path_factory.mktemp("qwen3"))


@pytest.fixture
def folder(whole: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folder:
    def refuse(*_: object) -> NoReturn:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr("chatwright.inspection.verify.prompts.render_foreign", in_process)
    return copy(whole, tmp_path / "model")


def test_code_of_the_folder_is_neither_run_nor_asked_about(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    def ask(*_: object) -> NoReturn:
        raise AssertionError("the user was asked")

    monkeypatch.setattr("builtins.input", ask)
    (folder.path / "tokenization_mine.py").write_text("raise SystemExit('run')", encoding="utf-8")
    remote = {"auto_map": {"AutoTokenizer": ["tokenization_mine.Mine", None]}, "tokenizer_class": "Mine"}
    folder.edit(CONFIG, lambda config: config.update(remote))
    assert verify(folder.path, catalogue(), "qwen3").fine


@pytest.mark.parametrize("form", ["text", "named", "processor", "files"])
def test_chat_templates_are_found_wherever_they_may_stand(folder: Folder, form: str) -> None:
    text = (folder.path / JINJA).read_text(encoding="utf-8")
    named = [{"name": "default", "template": text}, {"name": "tool_use", "template": "{{ messages }}"}]
    if form == "files":
        (folder.path / "additional_chat_templates").mkdir()
        (folder.path / "additional_chat_templates" / "tool_use.jinja").write_text("{{ messages }}", encoding="utf-8")
    else:
        (folder.path / JINJA).unlink()
    if form == "processor":
        (folder.path / "chat_template.json").write_text(json.dumps({"chat_template": text}), encoding="utf-8")
    if form in ("text", "named"):
        folder.edit(CONFIG, lambda config: config.update(chat_template=text if form == "text" else named))
    kinds = {finding.kind: finding for finding in verify(folder.path, catalogue(), "qwen3").findings}
    if form in ("text", "processor"):
        assert kinds == {}
    else:
        assert kinds.keys() == {"tool-layout"}
        assert "plain" not in kinds["tool-layout"].conversations


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("tokenizer.json", None, "there is no tokenizer.json"),
        ("tokenizer.json", "{", "tokenizer.json:1:2: not JSON"),
        ("tokenizer.json", "{}", "tokenizer.json: the tokenizer cannot be read"),
        ("tokenizer_config.json", '{\n"a" 1}', "tokenizer_config.json:2:5: not JSON"),
        ("tokenizer_config.json", '{"chat_template": [1]}', "tokenizer_config.json: chat_template is neither"),
        ("generation_config.json", "[]", "generation_config.json: not a JSON object"),
    ],
)
def test_what_cannot_be_read_is_told_in_one_line(folder: Folder, file: str, content: str | None, message: str) -> None:
    if content is None:
        (folder.path / file).unlink()
    else:
        (folder.path / file).write_text(content, encoding="utf-8")
    with pytest.raises(ChatwrightError) as caught:
        read_folder(folder.path)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_another_format_is_not_taken_for_one_of_ours(folder: Folder) -> None:
    (folder.path / JINJA).write_text(
        "{% for m in messages %}~{{ m.role }}~{{ m.content }}{% endfor %}", encoding="utf-8"
    )
    kinds = [finding.kind for finding in verify(folder.path, catalogue()).findings]
    assert "unknown-template" in kinds


def test_the_verification_is_plain_data(folder: Folder) -> None:
    data = json.loads(json.dumps(verify(folder.path, catalogue(), "qwen3").as_json()))
    assert data["fine"] is True
    assert data["template"] == "qwen3"
    assert data["same"] == []  # qwen3_vl is no longer: it has a place for images
    assert data["findings"] == []


@pytest.mark.parametrize(("named", "lacks"), [(None, False), (7, False), (10_000, True)])
def test_a_word_of_the_processor_need_be_no_token(tmp_path: Path, named: int | None, lacks: bool) -> None:
    folder = make("llava_next_qwen_hf", tmp_path)
    if named is not None:
        (folder.path / "config.json").write_text(json.dumps({"image_token_index": named}), encoding="utf-8")
    found = vocabulary.findings(catalogue().templates["llava_next_qwen_hf"], read_folder(folder.path))
    assert [finding.kind for finding in found] == ["placeholder-missing"] * lacks


@pytest.mark.parametrize("strange", ["151645", 99_999_999, [True]])
def test_an_eos_that_is_no_id_is_found(folder: Folder, strange: object) -> None:
    (folder.path / "generation_config.json").write_text(json.dumps({"eos_token_id": strange}), encoding="utf-8")
    found = [
        finding for finding in verify(folder.path, catalogue(), "qwen3").findings if finding.kind == "eos-not-an-id"
    ]
    assert [finding.place for finding in found] == ["generation_config.json"]


def test_another_template_that_is_read_second_is_a_note(folder: Folder) -> None:
    folder.edit(CONFIG, lambda config: config.update(chat_template="{{ messages }}"))
    found = verify(folder.path, catalogue(), "qwen3")
    assert found.fine
    assert any(note.startswith("tokenizer_config.json: its chat template is not that of") for note in found.notes)


def test_a_chat_template_that_is_no_text_is_told_by_its_own_name(folder: Folder) -> None:
    (folder.path / JINJA).write_bytes(b"\xff\xfe")
    with pytest.raises(ChatwrightError, match=f"{JINJA}: not UTF-8 text"):
        read_folder(folder.path)
