"""One trailing space in qwen3's user slot takes three templates from ms-swift: every command says so."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

import chatwright.pipeline
from chatwright.pipeline.loss_list import check_losses
from tests.commands.test_cli import Runner
from tests.support import ROOT

SLOT = 'user: "<|im_start|>user\\n{{content}}<|im_end|>\\n"'
TEMPLATES = ("qwen3-swift", "qwen3_nothinking", "qwen3_thinking")
TURN = "<|im_start|>user\\n<tool_response>\\n{{content}}\\n</tool_response><|im_end|>\\n"
REASON = (
    "slots.user, slots.observation: ms-swift's agent template 'hermes' writes tool results in another way: "
    f'it writes "{TURN} ", the spec says "{TURN}"'
)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Runner:
    return Runner(monkeypatch, capsys)


class Repository:
    """Qwen3's spec as somebody's own, with what is generated from it, committed."""

    def __init__(self, root: Path, run: Runner) -> None:
        self.root, self.run = root, run
        self.specs, self.out = root / "specs", root / "generated"
        self.spec = self.specs / "qwen" / "qwen3.yaml"
        self.spec.parent.mkdir(parents=True)
        self.spec.write_bytes((ROOT / "specs" / "qwen" / "qwen3.yaml").read_bytes())
        assert self.generate() == []
        self.git("init", "-q")
        self.commit()

    def git(self, *arguments: str) -> None:
        who = ["-c", "user.name=A", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", *who, *arguments], cwd=self.root, check=True, capture_output=True)

    def commit(self) -> None:
        self.git("add", ".")
        self.git("commit", "-qm", "one")

    def generate(self, *options: str) -> list[str]:
        """What a run tells of losses."""
        answer = self.run("generate", "--specs", self.specs, "--only-mine", "--out", self.out, *options)
        assert answer.code == 0, answer.err
        return [line for line in answer.err.splitlines() if line.startswith(("lost:", "note:"))]

    def add_the_space(self) -> None:
        text = self.spec.read_text(encoding="utf-8")
        assert SLOT in text
        self.spec.write_text(text.replace(SLOT, SLOT[:-1] + ' "', 1), encoding="utf-8")


@pytest.fixture
def repository(tmp_path: Path, run: Runner) -> Repository:
    return Repository(tmp_path, run)


def test_generate_names_each_template_with_slot_and_reason(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.add_the_space()
    told = repository.generate("--diff")
    assert [line.partition(" (was ")[0] for line in told] == [
        f"lost: templates.{name}.registered.swift" for name in TEMPLATES
    ]
    assert all(line.endswith(f": {REASON}") for line in told)
    assert (
        "(was qwen3, and with it the template of 29 models: Qwen3-0.6B-Base, Qwen3-1.7B-Base, Qwen3-4B-Base" in told[0]
    )
    assert repository.generate() == told

    def nothing_is_made(*arguments: object, **options: object) -> None:
        raise AssertionError("the second run makes everything anew")

    monkeypatch.setattr(chatwright.pipeline, "render", nothing_is_made)
    assert repository.generate() == told  # the files are new, what is committed is not
    assert repository.generate("--check") == told
    repository.commit()
    assert repository.generate() == []  # and HEAD is looked at again
    repository.git("reset", "-q", "--soft", "HEAD~1")
    assert repository.generate() == told


def test_a_broken_catalogue_at_head_is_one_note(repository: Repository) -> None:
    good = (repository.out / "catalog.json").read_bytes()
    (repository.out / "catalog.json").write_bytes(b"<<<<<<< HEAD\n")
    repository.commit()
    (repository.out / "catalog.json").write_bytes(good)
    note = f"note: {repository.out}/catalog.json at HEAD: it is not JSON, so losses cannot be listed"
    assert repository.generate() == [note]
    repository.add_the_space()
    assert repository.generate() == [note]


def test_diff_lists_them_first(repository: Repository, run: Runner) -> None:
    repository.add_the_space()
    lines = run("diff", "--specs", repository.specs).out.splitlines()
    assert lines[0].startswith("HEAD -> the work tree: lost: 3 of registrations, files and models; templates 5 changed")
    assert [line.partition(" (was ")[0] for line in lines if line.startswith("lost:")] == [
        f"lost: templates.{name}.registered.swift" for name in TEMPLATES
    ]
    assert all(line.endswith(REASON) for line in lines[1:4]) and lines[4].startswith("templates: ")


def test_each_must_be_listed_with_a_reason(repository: Repository, run: Runner) -> None:
    repository.add_the_space()
    file = repository.root / "losses.yaml"
    file.write_text("# nothing yet\n", encoding="utf-8")

    def check() -> tuple[object, list[str]]:
        answer = run("diff", "HEAD", "--specs", repository.specs, "--losses", file)
        assert "lost: templates.qwen3-swift" in answer.out
        return answer.code, answer.err.splitlines()

    code, told = check()
    assert code == 1
    assert told == [
        f"{file}: 3 losses are not listed; bring back what is lost, or add, with the reason:",
        *(f'templates.{name}.registered.swift: ""' for name in TEMPLATES),
    ]
    entries = [line.replace('""', "the space is the publisher's") for line in told[1:]]
    file.write_text("\n".join(entries), encoding="utf-8")
    assert check() == (0, [])
    file.write_text("\n".join(entries[1:]), encoding="utf-8")
    assert check() == (
        1,
        [
            f"{file}: 1 loss is not listed; bring back what is lost, or add, with the reason:",
            'templates.qwen3-swift.registered.swift: ""',
        ],
    )
    file.write_text("\n".join([*entries, "models.Qwen3-8B: by mistake"]), encoding="utf-8")
    assert check() == (1, [f"{file}:4:1: models.Qwen3-8B is not lost since HEAD; remove the line"])


def test_the_list_of_this_repository_can_be_read() -> None:
    check_losses(ROOT / "tests" / "catalogue" / "losses.yaml", (), "HEAD")  # which raises with every problem of it
