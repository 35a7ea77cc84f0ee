"""The starter is a valid spec whatever its names are, and its schema is where the editor looks."""

from __future__ import annotations

from pathlib import Path

import pytest

from chatwright.catalogue import load_catalogue
from chatwright.catalogue.model import Catalogue
from chatwright.errors import ChatwrightError, UsageError
from chatwright.meaning.render import render, to_text
from chatwright.pipeline.starter import write_starter
from chatwright.resources import schema_path
from tests.support import catalogue


def test_a_starter_is_valid_and_renders(tmp_path: Path) -> None:
    specs = tmp_path / "my specs"
    place = write_starter(Catalogue(()), "acme-3", "Acme: 3 #x", 'Acme "AI": #1\n', specs)
    assert place == specs / "acme_ai_1" / "acme-3.yaml"
    text = place.read_text(encoding="utf-8")
    [told] = [line.partition("$schema=")[2] for line in text.splitlines() if "$schema=" in line]
    assert (place.parent / told).resolve().read_bytes() == schema_path().read_bytes()
    assert "@" not in text
    assert "chatwright show acme-3 --scenario plain --specs '" in text
    loaded = load_catalogue(specs, tool_formats=())
    [spec] = loaded.specs
    assert (spec.title, spec.publisher) == ("Acme: 3 #x", 'Acme "AI": #1\n')
    written = to_text(render(loaded.templates["acme-3"], [{"role": "user", "content": "Hi"}]))
    assert written == "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"


def test_what_stands_behind_a_comment_is_valid_too(tmp_path: Path) -> None:
    """Each example, taken out of its comment."""
    place = write_starter(catalogue(), "acme", None, "own", tmp_path)
    text = place.read_text(encoding="utf-8")
    for example in ("tool_format: ", "observation: ", "default_system: ", "thinking: ", "prefix: ", "image: "):
        assert text.count(f"# {example}") == 1
        text = text.replace(f"# {example}", example)
    for line in ("model_types:", "  acme:", "    architectures: ", "    requires: ", "serving:", "  vllm: "):
        assert f"\n# {line}" in text
        text = text.replace(f"\n# {line}", f"\n{line}")
    for line in ("model_type: acme", "multimodal: true", "modelscope: "):
        text = text.replace(f"# {line}", line)
    place.write_text(text, encoding="utf-8")
    [spec] = load_catalogue(tmp_path, tool_formats={"qwen"}).specs
    assert spec.models[0].multimodal and spec.model_types and spec.templates[0].tool_format == "qwen"


def test_what_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"'llama3' is taken: .*llama3.yaml"):
        write_starter(catalogue(), "llama3", None, "own", tmp_path)
    for name in ("../x", "Acme", "", "a/b", "-x"):
        with pytest.raises(UsageError, match="cannot be a family's name"):
            write_starter(catalogue(), name, None, "own", tmp_path)
    assert not any(tmp_path.iterdir())
    write_starter(Catalogue(()), "acme", None, "own", tmp_path)
    with pytest.raises(ChatwrightError, match="exists already"):
        write_starter(Catalogue(()), "acme", None, "own", tmp_path)
