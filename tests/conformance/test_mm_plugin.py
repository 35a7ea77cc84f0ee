"""What is recorded of declared plugins is of the module that is generated now, and holds what the guide says."""

from __future__ import annotations

import re

import pytest

from conformance.checks.mm_plugin import FAMILIES, FILE, declared, digest
from conformance.engines.processors import PROCESSORS
from conformance.places import RESULTS
from tests.support import ROOT, catalogue

RECORDED = (RESULTS / FILE).read_text(encoding="utf-8")
ASKED = ("one image", "several images", "images in several turns", "mixed sizes", "text only", "a batch")


def cases(family: str) -> dict[str, str]:
    [block] = re.findall(rf"^{family}: .*\n((?:  .*\n)+)", RECORDED, re.MULTILINE)
    return dict(line.strip().split(": ", 1) for line in block.splitlines())


def test_the_record_is_of_what_is_generated() -> None:
    assert f"processor_plugin.py {digest()}\n" in RECORDED, "the plugin has changed; run `make record`"


def test_every_processor_is_on_record() -> None:
    assert FAMILIES.keys() == PROCESSORS.keys()
    assert all(cases(family) for family in FAMILIES)
    guide = (ROOT / "docs" / "train.md").read_text(encoding="utf-8")
    assert f"`make conformance` makes {len(FAMILIES)} processors" in guide


@pytest.mark.parametrize("family", ["qwen2_vl", "glm4v", "gemma3", "llava", "llava_next", "llama4", "pixtral"])
def test_declared_plugins_equal_llamafactorys_own(family: str) -> None:
    assert {case: cases(family)[case] for case in ASKED} == dict.fromkeys(ASKED, "equal")


@pytest.mark.parametrize("family", [name for name, family in FAMILIES.items() if family.refused])
def test_refused_processors_say_why(family: str) -> None:
    assert cases(family)["one image"].startswith("refused; ")
    assert FAMILIES[family].refused in cases(family)["one image"]


def test_declared_copies_have_names_of_their_own() -> None:
    made = declared(catalogue())
    assert not made.templates.keys() & catalogue().templates.keys()
    assert {template.mm_plugin.inputs for template in made.templates.values() if template.mm_plugin} == {
        "flat",
        "nested",
    }
