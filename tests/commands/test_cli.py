"""The command line as its users meet it: exit codes, streams, terminals, and never a traceback."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import NamedTuple

import click
import pytest

import chatwright.pipeline
import chatwright.records.engines
import chatwright.records.publishers
from chatwright import __version__
from chatwright.cli import cli, main
from chatwright.commands.export import ENGINES
from chatwright.meaning.render import Kind, render, to_text
from chatwright.meaning.visible import visible
from chatwright.pipeline import export as exports
from chatwright.records.engines import load_evidence
from chatwright.records.publishers import load_comparisons
from conformance.checks.attempts import Refusal, attempt
from tests.gguf_files import make, model_keys
from tests.support import ROOT, catalogue, is_told, scenarios

SPEC = """\
name: acme
title: Acme
publisher: Acme
models:
  - template: llama3
    checkpoints:
      - {name: Acme-8B-Instruct, huggingface: acme/Acme-8B-Instruct}
"""


class Answer(NamedTuple):
    code: object
    out: str
    err: str


class Runner:
    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.monkeypatch, self.capsys = monkeypatch, capsys

    def __call__(self, *arguments: str | Path, group: click.Group = cli) -> Answer:
        self.monkeypatch.setattr(sys, "argv", ["chatwright", *map(str, arguments)])
        with pytest.raises(SystemExit) as exit_:
            main(group)
        return Answer(exit_.value.code, *self.capsys.readouterr())


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Runner:
    load = chatwright.pipeline.load_public_catalogue
    monkeypatch.setattr(
        chatwright.pipeline,
        "load_public_catalogue",
        lambda *folders, cache: load(*folders, cache=cache) if folders else catalogue(),
    )
    return Runner(monkeypatch, capsys)


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A private specs folder with one family."""
    file = tmp_path / "mine" / "acme" / "acme.yaml"
    file.parent.mkdir(parents=True)
    file.write_text(SPEC, encoding="utf-8")
    return tmp_path / "mine"


def python(*arguments: str, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[bytes]:
    settings = {**os.environ, "PYTHONPATH": str(ROOT / "generator"), **environment}
    return subprocess.run([sys.executable, *arguments], capture_output=True, env=settings, cwd=cwd, check=False)


# -- validate --------------------------------------------------------------------------------------------------------


def test_validate(run: Runner, own: Path) -> None:
    count = len(catalogue().specs)
    assert run("validate") == (0, f"{count} specs: no problems\n", "")
    assert run("validate", own) == (0, f"{count + 1} specs: no problems\n", "")
    assert run("validate", own / "acme" / "acme.yaml") == (0, f"{count + 1} specs: no problems\n", "")
    assert run("validate", ROOT / "specs") == (0, f"{count} specs: no problems\n", "")


def test_all_problems_with_their_place_and_what_to_run_next(run: Runner, own: Path) -> None:
    file = own / "acme" / "acme.yaml"
    file.write_text(SPEC.replace("llama3", "lama3").replace("title:", "titel:"), encoding="utf-8")
    code, out, err = run("validate", own)
    assert (code, out) == (1, "")
    lines = err.splitlines()
    assert len(lines) >= 3
    assert all(line.startswith(f"{file}") for line in lines[:-1])
    assert "llama3" in err
    assert "title" in err
    assert lines[-1].endswith(f"after the change run: chatwright validate {own}")


def test_problems_as_annotations_of_their_lines(run: Runner, own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(own.parent)
    hostile = SPEC.replace("llama3", '"100%,::error::\\n"')
    (own / "acme" / "acme.yaml").write_text(hostile, encoding="utf-8")
    code, out, err = run("validate", "mine", "--format", "github")
    assert code == 1
    [line] = out.splitlines()
    assert line.startswith("::error file=mine/acme/acme.yaml,line=5,col=15,title=chatwright::models[0].template: ")
    assert "100%25,::error::" in line and line.count("%0A") + line.count("\\n") >= 1
    assert err.startswith("mine/acme/acme.yaml:5:15: models[0].template: ")


def test_no_name_breaks_out_of_the_line_of_its_problem(run: Runner, own: Path) -> None:
    hostile = SPEC.replace("template: llama3", "template: lama") + 'templates: {"a\\n::stop-commands::x\\nb": {}}\n'
    (own / "acme" / "acme.yaml").write_text(hostile, encoding="utf-8")
    (own / "acme" / "b\n::stop-commands::y.yaml").write_text("name: 1\n", encoding="utf-8")
    code, out, err = run("validate", own, "--format", "github")
    assert code == 1 and "stop-commands::x" in err and "stop-commands::y" in err
    commands = [line for line in (out + err).splitlines() if line.startswith("::")]
    assert [line for line in commands if not line.startswith("::error ")] == []


# -- diff, rows ------------------------------------------------------------------------------------------------------


def test_diff_of_own_specs_in_their_own_repository(run: Runner, own: Path) -> None:
    who = ["-c", "user.name=A", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "one"]):
        subprocess.run(["git", *who, *command], cwd=own.parent, check=True, capture_output=True)
    (own / "acme" / "acme.yaml").write_text(SPEC.replace("title: Acme", "title: New"), encoding="utf-8")
    code, out, err = run("diff", "--specs", own, "--exit-code")
    assert (code, err) == (1, "")
    assert out.startswith("HEAD -> the work tree: family 1 changed; targets affected: llamafactory\n")
    assert '    title: "Acme" -> "New"' in out.splitlines()


def test_diff_says_what_cannot_be_compared(run: Runner, own: Path) -> None:
    assert "there is no revision 'nowhere'" in run("diff", "nowhere").err
    assert run("diff", "--specs", own).err.endswith("not in a git repository, so that it has no revisions\n")
    assert run("diff", "--json", "--markdown").code == 2


def test_rows_go_to_stdout_and_what_there_is_to_know_to_stderr(run: Runner) -> None:
    code, out, err = run("export", "qwen2_audio", "--for", "llamafactory", "--rows", "--head")
    assert (code, out.splitlines()[0]) == (0, "| Model | Model size | Template |")
    assert out.splitlines()[2] == "| [Qwen2-Audio](https://huggingface.co/Qwen) | 7B | qwen2_audio |"
    assert err.startswith("for README.md and README_zh.md\n")


# -- generate --------------------------------------------------------------------------------------------------------


def test_generate_check_and_diff(run: Runner, own: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    where = ("--specs", own, "--only-mine", "--out", out)
    answer = run("generate", "--check", *where)
    assert answer.code == 1
    assert f"{out}/catalog.json: missing" in answer.err
    assert answer.err.endswith(f"run: chatwright generate {' '.join(map(str, where))}\n")
    assert not out.exists()
    assert run("generate", *where).code == 0
    assert run("generate", "--check", *where) == (0, f"{out}: up to date\n", "")
    (out / "fidelity.json").write_text("x\n")
    answer = run("generate", "--diff", *where)
    assert (answer.code, answer.err) == (0, "")
    assert answer.out.startswith("--- a/fidelity.json\n+++ b/fidelity.json\n")
    assert run("generate", "--check", "--diff", *where).code == 1
    assert (out / "fidelity.json").read_text() == "x\n"
    assert run("generate", *where).out == f"{out}: 1 written, 0 removed\n"


def test_own_specs_on_top_of_the_public_ones(run: Runner, own: Path, tmp_path: Path) -> None:
    assert run("generate", "--specs", own, "--out", tmp_path / "all").code == 0
    assert run("generate", "--specs", own, "--only-mine", "--out", tmp_path / "mine").code == 0
    everything, mine = (json.loads((tmp_path / name / "catalog.json").read_text()) for name in ("all", "mine"))
    assert len(everything["models"]) > len(mine["models"])
    assert {model["family"] for model in mine["models"]} == {"acme", "llama3"}
    assert set(everything["templates"]) == set(catalogue().templates)


def test_the_site_of_own_specs(run: Runner, own: Path, tmp_path: Path) -> None:
    code, out, err = run("site", "--specs", own, "--only-mine", "--into", tmp_path / "site")
    assert (code, err) == (0, "")
    assert re.fullmatch(rf"{tmp_path}/site/index.html: written, \d+ models, \d+ kB, \d+ kB compressed\n", out)
    assert [file.name for file in (tmp_path / "site").iterdir()] == ["index.html"]
    page = (tmp_path / "site" / "index.html").read_text(encoding="utf-8")
    assert "acme/Acme-8B-Instruct" in page
    assert "Qwen/Qwen3-8B" not in page
    assert run("site", "--only-mine", "--into", tmp_path / "site").code == 2


def test_generate_refuses_to_mix_private_and_public(run: Runner, own: Path) -> None:
    assert run("generate", "--specs", own) == (
        2,
        "",
        "error: --specs needs --out DIR, so that your families do not end up among the public ones\n",
    )
    assert run("generate", "--only-mine").code == 2


def test_missing_specs_folder(run: Runner, tmp_path: Path) -> None:
    answer = run("generate", "--specs", tmp_path / "nowhere", "--out", tmp_path / "out")
    assert answer.code == 2
    assert "nowhere" in answer.err
    assert not (tmp_path / "out").exists()


def test_what_cannot_be_written_is_a_message(run: Runner, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "catalog.json").write_text("by hand")
    answer = run("generate", "--out", tmp_path / "out")
    assert (answer.code, answer.out) == (1, "")
    assert answer.err.startswith(f"error: {tmp_path}/out/catalog.json: not made by chatwright")


# -- list and show ---------------------------------------------------------------------------------------------------


def test_list(run: Runner) -> None:
    everything = json.loads(run("list", "--json").out)["families"]
    assert [family["name"] for family in everything] == [spec.name for spec in catalogue().specs]
    [family] = json.loads(run("list", "meta-llama/Llama-4-Scout-17B-16E-Instruct", "--json").out)["families"]
    assert family["name"] == "llama4"
    assert [item["name"] for item in family["checkpoints"]] == ["Llama-4-Scout-17B-16E-Instruct"]
    answer = run("list", "LLAMA4")
    assert answer.code == 0
    assert answer.out.splitlines()[-1].startswith("1 family, ")
    assert run("list", "no such thing") == (1, "", "nothing matches 'no such thing'\n")


def test_show_renders_what_templates_mean(run: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    recorded, compared = load_evidence(), load_comparisons()
    monkeypatch.setattr(chatwright.records.engines, "load_evidence", lambda: recorded)
    monkeypatch.setattr(chatwright.records.publishers, "load_comparisons", lambda: compared)
    wrong = []
    for name, template in list(catalogue().templates.items())[::3]:
        answer = run("show", name, "--scenario", "plain", "--scenario", "tool_result", "--json")
        assert answer.code == 0, f"{name}: {answer.err}"
        shown = json.loads(answer.out)
        prompt = shown["scenarios"]["plain"]["prompt"]
        expected = attempt(render, template, scenarios()["plain"].asked)
        if isinstance(expected, Refusal):
            right = prompt == {"unsupported": str(expected)}
        else:
            right = "".join(piece["text"] for piece in prompt["pieces"]) == to_text(expected)
        if not (right and is_told(template, shown)):
            wrong.append(name)
    assert wrong == []


def test_show_makes_every_character_visible(run: Runner) -> None:
    answer = run("show", "llama4", "--scenario", "plain")
    assert answer.code == 0
    assert "\x1b" not in answer.out, "colours outside a terminal"
    lines = answer.out.splitlines()
    start = lines.index("plain: training")
    shown = lines[start + 1 : lines.index("", start)]
    assert shown[0] == "  prefix      <bos>"
    assert shown[-1] == "* assistant   Hi·there.<|eot|>"
    scenario = scenarios()["plain"]
    pieces = render(catalogue().templates["llama4"], scenario.messages, kind=Kind.TRAINING)
    assert "".join(line[14:] for line in shown) == visible(to_text(pieces)).join(["<bos>", ""])


def test_show_tells_which_turns_that_do_not_alternate_are_carried(run: Runner) -> None:
    (told,) = [line.split() for line in run("show", "qwen3").out.splitlines() if line.startswith("  also carries")]
    assert told[2:] == ["users", "replies", "first_reply", "last_reply", "later_system"]
    assert json.loads(run("show", "gemma", "--json").out)["turns"] == ["last_reply"]
    assert "also carries" not in run("show", "glm4").out


def test_show_tells_levels_of_thinking_and_renders_at_one(run: Runner) -> None:
    answer = run("show", "hy_v3", "--scenario", "level_low")
    assert answer.code == 0
    (told,) = [line.split() for line in answer.out.splitlines() if line.startswith("  reasoning_effort")]
    assert told == ["reasoning_effort", "no_think", "low", "high", "max"]
    assert "reasoning_effort:low" in answer.out
    assert "reasoning_effort" not in run("show", "qwen3").out


def test_show_knows_the_nearest_name(run: Runner) -> None:
    assert (
        run("show", "lama4").err
        == "error: there is no template 'lama4' (did you mean 'llama4'?); run: chatwright list\n"
    )
    answer = run("show", "llama4", "--scenario", "plan")
    assert answer.code == 2
    assert answer.err == "error: there is no scenario 'plan' (did you mean 'plain'?)\n"


# -- every command ---------------------------------------------------------------------------------------------------


def test_wrong_usage(run: Runner) -> None:
    assert run("generate", "--chek").code == 2
    assert run("nonsense").code == 2
    assert run("show").code == 2
    assert run("validate", "nowhere").code == 2
    assert run("--version") == (0, f"chatwright, version {__version__}\n", "")
    assert run("--help").code == 0


def test_our_own_mistake(run: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("oh")

    monkeypatch.delenv("CHATWRIGHT_DEBUG", raising=False)
    monkeypatch.setattr(chatwright.pipeline, "load_public_catalogue", broken)
    code, out, err = run("list")
    assert (code, out) == (3, "")
    assert "mistake in chatwright" in err
    assert "report" in err
    assert "Traceback" not in err
    monkeypatch.setenv("CHATWRIGHT_DEBUG", "1")
    code, out, err = run("list")
    assert (code, out) == (3, "")
    assert err.startswith("Traceback")
    assert err.endswith("ZeroDivisionError: oh\n")


def test_a_reader_that_stops_reading() -> None:
    command = [sys.executable, "-m", "chatwright", "list", "--json"]
    settings = {**os.environ, "PYTHONPATH": str(ROOT / "generator")}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=settings) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == b""
    assert process.returncode == 141


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
@pytest.mark.parametrize(
    "arguments",
    [
        ["show", "yi", "--scenario", "unicode"],
        ["list"],
        ["generate", "--diff", "--out", "x", "--specs", "mine", "--only-mine"],
    ],
)
def test_a_terminal_without_unicode(own: Path, arguments: list[str], encoding: str) -> None:
    file = own / "acme" / "acme.yaml"
    file.write_text(SPEC.replace("title: Acme", "title: Ácmé 模型"), encoding="utf-8")
    settings = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": encoding}
    answer = python("-m", "chatwright", *arguments, cwd=own.parent, **settings)
    assert (answer.returncode, answer.stderr) == (0, b"")
    shown = answer.stdout.decode("utf-8" if encoding == "ascii" else encoding)  # ASCII is taken for no choice at all
    character = {"show": "⏎", "generate": "模"}.get(arguments[0], "")
    assert (f"\\u{ord(character):04x}" if character and encoding == "latin-1" else character) in shown


HELP = """
import sys
from chatwright.cli import main
from chatwright.commands.export import ENGINES
sys.argv = ["chatwright", "--help"]
try:
    main()
finally:
    heavy = {"black", "jinja2", "jsonschema", "yaml", "transformers"} & set(sys.modules)
    assert not heavy, heavy
"""


def test_help_imports_nothing_heavy() -> None:
    answer = python("-c", HELP)
    assert (answer.returncode, answer.stderr) == (0, b"")


def test_export_prints_the_file_and_tells_the_rest(run: Runner, tmp_path: Path) -> None:
    answer = run("export", "qwen3", "--for", "vllm")
    assert answer.code == 0
    assert answer.out == (ROOT / "generated" / "deploy" / "vllm" / "qwen3.jinja").read_text(encoding="utf-8")
    assert answer.err.splitlines()[-1].startswith("vllm serve MODEL --chat-template qwen3.jinja")
    answer = run("export", "qwen3", "--for", "transformers", "--model", tmp_path)
    assert (answer.code, answer.out) == (0, "")
    assert (tmp_path / "chat_template.jinja").is_file()
    (tmp_path / "chat_template.jinja").write_text("theirs", encoding="utf-8")
    assert "--force" in run("export", "qwen3", "--for", "transformers", "--into", tmp_path).err
    assert run("export", "qwen3_reranker", "--for", "lmdeploy").code == 1
    assert run("export", "qwen33", "--for", "vllm").code == 2
    assert set(ENGINES) == set(exports.ENGINES)


def test_export_of_a_gguf_needs_a_place(run: Runner, tmp_path: Path) -> None:
    gguf = make(tmp_path / "m.gguf", model_keys())
    for words in (
        ("--for", "vllm", "--gguf", gguf, "--into", tmp_path / "out"),
        ("--for", "llamacpp", "--gguf", gguf),
        ("--for", "llamacpp", "--gguf", gguf, "--into", tmp_path / "out", "--model", "x"),
        ("--for", "llamacpp", "--into", gguf),
    ):
        answer = run("export", "qwen3", *words)
        assert (answer.code, answer.out) == (2, "")
        assert not (tmp_path / "out").exists()
    answer = run("export", "qwen3", "--for", "llamacpp", "--gguf", gguf, "--into", tmp_path / "out")
    assert (answer.code, answer.out) == (0, "")
    assert answer.err.splitlines()[0].endswith("out/m.gguf: written")
    assert answer.err.splitlines()[-1].startswith("llama-server --model ")
    answer = run("export", "qwen3", "--for", "llamacpp", "--gguf", tmp_path / "nothing", "--into", tmp_path)
    assert (answer.code, answer.err) == (1, f"error: {tmp_path / 'nothing'}: there is no such file\n")


EXPORTS = """
import json, sys
from click.testing import CliRunner
from chatwright.cli import cli
answers = [CliRunner().invoke(cli, ["export", "marco_o1", "--for", engine]) for engine in sys.argv[1:]]
assert [answer.exit_code for answer in answers] == [0] * len(answers), [answer.output for answer in answers]
print(json.dumps([answer.stdout for answer in answers]))
"""


def test_the_wheel_works_outside_the_checkout(tmp_path: Path) -> None:
    built = python("-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path), cwd=ROOT)
    assert built.returncode == 0, built.stderr.decode()
    [wheel] = tmp_path.glob("*.whl")
    assert zipfile.is_zipfile(wheel)
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    assets = Path("chatwright", "site", "assets")
    there, here = (
        {file.name for file in (root / assets).iterdir()} for root in (tmp_path / "site", ROOT / "generator")
    )
    assert there == here
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    site = {"PYTHONPATH": str(tmp_path / "site")}
    listed = python("-m", "chatwright", "list", "--json", cwd=elsewhere, **site)
    assert len(json.loads(listed.stdout)["families"]) == len(catalogue().specs)
    assert python("-m", "chatwright", "show", "qwen3", cwd=elsewhere, **site).returncode == 0
    jinja = (ROOT / "generated" / "deploy" / "vllm" / "marco_o1.jinja").read_bytes()
    exported = python("-c", EXPORTS, *ENGINES, cwd=elsewhere, **site)
    assert exported.returncode == 0, exported.stderr.decode()
    texts = dict(zip(ENGINES, json.loads(exported.stdout), strict=True))
    assert {engine for engine in ENGINES if texts[engine] == jinja.decode()} == {
        "vllm",
        "sglang",
        "transformers",
        "llamacpp",
    }
    assert all(texts.values())
    parsers = "--enable-auto-tool-choice --tool-call-parser hermes"
    served = python("-m", "chatwright", "export", "marco_o1", "--for", "vllm", "--into", "a", cwd=elsewhere, **site)
    assert f"vllm serve MODEL --chat-template a/marco_o1.jinja {parsers}" in served.stderr.decode()
    assert (elsewhere / "a" / "marco_o1.jinja").read_bytes() == jinja
    assert python("-m", "chatwright", "generate", cwd=elsewhere, **site).returncode == 0
    ours, theirs = ROOT / "generated", elsewhere / "generated"
    files = {path.relative_to(theirs) for path in theirs.rglob("*") if path.is_file()}
    assert len(files) > 100
    assert all((ours / file).read_bytes() == (theirs / file).read_bytes() for file in files), "run: make generate"
