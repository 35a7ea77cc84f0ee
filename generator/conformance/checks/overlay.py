"""A private family on top of the public catalogue, from an installed wheel: generated, listed, registered, exported.

The specs and the output stand in a folder of their own; neither the checkout nor the installed package is written to.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from chatwright.errors import ChatwrightError
from chatwright.resources import checkout_root

from ..engines import llamafactory
from ..engines.swift import Swift, copied
from .workbench import Report, Workbench

_SPEC = """\
name: acme
title: Acme
publisher: Acme
templates:
  acme:
    slots:
      system: "<|sys|>{{content}}<|e|>"
      user: "<|usr|>{{content}}<|e|>"
      assistant: {opener: "<|bot|>", body: "{{content}}<|e|>"}
    stop_words: ["<|e|>"]
  acme_brief:
    extends: acme
    default_system: Be brief.
models:
  - template: llama3
    model_type: llama
    checkpoints:
      - {name: Acme-L3-8B-Instruct, huggingface: acme/Acme-L3-8B}
    targets: {swift: {template: llama3-swift}}
  - template: acme_brief
    model_type: qwen2
    checkpoints:
      - {name: Acme-Q2-7B-Chat, huggingface: acme/Acme-Q2-7B, modelscope: acme/Acme-Q2-7B}
"""
_WHERE = ("--specs", "ours", "--only-mine", "--out", "generated")


def check_overlay(bench: Workbench) -> Report:
    """A private family from an installed wheel is generated, listed, and registered beside the frameworks' own."""
    report = Report("overlay")
    root = checkout_root()
    assert root is not None  # conformance runs in a checkout only
    before = _written(root)
    with tempfile.TemporaryDirectory(prefix="chatwright-") as folder:
        home = Path(folder).resolve()
        _install(root, home)
        installed = _written(home / "site")
        (home / "ours" / "acme").mkdir(parents=True)
        (home / "ours" / "acme" / "acme.yaml").write_text(_SPEC, encoding="utf-8")
        _run(home, "validate", "ours")
        _run(home, "generate", *_WHERE)
        _run(home, "generate", "--check", *_WHERE)
        _check_listed(home, report)
        _check_llamafactory(home, report)
        _check_swift(home, report)
        _run(home, "export", "acme_brief", "--for", "vllm", "--specs", "ours", "--into", "serve")
        served = (home / "serve" / "acme_brief.jinja").read_text(encoding="utf-8")
        if served != (home / "generated" / "deploy" / "vllm" / "acme_brief.jinja").read_text(encoding="utf-8"):
            report.wrong.append("export gives another file than generate")
        _check_pins(home, report)
        if _written(root) != before or _written(home / "site") != installed:
            report.wrong.append("the checkout or the installed package was written to")
    report.lines.append(
        "a private family from a wheel: generated, checked, listed, registered in both frameworks, exported"
    )
    return report


def _install(root: Path, home: Path) -> None:
    """The wheel, unpacked where Python finds it."""
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(home)]
    done = subprocess.run(build, cwd=root, capture_output=True, encoding="utf-8")
    if done.returncode and "No module named hatchling" in done.stderr:
        raise ImportError("hatchling is not installed")
    if done.returncode:
        raise ChatwrightError(f"the wheel cannot be built: {done.stderr}")
    [wheel] = home.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(home / "site")


def _check_pins(home: Path, report: Report) -> None:
    """Installing the wheel beside both frameworks, as they are pinned here, must change nothing that they have."""
    [wheel] = home.glob("*.whl")
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--dry-run",
        "--no-index",
        "--quiet",
        "--report",
        "-",
        str(wheel),
    ]
    done = subprocess.run(command, capture_output=True, encoding="utf-8")
    if done.returncode:
        report.wrong.append(f"the wheel cannot be installed beside the frameworks: {done.stderr.strip()[-300:]}")
        return
    found = [each["metadata"]["name"] for each in json.loads(done.stdout)["install"]]
    if found != ["chatwright"]:
        report.wrong.append(f"installing the wheel beside the frameworks would change {', '.join(found)}")
    report.lines.append("installed beside LLaMA-Factory and ms-swift, the wheel changes none of their pins")


def _run(home: Path, *arguments: str) -> str:
    """A command of the installed package, from its user's folder.

    Raises:
        ChatwrightError: it failed.
    """
    environment = {**os.environ, "PYTHONPATH": str(home / "site"), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "chatwright", *arguments]
    done = subprocess.run(command, cwd=home, env=environment, capture_output=True, encoding="utf-8")
    if done.returncode:
        raise ChatwrightError(f"chatwright {' '.join(arguments)}: {done.stderr}")
    return done.stdout


def _written(folder: Path) -> dict[str, int]:
    """When each file of a folder was last written, but for what git and Python keep there."""
    hidden = (".git", "__pycache__")
    found = (path for path in folder.rglob("*") if path.is_file() and not any(part in hidden for part in path.parts))
    return {str(path): path.stat().st_mtime_ns for path in found}


def _check_listed(home: Path, report: Report) -> None:
    listed = json.loads(_run(home, "list", "acme", "--specs", "ours", "--json"))["families"]
    if [family["name"] for family in listed] != ["acme"]:
        report.wrong.append(f"listed: {listed}")
    table = (home / "generated" / "docs" / "supported-models.md").read_text(encoding="utf-8")
    missing = [name for name in ("Acme-L3-8B-Instruct", "Acme-Q2-7B-Chat") if f"\n| {name} |" not in table]
    if missing:
        report.wrong.append(f"not in the table: {', '.join(missing)}")


def _check_llamafactory(home: Path, report: Report) -> None:
    llamafactory.load()
    with llamafactory.registries(empty=False) as live, llamafactory.generated_package(home) as package:
        package.register_all()
        if not {"acme", "acme_brief", "llama3", "qwen"} <= live.keys():
            report.wrong.append(f"LLaMA-Factory has {[name for name in live if 'acme' in name]}")
        models = llamafactory.registered_models()
        found = {
            name: models[name]["template"] for name in ("Acme-L3-8B-Instruct", "Acme-Q2-7B-Chat") if name in models
        }
        if found != {"Acme-L3-8B-Instruct": "llama3", "Acme-Q2-7B-Chat": "acme_brief"}:
            report.wrong.append(f"LLaMA-Factory's models: {found}")


def _check_swift(home: Path, report: Report) -> None:
    with Swift() as live, copied(home / "generated") as register_all:
        warnings = [warning for warning in live.load(register_all) if "acme" in warning.casefold()]
        if warnings:
            report.wrong.append(f"ms-swift: {warnings[0]}")
        found = live.registries
        if not {"acme", "acme_brief"} <= found["templates"].keys():
            report.wrong.append(f"ms-swift has {[name for name in found['templates'] if 'acme' in name]}")
        for model_type, model in (("llama", "acme/Acme-L3-8B"), ("qwen2", "acme/Acme-Q2-7B")):
            if model not in json.dumps(found["model_types"].get(model_type)):
                report.wrong.append(f"ms-swift's model type {model_type} has no {model}")
