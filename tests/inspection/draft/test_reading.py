"""What is read off the texts of a chat template: the slots, the settings, thinking and tools; judged by rendering."""

from __future__ import annotations

from typing import Any

import pytest

from chatwright.inspection.conversations import CORE
from chatwright.inspection.draft import Draft
from chatwright.targets.chat_template import chat_template
from tests.inspection.draft.support import drafted, template_of
from tests.support import catalogue

TURNS = (
    "{% for m in messages %}<{{ m.role }}>{{ m.content }}</{{ m.role }}>{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)
PLAIN: dict[str, tuple[str, dict[str, Any]]] = {
    "turns": (
        TURNS,
        {
            "slots": {
                "system": "<system>{{content}}</system>",
                "user": "<user>{{content}}</user>",
                "assistant": {"opener": "<assistant>", "body": "{{content}}</assistant>"},
            },
            "turns": ["users", "replies", "first_reply", "last_reply", "later_system"],
        },
    ),
    "bos, eos and trimming": (
        "{{ bos_token }}{% for m in messages %}{{ '[' ~ m.role ~ ']' ~ m.content|trim }}"
        "{{ eos_token if m.role == 'assistant' else '' }}{% endfor %}"
        "{% if add_generation_prompt %}[assistant]{% endif %}",
        {
            "slots": {
                "prefix": "{{bos_token}}",
                "system": "[system]{{content}}",
                "user": "[user]{{content}}",
                "assistant": {"opener": "[assistant]", "body": "{{content}}{{eos_token}}"},
            },
            "trim": {"system": "both", "user": "both", "assistant": "both"},
        },
    ),
    "a default system text with the date": (
        "{% if messages[0].role != 'system' %}<system>Today is {{ strftime_now('%d %b %Y') }}.</system>{% endif %}"
        + TURNS,
        {"default_system": "Today is {{date:%d %b %Y}}."},
    ),
    "system text in the first user turn": (
        "{% set first = '' %}{% if messages[0].role == 'system' %}{% set first = '<<' ~ messages[0].content ~ '>> ' %}"
        "{% set messages = messages[1:] %}{% endif %}{% for m in messages %}{% if m.role == 'user' %}"
        "[INST] {{ (first if loop.first else '') ~ m.content }} [/INST]{% else %} "
        "{{ m.content ~ eos_token }}{% endif %}{% endfor %}",
        {"system_placement": "first_user"},
    ),
    "system text in the last user turn": (
        "{% set first = '' %}{% if messages[0].role == 'system' %}{% set first = messages[0].content ~ '\n\n' %}"
        "{% set messages = messages[1:] %}{% endif %}{% for m in messages %}{% if m.role == 'user' %}"
        "[INST]{{ (first if loop.last else '') ~ m.content }}[/INST]{% else %}{{ m.content ~ eos_token }}{% endif %}"
        "{% endfor %}",
        {"system_placement": "last_user"},
    ),
    "no system turn": (
        "{% if messages[0].role == 'system' %}{{ raise_exception('no system role') }}{% endif %}" + TURNS,
        {"system_placement": "none"},
    ),
    "a system message that is passed over": (
        "{% if messages[0].role == 'system' %}{% set messages = messages[1:] %}{% endif %}" + TURNS,
        {"system_placement": "none"},
    ),
}
REPLIES = (
    "{% if m.reasoning_content and loop.index0 > state.asked %}<think>{{ m.reasoning_content }}</think>{% endif %}"
)
THINKING: dict[str, tuple[str, dict[str, Any]]] = {
    "a switch": (
        TURNS + "{% if add_generation_prompt and not (use_thinking | default(true)) %}<think></think>{% endif %}",
        {"switch": "use_thinking", "when_off": "<think></think>"},
    ),
    "a switch that is off": (
        TURNS + "{% if add_generation_prompt %}{{ '<think>' if thinking else '</think>' }}{% endif %}",
        {"switch": "thinking", "default": False, "when_on": "<think>", "when_off": "</think>"},
    ),
    "a mark in the system text": (
        "{% if messages[0].role == 'system' %}<system>{{ '/think ' if enable_thinking else '' }}"
        "{{ messages[0].content }}</system>{% set messages = messages[1:] %}{% elif enable_thinking %}"
        "<system>/think</system>{% endif %}" + TURNS,
        {"default": False, "system_mark": {"on": "/think", "place": "before", "separator": " "}},
    ),
    "thoughts kept": (
        TURNS.replace(
            "{{ m.content }}", "{% if m.reasoning %}<think>{{ m.reasoning }}</think>{% endif %}{{ m.content }}"
        ),
        {"words": ["<think>", "</think>"], "history": "keep"},
    ),
    "thoughts that a text holds dropped": (
        TURNS.replace(
            "{{ m.content }}", "{{ m.content.split('</think>')[-1].strip() if m.role == 'assistant' else m.content }}"
        ),
        {"span": "to_last_end"},
    ),
    "levels": (
        "<effort>{{ effort_of_thinking | default('medium') }}</effort>"
        "{% if effort_of_thinking is defined and effort_of_thinking not in ('low', 'medium', 'high') %}"
        "{{ raise_exception('unknown') }}{% endif %}" + TURNS,
        {"levels": {"variable": "effort_of_thinking", "unknown": "refuse"}},
    ),
}


@pytest.mark.parametrize("what", PLAIN)
def test_plain_conversations(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    text, due = PLAIN[what]
    found = drafted(text, monkeypatch)
    said = template_of(found)
    assert {key: said.get(key) for key in due} == due
    assert [each for each in found.compared if each.scenario in CORE and not each.agrees] == []


@pytest.mark.parametrize("what", THINKING)
def test_thinking(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    text, due = THINKING[what]
    found = drafted(text, monkeypatch)
    said = template_of(found)["thinking"]
    for key, value in due.items():
        assert (value.items() <= said[key].items()) if isinstance(value, dict) else said[key] == value, key
    scenarios = (*CORE, "thinking_on", "thinking_off", "thinking_unset")
    assert [each for each in found.compared if each.scenario in scenarios and not each.agrees] == []


def test_tools_of_a_format_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    text = (
        "{% if tools %}<tools>{% for tool in tools %}{{ tool.function | tojson }};{% endfor %}</tools>{% endif %}"
        "{% for m in messages %}<{{ m.role }}>{{ m.content or '' }}{% if m.tool_calls %}{% for call in m.tool_calls %}"
        "<call>{{ call.function.name }} with {{ call.function.arguments | tojson }}</call>{% endfor %}{% endif %}"
        "</{{ m.role }}>{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}"
    )
    found = drafted(text, monkeypatch)
    assert [each for each in found.compared if "tool" in each.scenario and not each.agrees] == []
    assert found.data["tool_formats"]["mine"]["calls"] == [
        {"text": "<call>"},
        {"each": "{{ call.name ~ ' with ' ~ arguments_json }}", "join": "</call><call>"},
        {"text": "</call>"},
    ]
    assert "function" not in template_of(found)["slots"]
    assert template_of(found)["slots"]["observation"] == "<tool>{{content}}</tool>"


def differing(found: Draft) -> dict[str, str]:
    return {each.scenario: each.reason for each in found.compared if "tool" in each.scenario and not each.agrees}


CALLS = (
    "{% for m in messages %}<{{ m.role }}>{{ m.content or '' }}{% for call in m.tool_calls or [] %}"
    "{{ write(call) }}{% endfor %}</{{ m.role }}>{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}"
)


def test_tools_written_as_no_known_format_does(monkeypatch: pytest.MonkeyPatch) -> None:
    text = (
        "{% macro kind(schema) %}{{ schema.type ~ ('[]' if schema['items'] else '') }}{% endmacro %}"
        "{% macro write(call) %}{% endmacro %}"
        "{% for tool in tools or [] %}{% set f = tool.function %}<type {{ f.name }}>\n"
        "{% for key, schema in f.parameters.properties.items() %}{{ key }}: {{ kind(schema) }};{% endfor %}</type>"
        "{% if not loop.last %}, {% endif %}{% endfor %}"
        + CALLS.replace(
            "{{ write(call) }}",
            "{% for key, value in call.function.arguments|dictsort %}[{{ call.function.name }}.{{ key }}={{ value }}]"
            "{% endfor %}",
        )
    )
    found = drafted(text, monkeypatch)
    assert differing(found) == {}
    (definition,) = found.data["tool_formats"].values()
    assert "macro kind(schema)" in definition["tools"][0]["each"]
    assert "dictsort" in definition["calls"][0]["each"]
    assert "# some of this is the chat template's own Jinja" in found.text


def test_ids_of_calls_and_what_their_results_name(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "{% for tool in tools or [] %}{{ tool | tojson }};{% endfor %}" + CALLS.replace(
        "{{ write(call) }}",
        '{"name": "{{ call.function.name }}", "arguments": {{ call.function.arguments|tojson }}, "id":"{{ call.id }}"}',
    ).replace("<{{ m.role }}>", "<{{ m.role }}>{{ m.tool_call_id ~ ': ' if m.tool_call_id else '' }}", 1)
    found = drafted(text, monkeypatch)
    assert differing(found) == {}
    (definition,) = found.data["tool_formats"].values()
    assert "call_id" in str(definition["calls"])
    assert definition["result"] == "{{ call_id ~ ': ' ~ text }}"


def test_results_that_are_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "{% for tool in tools or [] %}{{ tool | tojson }};{% endfor %}" + CALLS.replace(
        "{{ write(call) }}", "{{ call.function | tojson }}"
    ).replace("{% for m in messages %}", "{% for m in messages if m.role != 'tool' %}")
    found = drafted(text, monkeypatch)
    assert differing(found) == {}
    (definition,) = found.data["tool_formats"].values()
    assert definition["result"] == "{{ '' }}"


def test_a_description_within_what_stands_in_front(monkeypatch: pytest.MonkeyPatch) -> None:
    head = (
        "{{ bos_token }}<system>Be good.{% for tool in tools or [] %}\n{{ tool | tojson }}{% endfor %}\nBe kind."
        "{% if messages[0].role == 'system' %}\n{{ messages[0].content }}{% set messages = messages[1:] %}{% endif %}"
        "</system>"
    )
    found = drafted(head + CALLS.replace("{{ write(call) }}", "{{ call.function | tojson }}"), monkeypatch)
    assert differing(found) == {}
    assert template_of(found)["slots"]["prefix"] == "{{bos_token}}"


def test_media_stand_where_they_are_written_so_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    text = (
        "{% for m in messages %}<{{ m.role }}>{% if m.content is string %}{{ m.content }}{% else %}"
        "{% for part in m.content %}{% if part.type == 'text' %}{{ part.text }}{% elif part.type == 'image' %}<image>"
        "{% elif part.type == 'video' %}{{ '<video>' if loop.first else '' }}{% endif %}{% endfor %}{% endif %}"
        "</{{ m.role }}>{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}"
    )
    slots = template_of(drafted(text, monkeypatch))["slots"]
    assert slots["image"] == "<image>"
    assert "video" not in slots


def test_the_nearest_template_of_the_catalogue_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    text = (
        "{% if messages[0].role != 'system' %}<|im_start|>system\nYou are a helpful assistant<|im_end|>\n{% endif %}"
        "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>' + '\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
    )
    found = drafted(text, monkeypatch)
    assert found.same is None
    assert "nearest in the catalogue: minimind, which differs in system_empty" in found.text


@pytest.mark.parametrize("name", ["chatml", "llama2", "qwen", "deepseek3", "qwen3", "mistral", "glm4_moe"])
def test_a_template_of_the_catalogue_is_known_by_what_it_writes(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    template = catalogue().templates[name]
    found = drafted(chat_template(template), monkeypatch)
    core = [each for each in found.compared if each.scenario in CORE and not each.agrees]
    assert core == []
    assert found.same is not None


def test_what_is_not_exact_is_told_where_it_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    text = TURNS.replace("{{ m.content }}", "{{ m.content | upper if m.content == 'Two' else m.content }}")
    found = drafted(text, monkeypatch)
    differing = {each.scenario: each for each in found.compared if not each.agrees}
    assert {"multi", "system_multi"} <= differing.keys()
    assert "<assistant>T': draft 'wo" in differing["multi"].reason
    assert "publisher 'WO" in differing["multi"].reason
    assert "# not exact in multi" in found.text
    assert not found.exact


def test_what_cannot_be_said_is_refused_and_not_made_up(monkeypatch: pytest.MonkeyPatch) -> None:
    text = TURNS + "{% if tools %}{{ tools | map(attribute='function.name') | sort | reverse | join('/') }}{% endif %}"
    found = drafted(text, monkeypatch)
    verdicts = {each.scenario: each.verdict for each in found.compared}
    assert verdicts["tools_offered"] == "unsupported"
    assert "_qf" not in found.text
    assert "q0q" not in found.text
