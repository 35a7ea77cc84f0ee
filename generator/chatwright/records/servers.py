"""The names of vLLM's and SGLang's parsers, and which of them have parsed a template's replies.

Read from ``data/servers/*.json``. ``make record`` writes one file per server: the names from the registries in the
server's source, and ``proven`` by running the parsers. ``make conformance`` compares them with the server, and the
wheel contains them. Without a file for a server, every name is accepted.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from ..resources import records_path

SERVERS = ("vllm", "sglang")
KINDS = ("tool_call_parser", "reasoning_parser")


@dataclass(frozen=True)
class Proof:
    """The parsers that have parsed a template's replies; ``parallel``: also several calls in one reply."""

    parsers: Mapping[str, str]
    parallel: bool


@dataclass(frozen=True)
class Parsers:
    """The parsers of one version of a server: kind -> names, and template -> proof."""

    version: str
    names: Mapping[str, frozenset[str]]
    proven: Mapping[str, Proof]


@cache
def parsers() -> Mapping[str, Parsers]:
    """The records by server."""
    return load_parsers(records_path("servers"))


def load_parsers(folder: Path) -> dict[str, Parsers]:
    """The records in a folder by server, sorted; empty if it does not exist."""
    return {path.stem: _read(json.loads(path.read_text(encoding="utf-8"))) for path in sorted(folder.glob("*.json"))}


def dump_parsers(record: Parsers) -> str:
    """The record as the text of its file, sorted."""
    proven = {
        name: {**{kind: proof.parsers[kind] for kind in KINDS if kind in proof.parsers}, "parallel": proof.parallel}
        for name, proof in sorted(record.proven.items())
    }
    names = {kind: sorted(record.names[kind]) for kind in KINDS}
    return json.dumps({"version": record.version, **names, "proven": proven}, ensure_ascii=False, indent=1) + "\n"


def _read(data: Mapping[str, Any]) -> Parsers:
    return Parsers(
        data["version"],
        {kind: frozenset(data[kind]) for kind in KINDS},
        {
            name: Proof({kind: proof[kind] for kind in KINDS if kind in proof}, proof["parallel"])
            for name, proof in data["proven"].items()
        },
    )
