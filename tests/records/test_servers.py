"""The parsers of vLLM and SGLang, as they are recorded and as templates name them."""

from __future__ import annotations

from pathlib import Path

import pytest

from chatwright.records.servers import SERVERS, dump_parsers, load_parsers, parsers
from chatwright.resources import records_path
from chatwright.targets.parsers import is_proven, parser_flags, parser_notes, serving_entry
from tests.support import catalogue


def test_the_records_are_read_as_they_are_written() -> None:
    assert set(parsers()) == set(SERVERS)
    for server, record in parsers().items():
        assert dump_parsers(record) == (records_path("servers") / f"{server}.json").read_text(encoding="utf-8")


@pytest.mark.parametrize("server", SERVERS)
def test_what_is_proven_is_named_and_known(server: str) -> None:
    proven = parsers()[server].proven
    assert len(proven) > 50
    for proof in proven.values():
        assert proof.parsers
        for kind, name in proof.parsers.items():
            assert name in parsers()[server].names[kind]


def test_a_template_has_its_own_parsers_or_its_familys() -> None:
    templates = catalogue().templates
    assert dict(templates["qwen3_nothink"].serving["vllm"]) == {"tool_call_parser": "hermes"}  # it does not think
    assert dict(templates["qwen3"].serving["vllm"]) == {"tool_call_parser": "hermes", "reasoning_parser": "qwen3"}
    assert templates["qwen3"].serving["sglang"]["reasoning_parser"] == "qwen3"
    assert templates["qwen3-swift"].serving["sglang"]["reasoning_parser"] == "deepseek-v3"
    assert not templates["ernie_vl_thinking"].serving["vllm"]  # it extends one that has a parser, which does not fit


def test_the_options_of_a_server() -> None:
    template = catalogue().templates["qwen3"]
    tools = ["--tool-call-parser", "hermes", "--reasoning-parser", "qwen3"]
    assert parser_flags(template, "vllm") == ["--enable-auto-tool-choice", *tools]
    assert parser_flags(template, "sglang") == ["--tool-call-parser", "qwen", "--reasoning-parser", "qwen3"]
    assert parser_flags(catalogue().templates["deepseek_r1"], "vllm") == ["--reasoning-parser", "qwen3"]
    assert serving_entry(catalogue().templates["vicuna"]) == {}


def test_what_parsers_cannot_do_is_told() -> None:
    templates = catalogue().templates
    assert is_proven(templates["qwen3"], "vllm")
    assert list(parser_notes(templates["qwen3"], "vllm")) == []
    [told] = parser_notes(templates["seed_oss"], "vllm")
    assert "tool calls" in told
    [told] = parser_notes(templates["glm4_moe"], "vllm")
    assert "one tool call" in told


def test_without_a_record_nothing_is_known(tmp_path: Path) -> None:
    assert load_parsers(tmp_path / "nowhere") == {}
