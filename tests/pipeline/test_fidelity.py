"""Fidelity: evidence counts for the very file that the engine read, and for no other."""

from __future__ import annotations

import json

from chatwright.pipeline import render, select
from chatwright.pipeline.fidelity import fidelity, fidelity_text, publisher_fidelity
from chatwright.records.engines import EngineEvidence, Result, TemplateEvidence
from chatwright.records.publishers import Compared, Comparison, Comparisons, Example, Source
from chatwright.targets.protocol import Deployment
from tests.support import catalogue


def evidence(**results: Result) -> dict[str, EngineEvidence]:
    """Evidence of one engine about the template ``demo``, whose file had the hash ``read``."""
    said = {"demo": TemplateEvidence("read", results)}
    return {"engine": EngineEvidence("engine", "1.0", "engine", "target", said)}


def test_the_file_that_was_read_has_the_status_of_its_evidence() -> None:
    known = evidence(one=Result("exact"), two=Result("exact"), three=Result("unsupported", "no tools"))
    assert fidelity(known, {"target": {"demo": Deployment("demo.txt", "read")}}) == {
        "demo": {
            "engine": {
                "status": "exact",
                "grade": "engine",
                "version": "1.0",
                "counts": {"exact": 2, "unsupported": 1},
                "not exact": {"unsupported": {"no tools": ["three"]}},
            }
        }
    }


def test_one_difference_makes_the_file_differ() -> None:
    known = evidence(one=Result("exact"), two=Result("differs", "a space"))
    entry = fidelity(known, {"target": {"demo": Deployment("demo.txt", "read")}})["demo"]["engine"]
    assert entry["status"] == "differs"
    assert entry["not exact"] == {"differs": {"a space": ["two"]}}


def test_nothing_exact_is_no_upstream_truth() -> None:
    known = evidence(one=Result("not comparable", "no framework carries it"), two=Result("unsupported", "no tools"))
    entry = fidelity(known, {"target": {"demo": Deployment("demo.txt", "read")}})["demo"]["engine"]
    assert entry["status"] == "not comparable"


def test_the_file_says_each_engine_once() -> None:
    known = evidence(one=Result("exact"), two=Result("differs", "a space"))
    text = fidelity_text(known, fidelity(known, {"target": {"demo": Deployment("demo.txt", "read")}}))
    assert json.loads(text) == {
        "engines": {"engine": {"version": "1.0", "grade": "engine", "target": "target"}},
        "templates": {
            "demo": {
                "engine": {
                    "status": "differs",
                    "counts": {"exact": 1, "differs": 1},
                    "not exact": {"differs": {"a space": ["two"]}},
                }
            }
        },
    }


def test_another_file_is_unverified() -> None:
    entry = fidelity(evidence(one=Result("exact")), {"target": {"demo": Deployment("demo.txt", "changed")}})["demo"]
    assert entry["engine"]["status"] == "unverified"
    assert "counts" not in entry["engine"]


def test_a_file_that_no_engine_read_is_unverified() -> None:
    found = fidelity(evidence(one=Result("exact")), {"target": {"new": Deployment("new.txt", "read")}})
    assert found["new"]["engine"]["status"] == "unverified"


def test_no_file_is_unsupported_with_its_reason() -> None:
    known = evidence(one=Result("exact"))
    found = fidelity(known, {"target": {"demo": Deployment(None, reasons=("cannot say it",))}})
    assert found == {"demo": {"engine": {"status": "unsupported", "reason": "cannot say it"}}}


def test_a_template_that_the_target_does_not_deploy_has_no_entry() -> None:
    known = evidence(one=Result("exact"))
    deployed = Deployment("demo.txt", "read")
    assert fidelity(known, {"other": {"demo": deployed}}) == {"demo": {}}
    assert fidelity(known, {"target": {}, "other": {"demo": deployed}}) == {"demo": {}}
    assert fidelity(known, {}) == {}


def test_the_hash_is_that_of_the_generated_file() -> None:
    part = select(catalogue(), {"qwen/qwen3.yaml"})
    deployment = render(part).deployments["vllm"]["qwen3"]
    assert deployment.sha256
    for artefact, status in ((deployment.sha256, "exact"), ("0" * 64, "unverified")):
        said = {"qwen3": TemplateEvidence(artefact, {"plain": Result("exact")})}
        known = {"engine": EngineEvidence("engine", "1.0", "engine", "vllm", said)}
        assert render(part, known).fidelity["qwen3"]["engine"]["status"] == status


# -- beside publishers' templates ------------------------------------------------------------------------------------

SAME = Comparison(("a",), {"one": Result("exact"), "two": Result("not comparable", "it raises")})
OTHER = Comparison(
    ("b",),
    {"one": Result("exact"), "two": Result("differs", "turn-layout, generation-prompt")},
    {cause: Example("two", "x", "y", "z") for cause in ("turn-layout", "generation-prompt")},
)
RAISING = Comparison(("c",), dict.fromkeys(("one", "two"), Result("not comparable", "it raises")))


def beside(*found: Comparison, artefact: str | None = "read", file: Deployment | None = None) -> dict[str, object]:
    sources = {name: Source(f"acme/{name}", "0" * 64, "here@1", True) for name in "abc"}
    known = Comparisons(sources, {"demo": Compared(artefact, found)}, ("one",))
    deployments = {"vllm": {"demo": file or Deployment("demo.jinja", "read")}}
    told = publisher_fidelity(known, ["demo", "other"], deployments)
    assert told["sources"].keys() == {
        each for one in found for each in one.publishers if "compared" in told["templates"]["demo"]
    }
    assert told["templates"]["other"] == {"status": "not comparable", "reason": "no publisher's template is known"}
    verdict: dict[str, object] = told["templates"]["demo"]
    return verdict


def test_a_template_is_the_same_as_its_publishers_or_differs() -> None:
    assert beside(SAME)["status"] == "exact"
    assert beside(SAME, OTHER)["status"] == "differs"
    assert beside(RAISING)["status"] == "not comparable"
    assert beside(SAME, RAISING)["status"] == "exact"
    assert beside(OTHER)["compared"] == [
        {
            "same": False,
            "base": True,
            "counts": {"exact": 1, "differs": 1},
            "causes": {"turn-layout": 1, "generation-prompt": 1},
            "first": "turn-layout",
            "publishers": ["b"],
            "differs": {"turn-layout, generation-prompt": ["two"]},
            "examples": {
                cause: {"scenario": "two", "before": "x", "publisher": "y", "ours": "z"}
                for cause in ("turn-layout", "generation-prompt")
            },
        }
    ]


def test_a_file_that_has_changed_since_is_not_said_to_be_the_same() -> None:
    assert beside(SAME, artefact="other")["status"] == "unverified"
    refused = beside(artefact=None, file=Deployment(None, reasons=("cannot say it",)))
    assert refused == {"status": "unsupported", "reason": "cannot say it"}
