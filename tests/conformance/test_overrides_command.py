"""`python -m conformance overrides`: every override with its place, and how many there may be."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from conformance.__main__ import conformance
from tests.commands.test_cli import SPEC, Runner, own, run
from tests.support import ROOT, catalogue

__all__ = ["own", "run"]


def test_overrides(run: Runner, own: Path) -> None:
    file = own / "acme" / "acme.yaml"
    file.write_text(SPEC + "    targets: {swift: {template: qwen}}\n", encoding="utf-8")
    data = json.loads(run("overrides", "--json", "--specs", own, group=conformance).out)
    public = json.loads(run("overrides", "--json", group=conformance).out)
    kind = "group swift.template"
    [mine] = [item for item in data["overrides"][kind] if item not in public["overrides"][kind]]
    assert mine == {"place": f"{file}:8", "owner": "llama3", "value": "qwen"}
    assert sum(map(len, public["overrides"].values())) == sum(len(spec.overrides) for spec in catalogue().specs)
    shown = run("overrides", "--specs", own, "--kind", kind, group=conformance)
    assert shown.out.startswith(f"{kind}: {len(data['overrides'][kind])}\n")
    assert f"{file}:8" in shown.out
    everything = run("overrides", group=conformance).out
    assert [
        name for name, items in public["overrides"].items() if f"\n{name}: {len(items)}\n" not in f"\n{everything}"
    ] == []
    assert f"{len(public['derived'])} of the {len(public['derived']) + len(public['not_derived'])} " in everything
    assert (
        "did you mean 'group swift.template'"
        in run("overrides", "--kind", "group swift.templat", group=conformance).err
    )


def test_ceilings_are_lowered(run: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "overrides.yaml"
    monkeypatch.setattr("conformance.overrides.CEILINGS", file)
    assert run("overrides", "--lower", group=conformance).code == 0
    start = file.read_text(encoding="utf-8")
    assert start == (ROOT / "tests" / "conformance" / "overrides.yaml").read_text(encoding="utf-8")
    kind, count = start.splitlines()[-1].split(": ")
    file.write_text(start.replace(f"{kind}: {count}", f"{kind}: {int(count) + 2}"), encoding="utf-8")
    assert run("overrides", "--lower", group=conformance).out == f"{kind}: {int(count) + 2} to {count}\n"
    assert file.read_text(encoding="utf-8") == start
    file.write_text(start.replace(f"{kind}: {count}", f"{kind}: 0"), encoding="utf-8")
    assert "nothing to lower" in run("overrides", "--lower", group=conformance).out
    assert f"{kind}: 0\n" in file.read_text(encoding="utf-8")  # a count that has risen is a person's to write
    assert run("overrides", "--lower", "--json", group=conformance).code == 2
