"""The comparison that lets JSON values stand in another layout, and nothing else differ."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from conformance.json_values import Difference, difference, request_values

FUNCTION = {
    "name": "f",
    "description": "<b>",
    "parameters": {"type": "object", "properties": {"a": {"type": "string"}}},
}
MESSAGES = [{"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": {"a": 1, "b": "é<"}}}]}]
VALUES = request_values(MESSAGES, [{"type": "function", "function": FUNCTION}])
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


def compact(value: Any) -> str:
    """JSON as Go lays it out."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


@given(st.dictionaries(st.text(max_size=3), JSON, max_size=3), st.text(), st.text())
def test_the_layout_of_a_value_is_free(value: dict[str, Any], before: str, after: str) -> None:
    expected = before + json.dumps(value, ensure_ascii=False) + after
    assert difference(before + compact(value) + after, expected, [value]) is None


@given(JSON, JSON, st.text(max_size=5))
def test_another_value_is_found(value: Any, other: Any, around: str) -> None:
    assume(json.dumps(value, sort_keys=True) != json.dumps(other, sort_keys=True))
    assume(not (isinstance(value, float | int) and isinstance(other, float | int) and value == other))
    written = [around + json.dumps({"x": one}) for one in (other, value)]
    found = difference(written[0], written[1], [{"x": value}])
    assert found is not None or not _told_apart(value, other)


def _told_apart(value: Any, other: Any) -> bool:
    """Whether two values differ in more than the type of a number: 1 and 1.0 are written alike by Go."""
    return bool(value != other) or isinstance(value, bool) is not isinstance(other, bool)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('call {"a":1,"b":"é\\u003c"}!', 'call {"a": 1, "b": "é<"}!'),
        ('{"b":"é<","a":1}', '{"a": 1, "b": "é<"}'),
        (f"tool {compact(FUNCTION)}", f"tool {json.dumps(FUNCTION, indent=4)}"),
        ('{"name": "f", "n": 1}', '{"name": "f", "n": 1.0}'),
    ],
)
def test_alike(text: str, expected: str) -> None:
    values = [*VALUES, 1.0] if "1.0" in expected else VALUES
    assert difference(text, expected, values) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"a": 2, "b": "é<"}', '{"a": 1, "b": "é<"}'),  # another value
        ('{"a": true, "b": "é<"}', '{"a": 1, "b": "é<"}'),  # which Python calls equal
        ('{"a": 1, "b": "é<"}', '{"a": 1, "b": "é<"}\n'),  # the text goes on
        ('{"a": 1, "b": "é<"}\n', '{"a": 1, "b": "é<"}'),
        ('{"x":1}', '{"x": 1}'),  # JSON that is not the request's is text: a tool's result, a user's words
        ("<b>", "\\u003cb>"),
        ("{'a': 1, 'b': 'é<'}", '{"a": 1, "b": "é<"}'),  # no JSON
        ("", "a"),
    ],
)
def test_not_alike(text: str, expected: str) -> None:
    found = difference(text, expected, VALUES)
    assert found is not None
    assert found.at is not None


def test_fields_are_named() -> None:
    rich = {
        **FUNCTION,
        "strict": True,
        "parameters": {"type": "object", "properties": {"a": {"default": 1, "type": "x"}}},
    }
    poor = {**FUNCTION, "parameters": {"type": "object", "properties": {"a": {"type": "x"}}}, "extra": ""}
    found = difference(f"<{compact(poor)}>", f"<{json.dumps(rich)}>", [rich])
    assert found == Difference(frozenset({"strict", "default"}), frozenset({"extra"}))


def test_a_field_that_is_gone_hides_no_other_difference() -> None:
    rich = {**FUNCTION, "strict": True}
    found = difference(f"{compact(FUNCTION)} ", f"{json.dumps(rich)}\n", [rich])
    assert found is not None
    assert found.at is not None


def test_the_values_of_a_request() -> None:
    assert {"type": "function", "function": FUNCTION} in VALUES
    assert {"a": 1, "b": "é<"} in VALUES
    assert "f" in VALUES
    assert "é<" not in VALUES
    text = [{"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": '{"a": [1, null]}'}}]}]
    assert request_values(text, None) == ["f", {"a": [1, None]}, [1, None], 1]
