"""What is kept by content: the same bytes as without it, made anew when anything it depends on has changed."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from chatwright import cache as caches
from chatwright import runs as runs_module
from chatwright.cache import Cache, digest_of, key_of, user_cache
from chatwright.catalogue import load_catalogue
from chatwright.catalogue.model import Catalogue
from chatwright.errors import ChatwrightError
from chatwright.meaning.tool_formats import tool_formats
from chatwright.pipeline import render, select
from chatwright.pipeline.around import Surroundings
from chatwright.pipeline.parallel import in_parallel
from chatwright.pipeline.parts import Parts
from chatwright.records.engines import EngineEvidence, Result, TemplateEvidence
from chatwright.runs import Runs
from tests.support import ROOT, catalogue, no_waiting

BASE = """\
name: base
title: Base
publisher: Acme
templates:
  base:
    slots:
      user: "<u>{{content}}</u>"
      assistant: {opener: "<a>", body: "{{content}}</a>"}
    stop_words: ["</a>"]
"""
USER = """\
name: user
title: User
publisher: Acme
models:
  - template: base
    checkpoints:
      - {name: User-8B, huggingface: acme/User-8B}
"""
OTHER = BASE.replace("base", "other").replace("Base", "Other")


@pytest.fixture
def specs(tmp_path: Path) -> Path:
    """Three families: one introduces a template, one uses it, and one has nothing to do with them."""
    folder = tmp_path / "specs" / "acme"
    folder.mkdir(parents=True)
    for name, text in {"base": BASE, "user": USER, "other": OTHER}.items():
        (folder / f"{name}.yaml").write_text(text)
    return tmp_path / "specs"


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


def load(specs: Path, cache: Cache | None = None) -> Catalogue:
    return load_catalogue(specs, tool_formats=frozenset(tool_formats()), cache=cache)


def made(specs: Path, cache: Cache, monkeypatch: pytest.MonkeyPatch, evidence: Any = None) -> set[str]:
    """The specs whose files are made anew; whatever is, all is as it would be without a cache."""
    found: set[str] = set()
    make = Parts._made

    def note(self: Parts, targets: Any, context: Any, key: str) -> Any:
        found.add(f"{Path(context.source).stem} {targets[0]}")
        return make(self, targets, context, key)

    with monkeypatch.context() as patch:
        patch.setattr(Parts, "_made", note)
        files = render(load(specs, cache), evidence, cache=cache).files
    assert files == render(load(specs), evidence).files
    return found


EVERYTHING = {f"{name} {target}" for name in ("base", "user", "other") for target in ("llamafactory", "pages")}


def test_only_what_depends_on_a_change_is_made_anew(specs: Path, cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    def again() -> set[str]:
        return made(specs, cache, monkeypatch)

    def change(name: str, old: str, new: str) -> None:
        file = specs / "acme" / f"{name}.yaml"
        assert old in file.read_text()
        file.write_text(file.read_text().replace(old, new))

    assert again() == EVERYTHING
    assert again() == set()
    change("other", "<u>", "<v>")
    assert again() == {"other llamafactory", "other pages"}
    change("other", "<v>", "<u>")
    assert again() == set()
    change("base", "</u>", "</u>\\n")  # whose template the other one uses
    assert again() == {"base llamafactory", "base pages", "user llamafactory", "user pages"}
    change("user", "User-8B,", "User-9B,")  # which stands among the models of that template
    assert again() == {"base llamafactory", "base pages", "user llamafactory", "user pages"}
    change("user", "name: user", "# said of it\n\nname: user")  # moves everything, and says nothing else
    assert again() == set()


def test_evidence_that_concerns_a_spec_makes_its_pages_anew(
    specs: Path, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(specs, cache, monkeypatch)
    served = render(load(specs)).deployments["vllm"]["other"]
    said = TemplateEvidence(str(served.sha256), {"plain": Result("exact")})
    evidence = {"engine": EngineEvidence("engine", "1", "engine", "vllm", {"other": said})}
    assert made(specs, cache, monkeypatch, evidence) >= {"other pages"}
    assert made(specs, cache, monkeypatch, evidence) == set()
    said = replace(said, results={"plain": Result("differs", "why")})
    evidence["engine"] = replace(evidence["engine"], templates={"other": said})
    assert made(specs, cache, monkeypatch, evidence) == {"other pages"}


@pytest.mark.parametrize("what", ["code", "schema", "library", "python"])
def test_the_generator_and_what_it_runs_on_are_part_of_every_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    package, schema = tmp_path / "package", tmp_path / "schema.json"
    package.mkdir()
    (package / "a.py").write_text("1")
    schema.write_text("{}")
    monkeypatch.setattr(caches, "_PACKAGE", package)
    monkeypatch.setattr(caches.resources, "schema_path", lambda: schema)

    def digest() -> str:
        caches.generator_digest.cache_clear()
        return key_of("x", 1)

    before = digest()
    assert digest() == before
    changes: dict[str, Callable[[], object]] = {
        "code": lambda: (package / "a.py").write_text("2"),
        "schema": lambda: schema.write_text("{ }"),
        "library": lambda: monkeypatch.setattr("importlib.metadata.version", lambda name: "0"),
        "python": lambda: monkeypatch.setattr(sys, "version", "4.0"),
    }
    changes[what]()
    try:
        assert digest() != before
    finally:
        caches.generator_digest.cache_clear()


def test_a_part_of_the_real_catalogue_is_the_same_with_and_without(cache: Cache) -> None:
    part = select(catalogue(), {"qwen/qwen3.yaml", "meta/llama4.yaml", "zhipu/glm4.yaml"})
    cold = render(part, cache=cache)
    warm = render(part, cache=cache, workers=2)
    assert warm == cold
    assert render(part, workers=2).files == cold.files


def test_what_is_around_a_spec_stays_as_it_is_when_others_change() -> None:
    whole = Surroundings(catalogue())
    sizes = [len(whole.of(number).specs) for number in range(len(catalogue().specs))]
    assert max(sizes) < len(sizes) / 5
    assert sum(sizes) < 5 * len(sizes)


def test_places_in_files_are_in_no_key() -> None:
    """They are all that a key leaves out, so no target may read them."""
    for file in sorted((ROOT / "generator" / "chatwright" / "targets").rglob("*.py")):
        assert ".location" not in file.read_text(), file.name
        assert ".overrides" not in file.read_text(), file.name


# -- entries -----------------------------------------------------------------------------------------------------------


def entry(cache: Cache) -> Path:
    cache.put("ab" * 32, {"x": ["é", 1]})
    assert cache.get("ab" * 32) == {"x": ["é", 1]}
    assert cache.folder is not None
    [file] = [file for file in cache.folder.rglob("*") if file.is_file()]
    return file


@pytest.mark.parametrize(
    "damage", [lambda b: b"", lambda b: b[:-1], lambda b: b + b"x", lambda b: b[:40] + b"\0" + b[41:], lambda b: b"{}"]
)
def test_a_damaged_entry_is_none(cache: Cache, damage: Callable[[bytes], bytes]) -> None:
    file = entry(cache)
    file.write_bytes(damage(file.read_bytes()))
    assert cache.get("ab" * 32) is None


def test_an_entry_under_another_name_is_none(cache: Cache) -> None:
    file = entry(cache)
    file.rename(file.with_name("cd" * 31))
    assert cache.get("ab" + "cd" * 31) is None


@pytest.mark.parametrize("what", ["link", "FIFO", "folder", "folder that is a link"])
def test_what_is_no_regular_file_is_no_entry_and_stays(cache: Cache, tmp_path: Path, what: str) -> None:
    """Neither followed nor waited for."""
    file = entry(cache)
    kept = file.rename(tmp_path / file.name)
    if what == "link":
        file.symlink_to(kept)
    elif what == "FIFO":
        os.mkfifo(file)
    elif what == "folder":
        file.mkdir()
    else:
        file.parent.rmdir()
        file.parent.symlink_to(tmp_path)
    before = kept.read_bytes(), os.lstat(file.parent if "that is" in what else file)
    with no_waiting():
        assert cache.get("ab" * 32) is None
        cache.put("ab" * 32, "new")
        assert cache.get("ab" * 32) is None
    assert kept.read_bytes() == before[0]
    assert os.path.samestat(os.lstat(file.parent if "that is" in what else file), before[1])


@pytest.mark.parametrize("limit", ["MAX_ENTRY", "MAX_VALUE"])
def test_an_entry_that_is_too_large_is_none(cache: Cache, monkeypatch: pytest.MonkeyPatch, limit: str) -> None:
    cache.put("ab" * 32, int("7" * 100))
    assert cache.get("ab" * 32)
    monkeypatch.setattr(caches, limit, 20)
    assert cache.get("ab" * 32) is None


def test_a_folder_that_cannot_be_written_is_no_cache(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    cache = Cache(tmp_path / "file")
    cache.put("ab" * 32, 1)
    assert cache.get("ab" * 32) is None


def test_what_was_not_used_for_longest_goes(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caches, "MAX_BYTES", 8000)
    for number in range(20):
        cache.put(f"{number:064}", os.urandom(500).hex())
        os.utime(cache._file(f"{number:064}"), (number, number))
    assert cache.get(f"{0:064}")  # used just now
    cache.prune()
    kept = [number for number in range(20) if cache.get(f"{number:064}")]
    assert 0 in kept
    assert 1 not in kept
    assert 19 in kept


def test_what_others_put_there_stays(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cache.folder
    monkeypatch.setattr(caches, "MAX_BYTES", 8000)
    cache.put("ab" * 32, "x")
    foreign = [cache.folder / path for path in ("novel.txt", "docs/novel.txt", "ab/novel.txt", f"docs/{'a' * 62}")]
    for file in foreign:
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(bytes(9000))
        os.utime(file, (1, 1))
    for number in range(20):
        cache.put(f"{number:064}", os.urandom(500).hex())
    unfinished = cache.folder / "ab" / f".{'cd' * 25}.0123456789abcdef.chatwright-part"
    unfinished.write_bytes(bytes(9000))
    others = cache.folder / "ab" / ".novel.txt.0123456789abcdef.chatwright-part"
    others.write_bytes(bytes(9000))
    os.utime(unfinished, (1, 1))
    cache.prune()
    assert all(file.is_file() for file in (*foreign, others))
    assert not unfinished.exists()


def test_where_the_cache_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv(caches.VARIABLE)
    assert user_cache().folder == tmp_path / "chatwright"
    monkeypatch.setenv(caches.VARIABLE, str(tmp_path / "here"))
    assert user_cache().folder == tmp_path / "here"
    (tmp_path / "here").chmod(0o777)
    assert user_cache().folder is None  # anyone could say what is generated
    assert "others may write there" in user_cache().unused
    for off in ("", "off"):
        monkeypatch.setenv(caches.VARIABLE, off)
        assert user_cache().folder is None
        assert not user_cache().unused
    monkeypatch.delenv(caches.VARIABLE)
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", homeless)
    assert user_cache().folder is None


def homeless() -> Path:
    raise RuntimeError("Could not determine home directory.")


def test_contents_are_told_apart() -> None:
    values: list[Any] = [None, 0, False, "", "0", [], {}, ["a", "b"], ["ab"], {"a": "b"}, 1, 1.5, "é", frozenset("ab")]
    assert len({digest_of(value) for value in values}) == len(values) - 1  # a set of a and b is the list of them
    with pytest.raises(TypeError):
        digest_of(object())


# -- runs --------------------------------------------------------------------------------------------------------------


def test_a_run_is_known_while_nothing_has_changed(
    specs: Path, cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def runs(*folders: Path, mine: bool = True) -> Runs:
        return Runs(cache, folders, only_mine=mine)

    out = tmp_path / "out"
    (out / "x").mkdir(parents=True)
    (out / "x" / "a.py").write_text("1\n")
    first = runs(specs)
    assert first.known() is None
    first.keep({"x/a.py": "1\n"}, ["told"], "counts")
    known = runs(specs).known()
    assert known is not None
    assert known.told == ("told",)
    assert known.stands_in(out, None)
    assert runs(specs, mine=False).known() is None
    assert runs().known() is None
    (specs / "acme" / "new.yml").write_text("")
    assert runs(specs).known() is None
    (specs / "acme" / "new.yml").unlink()
    assert runs(specs).known() == known

    (tmp_path / "README.md").write_text("other counts")
    assert known.stands_in(out, tmp_path / "README.md")
    (tmp_path / "README.md").write_text("other")
    assert not known.stands_in(out, tmp_path / "README.md")
    (out / "x" / ".b.py.0123456789abcdef.chatwright-part").write_text("half")
    assert not known.stands_in(out, None)
    (out / "x" / ".b.py.0123456789abcdef.chatwright-part").unlink()
    (out / "x").rename(tmp_path / "elsewhere")
    (out / "x").symlink_to(tmp_path / "elsewhere")
    assert not known.stands_in(out, None)
    (out / "x").unlink()
    (tmp_path / "elsewhere").rename(out / "x")
    (out / "x" / "a.py").rename(tmp_path / "a.py")
    (out / "x" / "a.py").symlink_to(tmp_path / "a.py")
    assert not known.stands_in(out, None)
    (out / "x" / "a.py").unlink()
    os.mkfifo(out / "x" / "a.py")
    assert not known.stands_in(out, None)
    (out / "x" / "a.py").unlink()
    (tmp_path / "a.py").rename(out / "x" / "a.py")
    assert known.stands_in(out, None)
    with monkeypatch.context() as patch:
        patch.setattr(runs_module, "MAX_BYTES", 1)
        assert not known.stands_in(out, None)
    (out / "x" / "a.py").write_text("2\n")
    assert not known.stands_in(out, None)
    (out / "x" / "a.py").unlink()
    assert not known.stands_in(out, None)


def test_a_run_from_specs_that_change_meanwhile_is_not_kept(specs: Path, cache: Cache) -> None:
    run = Runs(cache, [specs], only_mine=False)
    file = specs / "acme" / "other.yaml"
    text = file.read_text()
    file.write_text(text + "# changed\n")
    run.keep({}, [], "")
    assert Runs(cache, [specs], only_mine=False).known() is None
    file.write_text(text)
    assert Runs(cache, [specs], only_mine=False).known() is None


# -- workers -----------------------------------------------------------------------------------------------------------


def test_jobs_of_workers_come_back_in_order_with_their_own_errors() -> None:
    def fail() -> int:
        raise ValueError(json.dumps("own"))

    jobs: list[Callable[[], Any]] = [lambda number=number: "x" * (number << 12) for number in range(50)]
    assert in_parallel(jobs, 2) == [job() for job in jobs]
    with pytest.raises(ValueError, match="own"):
        in_parallel([*jobs, fail], 2)


def test_a_worker_that_is_stopped_is_told() -> None:
    parent = os.getpid()

    def stopped() -> None:
        if os.getpid() != parent:
            os._exit(9)

    with pytest.raises(ChatwrightError, match="of 2 parts were not made"):
        in_parallel([stopped, stopped], 2)
