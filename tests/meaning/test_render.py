"""The reference renderer against the texts and masks that the real frameworks wrote."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any, get_args

import pytest

from chatwright.catalogue.model import Level, Levels, Thinking, Turns
from chatwright.errors import Unsupported
from chatwright.meaning.conversation import irregularities
from chatwright.meaning.render import Kind, render, to_text
from chatwright.meaning.thoughts import Mode, framed, remove_thoughts, thinking_mode, trim
from chatwright.records.frameworks import built_ins
from conformance.checks.attempts import attempt
from conformance.checks.reference import reference_runs
from tests.support import FRAMEWORKS, catalogue, failures, scenarios, vectors


@pytest.mark.parametrize(("framework", "name"), [(one, name) for one in FRAMEWORKS for name in vectors(one)])
def test_renders_what_the_framework_trains_on(framework: str, name: str) -> None:
    template, eos = catalogue().templates[name], vectors(framework)[name]["eos"]
    wrong = failures(
        "reference renderer, {}",
        framework,
        name,
        lambda scenario, kind: attempt(reference_runs, template, scenario, kind, eos),
    )
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_every_template_of_the_framework_has_vectors_of_every_scenario(framework: str) -> None:
    own = built_ins()[framework].templates
    registered = {name for name, template in catalogue().templates.items() if template.registered[framework] in own}
    assert registered == set(vectors(framework)), "run: make record"
    assert len(registered) == len(own), "run: python -m conformance sync"
    wrong = [
        f"{name}: {', '.join(sorted(differing))}"
        for name, data in vectors(framework).items()
        if (differing := data["scenarios"].keys() ^ scenarios().keys())
    ]
    assert not wrong, "\n".join([*wrong, "run: make record"])


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("<t>a</t>b", "b"),
        ("<t>a<t>b</t>c</t>d", "c</t>d"),
        ("<t>open", "<t>open"),
        ("x<t>a</t>y<t>b</t>z", "xyz"),
        ("</t>a<t>b</t>", "</t>a"),
    ],
)
def test_thoughts_end_at_the_next_end(text: str, left: str) -> None:
    assert remove_thoughts(text, ("<t>", "</t>")) == left
    assert re.sub("<t>(.*?)</t>", "", text, flags=re.DOTALL) == left  # as LLaMA-Factory's remove_thought does


def test_trims() -> None:
    assert trim("\n a \n", "none") == "\n a \n"
    assert trim("\n a \n", "newlines") == " a "
    assert trim("\n a \n", "leading_newlines") == " a \n"
    assert trim("\n a \n", "both") == "a"


LEVELS = Levels(
    variable="effort",
    default_on="high",
    default_off=None,
    unknown="refuse",
    count="on",
    names={"high": Level(None, "h", None), "low": Level(True, "l", None), "none": Level(False, "n", None)},
)


@pytest.mark.parametrize(
    ("thinking", "level", "on", "counts"),
    [
        (None, None, True, "high"),
        (False, None, False, None),
        (True, "low", True, "low"),
        (False, "low", True, "low"),  # a level that turns thinking on
        (True, "none", False, "none"),  # and one that turns it off, which counts
        (False, "high", False, None),  # one that leaves it open counts only while thinking is on
    ],
)
def test_levels_of_thinking(thinking: bool | None, level: str | None, on: bool, counts: str | None) -> None:
    settings = thinking_with(LEVELS)
    assert thinking_mode(settings, thinking, level) == Mode(on, None if counts is None else LEVELS.names[counts])


def test_a_level_that_always_counts() -> None:
    always = replace(LEVELS, count="always")
    assert thinking_mode(thinking_with(always), False, "high") == Mode(False, LEVELS.names["high"])


def test_unknown_levels_are_refused_or_passed_over() -> None:
    with pytest.raises(Unsupported, match="no level of thinking 'max'"):
        thinking_mode(thinking_with(LEVELS), True, "max")
    ignoring = replace(LEVELS, unknown="ignore")
    assert thinking_mode(thinking_with(ignoring), True, "max") == Mode(True, LEVELS.names["high"])
    open_ones = replace(LEVELS, names={"high": LEVELS.names["high"]})
    assert thinking_mode(thinking_with(open_ones), False, "max") == Mode(False), "no level counts, so none is asked for"


def thinking_with(levels: Levels) -> Thinking:
    settings = catalogue().templates["qwen3"].thinking
    assert settings is not None
    return replace(settings, levels=levels)


def test_a_thought_that_does_not_end_has_no_frame() -> None:
    settings = catalogue().templates["kimi_k3"].thinking
    assert settings is not None
    assert settings.frame is not None
    with pytest.raises(Unsupported, match="does not end"):
        framed("<think>a", settings.frame, settings)


@pytest.mark.parametrize(
    ("messages", "reason"),
    [
        (["q"], "wants a query and a document"),
        ([], "wants a query and a document"),
        (["q", [{"function": {"name": "f", "arguments": {}}}]], "without calls of tools"),
    ],
)
def test_a_pair_has_two_texts(messages: list[Any], reason: str) -> None:
    written = [
        (
            {"role": role, "content": None, "tool_calls": said}
            if isinstance(said, list)
            else {"role": role, "content": said}
        )
        for role, said in zip(("user", "assistant"), messages, strict=False)
    ]
    with pytest.raises(Unsupported, match=reason):
        render(catalogue().templates["qwen3_reranker"], written)


def test_only_the_answer_of_a_reply() -> None:
    assert remove_thoughts("<t>x</t><a>y</a>\n", ("<a>", "</a>"), "answer") == "y"
    assert remove_thoughts("<a>x</a> <a>y", ("<a>", "</a>"), "answer") == "y"
    assert remove_thoughts("y</a>z", ("<a>", "</a>"), "answer") == "y</a>z"


USER, REPLY = {"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}


@pytest.mark.parametrize(
    ("messages", "kind", "reason"),
    [
        ([REPLY, USER], Kind.PROMPT, "take turns"),
        ([USER, USER], Kind.PROMPT, "take turns"),
        ([USER, {"role": "system", "content": "s"}], Kind.PROMPT, "must come first"),
        ([USER, {"role": "critic", "content": "s"}], Kind.PROMPT, "unknown role 'critic'"),
        ([USER, REPLY], Kind.PROMPT, "end with a user or tool message"),
        ([USER], Kind.TRAINING, "end with an assistant message"),
        ([{"role": "user", "content": [{"type": "smell"}]}], Kind.PROMPT, "unknown content part 'smell'"),
        ([{"role": "user", "content": [{"type": "image"}]}], Kind.PROMPT, "no slot for image"),
        ([USER, {**REPLY, "tool_calls": [{"name": "f", "arguments": "{"}]}], Kind.TRAINING, "are not JSON"),
        ([USER, {**REPLY, "tool_calls": [{"name": "f", "arguments": "[]"}]}], Kind.TRAINING, "are not an object"),
    ],
)
def test_refuses_with_a_reason(messages: list[dict[str, object]], kind: Kind, reason: str) -> None:
    with pytest.raises(Unsupported, match=reason):
        render(replace(catalogue().templates["qwen"], turns=frozenset()), messages, kind=kind)


CALL = {**REPLY, "tool_calls": [{"name": "f", "arguments": {}}]}
RESULT, SYSTEM = {"role": "tool", "content": "r"}, {"role": "system", "content": "s"}


@pytest.mark.parametrize(
    ("messages", "words"),
    [
        ([SYSTEM, USER, CALL, RESULT, RESULT], set()),
        ([USER, USER], {"users"}),
        ([USER, REPLY, REPLY, USER], {"replies"}),
        ([USER, CALL, RESULT, REPLY, REPLY], {"replies", "last_reply"}),
        ([SYSTEM, REPLY, USER], {"first_reply"}),
        ([REPLY], {"first_reply", "last_reply"}),
        ([USER, SYSTEM, USER], {"users", "later_system"}),
        ([SYSTEM, SYSTEM, USER], {"later_system"}),
        ([USER, CALL, SYSTEM], {"last_reply", "later_system"}),
    ],
)
def test_a_prompt_needs_these_words_and_no_others(messages: list[dict[str, object]], words: set[Turns]) -> None:
    assert irregularities(messages) == words
    template = catalogue().templates["qwen3"]
    assert render(replace(template, turns=frozenset(words)), messages)
    for word in words:
        with pytest.raises(Unsupported):
            render(replace(template, turns=frozenset(words - {word})), messages)


@pytest.mark.parametrize(
    ("messages", "reason"),
    [
        ([USER, CALL, RESULT, USER], "between tool results and a user message"),
        ([USER, RESULT], "must follow an assistant's"),
        ([USER, CALL, RESULT, SYSTEM, RESULT], "must follow an assistant's"),
        ([USER, CALL, SYSTEM, RESULT], "in front of a tool message"),
        ([], "end with a user or tool message"),
        ([SYSTEM, SYSTEM], "end with a user or tool message"),
    ],
)
def test_no_template_carries_these_turns(messages: list[dict[str, object]], reason: str) -> None:
    with pytest.raises(Unsupported, match=reason):
        render(replace(catalogue().templates["qwen3"], turns=frozenset(get_args(Turns))), messages)


def test_media_stand_in_their_place() -> None:
    content = [
        {"type": "text", "text": "a"},
        {"type": "image_url", "image_url": {"url": "x"}},
        {"type": "text", "text": "b"},
    ]
    text = to_text(render(catalogue().templates["qwen2_vl"], [{"role": "user", "content": content}]))
    assert "user\na<|vision_start|><|image_pad|><|vision_end|>b<|im_end|>" in text


def test_media_are_counted_by_kind_through_the_conversation() -> None:
    image, audio = {"type": "image"}, {"type": "input_audio"}
    asked = [{"role": "user", "content": [image, audio, image]}, REPLY, {"role": "user", "content": [audio, image]}]
    text = to_text(render(catalogue().templates["phi4_multimodal"], asked))
    assert re.findall(r"<\|[a-z]+_\d\|>", text) == [
        "<|image_1|>",
        "<|audio_1|>",
        "<|image_2|>",
        "<|audio_2|>",
        "<|image_3|>",
    ]


def test_single_tokens_and_own_tokens_are_marked() -> None:
    pieces = render(catalogue().templates["chatglm3"], [USER])
    assert [(piece.text, piece.kind) for piece in pieces[:3]] == [
        ("[gMASK]", "token"),
        ("sop", "token"),
        ("<|user|>", "token"),
    ]
    assert render(catalogue().templates["mistral"], [USER])[0].kind == "bos"
