"""vLLM's and SGLang's own parsers on what the templates write: the names a spec gives are real, and fit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from chatwright.catalogue.model import Template
from chatwright.errors import Unsupported
from chatwright.records.servers import SERVERS, Proof
from chatwright.targets.own_prompts import SGLANG, SGLANG_WITHOUT_TEMPLATE, VLLM_MODES

from .. import server_parsers
from ..engines.worker import WorkerError
from ..server_parsers import Reply, ServersError, ask, own_prompts, registered, replies, request, wrong
from .workbench import Report, Workbench

_Told = list[tuple[Reply, str | None]]
_KNOWN_PROMPTS = {
    "vllm/config/model.py": VLLM_MODES,
    "vllm/renderers/online_renderer.py": {"gpt_oss"},
    "sglang/srt/entrypoints/openai/chat_encoding.py": {*SGLANG, *SGLANG_WITHOUT_TEMPLATE},
}


def check_parsers(bench: Workbench) -> Report:
    """Every parser that a spec names takes the template's replies apart: texts, thoughts and calls as they were."""
    report = Report("parsers")
    servers = bench.need("servers")
    try:
        found = registered(servers)
        tried = {name: template for name, template in bench.catalogue.templates.items() if _named(template)}
        due = {(server, name): each for server in SERVERS for name, each in _due(bench, server, tried, report).items()}
        told = _told(bench, due)
        for server in SERVERS:
            own = {name: replies for (other, name), replies in told.items() if other == server}
            found[server] = replace(found[server], proven=_prove(server, tried, own, report))
        report.wrong += _own_prompts(servers)
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


def _due(
    bench: Workbench, server: str, templates: Mapping[str, Template], report: Report
) -> dict[str, list[tuple[dict[str, Any], Reply]]]:
    """What the parsers of a server are asked about each template, and the replies that they must make of it."""
    found = {}
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
        found[name] = [(request(server, template, source, named, reply), reply) for reply in due]
    return found


def _told(bench: Workbench, due: Mapping[tuple[str, str], Sequence[tuple[Any, Reply]]]) -> dict[tuple[str, str], _Told]:
    """Each reply with what is wrong with the parsers' answer, by server and template."""
    items = {" ".join(key): each for key, each in due.items()}
    servers = bench.need("servers")

    def again(names: Sequence[str]) -> dict[str, list[str | None]]:
        answers = iter(ask([asked for name in names for asked, _ in items[name]], servers))
        return {name: [wrong(reply, next(answers)) for _, reply in items[name]] for name in names}

    found = bench.asked.over("parsers", server_parsers.__name__, items, again, [servers])
    return {key: list(zip((reply for _, reply in due[key]), found[" ".join(key)], strict=True)) for key in due}


def _prove(
    server: str, templates: Mapping[str, Template], found: Mapping[str, _Told], report: Report
) -> dict[str, Proof]:
    """What is wrong with a server's answers goes into the report, the rest is proven."""
    failed: dict[str, list[str]] = {}
    single: set[str] = set()
    for name, reply, told in ((name, *each) for name, all_ in found.items() for each in all_):
        if told and len(reply.calls) > 1:
            single.add(name)
        elif told:
            failed.setdefault(name, []).append(f"{name}, {reply.name}: {server} makes of it {told}")
    report.wrong += (line for lines in failed.values() for line in lines)
    proven = {
        name: Proof(dict(templates[name].serving[server]), parallel=name not in single)
        for name in found
        if name not in failed
    }
    kinds = Counter(kind for proof in proven.values() for kind in proof.parsers)
    told_kinds = ", ".join(f"{count} {kind.replace('_', ' ')}s" for kind, count in sorted(kinds.items()))
    report.lines.append(
        f"{server}: {sum(map(len, found.values()))} replies of {len(proven)} templates taken apart by {told_kinds}; "
        f"{len(single - failed.keys())} templates whose parser loses several calls in one reply"
    )
    return proven
