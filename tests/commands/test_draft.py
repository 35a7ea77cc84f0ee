"""The command, the folders it reads, and chat templates that would do harm."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from chatwright.cli import cli
from chatwright.errors import ChatwrightError, UsageError
from chatwright.inspection.draft import draft, drafting, read_source
from chatwright.pipeline import load_public_catalogue
from tests.inspection.draft.support import InProcess
from tests.inspection.draft.test_reading import TURNS


def run(*arguments: str) -> Any:
    return CliRunner().invoke(cli, ["draft", *arguments])


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "My-Model"
    folder.mkdir()
    (folder / "chat_template.jinja").write_text(TURNS, encoding="utf-8")
    files: dict[str, Any] = {
        "config.json": {"architectures": ["MineForCausalLM"], "model_type": "mine"},
        "generation_config.json": {"eos_token_id": [1, 2]},
        "tokenizer_config.json": {
            "eos_token": {"content": "<end>"},
            "added_tokens_decoder": {"1": {"content": "</assistant>"}, "2": {"content": "<stop>"}},
        },
    }
    for name, data in files.items():
        (folder / name).write_text(json.dumps(data), encoding="utf-8")
    return folder


def test_a_folder_becomes_a_valid_spec(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drafting, "Sandbox", InProcess)
    out = tmp_path / "specs" / "mine" / "my.yaml"
    result = run(str(model), "--out", str(out))
    assert "plain                   exact" in result.output
    found = load_public_catalogue(tmp_path / "specs")
    template = found.templates["my"]
    assert template.stop_words == ("</assistant>", "<stop>")
    assert found.model_types["mine"].architectures == ("MineForCausalLM",)
    spec = next(spec for spec in found.specs if spec.name == "my")
    assert spec.models[0].checkpoints[0].path == str(model)
    assert len(template.evidence["sha256"]) == 64
    again = run(str(model), "--out", str(out))
    assert isinstance(again.exception, UsageError)
    assert "--force" in str(again.exception)


def test_json(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drafting, "Sandbox", InProcess)
    result = CliRunner().invoke(cli, ["draft", str(model), "--json", "--name", "Some Thing"])
    data = json.loads(result.stdout)
    assert data["name"] == "some-thing"
    assert {"scenario": "plain", "verdict": "exact", "reason": ""} in data["scenarios"]
    assert result.exit_code == (0 if data["exact"] else 1)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{{ 'a' * 10**10 }}", "500 MB"),
        ("{% for a in range(9999) %}{% for b in range(9999) %}x{% endfor %}{% endfor %}", "4000000 characters"),
        ("{{ messages.__class__.__mro__ }}", "forbids"),
        ("{% for %}", "line 1"),
    ],
)
def test_templates_that_cannot_be_read_end_in_an_error(text: str, reason: str, tmp_path: Path) -> None:
    file = tmp_path / "bad.jinja"
    file.write_text(text, encoding="utf-8")
    result = run(str(file))
    assert isinstance(result.exception, ChatwrightError)
    assert "bad.jinja" in str(result.exception)
    assert reason in str(result.exception)


def test_a_template_that_harms_only_where_tools_are_offered_ends_in_an_error(tmp_path: Path) -> None:
    file = tmp_path / "late.jinja"
    file.write_text(TURNS + "{% if tools %}{{ 'a' * 10**10 }}{% endif %}", encoding="utf-8")
    with pytest.raises(ChatwrightError, match="500 MB"):
        draft(read_source(str(file)), load_public_catalogue())


@pytest.mark.parametrize("model", ["no/such/folder", "nothing"])
def test_what_is_not_there_is_told(model: str) -> None:
    with pytest.raises(ChatwrightError, match="there is no such folder"):
        read_source(model)


def test_a_folder_without_a_chat_template_is_told(tmp_path: Path) -> None:
    with pytest.raises(ChatwrightError, match="no chat template"):
        read_source(str(tmp_path))


def test_the_hub_is_asked_for_small_files_only(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    asked: dict[str, Any] = {}

    def snapshot(name: str, allow_patterns: list[str]) -> str:
        asked.update(name=name, patterns=allow_patterns)
        return str(model)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    source = read_source("someone/Mine-7B")
    assert (source.hub_id, source.name, asked["name"]) == ("someone/Mine-7B", "Mine-7B", "someone/Mine-7B")
    assert not any("safetensors" in pattern or pattern == "*" for pattern in asked["patterns"])
