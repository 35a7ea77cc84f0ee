"""``chatwright identify`` on what publishers ship, against ms-swift's own matching, and on a local Ray."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

from chatwright.inspection.identify import Answer, Identifier, identify_record, read_model, stream
from chatwright.inspection.identify.answer import Verdict
from chatwright.inspection.identify.names import Names, model_name
from chatwright.meaning.sandbox import Workshop
from chatwright.pipeline.writer import write_file
from chatwright.resources import checkout_root

from ..engines import npm_tokenizers
from ..places import RESULTS
from .workbench import Report, Workbench

_RAY_ROWS = 16
_COPIES = 4  # of each template for the rate, told apart by a comment, so that each is run
_PATHS = (
    "Qwen/Qwen3-8B",
    "/data/hub/models--Qwen--Qwen3-8B/snapshots/0123abc",
    "/data/hub/models/Qwen--Qwen3-8B/snapshots/0123abc/",
    "/data/hub/models--gpt2/snapshots/0123abc",
    "models/Qwen/Qwen2___5-7B-Instruct/",
)


def check_identify(bench: Workbench) -> Report:
    """`chatwright identify` on publishers' chat templates and on real tokenizers' folders."""
    report = Report("identify")
    identifier = Identifier(bench.catalogue)
    for part, name in ((_official, "official"), (_folders, "tokenizer_root")):
        try:
            path = bench.need(name)
        except ImportError as error:
            report.skipped = report.skipped or str(error)
        else:
            part(report, bench, identifier, path)
    return report


def check_identify_names(bench: Workbench) -> Report:
    """`chatwright identify` matches names and architectures as the installed ms-swift does."""
    from swift.model.model_meta import MODEL_MAPPING, get_matched_model_meta, get_matched_model_types, get_model_name

    report = Report("identify by name")
    report.wrong += [
        f"{path}: {model_name(path)}, and for ms-swift {get_model_name(path)}"
        for path in _PATHS
        if model_name(path) != get_model_name(path)
    ]
    names = Names(bench.catalogue)
    ids = {
        value
        for meta in MODEL_MAPPING.values()
        for group in meta.model_groups
        for model in group.models
        for value in (model.ms_model_id, model.hf_model_id, model.model_path)
        if value
    }
    for each in sorted(ids):
        meta = get_matched_model_meta(each)
        due = (meta.model_type, meta.template)
        found = {(listed.model_type, _registered(bench, listed.templates["swift"])) for listed in names.by_name(each)}
        found = {pair for pair in found if pair[0]}
        if found != {due}:
            report.wrong.append(f"{each}: {sorted(map(str, found))}, and for ms-swift {due}")
    report.lines.append(
        f"{len(ids)} ids and paths of ms-swift's lead to the model type and template that it takes itself"
    )
    architectures = {name for meta in MODEL_MAPPING.values() for name in meta.architectures if name != "null"}
    for architecture in sorted(architectures):
        types = set(get_matched_model_types([architecture]))
        told = {listed.title for listed in names.by_architecture([architecture])}
        if not types <= told:
            report.wrong.append(f"{architecture}: {sorted(told)}, and for ms-swift {sorted(types)}")
    report.lines.append(f"{len(architectures)} architectures lead to the model types that ms-swift knows them for")
    return report


def check_identify_on_ray(bench: Workbench) -> Report:
    """The guide's example of Ray Data, run on a local Ray: the same answers as without."""
    import ray

    report = Report("identify on Ray")
    root = checkout_root()
    assert root is not None  # conformance runs in a checkout only
    guide = (root / "docs" / "identify.md").read_text(encoding="utf-8")
    [example] = re.findall(r"```python\n(import ray\n.*?)```", guide, re.DOTALL)
    folder = bench.root / "ray"
    folder.mkdir()
    rows = _rows(bench.need("official"))
    rows = rows[:: len(rows) // _RAY_ROWS][:_RAY_ROWS]
    lines = [json.dumps(row) for row in [*rows, {"id": "bad", "chat_template": "{% for %}"}, {"id": "no/such-model"}]]
    (folder / "dump.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    settings = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled", "RAY_ADDRESS": "local"}
    settings["PYTHONPATH"] = os.pathsep.join(str(Path(path).resolve()) for path in sys.path if path)
    ran = subprocess.run(
        [sys.executable, "-c", example], cwd=folder, env={**os.environ, **settings}, capture_output=True, text=True
    )
    if ran.returncode:
        report.wrong.append(f"the example fails: {ran.stderr.strip()[-500:]}")
        return report
    written = [
        json.loads(line) for file in (folder / "answers").iterdir() for line in file.read_text("utf-8").splitlines()
    ]
    got = {answer["id"]: answer for answer in written}
    due = {answer["id"]: answer for answer in (identify_record(json.loads(line)) for line in lines)}
    report.wrong += [f"{name}: another answer on Ray" for name in due if got.get(name) != due[name]]
    same = sum(got.get(name) == due[name] for name in due)
    report.lines.append(f"{same} of {len(due)} answers of Ray {ray.__version__} are those of the function alone")
    return report


def _official(report: Report, bench: Workbench, identifier: Identifier, file: Path) -> None:
    rows = _rows(file)
    whole = _answers(report, identifier, rows, "with what is known of each")
    alone = _answers(report, identifier, [{**row, "hf_repo_guess": None} for row in rows], "by chat template alone")
    copies = [
        {**row, "chat_template": f"{{# {number} #}}{row['chat_template']}"} for number in range(_COPIES) for row in rows
    ]
    _answers(report, identifier, copies, f"{_COPIES} copies of each")
    kept = [f"{len(rows)} chat templates of publishers", _counts("with ids", whole), _counts("alone", alone)]
    against = _against_ids(identifier, rows, whole, alone)
    report.lines += [*kept, against[0]]
    kept += against
    for row, answer in zip(rows, whole, strict=True):
        if answer.verdict != "unique":
            kept += _told(row["id"], answer)
    _keep(report, bench, "identify_official.txt", kept)


def _answers(report: Report, identifier: Identifier, rows: Sequence[Mapping[str, Any]], what: str) -> list[Answer]:
    figures = stream.Figures(stream.cores())
    found = list(stream.answers((json.dumps(row).encode() for row in rows), identifier, figures))
    report.lines.append(f"{what}: {figures.told}")
    report.wrong += [f"{what}: {answer.id}: {answer.error}" for answer in found if answer.error]
    return found


def _against_ids(
    identifier: Identifier, rows: Sequence[Mapping[str, Any]], whole: Sequence[Answer], alone: Sequence[Answer]
) -> list[str]:
    """What the texts alone say of those whose id the catalogue lists, which is the truth then."""
    said: Counter[str] = Counter()
    differing = []
    for row, known, answer in zip(rows, whole, alone, strict=True):
        due = {name for each in identifier.names.by_id(row["hf_repo_guess"] or "") for name in each.names}
        if not due:
            continue
        wrote = set(answer.by["behaviour"])
        kind = (
            "the same"
            if wrote and wrote <= due
            else "that and others" if wrote & due else "another" if wrote else "none"
        )
        said[kind] += 1
        if not wrote & due:
            cause = next((each.difference for each in known.candidates if each.template in due), "") or known.why[0]
            other = f", its texts are those of {', '.join(sorted(wrote))}" if wrote else ""
            differing.append(f"  {row['id']}: listed for {', '.join(sorted(due))}{other}; {cause}")
    told = ", ".join(f"{kind} {said[kind]}" for kind in ("the same", "that and others", "another", "none"))
    return [f"{said.total()} have an id that the catalogue lists; by chat template alone: {told}", *differing]


def _folders(report: Report, bench: Workbench, identifier: Identifier, root: Path) -> None:
    kept = []
    with Workshop() as workshop:
        for name in sorted(npm_tokenizers.TOKENIZERS):
            if not (folder := root / name / "models").is_dir():
                continue
            # the folder's path is of this machine, and its name is the package's: neither is the model's
            record = replace(read_model(str(folder)), name=name, path=None)
            answer = identifier.identify(record, workshop.render)
            kept += _told(name, answer)
            if answer.error:
                report.wrong.append(f"{name}: {answer.error}")
    report.lines += [line for line in kept if not line.startswith(" ")]
    _keep(report, bench, "identify_tokenizers.txt", kept)


def _told(name: str, answer: Answer) -> list[str]:
    """An answer with its reasons, as they are recorded."""
    same = f" ({', '.join(answer.same)})" if answer.same else ""
    return [f"{name}: {answer.verdict}, {answer.template or 'no template'}{same}", *(f"  {why}" for why in answer.why)]


def _counts(what: str, answers: Sequence[Answer]) -> str:
    counts = Counter(answer.verdict for answer in answers)
    told = ", ".join(f"{counts[verdict]} {verdict}" for verdict in get_args(Verdict) if counts[verdict])
    return f"{what}: {told}"


def _keep(report: Report, bench: Workbench, name: str, lines: Sequence[str]) -> None:
    """Record what was found, or hold it against the record."""
    path, text = RESULTS / name, "\n".join(lines) + "\n"
    if bench.record:
        write_file(path, text)
    elif not path.is_file() or path.read_text(encoding="utf-8") != text:
        report.wrong.append(f"{name} is not what `chatwright identify` says; run `make record`")


def _registered(bench: Workbench, name: str | None) -> str | None:
    return None if name is None else bench.catalogue.templates[name].registered["swift"]


def _rows(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
