"""The slot language."""

from __future__ import annotations

import pytest

from chatwright.catalogue.model import Part
from chatwright.catalogue.slots import fields, join_slots, parse_slot, split_content

CONTENT = Part("field", "content")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", ()),
        ("a{b}", (Part("text", "a{b}"),)),
        ("{{content}}", (CONTENT,)),
        ("a{{content}}b", (Part("text", "a"), CONTENT, Part("text", "b"))),
        ("{{{content}}}", (Part("text", "{"), CONTENT, Part("text", "}"))),
        ("{{idx}}", (Part("field", "idx"),)),
        ("{{bos_token}}{{eos_token}}", (Part("bos"), Part("eos"))),
        ("{{token:<|a b|>}}", (Part("token", "<|a b|>"),)),
        ("{{date:%d %b %Y}}", (Part("date", "%d %b %Y"),)),
        ("a{{text:{{content}}}}b", (Part("text", "a{{content}}b"),)),
        ("{{text:{{ a b }}}}", (Part("text", "{{ a b }}"),)),
        ("{{ content }}{{other}}", (Part("text", "{{ content }}{{other}}"),)),
        (["a", "b{{content}}"], (Part("text", "a"), Part("break"), Part("text", "b"), CONTENT)),
    ],
)
def test_parsing(text: str | list[str], parts: tuple[Part, ...]) -> None:
    assert parse_slot(text) == parts


def test_taking_apart_and_joining() -> None:
    slot = parse_slot("a{{content}}b{{eos_token}}")
    before, after = split_content(slot)
    assert (before, after) == ((Part("text", "a"),), (Part("text", "b"), Part("eos")))
    assert join_slots(before, (Part("text", "x"),), (CONTENT,)) == (Part("text", "ax"), CONTENT)
    assert fields(parse_slot("{{idx}}{{content}}")) == ["idx", "content"]
    with pytest.raises(ValueError):
        split_content(before)
