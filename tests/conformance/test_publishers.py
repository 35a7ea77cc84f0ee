"""What a template carries beside turns that alternate is what its publishers' templates wrote, as recorded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import pytest

from chatwright.catalogue.model import Template, Turns
from chatwright.errors import Unsupported
from chatwright.meaning.conversation import Message
from chatwright.meaning.render import render, to_text
from chatwright.meaning.runs import TODAY
from conformance.publisher_record import (
    WORDS,
    Finding,
    Publisher,
    conversations,
    digest,
    find,
    needs,
    publishers_by_template,
    read_record,
    read_turns,
)
from tests.support import VECTORS, catalogue


@cache
def recorded() -> tuple[list[Publisher], dict[str, dict[Turns, str]]]:
    publishers = list(read_record(VECTORS / "publishers").publishers)
    assert publishers, "no publisher's template is recorded; run `make record`"
    return publishers, dict(read_turns(VECTORS / "publishers"))  # type: ignore[arg-type]


def meant(template: Template, publisher: Publisher, messages: Sequence[Message]) -> str | None:
    """The reference renderer's prompt of a template that carries everything its system text allows."""
    words = frozenset(WORDS) if template.system_placement == "turn" else frozenset(WORDS) - {"later_system"}
    try:
        pieces = render(replace(template, turns=words), messages, today=TODAY)
    except Unsupported:
        return None
    return to_text(pieces, bos=publisher.bos or "", eos=publisher.eos or "")


def test_every_recorded_template_carries_what_its_publishers_do() -> None:
    """In the reference renderer's words; the check of this name does the same with the generated files."""
    publishers, verdicts = recorded()
    templates = catalogue().templates
    by_template = publishers_by_template(publishers, catalogue())
    wrong = []
    for name, told in verdicts.items():
        finding = find(templates[name], by_template[name], meant)
        wrong += [f"{name}: {line}" for line in finding.wrong]
        if finding.verdicts != told:
            wrong.append(f"{name}: {dict(finding.verdicts)} instead of {told}")
        if finding.turns != {*templates[name].turns}:
            wrong.append(f"{name}: says {sorted(templates[name].turns)} instead of {sorted(finding.turns)}")
    assert not wrong, "\n".join(wrong)


def test_no_other_template_carries_more_than_turns_that_alternate() -> None:
    _, verdicts = recorded()
    assert [name for name, each in catalogue().templates.items() if each.turns and name not in verdicts] == []


def test_each_word_has_conversations_that_need_it_alone_and_some_need_several() -> None:
    alone = {needs(name) for name in conversations()}
    assert {frozenset({word}) for word in WORDS} < alone
    assert frozenset(WORDS) in alone


# -- findings --------------------------------------------------------------------------------------------------------


def published(template: Template, **changes: str | None) -> Publisher:
    """A publisher whose template writes what ours does, but for some conversations."""
    publisher = Publisher("p", "p/p", "", "<BOS>", "<EOS>", {})
    texts = {name: meant(template, publisher, messages) for name, messages in conversations().items()}
    digests = {name: None if text is None else digest(text, publisher.bos) for name, text in texts.items()}
    assert changes.keys() <= digests.keys()
    return replace(publisher, texts={**digests, **changes})


def finding(*changes: dict[str, str | None]) -> Finding:
    template = catalogue().templates["qwen3"]
    return find(template, [published(template, **each) for each in changes], meant)


def test_a_template_that_writes_the_same_carries_everything() -> None:
    assert finding({}).turns == set(WORDS)


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        (
            [{"users": None, "users_then_reply": None, "users_behind_reply": None}],
            "mixed",
        ),  # not behind a system message
        ([{"users": "0"}], "mixed"),
        ([{}, {"users": None}], "mixed"),
        ([{name: None for name in conversations() if needs(name) == {"users"}}], "raises"),
        ([{name: "0" for name in conversations() if needs(name) == {"users"}}], "differs"),
    ],
)
def test_what_publishers_do_otherwise_is_not_carried(changes: list[dict[str, str | None]], verdict: str) -> None:
    found = finding(*changes)
    assert found.verdicts["users"] == verdict
    assert found.turns == set(WORDS) - {"users"}
    assert found.wrong == ()


def test_a_publisher_who_writes_plain_turns_otherwise_says_nothing() -> None:
    found = finding({"plain": "0", "multi behind a system message": None, "users": None})
    assert set(found.verdicts.values()) == {"unknown"}
    assert finding({"plain": "0", "users": None}).verdicts["users"] == "same", "it speaks for what has a system message"


def test_words_that_hold_alone_and_not_together_are_wrong() -> None:
    assert finding({"everything": "0"}).wrong == ("everything: differs",)


def test_a_bos_at_the_start_is_left_aside() -> None:
    assert digest("<s>a", "<s>") == digest("a", "<s>") == digest("a", None) != digest("<s>a", None)
