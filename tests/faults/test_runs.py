"""Whatever happens to a run: the old tree or the new one, a clear message, no leftovers, and nothing else touched.

``mutants.py`` takes each guard away and shows that a test here fails without it (``make mutants``).
"""

from __future__ import annotations

import ast
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from chatwright import limits
from chatwright.catalogue import load_catalogue
from chatwright.errors import CatalogueError, ChatwrightError, Unsupported
from chatwright.evidence.engines.jinja import marked_renderer
from chatwright.meaning.sandbox import Refused, Sandbox
from chatwright.pipeline import generate, model_files
from chatwright.pipeline.export import _from_model, export
from chatwright.pipeline.generate import differences
from chatwright.pipeline.model_files import read_text
from chatwright.pipeline.writer import MANIFEST, manifest_text, recover, write_tree
from tests.faults.hostile import measured

GENERATOR = Path(sys.modules["chatwright"].__path__[0]).parent
SPEC = """\
name: {name}
title: Demo
publisher: Acme
templates:
  {name}:
    slots:
      user: "<user>{{{{content}}}}</user>"
      assistant: {{opener: "<bot>", body: "{{{{content}}}}<end>"}}
    stop_words: ["<end>"]
"""


def tree(mark: str, *names: str) -> dict[str, str]:
    files = {f"{name}.json": f"{mark} {name}\n" * 50 for name in names}
    return {**files, MANIFEST: manifest_text(files)}


OLD = tree("old", "a", "b", "gone/c", "gone/d", *(f"many/{number}" for number in range(30)))
NEW = tree("new", "a", "b", "come/e", *(f"many/{number}" for number in range(30)))


def found(folder: Path) -> dict[str, str]:
    return {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def out(tmp_path: Path) -> Iterator[Path]:
    """A folder with a tree and a file made by hand, in one with another; both are there at the end."""
    folder = tmp_path / "out"
    write_tree(folder, OLD)
    for file in (tmp_path / "beside.txt", folder / "gone" / "mine.txt"):
        file.write_text("by hand")
    yield folder
    assert (tmp_path / "beside.txt").read_text() == "by hand"
    assert (folder / "gone" / "mine.txt").read_text() == "by hand"
    assert {path.name for path in tmp_path.iterdir()} <= {"out", "beside.txt", "elsewhere", "specs"}


def ours(folder: Path) -> dict[str, str]:
    return {path: text for path, text in found(folder).items() if path != "gone/mine.txt"}


def forked(act: Callable[[], object]) -> int:
    """A process of its own that does something; it ends with 0 if that returns."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            act()
            status = 0
        finally:
            os._exit(status)
    return child


def ended(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


# -- killed, and what the disk refuses ---------------------------------------------------------------------------------


def test_killed_at_random_moments(out: Path) -> None:
    def by_turns() -> None:
        while True:
            for files in (NEW, OLD):
                write_tree(out, files)

    chance = random.Random(1)
    for _ in range(20):
        child = forked(by_turns)
        time.sleep(chance.random() / 50)
        os.kill(child, signal.SIGKILL)
        assert ended(child) == -signal.SIGKILL
        recover(out)
        assert ours(out) in (OLD, NEW)


CALLS = [(Path, "replace"), (Path, "unlink"), (Path, "rmdir"), (Path, "mkdir"), (Path, "write_bytes"), (os, "link")]


@pytest.mark.parametrize("after", [*range(0, 70, 10), *range(70, 84), 90, 100, 120, 140])
def test_killed_at_a_call(out: Path, after: int) -> None:
    def dies() -> None:
        calls = iter(range(1000))

        def deadly(real: Callable[..., Any]) -> Callable[..., Any]:
            def call(*arguments: Any, **options: Any) -> Any:
                if next(calls) == after:
                    os._exit(9)
                return real(*arguments, **options)

            return call

        for owner, name in CALLS:
            setattr(owner, name, deadly(getattr(owner, name)))
        write_tree(out, NEW)

    assert ended(forked(dies)) == 9
    recover(out)
    assert ours(out) in (OLD, NEW)


@pytest.mark.parametrize(
    "error", [OSError(28, "No space left on device"), KeyboardInterrupt()], ids=["full", "stopped"]
)
@pytest.mark.parametrize(("owner", "name"), CALLS, ids=lambda value: value if isinstance(value, str) else "")
def test_a_call_that_fails(
    out: Path, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, error: BaseException
) -> None:
    """At its first, at its second and at some later call, and from then on until the run ends."""
    real: Callable[..., Any] = getattr(owner, name)
    for after in (0, 1, 5, 20, 31):
        calls = iter(range(10_000))

        def failing(*arguments: Any, **options: Any) -> Any:
            if next(calls) == after:  # noqa: B023
                raise error
            return real(*arguments, **options)

        with monkeypatch.context() as patch:
            patch.setattr(owner, name, failing)
            try:
                write_tree(out, NEW)
            except ChatwrightError as told:
                assert "cannot write: No space left on device" in str(told)
            except KeyboardInterrupt:
                pass
        recover(out)
        assert ours(out) in (OLD, NEW)
        write_tree(out, OLD)


def test_a_disk_that_takes_no_more(out: Path) -> None:
    def fills() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (300, resource.RLIM_INFINITY))
        with pytest.raises(ChatwrightError, match="cannot write: File too large"):
            write_tree(out, NEW)

    assert ended(forked(fills)) == 0
    assert ours(out) == OLD


def test_a_tree_that_is_read_only(out: Path) -> None:
    """Not for the superuser, who may write everything, so another user tries."""

    def tries() -> None:
        os.chdir(out)
        if os.getuid() == 0:
            os.setuid(65534)
        with pytest.raises(ChatwrightError, match="cannot write: Permission denied"):
            write_tree(Path("."), NEW)

    for path in (out, *out.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    status = ended(forked(tries))
    for path in (out, *out.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    assert status == 0
    assert ours(out) == OLD


def test_a_run_waits_for_another(out: Path) -> None:
    held, tell = os.pipe()

    def holds() -> None:
        import fcntl

        fcntl.flock(os.open(out, os.O_RDONLY), fcntl.LOCK_EX)
        os.write(tell, b"x")
        time.sleep(0.3)

    child = forked(holds)
    os.read(held, 1)
    begun = time.monotonic()
    write_tree(out, NEW)
    assert time.monotonic() - begun > 0.2
    assert ended(child) == 0


def test_two_runs_at_once(out: Path) -> None:
    def by_turns() -> None:
        for _ in range(5):
            for files in (NEW, OLD):
                write_tree(out, files)

    assert [ended(child) for child in (forked(by_turns), forked(by_turns))] == [0, 0]
    assert ours(out) == OLD


# -- what people do to the tree ----------------------------------------------------------------------------------------


@pytest.fixture
def specs(tmp_path: Path) -> Path:
    (tmp_path / "specs" / "acme").mkdir(parents=True)
    for name in ("one", "two"):
        (tmp_path / "specs" / "acme" / f"{name}.yaml").write_text(SPEC.format(name=name))
    return tmp_path / "specs"


def test_a_generated_file_edited_by_hand(tmp_path: Path, specs: Path) -> None:
    generate(load_catalogue(specs), tmp_path / "out")
    before = found(tmp_path / "out")
    (tmp_path / "out" / "deploy" / "vllm" / "one.jinja").write_text("edited")
    (tmp_path / "out" / "catalog.json").unlink()
    changes = generate(load_catalogue(specs), tmp_path / "out")
    assert changes.written == ("catalog.json", "deploy/vllm/one.jinja")
    assert found(tmp_path / "out") == before


def test_a_spec_deleted_or_renamed(tmp_path: Path, specs: Path) -> None:
    folder = tmp_path / "out"
    generate(load_catalogue(specs), folder)
    (folder / "deploy" / "vllm" / "mine.jinja").write_text("by hand")
    (specs / "acme" / "two.yaml").unlink()
    (specs / "acme" / "one.yaml").rename(specs / "acme" / "three.yaml")
    (specs / "acme" / "three.yaml").write_text(SPEC.format(name="three"))
    generate(load_catalogue(specs), folder)
    left = found(folder)
    assert left.pop("deploy/vllm/mine.jinja") == "by hand"
    generate(load_catalogue(specs), tmp_path / "elsewhere")
    assert left == found(tmp_path / "elsewhere")
    assert not any("one" in Path(path).stem or "two" in Path(path).stem for path in left)


ELSEWHERE = """
import sys, time
from pathlib import Path
import time_machine
with time_machine.travel(sys.argv[3], tick=False):
    from chatwright.catalogue import load_catalogue
    from chatwright.pipeline import generate
    generate(load_catalogue(Path(sys.argv[1])), Path(sys.argv[2]))
"""


def test_clock_locale_and_hash_seed_change_nothing(tmp_path: Path, specs: Path) -> None:
    generate(load_catalogue(specs), tmp_path / "here")
    odd = {"PYTHONHASHSEED": "7", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "TZ": "Asia/Tokyo"}
    command = [sys.executable, "-c", ELSEWHERE, str(specs), str(tmp_path / "there"), "1999-12-31T23:59:59"]
    subprocess.run(command, env={**os.environ, "PYTHONPATH": str(GENERATOR), **odd}, check=True)
    assert found(tmp_path / "there") == found(tmp_path / "here")


# -- links and names ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("link", ["many", ".chatwright-stage", "come"])
def test_a_link_to_a_folder_outside(out: Path, link: str) -> None:
    elsewhere = out.parent / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "a.json").write_text("theirs")
    if link == "many":
        shutil.rmtree(out / link)
    (out / link).symlink_to(elsewhere)
    try:
        write_tree(out, NEW)
    except ChatwrightError as error:
        assert "a symbolic link leads out of the output folder" in str(error)
    assert found(elsewhere) == {"a.json": "theirs"}


@pytest.mark.parametrize("path", ["a.json", MANIFEST])
def test_a_link_to_a_file_outside(out: Path, path: str) -> None:
    target = out.parent / "elsewhere"
    target.write_text("theirs" if path != MANIFEST else OLD[MANIFEST])
    before = target.read_text()
    (out / path).unlink()
    (out / path).symlink_to(target)
    write_tree(out, NEW)
    assert target.read_text() == before
    assert ours(out) == NEW


@pytest.mark.parametrize(
    "journal",
    ['[["gone/mine.txt"], []]', '[[], ["gone/mine.txt"]]', '[["../beside.txt"], []]', '[[], ["../beside.txt"]]', "x"],
)
def test_a_journal_by_somebody_else(out: Path, journal: str) -> None:
    stage = out / ".chatwright-stage"
    for path in (stage / "new" / "gone", stage / "old" / "gone"):
        path.mkdir(parents=True)
        (path / "mine.txt").write_text("theirs")
        (path.parent / "beside.txt").write_text("theirs")
    for name in ("forward", "back"):
        (stage / name).write_text(journal)
        recover(out)
        assert found(out) == {**OLD, "gone/mine.txt": "by hand"}
        stage.mkdir(exist_ok=True)


@pytest.mark.parametrize(
    "name",
    ["..", "../x", "/etc/x", "a/b", "a\\\\b", "con", "NUL", "aux.x", "com1", "lpt9", "a.", "a..", "-x", "", "a:b"],
)
def test_names_that_cannot_be_a_file_everywhere(tmp_path: Path, name: str) -> None:
    text = SPEC.format(name="demo").replace("  demo:", f'  "{name}":')
    assert problems(tmp_path, {"acme/demo.yaml": text})


def test_names_that_differ_in_case_alone(tmp_path: Path) -> None:
    specs = {f"{name}/{name}.yaml": SPEC.format(name=name).replace("Demo", name) for name in ("one", "two")}
    specs["two/two.yaml"] = specs["two/two.yaml"].replace("  two:", "  ONE:")
    assert problems(tmp_path, specs)


def test_paths_that_name_one_module(tmp_path: Path) -> None:
    for name in ("a-b", "a_b"):
        (tmp_path / "specs" / "acme").mkdir(parents=True, exist_ok=True)
        (tmp_path / "specs" / "acme" / f"{name}.yaml").write_text(SPEC.format(name=name))
    with pytest.raises(ChatwrightError, match="would be generated twice"):
        generate(load_catalogue(tmp_path / "specs"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def problems(folder: Path, specs: Mapping[str, str]) -> list[str]:
    for path, text in specs.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    try:
        load_catalogue(folder)
    except CatalogueError as error:
        assert all(problem.location.path and problem.message.isprintable() for problem in error.problems)
        return [problem.message for problem in error.problems]
    return []


def test_a_model_that_is_more_than_a_name_in_a_modelfile() -> None:
    assert "\nFROM a/b\n" in _from_model("#\nFROM .\n", "a/b")
    assert '\nFROM "a b"\n' in _from_model("#\nFROM .\n", "a b")
    for model in ("x\nSYSTEM y", "x\rSYSTEM y", 'x"', "x\u200dy", "x\x00", " x", "x\t", "#x"):
        with pytest.raises(Unsupported, match="a Modelfile cannot name the model"):
            _from_model("#\nFROM .\n", model)


HOSTILE_MODEL = 'it\'s; $(touch x) `y` "z" \\ \n \u2028 \U0001f600 | & > < * ?'


@pytest.mark.parametrize("engine", ["vllm", "sglang", "transformers", "lmdeploy"])
def test_a_printed_command_has_a_model_as_one_word(specs: Path, engine: str) -> None:
    """What a shell makes of it, and what Python makes of the program in it."""
    catalogue = load_catalogue(specs)
    command = export(catalogue, "one", engine, model=HOSTILE_MODEL).command or ""
    shell = ["sh", "-c", f'for word in {command}; do printf "%s\\0" "$word"; done']
    words = subprocess.run(shell, stdout=subprocess.PIPE, encoding="utf-8", check=True).stdout.split("\0")
    if engine == "transformers":
        texts = [node.value for node in ast.walk(ast.parse(words[2])) if isinstance(node, ast.Constant)]
        assert HOSTILE_MODEL in texts
    else:
        assert HOSTILE_MODEL in words


def test_a_model_folder_whose_files_never_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "device").symlink_to("/dev/zero")
    os.mkfifo(tmp_path / "pipe")
    for name in ("device", "pipe", "nowhere"):
        with pytest.raises(ChatwrightError, match="not a regular file"):
            read_text(tmp_path / name)
    monkeypatch.setattr(limits, "FILE_BYTES", 1 << 20)
    (tmp_path / "large").write_bytes(b"x" * ((1 << 20) + 1))
    with pytest.raises(ChatwrightError, match="larger than 1 MB"):
        read_text(tmp_path / "large")


# -- specs that are too much -------------------------------------------------------------------------------------------


HUGE = {
    "10 MB": SPEC.format(name="demo") + "#" * 10_000_000,
    "a bomb": SPEC.format(name="demo")
    + "a: &a [x, x, x, x, x, x, x, x, x, x]\n"
    + "".join(
        f"{b}: &{b} [*{a}, *{a}, *{a}, *{a}, *{a}, *{a}, *{a}, *{a}, *{a}]\n"
        for a, b in zip("abcde", "bcdef", strict=True)
    ),
    "itself": SPEC.format(name="demo") + "a: &a [*a]\n",
}


@pytest.mark.parametrize("what", HUGE)
def test_a_spec_that_is_too_much(tmp_path: Path, what: str) -> None:
    before, begun = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    [told] = problems(tmp_path, {"acme/demo.yaml": HUGE[what]})
    assert "larger than 1024 KiB" in told or "beyond 50000 values" in told or "would never end" in told
    assert time.process_time() - begun < 2
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000


JINJA = {
    "loops": "{%- for a in range(99999) -%}{%- for b in range(99999) -%}{%- endfor -%}{%- endfor -%}",
    "constants": "{{ 'x' * 900000000 }}",
    "a_list": "{%- for x in ['x' * 900000000] -%}{{ x }}{%- endfor -%}",
    "doubled": "{%- set a = namespace(b='b') -%}{%- for _ in range(40) -%}{%- set a.b = a.b ~ a.b -%}{%- endfor -%}",
}


def test_jinja_of_a_spec_that_is_too_much(tmp_path: Path) -> None:
    """It is never run but in the sandbox, not even in part, as a compiler does that looks for constants."""
    slots = "{user: '{{content}}', assistant: {opener: ':', body: '{{content}}'}}"
    formats = "".join(
        f'  {name}: {{tools: [{{each: "{jinja}"}}], calls: [{{text: x}}]}}\n' for name, jinja in JINJA.items()
    )
    templates = "".join(f"  {name}: {{slots: {slots}, tool_format: {name}}}\n" for name in JINJA)
    spec = f"name: demo\ntitle: Demo\npublisher: Acme\ntool_formats:\n{formats}templates:\n{templates}"
    (tmp_path / "acme").mkdir()
    (tmp_path / "acme" / "demo.yaml").write_text(spec, encoding="utf-8")
    out = tmp_path / "out"
    ran = measured(["generate", "--specs", str(tmp_path), "--only-mine", "--out", str(out)], tmp_path)
    assert ran.code == 0
    assert ran.memory < 600  # MB, of the largest process
    for name in JINJA:
        told = (tmp_path / "out" / "docs" / "templates" / f"{name}.md").read_text(encoding="utf-8")
        assert "it·takes·more·than·3·seconds" in told or "it·needs·more·than·500·MB·of·memory" in told, name


REFUSED = {
    "no_end": "{% if tools %}",
    "raw": "{% raw %}",
    "raw_that_ends": "{% raw %}x{% endraw %}",
    "a_comment": "x{#",
    "a_comment_that_looks_back": "{{ tools }}{#-",
    "a_block": "{% block x %}a{% endblock %}",
    "extends": "{% extends 'x' %}",
    "includes": "{% include 'x' %}",
    "loops_in_loops": "{% for x in tools %}" * 30 + "{% endfor %}" * 30,
    "ifs_in_ifs": "{% if tools %}" * 150 + "{% endif %}" * 150,
    "a_number": "{{ " + "9" * 100_000 + " }}",
    "slices": "{{ tool[::0] }}{{ tool[1:2,3] }}",
}
STRANGE = {
    "nearly_loops_in_loops": "{% for x in tools %}" * 20 + "{% endfor %}" * 20,
    "nearly_ifs_in_ifs": "{% if tools %}" * 90 + "{% endif %}" * 90,
    "a_macro": "{% macro f() %}x{% endmacro %}{{ f() }}",
    "a_macro_in_itself": "{% macro f(x) %}{{ f(x) }}{% endmacro %}{{ f(1) }}",
    "no_day": "{{ strftime_now() }}",
    "no_reason": "{{ raise_exception() }}",
    "a_reason": "{{ raise_exception('no ' ~ tool.name) }}",
    "a_dictionary": "{{ {tool.name: 1}|tojson }}",
    "a_list": "{% for x in [tool.name] %}{{ x }}{% endfor %}",
}


@pytest.mark.parametrize("name", ["self", "kwargs", "chat_template", "loop", "range", "in", "messages", "unk_token"])
@pytest.mark.parametrize("kind", ["switch", "levels"])
def test_a_variable_that_no_call_can_take(tmp_path: Path, name: str, kind: str) -> None:
    thinking = f"{{switch: {name}}}" if kind == "switch" else f"{{levels: {{variable: {name}, names: {{low: {{}}}}}}}}"
    [told] = problems(tmp_path, {"acme/demo.yaml": SPEC.format(name="demo") + f"    thinking: {thinking}\n"})
    assert told == f"'{name}' has a meaning of its own in chat templates; name another variable"


@pytest.mark.parametrize("place", ["title: Demo", "name: demo"])
def test_a_spec_that_reads_in_another_direction(tmp_path: Path, place: str) -> None:
    [told] = problems(tmp_path, {"acme/demo.yaml": SPEC.format(name="demo").replace(place, f"{place} # \u2066 x")})
    assert told.startswith("the character U+2066 turns the direction of the text around it")


@pytest.mark.parametrize("place", ["tools", "calls"])
@pytest.mark.parametrize("jinja", [*REFUSED, *STRANGE])
def test_strange_jinja_of_a_spec_is_refused_or_written(tmp_path: Path, jinja: str, place: str) -> None:
    parts = {"tools": [{"text": "x"}], "calls": [{"text": "x"}], place: [{"each": {**REFUSED, **STRANGE}[jinja]}]}
    (tmp_path / "specs" / "acme").mkdir(parents=True)
    spec = SPEC.format(name="demo") + f"    tool_format: own\ntool_formats: {json.dumps({'own': parts})}\n"
    (tmp_path / "specs" / "acme" / "demo.yaml").write_text(spec, encoding="utf-8")
    try:
        generate(load_catalogue(tmp_path / "specs"), tmp_path / "out")
    except CatalogueError as error:
        assert [problem.location.line for problem in error.problems] == [11]
        return
    assert jinja not in REFUSED
    for folder in ("deploy/vllm", "training"):
        for file in (tmp_path / "out" / folder).glob("*.jinja"):
            marked_renderer(file.read_text(encoding="utf-8"))


def test_what_a_template_says_is_nothing_that_a_terminal_acts_on() -> None:
    with Sandbox("{{ raise_exception('\x1b[2J\x1b]0;title\x07 a\nb') }}") as sandbox:
        [refused] = sandbox.render([{}], None)
    assert refused == Refused("\\x1b[2J\\x1b]0;title\\x07 a\\nb")


def test_json_that_python_refuses(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"a": ' + "9" * 5000 + "}")
    with pytest.raises(ChatwrightError, match="not JSON that can be read"):
        model_files.read_json(tmp_path / "config.json")


def test_a_link_in_place_of_a_file(out: Path, tmp_path: Path) -> None:
    """It is no generated file, whatever it leads to, and a file takes its place."""
    (tmp_path / "elsewhere").write_text(OLD["a.json"])
    (out / "a.json").unlink()
    (out / "a.json").symlink_to(tmp_path / "elsewhere")
    assert [difference.path for difference in differences(out, OLD)] == ["a.json"]
    assert write_tree(out, OLD).written == ("a.json",)
    assert not (out / "a.json").is_symlink()
    assert (tmp_path / "elsewhere").read_text() == OLD["a.json"]
