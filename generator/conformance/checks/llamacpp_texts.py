"""Texts of llama.cpp, asked for and compared with transformers'; it imports little, see :mod:`..asked`."""

from __future__ import annotations

from collections import Counter
from typing import Any

from chatwright.catalogue.model import Template
from chatwright.inspection.jinja import variables
from chatwright.meaning.runs import BOS, EOS
from chatwright.meaning.scenarios import scenarios
from chatwright.meaning.tool_formats import format_of, needs_python

from .. import clock
from ..engines import llamacpp
from ..engines.jinja import transformers_renderer
from .attempts import Refusal, attempt, difference

SAME, REFUSED, BROKEN = "same", "refused", "broken"
_QUOTES = str.maketrans("", "", "'\"\\")
_PARTS = "it joins the text parts of a message with a newline"
_NUMBER = "it writes the number 1e+20 with all its digits"
_PYTHON = "it quotes a text inside an object otherwise than Python"


def compared(template: Template, source: str, engine: llamacpp.Engine) -> dict[str, Any]:
    """How many texts of a file are :data:`SAME`, :data:`REFUSED` by both, :data:`BROKEN` or differ, by the reason.

    ``wrong`` lists what is broken, and what differs without a known reason.
    """
    counts: Counter[str] = Counter()
    wrong: list[str] = []
    switch = template.thinking.switch if template.thinking else "enable_thinking"
    with clock.day(llamacpp.TODAY):
        render = transformers_renderer(source)
        for scenario in scenarios().values():
            given = llamacpp.same_options(variables(scenario, bos=BOS, eos=EOS, switch=switch))
            expected, got = attempt(render, given), attempt(engine.render, source, given)
            handed_on = {**given, "messages": llamacpp.joined_parts(given["messages"])}
            if isinstance(got, Refusal) and (got.startswith("compile:") or not isinstance(expected, Refusal)):
                counts[BROKEN] += 1
                wrong.append(f"{template.name}, {scenario.name}: {got}")
            elif isinstance(got, Refusal):
                counts[REFUSED] += 1
            elif got == expected:
                counts[SAME] += 1
            elif handed_on["messages"] != given["messages"] and got == attempt(render, handed_on):
                counts[_PARTS] += 1
            elif got.replace("100000000000000000000.0", "1e+20") == expected:
                counts[_NUMBER] += 1
            elif _shows_python(template) and got.translate(_QUOTES) == expected.translate(_QUOTES):
                counts[_PYTHON] += 1
            else:
                wrong.append(f"{template.name}, {scenario.name}: {difference(got, expected)}")
    return {"counts": dict(counts), "wrong": wrong}


def _shows_python(template: Template) -> bool:
    definition = format_of(template)
    return definition is not None and needs_python(definition)
