"""The ratchets over the real specs: overrides and openers in foreign slots may only become fewer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from chatwright.catalogue import load_catalogue
from chatwright.catalogue.model import Catalogue
from chatwright.records.frameworks import built_ins
from conformance import overrides as ledger
from conformance.overrides import ForeignOpener
from tests.catalogue.ratchet import EXCEPTIONS, exceptions, refuse
from tests.support import catalogue

CEILINGS = ledger.CEILINGS
HEAD = "name: demo\ntitle: Demo\npublisher: Acme\n"


def spec(folder: Path, text: str) -> Catalogue:
    (folder / "acme").mkdir(parents=True, exist_ok=True)
    (folder / "acme" / "demo.yaml").write_text(HEAD + text, encoding="utf-8")
    return load_catalogue(folder)


# -- the real specs --------------------------------------------------------------------------------------------------


def test_overrides_become_fewer() -> None:
    ceilings, found = ledger.load_ceilings(CEILINGS), ledger.overrides(catalogue())
    risen = [
        f"{kind}: {len(items)}, and {ceilings.get(kind, 0)} allowed; python -m conformance overrides --kind '{kind}'"
        for kind, items in found.items()
        if len(items) > ceilings.get(kind, 0)
    ]
    refuse(risen, "python -m conformance overrides")
    fallen = [
        f"{kind}: {len(found.get(kind, ()))}, and {ceiling} are recorded"
        for kind, ceiling in ceilings.items()
        if len(found.get(kind, ())) < ceiling
    ]
    refuse(fallen, "python -m conformance overrides --lower")
    assert found


def test_openers_stand_in_their_own_slots() -> None:
    data = exceptions()["openers"]
    assert all(entry["why"] for entry in data)
    listed = {ForeignOpener(name, entry["slot"], entry["role"]) for entry in data for name in entry["templates"]}
    found = set(ledger.foreign_openers(catalogue()))
    refuse(
        [f"new: {_told(item)}" for item in sorted(found - listed)],
        "chatwright show TEMPLATE, and move each to its own slot",
    )
    refuse([f"gone: {_told(item)}" for item in sorted(listed - found)], f"$EDITOR {EXCEPTIONS.name}, to take these out")


def _told(item: ForeignOpener) -> str:
    return f"{item.template}: the {item.role}'s opener in {item.slot}"


def test_templates_are_derived_from_slots() -> None:
    """Of ms-swift's templates whose class changes no text, 95 % have no override that says a text."""
    derived, others = ledger.derived(catalogue())
    theirs = built_ins()["swift"]
    assert len(derived) + len(others) == len(theirs.templates - theirs.text_in_code) > 200
    registered = {name: why for name, why in others.items() if why != ledger.NOT_REGISTERED}
    if len(derived) < 0.95 * (len(derived) + len(registered)):
        refuse([f"{name}: {why}" for name, why in registered.items()], "python -m conformance overrides")


# -- the ledger ------------------------------------------------------------------------------------------------------

OVERRIDES = """\
templates:
  one:
    targets: {llamafactory: {replace_eos: true}, swift: {system_prefix: "{{content}}"}}
  two:
    extends: one
    targets: {swift: {agent_template: hermes}}
model_types:
  demo:
    targets:
      swift: {loader: a.B}
models:
  - template: one
    model_type: demo
    checkpoints:
      - huggingface: a/b
        targets: {swift: {huggingface: null}}
    targets: {swift: {template: two}}
"""


def test_every_override_has_its_kind_place_and_value(tmp_path: Path) -> None:
    found = ledger.overrides(spec(tmp_path, OVERRIDES))
    assert {
        kind: [(item.location.line, item.location.column, item.owner, item.value) for item in items]
        for kind, items in found.items()
    } == {
        "checkpoint swift.huggingface": [(19, 27, "a/b", None)],
        "group swift.template": [(20, 23, "one", "two")],
        "model type swift.loader": [(13, 15, "demo", "a.B")],
        "template llamafactory.replace_eos": [(6, 30, "one", True)],
        "template swift.agent_template": [(9, 23, "two", "hermes")],
        "template swift.system_prefix": [(6, 58, "one", "{{content}}")],
    }


@pytest.mark.parametrize(
    ("ceilings", "found", "expected"),
    [
        ({"a": 3, "b": 2}, {"a": 1, "b": 2}, {"a": 1, "b": 2}),
        ({"a": 3}, {"a": 5, "b": 1}, {"a": 3}),  # what has risen, or is new, stays a failure
        ({"a": 3}, {}, {}),
    ],
)
def test_ceilings_only_fall(
    ceilings: dict[str, int], found: dict[str, int], expected: dict[str, int], tmp_path: Path
) -> None:
    assert ledger.lowered(ceilings, found) == expected
    file = tmp_path / "overrides.yaml"
    file.write_text(ledger.dump_ceilings(expected), encoding="utf-8")
    assert ledger.load_ceilings(file) == expected


# -- openers ---------------------------------------------------------------------------------------------------------

CANONICAL: dict[str, Any] = {
    "system": "<system>{{content}}<end>",
    "user": "<user>\n{{content}}<end>",
    "assistant": {"opener": "<assistant>", "body": "{{content}}<end>"},
    "observation": "<tool>{{content}}<end>",
}
FUSED = {"system": "<<SYS>>{{content}}<</SYS>>", "user": "[INST] {{content}} [/INST]"}


@pytest.mark.parametrize(
    ("slots", "settings", "expected"),
    [
        ({}, {}, set()),
        ({"prefix": "<user>"}, {}, {("prefix", "user")}),
        ({"assistant": {"opener": "<assistant>", "body": "{{content}}<end>\n<user>"}}, {}, "body function last"),
        ({"assistant": {"opener": "<assistant>", "body": "{{content}}", "last": "{{content}}<user>"}}, {}, "last"),
        ({"prefix": ["<bos>", "{{token:<user>}}"]}, {}, {("prefix", "user")}),
        ({"no_system": "<system>None.<end>"}, {}, set()),  # a system turn of its own
        ({"system": "<system>None.\n\n{{content}}<end>", "no_system": "<system>None.<end>"}, {}, set()),
        ({"no_system": "None.<system>"}, {}, {("no_system", "system")}),
        ({"system": "<user>\n{{content}}<end>"}, {}, set()),  # the system text as a user's turn
        ({"observation": "<user>\n<result>{{content}}<end>"}, {}, set()),  # results as a user's turn
        ({"observation": "<tool>{{content}}<end><user>\n"}, {}, {("observation", "user")}),
        ({}, {"result_separator": "<user>"}, {("result_separator", "user")}),
        ({"user": "{{content}}\n"}, {}, set()),  # no opener
        ({"user": "<assistant>{{content}}"}, {}, set()),  # shared by the roles
        (FUSED, {"system_placement": "first_user"}, set()),
        (FUSED | {"system": "[INST] {{content}}"}, {"system_placement": "first_user"}, {("system", "user")}),
        (
            {
                "prefix": "<s>[INST] ",
                "user": "{{content}} [/INST]",
                "assistant": {"opener": " ", "body": "{{content}}</s><s>[INST] ", "last": "{{content}}</s>"},
            },
            {},
            {("prefix", "user"), ("body", "user")},
        ),
        ({"prefix": "<s>", "user": "{{content}}", "assistant": {"body": "{{content}}</s>"}}, {}, set()),
    ],
)
def test_openers_in_foreign_slots_are_found(
    slots: dict[str, Any], settings: dict[str, Any], expected: set[tuple[str, str]] | str, tmp_path: Path
) -> None:
    template = {"slots": CANONICAL | slots, **settings}
    found = ledger.foreign_openers(spec(tmp_path, yaml.safe_dump({"templates": {"demo": template}}, width=1000)))
    if isinstance(expected, str):
        expected = {(slot, "user") for slot in expected.split()}
    assert {(item.slot, item.role) for item in found} == expected
