"""Losses are reported with their reason, also against a catalogue that a stranger wrote."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from chatwright import losses as module
from chatwright.catalogue import load_catalogue
from chatwright.errors import CatalogueError
from chatwright.git import git as run_git
from chatwright.losses import MAX_BYTES, Index, Loss, Unreadable, lines, losses, since_committed
from chatwright.meaning.tool_formats import tool_formats
from chatwright.pipeline import diff as diffs
from chatwright.pipeline import diff_report as tell
from chatwright.pipeline import render, write_tree
from chatwright.pipeline.loss_list import check_losses, entry_line

SPEC = """\
name: acme
title: Acme
publisher: Acme
templates:
  acme:
    slots:
      user: "<u>{{content}}</u>"
      assistant: {opener: "<a>", body: "{{content}}</a>"}
    stop_words: ["</a>"]
  other:
    registered: {llamafactory: null}
    slots:
      user: "<o>{{content}}</o>"
      assistant: {opener: "<b>", body: "{{content}}</b>"}
    stop_words: ["</b>"]
model_types:
  acme:
    architectures: [AcmeForCausalLM]
models:
  - template: acme
    model_type: acme
    checkpoints:
      - {name: Acme-8B, huggingface: acme/Acme-8B}
      - {name: Acme-9B, huggingface: acme/Acme-9B}
  - template: other
    model_type: acme
    checkpoints:
      - {huggingface: acme/Other-1B}
"""
REFUSED = "slots.user: ms-swift joins adjacent texts before it tokenizes them"


def files(specs: Path, text: str = SPEC) -> Mapping[str, str]:
    """What is generated from a folder of specs that holds this one."""
    (specs / "acme").mkdir(parents=True, exist_ok=True)
    (specs / "acme" / "acme.yaml").write_text(text, encoding="utf-8")
    return render(load_catalogue(specs, tool_formats=frozenset(tool_formats()))).files


def index(specs: Path, text: str = SPEC) -> Index:
    return Index.read(files(specs, text)["catalog.json"].encode())


def git(folder: Path, *arguments: str) -> str:
    who = ["-c", "user.name=A", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false", "-c", "init.defaultBranch=main"]
    done = subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def committed(folder: Path) -> None:
    if not (folder / ".git").exists():
        git(folder, "init", "-q")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "one")


def changed(old: str, new: str) -> str:
    assert SPEC.count(old) == 1
    return SPEC.replace(old, new)


# -- what is lost ----------------------------------------------------------------------------------------------------


def test_nothing_is_lost_of_what_is_the_same_or_more(tmp_path: Path) -> None:
    before = index(tmp_path / "one", changed("      - {name: Acme-9B, huggingface: acme/Acme-9B}\n", ""))
    assert losses(before, index(tmp_path / "two")) == ()
    assert losses(before, before) == ()


@pytest.mark.parametrize(
    ("text", "lost"),
    [
        (  # a slot that a framework cannot write
            changed('user: "<u>{{content}}</u>"', 'user: ["<u>", "{{content}}</u>"]'),
            [Loss("templates.acme.registered.swift", "acme", REFUSED, ("Acme-8B", "Acme-9B"))],
        ),
        (  # a file that cannot be made
            changed('stop_words: ["</b>"]', 'stop_words: ["</b>", "\\u200b"]'),
            [
                Loss(
                    "templates.other.files.ollama",
                    "deploy/ollama/other.Modelfile",
                    "stop_words: Ollama's Modelfile parser may drop or change U+200B, and knows no escapes",
                )
            ],
        ),
        (  # a registration that the spec takes away
            changed("registered: {llamafactory: null}", "registered: {llamafactory: null, swift: null}"),
            [
                Loss(
                    "templates.other.registered.swift",
                    "other",
                    "registered.swift: null: the spec gives it no name there",
                    ("Other-1B",),
                )
            ],
        ),
        (  # another name in a framework: who uses the former one has nothing
            changed("registered: {llamafactory: null}", "registered: {llamafactory: null, swift: others}"),
            [Loss("templates.other.registered.swift", "other", "it is registered as others")],
        ),
        (  # a model that one framework lists no more, though its name is the same
            changed("{name: Acme-9B, huggingface: acme/Acme-9B}", "{huggingface: acme/Acme-9B}"),
            [
                Loss(
                    "models.Acme-9B.registered.llamafactory",
                    "Acme-9B",
                    "the spec gives it no `name:`, under which llamafactory lists it",
                )
            ],
        ),
        (  # a model that is gone
            changed("      - {name: Acme-9B, huggingface: acme/Acme-9B}\n", ""),
            [Loss("models.Acme-9B", "acme/Acme-9B", "no spec lists it any more")],
        ),
        (  # a model of another name
            changed("{name: Acme-9B,", "{name: Acme-10B,"),
            [Loss("models.Acme-9B", "acme/Acme-9B", "no spec lists it any more; the same id has: Acme-10B")],
        ),
        (  # a model whose group names a template that is not registered there
            changed(
                "model_types:",
                "  third: {extends: other, registered: {swift: null, llamafactory: third}}\nmodel_types:",
            ).replace("template: other", "template: third"),
            [Loss("models.Other-1B.templates.swift", "other", "no template that is registered there is named for it")],
        ),
    ],
    ids=["slot", "file", "registration", "name there", "listed", "model", "renamed model", "template of a model"],
)
def test_each_kind(text: str, lost: list[Loss], tmp_path: Path) -> None:
    assert list(losses(index(tmp_path / "one"), index(tmp_path / "two", text))) == lost


def test_a_template_that_is_gone_and_one_of_another_name(tmp_path: Path) -> None:
    removed = SPEC[: SPEC.index("  other:")] + SPEC[SPEC.index("model_types:") : SPEC.index("  - template: other")]
    found = losses(index(tmp_path / "one"), index(tmp_path / "two", removed))
    assert [(loss.name, loss.was) for loss in found] == [
        ("templates.other.registered.swift", "other"),
        ("templates.other.files.vllm", "deploy/vllm/other.jinja"),
        ("templates.other.files.ollama", "deploy/ollama/other.Modelfile"),
        ("templates.other.files.lmdeploy", "deploy/lmdeploy/other.json"),
        ("templates.other.files.training", "training/other.jinja"),
        ("models.Other-1B", "acme/Other-1B"),
    ]
    assert {loss.reason for loss in found[:-1]} == {"there is no template other any more"}
    renamed = SPEC.replace("  other:", "  another:").replace("template: other", "template: another")
    reasons = {loss.reason for loss in losses(index(tmp_path / "one"), index(tmp_path / "three", renamed))}
    assert reasons == {"there is no template other any more; new in its family: another"}


def test_of_two_models_of_one_name_one_may_be_lost() -> None:
    def models(*types: str | None) -> Index:
        listed = [{"name": "M", "registered": {"swift": kind}, "templates": {}} for kind in types]
        return Index.of({"templates": {}, "models": listed})

    assert [loss.reason for loss in losses(models("a", "b"), models("b"))] == ["1 of 2 models of this name are left"]
    [lost] = losses(models("a", "b"), models("b", None))
    assert (lost.name, lost.was) == ("models.M.registered.swift", "a")
    assert losses(models("a", "b"), models("b", "a")) == ()


def test_a_catalogue_that_does_not_say_where_models_are_registered_loses_none() -> None:
    before = Index.of({"templates": {}, "models": [{"name": "M", "registered": {"swift": "a"}, "templates": {}}]})
    assert losses(before, Index.of({"templates": {}, "models": [{"name": "M", "templates": {}}]})) == ()


# -- against what is committed ---------------------------------------------------------------------------------------


def test_a_second_run_tells_what_the_first_one_told_until_it_is_committed(tmp_path: Path) -> None:
    out, specs = tmp_path / "out", tmp_path / "specs"
    before, after = files(specs), files(specs, changed("registered: {llamafactory: null}", "registered: {swift: null}"))
    made = after["catalog.json"].encode()
    write_tree(out, before)
    committed(out)
    [lost] = since_committed(out, made)[0]
    assert lost.name == "templates.other.registered.swift"
    write_tree(out, after)
    assert since_committed(out, made) == ((lost,), None)
    assert since_committed(out, None) == ((lost,), None)  # the one that stands there now
    committed(out)
    assert since_committed(out, made) == ((), None)


def test_without_git_it_is_what_stands_there(tmp_path: Path) -> None:
    out, specs = tmp_path / "out", tmp_path / "specs"
    made = files(specs, changed("registered: {llamafactory: null}", "registered: {swift: null}"))["catalog.json"]
    assert since_committed(out, made.encode()) == ((), None)
    write_tree(out, files(specs))
    assert [loss.was for loss in since_committed(out, made.encode())[0]] == ["other"]
    git(out, "init", "-q")  # and in a repository that has none committed
    assert [loss.was for loss in since_committed(out, made.encode())[0]] == ["other"]


HOSTILE: dict[str, bytes] = {
    "no JSON": b"<html>",
    "not UTF-8": b"\xff\xfe{",
    "a conflict": b'<<<<<<< HEAD\n{"templates": {}}\n',
    "deep": b"[" * 1_000_000,
    "a list": b"[]",
    "nothing": b"",
    "no templates": b"{}",
    "templates of a list": b'{"templates": [], "models": []}',
    "a template of a text": b'{"templates": {"a": "b"}, "models": []}',
    "a name of a number": b'{"templates": {"a": {"registered": {"swift": 1}}}, "models": []}',
    "files of a list": b'{"templates": {"a": {"files": ["x"]}}, "models": []}',
    "no models": b'{"templates": {}}',
    "a model of a text": b'{"templates": {}, "models": ["x"]}',
    "a model without a name": b'{"templates": {}, "models": [{"templates": {}}]}',
    "too large": b'{"templates": {}, "models": [' + b" " * MAX_BYTES + b"]}",
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE.keys())
@pytest.mark.parametrize("in_git", [True, False], ids=["committed", "on disk"])
def test_a_catalogue_by_somebody_else_is_a_note(content: bytes, in_git: bool, tmp_path: Path) -> None:
    made = b'{"templates": {}, "models": []}'
    (tmp_path / "catalog.json").write_bytes(content)
    if in_git:
        committed(tmp_path)
        (tmp_path / "catalog.json").write_bytes(made)
    found, note = since_committed(tmp_path, made)
    assert found == () and note is not None
    assert note.endswith("so losses cannot be listed") and "\n" not in note
    assert ("at HEAD" in note) is in_git


def test_what_is_no_file_is_a_note(tmp_path: Path) -> None:
    fifo = tmp_path / "catalog.json"
    os.mkfifo(fifo)
    threading.Thread(target=lambda: fifo.write_text("{}"), daemon=True).start()  # a reader would get this, and no more
    found, note = since_committed(tmp_path, b"{}")
    assert found == () and note is not None and "it is not a regular file" in note
    fifo.read_text()


def test_a_catalogue_that_is_too_large_is_not_read_from_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "catalog.json").write_bytes(b" " * (MAX_BYTES + 1))
    committed(tmp_path)
    asked: list[str] = []

    def recording(folder: Path, *arguments: str) -> bytes | None:
        asked.append(arguments[1])
        return run_git(folder, *arguments)

    monkeypatch.setattr(module, "git", recording)
    note = since_committed(tmp_path, b"{}")[1]
    assert note is not None and "it is larger than 16 MiB" in note
    assert asked == ["-s"]


def test_names_by_somebody_else_are_one_short_visible_line(tmp_path: Path) -> None:
    evil = "\x1b]0;x\x07\nlost: nothing \u202e" + "x" * 1000
    templates = {f"{evil}{number}": {"registered": {"swift": evil}} for number in range(1200)}
    (tmp_path / "catalog.json").write_text(json.dumps({"templates": templates, "models": []}), encoding="utf-8")
    told = list(lines(since_committed(tmp_path, b'{"templates": {}, "models": []}')[0]))
    assert len(told) == 1001 and told[-1] == "lost: 200 more"
    assert all(line.isprintable() and len(line) < 1000 for line in told)


def test_a_repository_starts_no_program(tmp_path: Path) -> None:
    """One whose settings say that what it lacks is fetched by a command of theirs."""
    repository, victim = tmp_path / "repository", tmp_path / "victim"
    repository.mkdir()
    (repository / "catalog.json").write_text('{"templates": {}, "models": []}', encoding="utf-8")
    committed(repository)
    blob = git(repository, "rev-parse", "HEAD:catalog.json")
    (repository / ".git" / "objects" / blob[:2] / blob[2:]).unlink()
    (repository / "catalog.json").unlink()
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\ntouch {victim}\n", encoding="utf-8")
    program.chmod(0o755)
    for key, value in (
        ("core.repositoryFormatVersion", "1"),
        ("extensions.partialClone", "evil"),
        ("remote.evil.url", str(repository)),
        ("remote.evil.promisor", "true"),
        ("remote.evil.uploadpack", str(program)),
    ):
        git(repository, "config", key, value)
    assert since_committed(repository, b'{"templates": {}, "models": []}') == ((), None)
    assert not victim.exists()


@pytest.mark.parametrize("where", [".git", "."])
def test_a_folder_that_says_it_is_a_repository_starts_no_program(tmp_path: Path, where: str) -> None:
    """A repository's own settings overrule `-c protocol.allow`; without `.git`, the files come with any clone."""
    source, folder, victim = tmp_path / "source", tmp_path / "folder", tmp_path / "victim"
    source.mkdir()
    (source / "catalog.json").write_text('{"templates": {}, "models": []}', encoding="utf-8")
    committed(source)
    blob = git(source, "rev-parse", "HEAD:catalog.json")
    (source / ".git" / "objects" / blob[:2] / blob[2:]).unlink()
    shutil.copytree(source / ".git", folder / where, dirs_exist_ok=True)
    settings = """[core]
repositoryFormatVersion = 1
bare = false
worktree = WHERE
[extensions]
partialClone = origin
[remote "origin"]
url = ext::sh -c "touch% VICTIM"
promisor = true
[protocol "ext"]
allow = always
[protocol]
allow = always
"""
    settings = settings.replace("WHERE", str(folder)).replace("VICTIM", str(victim))
    (folder / where / "config").write_text(settings, encoding="utf-8")
    since_committed(folder, b'{"templates": {}, "models": []}')
    assert not victim.exists()


@pytest.mark.parametrize("key", ["huggingface", "modelscope", "path", "template", "family"])
@pytest.mark.parametrize("value", [["x"], {"a": 1}, 1, True])
def test_a_catalogue_with_values_of_other_types_is_one_note(tmp_path: Path, key: str, value: Any) -> None:
    model = {"name": "gone", "templates": {}, "registered": {}, key: value}
    (tmp_path / "catalog.json").write_text(json.dumps({"templates": {}, "models": [model]}), encoding="utf-8")
    found, note = since_committed(tmp_path, b'{"templates": {}, "models": []}')
    assert found == ()
    assert note is not None and f"a model's {key} is no text" in note


# -- in diff, and in the check of a pull request -----------------------------------------------------------------------


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with one family and what is generated from it, committed; each test changes something in it."""
    root = tmp_path / "checkout"
    write_tree(root / "generated", files(root / "specs"))
    (root / "losses.yaml").write_text("# none yet\n", encoding="utf-8")
    committed(root)
    monkeypatch.setattr(diffs, "checkout_root", lambda: root)
    monkeypatch.setattr(diffs, "specs_path", lambda: root / "specs")
    return root


def test_diff_lists_losses_first(checkout: Path) -> None:
    files(checkout / "specs", changed('user: "<u>{{content}}</u>"', 'user: ["<u>", "{{content}}</u>"]'))
    compared = diffs.diff("HEAD", None, (), {})
    told = (
        f"templates.acme.registered.swift (was acme, and with it the template of 2 models: Acme-8B, Acme-9B): {REFUSED}"
    )
    assert list(tell.text_lines(compared))[1] == f"lost: {told}"
    head, _, first, *_ = tell.markdown(compared).split("\n\n")[1:]
    assert head.startswith("lost: 1 of registrations, files and models; ")
    assert first.startswith("- **lost** templates.acme.registered.swift (was acme,") and first.endswith(
        "tokenizes them"
    )
    data = tell.as_json(compared)
    [loss] = json.loads(json.dumps(data))["losses"]
    assert loss == {
        "name": "templates.acme.registered.swift",
        "was": "acme",
        "reason": REFUSED,
        "models": ["Acme-8B", "Acme-9B"],
    }
    assert list(data)[:3] == ["before", "after", "losses"]


def test_what_the_generator_makes_no_more_is_lost_though_no_spec_says_so(checkout: Path) -> None:
    file = checkout / "generated" / "catalog.json"
    data = json.loads(file.read_text(encoding="utf-8"))
    data["templates"]["acme"]["files"]["tgi"] = "deploy/tgi/acme.jinja"
    file.write_text(json.dumps(data), encoding="utf-8")
    committed(checkout)
    assert [loss.name for loss in diffs.diff("HEAD", None, (), {}).losses] == ["templates.acme.files.tgi"]
    assert diffs.diff("HEAD~1", None, (), {}).losses == ()
    assert [loss.name for loss in diffs.diff("HEAD", "HEAD~1", (), {}).losses] == ["templates.acme.files.tgi"]


@pytest.mark.parametrize("content", ["<html>", None], ids=["broken", "gone"])
def test_a_revision_without_a_catalogue_is_rendered(content: str | None, checkout: Path) -> None:
    file = checkout / "generated" / "catalog.json"
    file.unlink() if content is None else file.write_text(content, encoding="utf-8")
    committed(checkout)
    files(checkout / "specs", changed("registered: {llamafactory: null}", "registered: {swift: null}"))
    compared = diffs.diff("HEAD", None, (), {})
    assert [loss.name for loss in compared.losses] == ["templates.other.registered.swift"]
    assert compared.unread == (() if content is None else ("generated/catalog.json",))


LOST = Loss("templates.acme.registered.swift", "acme", REFUSED)
MODEL = Loss("models.Acme 9B: new", "acme/Acme-9B", "no spec lists it any more")


def listed(checkout: Path, *found: str) -> Any:
    (checkout / "losses.yaml").write_text("# what is lost\n" + "".join(f"{line}\n" for line in found), encoding="utf-8")
    checked = check_losses(checkout / "losses.yaml", (LOST, MODEL), "HEAD")
    return [loss.name for loss in checked.unlisted], [problem.message for problem in checked.stale]


def test_each_loss_is_listed_with_a_reason_and_nothing_else_is(checkout: Path) -> None:
    lines = [entry_line(LOST), entry_line(MODEL)]
    assert lines == ['templates.acme.registered.swift: ""', '"models.Acme 9B: new": ""']
    assert listed(checkout) == ([LOST.name, MODEL.name], [])
    with pytest.raises(CatalogueError, match=r"losses.yaml:2:34: .*: give the reason why this loss is intended"):
        listed(checkout, *lines)
    told = [line.replace('""', "two texts are meant") for line in lines]
    assert listed(checkout, told[0]) == ([MODEL.name], [])
    assert listed(checkout, *told) == ([], [])
    stale = "templates.acme.files.vllm is not lost since HEAD; remove the line"
    assert listed(checkout, *told, "templates.acme.files.vllm: by mistake") == ([], [stale])


def test_an_entry_of_an_earlier_change_is_a_record_and_excuses_nothing_new(checkout: Path) -> None:
    told = [entry_line(loss).replace('""', "meant") for loss in (LOST, MODEL)]
    listed(checkout, *told, "models.Older: it was withdrawn")
    committed(checkout)
    assert listed(checkout, *told, "models.Older: it was withdrawn") == ([LOST.name, MODEL.name], [])
    again = [line.replace("meant", "meant again") for line in told]
    assert listed(checkout, *again, "models.Older: it was withdrawn") == ([], [])


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("- templates.acme.registered.swift", "is a mapping"),
        ("templates.acme.registered.swift: [x]", "give the reason"),
        ("templates.acme.registered.swift: null", "give the reason"),
        ('templates.acme.registered.swift: "  "', "give the reason"),
        ("templates.acme: gone", "no loss has this name"),
        ("acme: gone", "no loss has this name"),
        ("models.a: x\nmodels.a: y", "duplicate key"),
    ],
)
def test_a_list_that_is_none_is_refused_with_its_place(line: str, message: str, checkout: Path) -> None:
    with pytest.raises(CatalogueError, match=rf"losses.yaml:\d+:\d+: .*{message}"):
        listed(checkout, line)


def test_a_list_outside_of_any_repository_is_new_as_a_whole(tmp_path: Path) -> None:
    file = tmp_path / "losses.yaml"
    file.write_text(f"{LOST.name}: meant\n", encoding="utf-8")
    checked = check_losses(file, (LOST,), "HEAD")
    assert (checked.unlisted, checked.stale) == ((), ())
    with pytest.raises(CatalogueError, match="cannot be read"):
        check_losses(tmp_path / "none.yaml", (), "HEAD")


def test_only_a_catalogue_is_read() -> None:
    with pytest.raises(Unreadable, match="larger than 16 MiB"):
        Index.read(b" " * (MAX_BYTES + 1))
