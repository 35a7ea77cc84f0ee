"""Text in Jinja: as readable as every engine allows, and the functions that chat servers add."""

from __future__ import annotations

import pytest
from jinja2 import TemplateError
from jinja2.exceptions import SecurityError

from chatwright.meaning import bounded
from chatwright.meaning.jinja import compile_template, literal, text


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("plain 中 é \U0001f600", "'plain 中 é \U0001f600'"),
        ("a\nb\\c'd\"e\r", r"""'a\nb\\c\'d"e\r'"""),
        ("\t\x85\u200d\u2028", "'\t\x85\u200d\u2028'"),
        ("a\\nb\\\\n", r"('a\\' ~ 'nb\\\\' ~ 'n')"),
        ("\\\n", r"'\\\n'"),
        ("X\U0010ffff\U000e0001", "'X\U0010ffff\U000e0001'"),
        ("\uffff\U00010000", "'\uffff\U00010000'"),
        ("{{ {% {# }} %} #} { }", "('{' ~ '{ {' ~ '% {' ~ '# }' ~ '} %' ~ '} #' ~ '} { }')"),
        ("{{{%", "('{' ~ '{' ~ '{' ~ '%')"),
        ("", "''"),
    ],
)
def test_literals(value: str, written: str) -> None:
    assert literal(value) == written
    assert compile_template(text(value)).render() == value


def test_text_is_an_expression_and_nothing_is_nothing() -> None:
    assert text("a") == "{{ 'a' }}"
    assert text("") == ""


def test_json_as_transformers_writes_it() -> None:
    render = compile_template(
        "{{ x|tojson }} {{ x|tojson(ensure_ascii=true) }} {{ x|tojson(sort_keys=true, separators=(',', ':')) }}"
        "{{ x|tojson(indent=1) }}"
    ).render
    assert render(x={"é": 1, "b": "<&"}) == (
        '{"é": 1, "b": "<&"} {"\\u00e9": 1, "b": "<&"} {"b":"<&","é":1}{\n "é": 1,\n "b": "<&"\n}'
    )


def test_a_template_refuses_in_its_own_words() -> None:
    with pytest.raises(TemplateError, match=r"^no way$"):
        compile_template("{{ raise_exception('no way') }}").render()


def test_lines_of_statements_leave_nothing() -> None:
    assert compile_template("  {% if true %}\na\n  {% endif %}\nb").render() == "a\nb"


@pytest.mark.parametrize(
    "source",
    [
        "{{ ('{0.__init__.__globals__}'|attr('format'))(cycler) }}",
        "{{ ('{0.__globals__[json].__file__}'|attr('format'))(strftime_now) }}",
    ],
)
def test_nothing_leaves_the_sandbox(source: str) -> None:
    """Jinja before 3.1.6 let ``attr('format')`` do so."""
    with pytest.raises(SecurityError):
        compile_template(source).render()


def test_a_worker_sees_no_secret_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "secret")
    assert "secret" not in bounded._environment().values()
