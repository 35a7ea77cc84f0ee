"""Nothing is called exact that is not: each of these templates hides something from the sentinels."""

from __future__ import annotations

import pytest

from chatwright.inspection.draft import Draft, drafting
from chatwright.inspection.draft.source import Source
from chatwright.inspection.verify.folder import ChatTemplates
from tests.inspection.draft.support import InProcess, drafted
from tests.support import catalogue

BODY = (
    "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
CALLS = (
    "{% for m in messages %}{% if m.tool_calls %}CALL {{ m.tool_calls[0].function.name }}<|end|>"
    "{% elif m.role != 'tool' %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
NEW = "{% if strftime_now('%Y')|int > 2000 %}NEW{% endif %}"
LIST = "<tools>{% for t in tools or [] %}{{ t|tojson }}{% endfor %}</tools>"


def verdicts(found: Draft) -> dict[str, str]:
    """What became of each scenario."""
    return {each.scenario: each.verdict for each in found.compared}


@pytest.mark.parametrize(
    ("text", "scenario"),
    [
        (BODY + "{% if tools %}Tool: {{ tools[0].function.name }}{% endif %}", "tools_offered"),
        (BODY + "{% if tools %}You have {{ tools|length }} tools.{% endif %}", "tools_offered"),
        (CALLS, "tool_result"),
        (BODY, "tool_result"),
    ],
)
def test_what_is_written_of_tools_without_a_format(text: str, scenario: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found = drafted(text, monkeypatch)
    assert verdicts(found)["plain"] == "exact"
    assert verdicts(found)[scenario] == "unsupported"
    assert not found.exact


def test_what_is_written_for_the_tokenizers_own_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "{% if bos_token == '<s>' %}<s>SPECIAL{% else %}{{ bos_token }}{% endif %}" + BODY
    assert verdicts(drafted(text, monkeypatch))["plain"] == "exact"
    assert verdicts(drafted(text, monkeypatch, tokenizer={"bos_token": "<s>"}))["plain"] == "differs"
    assert verdicts(drafted(text, monkeypatch, tokenizer={"bos_token": "<b>"}))["plain"] == "exact"


@pytest.mark.parametrize(("head", "outcome"), [(NEW, "differs"), ("{{ strftime_now('%d %b %Y') }}", "exact")])
def test_dates_in_a_template_for_tools(head: str, outcome: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drafting, "Sandbox", InProcess)
    plain = "{{ strftime_now('%d %b %Y') }}" + BODY if outcome == "exact" else BODY
    templates = ChatTemplates("mine", {"default": plain, "tool_use": head + LIST + BODY})
    found = verdicts(drafting.draft(Source("mine", templates), catalogue()))
    assert (found["plain"], found["tools_offered"]) == ("exact", outcome)
