"""A complete catalogue must list against an older version what that framework's own registries say has changed."""

from __future__ import annotations

from conformance.checks.sync import check_changes
from conformance.checks.workbench import Report
from conformance.sync.compare import Difference
from conformance.sync.registry import Registry

OLDER = Registry("swift", "4.5.3", {}, {})
MODEL = {"hf_model_id": "zai-org/GLM-5.3", "ms_model_id": "ZhipuAI/GLM-5.3", "model_path": None}
GROUP = {"template": "glm5_3", "models": [MODEL]}
MARCO = Difference("template", "marco_o1", "differs", "default_system", "new", "old")


def gone(name: str) -> Difference:
    return Difference("group", name, "gone", None, GROUP, None)


def test_the_same_facts() -> None:
    report = Report("sync")
    check_changes(report, [MARCO, gone("glm_moe_dsa/0")], [MARCO, gone("glm_moe_dsa/3")], [], OLDER)
    assert report.wrong == []
    assert report.lines == ["ms-swift 4.5.3: 2 facts differ in the framework's own registries, 2 of them listed"]


def test_a_fact_that_is_missing_or_too_many() -> None:
    for ours, own, what in (([], [MARCO], "not listed, but changed"), ([MARCO], [], "listed, but not changed")):
        report = Report("sync")
        check_changes(report, ours, own, [], OLDER)
        assert report.wrong == [f"ms-swift 4.5.3: {what} since: template marco_o1 differs default_system"]


def test_what_is_ours_beside_the_newer_version_says_nothing_about_the_older() -> None:
    report = Report("sync")
    ours = Difference("template", "marco_o1", "gone", None, {}, None)
    check_changes(report, [MARCO], [], [ours], OLDER)
    assert report.wrong == []
