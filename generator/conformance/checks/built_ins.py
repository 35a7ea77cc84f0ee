"""What the frameworks register themselves, so that every other registration can be told apart as ours."""

from __future__ import annotations

import importlib.metadata
from dataclasses import replace

from chatwright.errors import Unsupported
from chatwright.meaning.render import Kind
from chatwright.meaning.runs import TODAY
from chatwright.meaning.scenarios import scenarios

from ..engines import llamafactory
from ..engines.swift import PLAIN_CLASS, Rendered, Request, Swift
from ..sync.registry import Registry, built_ins_of
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
        changing, unread = _changing(swift, sorted(templates.keys() - plain))
        registry = Registry("swift", swift.version, templates, model_types)
        bench.built_ins["swift"] = replace(built_ins_of(registry), text_in_code=frozenset(changing))
    for framework, found in bench.built_ins.items():
        report.lines.append(f"{framework} {found.version}: {len(found.templates)} templates")
    report.lines.append(
        f"ms-swift: {len(plain)} templates without a Python class of their own, {len(changing)} whose class changes "
        f"the text of a conversation without media, {len(unread)} that write no text here: {', '.join(unread)}"
    )
    return report


def _changing(swift: Swift, names: list[str]) -> tuple[list[str], list[str]]:
    """The templates whose class writes, or refuses, what ms-swift's plain class does not; those that write nothing."""
    changing, unread = [], []
    for name in names:
        asked = [(scenario, kind) for scenario in scenarios().values() for kind in Kind]
        own = swift.render([Request(name, scenario, kind) for scenario, kind in asked])
        plain = swift.render([Request(name, scenario, kind, plain=True) for scenario, kind in asked])
        if all(isinstance(text, Unsupported) for text in own):
            unread.append(name)
        elif any(_text(one) != _text(other) for one, other in zip(own, plain, strict=True)):
            changing.append(name)
    return changing, unread


def _text(written: Rendered | Unsupported) -> str | None:
    return None if isinstance(written, Unsupported) else written.text
