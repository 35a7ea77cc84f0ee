"""Random templates: the generated Jinja and Modelfiles write what the reference renderer means, or are refused."""

from __future__ import annotations

from dataclasses import fields
from datetime import date
from typing import Any, get_args

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chatwright.catalogue.build import build_spec
from chatwright.catalogue.model import Slots, Spec, Template, Turns
from chatwright.errors import Location, Unsupported
from chatwright.meaning.render import Kind, render, to_text
from chatwright.meaning.runs import normal
from chatwright.meaning.scenarios import Scenario
from chatwright.targets import ollama
from chatwright.targets.chat_template import chat_template
from conformance.engines import ollama as engine
from conformance.engines.jinja import marked_renderer, transformers_renderer
from conformance.engines.modelfile import read_modelfile
from tests.support import examples

TODAY = date(2025, 3, 4)
SLOT_NAMES = [field.name for field in fields(Slots)]
TEXT = st.sampled_from(
    ["", "<a>", "\n", " b\n", "'\"", "\\n", "{{text:{{x}}}}", "{%", "世", "{{eos_token}}", "{{bos_token}}"]
)
WORDS = st.sampled_from(["q", "", " padded \n", "\n\nx", "<t>", "</t>", "a<t>b</t>c", "{{content}}", "世界 \\n '\""])
TRIM = st.sampled_from(["none", "newlines", "leading_newlines", "both"])
TEXT_ALONE = TEXT.filter(lambda text: "{" not in text)
MARKS = st.sampled_from(["", "think: \\n '", "世\n"])
LEVELS = ["high", "l'w", "other"]  # the last one is no level of any template


# What only the tokenizer knows: a file that must name it is refused, whatever the conversation.
HIDDEN = ["{{id:195}}", "{{attribute:user_token}}"]


@st.composite
def slots(draw: st.DrawFn) -> dict[str, Any]:
    """A slot for every role; some with the round's number, today's date, a token or a boundary."""
    more = st.sampled_from(["", "{{idx}}", "{{round}}", "{{date:%d %b}}", "{{date:%Y-%m-%d}}", "{{token:<u>}}"])
    hidden = st.integers(0, 99).map(lambda number: HIDDEN[number] if number < len(HIDDEN) else "")

    def around(*, number: bool = False) -> str | list[str]:
        head = draw(TEXT) + (draw(more) if number else "") + draw(hidden)
        return [head, "{{content}}"] if draw(st.booleans()) else f"{head}{{{{content}}}}{draw(TEXT)}"

    assistant: dict[str, Any] = {"opener": draw(TEXT), "body": around()}
    if draw(st.booleans()):
        assistant["generation"] = draw(TEXT)
    if draw(st.booleans()):
        assistant["after_observation"] = draw(TEXT)
    if draw(st.booleans()):
        assistant["before_calls"] = draw(TEXT)
    if draw(st.booleans()):
        assistant["last"] = around()
    found: dict[str, Any] = {
        "prefix": draw(TEXT),
        "system": around(),
        "user": around(number=True),
        "assistant": assistant,
        "image": "<img {{number}}>",
    }
    optional = {
        "system_with_tools": around(),
        "no_system": draw(TEXT),
        "function": around(),
        "function_last": around(),
        "observation": around(number=True),
    }
    return found | {key: value for key, value in optional.items() if draw(st.booleans())}


@st.composite
def levels(draw: st.DrawFn) -> dict[str, Any]:
    """Levels of thinking; some decide about thinking, some have a mark or an end of the prompt."""
    level = st.fixed_dictionaries(
        {}, optional={"thinking": st.booleans(), "mark": MARKS, "prompt": st.sampled_from(["", "<p>"])}
    )
    found = {
        "names": {name: draw(level) for name in LEVELS[:2]},
        "default": draw(st.fixed_dictionaries({}, optional=dict.fromkeys(("on", "off"), st.sampled_from(LEVELS[:2])))),
        "unknown": draw(st.sampled_from(["refuse", "ignore"])),
        "count": draw(st.sampled_from(["on", "always"])),
    }
    return found | ({"variable": "mode"} if draw(st.booleans()) else {})


@st.composite
def templates(draw: st.DrawFn) -> dict[str, Any]:
    """The settings of a template."""
    found: dict[str, Any] = {
        "slots": draw(slots()),
        "result_separator": draw(TEXT_ALONE),
    }
    choices: dict[str, st.SearchStrategy[Any]] = {
        "default_system": st.sampled_from(["q", "", " padded \n", "{{text:{{content}}}}", "It is {{date:%Y-%m-%d}}."]),
        "empty_system": st.sampled_from(["default", "omit", "keep"]),
        "system_placement": st.sampled_from(["turn", "first_user", "first_user_head", "last_user", "none"]),
        "single_turn": st.booleans(),
        "learns": st.sampled_from(["all", "last"]),
        "last_message_end": st.sampled_from(["q", "<x>", "\n"]),
        "pair": st.just({"text": "{{instruction}}: {{query}}\n{{document}}", "instruction": "Judge"}),
        "tool_format": st.sampled_from(["qwen", "glm4", "default", "glm4_5", "llama3_user", "qwen3_coder", "kimi_k3"]),
        "trim": st.fixed_dictionaries(dict.fromkeys(("system", "user", "assistant", "observation"), TRIM)),
        "thinking": st.fixed_dictionaries(
            optional={
                "empty_on": st.sampled_from(["", "<t>\n</t>"]),
                "empty_in": st.sampled_from(["learned", "last", "all"]),
                "empty_unless": st.sampled_from(["begins", "holds"]),
                "rewrite": st.booleans(),
                "kept_with_tools": st.booleans(),
                "kept_from_results": st.booleans(),
                "dropped_before_calls": st.sampled_from(["", "</t>"]),
                "answer": st.just(["<t>", "</t>"]),
                "frame": st.fixed_dictionaries(
                    {"thought": st.just(["<T>", "</t>{", "}"]), "plain": st.sampled_from([["{", "}\n"], ["", ""]])},
                    optional={"unless": st.sampled_from(["x", "<t>"]), "calls": st.sampled_from(["", "<c>"])},
                ),
                "system_mark": st.fixed_dictionaries(
                    {},
                    optional={
                        "on": MARKS,
                        "off": MARKS,
                        "place": st.sampled_from(["before", "behind", "first"]),
                        "separator": TEXT_ALONE,
                        "unless": st.sampled_from([["q"], ["padded", "世界"]]),
                    },
                ),
                "levels": levels(),
            },
            mapping={
                "words": st.just(["<t>", "</t>"]),
                "switch": st.sampled_from(["enable_thinking", "thinking"]),
                "default": st.booleans(),
                "when_on": st.sampled_from(["", "<t>"]),
                "when_off": st.sampled_from(["", "<t></t>"]),
                "history": st.sampled_from(["keep", "drop", "switched", "remove"]),
                "span": st.sampled_from(["between", "to_last_end"]),
                "history_trim": TRIM,
                "when_dropped": st.sampled_from(["", "</t>\n"]),
                "empty": st.sampled_from(["", "<t></t>"]),
                "empty_after": st.sampled_from(["any", "user"]),
                "empty_trained": st.sampled_from(["switched", "always"]),
            },
        ),
    }
    rare = ("pair", "last_message_end")
    choices = {key: choice for key, choice in choices.items() if key not in rare or draw(st.integers(0, 4)) == 0}
    found |= {key: draw(choice) for key, choice in choices.items() if draw(st.booleans())}
    if found.get("system_placement") == "none":
        found.pop("default_system", None)  # the cross-checks refuse a default text, or a mark, without a place
        found.get("thinking", {}).pop("system_mark", None)
    return found


@st.composite
def conversations(draw: st.DrawFn) -> tuple[list[dict[str, Any]], list[dict[str, Any]] | None]:
    """Turns that alternate, with calls, several results, thoughts and typed content."""
    messages: list[dict[str, Any]] = [{"role": "system", "content": draw(WORDS)}] if draw(st.booleans()) else []
    asked_by_tool = draw(st.integers(0, 9)) == 0
    for _ in range(draw(st.integers(1, 3))):
        if asked_by_tool:
            messages += [{"role": "tool", "content": draw(WORDS)} for _ in range(draw(st.integers(1, 2)))]
        else:
            content: Any = draw(WORDS)
            if draw(st.integers(0, 4)) == 0:
                content = [{"type": "text", "text": content}, {"type": "image_url", "image_url": {"url": "x"}}]
            messages.append({"role": "user", "content": content})
        reply: dict[str, Any] = {"role": "assistant", "content": draw(WORDS)}
        if draw(st.booleans()):
            reply["reasoning_content"] = draw(st.sampled_from(["thought", ""]))
        asked_by_tool = draw(st.integers(0, 2)) == 0
        if asked_by_tool:
            call = {"type": "function", "function": {"name": "f", "arguments": {"a": draw(WORDS)}}}
            reply["tool_calls"] = [call] * draw(st.integers(1, 2))
        messages.append(reply)
    tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
    return messages, [tool] if draw(st.booleans()) else None


@st.composite
def irregular_conversations(draw: st.DrawFn) -> tuple[list[dict[str, Any]], list[dict[str, Any]] | None]:
    """Messages of any role in any order, up to a reply; most come from templates that carry some of it."""
    messages: list[dict[str, Any]] = [{"role": "system", "content": draw(WORDS)}] if draw(st.booleans()) else []
    call = {"type": "function", "function": {"name": "f", "arguments": {"a": "b"}}}
    for role in draw(
        st.lists(st.sampled_from(["user", "user", "assistant", "assistant", "system", "tool"]), max_size=5)
    ):
        message: dict[str, Any] = {"role": role, "content": draw(WORDS)}
        if role == "assistant" and draw(st.booleans()):
            message["reasoning_content"] = draw(st.sampled_from(["thought", ""]))
        if role == "assistant" and draw(st.integers(0, 4)) == 0:
            message["tool_calls"] = [call]
        messages.append(message)
    messages.append({"role": "assistant", "content": draw(WORDS)})
    return messages, None


@st.composite
def carrying_templates(draw: st.DrawFn) -> dict[str, Any]:
    """The settings of a template that carries turns which do not alternate."""
    found = draw(templates())
    for key in ("pair", "single_turn"):  # the cross-checks refuse these, and a system text without a turn of its own
        found.pop(key, None)
    words = get_args(Turns) if "system_placement" not in found else get_args(Turns)[:-1]
    found["turns"] = draw(st.one_of(st.just(list(words)), st.lists(st.sampled_from(words), unique=True)))
    return found


def hides_a_token(template: Template) -> bool:
    """Whether a slot holds a token whose text only the tokenizer knows."""
    slots = (getattr(template.slots, name) for name in SLOT_NAMES)
    return any(part.kind in ("id", "attribute") for slot in slots if isinstance(slot, tuple) for part in slot)


def spec_of(template: dict[str, Any], **serving: Any) -> Spec:
    """The spec with that one template."""
    data = {"name": "x", "title": "x", "publisher": "x", "templates": {"x": template}, "serving": serving}
    return build_spec(data, path="x", source="x/x.yaml", locate=lambda keys: Location("x"))


@examples(80)
@given(
    templates(),
    conversations(),
    st.sampled_from(list(Kind)),
    st.sampled_from([None, True, False]),
    st.sampled_from([None, *LEVELS]),
    st.booleans(),
)
def test_jinja_writes_what_the_renderer_means(
    data: dict[str, Any],
    conversation: tuple[list[dict[str, Any]], list[dict[str, Any]] | None],
    kind: Kind,
    thinking: bool | None,
    level: str | None,
    preserve: bool,
) -> None:
    compare(data, conversation, kind, thinking, level, preserve)


@examples(80)
@given(
    st.one_of(carrying_templates(), carrying_templates(), templates()),
    irregular_conversations(),
    st.sampled_from(list(Kind)),
    st.sampled_from([None, True, False]),
    st.booleans(),
)
def test_jinja_writes_and_refuses_turns_that_do_not_alternate(
    data: dict[str, Any],
    conversation: tuple[list[dict[str, Any]], list[dict[str, Any]] | None],
    kind: Kind,
    thinking: bool | None,
    preserve: bool,
) -> None:
    """A pair is made of two messages, and what stands behind them is read by nobody."""
    data.pop("pair", None)
    compare(data, conversation, kind, thinking, None, preserve)


def compare(
    data: dict[str, Any],
    conversation: tuple[list[dict[str, Any]], list[dict[str, Any]] | None],
    kind: Kind,
    thinking: bool | None,
    level: str | None,
    preserve: bool,
) -> None:
    """Hold the generated Jinja against the reference renderer."""
    (template,) = spec_of(data).templates
    messages, tools = conversation
    if kind is Kind.PROMPT:
        messages = messages[:-1]
    given_variables: dict[str, Any] = {
        "messages": messages,
        "tools": tools,
        "add_generation_prompt": kind is Kind.PROMPT,
        "bos_token": "<BOS>",
        "eos_token": "<EOS>",
        "preserve_thinking": preserve if kind is Kind.PROMPT else kind is Kind.TRAINING,
        "strftime_now": TODAY.strftime,
    }
    if thinking is not None and template.thinking:
        given_variables[template.thinking.switch] = thinking
    if level is not None and template.thinking and template.thinking.levels:
        given_variables[template.thinking.levels.variable] = level
    try:
        pieces = render(
            template,
            messages,
            tools,
            kind=kind,
            thinking=thinking,
            level=level,
            preserve_thinking=preserve,
            today=TODAY,
        )
        expected = to_text(pieces, bos="<BOS>", eos="<EOS>")
    except Unsupported:
        expected = None
    try:
        source = chat_template(template)
    except Unsupported:
        assert hides_a_token(template)
        return
    try:
        written = transformers_renderer(source)(given_variables)
    except Unsupported:
        written = None
    assert written == expected


@examples(80)
@given(
    st.one_of(
        st.tuples(templates(), conversations()),
        st.tuples(carrying_templates(), irregular_conversations()),
    ),
    st.sampled_from([Kind.TRAINING, Kind.TRAINING_DROPPED]),
    st.sampled_from([None, True, False]),
)
def test_the_marks_are_around_what_the_renderer_learns(
    talk: tuple[dict[str, Any], tuple[list[dict[str, Any]], list[dict[str, Any]] | None]],
    kind: Kind,
    thinking: bool | None,
) -> None:
    data, conversation = talk
    (template,) = spec_of(data).templates
    messages, tools = conversation
    given_variables: dict[str, Any] = {
        "messages": messages,
        "tools": tools,
        "documents": None,
        "add_generation_prompt": False,
        "bos_token": "<BOS>",
        "eos_token": "<EOS>",
        "preserve_thinking": kind is Kind.TRAINING,
        "strftime_now": TODAY.strftime,
    }
    if thinking is not None and template.thinking:
        given_variables[template.thinking.switch] = thinking
    try:
        source = chat_template(template, marks=True)
    except Unsupported as reason:
        assert hides_a_token(template) or template.pair or "depends on the text behind it" in str(reason)
        return
    try:
        pieces = render(template, messages, tools, kind=kind, thinking=thinking, today=TODAY)
    except Unsupported:
        with pytest.raises(Unsupported):
            marked_renderer(source)(given_variables)
        return
    own = {"bos": "<BOS>", "eos": "<EOS>"}
    expected = normal([(own.get(piece.kind, piece.text), piece.trained) for piece in pieces])
    assert normal(marked_renderer(source)(given_variables)) == expected


# -- Ollama -----------------------------------------------------------------------------------------------------------


BOS_IN_THE_SYSTEM_TEXT = {
    "slots": {
        "system": ["{{bos_token}}", "{{content}}"],
        "user": "{{content}}",
        "assistant": {"body": "{{content}}"},
    },
    "default_system": "q",
    "system_placement": "first_user",
}


@st.composite
def texts(draw: st.DrawFn) -> list[dict[str, Any]]:
    """A conversation that Ollama's endpoint can carry, up to the message that asks for a reply.

    No thoughts stand inside a reply's content: a Go template cannot take them out.
    """
    messages: list[dict[str, Any]] = [{"role": "system", "content": draw(WORDS)}] if draw(st.booleans()) else []
    for _ in range(draw(st.integers(0, 2))):
        reply: dict[str, Any] = {"role": "assistant", "content": draw(WORDS.filter(lambda text: "t>" not in text))}
        if draw(st.booleans()):
            reply["reasoning_content"] = draw(st.sampled_from(["thought", ""]))
        messages += [{"role": "user", "content": draw(WORDS)}, reply]
    return [*messages, {"role": "user", "content": draw(WORDS)}]


@examples(200)
@given(templates(), texts(), st.sampled_from([None, True, False]))
@example(BOS_IN_THE_SYSTEM_TEXT, [{"role": "user", "content": "q"}], None)
def test_ollama_writes_what_the_renderer_means(
    go: engine.Engine, data: dict[str, Any], messages: list[dict[str, Any]], thinking: bool | None
) -> None:
    """Every file that is made writes the renderer's prompt, but for the BOS at its start, which the runner adds."""
    spec = spec_of(data, tokens={"bos_token": "<BOS>", "eos_token": "<EOS>"})
    (template,) = spec.templates
    try:
        modelfile = read_modelfile(ollama.modelfile(spec, template))
    except Unsupported:
        return
    scenario = Scenario("x", (*messages, {"role": "assistant", "content": ""}), None, thinking, False, False)
    assert scenario.asked == tuple(messages)
    default_on = template.thinking.default if template.thinking else None
    if engine.changes(scenario, default_on=default_on) or (thinking and not template.thinking):
        return
    try:
        expected = to_text(render(template, messages, thinking=thinking, today=TODAY), bos="<BOS>", eos="<EOS>")
    except Unsupported:
        with pytest.raises(Unsupported):
            go.prompt(modelfile, scenario, TODAY)
    else:
        assert go.prompt(modelfile, scenario, TODAY) == expected.removeprefix("<BOS>")
