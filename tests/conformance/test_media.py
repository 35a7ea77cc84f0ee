"""The words for images, video and audio: how they follow from sources, and what the engines make of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from chatwright.catalogue.slots import numbered
from chatwright.errors import Unsupported
from chatwright.inspection.rendering import Render
from chatwright.meaning.conversation import MEDIA_KINDS, MediaKind
from chatwright.meaning.render import render, to_text
from chatwright.meaning.runs import BOS, EOS
from chatwright.targets.chat_template import chat_template
from conformance.engines.jinja import minijinja_renderer, transformers_renderer
from conformance.engines.vllm_models import Models, Placeholder
from conformance.media import Users, agreement, due, notes, swift_text
from tests.support import catalogue


def test_every_multimodal_template_has_words_or_a_reason() -> None:
    named = {
        group.template_for(framework)
        for spec in catalogue().specs
        for group in spec.models
        for framework in ("llamafactory", "swift")
        if group.multimodal
    }
    templates = [template for name, template in catalogue().templates.items() if name in named]
    silent = [each.name for each in templates if all(getattr(each.slots, kind) is None for kind in MEDIA_KINDS)]
    assert len(templates) > len(silent)
    # LLaMA-Factory also lists these text templates for multimodal models
    assert [name for name in silent if name not in notes().left_out] == []


def test_notes_name_templates_and_say_what_is_so() -> None:
    found = notes()
    for name, kinds in found.left_out.items():
        assert [kind for kind in kinds if getattr(catalogue().templates[name].slots, kind) is not None] == []
    for listed in (found.follows, found.differs):
        for name, each in listed.items():
            assert [kind for kind in each if getattr(catalogue().templates[name].slots, kind) is None] == []


@pytest.mark.parametrize("compile_source", [transformers_renderer, minijinja_renderer])
def test_the_file_writes_media_as_the_reference_does(compile_source: type[Render]) -> None:
    wrong, placed = [], 0
    for name, template in catalogue().templates.items():
        kinds = [kind for kind in MEDIA_KINDS if getattr(template.slots, kind) is not None]
        if not kinds or template.pair or template.undescribed:
            continue
        content = [
            {"type": "text", "text": "a "},
            *({"type": kind} for kind in (*kinds, *kinds)),
            {"type": "text", "text": " b"},
        ]
        asked = [{"role": "user", "content": content}]
        messages = asked if template.single_turn else [*asked, {"role": "assistant", "content": "r"}, *asked]
        try:
            expected = to_text(render(template, messages, today=date.today()), bos=BOS, eos=EOS)
            source = chat_template(template)
        except Unsupported:
            continue
        given = {"messages": messages, "tools": None, "add_generation_prompt": True, "bos_token": BOS, "eos_token": EOS}
        got = compile_source(source)(given)
        placed += 1
        if got != expected:
            wrong.append(f"{name}: {got!r} instead of {expected!r}")
    assert placed
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("first", "second", "word"),
    [
        ("<image>", "<image>", "<image>"),
        ("<|image_1|>\n", "<|image_2|>\n", "<|image_{{number}}|>\n"),
        ("1: <1>", "2: <2>", None),
        ("<a>", "<b>", None),
    ],
)
def test_the_number_follows_from_two_media(first: str, second: str, word: str | None) -> None:
    assert numbered(first, second) == word


@pytest.mark.parametrize(
    ("word", "texts", "expected"),
    [
        ("<image>\n", ["<image>\n"], "same"),
        ("<image>\n", ["\0\n"], "open"),
        ("<start>", ["{boi_token}"], "open"),
        ("<|image|>", ["{boi_token}{image_token}{eoi_token}"], "differs"),
        ("<image>\n", ["<image>"], "around"),
        ("<pad>", ["<start><pad><end>"], "within"),
        ("", ["<image>"], "differs"),
        ("<image>", [""], "differs"),
    ],
)
def test_how_a_source_goes_with_a_word(word: str, texts: list[str], expected: str) -> None:
    assert agreement(word, texts) == expected


def test_the_own_framework_counts_and_others_name_what_it_leaves_open() -> None:
    template = replace(catalogue().templates["qwen2_vl"], name="another")
    assert due(template, "image", {"llamafactory": ("<a>",), "swift": ("<b>",), "vllm": ("<c>",)}) == "<a>"
    assert due(template, "image", {"swift": ("\0\n",), "vllm": ("<c>",)}) == "<c>\n"
    assert due(template, "image", {"swift": ("\0\n",)}) is None
    assert (
        due(template, "audio", {"llamafactory": ("{bos_token}<A>{eos_token}",), "vllm": ("1: <x><A><y>",)})
        == "<x><A><y>"
    )
    assert due(template, "image", {"vllm": ("<c>",), "publishers": ("<c>",)}) is None


@pytest.mark.parametrize(
    ("kind", "texts", "kinds", "vllm", "expected"),
    [
        ("image", {"image": ["<i>"] * 2}, [], {}, "<i>"),
        ("video", {"image": ["<i>"] * 2, "video": ["<i>"] * 2}, ["image", "video"], {"video": ()}, None),
        ("video", {"image": ["<i>"] * 2, "video": ["<video>"] * 2}, ["image"], {}, None),
        ("video", {"image": ["<i>"] * 2, "video": ["<v>"] * 2}, ["image"], {}, "<v>"),
        ("audio", {"audio": ["<a>"] * 2}, ["image"], {"image": ()}, None),
        ("audio", {"audio": None}, ["audio"], {}, None),
    ],
)
def test_a_class_that_answers_to_every_kind_is_not_believed(
    kind: MediaKind,
    texts: dict[str, list[str] | None],
    kinds: list[MediaKind],
    vllm: dict[MediaKind, object],
    expected: str | None,
) -> None:
    assert swift_text(kind, texts, Users(kinds=frozenset(kinds)), vllm, bool(vllm)) == expected


FILES = {
    "registry.py": 'M = {"A": ("a", "A"), "B": ("b", "B"), "C": ("vllm.models.c", "C"), "N": ("a", "N")}',
    "interfaces.py": "class Protocol:\n    def get_placeholder_str(cls, modality, i): ...",
    "a.py": (
        "from torch import x\nfrom .interfaces import Protocol\nSTART = '<s>'\nWORD = f'{START}<i>'\n"
        "class N(Protocol): pass\n"
        "class A(Protocol):\n    END = '<e>'\n    @classmethod\n"
        "    def get_placeholder_str(cls, modality: Unknown, i: int) -> Unknown:\n"
        "        if modality.startswith('image'):\n            return WORD + str(i) + cls.END\n"
        "        raise ValueError('image only')"
    ),
    "b.py": "from .a import A\nclass B(A): pass",
    "../../models/c/__init__.py": "if x:\n    from .inner import C",
    "../../models/c/inner.py": "from vllm.model_executor.models.b import B as Base\nclass C(Base): pass",
}


def test_vllm_is_read_without_being_imported(tmp_path: Path) -> None:
    for name, text in FILES.items():
        path = tmp_path / "vllm/model_executor/models" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    models = Models(tmp_path)
    for name in ("A", "B", "C"):
        assert models.placeholder(name, "image") == Placeholder("<s><i>1<e>", "<s><i>2<e>")
        assert models.placeholder(name, "audio") is None
    assert models.placeholder("N", "image") is None
    assert not models.knows("N")
    assert not models.knows("D")
