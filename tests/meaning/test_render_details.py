"""Details of the reference renderer that no framework's texts show: what a piece is, and what a refusal says."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from chatwright.catalogue.build import build_spec
from chatwright.catalogue.model import Template
from chatwright.errors import Location, Unsupported
from chatwright.meaning.render import Kind, Piece, render, to_text
from chatwright.meaning.thoughts import remove_thoughts, rewritten

USER = {"role": "user", "content": "q"}
REPLY = {"role": "assistant", "content": "a"}
CALL = {"type": "function", "function": {"name": "f", "arguments": {}}}
CALLS = {"role": "assistant", "content": "", "tool_calls": [CALL]}
RESULT = {"role": "tool", "content": "r"}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {}}}
THINKING: dict[str, Any] = {"words": ["<t>", "</t>"], "empty": ""}


def template_of(slots: dict[str, Any] | None = None, **more: Any) -> Template:
    own = {"user": "<u>{{content}}", "assistant": {"opener": "<b>", "body": "{{content}}<e>"}, **(slots or {})}
    data = {"name": "x", "title": "x", "publisher": "x", "templates": {"x": {"slots": own, **more}}}
    (template,) = build_spec(data, path="x", source="x/x.yaml", locate=lambda _: Location("x")).templates
    return template


def text_of(template: Template, *messages: Any, **options: Any) -> str:
    return to_text(render(template, messages, **options), bos="<BOS>", eos="<EOS>")


def learned(template: Template, *messages: Any, kind: Kind = Kind.TRAINING, **options: Any) -> list[str]:
    return [piece.text or piece.kind for piece in render(template, messages, kind=kind, **options) if piece.trained]


def test_the_tokenizers_own_tokens_are_nothing_where_it_has_none() -> None:
    pieces = (Piece("", "prefix", "bos"), Piece("a", "user"), Piece("t", "user", "token"), Piece("", "user", "eos"))
    assert to_text(pieces) == "at"
    assert to_text(pieces, bos="<s>", eos="</s>") == "<s>at</s>"


def test_every_piece_of_a_reply_is_the_assistants() -> None:
    thinking = {**THINKING, "empty": "<t></t>", "empty_trained": "always", "when_off": "<t></t>"}
    frame = {"thought": ["<f>", "</f>", "."], "plain": ["", ""], "calls": "<c>"}
    for settings, reply in ((thinking, REPLY), ({**THINKING, "frame": frame}, CALLS)):
        template = template_of(thinking=settings, tool_format="qwen")
        pieces = render(template, [USER, reply], kind=Kind.TRAINING)
        assert {piece.role for piece in pieces} == {"user", "assistant"}
        assert [piece.role for piece in pieces].index("assistant") == 2
    off = render(template_of(thinking=thinking), [USER], thinking=False)
    assert (off[-1].text, off[-1].role) == ("<t></t>", "assistant")


def test_a_frame_without_a_text_for_calls_puts_nothing_in_front_of_them() -> None:
    frame = {"thought": ["<f>", "</f>", "."], "plain": ["[", "]"]}
    framed = text_of(
        template_of(thinking={**THINKING, "frame": frame}, tool_format="qwen"), USER, CALLS, kind=Kind.TRAINING
    )
    assert framed.startswith("<u>q<b>[]")
    assert "XX" not in framed


def test_dates_are_of_the_day_and_text_is_not_a_date() -> None:
    template = template_of({"prefix": "%d{{date:%d}}", "user": "%Y{{content}}"}, default_system="{{date:%m}} %m")
    assert text_of(template, USER, today=date(2025, 3, 4)).startswith("%d04")
    assert "03 %m" in text_of(
        template_of({"system": "{{content}}"}, default_system="{{date:%m}} %m"), USER, today=date(2025, 3, 4)
    )


def test_a_thought_of_two_ends_lasts_to_the_first_one_where_it_is_written_anew() -> None:
    words = ("<t>\n", "\n</t>\n\n")
    assert rewritten("<t>a</t>b</t>c", words) == "<t>\na\n</t>\n\nb</t>c"
    assert rewritten("x<t>a<t>b</t>\n\nXc", words) == "<t>\nb\n</t>\n\nXc"
    assert rewritten("<t>a", words) == "<t>a"
    assert remove_thoughts("a<t>\nb\n</t>\n\nc", words) == "ac"
    assert remove_thoughts("<t>a</t>b</t>c", words, "to_last_end") == "c"


@pytest.mark.parametrize(
    ("span", "reply", "written"),
    [
        ("between", "<t>a</t>b</t>c", "{a}b</t>c."),
        ("to_last_end", "<t>a</t>b", "{a}b."),
        ("to_last_end", "{a</t>b", "{a}b."),
        ("to_last_end", "b", "[b]"),
        ("between", "b", "[b]"),
    ],
)
def test_frames(span: str, reply: str, written: str) -> None:
    settings = {**THINKING, "span": span, "frame": {"thought": ["{", "}", "."], "plain": ["[", "]"]}}
    said = {"role": "assistant", "content": reply}
    assert text_of(template_of(thinking=settings), USER, said, kind=Kind.TRAINING) == f"<u>q<b>{written}<e>"


@pytest.mark.parametrize(
    ("settings", "messages", "thinking", "written"),
    [
        ({"empty": "<t></t>"}, [REPLY], True, "<t></t>a"),
        ({"empty": "<t></t>"}, [REPLY], False, "<t></t>a"),
        ({"empty": "<t></t>", "empty_unless": "begins"}, [{**REPLY, "content": "<t></t>a"}], True, "<t></t>a"),
        ({"empty": "</t>", "empty_unless": "begins"}, [{**REPLY, "content": "</t>a"}], True, "</t>a"),
        ({"empty": "</t>", "empty_unless": "begins"}, [{**REPLY, "content": "<t>b</t>a"}], True, "<t>b</t>a"),
        ({"history": "remove", "empty": "-"}, [REPLY, USER, REPLY], True, "a<e><u>q<b>-a"),
        ({"history": "drop", "empty": "-"}, [REPLY, USER, REPLY], True, "-a<e><u>q<b>-a"),
        ({"empty_trained": "switched"}, [{**REPLY, "content": "<t>b</t>a"}], False, "a"),
        ({"empty_trained": "always"}, [{**REPLY, "content": "<t>b</t>a"}], False, "<t>b</t>a"),
        ({"empty_trained": "switched"}, [{**REPLY, "content": "<t>b</t>a"}], True, "<t>b</t>a"),
    ],
)
def test_thoughts_that_are_empty(settings: dict[str, Any], messages: list[Any], thinking: bool, written: str) -> None:
    template = template_of(thinking={**THINKING, **settings})
    assert text_of(template, USER, *messages, kind=Kind.TRAINING, thinking=thinking) == f"<u>q<b>{written}<e>"


def test_thoughts_stay_from_the_first_answered_call_on() -> None:
    template = template_of(
        {"observation": "<o>{{content}}"},
        tool_format="qwen",
        thinking={**THINKING, "history": "drop", "kept_from_results": True},
    )
    thought = {**REPLY, "reasoning_content": "x"}
    asked = text_of(template, USER, thought, USER, {**CALLS, "reasoning_content": "y"}, RESULT, thought, USER)
    assert "<t>x</t>" not in asked[: asked.index("<t>y</t>")]
    assert asked.count("<t>x</t>") == 1


def test_what_ends_the_last_message_is_looked_for_in_all_and_has_no_place_behind_calls() -> None:
    template = template_of(tool_format="qwen", last_message_end="<z>")
    assert text_of(template, USER) == "<u>q<z><b>"
    assert text_of(template, {**USER, "content": "a<z>b"}) == "<u>a<z>b<b>"
    assert text_of(template, USER, REPLY, kind=Kind.TRAINING) == "<u>q<b>a<z><e>"
    with pytest.raises(Unsupported, match=r"^the mark behind the last message has no place behind calls of tools$"):
        render(template, [USER, CALLS], kind=Kind.TRAINING)


def test_refusals_say_why() -> None:
    pair = template_of(pair={"text": "{{query}}|{{document}}"})
    with pytest.raises(Unsupported, match=r"^the format wants a query and a document, the first two messages$"):
        render(pair, [USER])
    with pytest.raises(Unsupported, match=r"^a query and a document are texts, without calls of tools$"):
        render(pair, [USER, CALLS])
    with pytest.raises(Unsupported, match=r"^template 'x' has no tool format$"):
        render(template_of(), [USER], [TOOL])
    with pytest.raises(Unsupported, match=r"^the thought of a reply does not end$"):
        frame = {"thought": ["{", "}", "."], "plain": ["[", "]"]}
        settings = {**THINKING, "span": "between", "frame": frame}
        render(template_of(thinking=settings), [USER, {**REPLY, "content": "<t>a"}], kind=Kind.TRAINING)
    with pytest.raises(Unsupported, match=r"^template 'x' has no slot for image content$"):
        render(template_of(), [{"role": "user", "content": [{"type": "image"}]}])
    with pytest.raises(Unsupported, match=r"^a prompt must end with a user or tool message$"):
        render(template_of(), [USER, REPLY])
    with pytest.raises(Unsupported, match=r"^a training conversation must end with an assistant message$"):
        render(template_of(), [USER], kind=Kind.TRAINING)
    with pytest.raises(Unsupported, match=r"^the format has a single turn, and no place for tool results$"):
        render(template_of(tool_format="qwen", single_turn=True), [USER, CALLS, RESULT])
    with pytest.raises(Unsupported, match=r"^the format has no place for a system text$"):
        render(template_of(system_placement="none"), [{"role": "system", "content": "s"}, USER])
    with pytest.raises(Unsupported, match=r"^the format has a token whose text only the tokenizer knows$"):
        render(template_of({"prefix": "{{id:5}}"}), [USER])
    with pytest.raises(Unsupported, match=r"^the template's own code writes a line$"):
        render(template_of(undescribed="a line"), [USER])
    for placement, which in (("first_user", "first"), ("last_user", "last")):
        template = template_of(system_placement=placement, tool_format="qwen")
        asked = [RESULT] if which == "first" else [USER, CALLS, RESULT]
        due = rf"^the system text goes into the {which} user turn, but that turn holds tool results$"
        with pytest.raises(Unsupported, match=due):
            render(template, [{"role": "system", "content": "s"}, *asked])


@pytest.mark.parametrize(
    ("body", "last", "expected"),
    [
        ("{{content}}<e>\n", "{{content}}<e>", ["a", "<e>", "a", "<e>"]),
        ("{{content}}{{eos_token}}\n", "{{content}}{{eos_token}}", ["a", "eos", "a", "eos"]),
        ("{{content}}<e>\n", "{{content}}{{eos_token}}", ["a", "a", "eos"]),
        ("{{content}}<e>\n", "{{content}}<z>", ["a", "a", "<z>"]),
        ("{{content}}{{eos_token}}<e>", "{{content}}<e>", ["a", "a", "<e>"]),
        ("{{content}}{{bos_token}}<e>", "{{content}}<e>", ["a", "a", "<e>"]),
        (["{{content}}", "<e", ">\n"], ["{{content}}", "<e", ">"], ["a", "<e", ">", "a", "<e", ">"]),
    ],
)
def test_the_end_of_a_turn_that_a_longer_one_begins_with_is_learned(body: Any, last: Any, expected: list[str]) -> None:
    template = template_of({"assistant": {"opener": "<b>", "body": body, "last": last}})
    assert learned(template, USER, REPLY, USER, REPLY) == expected


def test_what_is_left_of_an_end_is_tokenized_with_it() -> None:
    template = template_of({"assistant": {"opener": "<b>", "body": "{{content}}<e>\n", "last": "{{content}}<e>"}})
    pieces = render(template, [USER, REPLY, USER, REPLY], kind=Kind.TRAINING)
    (index,) = [place for place, piece in enumerate(pieces) if piece.text == "\n"]
    assert pieces[index].joined is True
    assert pieces[index - 1] == Piece("<e>", "assistant", trained=True, joined=True)
    assert not pieces[index].trained


def test_whose_each_piece_is() -> None:
    template = template_of(
        {
            "prefix": "<p>",
            "system": "<s>{{content}}",
            "observation": "<o>{{content}}",
            "assistant": {"opener": "<b>", "body": "{{content}}<e>\n", "last": "{{content}}<e>"},
        },
        turns=["later_system"],
        tool_format="qwen",
    )
    later = {"role": "system", "content": "t"}
    said = [{"role": "system", "content": "s"}, USER, REPLY, later, USER, CALLS, RESULT, REPLY]
    whose = {piece.text: piece.role for piece in render(template, said, kind=Kind.TRAINING)}
    expected = {"<p>": "prefix", "<s>": "system", "s": "system", "t": "system", "<u>": "user", "q": "user"}
    expected |= {"<b>": "assistant", "a": "assistant", "<e>": "assistant", "\n": "assistant", "<o>": "observation"}
    assert {text: role for text, role in whose.items() if text in expected} == expected


@pytest.mark.parametrize("placement", ["first_user", "last_user"])
def test_a_system_text_inside_a_turn_is_tokenized_with_what_is_around_it(placement: str) -> None:
    template = template_of({"system": "<s>{{content}}</s>"}, system_placement=placement)
    pieces = render(template, [{"role": "system", "content": "s"}, USER])
    assert [(piece.text, piece.role, piece.joined) for piece in pieces] == [
        ("<u>", "user", False),
        ("<s>", "system", True),
        ("s", "system", True),
        ("</s>", "system", True),
        ("q", "user", True),
        ("<b>", "assistant", True),
    ]


def test_the_reply_to_results_is_tokenized_with_them() -> None:
    template = template_of({"observation": "<o>{{content}}"}, tool_format="qwen")
    *_, result, opener = render(template, [USER, CALLS, RESULT])
    assert (result.text, opener.text, opener.joined) == ("r", "<b>", True)
    with pytest.raises(Unsupported, match="a token whose text only the tokenizer knows"):
        render(template_of({"prefix": "{{attribute:user_token}}"}), [USER])


def test_a_single_turn_has_the_tools_where_it_is_the_first_one() -> None:
    template = template_of(tool_format="llama3_user", single_turn=True)
    assert '"name": "f"' in text_of(template, USER, tools=[TOOL])
    assert text_of(template, USER, REPLY, USER, tools=[TOOL]) == "<u>q<b>"
    assert '"name": "f"' in text_of(template, USER, REPLY, tools=[TOOL], kind=Kind.TRAINING)
    assert text_of(template, USER, REPLY, USER, REPLY, tools=[TOOL], kind=Kind.TRAINING) == "<u>q<b>a<e>"
