"""The generated Jinja against the chat templates that publishers ship."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ...catalogue.model import Template
from ...errors import Unsupported
from ...meaning.conversation import Message
from ...targets.chat_template import chat_template
from .. import frozen
from ..engines import jinja
from ..publishers import (
    WORDS,
    Finding,
    Publisher,
    conversations,
    find,
    load_publishers,
    models,
    needs,
    publishers_by_template,
    variables,
)
from ..vectors import TODAY
from .bench import Report, Workbench


def check_publishers(bench: Workbench) -> Report:
    """The generated Jinja against publishers' own templates: turns that do not alternate, written alike or refused."""
    report = Report("publishers")
    if bench.official is None or not bench.official.is_file():
        return Report(report.engine, skipped="the collection of publishers' chat templates is not there")
    with frozen.day(TODAY):
        publishers = load_publishers(bench.official, (model.id for model in models(bench.catalogue)), _publishers_text)
        by_template = publishers_by_template(publishers, bench.catalogue)
        written = {name for name in by_template if bench.body("vllm", name) is not None}
        findings = {
            name: find(bench.catalogue.templates[name], by_template[name], _our_text) for name in sorted(written)
        }
        for name, finding in findings.items():
            template = bench.catalogue.templates[name]
            report.wrong += [f"{name}: {line}" for line in finding.wrong]
            report.wrong += _unlike(template, finding.turns)
            report.wrong += _file_unlike(template, str(bench.body("vllm", name)), by_template[name])
    report.wrong += [
        f"{name}: no publisher's template tells that it carries {', '.join(sorted(template.turns))}"
        for name, template in bench.catalogue.templates.items()
        if name not in findings and template.turns
    ]
    bench.publishers = (publishers, findings)
    report.lines += _tally(findings, len(bench.catalogue.templates))
    return report


def _unlike(template: Template, turns: frozenset[Any]) -> list[str]:
    if template.turns == turns:
        return []
    due = ", ".join(word for word in WORDS if word in turns)
    return [f"{template.name}: by its publishers' templates its 'turns' should be [{due}]"]


def _file_unlike(template: Template, source: str, publishers: Sequence[Publisher]) -> list[str]:
    """Where the file itself writes a conversation that the template does not carry, or refuses one that it does."""
    wrong = []
    for name, messages in conversations().items():
        carried = needs(name) <= template.turns
        if not needs(name):
            continue
        for publisher in publishers:
            text = _text(source, variables(messages, publisher.bos, publisher.eos))
            if text is not None and not carried:
                wrong.append(f"{template.name}, {name}: written, and the template does not carry it")
            if carried and text != _our_text(template, publisher, messages):
                wrong.append(f"{template.name}, {name}: not written as the template that carries everything does")
    return sorted(set(wrong))


def _tally(findings: Mapping[str, Finding], total: int) -> list[str]:
    known = {name: finding for name, finding in findings.items() if set(finding.verdicts.values()) != {"unknown"}}
    lines = [f"{len(known)} of {total} templates write what a publisher's does while the roles take turns"]
    lines.append(f"{sum(bool(finding.turns) for finding in known.values())} of them carry more turns than that")
    for word in WORDS:
        counts = Counter(finding.verdicts[word] for finding in known.values())
        told = ", ".join(f"{count} {verdict}" for verdict, count in sorted(counts.items()))
        lines.append(f"{word}: {told}")
    return lines


def _our_text(template: Template, publisher: Publisher, messages: Sequence[Message]) -> str | None:
    return _text(_carrying_everything(template), variables(messages, publisher.bos, publisher.eos))


def _carrying_everything(template: Template) -> str:
    words = frozenset(WORDS) if template.system_placement == "turn" else frozenset(WORDS) - {"later_system"}
    return chat_template(replace(template, turns=words))


def _text(source: str, given: Mapping[str, Any]) -> str | None:
    try:
        return jinja.transformers_renderer(source)(dict(given))
    except Unsupported:
        return None


def _publishers_text(source: str, given: Mapping[str, Any]) -> str | None:
    try:
        return _text(source, given)
    except Exception:  # whatever Python says to what a publisher's template computes of a message it does not expect
        return None
