"""``chatwright draft`` on the chat templates that publishers ship."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...catalogue.load import load_catalogue
from ...errors import CatalogueError, ChatwrightError, UsageError
from ...meaning.tool_formats import tool_formats
from ...resources import specs_path
from ..draft import CORE, Draft, draft
from ..draft.source import Source
from ..verify.folder import ChatTemplates
from .bench import Report, Workbench

_THINKING = ("thinking_on", "thinking_off", "thinking_unset")
_TOOLS = ("tools_offered", "tools_system", "tool_call", "tool_result")
_LEAST = {"core": 0.98, "thinking": 0.85, "tools": 0.58}  # the shares that must be exact; they only ever grow


def check_draft(bench: Workbench) -> Report:
    """`chatwright draft` reads publishers' templates exactly off the texts that they write."""
    report = Report("draft")
    file = bench.official
    if file is None or not file.is_file():
        report.skipped = "the collection of publishers' chat templates is not there"
        return report
    exact: Counter[str] = Counter()
    due: Counter[str] = Counter()
    folder = bench.root / "drafts" / "draft"
    folder.mkdir(parents=True, exist_ok=True)
    for row in rows(file):
        try:
            found = draft(as_source(row), bench.catalogue)
        except ChatwrightError as reason:
            due["core"] += 1
            report.lines.append(f"{row['id']}: {reason}")
            continue
        if found.data:
            (folder / f"{found.name}.yaml").write_text(found.text, encoding="utf-8")
        differing = {each.scenario for each in found.compared if not each.agrees}
        exact["all"] += not differing
        exact["known"] += found.same is not None
        for kind, names in kinds(found).items():
            due[kind] += 1
            exact[kind] += differing.isdisjoint(names)
        if differing:
            report.lines.append(f"{row['id']}: not exact in {', '.join(sorted(differing))}")
    for kind, least in _LEAST.items():
        report.lines.append(f"{kind}: {exact[kind]} of {due[kind]} exact")
        if due[kind] and exact[kind] < least * due[kind]:
            report.wrong.append(f"{kind}: less than {least:.0%} are exact")
    report.lines.append(f"{exact['all']} of {due['core']} in every scenario, {exact['known']} already in the catalogue")
    try:
        load_catalogue(specs_path(), folder.parent, tool_formats=frozenset(tool_formats()))
    except (CatalogueError, UsageError) as error:
        report.wrong.append(f"a draft is no valid spec: {error}")
    return report


def rows(file: Path) -> Iterator[dict[str, Any]]:
    """The templates that render a user's turn and a conversation of several."""
    for line in file.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if row["renders_user"] and row["renders_multi"]:
            yield row


def as_source(row: dict[str, Any]) -> Source:
    """A row as what a draft is made from."""
    tokens = {key: row[key] for key in ("bos_token", "eos_token") if row[key]}
    return Source(row["id"], ChatTemplates(row["id"], {"default": row["chat_template"]}), tokenizer=tokens)


def kinds(found: Draft) -> dict[str, tuple[str, ...]]:
    """The groups of scenarios that a template has, by what it knows."""
    groups: dict[str, tuple[str, ...]] = {"core": CORE}
    if found.thinks:
        groups["thinking"] = (*CORE, *_THINKING)
    if found.has_tools:
        groups["tools"] = (*CORE, *_TOOLS)
    return groups
