"""The whole tree from the real specs: the same bytes everywhere, and nothing but the specs behind them."""

from __future__ import annotations

import ast
import hashlib
import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import black
import pytest

from chatwright import __version__
from chatwright.cache import user_cache
from chatwright.catalogue.model import Catalogue
from chatwright.errors import ChatwrightError
from chatwright.pipeline import Rendering, check, generate, render, select
from chatwright.pipeline.formatting import MARK, header
from chatwright.pipeline.generate import _add, differences
from chatwright.records.engines import load_evidence
from chatwright.records.publishers import load_comparisons
from chatwright.targets.protocol import GeneratedFile
from tests.support import ROOT, catalogue, is_told

WITHOUT_COMMENTS = (".json", ".manifest")


@cache
def rendering() -> Rendering:
    evidence, comparisons = load_evidence(), load_comparisons()
    return render(catalogue(), evidence, comparisons=comparisons, cache=user_cache())


def test_what_is_committed_is_what_the_specs_say() -> None:
    found = differences(ROOT / "generated", rendering().files)
    assert [f"{item.path}: {item.kind}" for item in found] == [], "run: make generate"


GENERATE = """
import importlib.abc, socket, sys
from pathlib import Path
FORBIDDEN = {"transformers", "torch", "tokenizers", "llamafactory", "swift", "lmdeploy", "requests", "httpx", "numpy"}
class Refuse(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.split(".")[0] in FORBIDDEN:
            raise AssertionError(f"generate imports {name}")
sys.meta_path.insert(0, Refuse())
def no_network(*arguments, **options):
    raise AssertionError("generate opens a socket")
socket.socket = no_network
sys.argv = ["chatwright", "generate", "--out", sys.argv[1]]
from chatwright.cli import main
main()
"""


def test_the_same_bytes_without_any_framework_or_network(tmp_path: Path) -> None:
    """In a process that shares neither hash seed nor locale nor time zone with this one."""
    odd = {"PYTHONHASHSEED": "1", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "TZ": "Asia/Tokyo"}
    out = tmp_path / "somewhere else"
    environment = {**os.environ, **odd, "PYTHONPATH": str(ROOT / "generator"), "CHATWRIGHT_CACHE": "off"}
    assert subprocess.run([sys.executable, "-c", GENERATE, str(out)], env=environment, cwd=tmp_path).returncode == 0
    written = {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*") if path.is_file()}
    assert written == {path: content.encode() for path, content in rendering().files.items()}


def test_every_file_says_where_it_comes_from() -> None:
    for path, content in rendering().files.items():
        if not path.endswith(WITHOUT_COMMENTS):
            assert MARK in content.split("\n", 2)[0 if path.endswith((".py", ".Modelfile")) else 1], path
            assert "Do not edit" in content[:400], path
            assert __version__ not in content[:300], path


def test_python_is_formatted_and_compiles() -> None:
    mode = black.Mode(line_length=120, target_versions={black.TargetVersion.PY310})
    for path, content in rendering().files.items():
        if path.endswith(".py"):
            ast.parse(content, path)
            assert black.format_str(content, mode=mode) == content, path


def test_hashes_are_of_the_bodies() -> None:
    for target, deployments in rendering().deployments.items():
        for name, deployment in deployments.items():
            if deployment.path is None:
                assert deployment.reason, f"{target} has no file for {name} and does not say why"
                continue
            body = without_header(deployment.path, rendering().files[deployment.path])
            assert deployment.sha256 == hashlib.sha256(body.encode()).hexdigest()


def without_header(path: str, content: str) -> str:
    lines = 0 if path.endswith(WITHOUT_COMMENTS) else 4 if path.endswith((".jinja", ".md")) else 2
    return "".join(content.splitlines(keepends=True)[lines:])


def test_a_hostile_source_cannot_leave_the_header() -> None:
    source = 'a\n--> #} -#} {{ x }} """ */\r\u2028.yaml'
    for comment in ("hash", "jinja", "html"):
        text = header(GeneratedFile("x", "", comment, (source,)))  # type: ignore[arg-type]
        assert len(text.splitlines()) == (2 if comment == "hash" else 4)
        assert text.count("-->") == (comment == "html")
        assert text.count("#}") == (comment == "jinja")
        assert "{{" not in text


def test_the_index_is_complete() -> None:
    index = json.loads(rendering().files["catalog.json"])
    assert list(index["templates"]) == sorted(catalogue().templates)
    for name, entry in index["templates"].items():
        assert set(entry["files"]) == {"vllm", "ollama", "lmdeploy", "training"}
        for target, path in entry["files"].items():
            assert (path in rendering().files) if path else entry["reasons"][target], f"{name} on {target}"
        assert is_told(catalogue().templates[name], entry), name
    groups = [group for spec in catalogue().specs for group in spec.models]
    used = [group.template for group in groups for _ in group.checkpoints]
    assert [model["template"] for model in index["models"]] == used
    assert {name for name in used if name is not None} <= index["templates"].keys()
    for model in index["models"]:
        assert model["name"]
        assert {"family", "huggingface", "modelscope", "openmind", "model_type", "multimodal"} <= model.keys()


def test_check_names_every_kind_of_difference(tmp_path: Path) -> None:
    part = select(catalogue(), {"meta/llama4.yaml"})
    generate(part, tmp_path)
    assert check(part, tmp_path) == ()
    (tmp_path / "catalog.json").write_bytes(b"{\r\n")
    (tmp_path / "deploy/vllm/llama4.jinja").unlink()
    (tmp_path / ".manifest").write_text((tmp_path / ".manifest").read_text() + "gone.py\n")
    (tmp_path / "gone.py").write_text("# Generated by chatwright from specs/gone.yaml.\n")
    found = {item.path: item for item in check(part, tmp_path)}
    kinds = {path: item.kind for path, item in found.items()}
    assert kinds == {
        ".manifest": "changed",
        "catalog.json": "changed",
        "deploy/vllm/llama4.jinja": "missing",
        "gone.py": "stale",
    }
    assert (
        found["gone.py"].diff
        == "--- a/gone.py\n+++ /dev/null\n@@ -1 +0,0 @@\n-# Generated by chatwright from specs/gone.yaml.\n"
    )
    generate(part, tmp_path)
    assert check(part, tmp_path) == ()
    assert not (tmp_path / "gone.py").exists()


def test_no_path_is_made_twice() -> None:
    files: dict[str, str] = {}
    made_from: dict[str, str] = {}
    _add(files, made_from, {"deploy/vllm/Yi.jinja": ""}, "a/yi.yaml")
    with pytest.raises(ChatwrightError, match=r"a/yi\.yaml and b/yi\.yaml: the file deploy/vllm/yi\.jinja would be"):
        _add(files, made_from, {"deploy/vllm/yi.jinja": ""}, "b/yi.yaml")


def test_a_selection_stands_on_its_own() -> None:
    for spec in catalogue().specs:
        part = select(catalogue(), {spec.source})
        assert spec in part.specs
        assert render(part, cache=user_cache()).files
    assert select(catalogue(), set()) == Catalogue(())
