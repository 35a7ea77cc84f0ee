"""The generated Jinja in llama.cpp's own engine."""

from __future__ import annotations

from collections import Counter

from chatwright.meaning.tool_formats import format_of

from ..engines import llamacpp
from . import llamacpp_texts
from .llamacpp_texts import BROKEN, REFUSED, SAME
from .workbench import Report, Workbench


def check_llamacpp(bench: Workbench) -> Report:
    """The same files in llama.cpp: each loads, and writes what transformers does with the options llama.cpp sets."""
    engine = llamacpp.Engine()
    report = Report("llamacpp")
    templates, sources = bench.catalogue.templates, bench.bodies("vllm")
    said = bench.asked.over(
        "llamacpp",
        llamacpp_texts.__name__,
        {name: [source, templates[name], format_of(templates[name])] for name, source in sources.items()},
        lambda names: {name: llamacpp_texts.compared(templates[name], sources[name], engine) for name in names},
    )
    reasons: Counter[str] = Counter()
    for each in said.values():
        reasons.update(each["counts"])
        report.wrong += each["wrong"]
    broken = sum(BROKEN in each["counts"] for each in said.values())
    same, refused = reasons.pop(SAME, 0), reasons.pop(REFUSED, 0)
    del reasons[BROKEN]
    report.lines.append(f"{engine.version}: {len(sources) - broken} of {len(sources)} files load")
    compared = same + reasons.total()
    report.lines.append(f"{same} of {compared} texts the same as in transformers, {refused} refused by both")
    report.lines += [f"{count} of {compared} differ: {reason}" for reason, count in reasons.most_common()]
    return report
