"""The generated Jinja in llama.cpp's own engine."""

from __future__ import annotations

from collections import Counter

from chatwright.catalogue.model import Template
from chatwright.inspection import jinja
from chatwright.meaning.runs import BOS, EOS
from chatwright.meaning.scenarios import scenarios
from chatwright.meaning.tool_formats import format_of, needs_python
from conformance.engines import jinja as jinja_engines

from .. import clock
from ..engines import llamacpp
from .workbench import Refusal, Report, Workbench, attempt, difference

_QUOTES = str.maketrans("", "", "'\"\\")
_PARTS = "it joins the text parts of a message with a newline"
_NUMBER = "it writes the number 1e+20 with all its digits"
_PYTHON = "it quotes a text inside an object otherwise than Python"


def check_llamacpp(bench: Workbench) -> Report:
    """The same files in llama.cpp: each loads, and writes what transformers does with the options llama.cpp sets."""
    engine = llamacpp.Engine()
    report = Report("llamacpp")
    files = refused = same = 0
    broken: set[str] = set()
    reasons: Counter[str] = Counter()
    for name, template in bench.catalogue.templates.items():
        source = bench.body("vllm", name)
        if source is None:
            continue
        files += 1
        switch = template.thinking.switch if template.thinking else "enable_thinking"
        with clock.day(llamacpp.TODAY):
            render = jinja_engines.transformers_renderer(source)
            for scenario in scenarios().values():
                given = llamacpp.same_options(jinja.variables(scenario, bos=BOS, eos=EOS, switch=switch))
                expected, got = attempt(render, given), attempt(engine.render, source, given)
                handed_on = {**given, "messages": llamacpp.joined_parts(given["messages"])}
                if isinstance(got, Refusal) and (got.startswith("compile:") or not isinstance(expected, Refusal)):
                    broken.add(name)
                    report.wrong.append(f"{name}, {scenario.name}: {got}")
                elif isinstance(got, Refusal):
                    refused += 1
                elif got == expected:
                    same += 1
                elif handed_on["messages"] != given["messages"] and got == attempt(render, handed_on):
                    reasons[_PARTS] += 1
                elif got.replace("100000000000000000000.0", "1e+20") == expected:
                    reasons[_NUMBER] += 1
                elif _shows_python(template) and got.translate(_QUOTES) == expected.translate(_QUOTES):
                    reasons[_PYTHON] += 1
                else:
                    report.wrong.append(f"{name}, {scenario.name}: {difference(got, expected)}")
    report.lines.append(f"{engine.version}: {files - len(broken)} of {files} files load")
    compared = same + reasons.total()
    report.lines.append(f"{same} of {compared} texts the same as in transformers, {refused} refused by both")
    report.lines += [f"{count} of {compared} differ: {reason}" for reason, count in reasons.most_common()]
    return report


def _shows_python(template: Template) -> bool:
    definition = format_of(template)
    return definition is not None and needs_python(definition)
