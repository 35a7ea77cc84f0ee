"""The README's example does what the README says."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

from chatwright.records.frameworks import built_ins
from conformance.places import RESULTS
from tests.support import ROOT, catalogue

README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_example_is_real(tmp_path: Path) -> None:
    [spec] = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    written, shown = re.findall(r"```text\n(.*?)```", README, re.DOTALL)
    generating, showing = re.findall(r"`(chatwright (?:generate|show) [^`]*my-specs[^`]*)`", README)
    file = tmp_path / "my-specs" / "acme" / "acme.yaml"
    file.parent.mkdir(parents=True)
    file.write_text(spec, encoding="utf-8")
    run(generating, tmp_path)
    assert [path for path in written.split() if not (tmp_path / path).is_file()] == []
    assert shown in run(showing, tmp_path)


def test_every_module_and_target_of_make_is_told() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    [targets] = re.findall(r"^\.PHONY: (.*)", makefile, re.MULTILINE)
    names = [name for name in targets.split() if name not in ("help", "clean")]
    assert [name for name in names if f"`{name}`" not in README and f"make {name}" not in README] == []
    package = ROOT / "generator" / "chatwright"
    told = [path.stem if path.is_dir() else path.name for path in package.iterdir() if not path.name.startswith("_")]
    assert [name for name in told if f"`{name}`" not in README and f"`{name}/`" not in README] == []


def test_the_figures_are_the_catalogues(tmp_path: Path) -> None:
    told = re.search(r"The catalogue holds (.*?) \(`chatwright list`\)", README)
    assert told is not None
    assert run("chatwright list", tmp_path).splitlines()[-1] == told[1]
    types = built_ins()["swift"].models["model_type"]
    assert types <= catalogue().model_types.keys()
    known = {name: len(record.templates) for name, record in built_ins().items()}
    models = len(built_ins()["llamafactory"].models["name"])
    assert f"all {known['llamafactory']} templates and {models} models of LLaMA-Factory" in README
    assert f"all {known['swift']} templates and {len(types)} model types of ms-swift" in README


def test_the_sample_of_sync_is_on_record() -> None:
    [sample] = re.findall(r"```\n(LLaMA-Factory 0\.9\.4: .*?)  …\n```", README, re.DOTALL)
    recorded = (RESULTS / "sync_llamafactory_0.9.4.txt").read_text(encoding="utf-8")
    assert recorded.splitlines()[:2] == sample.splitlines()[:2]
    assert [line for line in sample.splitlines() if line not in recorded.splitlines()] == []


def test_the_figures_of_drafts_are_on_record() -> None:
    recorded = (RESULTS / "drafts.txt").read_text(encoding="utf-8")
    found = dict(re.findall(r"^(core|thinking|tools): (\d+ of \d+) exact$", recorded, re.MULTILINE))
    (everywhere,) = re.findall(r"^(\d+) of \d+ in every scenario", recorded, re.MULTILINE)
    (folders,) = re.findall(
        r"^folders of real tokenizers: (\d+ of \d+) exact in every scenario$", recorded, re.MULTILINE
    )
    core, thinking, tools = (found[kind].split(" of ") for kind in ("core", "thinking", "tools"))
    assert f"Measured on {core[1]} chat templates" in README
    assert f"{core[0]} are drafted exactly in plain" in README
    assert f"{thinking[0]} of the {thinking[1]} that know thinking" in README
    assert f"{tools[0]} of the {tools[1]} that describe tools" in README
    assert f"{everywhere} in every scenario there is" in README
    assert f"{folders} folders of real tokenizers" in README


def run(command: str, folder: Path) -> str:
    arguments = [sys.executable, "-m", *shlex.split(command)]
    settings = {**os.environ, "PYTHONPATH": str(ROOT / "generator"), "PYTHONUTF8": "1"}
    return subprocess.run(
        arguments, cwd=folder, env=settings, check=True, stdout=subprocess.PIPE, encoding="utf-8"
    ).stdout
