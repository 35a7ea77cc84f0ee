"""What is written for Go, as Go runs it: texts come out as they are, and Go's statements do what Python's words do."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import get_args

import pytest

from chatwright.catalogue.model import Trim
from chatwright.errors import Unsupported
from chatwright.meaning.thoughts import remove_thoughts, trim
from chatwright.targets.go_text import (
    WHITE_SPACE,
    Action,
    Block,
    GoWriter,
    Inline,
    Thought,
    go_date,
    go_literal,
    is_plain,
)
from conformance.engines.ollama import Engine

DAY = date(2025, 3, 4)
TEXTS = (
    *(
        "",
        "x",
        " ",
        "\n",
        "\n\n",
        " x",
        "x ",
        "\nx\n",
        "\n\nx y\n\n",
        " \n\tx \n",
        "{{ x }}",
        "{",
        "}}",
        "{{",
        "a{",
        '"',
    ),
    *(
        '"""',
        "\\",
        "\\n",
        "é中\U0001f600",
        "\x00\x07\x7f\x85\u00ad\u200d\u2028\u3000",
        "\u3000x\u2003",
        "\r\n",
        "`",
        "%s",
    ),
    *("<t>a</t>b", "<t>a</t>b<t>c</t>d", "a<t>b", "a</t>b", "</t>a<t>b</t>", "<t></t>", "<t><t>a</t></t>", "</t></t>"),
    "".join(character for characters in WHITE_SPACE for character in characters) + "x",
)


def ran(go: Engine, write: Callable[[GoWriter], None], text: str = "", today: date = DAY) -> str:
    """What Go writes of a template in which ``$text`` holds a text."""
    writer = GoWriter()
    with writer.block("range $i, $_ := .Messages"):
        writer.statement("$text := .Content")
        write(writer)
    found = go.render(writer.source(), [{"role": "user", "content": text}], think=None, today=today)
    assert found.error == ""
    return found.text


def shown(writer: GoWriter) -> None:
    writer.put(["[", Action("$text"), "]"])


def test_texts_come_out_as_they_are(go: Engine) -> None:
    for text in TEXTS:
        assert ran(go, lambda writer, text=text: writer.put([text])) == text
        assert (
            ran(go, lambda writer, text=text: writer.put([text, Action("$text"), text, text]), "|")
            == f"{text}|{text * 2}"
        )
        assert ran(go, lambda writer, text=text: writer.put([Action(go_literal(text))])) == text


@pytest.mark.parametrize("how", get_args(Trim))
def test_trims_as_python_does(go: Engine, how: Trim) -> None:
    for text in TEXTS:
        assert ran(go, lambda writer: (writer.trim("$text", how), shown(writer)), text) == f"[{trim(text, how)}]"  # type: ignore[func-returns-value]


def test_thoughts_are_taken_out_as_the_renderer_takes_them(go: Engine) -> None:
    words = ("<t>", "</t>")
    for text in TEXTS:
        without = ran(go, lambda writer: (writer.remove_between("$text", words), shown(writer)), text)  # type: ignore[func-returns-value]
        assert without == f"[{remove_thoughts(text, words)}]"
        behind = ran(go, lambda writer: (writer.keep_after_last("$text", "</t>"), shown(writer)), text)  # type: ignore[func-returns-value]
        assert behind == f"[{text.split('</t>')[-1]}]"


@pytest.mark.parametrize("form", ["%Y-%m-%d", "%d %b %Y", "%B %d", "%y%m%d%%", "on %Y-%m-%d, %Y"])
def test_dates(go: Engine, form: str) -> None:
    for month in range(1, 13):
        today = date(2025, month, 28 - month)
        assert ran(go, lambda writer: writer.put(go_date(form)), today=today) == today.strftime(form)


@pytest.mark.parametrize("form", ["%A", "%j", "%-d", "%"])
def test_dates_that_go_cannot_write(form: str) -> None:
    if form == "%":
        assert go_date(form) == ["%"] or "".join(map(str, go_date(form))) == "%"
        return
    with pytest.raises(
        Unsupported, match=f"^Ollama tells templates the year, month and day only, the format wants {form}"
    ):
        go_date(form)


def test_a_refusal_is_an_error_with_its_reason(go: Engine) -> None:
    writer = GoWriter()
    with writer.block("range .Messages"):
        writer.refuse('no "way"')
    error = go.render(writer.source(), [{"role": "user", "content": ""}], think=None, today=DAY).error
    assert 'no \\"way\\"' in error


def test_the_layout() -> None:
    """Statements stand one a line, what is in a block two spaces further in; texts as they are."""
    other, definition = GoWriter(), GoWriter()
    with other.block("if b"):
        other.put(["in"])
    with definition.block('define "d"'):
        definition.put(["x"])
    writer = GoWriter()
    with writer.block("if a"):
        writer.put(["one", "", "two", Block(lambda: writer.put(["!"]))])
        writer.include(other)
    writer.write("""
        else if c
            range d
                break
    """)
    with writer.block("else"):
        writer.put([" ", Thought(".Thinking", ("<t>", "</t>")), Inline("{{ x }}")])
    writer.define(definition)
    assert writer.source().split("\n") == [
        '{{- define "d" -}}',
        "x",
        "{{- end -}}",
        "{{- if a -}}",
        "onetwo!",
        "  {{- if b -}}",
        "in",
        "  {{- end -}}",
        "{{- else if c -}}",
        "  {{- range d -}}",
        "    {{- break -}}",
        "  {{- end -}}",
        "{{- else -}}",
        '{{ " " }}{{ if .Thinking }}<t>{{ .Thinking }}</t>{{ end }}{{ x }}',
        "{{- end -}}",
    ]


@pytest.mark.parametrize("words", [("\n", "</t>"), ("<t>", " "), ("{{", "</t>"), ("<t>", "\u200d</t>")])
def test_words_that_need_escapes_are_refused(words: tuple[str, str]) -> None:
    writer = GoWriter()
    writer.put([Thought(".Thinking", words)])
    with pytest.raises(
        Unsupported, match=r"^Ollama finds thoughts by plain texts around them; these words need escapes$"
    ):
        writer.source()


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ('a"\\\n\t\r', r'"a\"\\\n\t\r"'),
        ("é 中", '"é 中"'),
        ("\x00\u00ad\u200d", r'"\u0000\u00ad\u200d"'),
        ("\U0001f600\uffff", r'"\U0001f600\uffff"'),
    ],
)
def test_literals(text: str, written: str) -> None:
    assert go_literal(text) == written


def test_what_go_prints() -> None:
    assert all(map(is_plain, "aé中0$ -_\u0300"))
    assert not any(map(is_plain, "\t\n\u00a0\u00ad\u200b\u2028\u3000\ue000\ufeff\U0001f600"))
