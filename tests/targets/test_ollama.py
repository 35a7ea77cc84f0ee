"""Modelfiles: every value comes back from the reader of Ollama's rules, and what cannot be written is refused."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatwright.catalogue.build import build_spec
from chatwright.catalogue.model import Catalogue, Spec
from chatwright.catalogue.slots import split_content
from chatwright.errors import Location, Unsupported
from chatwright.targets import ollama
from chatwright.targets.go_text import go_literal
from chatwright.targets.literal import stop_texts, token_text, without_bos
from chatwright.targets.protocol import Context
from conformance.engines.modelfile import Command, ModelfileError, is_print, read_modelfile
from tests.support import catalogue

ANY_TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)))
HOSTILE = st.lists(
    st.sampled_from(
        ['"', '""', '"""', "\n", "\r", "\t", " ", "{", "{{", "}}", "\\", "\\n", "\u200d", "\u3000", "中", "a"]
    )
).map("".join)
SLOTS: dict[str, Any] = {
    "prefix": "{{bos_token}}",
    "system": "<sys>{{content}}</sys>",
    "user": "<user>{{content}}</user>\n",
    "assistant": {"opener": "<bot>\n", "body": "{{content}}<end>\n"},
}


def spec_of(template: Mapping[str, Any], **serving: Any) -> Spec:
    data = {"name": "x", "title": "X", "publisher": "P", "templates": {"x": template}, "serving": serving}
    return build_spec(data, path="x.yaml", source="p/x.yaml", locate=lambda _: Location("x.yaml"))


def written(template: Mapping[str, Any], **serving: Any) -> str:
    spec = spec_of(template, **serving)
    return ollama.modelfile(spec, spec.templates[0])


def slots(**changed: Any) -> dict[str, Any]:
    return {"slots": {**SLOTS, **changed}}


class TestQuote:
    @given(ANY_TEXT | HOSTILE)
    def test_round_trip_or_refusal(self, text: str) -> None:
        try:
            value = ollama.quote(text)
        except Unsupported:
            return
        read = read_modelfile(f"FROM .\nPARAMETER stop {value}\n")
        assert read.commands == (Command("model", "."), Command("stop", text))

    @pytest.mark.parametrize(
        "text", ["<|im_end|>", "<｜end▁of▁sentence｜>", " padded ", 'quo"te', '"', '""', "two\nlines", "\t", ""]
    )
    def test_ordinary_values_are_written(self, text: str) -> None:
        assert read_modelfile(f"FROM .\nSYSTEM {ollama.quote(text)}\n").last("system") == text

    @pytest.mark.parametrize(
        "text", ["zero\u200dwidth", "ideographic\u3000space", "bell\a", "return\r", "soft\u00adhyphen"]
    )
    def test_what_the_parser_drops_is_refused_by_name(self, text: str) -> None:
        with pytest.raises(Unsupported, match=r"U\+[0-9A-F]{4}, and knows no escapes"):
            ollama.quote(text)

    def test_a_line_that_would_end_the_value_is_refused(self) -> None:
        with pytest.raises(Unsupported, match="three quotes"):
            ollama.quote('a"""\nb')


class TestGoLiteral:
    @given(ANY_TEXT | HOSTILE)
    def test_only_what_go_prints_stands_in_it(self, text: str) -> None:
        literal = go_literal(text)
        assert all(is_print(character) for character in literal)
        assert _read_go_literal(literal) == text


def _read_go_literal(literal: str) -> str:
    """The value of a Go string literal, by the Go specification (String literals)."""
    simple = {'"': '"', "\\": "\\", "n": "\n", "t": "\t", "r": "\r"}
    pattern = r'\\u([0-9a-f]{4})|\\U([0-9a-f]{8})|\\(.)|([^"\\\n])'
    assert re.fullmatch(rf'"(?:{pattern})*"', literal)
    out = []
    for short, long, escape, plain in re.findall(pattern, literal[1:-1]):
        out.append(chr(int(short or long, 16)) if short or long else simple[escape] if escape else plain)
    return "".join(out)


class TestModelfile:
    @given(HOSTILE, HOSTILE, HOSTILE)
    def test_the_template_is_read_back_whatever_stands_in_the_slots(self, one: str, two: str, three: str) -> None:
        template = slots(system=one + "{{content}}" + two, user=two + "{{content}}" + three)
        template["default_system"] = three + one
        spec = spec_of(template)
        read = read_modelfile("# a header\n" + ollama.modelfile(spec, spec.templates[0]))
        assert read.last("template") == ollama.go_template(spec, spec.templates[0])
        assert read.last("model") == "."

    def test_every_stop_and_parameter_is_there(self) -> None:
        template = {**slots(), "stop_words": ["<end>", "<more> "]}
        read = read_modelfile(written(template, ollama={"num_ctx": 4096, "temperature": 0.7}))
        assert read.parameters == {"stop": ["<end>", "<more> "], "num_ctx": 4096, "temperature": 0.7}

    def test_the_end_of_turn_is_a_stop_where_no_stop_word_covers_it(self) -> None:
        assert read_modelfile(written(slots())).parameters == {"stop": ["<end>"]}

    def test_a_text_that_the_model_must_write_is_no_stop(self) -> None:
        thinking = {"words": ["<|channel|>analysis", "<|end|><|start|>assistant"]}
        spec = spec_of({**slots(), "thinking": thinking, "stop_words": ["<|end|>", "<|start|>", "<|return|>"]})
        assert stop_texts(spec, spec.templates[0]) == ("<|return|>", "<end>")

    @pytest.mark.parametrize("prefix", ["{{bos_token}}", "<s>"])
    def test_bos_is_left_to_the_runner(self, prefix: str) -> None:
        text = written(slots(prefix=prefix + "[gMASK]<sop>"), tokens={"bos_token": "<s>"})
        template = read_modelfile(text).last("template")
        assert "<s>" not in template
        assert "bos" not in template
        assert template.startswith("[gMASK]<sop>")
        assert "add_bos_token must be true" in text

    def test_a_prefix_that_is_not_bos_stays(self) -> None:
        text = written(slots(prefix="[gMASK]<sop>"))
        assert read_modelfile(text).last("template").startswith("[gMASK]<sop>")
        assert "add_bos_token must be false" in text

    def test_tools_are_left_to_ollamas_refusal_where_there_is_no_format(self) -> None:
        text = written(slots())
        assert ".Tools" not in read_modelfile(text).last("template")
        assert "Ollama refuses tools" in text

    def test_tools_take_the_round_trip(self) -> None:
        """What Ollama looks for in a template that takes tools (``server/images.go``, ``tools/template.go``)."""
        text = written({**slots(), "tool_format": "qwen"})
        template = read_modelfile(text).last("template")
        assert '{{ template "tools" $ }}' in template
        assert 'eq .Role "tool"' in template
        assert re.search(r"\{\{- if \.ToolCalls -\}\}\s*\{\{- range [^}]*\}\}\s*<tool_call>\n", template)
        assert read_modelfile(text).last("parser") == ""

    @pytest.mark.parametrize(
        ("tool_format", "told"),
        [
            ("qwen", None),
            ("default", None),
            ("mistral", None),
            ("llama3", "several may come as text"),
            ("glm4", "they come as text"),
            ("qwen3_5", "they come as text"),
        ],
    )
    def test_what_ollama_finds_in_replies_is_told(self, tool_format: str, told: str | None) -> None:
        text = written({**slots(), "tool_format": tool_format})
        assert ("come as text" in text) is (told is not None)
        assert (told or "") in text
        assert read_modelfile(text).last("parser") == ("passthrough" if told == "they come as text" else "")

    def test_tools_are_described_where_the_format_wants_them(self) -> None:
        behind = read_modelfile(written({**slots(), "tool_format": "qwen"})).last("template")
        assert '<sys>{{ $.System }}{{ template "tools" $ }}</sys>' in behind
        instead = read_modelfile(written({**slots(), "tool_format": "minicpm5"})).last("template")
        assert instead.count("# Tools") == 3  # with a system text, with an empty one, and without
        user = read_modelfile(written({**slots(), "tool_format": "llama3_user"})).last("template")
        assert "{{- if and $.Tools (not $described) -}}" in user
        assert user.index("<user>") < user.index("Given the following functions") < user.index("</user>")

    def test_a_format_that_go_cannot_write_leaves_a_file_without_tools(self) -> None:
        text = written({**slots(), "tool_format": "chatglm4"})
        assert ".Tools" not in read_modelfile(text).last("template")
        assert "Ollama refuses tools, since this file does not write any: a Go template cannot take a text" in text

    def test_results_of_one_turn_share_it(self) -> None:
        template = {**slots(observation="<obs>{{content}}</obs>"), "tool_format": "qwen", "result_separator": " | "}
        text = read_modelfile(written(template)).last("template")
        assert re.search(r'if eq \$before "tool" -\}\}\n\{\{ " " \}\}\|\{\{ " " \}\}\n\s*\{\{- else -\}\}\n<obs>', text)
        assert re.search(r'if ne \$next "tool" -\}\}\n</obs>', text)

    def test_a_format_with_a_single_turn_passes_over_earlier_ones(self) -> None:
        text = read_modelfile(written({**slots(), "single_turn": True})).last("template")
        assert "{{- if or $last $continued -}}" in text

    def test_thoughts_of_earlier_turns_are_looked_for_in_the_content(self) -> None:
        thinking = {"words": ["<think>\n", "\n</think>\n\n"], "history": "drop"}
        text = read_modelfile(written({**slots(), "thinking": thinking})).last("template")
        assert 'eq (slice (slice $text $at) 0 8) "<think>\\n"' in text
        assert 'eq (slice (slice $tail $at) 0 11) "\\n</think>\\n\\n"' in text

    def test_what_loses_its_order_is_told(self) -> None:
        assert "sorts by name what is written one by one: arguments" in written({**slots(), "tool_format": "qwen3_5"})
        assert "one by one" not in written({**slots(), "tool_format": "qwen"})

    def test_thoughts_stand_between_plain_texts(self) -> None:
        thinking = {"words": ["<think>\n", "\n</think>\n\n"]}
        template = read_modelfile(written({**slots(), "thinking": thinking})).last("template")
        assert re.search(
            r"\{\{ if [^}]*\.Thinking \}\}<think>\n\{\{ \.Thinking \}\}\n</think>\n\n\{\{ end \}\}", template
        )

    def test_the_gguf_cannot_replace_a_template_without_thoughts(self) -> None:
        assert read_modelfile(written(slots())).last("parser") == "passthrough"
        with_thoughts = written({**slots(), "thinking": {"words": ["<a>", "</a>"]}})
        assert read_modelfile(with_thoughts).last("parser") == ""
        assert "OLLAMA_GO_TEMPLATE=1" in with_thoughts

    def test_harmony_replies_are_left_to_ollamas_own_parser(self) -> None:
        text = written(slots(user="<|start|>user<|message|>{{content}}<|end|>"))
        assert read_modelfile(text).last("parser") == ""
        assert "harmony" in text


class TestRefusals:
    @pytest.mark.parametrize(
        ("template", "reason"),
        [
            (slots(user="{{date:%A}} {{content}}"), "the year, month and day only, the format wants %A"),
            (slots(assistant={"body": "{{content}}{{eos_token}}"}), "serving.tokens.eos_token"),
            (slots(user="<a>{{bos_token}}{{content}}"), "serving.tokens.bos_token"),
            (
                slots(prefix="", user="{{bos_token}}{{content}}"),
                "begins with BOS, and only sometimes begins the prompt",
            ),
            ({**slots(), "thinking": {"words": ["<a\u3000>", "</a>"]}}, "plain texts around them"),
            ({**slots(), "stop_words": ["a\u200db"]}, "U+200D"),
        ],
    )
    def test_the_reason_is_told(self, template: dict[str, Any], reason: str) -> None:
        spec = spec_of(template)
        output = ollama.generate(Context(Catalogue((spec,)), {}, {}))
        assert output.files == ()
        assert output.deployments["x"].path is None
        assert reason in (output.deployments["x"].reason or "")

    def test_what_the_spec_tells_is_written_out(self) -> None:
        text = written(slots(assistant={"body": "{{content}}{{eos_token}}"}), tokens={"eos_token": "</s>"})
        assert "</s>" in read_modelfile(text).last("template")
        assert read_modelfile(text).parameters == {"stop": ["</s>"]}


class TestReader:
    """What Ollama's own parser (``parser/parser.go``, v0.33.0-rc2) was seen to do with the same input."""

    @pytest.mark.parametrize(
        ("text", "commands"),
        [
            ("from x", [("model", "x")]),
            ('  FROM x y \n\n# note\nTemplate """a\nb"""\n', [("model", "x y"), ("template", "a\nb")]),
            ('FROM x\nSYSTEM "a\nb"\n', [("model", "x"), ("system", "a\nb")]),
            ('FROM x\nSYSTEM "a" b\n', None),
            ('FROM x\nSYSTEM """a""" \nLICENSE z', [("model", "x"), ("system", "a"), ("license", "z")]),
            ("FROM x\nSYSTEM a\u3000b\u200d\a", [("model", "x"), ("system", "ab")]),
            ("FROM x\rSYSTEM a", [("model", "x"), ("system", "a")]),
            ("FROM x\nMESSAGE user hi", [("model", "x"), ("message", "user: hi")]),
            ("FROM x\nMESSAGE tool hi", None),
            ("FROM x\nPARAMETER stop", None),
            ("FROM x\nPARAMETER st-op a", None),
            ("FROMx y", None),
            ("SYSTEM a", None),
            ('FROM x\nSYSTEM """a', None),
            ('FROM x\nSYSTEM """"a""""', [("model", "x"), ("system", '"a"')]),
        ],
    )
    def test_reads_as_ollama_does(self, text: str, commands: list[tuple[str, str]] | None) -> None:
        if commands is None:
            with pytest.raises(ModelfileError):
                read_modelfile(text)
        else:
            assert [(command.name, command.value) for command in read_modelfile(text).commands] == commands

    @pytest.mark.parametrize("parameter", ["colour red", "num_ctx many", "temperature warm", "use_mmap perhaps"])
    def test_parameters_are_checked(self, parameter: str) -> None:
        with pytest.raises(ModelfileError):
            _ = read_modelfile(f"FROM x\nPARAMETER {parameter}\n").parameters


def plain(go: str) -> str:
    """The texts of a Go template with their trim marks obeyed; actions that are string literals are texts, too."""
    action = r'\{\{(?P<before>-\s)?\s*(?P<body>(?:"(?:\\.|[^"\\])*"|[^"])*?)\s*(?P<after>\s-)?\}\}'
    found, position, trimmed = "", 0, False
    for match in re.finditer(action, go, re.DOTALL):
        text = go[position : match.start()]
        text = text.lstrip() if trimmed else text
        found += text.rstrip() if match["before"] else text
        found += _read_go_literal(match["body"]) if match["body"].startswith('"') else ""
        position, trimmed = match.end(), bool(match["after"])
    return found + (go[position:].lstrip() if trimmed else go[position:])


class TestCatalogue:
    """The files of the whole catalogue, read without Go."""

    OUTPUT = ollama.generate(Context(catalogue(), {}, {}))
    BODIES: ClassVar[Mapping[str, str]] = {PurePosixPath(file.path).stem: file.body for file in OUTPUT.files}

    def test_every_template_has_a_file_or_a_reason(self) -> None:
        assert self.OUTPUT.deployments.keys() == catalogue().templates.keys()
        assert {name for name, deployment in self.OUTPUT.deployments.items() if deployment.path} == set(self.BODIES)
        assert all(deployment.path or deployment.reason for deployment in self.OUTPUT.deployments.values())
        assert len(self.BODIES) > len(catalogue().templates) / 2

    @pytest.mark.parametrize("name", sorted(BODIES))
    def test_the_texts_of_the_slots_stand_in_their_order(self, name: str) -> None:
        spec = next(spec for spec in catalogue().specs for template in spec.templates if template.name == name)
        template = catalogue().templates[name]
        bos = token_text(spec, "bos_token")
        before, after = split_content(without_bos(template.slots.user, bos))
        system = without_bos(template.slots.system, bos)
        fused = template.system_placement == "first_user"
        turns = (*before, *system, *after) if fused else (*system, *before, *after)
        written, position = plain(read_modelfile(self.BODIES[name]).last("template")), 0
        for part in (*turns, *template.slots.opener, *template.slots.body):
            if part.kind in ("text", "token"):
                found = written.find(part.value, position)
                assert found >= 0, f"{part.value!r} does not stand after {written[:position]!r}"
                position = found + len(part.value)
        assert position or written == "" or template.tool_format, f"no slot has a text, and the file writes {written!r}"
