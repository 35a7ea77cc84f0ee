"""``chatwright draft`` on the chat templates that publishers ship."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from chatwright.catalogue.load import load_catalogue
from chatwright.catalogue.model import Catalogue
from chatwright.errors import CatalogueError, ChatwrightError, UsageError
from chatwright.inspection.conversations import CORE
from chatwright.inspection.draft import Draft, draft, read_source
from chatwright.inspection.draft.source import Source
from chatwright.inspection.verify.folder import ChatTemplates
from chatwright.meaning.tool_formats import tool_formats
from chatwright.pipeline import load_public_catalogue
from chatwright.pipeline.writer import write_file
from chatwright.resources import specs_path

from ..engines import npm_tokenizers
from ..places import RESULTS
from .workbench import Report, Workbench

_THINKING = ("thinking_on", "thinking_off", "thinking_unset")
_TOOLS = ("tools_offered", "tools_system", "tool_call", "tool_result")
_LEAST = {"core": 0.98, "thinking": 0.85, "tools": 0.85}  # the shares that must be exact; they only ever grow


def check_draft(bench: Workbench) -> Report:
    """`chatwright draft` reads publishers' templates exactly off the texts that they write."""
    report = Report("draft")
    file = bench.need("official")
    exact: Counter[str] = Counter()
    due: Counter[str] = Counter()
    listed: list[str] = []
    folder = bench.root / "drafts" / "draft"
    folder.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(os.cpu_count(), get_context("spawn")) as workers:
        given = list(rows(file))
        for row, found in zip(given, workers.map(_drafted, map(as_source, given)), strict=True):
            if isinstance(found, str):
                due["core"] += 1
                listed.append(f"{row['id']}: {found}")
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
                listed.append(f"{row['id']}: not exact in {', '.join(sorted(differing))}")
        sources = list(_folders(bench.given.get("tokenizer_root")))
        for source, found in zip(sources, workers.map(_drafted, sources), strict=True):
            listed.append(f"folder {source.name}: {_told(found)}")
            due["folders"] += 1
            exact["folders"] += not isinstance(found, str) and found.exact
    summary = [f"{kind}: {exact[kind]} of {due[kind]} exact" for kind in _LEAST]
    summary.append(f"{exact['all']} of {due['core']} in every scenario, {exact['known']} already in the catalogue")
    summary.append(f"folders of real tokenizers: {exact['folders']} of {due['folders']} exact in every scenario")
    report.lines += [*listed, *summary]
    for kind, least in _LEAST.items():
        if due[kind] and exact[kind] < least * due[kind]:
            report.wrong.append(f"{kind}: less than {least:.0%} are exact")
    if bench.record:
        write_file(RESULTS / "drafts.txt", "\n".join([*summary, *listed]) + "\n")
    try:
        load_catalogue(specs_path(), folder.parent, tool_formats=frozenset(tool_formats()))
    except (CatalogueError, UsageError) as error:
        report.wrong.append(f"a draft is no valid spec: {error}")
    return report


def _drafted(source: Source) -> Draft | str:
    """The draft of a source, or why there is none."""
    try:
        return draft(source, _catalogue())
    except ChatwrightError as reason:
        return str(reason)


@cache
def _catalogue() -> Catalogue:
    return load_public_catalogue()


def _folders(root: Path | None) -> Iterator[Source]:
    """The real tokenizers that bring a chat template along."""
    for name in sorted(npm_tokenizers.TOKENIZERS) if root else ():
        assert root
        try:
            yield replace(read_source(str(root / name / "models")), name=name, path=None)
        except ChatwrightError:
            continue  # not there, or without a chat template


def _told(found: Draft | str) -> str:
    if isinstance(found, str):
        return found
    agreeing = sum(each.agrees for each in found.compared)
    return f"{agreeing} of {len(found.compared)} scenarios" + (f", {found.same}" if found.same else "")


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
