"""A folder that a stranger made is data to every command that writes: nothing in it is replayed or followed.

Victims and attacks lie in a temporary folder of their own. ``mutants.py`` shows that each guard is needed.
"""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import click
import pytest

import chatwright.pipeline
from chatwright import cli, resources
from chatwright.catalogue import load_catalogue
from chatwright.catalogue.model import Catalogue
from chatwright.commands import generate
from chatwright.errors import ChatwrightError
from chatwright.inspection.draft import Draft
from chatwright.meaning.tool_formats import tool_formats
from chatwright.pipeline.readme import END, START
from chatwright.pipeline.revisions import copy_folder
from chatwright.pipeline.writer import MANIFEST
from chatwright.records.frameworks import built_ins
from conformance import overrides
from conformance.__main__ import conformance
from conformance.checks import identify as identify_check
from conformance.checks.workbench import Report
from conformance.commands import sync
from conformance.sync import registry
from conformance.sync.registry import Registry
from conformance.sync.write import remember_plugins
from tests.gguf_files import make, model_keys
from tests.support import catalogue, no_waiting

SPEC = """\
name: one
title: Demo
publisher: Acme
templates:
  one:
    slots:
      user: "<user>{{content}}</user>"
      assistant: {opener: "<bot>", body: "{{content}}<end>"}
    stop_words: ["<end>"]
"""
MODEL = {"ids": {"DEFAULT": "acme/MT"}, "template": None, "multimodal": False}


@pytest.fixture(autouse=True)
def _not_for_ever() -> Iterator[None]:
    with no_waiting():
        yield


# -- every command that writes -----------------------------------------------------------------------------------------


class Ended(NamedTuple):
    code: object
    err: str


class Commands:
    """Each writing command, run into a folder; ``given`` is a folder of what they read."""

    def __init__(self, given: Path, patch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.given, self.patch, self.capsys = given, patch, capsys
        (given / "specs" / "acme").mkdir(parents=True)
        (given / "specs" / "acme" / "one.yaml").write_text(SPEC)
        (given / "docs" / "templates").mkdir(parents=True)
        (given / "docs" / "templates" / "one.md").write_text("# One\n")
        (given / "model").mkdir()
        (given / "model" / "tokenizer.json").write_text(json.dumps({"model": {"vocab": {"<end>": 1}}}))

    def run(self, name: str, folder: Path) -> Ended:
        return getattr(self, f"_{name}")(folder)  # type: ignore[no-any-return]

    def _main(self, *arguments: str | Path, group: click.Group = cli.cli) -> Ended:
        self.capsys.readouterr()
        self.patch.setattr(sys, "argv", ["chatwright", *map(str, arguments)])
        with pytest.raises(SystemExit) as exit_:
            cli.main(group)
        return Ended(exit_.value.code, self.capsys.readouterr().err)

    def _called(self, call: Callable[[], object]) -> Ended:
        try:
            call()
        except ChatwrightError as error:
            return Ended(1, f"error: {error}\n")
        return Ended(0, "")

    def _generate(self, folder: Path) -> Ended:
        return self._main("generate", "--specs", self.given / "specs", "--only-mine", "--out", folder)

    def _check(self, folder: Path) -> Ended:
        return self._main("generate", "--check", "--specs", self.given / "specs", "--only-mine", "--out", folder)

    def _tables(self, folder: Path) -> Ended:
        return self._main(
            "site", "--specs", self.given / "specs", "--only-mine", "--docs", self.given / "docs", "--into", folder
        )

    def _site(self, folder: Path) -> Ended:
        return self._main("site", "--specs", self.given / "specs", "--only-mine", "--into", folder)

    def _export(self, folder: Path) -> Ended:
        given = ("--specs", self.given / "specs", "--model", self.given / "model")
        return self._main("export", "one", "--for", "vllm", *given, "--into", folder, "--force")

    def _export_model(self, folder: Path) -> Ended:
        return self._main(
            "export", "one", "--for", "transformers", "--specs", self.given / "specs", "--model", folder, "--force"
        )

    def _export_gguf(self, folder: Path) -> Ended:
        gguf = make(self.given / "m.gguf", model_keys(("<end>",)), tensors={"t": bytes(4)})
        given = ("--specs", self.given / "specs", "--gguf", gguf)
        return self._main("export", "one", "--for", "llamacpp", *given, "--into", folder, "--force")

    def _new(self, folder: Path) -> Ended:
        return self._main("new", "acme", "--specs", folder)

    def _draft(self, folder: Path) -> Ended:
        found = Draft("one", SPEC, {}, None, (), False, False, ())
        self.patch.setattr("chatwright.inspection.draft.read_source", lambda _: None)
        self.patch.setattr("chatwright.inspection.draft.draft", lambda *_: found)
        return self._main("draft", "model", "--out", folder / "acme" / "one.yaml", "--force")

    def _sync(self, folder: Path) -> Ended:
        version = built_ins()["llamafactory"].version
        sides = Registry("llamafactory", version, {}, {}), Registry("llamafactory", version, {}, {"MT": MODEL})
        self.patch.setattr(registry, "read_both", lambda *_: sides)
        self.patch.setattr(resources, "specs_path", lambda: folder)
        self.patch.setattr(sync, "_load_whole", lambda: None)
        return self._main("sync", "llamafactory", "--write", group=conformance)

    def _plugins(self, folder: Path) -> Ended:
        theirs = Registry("llamafactory", "1", {}, {}, plugins={"new_plugin": []})
        try:
            return self._called(lambda: remember_plugins(theirs, folder))
        finally:
            built_ins.cache_clear()

    def _overrides(self, folder: Path) -> Ended:
        self.patch.setattr(overrides, "CEILINGS", folder / "overrides.yaml")
        return self._main("overrides", "--lower", group=conformance)

    def _counts(self, folder: Path) -> Ended:
        if not os.path.lexists(folder / "README.md"):
            (folder / "README.md").write_text(START + END)
        return self._called(lambda: generate._write_counts(folder / "README.md", Catalogue(()), write=True))

    def _record(self, folder: Path) -> Ended:
        self.patch.setattr(identify_check, "RESULTS", folder)
        bench: Any = SimpleNamespace(record=True)
        return self._called(lambda: identify_check._keep(Report("x"), bench, "identify.txt", ["a"]))


WRITES = {  # of each command one file that it writes, in a folder of the output folder where there is one
    "generate": "deploy/vllm/one.jinja",
    "tables": "generated/docs/templates/one.html",
    "site": "index.html",
    "export": "one.generation/generation_config.json",
    "export_model": "chat_template.jinja",
    "export_gguf": "m.gguf",
    "new": "own/acme.yaml",
    "draft": "acme/one.yaml",
    "sync": "acme/mt.yaml",
    "plugins": "llamafactory.json",
    "overrides": "overrides.yaml",
    "counts": "README.md",
    "record": "identify.txt",
}


@pytest.fixture
def commands(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Commands:
    """The public catalogue, which would be read each time, is left out where a folder of specs is given."""
    known = frozenset(tool_formats())
    monkeypatch.setattr(
        chatwright.pipeline,
        "load_public_catalogue",
        lambda *folders, cache: load_catalogue(*folders, tool_formats=known) if folders else catalogue(),
    )
    return Commands(tmp_path_factory.mktemp("given"), monkeypatch, capsys)


def everything(folder: Path) -> dict[str, tuple[int, object]]:
    """All that lies below a folder, links not followed: kind, and content or where it leads."""
    found = {}
    for place in sorted(folder.rglob("*")):
        kind = stat.S_IFMT(place.lstat().st_mode)
        content = os.readlink(place) if stat.S_ISLNK(kind) else place.read_bytes() if stat.S_ISREG(kind) else None
        found[place.relative_to(folder).as_posix()] = kind, content
    return found


def a_stranger_s_folder(folder: Path, outside: Path) -> None:
    """A model folder with what earlier versions took for the journal of a killed run; git carries all of it.

    The moves that it lists lead through links: one overwrites ``outside/.bashrc``, one takes ``outside/.ssh/id_x``.
    """
    (outside / ".ssh").mkdir(parents=True)
    (outside / ".bashrc").write_text("the user's")
    (outside / ".ssh" / "id_x").write_text("secret")
    for place in (folder, folder / "acme"):
        stage = place / ".chatwright-stage"
        for name in ("old", "new/d", "again", "../d"):
            (stage / name).mkdir(parents=True)
        (stage / "old" / "d").symlink_to(os.path.relpath(outside, stage / "old"))
        (stage / "new" / "keys").symlink_to(os.path.relpath(outside / ".ssh", stage / "new"))
        (stage / "new" / "d" / ".bashrc").write_text("evil")
        for journal in ("forward", "back"):
            (stage / journal).write_text('[[],["d/.bashrc","keys/id_x"]]')
        (place / MANIFEST).write_text("d/.bashrc\n")
        (place / "d" / ".bashrc").write_text("evil")


@pytest.mark.parametrize("command", WRITES)
def test_a_journal_that_a_stranger_wrote(tmp_path: Path, commands: Commands, command: str) -> None:
    """The command does its work, and nothing that was there is moved, removed or, but for the manifest, changed."""
    folder = tmp_path / "home" / "model"
    a_stranger_s_folder(folder, tmp_path / "home" / "outside")
    before = everything(tmp_path)
    for _ in range(1 if command == "new" else 2):
        ended = commands.run(command, folder)
        assert ended.code in (0, 1) if command == "sync" else ended.code == 0, ended.err
        assert (folder / WRITES[command]).is_file()
        after = everything(tmp_path)
        gone = {path for path in before if after.get(path) != before[path]}
        assert gone == ({f"home/model/{MANIFEST}"} if command == "generate" else set())
        new = {path for path in after.keys() - before.keys() if after[path][0] == stat.S_IFREG}
        assert new
        assert all(path.startswith("home/model/") for path in new)
        assert not any("chatwright-" in path for path in new)


def test_what_a_stranger_s_manifest_lists_is_left_and_named(tmp_path: Path, commands: Commands) -> None:
    folder = tmp_path / "model"
    a_stranger_s_folder(folder, tmp_path / "outside")
    (folder / MANIFEST).write_text("".join(f"d/{number}\n" for number in range(30)) + "d/\x1b[2J\nd/.bashrc\n")
    for number in range(30):
        (folder / "d" / str(number)).write_text("mine")
    ended = commands.run("generate", folder)
    assert ended.code == 0
    lines = ended.err.splitlines()
    assert lines[0] == f"note: {folder}/d/.bashrc: no longer generated, but left: it does not carry our header"
    assert len(lines) == 11
    assert lines[-1] == "note: and 21 more"
    assert (folder / "d" / "7").read_text() == "mine"


def _outside(folder: Path) -> Path:
    return folder.parent / "outside"


def _link_to_file(place: Path, folder: Path) -> None:
    (_outside(folder) / "file").write_text(START + END)
    place.symlink_to(os.path.relpath(_outside(folder) / "file", place.parent))


def _link_to_folder(place: Path, folder: Path) -> None:
    place.symlink_to(_outside(folder))


def _fifo(place: Path, _: Path) -> None:
    os.mkfifo(place)


def _folder(place: Path, _: Path) -> None:
    place.mkdir()


OBSTACLES: dict[str, tuple[Callable[[Path, Path], None], str]] = {
    "link to a file": (_link_to_file, "a symbolic link, which is not followed"),
    "link to a folder": (_link_to_folder, "a symbolic link, which is not followed"),
    "FIFO": (_fifo, "not a regular file"),
    "folder": (_folder, "a folder"),
}


@pytest.mark.parametrize("command", [*WRITES, "check"])
@pytest.mark.parametrize("what", OBSTACLES)
def test_what_is_in_the_place_of_a_file(tmp_path: Path, commands: Commands, command: str, what: str) -> None:
    """Refused in one line that names it, with everything as it was."""
    folder = tmp_path / "folder"
    place = folder / WRITES.get(command, WRITES["generate"])
    place.parent.mkdir(parents=True)
    _outside(folder).mkdir()
    make, words = OBSTACLES[what]
    make(place, folder)
    before = everything(tmp_path)
    ended = commands.run(command, folder)
    if command == "new" or (command == "draft" and "folder" in what):  # refused already for another reason
        assert ended.code in (1, 2)
        assert str(place) in ended.err
    else:
        assert ended == (1, f"error: {place}: {words}, and a file has to be there; move it elsewhere\n")
    assert everything(tmp_path) == before


@pytest.mark.parametrize("command", [name for name, path in WRITES.items() if "/" in path and name != "draft"])
@pytest.mark.parametrize("what", ["link to a file", "link to a folder", "FIFO"])
def test_what_is_in_the_place_of_a_folder(tmp_path: Path, commands: Commands, command: str, what: str) -> None:
    folder = tmp_path / "folder"
    place = folder / WRITES[command].split("/")[0]
    place.parent.mkdir(parents=True)
    _outside(folder).mkdir()
    make, words = OBSTACLES[what]
    make(place, folder)
    before = everything(tmp_path)
    ended = commands.run(command, folder)
    assert ended == (1, f"error: {place}: {words}, and a folder has to be there; move it elsewhere\n")
    assert everything(tmp_path) == before


def test_a_draft_s_schema_is_not_written_behind_a_link(tmp_path: Path, commands: Commands) -> None:
    """The folder that is named may be a link, but what is written next to it lies where the name does."""
    (tmp_path / "elsewhere" / "publisher").mkdir(parents=True)
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs" / "acme").symlink_to(tmp_path / "elsewhere" / "publisher")
    assert commands.run("draft", tmp_path / "specs").code == 0
    assert {path for path, (kind, _) in everything(tmp_path).items() if stat.S_ISREG(kind)} == {
        "specs/schema.json",
        "elsewhere/publisher/one.yaml",
    }


@pytest.mark.parametrize("command", ["new", "draft"])
def test_a_schema_of_somebody_else_stays(tmp_path: Path, commands: Commands, command: str) -> None:
    (tmp_path / "schema.json").write_text('{"title": "mine"}')
    commands.run(command, tmp_path)
    assert (tmp_path / "schema.json").read_text() == '{"title": "mine"}'


@pytest.mark.parametrize("command", ["generate", "check"])
@pytest.mark.parametrize("what", [*OBSTACLES, "NUL", "3 MB of ["])
def test_what_is_in_the_place_of_a_manifest(tmp_path: Path, commands: Commands, command: str, what: str) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    _outside(folder).mkdir()
    if what in OBSTACLES:
        OBSTACLES[what][0](folder / MANIFEST, folder)
    else:
        (folder / MANIFEST).write_bytes(b"\0" if what == "NUL" else b"[" * 3_000_000)
    before = everything(tmp_path)
    ended = commands.run(command, folder)
    assert ended.code == 1
    [line] = ended.err.splitlines()
    assert line.startswith(f"error: {folder / MANIFEST}: ")
    assert line.endswith("remove it, then run again" if what not in OBSTACLES else "move it elsewhere")
    assert everything(tmp_path) == before


@pytest.mark.parametrize("what", ["link to a file", "link to a folder", "FIFO"])
def test_what_takes_a_place_after_a_run_is_seen_by_the_next(tmp_path: Path, commands: Commands, what: str) -> None:
    """Where nothing has changed, too, and only what is there is looked at."""
    folder = tmp_path / "folder"
    _outside(folder).mkdir()
    assert commands.run("generate", folder).code == 0
    assert commands.run("check", folder).code == 0
    place = folder / WRITES["generate"]
    place.unlink()
    OBSTACLES[what][0](place, folder)
    for command in ("check", "generate"):
        ended = commands.run(command, folder)
        assert ended.code == 1
        assert ended.err.startswith(f"error: {place}: {OBSTACLES[what][1]}")


def test_the_default_folder_is_not_one_behind_a_link(tmp_path: Path, commands: Commands) -> None:
    """Nobody named it: it came with what was cloned."""
    (tmp_path / "clone").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "clone" / "generated").symlink_to("../elsewhere")
    commands.patch.chdir(tmp_path / "clone")
    commands.patch.setattr(resources, "checkout_root", lambda: None)
    ended = commands._main("generate")
    assert ended.code == 1
    assert "generated: a symbolic link; it is followed only if --out names it" in ended.err
    assert not any((tmp_path / "elsewhere").iterdir())


# -- what a repository says of an earlier revision ---------------------------------------------------------------------


def test_a_tree_of_git_that_leads_out(tmp_path: Path) -> None:
    """`diff` copies what was there at a revision; git hands on any path that a tree names."""

    def git(*arguments: str, given: bytes = b"") -> str:
        where = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
        who = ("-c", "user.name=x", "-c", "user.email=x")
        done = subprocess.run(["git", "-C", str(repo), *who, *arguments], input=given, env=where, capture_output=True)
        assert done.returncode == 0, done.stderr
        return done.stdout.decode().strip()

    def tree(**entries: str) -> str:
        raw = b""
        for name, entry in entries.items():
            mode, digest = ("40000", entry[5:]) if entry.startswith("tree ") else ("100644", entry)
            raw += f"{mode} {name}".encode() + b"\0" + bytes.fromhex(digest)
        return "tree " + git("hash-object", "-t", "tree", "-w", "--stdin", "--literally", given=raw)

    repo = tmp_path / "repo"
    repo.mkdir()
    git("init", "--quiet")
    blob = git("hash-object", "-w", "--stdin", given=b"evil")
    root = tree(**{"..": tree(victim=blob), "acme": tree(**{"one.yaml": blob})})
    commit = git("commit-tree", root[5:], "-m", "x")
    copy_folder(repo, commit, tmp_path / "copies" / "copy")
    assert set(everything(tmp_path / "copies")) == {"copy", "copy/acme", "copy/acme/one.yaml"}
