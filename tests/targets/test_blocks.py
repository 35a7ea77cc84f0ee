"""Blocks of the writers: ends come by themselves, and what goes on with a decision takes its end back."""

from __future__ import annotations

from chatwright.targets.go_text import GoWriter


def test_statements_are_nested_as_they_are_indented() -> None:
    writer = GoWriter()
    writer.write("""
        range .Messages
            if a
                b
            else if c
                d
        e
    """)
    assert writer.lines == [
        "{{- range .Messages -}}",
        "  {{- if a -}}",
        "    {{- b -}}",
        "  {{- else if c -}}",
        "    {{- d -}}",
        "  {{- end -}}",
        "{{- end -}}",
        "{{- e -}}",
    ]


def test_a_block_without_a_head_is_what_it_holds() -> None:
    writer = GoWriter()
    with writer.block(""):
        writer.statement("a")
    assert writer.lines == ["{{- a -}}"]


def test_branches_write_one_decision() -> None:
    writer = GoWriter()
    for text in writer.branches([("a", "one"), ("b", "two"), ("", "three")]):
        writer.put([text])
    assert writer.lines == [
        "{{- if a -}}",
        "one",
        "{{- else if b -}}",
        "two",
        "{{- else -}}",
        "three",
        "{{- end -}}",
    ]


def test_a_case_without_a_condition_that_is_alone_has_no_block() -> None:
    writer = GoWriter()
    for statement in writer.branches([("", "a")]):
        writer.statement(statement)
    assert writer.lines == ["{{- a -}}"]
