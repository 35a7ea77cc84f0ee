"""The subset of Jinja that generated files are written in, sample by sample in every engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from jinja2 import Environment, nodes

from chatwright.errors import ChatwrightError
from chatwright.inspection import jinja
from chatwright.meaning import portable

from .. import clock
from ..engines import huggingface_jinja, llamacpp
from ..engines import jinja as jinja_engines
from .attempts import attempt
from .workbench import Report, Workbench

_GIVEN: Mapping[str, Any] = {
    "messages": [{"role": "user", "content": "Hi"}],
    "add_generation_prompt": True,
    "rows": [{"name": "one", "flag": True}, {"name": "two", "flag": False}],
    "object": {"b": "2", "a": "1"},
    "words": ["x", "y", "x"],
    "text": " l1\nl2 ",
}
# The text that jinja2 writes of each sample; every name of the lists must stand in one.
SAMPLES: Mapping[str, str] = {
    "{{- words|join(',') ~ words|first ~ words|last ~ words|length -}}": "x,y,xxx3",
    "{{- words|reverse|join('') ~ words|sort|join('') ~ words|list|length -}}": "xyxxxy3",
    "{{- rows|map(attribute='name')|join('+') -}}": "one+two",
    "{{- rows|selectattr('name', 'equalto', 'one')|list|length ~ '' ~ rows|selectattr('flag')|list|length -}}": "11",
    "{{- rows|rejectattr('name', 'equalto', 'one')|list|length ~ '' ~ rows|rejectattr('flag')|list|length -}}": "11",
    "{%- for key, value in object|items -%}{{- key ~ value -}}{%- endfor -%}": "b2a1",
    "{%- for key, value in object|dictsort(case_sensitive=true) -%}{{- key ~ value -}}{%- endfor -%}": "a1b2",
    "{{- text|trim ~ '|' ~ text|upper ~ text|lower ~ 'ab'|capitalize -}}": "l1\nl2| L1\nL2  l1\nl2 Ab",
    "{{- text|indent(2) ~ text|indent(2, first=true) -}}": " l1\n  l2    l1\n  l2 ",
    "{{- text|replace('l', 'L') ~ 3|string ~ 'a'|safe -}}": " L1\nL2 3a",
    "{{- object.a|tojson ~ {'k': [1, none]}|tojson(indent=2) -}}": '"1"{\n  "k": [\n    1,\n    null\n  ]\n}',
    "{{- ' a '.strip() ~ ' a '.lstrip() ~ ' a '.rstrip() ~ 'a'.upper() ~ 'A'.lower() ~ 'a'.title() -}}": "aa  aAaA",
    "{{- 'a,b'.replace(',', ';') ~ 'a-b'.split('-')|last ~ 'a-b-c'.split('-', 1)|last -}}": "a;bbb-c",
    "{{- 'yes' if 'abc'.startswith('ab') and 'abc'.endswith('bc') else 'no' -}}": "yes",
    "{%- for i in range(2, 5) -%}{{- i if i % 2 else i + 5 - words[:-1]|length -}}{%- endfor -%}": "537",
    "{%- for word in words -%}{%- if word == 'y' -%}{%- break -%}{%- endif -%}{{- word -}}{%- endfor -%}": "x",
    "{%- for word in [] -%}a{%- else -%}b{%- endfor -%}": "b",
    "{%- macro m(a, b='d') -%}{{- a ~ b -}}{%- endmacro -%}{{- m('1') ~ m('1', '2') -}}": "1d12",
    "{%- set n = namespace(l=[], c=1) -%}{%- set n.l = n.l + [('a', 1)] -%}{{- n.l|length ~ words[1:]|first -}}": "1y",
    "{%- set block -%}{{- 'in' -}}{%- endset -%}{{- block -}}": "in",
    "{%- set nothing = not (gone or false) -%}{{- 't' if nothing -}}": "t",
    "{{- 'd' if gone is not defined and none is none and words is iterable and object is mapping else '' -}}": "d",
    "{{- 'd' if true is boolean and 1 is number and 'a' is string else '' -}}": "d",
    "{{- 'd' if words[0] in ['x'] and object['a'] == '1' else raise_exception('never') -}}": "d",
    "{{- strftime_now('%Y') -}}": str(llamacpp.TODAY.year),
}


def check_portable(bench: Workbench) -> Report:
    """The Jinja that generated files may hold: a sample of each construct, in every engine."""
    report = Report("portable Jinja")
    npm = bench.need("npm")
    listed = _listed()
    if missing := listed - _used():
        raise ChatwrightError(f"no sample of {', '.join(sorted(missing))}")
    llama = llamacpp.Engine()
    with huggingface_jinja.Engine(npm, llamacpp.TODAY) as node, clock.day(llamacpp.TODAY):
        engines: dict[str, Callable[[str], jinja.Render]] = {
            "transformers": jinja_engines.transformers_renderer,
            "SGLang": jinja_engines.sglang_renderer,
            "minijinja": jinja_engines.minijinja_renderer,
            "@huggingface/jinja": node.renderer,
            "llama.cpp": lambda source: lambda given: llama.render(source, given),
        }
        for name, compiled in engines.items():
            for sample, due in SAMPLES.items():
                got = attempt(compiled(sample), dict(_GIVEN))
                if got != due:
                    report.wrong.append(f"{name}: {sample} writes {got!r} instead of {due!r}")
    report.lines.append(f"{len(SAMPLES)} samples of {len(listed)} constructs in {len(engines)} engines")
    return report


def _listed() -> set[str]:
    """Everything that the subset allows, each by its kind and name."""
    found = {f"test {name}" for name in portable.TESTS} | {f"construct {name}" for name in portable.NODES}
    for kind, known in {"filter": portable.FILTERS, "function": portable.FUNCTIONS, "method": portable.METHODS}.items():
        for name, (_, _, keywords) in known.items():
            found |= {f"{kind} {name}", *(f"{kind} {name} with {keyword}" for keyword in keywords)}
    return found


def _used() -> set[str]:
    """What of it the samples hold."""
    found = set()
    environment = Environment(extensions=["jinja2.ext.loopcontrols"])
    for node in (node for sample in SAMPLES for node in environment.parse(sample).find_all(nodes.Node)):
        found.add(f"construct {type(node).__name__}")
        if isinstance(node, nodes.Test):
            found.add(f"test {node.name}")
        elif isinstance(node, nodes.Filter):
            found |= {f"filter {node.name}", *(f"filter {node.name} with {each.key}" for each in node.kwargs)}
        elif isinstance(node, nodes.Call) and isinstance(node.node, nodes.Getattr):
            found.add(f"method {node.node.attr}")
        elif isinstance(node, nodes.Call) and isinstance(node.node, nodes.Name):
            found.add(f"function {node.node.name}")
    return found | {"construct Template"}
