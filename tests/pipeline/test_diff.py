"""What changed between two catalogues, in words: the reviewer sees the prompt that the model will see."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt

from chatwright.catalogue import load_catalogue
from chatwright.catalogue.model import Catalogue, Checkpoint, Part, Spec, Template
from chatwright.errors import ChatwrightError, Location, UsageError
from chatwright.pipeline import diff_report as tell
from chatwright.pipeline import render, select
from chatwright.pipeline.compare import (
    Change,
    Comparison,
    Entry,
    Files,
    PromptChange,
    Verdict,
    changed_sources,
    compare_fidelity,
    compare_files,
    compare_pages,
    compare_specs,
)
from chatwright.pipeline.diff import _verdicts
from chatwright.pipeline.revisions import copy_folder, load_readable, read_file, resolve
from chatwright.targets import pages
from chatwright.targets.protocol import Context
from tests.support import catalogue

HOSTILE = "a|b\n# <script>alert(1)</script> ``` [x](http://y) \u202e"


@cache
def before() -> Catalogue:
    return select(catalogue(), {"meta/llama3.yaml"})


def spec() -> Spec:
    [found] = [spec for spec in before().specs if spec.name == "llama3"]
    return found


def with_spec(changed: Spec | None) -> Catalogue:
    others = tuple(item for item in before().specs if item.name != "llama3")
    return Catalogue((*others, *([changed] if changed else [])))


def with_template(name: str, **values: Any) -> Catalogue:
    templates = tuple(replace(item, **values) if item.name == name else item for item in spec().templates)
    return with_spec(replace(spec(), templates=templates))


def template(name: str = "llama3") -> Template:
    return before().templates[name]


def user(text: str) -> tuple[Part, ...]:
    return (Part("text", text), Part("field", "content"), Part("token", "<|eot_id|>"))


def text(compared: Comparison) -> str:
    return "\n".join(tell.text_lines(compared))


def test_nothing_is_told_of_what_is_the_same() -> None:
    templates = tuple(replace(item, location=Location("x", 9)) for item in spec().templates)
    assert changed_sources(before(), with_spec(replace(spec(), path="elsewhere.yaml", templates=templates))) == set()
    compared = compare_specs(before(), with_spec(spec()))
    assert compared.same
    assert text(replace(compared, before="a", after="b")) == "a -> b: nothing changed in what the specs mean"


def test_a_slot_is_told_with_the_prompt_before_and_after() -> None:
    after = with_template("llama3", slots=replace(template().slots, user=user("<|user|>")))
    assert changed_sources(before(), after) == {spec().source}
    compared = compare_specs(before(), after)
    [entry] = compared.templates
    assert (entry.what, entry.name, [change.name for change in entry.changes]) == ("changed", "llama3", ["slots.user"])
    assert entry.prompt is not None and (entry.prompt.scenario, entry.prompt.changed) == ("plain", entry.prompt.of)
    assert [line for line in entry.prompt.lines if line[0] in "+-"] == [
        "-  user        <|start_header_id|>user<|end_header_id|>⏎",
        "-  user        ⏎",
        "-  user        Hello<|eot_id|>",
        "+  user        <|user|>Hello<|eot_id|>",
    ]
    assert "prompts of 1 template differ" in text(compared)


def test_what_the_eye_does_not_see_in_a_prompt_is_shown_all_the_same() -> None:
    slot = template().slots.user
    broken = (*slot[:1], Part("break"), *slot[1:])
    [entry] = compare_specs(before(), with_template("llama3", slots=replace(template().slots, user=broken))).templates
    assert entry.prompt is not None
    assert any("tokenized apart" in line for line in entry.prompt.lines if line.startswith("+"))


def test_a_stop_word_changes_no_prompt() -> None:
    [entry] = compare_specs(before(), with_template("llama3", stop_words=("x",))).templates
    assert [change.after for change in entry.changes] == [["x"]]
    assert entry.prompt is None


def test_templates_come_go_and_are_renamed() -> None:
    renamed = with_spec(
        replace(
            spec(),
            templates=tuple(replace(i, name="other" if i.name == "llama3" else i.name) for i in spec().templates),
        )
    )
    [entry] = compare_specs(before(), renamed).templates
    assert (entry.what, entry.name, entry.told) == ("renamed", "other", "was llama3")
    fewer = with_spec(replace(spec(), templates=tuple(item for item in spec().templates if item.name != "llama3")))
    assert [(entry.what, entry.name) for entry in compare_specs(before(), fewer).templates] == [("removed", "llama3")]
    [entry] = compare_specs(fewer, before()).templates
    assert entry.what == "added" and entry.prompt is not None
    assert entry.prompt.lines[0] == "+  prefix      <bos>"


def test_models_come_go_and_change() -> None:
    group = spec().models[0]
    kept = group.checkpoints[0]
    new = Checkpoint(kept.location, "Acme-8B", {"huggingface": "acme/Acme-8B"}, None, {})
    moved = replace(kept, ids={**kept.ids, "huggingface": "meta-llama/Other"})
    after = with_spec(replace(spec(), models=(replace(group, checkpoints=(moved, new)), *spec().models[1:])))
    found = compare_specs(before(), after).models
    assert [(entry.what, entry.name) for entry in found if entry.what != "removed"] == [
        ("added", "Acme-8B"),
        ("changed", kept.title),
    ]
    assert len([entry for entry in found if entry.what == "removed"]) == len(group.checkpoints) - 1
    [change] = next(entry for entry in found if entry.what == "changed").changes
    assert (change.name, change.after) == ("huggingface", "meta-llama/Other")
    renamed = replace(kept, name="Renamed-8B")
    [entry] = compare_specs(
        before(),
        with_spec(
            replace(spec(), models=(replace(group, checkpoints=(renamed, *group.checkpoints[1:])), *spec().models[1:]))
        ),
    ).models
    assert (entry.what, entry.name, entry.told) == ("renamed", "Renamed-8B", f"was {kept.title}")
    assert found[0].told.startswith(f"template {group.template}") and "huggingface acme/Acme-8B" in found[0].told


def test_targets_and_fidelity() -> None:
    undescribed = with_template("llama3", undescribed="a thing")
    files = {item.target: item for item in compare_files(render(before()), render(undescribed))}
    assert files["vllm"].removed == ("llama3",) and "a thing" in files["vllm"].refused["llama3"]
    assert files["llamafactory"].changed == ("meta_llama3",)
    said = {
        "t": {"jinja": {"status": "exact", "counts": {"exact": 3}}, "old": {"status": "exact", "counts": {"exact": 1}}}
    }
    now = {"t": {"jinja": {"status": "unverified"}, "old": {"status": "exact", "counts": {"exact": 2}}}}
    lost, gained = compare_fidelity(said, now)
    assert (lost.engine, lost.lost, lost.before, lost.after) == ("jinja", True, "3 exact", "unverified")
    assert (gained.engine, gained.lost) == ("old", False)
    told = text(Comparison("a", "b", fidelity=(lost, gained)))
    assert "lost     t: unverified on jinja until" in told and "gained   t: old: 1 exact -> 2 exact" in told


def test_a_prompt_that_the_generator_writes_in_another_way_is_told() -> None:
    page = next(
        file.body for file in pages.generate(Context(before(), {}, {})).files if file.path.endswith("/llama3.md")
    )
    other = page.replace("You·are·terse.⏎", "You·were·terse.⏎", 1)
    [entry] = compare_pages({"llama3": page, "gone": "x"}, {"llama3": other, "new": "x"})
    assert entry.prompt is not None and (entry.prompt.scenario, entry.prompt.changed) == ("system_multi", 1)
    assert "+  system      You·were·terse.⏎" in entry.prompt.lines
    assert "prompts that no spec changed: 1" in text(Comparison("a", "b", pages=(entry,)))
    assert list(compare_pages({"llama3": page}, {"llama3": page.replace("## Slots", "## Slots\n\nx")})) == []


def test_hostile_text_is_text_in_markdown() -> None:
    after = with_template("llama3", slots=replace(template().slots, user=user(HOSTILE)), stop_words=(HOSTILE,))
    compared = compare_specs(before(), after)
    model = Entry("added", HOSTILE, HOSTILE, HOSTILE)
    told = tell.markdown(replace(compared, before="a", after="b", models=(model,), unread=(HOSTILE,)))
    tokens = MarkdownIt("commonmark", {"html": True}).enable("table").parse(told)
    assert [token.type for token in tokens if token.type == "html_block"] == []
    inner = [child.type for token in tokens for child in token.children or ()]
    assert set(inner) <= {"text", "text_special", "strong_open", "strong_close", "softbreak"}
    assert [token.info for token in tokens if token.type == "fence"] == ["diff"]
    assert "\u202e" not in told


def test_a_comment_is_never_too_long_for_github() -> None:
    lines = tuple(f"+{'x' * 200}" for _ in range(50))
    entries = tuple(Entry("added", f"t{n}", "f", prompt=PromptChange("plain", lines, 1, 1)) for n in range(20))
    lost = tuple(Verdict(f"t{n}", "vllm", "20 exact", f"{n} exact", lost=True) for n in range(900))
    refused = Files("vllm", (), (), (), {f"t{n}": "x" * 900 for n in range(900)})
    told = tell.markdown(Comparison("a", "b", templates=entries, files=(refused,), fidelity=lost))
    assert len(told) < 65_000 and "more parts are left out here; `chatwright diff` has them." in told
    assert "**lost** t0: vllm: 20 exact" in told and told.rstrip().endswith("860 more")


def test_long_values_are_shown_where_they_part() -> None:
    change = Change("default_system", "x" * 700 + "one", "x" * 700 + "two, and more")
    [line] = [
        line
        for line in text(Comparison("a", "b", templates=(Entry("changed", "t", "t", changes=(change,)),))).split("\n")
        if "default_system" in line
    ]
    assert 'xone" (705 characters) -> …' in line and 'xtwo, and more" (715 characters)' in line


def git(folder: Path, *arguments: str) -> None:
    who = ["-c", "user.name=A", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false", "-c", "init.defaultBranch=main"]
    subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    specs = tmp_path / "repo" / "specs"
    (specs / "acme").mkdir(parents=True)
    (specs / "acme" / "a b.yaml").write_text("name: one\n", encoding="utf-8")
    (specs / "acme" / "link.yaml").symlink_to("/etc/passwd")
    (specs.parent / "other.txt").write_text("x", encoding="utf-8")
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "one"]):
        git(specs.parent, *command)
    (specs / "acme" / "a b.yaml").write_text("name: two\n", encoding="utf-8")
    return specs


def test_a_folder_as_it_was(repository: Path, tmp_path: Path) -> None:
    revision = resolve(repository, "HEAD")
    copy_folder(repository, revision, tmp_path / "copy")
    found = {path.relative_to(tmp_path / "copy").as_posix() for path in (tmp_path / "copy").rglob("*.yaml")}
    assert found == {"acme/a b.yaml"}  # neither what lies beside it, nor where a link leads
    assert (tmp_path / "copy" / "acme" / "a b.yaml").read_text(encoding="utf-8") == "name: one\n"
    assert read_file(repository.parent, revision, "other.txt") == "x"
    assert read_file(repository.parent, revision, "none.txt") is None


def test_submodules_are_left_out(repository: Path, tmp_path: Path) -> None:
    other = "0123456789012345678901234567890123456789"
    git(repository.parent, "update-index", "--add", "--cacheinfo", f"160000,{other},specs/vendored")
    git(repository.parent, "commit", "-qm", "two")
    copy_folder(repository, resolve(repository, "HEAD"), tmp_path / "copy")
    assert [path.name for path in (tmp_path / "copy").iterdir()] == ["acme"]


def test_a_file_that_the_repository_lacks_is_told(repository: Path, tmp_path: Path) -> None:
    for path in (repository.parent / ".git" / "objects").glob("??/*"):
        kind = subprocess.run(
            ["git", "cat-file", "-t", path.parent.name + path.name], cwd=repository, capture_output=True, text=True
        )
        if kind.stdout == "blob\n":
            path.unlink()
    with pytest.raises(ChatwrightError, match="the repository lacks its content"):
        copy_folder(repository, resolve(repository, "HEAD"), tmp_path / "copy")


def test_what_is_no_revision_is_told(repository: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no revision '--all'"):
        resolve(repository, "--all")
    with pytest.raises(ChatwrightError, match="not in a git repository"):
        resolve(tmp_path, "HEAD")


def test_a_spec_that_cannot_be_read_as_it_was_is_left_out(tmp_path: Path) -> None:
    """And so is one that uses what it introduced."""
    specs = tmp_path / "specs" / "acme"
    specs.mkdir(parents=True)
    slots = '{user: "{{content}}", assistant: {opener: "A", body: "{{content}}."}}'
    for name, further in (("good", ""), ("bad", "what: ever\n"), ("user", "")):
        uses = "bad" if name == "user" else name
        (specs / f"{name}.yaml").write_text(
            f"name: {name}\ntitle: A\npublisher: A\n{further}"
            + (f"templates:\n  {name}:\n    slots: {slots}\n" if uses == name else "")
            + f"models:\n  - template: {uses}\n    checkpoints: [{{name: M-{name}, huggingface: a/{name}}}]\n",
            encoding="utf-8",
        )
    found, left_out = load_readable(lambda: load_catalogue(specs.parent), specs.parent)
    assert left_out == [Path("acme/bad.yaml"), Path("acme/user.yaml")]
    assert [spec.source for spec in found.specs] == ["acme/good.yaml"]


def test_everything_is_plain_json() -> None:
    compared = compare_specs(before(), with_template("llama3", stop_words=("x",)))
    assert json.loads(json.dumps(tell.as_json(compared)))["templates"][0]["changes"][0]["name"] == "stop_words"


def test_a_template_that_left_its_publishers_is_told_as_one_that_an_engine_reads() -> None:
    def told(**verdict: Any) -> Any:
        return _verdicts({"llama3": {}, "other": {}}, {"templates": {"llama3": verdict}})

    rows = [{"counts": {"exact": 2, "differs": 9}}, {"counts": {"exact": 7, "differs": 4}}]
    [lost] = compare_fidelity(told(status="differs", compared=rows), told(status="differs", compared=rows[:1]))
    assert (lost.template, lost.engine, lost.lost) == ("llama3", "publishers", True)
    assert (lost.before, lost.after) == ("7 exact, 4 differs", "2 exact, 9 differs")
    [unread] = compare_fidelity(told(status="differs", compared=rows), told(status="unverified", reason="changed"))
    assert (unread.after, unread.lost) == ("unverified", True)
    assert not list(compare_fidelity(told(status="not comparable"), told(status="not comparable")))
