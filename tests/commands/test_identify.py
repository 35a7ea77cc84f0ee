"""``chatwright identify`` as its users meet it: folders, files, ids, and lines of a dump."""

from __future__ import annotations

import io
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest

from chatwright.cli import main
from chatwright.errors import ChatwrightError
from chatwright.inspection import identify as identifying
from chatwright.inspection.identify import Identifier, answer, identify_record, read_model, stream
from chatwright.inspection.identify.records import BadRecord, parse_line
from chatwright.meaning.sandbox import TemplateFailed
from chatwright.meaning.sandbox import Workshop as RealWorkshop
from conformance.places import RESULTS
from tests.inspection.identify.support import Workshop, deployed, identifier, identify
from tests.support import ROOT

Run = Callable[..., tuple[object, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.setattr("chatwright.meaning.sandbox.Workshop", Workshop)
    monkeypatch.setattr("chatwright.inspection.identify.stream.Workshop", Workshop)
    monkeypatch.setattr("chatwright.pipeline.load_public_catalogue", lambda *_, **__: identifier().catalogue)
    monkeypatch.setattr(identifying, "Identifier", lambda catalogue: identifier())

    def run(*arguments: str | Path, given: bytes = b"") -> tuple[object, str, str]:
        monkeypatch.setattr(sys, "argv", ["chatwright", "identify", *map(str, arguments)])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given)))
        with pytest.raises(SystemExit) as exit_:
            main()
        return exit_.value.code, *capsys.readouterr()

    return run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "mine"
    path.mkdir()
    (path / "chat_template.jinja").write_text(deployed("deepseek3"), encoding="utf-8")
    (path / "config.json").write_text('{"architectures": ["DeepseekV3ForCausalLM"]}', encoding="utf-8")
    tokens = {"bos_token": {"content": "<｜begin▁of▁sentence｜>"}, "eos_token": "<｜end▁of▁sentence｜>"}
    (path / "tokenizer_config.json").write_text(json.dumps(tokens), encoding="utf-8")
    return path


def test_the_exit_code_tells_whether_there_is_a_choice(run: Run, folder: Path) -> None:
    code, out, err = run(folder, "Qwen/Qwen3-8B")
    assert (code, err) == (0, "")
    assert out.startswith(f"{folder}: deepseek3, ")
    assert "\nQwen/Qwen3-8B: qwen3, by framework\n" in out
    assert "  LLaMA-Factory  template: qwen3, enable_thinking: true\n" in out
    code, out, _ = run(folder, "no/such-model", "nowhere")
    assert code == 1
    assert "no/such-model: unknown\n" in out
    assert "nowhere: error: nowhere: there is no such folder or file" in out
    code, out, _ = run(folder, "--json")
    assert [each["template"] for each in json.loads(out)] == ["deepseek3"]
    assert run("-", "more")[0] == run("--cores", "2", folder)[0] == 2


def test_what_folders_and_files_say(folder: Path) -> None:
    found = read_model(str(folder))
    assert found.tokens == {"bos_token": "<｜begin▁of▁sentence｜>", "eos_token": "<｜end▁of▁sentence｜>"}
    assert (found.architectures, found.whole, found.path) == (("DeepseekV3ForCausalLM",), True, str(folder))
    alone = read_model(str(folder / "chat_template.jinja"))
    assert (alone.templates and alone.templates.by_name["default"], alone.whole) == (deployed("deepseek3"), False)
    file = folder / "tokenizer_config.json"
    with pytest.raises(ChatwrightError, match=r"tokenizer_config\.json: it has no chat_template"):
        read_model(str(file))
    file.write_text('{"chat_template": [{"name": "default", "template": "x"}]}', encoding="utf-8")
    assert read_model(str(file)).templates == identifying.records.ChatTemplates(file.name, {"default": "x"})
    file.write_text('{"chat_template": 5}', encoding="utf-8")
    with pytest.raises(ChatwrightError, match="neither a text nor a list"):
        read_model(str(folder))


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"", "not JSON"),
        (b"\xff", "not UTF-8"),
        (b"[1]", "not a JSON object"),
        (b"{}", "neither a chat_template nor an id"),
        (b'{"id": "x", "chat_template": {"default": 5}}', "holds what is no named text"),
        (b'{"id": "x", "chat_template": [{"name": ["a"], "template": "b"}]}', "holds what is no named text"),
        (b'{"id": ' + b"9" * 5000 + b"}", "a number that is too long"),
        (b"[" * 100_000, "nests too deeply"),
    ],
)
def test_bad_lines_are_told(line: bytes, reason: str) -> None:
    with pytest.raises(BadRecord, match=reason):
        parse_line(line)


def test_a_stream_gives_one_answer_a_line_in_order(run: Run) -> None:
    rows = [{"id": f"model/{number}", "chat_template": deployed("yi")} for number in range(20)]
    lines = [json.dumps(row).encode() for row in rows]
    lines[3], lines[7] = b"nonsense", b'{"id": "bad", "chat_template": "{% for %}"}'
    lines[9] = b'{"id": "long", "chat_template": "' + b"x" * stream.LONGEST_LINE + b'"}'
    code, out, err = run("-", given=b"\n".join(lines))
    answers = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    due = [row["id"] for row in rows]
    due[3], due[7], due[9] = "", "bad", ""
    assert [each["id"] for each in answers] == due
    assert [index for index, each in enumerate(answers) if each["verdict"] == "error"] == [3, 7, 9]
    assert "yi" in (answers[0]["template"], *answers[0]["same"])
    assert "20 lines, " in err
    assert "3 errors" in err
    assert "per second of a core" in err


def test_a_line_and_a_row_get_the_answer_of_the_function(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identifying.identifier, "_shared", lambda: (identifier(), Workshop()))
    row: dict[str, Any] = {"id": "01-ai/Yi-6B-Chat", "chat_template": deployed("yi"), "bos_token": None}
    due = identify(**row).as_json()
    assert identify_record(row) == due
    assert json.loads(json.dumps(due)) == due
    bad = identify_record({"id": "x", "chat_template": 5})
    assert (bad["id"], bad["verdict"], bad.keys()) == ("x", "error", due.keys())


def test_ids_are_answered_without_running_anything() -> None:
    figures = stream.Figures(1)
    assert isinstance(identifier(), Identifier)
    lines = [json.dumps({"hf_repo_guess": "Qwen/Qwen3-8B", "chat_template": None}).encode()]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stream, "Workshop", Workshop)
        [found] = stream.answers(lines, identifier(), figures)
    assert (found.id, found.by["id"], figures.rendered) == ("Qwen/Qwen3-8B", ("qwen3", "qwen3-swift"), 0)


def test_one_process_runs_many_templates_and_another_follows_one_that_fails() -> None:
    workshop = RealWorkshop(seconds=2).start()
    first = workshop._sandbox
    try:
        assert workshop.render("a{{ x }}", [{"x": 1}], None) == ["a1"]
        with pytest.raises(TemplateFailed, match="line 1"):
            workshop.render("{% for %}", [{}], None)
        assert workshop.render("b{{ x }}", [{"x": 2}], None) == ["b2"]
        assert workshop._sandbox is first
        with pytest.raises(TemplateFailed, match="500 MB"):
            workshop.render("{{ 'a' * 10**10 }}", [{}], None)
        assert workshop._sandbox is None
    finally:
        workshop.close()


def test_the_guide_lists_every_verdict() -> None:
    guide = (ROOT / "docs" / "identify.md").read_text(encoding="utf-8")
    assert [word for word in get_args(answer.Verdict) if f"`{word}`" not in guide] == []


def test_the_figures_are_on_record() -> None:
    guide = (ROOT / "docs" / "identify.md").read_text(encoding="utf-8")
    file = RESULTS / "identify_official.txt"
    total, named, alone, ids = file.read_text(encoding="utf-8").splitlines()[:4]
    numbers = [re.findall(r"\d+", line) for line in (total, named, alone, ids)]
    told = re.search(r"Measured on (\d+) chat templates as publishers ship them \(`make conformance`; (.*)", guide)
    assert told is not None
    found = [told[1], *re.findall(r"\b\d+\b", told[2])][: 1 + 2 + 2 + 5]
    assert found == [*numbers[0], *numbers[1][:2], *numbers[2][:2], *numbers[3]]
