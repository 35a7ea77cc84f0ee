"""Any text that a spec may hold, and texts made of what the formats of the targets act on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from hypothesis import strategies as st

from chatwright.meaning.scenarios import Scenario, scenarios
from tests.strings.fields import Field, free_fields, is_code

ANY = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=40)
FRAGMENTS = (
    *("'", '"', '"""', "'''", "\\", "\\n", "\\x41", "\\u0041", "\\N{DIGIT ONE}", "\n", "\r", "\r\n", "\t", " ", "\f"),
    *(
        "{",
        "}",
        "{ {",
        "} }",
        "{%",
        "%}",
        "{#",
        "#}",
        "{{-",
        "-}}",
        "{%- endfor -%}",
        "{{",
        "}}",
        "{{ x }}",
        "{{x",
        "%s",
    ),
    *(
        "|",
        "`",
        "```",
        "~~~~",
        "*",
        "_",
        "[a](b)",
        "![",
        "<",
        ">",
        "<b>",
        "</script>",
        "<script>",
        "<!--",
        "-->",
        "]]>",
    ),
    *("&amp;", "&", "&#0;", "$x", "$(x)", "`x`", ";", "--", "# ", "- ", "1. ", "=", "http://a.b", "www.a.b", "a@b.c"),
    *("\x01", "\x0b", "\x1b[31m", "\x1c", "\x7f", "\x85", "\xa0", "\xad", "\u0300", "\u200b", "\u200d", "\u2028"),
    *(
        "\u202e",
        "\u3000",
        "\ufeff",
        "\ufffe",
        "\uffff",
        "\ue000",
        "\U0001f469\u200d\U0001f467",
        "\U000e0001",
        "\U0010ffff",
    ),
    *(
        "中",
        "é",
        "a",
        "END",
        "EOF",
        "FROM",
        "TEMPLATE",
        "PARAMETER stop",
        "*/",
        "//",
        "!tag",
        "%TAG",
        "0",
        "null",
        "None",
    ),
)
HOSTILE = st.lists(st.sampled_from(FRAGMENTS), min_size=1, max_size=8).map("".join)
TEXTS = ANY | HOSTILE
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
CALL = {"type": "function", "id": "c", "function": {"name": "f", "arguments": {"a": "b"}}}
SYSTEM = {"role": "system", "content": "Rules"}
TURNS = [
    {"role": "user", "content": "One"},
    {"role": "assistant", "content": "Two", "reasoning_content": "thought"},
    {"role": "user", "content": "Three"},
    {"role": "assistant", "content": "Four"},
]
PICTURE = [{"type": "text", "text": "See"}, {"type": "image_url", "image_url": {"url": "x"}}]
TALKS = (
    Scenario("system", (SYSTEM, *TURNS), None, None, preserve_thinking=False, base=False),
    Scenario("off", tuple(TURNS), None, False, preserve_thinking=False, base=False),
    Scenario(
        "kept", tuple(TURNS), None, True, preserve_thinking=True, base=False, variables={"reasoning_effort": "name"}
    ),
    Scenario(
        "picture", ({"role": "user", "content": PICTURE}, TURNS[1]), None, None, preserve_thinking=False, base=False
    ),
    Scenario(
        "tools",
        (
            SYSTEM,
            TURNS[0],
            {"role": "assistant", "content": "Wait", "tool_calls": [CALL, CALL]},
            {"role": "tool", "tool_call_id": "c", "content": "r"},
            {"role": "tool", "tool_call_id": "c", "content": "s"},
            {"role": "assistant", "content": "", "tool_calls": [CALL]},
            {"role": "tool", "tool_call_id": "c", "content": "t"},
            TURNS[3],
        ),
        (TOOL,),
        None,
        preserve_thinking=False,
        base=False,
    ),
)
MOST = 4  # fields that one family has texts in


LOOKED_FOR = {"thinking", "last_message_end"}  # fields whose texts are looked for in messages
COMPARED = {"stop_words", "opener", "generation", "after_observation"}  # and with the words of the family
WORDS = ("<sys>", "</sys>", "<user>", "</user>", "<bot>", "<end>", "<|eom_id|>")


@cache
def said() -> str:
    """Every text of every conversation that is tried."""
    return "\n".join(_strings([[talk.messages, talk.tools] for talk in (*scenarios().values(), *TALKS)]))


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from (str(key), *_strings(item))
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _strings(item)


def texts(*, code: bool = False) -> st.SearchStrategy[dict[Field, str]]:
    """Texts in some of the fields that take any; ``code``: those among them that hold Jinja."""
    fields = [field for field in free_fields() if code or not is_code(field)]
    return st.dictionaries(st.sampled_from(fields), TEXTS, min_size=1, max_size=MOST).filter(_are_apart)


def _are_apart(given: dict[Field, str]) -> bool:
    """Whether no text stands in another, begins with what the spec calls BOS, or is looked for and found in a message.

    All of that means something: then the texts do not come out where words in their place would.
    """
    if any(LOOKED_FOR.intersection(field) and text.strip() in said() for field, text in given.items()):
        return False
    if any(COMPARED.intersection(field) and text in word for field, text in given.items() for word in WORDS):
        return False
    bos = given.get(("serving", "tokens", "bos_token"))
    others = ["Family", "Acme", *given.values()]  # the family's title and publisher, where they are not given
    if any(sum(text in other for other in others) > 1 for text in given.values()):
        return False
    heads = (*others, "<sys>", "<user>")
    return not (bos and any(text.startswith(bos) for text in heads if text != bos))
