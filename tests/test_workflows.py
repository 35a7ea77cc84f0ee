"""The workflows: what runs code may not write, what may write runs no code, and no cache joins the two."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support import ROOT

WORKFLOWS = ROOT / ".github" / "workflows"
_RUNS_CODE = re.compile(r"\b(pip3?|make|npm|npx|node|uv|python3?)\b")
_TOKEN = re.compile(r"secrets\.|github\.token|GH_TOKEN|GITHUB_TOKEN")
_READS_DATA = {"actions/download-artifact", "actions/deploy-pages"}

# File, what stands there, what takes its place, what must be found.
MUTATIONS = [
    ("check.yml", r"(uses: actions/checkout@)\w+  # v\S+", r"\1v7", "actions/checkout@v7 is no commit"),
    ("check.yml", r"(uses: actions/checkout@\w{39})\w", r"\1", "is no commit"),
    ("check.yml", r"(uses: \S+@\w{40})  # v\S+", r"\1", "without the version in a comment"),
    ("check.yml", "permissions:\n  contents: read\n", "", "specs: has the rights of the default token"),
    ("check.yml", r"\bpull_request:", "pull_request_target:", "on pull_request_target"),
    ("check.yml", "persist-credentials: false", "persist-credentials: true", "specs: leaves the token in the checkout"),
    ("check.yml", r'(python-version: "3.12")', r"\1\n          cache: pip", "specs: uses a cache"),
    ("check.yml", "actions/upload-artifact@", "actions/cache@", "specs: uses a cache"),
    ("check.yml", r'"\$BASE" HEAD', '"${{ github.event.pull_request.base.sha }}" HEAD', "specs: pastes an expression"),
    (
        "check.yml",
        "run: make lint",
        "run: make lint\n        env: {T: '${{ github.token }}'}",
        "tests: runs code with a token",
    ),
    ("publish.yml", r'(python-version: "3.12")', r"\1\n          cache: pip", "build: uses a cache"),
    (
        "drift.yml",
        "      contents: read",
        "      contents: read\n      issues: write",
        "drift: runs code, and may write",
    ),
    ("drift.yml", "SOURCE: ", "GH_TOKEN: ${{ github.token }}\n          SOURCE: ", "drift: runs code with a token"),
    ("drift.yml", "number=", "make --silent generate\n          number=", "issue: runs code, and may write"),
    ("drift.yml", "number=", "pip install x\n          number=", "issue: runs code, and may write"),
    (
        "drift.yml",
        "actions/download-artifact@",
        "actions/setup-python@",
        "issue: may write, and uses actions/setup-python",
    ),
    ("drift.yml", "      issues: write", "", "issue: has the rights of the default token"),
    ("comment.yml", r"permissions:\n      actions: read\n.*", "permissions: write-all", "permissions are no mapping"),
]


def test_rights_are_kept_apart() -> None:
    assert list(problems(WORKFLOWS)) == []


@pytest.mark.parametrize(("file", "old", "new", "found"), MUTATIONS, ids=[f"{m[0]} {m[3]}" for m in MUTATIONS])
def test_rights_that_meet_are_found(file: str, old: str, new: str, found: str, tmp_path: Path) -> None:
    for workflow in WORKFLOWS.glob("*.yml"):
        shutil.copy(workflow, tmp_path)
    changed, count = re.subn(old, new, (tmp_path / file).read_text(encoding="utf-8"), count=1)
    assert count == 1
    (tmp_path / file).write_text(changed, encoding="utf-8")
    assert any(found in problem for problem in problems(tmp_path)), list(problems(tmp_path))


def test_frameworks_are_imported_unpinned_only_where_nothing_is_written() -> None:
    """The rule for all jobs would hold for nothing if the job were not there."""
    jobs = yaml.safe_load((WORKFLOWS / "drift.yml").read_text(encoding="utf-8"))["jobs"]
    unpinned = [name for name, job in jobs.items() if re.search(r"pip install(?!.*--require-hashes)", _scripts(job))]
    writing = [name for name, job in jobs.items() if "write" in job["permissions"].values()]
    assert (unpinned, writing) == (["drift"], ["issue"])
    assert jobs["drift"]["permissions"] == {"contents": "read"}


def problems(folder: Path) -> Iterator[str]:
    """What breaks a rule, with the workflow and the job."""
    files = sorted(folder.glob("*.yml"))
    assert len(files) >= 4, "the workflows were not found"
    for file in files:
        text = file.read_text(encoding="utf-8")
        uses = re.findall(r"^[\s-]*uses:\s*(\S+)(.*)$", text, re.MULTILINE)
        for action, rest in uses:
            if not re.fullmatch(r"[\w.-]+/[\w./-]+@[0-9a-f]{40}", action):
                yield f"{file.name}: {action} is no commit"
            elif not re.fullmatch(r"  # v\d+\.\d+\.\d+", rest):
                yield f"{file.name}: {action} without the version in a comment"
        workflow = yaml.safe_load(text)
        steps = [step for job in workflow["jobs"].values() for step in job.get("steps", ())]
        assert len(uses) == sum("uses" in step for step in steps), "the actions were not found"
        if "pull_request_target" in workflow[True]:  # YAML reads the key `on` as true
            yield f"{file.name}: on pull_request_target"
        for name, job in workflow["jobs"].items():
            for problem in _problems_of_job(job, job.get("permissions", workflow.get("permissions"))):
                yield f"{file.name}: {name}: {problem}"


def _problems_of_job(job: dict[str, Any], permissions: Any) -> Iterator[str]:
    steps = job["steps"]
    actions = [step["uses"].partition("@")[0] for step in steps if "uses" in step]
    runs_code = "actions/checkout" in actions or bool(_RUNS_CODE.search(_scripts(job)))
    if permissions is None:
        yield "has the rights of the default token"
        return
    if not isinstance(permissions, dict):
        yield "permissions are no mapping"
        return
    writes = not set(permissions.values()) <= {"read", "none"}
    if runs_code and writes:
        yield "runs code, and may write"
    if runs_code and _TOKEN.search(yaml.safe_dump(job)):
        yield "runs code with a token"
    if writes:
        yield from (f"may write, and uses {action}" for action in actions if action not in _READS_DATA)
    if "${{" in _scripts(job):
        yield "pastes an expression into a script"
    for step, action in ((step, step.get("uses", "").partition("@")[0]) for step in steps):
        settings = step.get("with", {})
        if action == "actions/checkout" and settings.get("persist-credentials") is not False:
            yield "leaves the token in the checkout"
        if action.startswith("actions/cache") or any("cache" in key for key in settings):
            yield "uses a cache"


def _scripts(job: dict[str, Any]) -> str:
    return "\n".join(step["run"] for step in job["steps"] if "run" in step)


HOSTILE = {
    "what was found": (b"a: x\nb: y\n", "    a: x\n    b: y\n"),
    "a line that ends the block of code": (b"a\r\rcc @everyone\n", "    acc @everyone\n"),
    "a terminal's escapes, and NUL": (b"a\x1b[31m\x00b\x7f\n", "    a[31mb\n"),
    "what is no UTF-8": (b"a\xffb\xc3", "    ab"),
    "a character that is cut in half": (b"a" * 59_999 + "é".encode(), "    " + "a" * 59_999),
    "many lines": (b"\n" * 60_000, "    \n" * 1000),
}


@pytest.mark.parametrize("kind", HOSTILE)
@pytest.mark.parametrize("number", ["", "7"])
def test_an_issue_holds_what_was_found_as_code(kind: str, number: str, tmp_path: Path) -> None:
    found, body = HOSTILE[kind]
    code, calls, written = run("drift.yml", "issue", tmp_path, {"found.txt": found}, answer=number)
    assert code == 0
    assert written.startswith(body) and len(written) < 65_536
    assert written[len(body) :].strip() == "The whole list is an artifact of RUN."
    expected = "issue edit 7 --repo R" if number else "issue create --repo R --title Drift"
    assert calls[-1].startswith(expected) and len(calls) == 2


@pytest.mark.parametrize("number", ["", "7"])
def test_an_issue_is_closed_where_nothing_differs(number: str, tmp_path: Path) -> None:
    code, calls, _ = run("drift.yml", "issue", tmp_path, {"found.txt": b""}, answer=number)
    assert code == 0
    assert [call.split()[1] for call in calls] == (["list", "close"] if number else ["list"])


def test_a_comment_is_cut_between_characters(tmp_path: Path) -> None:
    code, calls, written = run(
        "comment.yml", "comment", tmp_path, {"diff.md": b"a" * 64_999 + "é".encode()}, answer="7"
    )
    assert (code, written) == (0, "a" * 64_999)
    assert calls[-1].startswith("pr comment 7 --repo R")


@pytest.mark.parametrize(
    ("file", "job", "name"), [("drift.yml", "issue", "found.txt"), ("comment.yml", "comment", "diff.md")]
)
def test_a_link_in_an_artifact_is_not_read(file: str, job: str, name: str, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("the token", encoding="utf-8")
    (tmp_path / "artifact").mkdir()
    (tmp_path / "artifact" / name).symlink_to(tmp_path / "token")
    code, calls, written = run(file, job, tmp_path, {}, answer="7")
    assert code != 0 and "token" not in written
    assert not any("body" in call for call in calls)


def run(file: str, name: str, folder: Path, artifact: dict[str, bytes], answer: str) -> tuple[int, list[str], str]:
    """Run the job's script as the runner does, with a ``gh`` that records: the code, its calls, and the text it got."""
    if shutil.which("bash") is None or shutil.which("iconv") is None:
        pytest.skip("there is no bash or no iconv")
    job = yaml.safe_load((WORKFLOWS / file).read_text(encoding="utf-8"))["jobs"][name]
    [script] = [step["run"] for step in job["steps"] if "run" in step]
    (folder / "artifact").mkdir(exist_ok=True)
    for path, content in artifact.items():
        (folder / "artifact" / path).write_bytes(content)
    gh = folder / "bin" / "gh"
    gh.parent.mkdir()
    gh.write_text(
        '#!/bin/bash\necho "$*" >> calls\n'
        'while [ $# -gt 0 ]; do [ "$1" = --body-file ] && cp "$2" written; shift; done\n'
        'grep -qE "^(issue list|api)" <<< "$(tail -n 1 calls)" && echo "$ANSWER"\nexit 0\n',
        encoding="utf-8",
    )
    gh.chmod(0o755)
    settings = {
        "PATH": f"{gh.parent}{os.pathsep}{os.environ['PATH']}",
        "ANSWER": answer,
        **dict.fromkeys(("OWNER", "BRANCH", "COMMIT", "GH_TOKEN"), "x"),
        "REPOSITORY": "R",
        "RUN": "RUN",
        "TITLE": "Drift",
    }
    (folder / "script.sh").write_text(script, encoding="utf-8")
    done = subprocess.run(["bash", "-e", "script.sh"], cwd=folder, env=settings, capture_output=True, check=False)
    calls = (folder / "calls").read_text(encoding="utf-8").splitlines() if (folder / "calls").exists() else []
    written = (folder / "written").read_text(encoding="utf-8") if (folder / "written").exists() else ""
    return done.returncode, calls, written
