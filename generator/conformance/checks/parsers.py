"""vLLM's and SGLang's own parsers on what the templates write: the names a spec gives are real, and fit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from chatwright.catalogue.model import Template
from chatwright.errors import Unsupported
from chatwright.records.servers import SERVERS, Proof
from chatwright.targets.own_prompts import SGLANG, SGLANG_WITHOUT_TEMPLATE, VLLM_MODES

from ..engines.worker import WorkerError
from ..server_parsers import Reply, ServersError, ask, own_prompts, registered, replies, request, wrong
from .workbench import Report, Workbench

_KNOWN_PROMPTS = {
    "vllm/config/model.py": VLLM_MODES,
    "vllm/renderers/online_renderer.py": {"gpt_oss"},
    "sglang/srt/entrypoints/openai/chat_encoding.py": {*SGLANG, *SGLANG_WITHOUT_TEMPLATE},
}


def check_parsers(bench: Workbench) -> Report:
    """Every parser that a spec names takes the template's replies apart: texts, thoughts and calls as they were."""
    report = Report("parsers")
    if bench.servers is None:
        report.skipped = "the folder of vLLM and SGLang is not given"
        return report
    try:
        found = registered(bench.servers)
        tried = {name: template for name, template in bench.catalogue.templates.items() if _named(template)}
        for server in SERVERS:
            found[server] = replace(found[server], proven=_prove(bench, server, tried, report))
        report.wrong += _own_prompts(bench.servers)
    except (ServersError, WorkerError) as error:
        report.skipped = str(error)
        return report
    bench.parsers.update(found)
    return report


def _own_prompts(servers: Path) -> Iterator[str]:
    """Where a server knows other models whose prompts it writes itself than is written down here."""
    for file, found in own_prompts(servers).items():
        if found != (due := _KNOWN_PROMPTS[file]):
            yield f"{file} compares with {sorted(found)}, and {sorted(due)} is what is known here"


def _named(template: Template) -> bool:
    return any(template.serving.values())


def _prove(bench: Workbench, server: str, templates: Mapping[str, Template], report: Report) -> dict[str, Proof]:
    """Ask all parsers of a server at once; what is wrong goes into the report, the rest is proven."""
    asked: list[tuple[str, Reply]] = []
    requests: list[dict[str, Any]] = []
    for name, template in templates.items():
        named = template.serving[server]
        source = bench.body("vllm", name)
        if not named or source is None:
            continue
        try:
            due = replies(template, calls="tool_call_parser" in named, thoughts="reasoning_parser" in named)
        except Unsupported as reason:
            report.wrong.append(f"{name}: {server}'s parsers have nothing to read: {reason}")
            continue
        asked += ((name, reply) for reply in due)
        requests += (request(server, template, source, named, reply) for reply in due)
    assert bench.servers is not None
    failed: dict[str, list[str]] = {}
    single: set[str] = set()
    for (name, reply), answer in zip(asked, ask(requests, bench.servers), strict=True):
        if told := wrong(reply, answer):
            if len(reply.calls) > 1:
                single.add(name)
            else:
                failed.setdefault(name, []).append(f"{name}, {reply.name}: {server} makes of it {told}")
    report.wrong += (line for lines in failed.values() for line in lines)
    proven = {
        name: Proof(dict(templates[name].serving[server]), parallel=name not in single)
        for name, _ in asked
        if name not in failed
    }
    kinds = Counter(kind for proof in proven.values() for kind in proof.parsers)
    told_kinds = ", ".join(f"{count} {kind.replace('_', ' ')}s" for kind, count in sorted(kinds.items()))
    report.lines.append(
        f"{server}: {len(asked)} replies of {len(proven)} templates taken apart by {told_kinds}; "
        f"{len(single - failed.keys())} templates whose parser loses several calls in one reply"
    )
    return proven
