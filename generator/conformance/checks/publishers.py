"""The generated Jinja against the chat templates that publishers ship."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from chatwright.catalogue.model import Template
from chatwright.errors import Unsupported
from chatwright.meaning.conversation import Message
from chatwright.meaning.runs import TODAY
from chatwright.meaning.sandbox import Refused, Workshop
from chatwright.meaning.scenarios import scenarios
from chatwright.records.publishers import Compared, Comparisons, Source
from chatwright.targets.chat_template import chat_template
from conformance.engines import jinja as jinja_engines

from .. import clock
from ..comparison import compare_all
from ..publishers import (
    WORDS,
    Finding,
    Publisher,
    Record,
    conversations,
    find,
    load_record,
    models,
    needs,
    own_publishers,
    publishers_by_template,
    read_record,
    variables,
    write_sandboxed,
)
from .workbench import Report, Workbench


def check_publishers(bench: Workbench) -> Report:
    """The generated Jinja against publishers' own templates: the same text, and turns that do not alternate.

    Without the publishers' templates, what is recorded of them is what is compared with.
    """
    report = Report("publishers")
    try:
        official = bench.need("official")
    except ImportError as error:
        report.skipped = f"{error}; what is recorded of it was used"
        record = read_record(bench.recorded_publishers) if bench.recorded_publishers else Record((), {})
    else:
        with Workshop() as workshop:
            names = (model.id for model in models(bench.catalogue))
            record = load_record(official, names, partial(_write_twice, workshop, report))
    with clock.day(TODAY):
        by_template = publishers_by_template(record.publishers, bench.catalogue)
        written = {name for name in by_template if bench.body("vllm", name) is not None}
        findings = {
            name: find(bench.catalogue.templates[name], by_template[name], _our_text) for name in sorted(written)
        }
        for name, finding in findings.items():
            template = bench.catalogue.templates[name]
            report.wrong += [f"{name}: {line}" for line in finding.wrong]
            report.wrong += _unlike(template, finding.turns)
            report.wrong += _file_unlike(template, str(bench.body("vllm", name)), by_template[name])
        bench.comparisons = _compare(bench, record)
    report.wrong += [
        f"{name}: no publisher's template tells that it carries {', '.join(sorted(template.turns))}"
        for name, template in bench.catalogue.templates.items()
        if name not in findings and template.turns
    ]
    if not report.skipped:
        bench.publishers = (record, findings)
    report.lines += _tally(findings, len(bench.catalogue.templates))
    report.lines += _tally_same(bench.comparisons, record)
    return report


def _write_twice(
    workshop: Workshop, report: Report, source: str, requests: Sequence[Mapping[str, Any]]
) -> list[str | Refused]:
    """The texts of the sandbox, which must be those of transformers: they render with an environment of their own."""
    texts = write_sandboxed(workshop, source, requests)
    with clock.day(TODAY):
        for request, text in zip(requests, texts, strict=True):
            try:
                theirs: str | None = jinja_engines.transformers_renderer(source)(dict(request))
            except Exception:  # whatever Python says to what the template computes
                theirs = None
            if theirs != (None if isinstance(text, Refused) else text):
                report.wrong.append(f"transformers writes another text than the sandbox: {theirs!r:.80}, {text!r:.80}")
    return texts


def _compare(bench: Workbench, record: Record) -> Comparisons:
    """How each template that a publisher's is known of compares with it."""
    found: dict[str, Compared] = {}
    sources: dict[str, Source] = {}
    for name, publishers in own_publishers(record.publishers, bench.catalogue).items():
        body = bench.body("vllm", name)
        if body is None:
            found[name] = Compared(None, ())
            continue
        template, write = bench.catalogue.templates[name], jinja_engines.transformers_renderer(body)
        compared = compare_all(template, publishers, record, write)
        found[name] = Compared(bench.deployments["vllm"][name].sha256, compared)
        for each in publishers:
            sources[each.id] = Source(each.repo, each.sha256, each.source, each.verbatim)
    return Comparisons(sources, found, tuple(name for name, scenario in scenarios().items() if scenario.base))


def _tally_same(comparisons: Comparisons, record: Record) -> list[str]:
    """How many templates write what their publishers' do, and why the others do not."""
    pairs = [found for each in comparisons.templates.values() for found in each.comparisons]
    templates = [each.comparisons for each in comparisons.templates.values() if each.comparisons]
    whole = [[comparison.same for comparison in found] for found in templates]
    counts = Counter(result.status for found in pairs for result in found.results.values())
    causes = Counter(cause for found in templates for cause in {cause for one in found for cause in one.causes})
    told = ", ".join(f"{cause} {count}" for cause, count in causes.most_common())
    return [
        f"{len(record.publishers)} publishers' templates of {len({each.repo for each in record.publishers})} "
        f"repositories, {len(record.texts)} texts of scenarios",
        f"{len(templates)} templates have a publisher's: {sum(map(all, whole))} write the same as each of theirs on "
        f"every scenario that it carries, {sum(map(any, whole))} the same as one of them",
        f"scenarios: {', '.join(f'{count} {status}' for status, count in sorted(counts.items()))}",
        f"templates that differ, by cause: {told}",
    ]


def _unlike(template: Template, turns: frozenset[Any]) -> list[str]:
    if turns == {*template.turns}:
        return []
    due = ", ".join(word for word in WORDS if word in turns)
    return [f"{template.name}: by its publishers' templates its 'turns' should be [{due}]"]


def _file_unlike(template: Template, source: str, publishers: Sequence[Publisher]) -> list[str]:
    """Where the file itself writes a conversation that the template does not carry, or refuses one that it does."""
    wrong = []
    for name, messages in conversations().items():
        carried = needs(name).issubset(template.turns)
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
    words = (word for word in WORDS if word != "later_system" or template.system_placement == "turn")
    return chat_template(replace(template, turns=tuple(words)))


def _text(source: str, given: Mapping[str, Any]) -> str | None:
    try:
        return jinja_engines.transformers_renderer(source)(dict(given))
    except Unsupported:
        return None
