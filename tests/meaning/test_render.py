"""The reference renderer against the texts and masks that the real frameworks wrote."""

from __future__ import annotations

import re

import pytest

from chatwright.catalogue.built_ins import built_ins
from chatwright.errors import Unsupported
from chatwright.evidence.checks.bench import attempt
from chatwright.evidence.checks.reference import reference_runs
from chatwright.meaning.render import Kind, remove_thoughts, render, to_text, trim
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
    assert len(registered) == len(own), "run: chatwright sync"
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


USER, REPLY = {"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}


@pytest.mark.parametrize(
    ("messages", "kind", "reason"),
    [
        ([REPLY], Kind.PROMPT, "take turns"),
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
        render(catalogue().templates["qwen"], messages, kind=kind)


def test_media_stand_in_their_place() -> None:
    content = [
        {"type": "text", "text": "a"},
        {"type": "image_url", "image_url": {"url": "x"}},
        {"type": "text", "text": "b"},
    ]
    text = to_text(render(catalogue().templates["qwen2_vl"], [{"role": "user", "content": content}]))
    assert "user\na<|vision_start|><|image_pad|><|vision_end|>b<|im_end|>" in text


def test_single_tokens_and_own_tokens_are_marked() -> None:
    pieces = render(catalogue().templates["chatglm3"], [USER])
    assert [(piece.text, piece.kind) for piece in pieces[:3]] == [
        ("[gMASK]", "token"),
        ("sop", "token"),
        ("<|user|>", "token"),
    ]
    assert render(catalogue().templates["mistral"], [USER])[0].kind == "bos"
