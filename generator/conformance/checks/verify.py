"""``chatwright verify`` on model folders with real tokenizers: faultless ones pass, and every fault is named."""

from __future__ import annotations

import tempfile
from pathlib import Path

from chatwright.inspection.verify import verify
from chatwright.meaning.runs import TODAY

from .model_folders import FAULTLESS, FAULTS, Folder, copy, faultless
from .workbench import Report, Workbench


def check_verify(bench: Workbench) -> Report:
    """`chatwright verify` finds the one fault of a folder, and nothing in a faultless one."""
    report = Report("verify")
    root = bench.need("tokenizer_root")
    with tempfile.TemporaryDirectory(prefix="chatwright-") as work:
        whole = _check_faultless(report, bench, root, Path(work))
        _check_faults(report, bench, whole, Path(work))
    _tell_publishers(report, bench, root)
    return report


def _check_faultless(report: Report, bench: Workbench, root: Path, work: Path) -> dict[str, Folder]:
    """Faultless folders are recognized without a name, and fine; they are returned by template."""
    whole: dict[str, Folder] = {}
    fine = 0
    for tokenizer, names in FAULTLESS.items():
        for name in names:
            whole[name] = faultless(bench.catalogue, root / tokenizer / "models", name, work / name)
            found = verify(whole[name].path, bench.catalogue, today=TODAY)
            told = name in (found.template, *found.same)
            fine += told and found.fine
            if not told:
                report.wrong.append(f"{name}: recognized as {found.template}")
            if not found.fine:
                report.wrong.append(f"{name}, faultless: {found.verdict}")
    report.lines.append(f"{fine} of {len(whole)} faultless folders of {len(FAULTLESS)} tokenizers recognized and fine")
    return whole


def _check_faults(report: Report, bench: Workbench, whole: dict[str, Folder], work: Path) -> None:
    """A folder with a fault has that fault's finding and no other; without the fault it has none."""
    named = 0
    for number, fault in enumerate(FAULTS):
        folder = copy(whole[fault.template], work / f"fault-{number}")
        fault.make(folder)
        found = verify(folder.path, bench.catalogue, fault.trained or fault.template, TODAY)
        kinds = {finding.kind for finding in found.findings}
        if fault.kind in kinds and kinds <= {fault.kind} | fault.along:
            named += 1
        else:
            told = ", ".join(sorted(kinds)) or "nothing"
            report.wrong.append(f"{fault.what} ({fault.template}): {fault.kind} is due, found: {told}")
    due = len({fault.kind for fault in FAULTS})
    report.lines.append(f"{named} of {len(FAULTS)} faults of {due} kinds found and named, with nothing beside")


def _tell_publishers(report: Report, bench: Workbench, root: Path) -> None:
    """What is found in the folders as their publishers ship them: true differences, told and not judged."""
    for tokenizer, names in {"chatglm3": ("chatglm3",), **FAULTLESS}.items():
        found = verify(root / tokenizer / "models", bench.catalogue, names[0], TODAY)
        kinds = ", ".join(dict.fromkeys(finding.kind for finding in found.findings)) or "nothing"
        report.lines.append(f"the publisher's {tokenizer} against {names[0]}: {kinds}")
