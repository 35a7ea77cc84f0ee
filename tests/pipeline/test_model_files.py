"""A model's files, also where they are not what they should be."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from chatwright.errors import ChatwrightError
from chatwright.pipeline.model_files import architectures, eos_ids, token_text, vocabulary


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("tokenizer.json", {"added_tokens": [{}]}),
        ("tokenizer.json", {"model": {"vocab": [1, 2]}}),
        ("tokenizer_config.json", {"added_tokens_decoder": {"x": {"content": "<s>"}}}),
    ],
)
def test_tokens_that_are_listed_in_no_known_way_are_told_with_the_file(
    tmp_path: Path, file: str, content: dict[str, Any]
) -> None:
    (tmp_path / file).write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(ChatwrightError, match=f"{file}: its tokens"):
        vocabulary(tmp_path)


def test_tokens_of_every_file_are_found(tmp_path: Path) -> None:
    files = {
        "tokenizer.json": {"model": {"vocab": [["a", -1.5]]}, "added_tokens": [{"id": 1, "content": "<b>"}]},
        "added_tokens.json": {"<c>": 2},
        "tokenizer_config.json": {"added_tokens_decoder": {"3": {"content": "<d>"}}},
    }
    for name, data in files.items():
        (tmp_path / name).write_text(json.dumps(data), encoding="utf-8")
    assert vocabulary(tmp_path) == {"a": 0, "<b>": 1, "<c>": 2, "<d>": 3}


def test_values_of_other_types_are_left_out() -> None:
    assert architectures({"architectures": 5}) == []
    assert architectures({"architectures": ["A", 1]}) == ["A"]
    assert eos_ids({"eos_token_id": [1, "2", True]}) == [1]
    assert [token_text({"t": value}, "t") for value in ("<s>", {"content": "<s>"}, {}, 1)] == ["<s>", "<s>", None, None]
