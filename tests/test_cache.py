"""What is kept by content: the same bytes as without it, made anew when anything it depends on has changed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from chatwright import cache as caches
from chatwright.cache import Cache, Run, key_of, user_cache
from chatwright.catalogue import load_catalogue
from chatwright.catalogue.model import Catalogue
from chatwright.errors import ChatwrightError
from chatwright.meaning.tool_formats import tool_formats
from chatwright.pipeline import render, select, spec_files
from chatwright.pipeline.parallel import in_parallel
from chatwright.pipeline.select import neighbours
from chatwright.records.engines import EngineEvidence, Result, TemplateEvidence
from chatwright.targets import SERVED, TARGETS
from chatwright.targets.protocol import Context
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
    make = spec_files._made

    def note(targets: Any, context: Any, cache: Cache) -> Any:
        found.add(f"{Path(context.source).stem} {targets[0]}")
        return make(targets, context, cache)

    with monkeypatch.context() as patch:
        patch.setattr(spec_files, "_made", note)
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

    (package / "__pycache__").mkdir()
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


def test_targets_make_the_same_of_a_spec_with_its_neighbours_as_with_all() -> None:
    """Its files depend on nothing else, and so on little."""
    specs = catalogue().specs
    around = neighbours(catalogue())
    sizes = [len(part.specs) for part in around]
    assert max(sizes) < len(specs) / 5
    assert sum(sizes) < 5 * len(specs)
    for spec, part in list(zip(specs, around, strict=True))[::9]:
        for target in SERVED:
            alone, among_all = (
                TARGETS[target].generate(Context(known, {}, {}, source=spec.source)) for known in (part, catalogue())
            )
            assert alone == among_all, f"{spec.source}, {target}"


def test_places_in_files_are_in_no_key() -> None:
    """They are all that a key leaves out, so no target may read them."""
    for file in sorted((ROOT / "generator" / "chatwright" / "targets").rglob("*.py")):
        for name in (".location", ".overrides", "spec.path"):
            assert name not in file.read_text(), file.name


def test_the_digest_of_a_spec_holds_its_content_alone() -> None:
    """Nothing in it differs between two processes, as the place of an object in memory does, or the order of a set."""
    for spec in catalogue().specs:
        assert " at 0x" not in repr(spec), spec.source
        assert "set(" not in repr(spec), spec.source
        assert "Location(" not in repr(spec), spec.source
        assert spec.digest == replace(spec, path="elsewhere", overrides=()).digest
        assert spec.digest != replace(spec, title=f"{spec.title}.").digest


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


def test_an_entry_that_is_too_large_is_none(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.put("ab" * 32, int("7" * 100))
    assert cache.get("ab" * 32)
    monkeypatch.setattr(caches, "MAX_ENTRY", 20)
    assert cache.get("ab" * 32) is None


def test_a_folder_that_cannot_be_written_is_no_cache(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    cache = Cache(tmp_path / "file")
    cache.put("ab" * 32, 1)
    assert cache.get("ab" * 32) is None


def test_what_was_not_used_for_longest_goes(cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caches, "MAX_BYTES", 8000)
    for number in range(20):
        cache.put(f"{number:064}", os.urandom(500).hex())
        os.utime(tmp_path / "cache" / "00" / f"{number:062}", (number, number))
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


def test_inputs_are_told_apart() -> None:
    values: list[Any] = [None, 0, False, "", "0", [], {}, ["a", "b"], ["ab"], {"a": "b"}, 1, 1.5, "é", ("a", "b")]
    assert len({key_of("x", value) for value in values} | {key_of("y", 0)}) == len(values) + 1


def test_a_call_is_made_once_and_its_result_kept_unless_it_is_none(cache: Cache) -> None:
    results = iter([None, ["first"], ["second"]])
    asked = [cache.remember("f", "same", lambda: next(results)) for _ in range(3)]
    assert asked == [None, ["first"], ["first"]]
    assert cache.remember("f", "other", lambda: next(results)) == ["second"]
    assert Cache(None).remember("f", "same", lambda: 3) == 3


# -- runs --------------------------------------------------------------------------------------------------------------


def test_a_run_is_known_while_nothing_has_changed(
    specs: Path, cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def before(*folders: Path, mine: bool = True) -> Any:
        return Run(cache, mine, folders).before(out)

    out = tmp_path / "out"
    (out / "x").mkdir(parents=True)
    (out / "x" / "a.py").write_text("1\n")
    assert before(specs) is None
    Run(cache, True, [specs]).keep({"x/a.py": "1\n"}, ["a note"])
    assert before(specs) == ["a note"]
    assert before(specs, mine=False) is None
    assert before() is None
    (specs / "acme" / "new.yml").write_text("")
    assert before(specs) is None
    (specs / "acme" / "new.yml").unlink()
    (out / "mine.txt").write_text("by hand")
    assert before(specs) == ["a note"]

    for folder in (out, out / "x"):
        (folder / ".b.py.0123456789abcdef.chatwright-part").write_text("half")
        assert before(specs) is None
        (folder / ".b.py.0123456789abcdef.chatwright-part").unlink()
    (out / "x").rename(tmp_path / "elsewhere")
    (out / "x").symlink_to(tmp_path / "elsewhere")
    assert before(specs) is None
    (out / "x").unlink()
    (tmp_path / "elsewhere").rename(out / "x")
    (out / "x" / "a.py").rename(tmp_path / "a.py")
    (out / "x" / "a.py").symlink_to(tmp_path / "a.py")
    assert before(specs) is None
    (out / "x" / "a.py").unlink()
    os.mkfifo(out / "x" / "a.py")
    with no_waiting():
        assert before(specs) is None
    (out / "x" / "a.py").unlink()
    (tmp_path / "a.py").rename(out / "x" / "a.py")
    assert before(specs) == ["a note"]
    with monkeypatch.context() as patch:
        patch.setattr(caches, "MAX_FILE", 1)
        assert before(specs) is None
    (out / "x" / "a.py").write_text("2\n")
    assert before(specs) is None
    (out / "x" / "a.py").unlink()
    assert before(specs) is None


def test_a_run_depends_on_the_further_files_that_it_reads(specs: Path, cache: Cache, tmp_path: Path) -> None:
    readme, out = tmp_path / "README.md", tmp_path / "out"
    readme.write_text("figures")
    Run(cache, True, [specs], [readme]).keep({}, [])
    assert Run(cache, True, [specs], [readme]).before(out) == []
    readme.write_text("other figures")
    assert Run(cache, True, [specs], [readme]).before(out) is None


def test_a_run_from_specs_that_change_meanwhile_is_not_kept(specs: Path, cache: Cache, tmp_path: Path) -> None:
    run = Run(cache, False, [specs])
    file = specs / "acme" / "other.yaml"
    text = file.read_text()
    file.write_text(text + "# changed\n")
    run.keep({}, [])
    assert Run(cache, False, [specs]).before(tmp_path) is None
    file.write_text(text)
    assert Run(cache, False, [specs]).before(tmp_path) is None


# -- workers -----------------------------------------------------------------------------------------------------------


def test_jobs_of_workers_come_back_in_order_with_their_own_errors() -> None:
    def fail() -> int:
        raise ChatwrightError("one line", "and another")

    jobs: list[Callable[[], Any]] = [lambda number=number: "x" * (number << 12) for number in range(50)]
    assert in_parallel(jobs, 2) == [job() for job in jobs]
    with pytest.raises(ChatwrightError, match="one line\nand another"):
        in_parallel([*jobs, fail], 2)


def test_a_worker_that_is_stopped_ends_the_run_with_a_line() -> None:
    parent = os.getpid()

    def stopped() -> None:
        if os.getpid() != parent:
            os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(ChatwrightError, match=r"^a process was stopped from outside; run the same command again$"):
        in_parallel([stopped, stopped], 2)


WORKING = """
import os, time
from chatwright.pipeline.parallel import in_parallel
def work():
    os.write(1, b"working\\n")
    time.sleep(0.05)
try:
    in_parallel([work] * 200, 2)
except KeyboardInterrupt:
    print("stopped")
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_workers_end_with_the_process_that_started_them(number: signal.Signals) -> None:
    """At Ctrl-C, which a terminal sends to all of them, quietly and soon; also where nobody could end them."""
    command = [sys.executable, "-c", WORKING]
    settings = {**os.environ, "PYTHONPATH": str(ROOT / "generator")}
    with (
        no_waiting(30),
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=settings, start_new_session=True
        ) as process,
    ):
        assert process.stdout and process.stderr
        try:
            assert process.stdout.readline() == b"working\n"
            begun = time.monotonic()
            (os.killpg if number is signal.SIGINT else os.kill)(process.pid, number)
            rest, problems = process.stdout.read(), process.stderr.read()  # to the end: they have all ended
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        assert problems == b""
        assert rest.endswith(b"stopped\n") is (number is signal.SIGINT)
        assert time.monotonic() - begun < 15
