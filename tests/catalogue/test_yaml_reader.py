"""Strict YAML: what scalars mean, where everything stands, and that no file takes the reader down or holds it up."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from chatwright.catalogue import yaml_reader
from chatwright.catalogue.yaml_reader import breadcrumb, parse_yaml, quote, read_yaml, shown_path

SECONDS = 10  # far above what any of the files here takes, far below what an unbounded reader would


def read(text: str | bytes) -> yaml_reader.Document:
    return parse_yaml(text.encode() if isinstance(text, str) else text, "f.yaml")


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("true", True),
        ("false", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("4096", 4096),
        ("-3", -3),
        ("+3", 3),
        ("0.70", 0.7),
        ("1e3", 1000.0),
        ("1.0e3", 1000.0),
        *((text, text) for text in ("yes", "No", "on", "off", "y", "True", "FALSE", "Null", "NULL")),
        *((text, text) for text in ("2024-01-01", "2001-12-14t21:59:43.10-05:00", "1:30", "190:20:30")),
        *(
            (text, text)
            for text in ("007", "0x1F", "0o17", "1_000", ".5", "5.", ".inf", "-.INF", ".nan", "=", "9" * 30)
        ),
        ('"true"', "true"),
        ("'null'", "null"),
        ('"12"', "12"),
        ('""', ""),
        (r'"a\nb\u00e9\U0001F600"', "a\nbé\U0001f600"),
        (r"'a\b'", r"a\b"),
        ("|\n  a\n  b\n", "a\nb\n"),
        (">-\n  a\n  b\n", "a b"),
    ],
)
def test_scalars(written: str, value: Any) -> None:
    document = read(f"key: {written}")
    assert document.problems == ()
    read_value = document.data()["key"]
    assert (read_value, type(read_value)) == (value, type(value))


@pytest.mark.parametrize("written", ["1.10", "123", "-0", "+5", "0.70", "1.0e3"])
def test_numbers_keep_their_text_where_a_field_holds_text(written: str) -> None:
    assert read(f"key: {written}").data(lambda path: path == ("key",)) == {"key": written}


@pytest.mark.parametrize("key", ["true", "null", "12", "1.10", "2024-01-01", '"quoted"', "'<<'"])
def test_keys_are_text_as_typed(key: str) -> None:
    document = read(f"{key}: x")
    assert (document.problems, list(document.data())) == ((), [key.strip("\"'")])


def test_positions() -> None:
    document = read("a:\n  b: [x,\n      yy]\n  'c d':\n    - e: 1\n      f: {g: 世界, h: 2}\n")

    def places(*path: str | int) -> tuple[int, int, int, int]:
        key, value = document.locate(path), document.locate_value(path)
        return key.line, key.column, value.line, value.column

    assert places() == (1, 1, 1, 1)
    assert places("a") == (1, 1, 2, 3)
    assert places("a", "b") == (2, 3, 2, 6)
    assert places("a", "b", 1) == (3, 7, 3, 7)
    assert places("a", "c d", 0) == (5, 7, 5, 7)
    assert places("a", "c d", 0, "e") == (5, 7, 5, 10)
    assert places("a", "c d", 0, "f", "h") == (6, 18, 6, 21)
    assert places("a", "nothing", "below") == (1, 1, 1, 1), "what is not there is where its surroundings are"
    assert places("a", "b", 7) == (2, 3, 2, 3)


def test_a_byte_order_mark_and_any_line_ending_are_accepted() -> None:
    document = read("\ufeffa: 1\r\nb:\r  c: 2\n".encode())
    assert document.data() == {"a": 1, "b": {"c": 2}}
    assert document.locate_value(("b", "c")).line == 3


def test_the_parsers_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything reads the same where PyYAML was built without libyaml."""
    case_files = sorted((Path(__file__).parent.parent / "cases").rglob("*.yaml"))
    contents = [file.read_bytes() for file in case_files if file.is_file()]
    assert contents
    fast = [parse_yaml(content, "f") for content in contents]
    monkeypatch.delattr(yaml, "CSafeLoader", raising=False)
    for content, expected in zip(contents, fast, strict=True):
        found = parse_yaml(content, "f")
        assert found.problems == expected.problems
        assert found.root == expected.root


def test_aliases_stand_for_their_value_at_every_place() -> None:
    document = read("a: &x [1, {b: 2}]\nc: [*x, *x]\n")
    assert document.data() == {"a": [1, {"b": 2}], "c": [[1, {"b": 2}]] * 2}
    assert document.locate_value(("c", 1, 1, "b")).line == 1, "the place is where the author can change it"


def problem(document: yaml_reader.Document) -> str:
    (only,) = document.problems
    return str(only)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    dangling, pipe, folder = tmp_path / "dangling", tmp_path / "pipe", tmp_path / "folder"
    dangling.symlink_to(tmp_path / "nowhere")
    os.mkfifo(pipe)
    folder.mkdir()
    assert problem(read_yaml(dangling, "f")) == "f: the file cannot be read: No such file or directory"
    assert problem(read_yaml(pipe, "f")) == "f: this is not a regular file"
    assert problem(read_yaml(folder, "f")) == "f: this is a folder; a spec is a file"


def test_a_file_without_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)  # the superuser may read everything, so taking the right away shows less
    file = tmp_path / "secret.yaml"
    file.touch()
    assert problem(read_yaml(file, "f")) == "f: the file cannot be read: Permission denied"


KIB = 1024
HOSTILE = {
    "large": "a: " + "x" * (2048 * KIB),
    "long text": "a: " + "x" * (1000 * KIB),
    "long plain text in words": "a: " + "x " * (500 * KIB),
    "many keys": "".join(f"k{i}: v\n" for i in range(60_000)),
    "many items": "a: [" + "1," * (500 * KIB) + "]",
    "many duplicates": "k: v\n" * 20_000,
    "deep lists": "a: " + "[" * (500 * KIB),
    "deep mappings": "a: " + "{b: " * (200 * KIB),
    "deep blocks": "".join(" " * i + "a:\n" for i in range(1000)),
    "open quote": 'a: "' + "x\n" * (400 * KIB),
    "many colons": "a" + ": a" * (200 * KIB),
    "many errors": "- !x a\n" * 40_000,
    "many anchors": "".join(f"k{i}: &a{i} v\n" for i in range(20_000)),
    "wide aliases": "a: &a [" + "x," * 1000 + "]\n" + "".join(f"k{i}: *a\n" for i in range(10_000)),
    "braces": "a: " + "{{x}}" * (100 * KIB),
    "nested braces": "a: " + "{" * (100 * KIB),
    "braces around lists": "a: {{" + "[" * (100 * KIB),
    "braces around items": "a: {{" + "x," * (400 * KIB),
    "tabs": "a:\n" + "\t" * (900 * KIB),
    "directives": "%A b\n" * (100 * KIB),
    "comments": "#\n" * (400 * KIB),
    "documents": "---\n" * (100 * KIB),
    "keys without values": "? " * (200 * KIB),
    "spaces": " " * (1000 * KIB),
    "newlines": "\n" * (1000 * KIB) + "\t",
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("pure", [False, True], ids=["libyaml", "pure"])
def test_hostile_files_are_answered_in_time(name: str, pure: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if pure:
        monkeypatch.delattr(yaml, "CSafeLoader", raising=False)
    start = time.monotonic()
    document = read(HOSTILE[name])
    document.data()
    assert time.monotonic() - start < SECONDS


def test_breadcrumbs_and_quotes_stay_on_one_line() -> None:
    assert breadcrumb(("models", 0, "checkpoints", 12, "name")) == "models[0].checkpoints[12].name"
    assert breadcrumb(("templates", "qwen2.5", "a b\n")) == 'templates."qwen2.5"."a b\\n"'
    assert quote("a\n\t\\\x00\ud800\u202e世") == "'a\\n\\t\\\\\\x00\\ud800\\u202e世'"
    assert quote("x" * 100) == "'" + "x" * 57 + "...'"


def test_paths_are_shown_from_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert shown_path(tmp_path / "specs" / "a.yaml") == "specs/a.yaml"
    assert shown_path(Path("specs/../a.yaml")) == "a.yaml"
    assert shown_path(Path("/elsewhere/a.yaml")) == "/elsewhere/a.yaml"
    assert shown_path(Path(os.fsdecode(b"a\xff\n.yaml"))) == r"a\udcff\n.yaml"
