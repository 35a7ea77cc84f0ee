"""The compiler from tool formats' Jinja to Go: what it settles, what it leaves to Go, and what it refuses.

What the compiled templates write is held against the formats themselves by ``make conformance``, in real Go.
"""

from __future__ import annotations

import pytest

from chatwright.errors import Unsupported
from chatwright.meaning.tool_formats import tool_formats
from chatwright.targets.go_template import CALL, TOOL, Go, Items, Text, compile_jinja, write_calls, write_tools
from chatwright.targets.go_text import GoWriter, go_date

VARIABLES = {"tools": Go("$.Tools", Items(TOOL)), "calls": Go("$calls", Items(CALL))}


def compiled(source: str) -> str:
    writer = GoWriter()
    compile_jinja(source, writer, VARIABLES)
    return writer.source()


def per_tool(fragment: str) -> str:
    """What a fragment about each tool becomes, without the loop, on one line."""
    return _inside(f"{{%- for item in tools -%}}{{%- set f = item.function -%}}{fragment}{{%- endfor -%}}")


def per_call(fragment: str) -> str:
    """The same about the arguments of each call."""
    return _inside(f"{{%- for item in calls -%}}{{%- set a = item.function.arguments -%}}{fragment}{{%- endfor -%}}")


def _inside(source: str) -> str:
    lines = compiled(source).split("\n")
    assert lines[0].startswith("{{- range $i1, $v2 := ")
    return "".join(line.strip() for line in lines[1:-1])


NOT_IN_GO = {
    "chatglm4": "Getitem in this form",
    "glm4_0414": "Getitem in this form",
    "gemma4_blocks": "its field type",
    "kimi_k25": "its field properties",
    "kimi_k3": "calls itself with more",
}


@pytest.mark.parametrize("name", sorted(tool_formats().keys() - NOT_IN_GO.keys()))
def test_a_format_compiles(name: str) -> None:
    writer, text = GoWriter(), Go("$text", Text())
    write_tools(tool_formats()[name], writer, "$.Tools", system=text, user=text)
    write_calls(tool_formats()[name], writer, "$calls")
    assert "$.Tools" in writer.source()
    assert "$calls" in writer.source()


@pytest.mark.parametrize("name", sorted(NOT_IN_GO))
def test_a_format_that_go_cannot_write_says_why(name: str) -> None:
    writer, text = GoWriter(), Go("$text", Text())
    with pytest.raises(Unsupported, match=NOT_IN_GO[name]):
        write_tools(tool_formats()[name], writer, "$.Tools", system=text, user=text)
        write_calls(tool_formats()[name], writer, "$calls")


@pytest.mark.parametrize(
    ("fragment", "go"),
    [
        ("{{ f.name ~ ':' }}", "{{ $v2.Function.Name }}:"),
        ("{{ f|tojson(indent=4) }}", "{{ json $v2.Function }}"),
        ("{{ {'type': 'x', 'f': f}|tojson }}", '{"type": "x", "f": {{ json $v2.Function }}}'),
        ("{{ 'a' if item.function is defined else 'b' }}", "a"),
        ("{{ f.description if f.description is defined else 'b' }}", "{{ $v2.Function.Description }}"),
        ("{%- if f.response -%}{{ nothing }}{%- endif -%}.", "."),
        ("{{ 'a' if f.description }}", "{{- if $v2.Function.Description -}}a{{- end -}}"),
        ("{{ '' if f.description else 'b' }}", "{{- if not ($v2.Function.Description) -}}b{{- end -}}"),
        ("{{ '' if loop.last else ',' }}", "{{- if not (eq (len (slice $.Tools $i1)) 1) -}},{{- end -}}"),
        ("{{ f.parameters['type'] }}", "{{ $v2.Function.Parameters.Type }}"),
        ("{{ raise_exception('no') }}", '{{- call "no" -}}'),
        (
            "{%- set s = '' -%}{%- if f.name -%}{%- set s = ',' -%}{%- endif -%}{{ s }}",
            '{{- $v3 := "" -}}{{- if $v2.Function.Name -}}{{- $v3 = "," -}}{{- end -}}{{ $v3 }}',
        ),
        (
            "{{ 'r' if f.name == 'x' else '' }}",
            '{{- if eq $v2.Function.Name "x" -}}r{{- end -}}',
        ),
    ],
)
def test_of_tools(fragment: str, go: str) -> None:
    assert per_tool(fragment) == go


@pytest.mark.parametrize(
    ("fragment", "go"),
    [
        ("{{ a if a is string else a|tojson }}", "{{ $v2.Function.Arguments }}"),
        (
            "{%- for k, v in a|items -%}{{ k ~ '=' ~ (v if v is string else v|tojson) }}{%- endfor -%}",
            '{{- range $k3, $v4 := $v2.Function.Arguments -}}{{ $k3 }}={{- if eq (printf "%T" $v4) "string" -}}'
            "{{ $v4 }}{{- else -}}{{ json $v4 }}{{- end -}}{{- end -}}",
        ),
    ],
)
def test_of_calls(fragment: str, go: str) -> None:
    assert per_call(fragment) == go


def test_a_macro_that_calls_itself_is_a_definition() -> None:
    source = (
        "{%- macro m(v) -%}{%- if v is mapping -%}{%- for k, w in v|dictsort(case_sensitive=true) -%}{{ m(w) }}"
        "{%- endfor -%}{%- else -%}{{ v|tojson }}{%- endif -%}{%- endmacro -%}"
        "{%- for item in calls -%}{{ m(item.function.arguments) }}{%- endfor -%}"
    )
    go = compiled(source)
    assert go.count("{{- define ") == 2  # for arguments, which are an object, and for any value
    assert '{{ template "m 1" $v2.Function.Arguments }}' in go


def test_fields_of_a_schema_are_written_one_after_another_where_a_tool_has_them() -> None:
    go = per_tool("{%- for k, v in f.parameters|items -%}{{ k ~ v|tojson if k in ['type', 'required'] }}{%- endfor -%}")
    required = "$v2.Function.Parameters.Required"
    assert go == (
        "type{{ json $v2.Function.Parameters.Type }}"
        f"{{{{- if {required} -}}}}required{{{{ json {required} }}}}{{{{- end -}}}}"
    )


@pytest.mark.parametrize(
    ("test", "go"),
    [
        ("'<' in v", "{{- range $at := len $v4"),
        ("v|trim", "{{- range len $v"),
    ],
)
def test_what_looks_into_a_text_asks_whether_it_is_one_first(test: str, go: str) -> None:
    source = f"{{%- for k, v in a|items -%}}{{{{ 'x' if v is string and {test} }}}}{{%- endfor -%}}"
    written = per_call(source)
    assert go in written
    assert written.index('eq (printf "%T" $v4) "string"') < written.index(go)


@pytest.mark.parametrize(("source", "lost"), [("a|items", {"arguments"}), ("a|dictsort(case_sensitive=true)", set())])
def test_an_order_that_go_does_not_keep_is_named(source: str, lost: set[str]) -> None:
    fragment = f"{{%- for k, v in {source} -%}}{{{{ k }}}}{{%- endfor -%}}"
    whole = f"{{%- for item in calls -%}}{{%- set a = item.function.arguments -%}}{fragment}{{%- endfor -%}}"
    assert compile_jinja(whole, GoWriter(), VARIABLES).sorted == lost


@pytest.mark.parametrize(
    ("fragment", "reason"),
    [
        ("{{ f.name|replace('a', 'b') }}", "nothing for the filter replace"),
        ("{{ f.name|upper }}", "capital letters"),
        ("{{ f.parameters }}", "as Python does"),
        ("{{ f.parameters.required }}", "as Python does"),
        ("{{ nobody }}", "does not know the value of nobody"),
        ("{{ somebody(f) }}", "no function somebody"),
        ("{{ f.name is sameas f }}", "the test sameas"),
        ("{%- if f.name -%}{%- set s = f -%}{%- endif -%}{{ s }}", "does not know the value of s"),
        ("{%- set s = '' -%}{%- if f.name -%}{%- set s = f -%}{%- endif -%}", "cannot keep the value of s"),
        ("{%- for k, v in f.parameters.properties.x|items -%}{%- endfor -%}", "its field x"),
        ("{{ f.name[0] }}", "the Jinja Getitem"),
        ("{%- set ns = namespace(a=1) -%}", "the Jinja Call"),
        ("{{ 1.5 }}", "is no text"),
        ("{{ strftime_now('%H:%M') }}", "the year, month and day only"),
    ],
)
def test_what_go_cannot_carry_is_refused(fragment: str, reason: str) -> None:
    with pytest.raises(Unsupported, match=reason):
        per_tool(fragment)


def test_dates() -> None:
    assert "".join(map(str, go_date("%Y-%m-%d"))) == "{{ currentDate }}"
    assert "".join(map(str, go_date("%d/%m/%y %%"))) == (
        "{{ slice currentDate 8 10 }}/{{ slice currentDate 5 7 }}/{{ slice currentDate 2 4 }} %"
    )
    assert '{{ if eq $month "01" }}Jan{{ else if eq $month "02" }}Feb{{' in "".join(map(str, go_date("%b")))
    assert '{{ else if eq $month "12" }}December{{ end }}' in "".join(map(str, go_date("%B")))
