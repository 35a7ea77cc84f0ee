"""``chatwright verify`` as its users meet it: exit codes, what it prints, and specs of one's own."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from chatwright.cli import main
from chatwright.inspection.verify import ADVICE
from conformance.checks.model_folders import GENERATION, Folder
from tests.inspection.verify.support import in_process, make
from tests.support import ROOT

Run = Callable[..., tuple[object, str, str]]

SPEC = """\
name: acme
title: Acme
publisher: Acme
templates:
  acme:
    slots:
      user: "<|im_start|>human\\n{{content}}<|im_end|>\\n"
      assistant:
        opener: "<|im_start|>acme\\n"
        body: "{{content}}<|im_end|>\\n"
      observation: "<|im_start|>tool\\n{{content}}<|im_end|>\\n"
      system: "<|im_start|>system\\n{{content}}<|im_end|>\\n"
    stop_words: ["<|im_end|>"]
models:
  - template: acme
    checkpoints:
      - {name: Acme-8B-Instruct, huggingface: acme/Acme-8B-Instruct}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return make("yi", tmp_path)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.setattr("chatwright.inspection.verify.prompts.render_foreign", in_process)

    def run(*arguments: str | Path) -> tuple[object, str, str]:
        monkeypatch.setattr(sys, "argv", ["chatwright", "verify", *map(str, arguments)])
        with pytest.raises(SystemExit) as exit_:
            main()
        return exit_.value.code, *capsys.readouterr()

    return run


def test_the_exit_code_tells_whether_anything_was_found(run: Run, folder: Folder) -> None:
    code, out, err = run(folder.path, "--template", "yi")
    assert (code, err) == (0, "")
    assert out.splitlines()[-1] == "fine: served with exactly the prompts that yi trains on"
    folder.stop_at("<|endoftext|>")
    code, out, err = run(folder.path, "--template", "yi")
    assert (code, err) == (1, "")
    assert f"eos-not-end-of-turn  {GENERATION}: the end of turn <|im_end|> is not among the stops" in out
    assert f"to do: {ADVICE['eos-not-end-of-turn']}" in out
    assert out.splitlines()[-1] == "not fine: held against yi, 1 found (eos-not-end-of-turn)"
    code, out, err = run(folder.path, "--template", "yi", "--json")
    data = json.loads(out)
    assert (code, data["fine"], [finding["kind"] for finding in data["findings"]]) == (
        1,
        False,
        ["eos-not-end-of-turn"],
    )


def test_what_does_not_exist_is_told(run: Run, folder: Folder) -> None:
    nowhere = folder.path / "nowhere"
    assert run(nowhere)[0::2] == (1, f"error: {nowhere}: there is no such folder or file\n")
    code, _, err = run(folder.path, "--template", "yii")
    assert code == 2
    assert "did you mean 'yi'?" in err


def test_ones_own_template_is_told_by_what_it_writes(run: Run, folder: Folder, tmp_path: Path) -> None:
    file = tmp_path / "mine" / "acme" / "acme.yaml"
    file.parent.mkdir(parents=True)
    file.write_text(SPEC, encoding="utf-8")
    from chatwright.pipeline import load_public_catalogue

    folder.deploy(load_public_catalogue(tmp_path / "mine").templates["acme"])
    code, out, _ = run(folder.path, "--specs", tmp_path / "mine")
    assert code == 0, out
    assert out.startswith("template           acme, found by its chat template\n")


def test_the_guide_lists_every_kind() -> None:
    guide = (ROOT / "docs" / "verify.md").read_text(encoding="utf-8")
    assert [kind for kind in ADVICE if f"`{kind}`" not in guide] == []


def test_a_chat_template_alone_is_compared_as_text(run: Run, folder: Folder) -> None:
    code, out, _ = run(folder.path / "chat_template.jinja", "--template", "yi")
    assert code == 0
    assert "token ids          not compared\n" in out
    assert "note: not compared, since this is a chat template alone: token ids, stops and vocabulary\n" in out
    assert out.endswith(
        "fine: served with exactly the prompts that yi trains on, as text; no token ids were compared\n"
    )
    code, out, _ = run(folder.path / "chat_template.jinja", "--template", "llama3", "--json")
    found = json.loads(out)
    assert (code, found["fine"], found["compared"]["token_ids"]) == (1, False, None)
    (folder.path / "none.json").write_text("{}", encoding="utf-8")
    assert run(folder.path / "none.json")[2] == f"error: {folder.path / 'none.json'}: it has no chat_template\n"
