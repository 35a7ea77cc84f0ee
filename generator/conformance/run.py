"""Conformance: the generated files against the live frameworks and engines, and the evidence of it.

:func:`run` renders the catalogue into a folder of its own, lets each engine read its files, compares what they write
with what the frameworks' built-in templates write, and returns one report per engine. Nothing here prints.
"""

from __future__ import annotations

import json
import logging
import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from chatwright.catalogue.build import FRAMEWORKS
from chatwright.errors import ChatwrightError
from chatwright.meaning.scenarios import scenarios
from chatwright.pipeline import generate, load_public_catalogue, render, write_files
from chatwright.records.engines import dump_evidence
from chatwright.records.frameworks import dump_built_ins
from chatwright.records.publishers import FILE as COMPARED
from chatwright.records.publishers import dump_comparisons
from chatwright.records.servers import dump_parsers
from chatwright.resources import checkout_root, records_path

from . import places
from .asked import FOLDER, Asked
from .checks.added import check_added
from .checks.built_ins import check_built_ins
from .checks.draft import check_draft
from .checks.editor import check_editor
from .checks.export import check_export
from .checks.identify import check_identify, check_identify_names, check_identify_on_ray
from .checks.jinja import check_huggingface_jinja, check_minijinja, check_sglang, check_transformers, check_vllm
from .checks.llamacpp import check_llamacpp
from .checks.llamafactory import check_llamafactory, check_tool_formats
from .checks.media import check_media
from .checks.mm_plugin import check_mm_plugin
from .checks.overlay import check_overlay
from .checks.pairs import check_pairs
from .checks.parsers import check_parsers
from .checks.portable import check_portable
from .checks.publishers import check_publishers
from .checks.reference import check_reference
from .checks.serving import check_lmdeploy, check_lmdeploy_folder, check_ollama
from .checks.swift_registration import check_swift, check_swift_3
from .checks.swift_tools import check_swift_tools
from .checks.sync import check_sync
from .checks.token_ids import check_mistral_common, check_token_ids
from .checks.training import check_assistant_mask
from .checks.verify import check_verify
from .checks.workbench import Report, Workbench
from .checks.workflows import check_workflows
from .deviations import FILE, Known, judge, load_known, outdated, shrink
from .engines.worker import WorkerError
from .publishers import dump_record
from .vectors import TOOL_CASES, dump_models, dump_vectors, vector_path

Progress = Callable[[str], None]

OFFICIAL = Path("shared/official/templates.jsonl")  # publishers' chat templates, beside the checkout

# The frameworks come first: what their built-ins write is the truth for the engines.
CHECKS: Mapping[str, Callable[[Workbench], Report]] = {
    "llamafactory": check_llamafactory,
    "tool formats": check_tool_formats,
    "swift": check_swift,
    "swift-3": check_swift_3,
    "swift tools": check_swift_tools,
    "pairs": check_pairs,
    "added": check_added,
    "built-ins": check_built_ins,
    "mm_plugin": check_mm_plugin,
    "sync": check_sync,
    "reference renderer": check_reference,
    "portable Jinja": check_portable,
    "transformers": check_transformers,
    "publishers": check_publishers,
    "media": check_media,
    "vllm": check_vllm,
    "sglang": check_sglang,
    "minijinja": check_minijinja,
    "huggingface-jinja": check_huggingface_jinja,
    "llamacpp": check_llamacpp,
    "assistant-mask": check_assistant_mask,
    "token-ids": check_token_ids,
    "mistral-common": check_mistral_common,
    "ollama": check_ollama,
    "lmdeploy": check_lmdeploy,
    "lmdeploy-folder": check_lmdeploy_folder,
    "verify": check_verify,
    "parsers": check_parsers,
    "export": check_export,
    "draft": check_draft,
    "identify": check_identify,
    "identify by name": check_identify_names,
    "identify on Ray": check_identify_on_ray,
    "editor": check_editor,
    "workflows": check_workflows,
    "overlay": check_overlay,
}


def run(given: Mapping[str, Path], *, record: bool, everything: bool, progress: Progress) -> list[Report]:
    """Run every check and write the evidence; with ``record``, write the vectors, else compare them.

    ``given`` holds what :data:`.places.GIVEN` names. An engine whose package or folder is missing is reported as
    skipped, and its evidence stays as it was; without a framework's truths all evidence does. With ``everything`` or
    ``record`` every engine is asked; else an answer is taken over where :mod:`.asked` has one for the same question.
    What is neither exact nor known (:mod:`.known`) is wrong; ``record`` only takes away from what is known.

    Raises:
        ChatwrightError: this is not a checkout.
    """
    root = checkout_root()
    if root is None:
        raise ChatwrightError("conformance needs a checkout of the repository")
    logging.disable(logging.ERROR)
    catalogue = load_public_catalogue()
    with tempfile.TemporaryDirectory(prefix="chatwright-") as folder:
        work = Path(folder)
        rendering = render(catalogue)
        generate(catalogue, work / "generated")
        bench = Workbench(
            catalogue,
            work,
            rendering.deployments,
            {"official": root.parent / OFFICIAL, **given},
            recorded_publishers=places.vectors(root) / "publishers",
            vectors=places.vectors(root),
            record=record,
            asked=Asked(
                pins=(root / "requirements" / "conformance.txt").read_text(encoding="utf-8"),
                everything=everything or record,
            ),
        )
        reports = []
        for engine, check in CHECKS.items():
            progress(check.__doc__.splitlines()[0] if check.__doc__ else engine)
            try:
                reports.append(check(bench))
                reports[-1].lines += bench.asked.line(engine)
            except ImportError as error:
                reports.append(Report(engine, skipped=str(error)))
            except WorkerError as error:
                reports.append(Report(engine, wrong=[str(error)]))
        complete = not any(report.skipped for report in reports if report.engine in FRAMEWORKS)
        _judge(reports, complete, record)
        if not os.environ.get("CI"):  # an answer that is out of date costs time, and never a verdict
            write_files(
                FOLDER, bench.asked.files(each.engine for each in reports if not each.wrong and not each.skipped)
            )
        reports.append(_vectors(bench, root, record))
        if complete:
            _write_evidence(reports, bench)
    return reports


def _judge(reports: list[Report], complete: bool, record: bool) -> None:
    """Add to each report what is wrong with its results; with ``record``, forget what is no longer known."""
    known = load_known()
    gone: list[Known] = []
    for report in reports:
        for engine, found in report.results.items():
            report.wrong += judge(known, engine, found)
            outdated_here = outdated(known, engine, found, complete=complete)
            gone += outdated_here
            if not record:
                report.wrong += [
                    f"{engine}: {template}, {scenario}: no longer {entry.says!r} as known.yaml says; run `make record`"
                    for entry in outdated_here
                    for template, scenario in sorted(entry.cases)
                ]
    if record:
        shrink(FILE, gone)


def _vectors(bench: Workbench, root: Path, record: bool) -> Report:
    report, folder = Report("vectors"), places.vectors(root)
    base = frozenset(name for name, scenario in scenarios().items() if scenario.base)
    due = {vector_path(folder, truth.framework, truth.name): dump_vectors(truth, base) for truth in bench.recorded}
    for name, digests in bench.written_tools.items():
        due[vector_path(folder, "tool_formats", name)] = json.dumps(digests[:TOOL_CASES], indent=0) + "\n"
    for name, digests in bench.written_turns.items():
        due[vector_path(folder, "tool_turns", name)] = json.dumps(digests[:TOOL_CASES], indent=0) + "\n"
    if bench.models:
        due[vector_path(folder, "models", "llamafactory")] = dump_models(bench.models)
    for framework, built_ins in bench.built_ins.items():
        due[records_path("frameworks") / f"{framework}.json"] = dump_built_ins(built_ins)
    for server, found in bench.parsers.items():
        due[records_path("servers") / f"{server}.json"] = dump_parsers(found)
    if bench.publishers:
        due |= {folder / "publishers" / name: text for name, text in dump_record(*bench.publishers).items()}
    there = {path for parent in {path.parent for path in due} for path in parent.glob("*.json")}
    report.wrong += [
        f"{path.parent.name}/{path.name} records what nothing writes any more; remove it"
        for path in sorted(there - due.keys())
    ]
    if record:
        write_files(root, {path.relative_to(root).as_posix(): text for path, text in due.items()})
        report.lines.append(f"{len(due)} recorded")
        return report
    for path in sorted(due):
        if path not in there or path.read_text(encoding="utf-8") != due[path]:
            report.wrong.append(f"{path.parent.name}/{path.name} is not what the framework writes; run `make record`")
    report.lines.append(f"{len(due)} compared with what is recorded")
    return report


def _write_evidence(reports: list[Report], bench: Workbench) -> None:
    files = {}
    for report in reports:
        if (told := report.evidence) is not None:
            added = bench.evidence(told.engine, told.version, told.grade, told.target, bench.added.get(told.engine, {}))
            told = replace(told, templates=dict(sorted({**told.templates, **added.templates}.items())))
            files[f"engines/{told.engine}.json"] = dump_evidence(told)
    if bench.comparisons:
        files[f"publishers/{COMPARED}"] = dump_comparisons(bench.comparisons, list(scenarios()))
    write_files(records_path("engines").parent, files)
