"""What may only get better: odd words in the prose of the code, and files that are too long."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections import Counter
from pathlib import Path

import pytest
import yaml

from tests.support import ROOT

RATCHET = ROOT / "tests" / "house.yaml"
GENERATOR = ROOT / "generator"
LONGEST = 500  # lines of a file of code


def listed() -> dict[str, dict[str, object]]:
    found: dict[str, dict[str, object]] = yaml.safe_load(RATCHET.read_text(encoding="utf-8"))
    return found


def prose(file: Path) -> str:
    """The docstrings, messages and comments of a module."""
    text = file.read_text(encoding="utf-8")
    said = [node.value for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Constant)]
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    comments = [token.string for token in tokens if token.type == tokenize.COMMENT]
    return " ".join([*(each for each in said if isinstance(each, str)), *comments])


def counted(words: list[str]) -> dict[str, int]:
    found: Counter[str] = Counter()
    for file in sorted(GENERATOR.rglob("*.py")):
        text = " ".join(prose(file).split())
        found.update({word: len(re.findall(rf"\b(?:{word})\b", text)) for word in words})
    return dict(found)


def test_odd_words_get_fewer() -> None:
    ceilings = listed()["odd words"]
    found = counted(list(ceilings))
    assert found.keys() == ceilings.keys(), "no module was read"
    wrong = [
        f"{word}: {found[word]}, and {ceilings[word]} are listed" for word in ceilings if found[word] != ceilings[word]
    ]
    if wrong:
        pytest.fail(
            "\n".join([*wrong, f"more: say it plainly; fewer: write the new count into {RATCHET.relative_to(ROOT)}"]),
            pytrace=False,
        )


def test_no_file_is_too_long() -> None:
    allowed = listed()["longer than 500 lines"]
    lengths = {
        file.relative_to(ROOT).as_posix(): len(file.read_text(encoding="utf-8").splitlines())
        for folder in (GENERATOR, ROOT / "tests")
        for file in folder.rglob("*.py")
    }
    assert [
        f"{name}: {count} lines" for name, count in lengths.items() if count > LONGEST and name not in allowed
    ] == []
    assert [f"{name} is not longer any more" for name in allowed if lengths.get(name, 0) <= LONGEST] == []
    assert all(allowed.values()), "each has a reason"
