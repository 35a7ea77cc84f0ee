"""One template for one engine: the file, the command, and what is told."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from chatwright.errors import ChatwrightError
from chatwright.pipeline.export import ENGINES, export, write
from chatwright.targets.llamafactory import template_arguments
from tests.gguf_files import make, model_keys
from tests.support import ROOT, catalogue

GENERATED = {"vllm": "vllm/{}.jinja", "ollama": "ollama/{}.Modelfile", "lmdeploy": "lmdeploy/{}.json"}
SERVED = {**GENERATED, **dict.fromkeys(("sglang", "transformers", "llamacpp"), GENERATED["vllm"])}


def model(folder: Path, *, eos: Any = None, **tokens: int) -> Path:
    """A model's folder with these tokens and what its generation_config.json says of the end."""
    folder.mkdir(parents=True)
    added = [{"id": number, "content": f"<|{name}|>"} for name, number in tokens.items()]
    (folder / "tokenizer.json").write_text(json.dumps({"added_tokens": added}), encoding="utf-8")
    if eos is not None:
        config = {"eos_token_id": eos, "temperature": 0.5}
        (folder / "generation_config.json").write_text(json.dumps(config), encoding="utf-8")
    return folder


@pytest.mark.parametrize("engine", sorted(SERVED))
def test_the_file_is_the_generated_one(engine: str) -> None:
    name = "marco_o1"
    text = export(catalogue(), name, engine).files[0][1]
    assert text == (ROOT / "generated" / "deploy" / SERVED[engine].format(name)).read_text(encoding="utf-8")


def test_the_commands_survive_a_shell(tmp_path: Path) -> None:
    folder = tmp_path / "it's a folder"
    commands = {
        engine: shlex.split(export(catalogue(), "qwen3", engine, model="a b", into=folder).command or "")
        for engine in ("vllm", "sglang", "ollama", "transformers")
    }
    tools = ["--tool-call-parser", "qwen", "--reasoning-parser", "qwen3"]
    file = str(folder / "qwen3.jinja")
    assert commands["vllm"][:5] == ["vllm", "serve", "a b", "--chat-template", file]
    assert commands["sglang"] == [
        *("python3", "-m", "sglang.launch_server", "--model-path", "a b", "--chat-template", file),
        *tools,
    ]
    assert commands["ollama"] == ["ollama", "create", "qwen3", "-f", str(folder / "qwen3.Modelfile")]
    compile(commands["transformers"][2], "command", "exec")
    assert json.dumps(str(folder / "chat_template.jinja")) in commands["transformers"][2]


@pytest.mark.parametrize(
    ("name", "flags"),
    [
        ("qwen2_5", []),
        ("qwen3", ["--reasoning", "on", "--chat-template-kwargs", '{"preserve_thinking": false}']),
        ("deepseek_v3_1", ["--reasoning", "off", "--chat-template-kwargs", '{"preserve_thinking": false}']),
    ],
)
def test_llamacpp_is_given_the_defaults_of_the_template(tmp_path: Path, name: str, flags: list[str]) -> None:
    """It sends enable_thinking and preserve_thinking by itself: true, unless the command says so."""
    made = export(catalogue(), name, "llamacpp", model="it's.gguf", into=tmp_path)
    file = str(tmp_path / f"{name}.jinja")
    words = shlex.split(made.command or "")
    assert words == ["llama-server", "--model", "it's.gguf", "--jinja", "--chat-template-file", file, *flags]
    assert ("preserve_thinking" in made.files[0][1]) == ("--chat-template-kwargs" in flags)


@pytest.mark.parametrize(
    ("name", "told", "not_told"),
    [
        ("qwen3", ["always sends enable_thinking", "changes tools", "a newline", "add_bos_token"], ["stops at"]),
        ("llama3", ["changes tools"], ["enable_thinking", "add_bos_token", "stops at", "results of tools"]),
        ("gemma4_nothinking", ["rewrites the results of tools"], ["stops at"]),
        ("glm4_5", ["llama.cpp stops at <|user|>, <|observation|> only if the GGUF names"], ["results of tools"]),
        ("aya", ["a newline"], ["changes tools", "enable_thinking"]),
    ],
)
def test_what_llamacpp_changes_is_told(name: str, told: list[str], not_told: list[str]) -> None:
    notes = "\n".join(export(catalogue(), name, "llamacpp").notes)
    assert [word for word in told if word not in notes] == []
    assert [word for word in not_told if word in notes] == []


def test_a_gguf_that_says_what_it_must_needs_no_notes(tmp_path: Path) -> None:
    def about(name: str, tokens: list[str], **keys: Any) -> list[str]:
        gguf = make(tmp_path / "m.gguf", model_keys(tokens, **keys))
        notes = export(catalogue(), name, "llamacpp", model=str(gguf)).notes
        return [note for note in notes if "--gguf" in note]

    glm = ["<|endoftext|>", "<|user|>", "<|observation|>"]
    assert about("qwen3", ["<|im_end|>"]) == []
    assert "add_bos_token" in about("qwen3", ["<|im_end|>"], tokenizer__ggml__add_bos_token=True)[0]
    assert "stops at <|user|>, <|observation|> only if" in about("glm4_5", glm)[0]
    assert "stops at <|observation|> only if" in about("glm4_5", glm, tokenizer__ggml__eot_token_id=1)[0]


def test_a_model_that_stops_needs_nothing(tmp_path: Path) -> None:
    folder = str(model(tmp_path / "m", eos=[7, 8], im_end=7, endoftext=8))
    for engine in ("vllm", "sglang"):
        made = export(catalogue(), "qwen2_5", engine, model=folder)
        assert len(made.files) == 1
        assert made.notes == ()
        assert made.command is not None
        assert "generation" not in made.command
        assert "eos" not in made.command


def test_a_model_that_does_not_stop_is_told_to(tmp_path: Path) -> None:
    folder = str(model(tmp_path / "m", eos=8, im_end=7, endoftext=8))
    made = export(catalogue(), "qwen2_5", "vllm", model=folder, into=tmp_path / "out")
    [_, (place, text)] = made.files
    assert json.loads(text) == {"eos_token_id": [8, 7], "temperature": 0.5}
    words = shlex.split(made.command or "")
    assert words[words.index("--generation-config") + 1] == str((tmp_path / "out" / place).parent)
    made = export(catalogue(), "qwen2_5", "sglang", model=folder)
    words = shlex.split(made.command or "")
    assert json.loads(words[words.index("--json-model-override-args") + 1]) == {"eos_token_id": [8, 7]}


def test_a_stop_word_that_is_no_token_is_told(tmp_path: Path) -> None:
    made = export(catalogue(), "qwen2_5", "vllm", model=str(model(tmp_path / "m", other=1)))
    assert any("<|im_end|>" in note and "stop" in note for note in made.notes)


def test_files_of_a_model_that_cannot_be_read(tmp_path: Path) -> None:
    folder = model(tmp_path / "m", im_end=7)
    (folder / "generation_config.json").write_text("{", encoding="utf-8")
    with pytest.raises(ChatwrightError, match=r"generation_config\.json"):
        export(catalogue(), "qwen2_5", "vllm", model=str(folder))


def test_what_is_there_is_not_replaced(tmp_path: Path) -> None:
    made = export(catalogue(), "qwen3", "transformers", into=tmp_path)
    place = tmp_path / "chat_template.jinja"
    assert write(made, tmp_path, force=False) == [(place, True)]
    assert write(made, tmp_path, force=False) == [(place, False)]
    place.write_text("theirs", encoding="utf-8")
    with pytest.raises(ChatwrightError, match="--force"):
        write(made, tmp_path, force=False)
    assert place.read_text(encoding="utf-8") == "theirs"
    assert write(made, tmp_path, force=True) == [(place, True)]
    assert list(tmp_path.iterdir()) == [place]


def test_ollama_gets_the_models_place(tmp_path: Path) -> None:
    (tmp_path / "a model").mkdir()
    text = export(catalogue(), "qwen3", "ollama", model=str(tmp_path / "a model")).files[0][1]
    assert f'\nFROM "{(tmp_path / "a model").resolve()}"\n' in text
    assert "\nFROM llama3:8b\n" in export(catalogue(), "qwen3", "ollama", model="llama3:8b").files[0][1]


@pytest.mark.parametrize(
    ("name", "engine"),
    [
        ("qwen3_reranker", "lmdeploy"),
        ("mistral_2506", "vllm"),
        ("mistral_2506", "lmdeploy"),
        ("llama4", "swift"),
        ("mistral_2506", "llamafactory"),
    ],
)
def test_what_an_engine_cannot_have_is_refused_with_the_reason(name: str, engine: str) -> None:
    assert engine in ENGINES
    with pytest.raises(ChatwrightError, match=rf"{name}: not for {engine}: .{{20}}"):
        export(catalogue(), name, engine)


@pytest.mark.parametrize(("name", "server"), [("gpt_oss", "vllm"), ("deepseek_v4", "sglang"), ("kimi_k3", "sglang")])
def test_a_server_that_writes_the_prompts_itself_gets_no_file(name: str, server: str) -> None:
    with pytest.raises(ChatwrightError, match="writes the prompts of these models itself"):
        export(catalogue(), name, server)
    other = "vllm" if server == "sglang" else "sglang"
    assert export(catalogue(), name, other).files


@pytest.mark.parametrize(
    ("name", "told"), [("deepseek_v4", True), ("kimi_k3", True), ("mistral", True), ("qwen3", False)]
)
def test_vllm_is_told_to_use_the_file(name: str, told: bool) -> None:
    command = export(catalogue(), name, "vllm").command or ""
    assert ("--tokenizer-mode hf" in command) is told
    assert "--tokenizer-mode" not in (export(catalogue(), "mistral", "sglang").command or "")


def test_what_lmdeploys_json_cannot_hold_goes_into_the_models_folder(tmp_path: Path) -> None:
    made = export(catalogue(), "qwen3", "lmdeploy", into=tmp_path)
    assert made.files == export(catalogue(), "qwen3", "transformers", into=tmp_path).files
    assert made.files[0][0] == "chat_template.jinja"
    assert made.command == f"lmdeploy serve api_server {tmp_path}"
    assert "JSON cannot hold it" in made.notes[0]


@pytest.mark.parametrize("name", ["qwen3", "llama3", "gemma3", "glm4_7", "empty"])
def test_llamafactorys_code_says_what_the_generated_registration_says(name: str) -> None:
    told: dict[str, Any] = {}
    formatters = ("StringFormatter", "EmptyFormatter", "FunctionFormatter", "ToolFormatter")
    classes = ("Template", "ReasoningTemplate", "Glm47ReasoningTemplate", "Llama2Template")
    names: dict[str, Any] = {key: _formatter(key) for key in formatters}
    names |= {key: key for key in classes}
    names |= {"get_mm_plugin": lambda **options: options, "register_template": lambda **given: told.update(given)}
    template = catalogue().templates[name]
    exec(export(catalogue(), name, "llamafactory").files[0][1], names)
    due = template_arguments(template)
    assert told.pop("name") == template.registered["llamafactory"]
    assert told == {key: due[key] for key in told}


def _formatter(name: str) -> Any:
    return lambda slots=None, tool_format=None: (name, slots, tool_format)


def test_llamafactorys_models_are_those_of_the_template() -> None:
    told: list[dict[str, Any]] = []
    source = SimpleNamespace(DEFAULT="hf", MODELSCOPE="ms", OPENMIND="om")
    code = export(catalogue(), "llama4", "llamafactory").files[1][1]
    exec(code, {"DownloadSource": source, "register_model_group": lambda **given: told.append(given)})
    assert [group["template"] for group in told] == ["llama4"]
    assert told[0]["multimodal"] is True
    assert told[0]["models"]["Llama-4-Scout-17B-16E-Instruct"]["hf"] == "meta-llama/Llama-4-Scout-17B-16E-Instruct"
