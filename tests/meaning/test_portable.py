"""The subset of Jinja that every engine reads alike: what is refused, and that no generated file is outside it."""

from __future__ import annotations

from pathlib import Path

import pytest

from chatwright.errors import Unsupported
from chatwright.inspection.draft.template_data import DEFINITION, built
from chatwright.meaning.jinja import compile_template
from chatwright.meaning.portable import not_portable, portable
from chatwright.targets.chat_template import chat_template
from tests.meaning.test_call_ids import DEFINED
from tests.meaning.test_chains import SLOTS
from tests.support import ROOT


@pytest.mark.parametrize(
    ("source", "written"),
    [
        ("{{ 'a' }}", "{{ 'a' }}"),
        ('{{ "it\'s" }}', r"{{ 'it\'s' }}"),
        (r"{{ '\u0027\x41\t' }}", "{{ '\\'A\t' }}"),
        (r"{{ 'a\\nb' }}", r"{{ ('a\\' ~ 'nb') }}"),
        ("{% for k, v in x.items() if k %}{{ v }}{% endfor %}", "{% for k, v in x|items if k %}{{ v }}{% endfor %}"),
        (r"{{ '{{' ~ x['}}'] }}", r"{{ ('{' ~ '{') ~ x[('}' ~ '}')] }}"),
        ("{%- for x in xs -%}{{- x -}}{%- endfor -%}", "{%- for x in xs -%}{{- x -}}{%- endfor -%}"),
    ],
)
def test_strings_are_written_for_every_engine(source: str, written: str) -> None:
    assert portable(source) == written
    given = {"x": {"}}": "v"}, "xs": [1, 2]}
    assert compile_template(source).render(**given) == compile_template(written).render(**given)
    assert not_portable(written) == []


@pytest.mark.parametrize(
    ("source", "wrong"),
    [
        (r"{{ '\u0027' }}", r"the string '\u0027', which is to be written '\''"),
        (r"{{ '\\n' }}", r"the string '\\n', which is to be written ('\\' ~ 'n')"),
        ("{{ '{{' }}", "the string '{{', which is to be written ('{' ~ '{')"),
        ("{{ x|unique }}", "the filter unique"),
        ("{{ x|tojson(sort_keys=true) }}", "the filter tojson with these arguments"),
        ("{{ x|join }}", "the filter join with these arguments"),
        ("{{ x is divisibleby(2) }}", "the test divisibleby"),
        ("{{ x|map('upper')|join(',') }}", "the filter map with these arguments"),
        ("{{ x|default('a') }}", "the filter default"),
        ("{{ x is sequence }}", "the test sequence"),
        ("{{ x.find('a') }}", "the method find"),
        ("{{ x.strip('a') }}", "the method strip with these arguments"),
        ("{{ x.get('a') }}", "the method get"),
        ("{{ x.items()|length }}", "the method items"),
        ("{{ dict(a=1) }}", "the function dict"),
        ("{{ x.items }}", "the attribute items, which may be a method of the object"),
        ("{{ x()() }}", "a call of an expression"),
        ("{%- for x in y recursive -%}{{ x }}{%- endfor -%}", "a recursive loop"),
        ("{%- macro f(a, b) -%}{%- endmacro -%}{{ f(1, b=2) }}", "the macro f with these arguments"),
        ("{%- macro f(a, b) -%}{%- endmacro -%}{{ f(1) }}", "the macro f with these arguments"),
        ("{%- macro f() -%}{%- endmacro -%}{{ f.name }}", "the function f without a call"),
        ("{{ lipsum }}", "the function lipsum without a call"),
        ("{{ raise_exception }}", "the function raise_exception without a call"),
        ("{%- set n = namespace({'a': 1}) -%}", "a namespace with other than named values"),
        ("{{ 0x1F }}", "the number 0x1F, where only digits are read alike"),
        ("{{ 1_000 }}", "the number 1_000, where only digits are read alike"),
        ("{{ 1.5 }}", "the number 1.5, where only digits are read alike"),
        ("{{ 9223372036854775808 }}", "the number 9223372036854775808, where only digits are read alike"),
        ("{{ é }}", "the name é"),
        ("{%+ if x %}{%- endif -%}", "the sign + in {%+"),
        ("{{ -5 % 3 }}", "a negative number in front of %"),
        ("{{ x[::2] }}", "a slice with a step"),
        ("{{ 'y' if 1 < x < 3 }}", "several comparisons at once"),
        ("{{ x.startswith(('a', 'b')) }}", "the method startswith with these arguments"),
        ("{{ none }}", "a value that is printed as Python shows it"),
        ("{{ [1, 2] }}", "a value that is printed as Python shows it"),
        ("{%- for x in y -%}{{ loop.nextitem }}{%- endfor -%}", "the attribute loop.nextitem"),
        ("{{ -x }}", "a minus sign before anything but a number"),
        ("{{ x * 2 }}", "the construct Mul"),
        ("{%- set x|upper -%}{%- endset -%}", "a set block with a filter"),
        ("{%- call f() -%}{%- endcall -%}", "the construct CallBlock"),
        ("{{ 2 ** 3 }}", "the construct Pow"),
        ("{%- raw -%}x{%- endraw -%}", "the tag raw"),
        ("Hello", "text outside of tags ('Hello'), whose white space engines trim differently"),
    ],
)
def test_what_no_engine_has_confirmed_is_refused(source: str, wrong: str) -> None:
    assert wrong in not_portable(source)


def test_marks_are_for_training_files() -> None:
    source = "{%- generation -%}{{- x|unique -}}{%- endgeneration -%}"
    assert not_portable(source, marks=True) == ["the filter unique"]
    with pytest.raises(Exception, match="generation"):
        not_portable(source)


@pytest.mark.parametrize("folder", ["deploy/vllm", "training"])
def test_no_generated_file_is_outside_the_subset(folder: str) -> None:
    files = sorted(Path(ROOT, "generated", folder).glob("*.jinja"))
    assert len(files) > 300
    wrong = [
        f"{file.name}: {each}"
        for file in files
        for each in not_portable(file.read_text(encoding="utf-8"), marks=folder == "training")
    ]
    assert not wrong, "\n".join(wrong)


def test_a_tool_format_outside_the_subset_makes_no_file() -> None:
    definition = {**DEFINED, "calls": [{"each": "{{ call|unique }}"}]}
    given = built({"slots": SLOTS, "tool_format": "mine", DEFINITION: definition})
    for marks in (False, True):
        with pytest.raises(Unsupported, match=r"^tool_format: not every engine .* alike: the filter unique$"):
            chat_template(given, marks=marks)
