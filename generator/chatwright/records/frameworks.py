"""The built-in templates and models of the frameworks, read from ``data/frameworks/*.json``.

Every registration that is not built in is added by us. ``make record`` writes one file per framework from its
registries, ``make conformance`` compares them with the framework, and the wheel contains them. Without a file for a
framework, everything counts as built in.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from ..resources import records_path


@dataclass(frozen=True)
class BuiltIns:
    """The registries of one version of a framework.

    ``models`` maps hub -> ids, and ``name`` or ``model_type`` -> names. ``text_in_code`` are the templates whose text
    is changed by their own code, so that their fields alone do not give it. ``plugins`` are LLaMA-Factory's multimodal
    plugins with their parameters other than tokens.
    """

    version: str
    templates: frozenset[str]
    models: Mapping[str, frozenset[str]]
    text_in_code: frozenset[str] = frozenset()
    plugins: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def has(self, names: Iterable[tuple[str, str | None]]) -> bool:
        """Whether the framework knows a model by one of these (kind, name) pairs; a kind is ``name`` or a hub."""
        return any(name in self.models.get(kind, ()) for kind, name in names)


@cache
def built_ins() -> Mapping[str, BuiltIns]:
    """The records by framework."""
    return load_built_ins(records_path("frameworks"))


def is_built_in(framework: str, template: str) -> bool:
    """Whether a template of that name is built into the framework; True if the framework has no record."""
    known = built_ins().get(framework)
    return known is None or template in known.templates


def load_built_ins(folder: Path) -> dict[str, BuiltIns]:
    """The records in a folder by framework, sorted; empty if it does not exist."""
    return {path.stem: _read(json.loads(path.read_text(encoding="utf-8"))) for path in sorted(folder.glob("*.json"))}


def dump_built_ins(record: BuiltIns) -> str:
    """The record as the text of its file, sorted, one name per line."""
    data: dict[str, Any] = {"version": record.version, "templates": sorted(record.templates)}
    if record.text_in_code:
        data["text_in_code"] = sorted(record.text_in_code)
    if record.plugins:
        data["plugins"] = {name: list(options) for name, options in sorted(record.plugins.items())}
    data["models"] = {key: sorted(values) for key, values in sorted(record.models.items())}
    return json.dumps(data, ensure_ascii=False, indent=1) + "\n"


def _read(data: Mapping[str, Any]) -> BuiltIns:
    return BuiltIns(
        data["version"],
        frozenset(data["templates"]),
        {key: frozenset(values) for key, values in data["models"].items()},
        frozenset(data.get("text_in_code", ())),
        {name: tuple(options) for name, options in data.get("plugins", {}).items()},
    )
