"""Whole catalogues: the cases of ``tests/cases``, and specs that were broken at random."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from chatwright.catalogue import load_catalogue
from chatwright.errors import CatalogueError, UsageError
from chatwright.resources import specs_path
from tests.catalogue.cases import TOOL_FORMATS, found, load_case, summary


@pytest.mark.parametrize("case", found("invalid"), ids=lambda case: case.name)
def test_invalid_specs_say_exactly_this(case: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CatalogueError) as error:
        load_case(case, tmp_path)
    assert str(error.value) + "\n" == (case / "expected.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("case", found("valid"), ids=lambda case: case.name)
def test_valid_specs_mean_exactly_this(case: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    expected = json.loads((case / "expected.json").read_text(encoding="utf-8"))
    assert expected
    said = summary(load_case(case, tmp_path))
    assert {key: said[key] for key in expected} == expected


def test_cases_are_enough() -> None:
    assert len(found("invalid")) >= 40


def test_specs_are_sorted_whatever_the_file_system_says(tmp_path: Path) -> None:
    for source in ("b/z.yaml", "a/c.yaml", "b/a.yaml", "a-b/x.yaml"):
        file = tmp_path / source
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"name: {file.stem}\ntitle: T\npublisher: P\ntemplates: {{t-{file.stem}: {{}}}}\n")
    catalogue = load_catalogue(tmp_path)
    assert [spec.source for spec in catalogue.specs] == ["a-b/x.yaml", "a/c.yaml", "b/a.yaml", "b/z.yaml"]


def test_a_folder_that_does_not_exist_is_wrong_usage(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no specs folder"):
        load_catalogue(tmp_path / "nowhere")


def test_an_unreadable_file_hides_no_problem_and_makes_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its templates are not known, so nobody is told that a template does not exist."""
    (tmp_path / "acme").mkdir()
    (tmp_path / "acme" / "base.yaml").symlink_to(tmp_path / "nowhere")
    spec = (
        "name: demo\ntitle: Demo\npublisher: Acme\nmodels:\n  - {template: base, checkpoints: [{huggingface: demo}]}\n"
    )
    (tmp_path / "acme" / "demo.yaml").write_text(spec)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CatalogueError) as error:
        load_catalogue(Path("."))
    assert str(error.value).splitlines() == [
        "acme/base.yaml: the file cannot be read: No such file or directory",
        "acme/demo.yaml:5:50: models[0].checkpoints[0].huggingface: 'demo' must look like owner/name "
        "as hubs allow it, without an address",
    ]


FRAGMENTS = (
    *(b"\n", b"  ", b"\t", b": ", b"- ", b"[", b"]", b"{", b"}", b"{{", b"}}", b'"', b"'", b"#", b"&a ", b"*a", b"!t "),
    *(
        b"|",
        b">",
        b"%",
        b"@",
        b"`",
        b"? ",
        b"<<: ",
        b"---\n",
        b"...\n",
        b"\\",
        b"\\n",
        b"\x00",
        b"\xff",
        b"\xe2\x80\xa8",
    ),
    *(
        b"~",
        b"null",
        b"true",
        b"1.10",
        b"1e99",
        b"extends: ",
        b"templates:",
        b"{{content}}",
        b"{{date:%}}",
        b"{{token:",
    ),
)


def broken(content: bytes, chance: random.Random) -> bytes:
    """The content with a few random changes: pieces cut, repeated, moved or put in."""
    out = bytearray(content)
    for _ in range(chance.randint(1, 4)):
        start = chance.randrange(len(out) + 1)
        end = min(len(out), start + chance.choice((0, 0, 1, 2, 8, 40)))
        piece = bytes(out[start:end])
        kind = chance.randrange(4)
        if kind == 0:
            out[start:end] = chance.choice(FRAGMENTS)
        elif kind == 1:
            del out[start:end]
        elif kind == 2:
            out[start:start] = piece
        else:
            target = chance.randrange(len(out) + 1)
            out[target:target] = piece
    return bytes(out)


@pytest.mark.parametrize("seed", range(4))
def test_broken_specs_are_refused_or_read_and_never_raise_anything_else(seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)
    files = [*sorted(specs_path().glob("*/*.yaml")), *(case / "spec.yaml" for case in found("valid"))]
    contents = [file.read_bytes() for file in files if file.is_file()]
    spec = tmp_path / "acme" / "demo.yaml"
    spec.parent.mkdir()
    for _ in range(100):
        spec.write_bytes(broken(chance.choice(contents), chance))
        try:
            load_catalogue(tmp_path, tool_formats=TOOL_FORMATS)
        except CatalogueError as error:
            assert error.problems
            for problem in error.problems:
                line = str(problem)
                assert line.isprintable(), line
