"""Any text that a spec may hold, and texts made of what the formats of the targets act on."""

from __future__ import annotations

from hypothesis import strategies as st

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
MOST = 4  # fields that one family has texts in


def texts(*, code: bool = False) -> st.SearchStrategy[dict[Field, str]]:
    """Texts in some of the fields that take any; ``code``: those among them that hold Jinja."""
    fields = [field for field in free_fields() if code or not is_code(field)]
    return st.dictionaries(st.sampled_from(fields), TEXTS, min_size=1, max_size=MOST).filter(_are_apart)


def _are_apart(given: dict[Field, str]) -> bool:
    """Whether no text is another one, or begins with what the spec calls BOS: that means something."""
    bos = given.get(("serving", "tokens", "bos_token"))
    return len(set(given.values())) == len(given) and not any(
        bos and text.startswith(bos) for text in given.values() if text != bos
    )
