"""LMDeploy's JSON: the fields say what the slots say, and what has no field is refused."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatwright.catalogue.build import build_spec
from chatwright.catalogue.model import Catalogue, Spec
from chatwright.errors import Location
from chatwright.targets import lmdeploy
from chatwright.targets.protocol import Context

# The fields of ChatTemplateConfig in lmdeploy 0.18.0; any other is a TypeError there.
FIELDS = {
    "model_name",
    "model_path",
    "system",
    "meta_instruction",
    "eosys",
    "user",
    "eoh",
    "assistant",
    "eoa",
    "tool",
    "eotool",
    "separator",
    "capability",
    "stop_words",
}
SLOTS: dict[str, Any] = {
    "prefix": "{{bos_token}}",
    "system": "<sys>{{content}}</sys>",
    "user": "<user>{{content}}</user>",
    "assistant": {"opener": "<bot>", "body": "{{content}}<end>\n"},
    "observation": "<tool>{{content}}</tool>",
}
# NUL and surrogates are refused by the schema, and braces could make a placeholder of the slot language.
ANY_TEXT = st.text(st.characters(exclude_characters="\0{}", exclude_categories=("Cs",)))


def spec_of(template: Mapping[str, Any], **serving: Any) -> Spec:
    data = {"name": "x", "title": "X", "publisher": "P", "templates": {"x": template}, "serving": serving}
    return build_spec(data, path="x.yaml", source="p/x.yaml", locate=lambda _: Location("x.yaml"))


def template_of(default_system: str | None = "Be kind.", **changed: Any) -> dict[str, Any]:
    default = {} if default_system is None else {"default_system": default_system}
    return {"slots": {**SLOTS, **changed}, "stop_words": ["<end>"], **default}


def read(template: Mapping[str, Any], **serving: Any) -> dict[str, Any]:
    (file,) = lmdeploy.generate(Context(Catalogue((spec_of(template, **serving),)), {}, {})).files
    fields: dict[str, Any] = json.loads(file.body)
    return fields


def reason(template: Mapping[str, Any], **serving: Any) -> str:
    output = lmdeploy.generate(Context(Catalogue((spec_of(template, **serving),)), {}, {}))
    assert output.files == ()
    assert output.deployments["x"].path is None
    return output.deployments["x"].reason or ""


def test_an_empty_default_system_text_is_an_empty_system_turn() -> None:
    assert read(template_of(""))["meta_instruction"] == ""


def test_the_fields_say_what_the_slots_say() -> None:
    fields = read(template_of())
    assert fields.keys() <= FIELDS
    assert fields == {
        "model_name": "base",
        "system": "<sys>",
        "meta_instruction": "Be kind.",
        "eosys": "</sys>",
        "user": "<user>",
        "eoh": "</user>",
        "assistant": "<bot>",
        "eoa": "<end>",
        "separator": "\n",
        "tool": None,
        "eotool": None,
        "capability": "chat",
        "stop_words": ["<end>"],
    }


def test_tool_messages_have_a_field_where_each_result_is_a_turn() -> None:
    fields = read({**template_of(), "result_separator": "</tool><tool>"})
    assert (fields["tool"], fields["eotool"]) == ("<tool>", "</tool>")


def test_results_have_no_turn_where_the_replies_to_them_begin_otherwise() -> None:
    assistant = {"opener": "<bot>", "after_observation": "<again>", "body": "{{content}}<end>"}
    fields = read({**template_of(assistant=assistant), "result_separator": "</tool><tool>"})
    assert (fields["assistant"], fields["tool"], fields["eotool"]) == ("<bot>", None, None)


def test_a_mark_that_opens_every_reply_is_refused() -> None:
    thinking = {"when_on": "<think>", "when_off": "<think>", "history_trim": "none"}
    assert "begins with '<bot>', the next one with '<bot><think>'" in reason({**template_of(), "thinking": thinking})


@given(ANY_TEXT, ANY_TEXT, ANY_TEXT, ANY_TEXT.filter(bool))
def test_any_text_comes_back(one: str, two: str, three: str, four: str) -> None:
    fields = read(
        {
            "slots": {
                "system": one + "{{content}}" + two,
                "user": two + "{{content}}" + three,
                "assistant": {"opener": three, "body": "{{content}}" + four},
            },
            "default_system": four,
            "stop_words": [four],
        }
    )
    assert (fields["system"], fields["eosys"], fields["user"], fields["eoh"]) == (one, two, two, three)
    assert (fields["assistant"], fields["eoa"] + fields["separator"]) == (three, four)
    assert (fields["meta_instruction"], fields["stop_words"]) == (four, [four])


def test_a_prefix_stands_in_the_system_turn_where_there_always_is_one() -> None:
    assert read(template_of(prefix="[gMASK]"))["system"] == "[gMASK]<sys>"


def test_bos_is_left_to_the_tokenizer() -> None:
    assert read(template_of(prefix="<s>"), tokens={"bos_token": "<s>"})["system"] == "<sys>"


def test_without_system_markers_no_default_is_needed() -> None:
    assert read(template_of(None, system="{{content}}"))["meta_instruction"] == ""


def test_a_text_without_system_that_is_a_system_turn() -> None:
    fields = read(template_of(None, no_system="<sys>Nobody.</sys>"))
    assert fields["meta_instruction"] == "Nobody."


def test_eos_is_written_out_where_the_spec_tells_it() -> None:
    body = {"body": "{{content}}{{eos_token}}"}
    assert read(template_of(assistant=body), tokens={"eos_token": "</s>"})["eoa"] == "</s>"
    assert "serving.tokens.eos_token" in reason(template_of(assistant=body))


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        (template_of(None), "would write an empty system turn, '<sys></sys>'"),
        (template_of(None, no_system="Nobody."), "begins with 'Nobody.'"),
        (template_of(user="{{token:<|user|>}}{{content}}"), "'<|user|>' must be one token"),
        (template_of(system="{{date:%d %b %Y}}{{content}}"), "today's date"),
        (template_of(user="Round {{idx}}: {{content}}"), "number of the round"),
        (template_of(user="Round {{round}}: {{content}}"), "number of the round"),
        (template_of(user="{{id:195}}{{content}}"), "a token by its id"),
        (template_of(user="{{attribute:user_token}}{{content}}"), "a token by the tokenizer's name for it"),
        ({**template_of(), "default_system": "It is {{date:%Y}}."}, "today's date"),
        ({**template_of(), "single_turn": True}, "a single turn"),
        ({**template_of(), "undescribed": "a seed"}, "the template's own code writes a seed"),
        (template_of(user="<a>{{bos_token}}{{content}}"), "BOS elsewhere than at the start"),
        (template_of(prefix="", user="{{bos_token}}{{content}}"), "BOS, which the tokenizer adds a second time"),
        ({**template_of(), "system_placement": "first_user"}, "inside the first user turn, behind '<user>'"),
        ({**template_of(), "system_placement": "last_user"}, "into the last user message"),
        ({**template_of(), "system_placement": "none"}, "no place for a system text"),
        ({**template_of(), "thinking": {"when_off": "", "when_dropped": "</a>"}}, "begin with a mark"),
        ({**template_of(), "trim": {"user": "both"}}, "trim.user: the texts of messages are trimmed"),
        ({**template_of(), "system_placement": "first_user_head"}, "replaces the head of the first user turn"),
        (template_of(system="{{text:{{system}}}}"), "leaves the system text out"),
        ({**template_of(), "pair": {"text": "{{query}}{{document}}"}}, "a query and a document"),
        ({**template_of(), "last_message_end": "<e>"}, "does not know which it is"),
        ({**template_of(), "thinking": {"system_mark": {"on": "think"}}}, "says whether to think"),
        ({**template_of(), "thinking": {"answer": ["<a>", "</a>"]}}, "only the answer is kept"),
        (
            {**template_of(), "thinking": {"frame": {"thought": ["", "", ""], "plain": ["", ""]}}},
            "stands around a reply depends on its thought",
        ),
        (
            {**template_of(), "thinking": {"when_off": "", "levels": {"names": {"high": {"prompt": "<t>"}}}}},
            "depends on thinking",
        ),
        ({**template_of(), "thinking": {"words": ["<a>", "</a>"]}}, "depends on thinking"),
        ({**template_of(), "thinking": {"when_off": "", "history": "keep"}}, "thoughts stay in the history"),
        ({**template_of(), "thinking": {"when_off": "", "history_trim": "both"}}, "thinking.history_trim: the texts"),
        (
            template_of(assistant={"opener": "<bot>", "body": " {{content}}"}),
            "begins with '<bot> ', the next one with '<bot>'",
        ),
        (template_of(assistant={"opener": "<bot>", "generation": "<go>", "body": "{{content}}"}), "with '<go>'"),
    ],
)
def test_what_has_no_field_is_refused(template: dict[str, Any], expected: str) -> None:
    assert expected in reason(template)
