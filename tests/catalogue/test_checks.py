"""Rules between fields and between specs, where a case of ``tests/cases/invalid`` would say less."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from chatwright.catalogue import load_catalogue
from chatwright.catalogue.slot_checks import DATE_DIRECTIVES
from chatwright.errors import CatalogueError

HEAD = "name: demo\ntitle: Demo\npublisher: Acme\n"


def problems(folder: Path, text: str) -> list[str]:
    """The messages about one spec, without their places."""
    (folder / "acme").mkdir(exist_ok=True)
    (folder / "acme" / "demo.yaml").write_text(HEAD + text, encoding="utf-8")
    try:
        load_catalogue(folder)
    except CatalogueError as error:
        return [problem.message for problem in error.problems]
    return []


def slot(name: str, text: str) -> str:
    slots: dict[str, Any] = {"user": "{{content}}", "assistant": {"body": "{{content}}"}}
    outer, _, inner = name.partition(".")
    if inner:
        slots[outer][inner] = text
    else:
        slots[outer] = text
    return json.dumps({"templates": {"demo": {"slots": slots}}})[1:-1].replace('"templates": ', "templates: ", 1) + "\n"


WITH_CONTENT = ("system", "user", "assistant.body", "assistant.last", "function", "observation")
WITHOUT_CONTENT = ("prefix", "no_system", "assistant.opener", "assistant.generation")


@pytest.mark.parametrize("name", WITH_CONTENT + WITHOUT_CONTENT)
@pytest.mark.parametrize(
    "text", ["{{bos_token}}", "{{eos_token}}", "{{token:<|x|>}}", "{{date:%Y}}", "{{text:{{idx}}}}"]
)
def test_tokens_dates_and_literals_may_stand_in_every_turn(name: str, text: str, tmp_path: Path) -> None:
    content = "{{content}}" if name in WITH_CONTENT else ""
    assert problems(tmp_path, slot(name, text + content)) == []


@pytest.mark.parametrize("name", WITH_CONTENT)
def test_content_stands_once_where_a_turn_has_content(name: str, tmp_path: Path) -> None:
    assert problems(tmp_path, slot(name, "x{{content}}")) == []
    assert [message[:22] for message in problems(tmp_path, slot(name, "x"))] == ["{{content}} is missing"]
    assert [message[:26] for message in problems(tmp_path, slot(name, "{{content}}" * 2))] == [
        "{{content}} stands 2 times"
    ]


@pytest.mark.parametrize("name", WITHOUT_CONTENT)
def test_content_stands_nowhere_else(name: str, tmp_path: Path) -> None:
    assert problems(tmp_path, slot(name, "x")) == []
    assert [message[:24] for message in problems(tmp_path, slot(name, "{{content}}"))] == ["{{content}} cannot stand"]


@pytest.mark.parametrize("name", WITH_CONTENT + WITHOUT_CONTENT)
def test_only_asking_turns_are_numbered(name: str, tmp_path: Path) -> None:
    content = "{{content}}" if name in WITH_CONTENT else ""
    said = problems(tmp_path, slot(name, "{{idx}}" + content))
    assert len(said) == (0 if name in ("user", "observation") else 1)


@pytest.mark.parametrize(
    "form", ["%d %b %Y", "%Y-%m-%d", "%A, %B %d", "100%% %Y", *(f"%{x}" for x in DATE_DIRECTIVES[:-1])]
)
def test_dates_that_every_engine_writes_alike(form: str, tmp_path: Path) -> None:
    assert problems(tmp_path, slot("prefix", f"{{{{date:{form}}}}}")) == []


@pytest.mark.parametrize("form", ["%H:%M", "%-d", "%c", "%x", "%Q", "%", "%%", "today", "%Y %"])
def test_dates_that_depend_on_the_engine_or_are_none(form: str, tmp_path: Path) -> None:
    assert len(problems(tmp_path, slot("prefix", f"{{{{date:{form}}}}}"))) == 1


def test_a_template_only_has_to_say_what_it_changes(tmp_path: Path) -> None:
    assert problems(tmp_path, "templates: {a: {}, b: {extends: a, default_system: Hi}, c: {extends: a}}\n") == []


def test_many_problems_are_found_in_reasonable_time(tmp_path: Path) -> None:
    chain = "".join(f"  t{i}: {{extends: t{i + 1}}}\n" for i in range(2000))
    assert len(problems(tmp_path, f"templates:\n{chain}")) == 2000
