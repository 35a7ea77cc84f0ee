"""What Ollama's and LMDeploy's files know of the tokenizer's own tokens, and where generation stops."""

from __future__ import annotations

from typing import Any

import pytest

from chatwright.catalogue.build import build_spec
from chatwright.catalogue.model import Part, Slot, Spec
from chatwright.catalogue.slots import parse_slot
from chatwright.errors import Location
from chatwright.targets.literal import begins_with_bos, stop_texts, token_text, without_bos


@pytest.mark.parametrize(
    ("slot", "bos", "rest"),
    [
        ("{{bos_token}}<x>", None, "<x>"),
        ("{{bos_token}}<x>", "<s>", "<x>"),
        ("<s><x>{{content}}", "<s>", "<x>{{content}}"),
        ("<s>{{content}}", "<s>", "{{content}}"),
        ("<s>{{content}}<x>", "<s>", "{{content}}<x>"),
        ("{{token:<s>}}<x>", "<s>", "<x>"),
        ("{{token:<s><y>}}<x>", "<s>", (Part("token", "<y>"), Part("text", "<x>"))),
        ("<s>", "<s>", ""),
        ("<x><s>", "<s>", "<x><s>"),
        ("{{eos_token}}<s>", "<s>", "{{eos_token}}<s>"),
        ("<s>", None, "<s>"),
        ("", "<s>", ""),
    ],
)
def test_bos_is_taken_off_the_head(slot: str, bos: str | None, rest: str | Slot) -> None:
    due = parse_slot(rest) if isinstance(rest, str) else rest
    assert without_bos(parse_slot(slot), bos) == due
    assert begins_with_bos(parse_slot(slot), bos) is (parse_slot(slot) != due)


def spec_of(assistant: dict[str, Any], more: dict[str, Any], tokens: dict[str, str]) -> Spec:
    template = {"slots": {"user": "{{content}}", "assistant": assistant, **more.pop("slots", {})}, **more}
    serving = {"tokens": tokens} if tokens else {}
    data = {"name": "x", "title": "X", "publisher": "P", "templates": {"x": template}, "serving": serving}
    return build_spec(data, path="x.yaml", source="p/x.yaml", locate=lambda _: Location("x.yaml"))


@pytest.mark.parametrize(
    ("body", "more", "tokens", "stops"),
    [
        ("{{content}}<end>\n", {}, {}, ["<end>"]),
        ("{{content}}<end>", {"stop_words": ["<more>"]}, {}, ["<more>", "<end>"]),
        ("{{content}}<end>x", {"stop_words": ["<end>"]}, {}, ["<end>"]),
        ("{{content}}{{token:<end>}}", {}, {}, ["<end>"]),
        (["{{content}}", "<end>"], {}, {}, ["<end>"]),
        ("{{content}}{{eos_token}}", {}, {}, []),
        ("{{content}}{{eos_token}}", {}, {"eos_token": "</s>"}, ["</s>"]),
        ("{{content}}{{bos_token}}", {}, {"bos_token": "<s>"}, []),
        ("{{content}}", {}, {}, []),
        ("{{content}}\n", {}, {}, []),
        ("{{content}}<end>", {"slots": {"function": "{{content}}<call>"}}, {}, ["<end>"]),
        (
            "{{content}}<end>",
            {"slots": {"function": "{{content}}<call>"}, "tool_format": "qwen"},
            {},
            ["<end>", "<call>"],
        ),
        ("<head>{{content}}<end>", {"stop_words": ["<head>"]}, {}, ["<end>"]),
        ("{{content}}<end>", {"stop_words": ["</t>"], "thinking": {"words": ["<t>", "</t>"]}}, {}, ["<end>"]),
        (
            "<head>{{content}}<end>",
            {"stop_words": ["<head>"], "thinking": {"words": ["<t>", "</t>"]}},
            {},
            ["<end>"],
        ),
    ],
)
def test_where_generation_stops(body: Any, more: dict[str, Any], tokens: dict[str, str], stops: list[str]) -> None:
    spec = spec_of({"body": body}, dict(more), tokens)
    assert list(stop_texts(spec, spec.templates[0])) == stops
    assert token_text(spec, "eos_token") == tokens.get("eos_token")


def test_the_last_turn_may_end_in_another_way() -> None:
    spec = spec_of({"body": "{{content}}<end>\n", "last": "{{content}}<last>"}, {}, {})
    assert list(stop_texts(spec, spec.templates[0])) == ["<last>"]
    spec = spec_of({"body": "{{content}}<end>", "last": "<head>{{content}}<end>"}, {"stop_words": ["<head>"]}, {})
    assert list(stop_texts(spec, spec.templates[0])) == ["<end>"]
