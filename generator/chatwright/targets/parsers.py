"""The parsers that vLLM and SGLang need for a template's replies (vLLM 0.33.0, SGLang 0.5.23).

vLLM: ``entrypoints/common/cli_args.py``; a tool parser works only with ``--enable-auto-tool-choice``. SGLang:
``server_args.py``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..catalogue.model import Template
from ..records.servers import SERVERS, parsers


def parser_flags(template: Template, server: str) -> list[str]:
    """The options of a server's command line for the parsers of a template."""
    named = template.serving[server]
    flags = [f for kind, name in sorted(named.items(), reverse=True) for f in (f"--{kind.replace('_', '-')}", name)]
    return ["--enable-auto-tool-choice", *flags] if server == "vllm" and "tool_call_parser" in named else flags


def parser_notes(template: Template, server: str) -> Iterator[str]:
    """Notes about the parsers of a template: which are missing, and which are not proven."""
    named = template.serving[server]
    if template.tool_format and "tool_call_parser" not in named:
        yield f"no parser of {server}'s is known to read this template's tool calls: they stay in the text of replies"
    if template.thinking and "reasoning_parser" not in named and not template.pair:
        yield f"no parser of {server}'s is known to read this template's thoughts: they stay in the text of replies"
    if named and server in parsers():
        proof = parsers()[server].proven.get(template.name)
        if not is_proven(template, server):
            yield f"unverified: {server}'s parsers have not been run on what this template writes"
        elif proof and "tool_call_parser" in named and not proof.parallel:
            yield f"{server}'s parser reads one tool call in a reply, and loses some where there are several"


def is_proven(template: Template, server: str) -> bool:
    """Whether a server's real parsers have parsed the template's replies."""
    proof = parsers()[server].proven.get(template.name) if server in parsers() else None
    return proof is not None and dict(proof.parsers) == dict(template.serving[server])


def serving_entry(template: Template) -> dict[str, Any]:
    """The parser options by server, for the indexes."""
    return {
        server: {
            **template.serving[server],
            "flags": parser_flags(template, server),
            "proven": is_proven(template, server),
        }
        for server in SERVERS
        if template.serving[server]
    }
