"""Pieces of a chat template's own Jinja, and what must be true of one before it is taken over."""

from __future__ import annotations

from chatwright.inspection.draft.lifting import lifted
from chatwright.inspection.draft.tools import CALLS, TOOLS
from chatwright.meaning.fragments import loop_bodies, macro_calls
from chatwright.meaning.jinja import compile_template

SOURCE = """
{% set mark = '*' %}
{% macro name(tool) -%}
  {{ mark }}{{ tool.name }}
{%- endmacro %}
{% macro unused() %}{% endmacro %}
{% for tool in tools %}
  {{- name(tool) }}
    line {{ '}}' }}
{% endfor %}
"""


def test_a_loops_body_brings_what_it_needs_and_writes_the_same_anywhere() -> None:
    (loop,) = loop_bodies(SOURCE)
    assert loop["target"] == "tool"
    assert "unused" not in loop["body"]
    whole = compile_template(SOURCE).render(tools=[{"name": "a"}])
    piece = compile_template(f"  {{%- set tool = {{'name': 'a'}} -%}} \n {loop['body']}  ").render()
    assert whole.strip() == piece.strip() == "*a\n    line }}"


def test_calls_of_macros_with_the_tools() -> None:
    source = "{% macro all(kind, tools) %}{{ kind ~ tools|length }}{% endmacro %}{{ all('x', tools) }}"
    (call,) = macro_calls(source)
    assert compile_template(call).render(tools=[1, 2]) == "x2"


def test_only_what_is_quick_small_and_no_others_business_is_taken_over() -> None:
    """One real process: four loops over tools, of which three could run on in the process that renders a draft."""
    source = "".join(
        "{% for tool in tools %}{{ tool.function.name }}" + more + "{% endfor %}"
        for more in (
            "",
            "{% for a in range(9999) %}{% for b in range(99) %}{% endfor %}{% endfor %}",
            "{{ 'x' * 200000 }}",
            "{% if system == 'now' %}{% for a in range(99999) %}{% endfor %}{% endif %}",
        )
    )
    found = lifted(source, TOOLS, CALLS)
    assert [part["each"] for part in found.tools] == ["{{- tool.function.name -}}"]
