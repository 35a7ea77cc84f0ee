"""vLLM's rules, emulated: the format it finds in the syntax tree, and the messages it hands to a template.

What is expected of each source is what vLLM 0.33.0's own function returned for it.
"""

from __future__ import annotations

import pytest

from chatwright.inspection.vllm import content_format, messages

TYPED = [
    "{% for m in messages %}{% for p in m.content %}{% endfor %}{% endfor %}",
    "{% for m in messages %}{% for p in m['content'] %}{% endfor %}{% endfor %}",
    "{% set turns = messages[1:] %}{% for m in turns %}{% for p in m.content|list %}{% endfor %}{% endfor %}",
    "{% set s = namespace(rest=messages) %}{% for m in s.rest %}{% for p in m.content %}{% endfor %}{% endfor %}",
    "{% macro f(x) %}{% for p in x %}{% endfor %}{% endmacro %}{% for m in messages %}{{ f(m.content) }}{% endfor %}",
    "{% for m in messages %}{% set content = m.content %}{% for p in content %}{% endfor %}{% endfor %}",
]
TEXT = [
    "{% for m in messages %}{{ m.content }}{% endfor %}",
    "{% for m in others %}{% for p in m.content %}{% endfor %}{% endfor %}",
    "{% for m in messages %}{% set text = m.content %}{% for p in text %}{% endfor %}{% endfor %}",
    "{% macro f(content) %}{% for p in content %}{% endfor %}{% endmacro %}{% for m in messages %}{% endfor %}",
    "{% for p in messages[0].content %}{% endfor %}",
]


@pytest.mark.parametrize("source", TYPED)
def test_a_loop_over_content_asks_for_typed_parts(source: str) -> None:
    assert content_format(source) == "openai"


@pytest.mark.parametrize("source", TEXT)
def test_anything_else_asks_for_text(source: str) -> None:
    assert content_format(source) == "string"


def test_messages_reach_the_template_as_parts() -> None:
    call = {"type": "function", "id": "c", "function": {"name": "f", "arguments": '{"a": 1}'}}
    given = [
        {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {"url": "x"}}]},
        {"role": "assistant", "content": None, "reasoning_content": "hm", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": "one"},
    ]
    user, reply, result = messages(given)
    assert user["content"] == [{"type": "text", "text": "a"}, {"type": "image"}]
    assert reply["content"] == [] and reply["reasoning"] == "hm"
    assert reply["tool_calls"][0]["function"]["arguments"] == {"a": 1}
    assert result["content"] == "one"
    assert given[1]["tool_calls"] == [call], "the request itself stays as it was"
