"""What the frameworks register themselves, so that every other registration can be told apart as ours."""

from __future__ import annotations

import importlib.metadata
from dataclasses import replace

from chatwright.meaning.runs import TODAY

from ..engines import llamafactory
from ..engines.swift import PLAIN_CLASS, Swift
from ..sync.registry import Registry, built_ins_of
from . import swift_texts
from .swift_registration import fields_of
from .workbench import Report, Workbench


def check_built_ins(bench: Workbench) -> Report:
    """The names and ids of both frameworks' built-ins, and the Python classes of ms-swift that change a text."""
    report = Report("built-ins")
    importlib.metadata.version("ms-swift")  # ImportError where there is none
    version = importlib.metadata.version("llamafactory")
    registered = Registry("llamafactory", version, llamafactory.templates(), llamafactory.registered_models())
    bench.built_ins["llamafactory"] = replace(built_ins_of(registered), plugins=llamafactory.plugins())
    with Swift(today=TODAY) as swift:
        templates, model_types = swift.registries["templates"], swift.registries["model_types"]
        plain = {name for name, fields in templates.items() if fields["template_cls"] == PLAIN_CLASS}
        items = {name: fields_of(name, swift) for name in sorted(templates.keys() - plain)}
        said = bench.asked.over(
            "built-ins", swift_texts.__name__, items, lambda names: swift_texts.changing(names, swift)
        )
        changing, unread = ([name for name in said if said[name] == kind] for kind in ("changes", "unread"))
        registry = Registry("swift", swift.version, templates, model_types)
        bench.built_ins["swift"] = replace(built_ins_of(registry), text_in_code=frozenset(changing))
    for framework, found in bench.built_ins.items():
        report.lines.append(f"{framework} {found.version}: {len(found.templates)} templates")
    report.lines.append(
        f"ms-swift: {len(plain)} templates without a Python class of their own, {len(changing)} whose class changes "
        f"the text of a conversation without media, {len(unread)} that write no text here: {', '.join(unread)}"
    )
    return report
