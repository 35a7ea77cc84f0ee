"""A template beside its publisher's: what is exact is equal, and each difference has the cause that made it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import pytest

from chatwright.errors import Unsupported
from chatwright.meaning.render import Kind, Piece, to_text
from chatwright.meaning.runs import TODAY
from chatwright.meaning.scenarios import Scenario, scenarios
from chatwright.records.publishers import CAUSES, Comparison, load_comparisons
from conformance.comparison import NO_TOOLS, compare, compare_all
from conformance.publishers import SWITCHES, Publisher, Record, digest, own_publishers, read_record, request
from tests.support import VECTORS, catalogue

Change = Callable[[Scenario, str], "str | None"]


def meant(template: str, scenario: str, bos: str | None, eos: str | None) -> str | None:
    found = pieces(template, scenario)
    return None if found is None else to_text(found, bos=bos or "", eos=eos or "")


@cache
def pieces(template: str, scenario: str) -> tuple[Piece, ...] | None:
    try:
        return scenarios()[scenario].pieces(catalogue().templates[template], Kind.PROMPT, TODAY)
    except Unsupported:
        return None


def test_what_is_recorded_as_exact_is_what_templates_mean() -> None:
    """The evidence is of the generated files; the reference renderer must say the same of the recorded texts.

    Tools are left out: they take most of the time, and conformance compares them.
    """
    record, comparisons = read_record(VECTORS / "publishers"), load_comparisons()
    publishers = {publisher.id: publisher for publisher in record.publishers}
    wrong, compared = [], 0
    for name, each in comparisons.templates.items():
        for comparison in each.comparisons:
            publisher = publishers[comparison.publishers[0]]
            for scenario, result in comparison.results.items():
                if result.status not in ("exact", "differs") or scenarios()[scenario].tools:
                    continue
                text = meant(name, scenario, publisher.bos, publisher.eos)
                same = text is not None and digest(text, publisher.bos) == publisher.texts[scenario]
                compared += 1
                if same != (result.status == "exact"):
                    wrong.append(f"{name}, {publisher.id}, {scenario}: {result}")
    assert wrong == []
    assert compared > 1000


def test_every_template_of_a_known_publisher_is_compared_with_each_of_its_own() -> None:
    record, comparisons = read_record(VECTORS / "publishers"), load_comparisons()
    own = own_publishers(record.publishers, catalogue())
    assert comparisons.templates.keys() == own.keys()
    for name, each in comparisons.templates.items():
        compared = sorted(publisher for found in each.comparisons for publisher in found.publishers)
        assert compared == (sorted(publisher.id for publisher in own[name]) if each.artefact else []), name


def test_the_recorded_texts_are_those_that_are_referred_to() -> None:
    record = read_record(VECTORS / "publishers")
    used = {text for each in record.publishers for name, text in each.texts.items() if name in scenarios() and text}
    assert record.texts.keys() == used
    assert all(digest(text, None) == name for name, text in record.texts.items())


def test_every_switch_of_thinking_is_turned() -> None:
    assert {each.thinking.switch for each in catalogue().templates.values() if each.thinking} <= set(SWITCHES)


# -- causes ----------------------------------------------------------------------------------------------------------


def beside(name: str, *changes: Change) -> tuple[Comparison, ...]:
    """A template beside publishers' that write what it means but for a change."""
    template, asked = catalogue().templates[name], scenarios().values()
    ours = {json.dumps(request(each, "<b>", "<e>")): meant(name, each.name, "<b>", "<e>") for each in asked}
    publishers, texts = [], {}
    for number, change in enumerate(changes):
        digests: dict[str, str | None] = {}
        for scenario in asked:
            text = meant(name, scenario.name, "<b>", "<e>")
            written = change(scenario, text or "")
            digests[scenario.name] = None if written is None else digest(written, "<b>")
            if written is not None:
                texts[digest(written, "<b>")] = written.removeprefix("<b>")
        publishers.append(Publisher(str(number), "acme/m", "", "<b>", "<e>", digests))

    def write(given: Mapping[str, Any]) -> str:
        text = ours[json.dumps(given)]
        if text is None:
            raise Unsupported("no")
        return text

    record = Record(tuple(publishers), texts)
    assert compare(template, publishers[0], record, write).publishers == ("0",)
    return compare_all(template, publishers, record, write)


def causes(name: str, change: Change) -> dict[str, list[str]]:
    [found] = beside(name, change)
    assert found.examples.keys() == found.causes.keys() <= set(CAUSES)
    return found.causes


def test_the_same_is_exact() -> None:
    [found] = beside("qwen3", lambda scenario, text: text)
    assert found.same
    assert set(found.counts) == {"exact"}
    assert found.examples == {}


def test_publishers_that_compare_alike_are_told_together() -> None:
    same: Change = lambda scenario, text: text  # noqa: E731
    found = beside("qwen3", same, lambda scenario, text: text + "!", same)
    assert [each.publishers for each in found] == [("0", "2"), ("1",)]


def test_a_head_that_nothing_asks_for() -> None:
    def with_default(scenario: Scenario, text: str) -> str:
        has_head = text.startswith("<|im_start|>system")
        return text if has_head else "<|im_start|>system\nYou are Qwen.<|im_end|>\n" + text

    found = causes("qwen3", with_default)
    assert found.keys() == {"default-system"}
    assert {"plain", "multi", "thinking_on"} <= set(found["default-system"])
    assert not {"system", "system_multi", "padded"} & set(found["default-system"])


def test_the_end_of_the_prompt() -> None:
    everywhere = list(scenarios())
    assert causes("qwen2_vl", lambda _, text: text + "Sure") == {"generation-prompt": everywhere}
    found = causes("qwen3", lambda _, text: text if "</think>" in text[-20:] else text + "<think>\n")
    assert found.keys() == {"thinking-prefill"}


@pytest.mark.parametrize(
    ("cause", "change"),
    [
        ("empty-system", lambda s, t: f"<|im_start|>system\n<|im_end|>\n{t}" if s.name == "system_empty" else t),
        ("system-layout", lambda s, t: t.replace("system\nYou are terse.<", "system\nterse<")),
        ("system-layout", lambda s, t: t.replace("system", "developer") if s.name.startswith("system") else t),
        ("trimming", lambda s, t: t.replace("  Hello  ", "Hello")),
        ("white-space", lambda s, t: t.replace("Three<|im_end|>\n", "Three<|im_end|>")),
        ("turn-layout", lambda s, t: t.replace("user\nThree", "human\nThree")),
        ("tool-layout", lambda s, t: t.replace("# Tools", "# Functions")),
        ("tool-calls", lambda s, t: t.replace("assistant\n<tool_call>\n{", "assistant\n<call>{")),
        ("thought-layout", lambda s, t: t.replace("<think>\nFirst thought", "<think>\nThought")),
    ],
)
def test_what_changes_one_thing_has_its_cause(cause: str, change: Change) -> None:
    texts = {each.name: meant("qwen3", each.name, "<b>", "<e>") for each in scenarios().values()}
    changed = [name for name, text in texts.items() if text and change(scenarios()[name], text) != text]
    assert changed
    assert causes("qwen3", change) == {cause: changed}


def test_a_template_that_passes_over_tools_tells_nothing_of_them() -> None:
    [found] = beside("qwen3", lambda scenario, text: "no tools" if scenario.tools else text)
    assert found.same
    told = {name for name, result in found.results.items() if result.reason == NO_TOOLS}
    assert told == {scenario.name for scenario in scenarios().values() if scenario.tools}


def test_a_template_that_raises_tells_nothing() -> None:
    [found] = beside("qwen3", lambda scenario, text: None if scenario.name == "multi" else text)
    assert found.results["multi"].status == "not comparable"
    assert found.same


def test_what_ours_refuses_is_unsupported() -> None:
    [found] = beside("atom", lambda scenario, text: text or "get_weather f_2 now")
    refused = {name for name, result in found.results.items() if result.status == "unsupported"}
    assert refused == {name for name, each in scenarios().items() if each.tools}, "ms-swift alone has it, without tools"
    assert not found.same
