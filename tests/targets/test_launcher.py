"""The launcher of LLaMA-Factory, run beside a stand-in that has the shape of LLaMA-Factory 0.9.5."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from chatwright.catalogue.model import Catalogue
from chatwright.targets.llamafactory import generate
from chatwright.targets.protocol import Context
from tests.support import catalogue

SAY = "import json, sys\ndef say(what, **more): print(json.dumps([what, sys.argv[1:], more]))\n"
STAND_IN = {
    "__init__.py": SAY,
    "launcher.py": """
from . import say
def launch():
    import sys
    if sys.argv[1:] == ["webui"]:
        from .webui.runner import start
        start()
    say("launch", file=__file__)
""",
    "train/tuner.py": "from .. import say\ndef run_exp(): say('run_exp')\n",
    "extras/misc.py": """
import os
def is_env_enabled(name): return os.environ.get(name, "0") in ("1", "true")
def get_device_count(): return 0
""",
    "webui/runner.py": """
import sys
from subprocess import Popen
def start(): Popen(["llamafactory-cli", "train", "chosen.yaml"]).wait()
""",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the stand-in and, under ``generated/``, the files of an empty catalogue."""
    for name, text in STAND_IN.items():
        write(tmp_path / "llamafactory" / name, text)
    for file in generate(Context(Catalogue(()), {}, {})).files:
        write(tmp_path / "generated" / file.path, file.body)
    return tmp_path


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def run(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """The launcher with these arguments and environment variables."""
    command = [sys.executable, str(folder / "generated" / "llamafactory" / "launcher.py"), *arguments]
    kept = {key: value for key, value in os.environ.items() if key not in ("LOCAL_RANK", "FORCE_TORCHRUN")}
    environment = {**kept, "PYTHONPATH": str(folder), **variables}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, encoding="utf-8")


def said(folder: Path, *arguments: str, **variables: str) -> list[Any]:
    done = run(folder, *arguments, **variables)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_command_runs_and_torchrun_would_start_this_file(folder: Path) -> None:
    launcher = str(folder / "generated" / "llamafactory" / "launcher.py")
    assert said(folder, "train", "a.yaml") == [["launch", ["train", "a.yaml"], {"file": launcher}]]


@pytest.mark.parametrize("arguments", [("a.yaml", "lr=1"), ("train", "a.yaml", "lr=1")])
def test_a_worker_trains(folder: Path, arguments: tuple[str, ...]) -> None:
    assert said(folder, *arguments, LOCAL_RANK="1") == [["run_exp", ["a.yaml", "lr=1"], {}]]


def test_the_web_ui_starts_this_file(folder: Path) -> None:
    launched = [arguments for _, arguments, _ in said(folder, "webui")]
    assert launched == [["train", "chosen.yaml"], ["webui"]]


@pytest.mark.parametrize(("variable", "says"), [("USE_V1", "v1 reads no template"), ("USE_RAY", "Ray starts its own")])
def test_what_cannot_register_is_refused(folder: Path, variable: str, says: str) -> None:
    done = run(folder, "train", "a.yaml", **{variable: "1"})
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"{variable}: {says}") and "Traceback" not in done.stderr


def test_a_path_with_white_space_is_refused_for_torchrun_alone(folder: Path) -> None:
    home = folder / "my files"
    (folder / "generated").rename(folder / "kept")
    home.mkdir()
    (folder / "kept").rename(home / "generated")
    (folder / "llamafactory").rename(home / "llamafactory")
    assert said(home, "train", "a.yaml")[0][0] == "launch"
    done = run(home, "train", "a.yaml", FORCE_TORCHRUN="1")
    assert done.returncode == 1
    assert "cannot give torchrun a path with white space" in done.stderr


def test_a_conflict_ends_it_without_a_traceback(folder: Path) -> None:
    done = run(folder, "version", CHATWRIGHT_ON_CONFLICT="maybe")
    assert done.returncode == 1
    assert done.stderr == "on_conflict must be 'error' or 'keep', not 'maybe'\n"


def test_it_registers_the_whole_catalogue() -> None:
    files = {file.path: file.body for file in generate(Context(catalogue(), {}, {})).files}
    modules: dict[str, Any] = {}
    exec(files["llamafactory/chatwright_llamafactory/__init__.py"], modules)
    assert {f"llamafactory/chatwright_llamafactory/{name}.py" for name in modules["MODULES"]} <= files.keys()
    assert len(modules["MODULES"]) > 100
