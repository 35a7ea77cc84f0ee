"""The page as a browser's parser takes it apart: nothing that a spec says is anything but text."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import replace
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import yaml

from chatwright.catalogue import load_catalogue
from chatwright.catalogue.model import Catalogue
from chatwright.errors import ChatwrightError
from chatwright.pipeline import render, write_tree
from chatwright.site import compressed, page
from chatwright.site.page import SCRIPTS, _asset, json_block
from chatwright.targets.languages import languages

HOSTILE = "</script><script>broken()</script><!-- <img src=x onerror=broken()> \" ' & ]]> {{x}} \u2028 \u202e \x1b 😀"
SPEC = {
    "name": "constructor",
    "title": HOSTILE,
    "publisher": HOSTILE,
    "templates": {
        "constructor": {
            "slots": {
                "user": HOSTILE.replace("{{x}}", "") + "{{content}}",
                "assistant": {"body": "{{content}}</script>"},
            },
            "default_system": HOSTILE.replace("{{x}}", ""),
            "stop_words": ["</script>"],
        }
    },
    "models": [{"template": "constructor", "checkpoints": [{"name": "demo", "huggingface": "demo/demo"}]}],
}


class Reader(HTMLParser):
    """Collects elements, and the text of scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.raw: list[tuple[str, dict[str, str | None], str]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag in ("script", "style"):
            self.raw.append((tag, dict(attrs), ""))

    def handle_data(self, data: str) -> None:
        if self.cdata_elem:
            tag, attributes, text = self.raw[-1]
            self.raw[-1] = (tag, attributes, text + data)


@cache
def test_the_tables_are_linked_where_they_are_published() -> None:
    catalogue = Catalogue(())
    linked = page(catalogue, render(catalogue), 'a"><b>.html')
    assert '<a href="a&#34;&gt;&lt;b&gt;.html" data-say="footer_tables"></a>' in linked
    assert 'footer_tables"></a>' not in page(catalogue, render(catalogue))


def hostile_page() -> str:
    return _page()


def _page() -> str:
    with TemporaryDirectory() as folder:
        file = Path(folder, "demo", "constructor.yaml")
        file.parent.mkdir()
        file.write_text(yaml.safe_dump(SPEC, width=1000), encoding="utf-8")
        [spec] = load_catalogue(Path(folder)).specs
    [group] = spec.models  # a spec cannot name a model so; the page does not count on that
    checkpoint = replace(group.checkpoints[0], name=HOSTILE, ids={"huggingface": "javascript:broken()"})
    catalogue = Catalogue((replace(spec, models=(replace(group, checkpoints=(checkpoint,)),)),))
    return page(catalogue, render(catalogue))


@cache
def hostile() -> Reader:
    return Reader(hostile_page())


def test_hostile_text_ends_no_block() -> None:
    assert [(tag, attributes.get("id")) for tag, attributes, _ in hostile().raw] == [
        ("style", None),
        ("script", "data-words"),
        ("script", "data-index"),
        ("script", None),
        ("script", "data-prompts"),
        ("script", "data-files"),
    ]
    assert not any(tag == "img" for tag, _ in hostile().elements)


def test_hostile_text_comes_out_as_it_went_in() -> None:
    blocks = {str(attributes["id"]): json.loads(text) for _, attributes, text in hostile().raw if "id" in attributes}
    [model] = blocks["data-index"]["models"]
    assert (model["name"], model["huggingface"]) == (HOSTILE, "javascript:broken()")
    assert blocks["data-index"]["families"]["constructor"] == {"title": HOSTILE, "publisher": HOSTILE}
    assert blocks["data-index"]["templates"]["constructor"]["default_system"] == HOSTILE.replace("{{x}}", "")
    assert any(HOSTILE.replace("{{x}}", "") in text for text in blocks["data-prompts"]["texts"])


@pytest.mark.parametrize("text", ["</script>", "<!--<script>", "\x00\x1f\r\n\u2028\x85\ufeff\U0010ffff", '"\\'])
def test_any_text_survives_a_block(text: str) -> None:
    block = str(json_block({text: [text]}))
    assert json.loads(block) == {text: [text]}
    assert "<" not in block
    assert not re.search("[\x00-\x1f]", block)


def test_the_policy_allows_this_script_and_style_and_nothing_else() -> None:
    [policy] = [str(a["content"]) for tag, a in hostile().elements if tag == "meta" and "http-equiv" in a]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    [script] = [text for tag, attributes, text in hostile().raw if tag == "script" and "type" not in attributes]
    [style] = [text for tag, _, text in hostile().raw if tag == "style"]
    for rule, text in (("script-src", script), ("style-src", style)):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert rules[rule] == f"'sha256-{digest}'"


def test_nothing_is_loaded_from_elsewhere_and_no_element_has_a_handler() -> None:
    for tag, attributes in hostile().elements:
        assert not any(name.startswith("on") or name in ("src", "style") for name in attributes), tag
        if "href" in attributes:
            assert re.match(r"#|data:image/svg", str(attributes["href"]))
    style = next(text for tag, _, text in hostile().raw if tag == "style")
    assert "url(" not in style and "@import" not in style


def test_no_asset_ends_the_element_it_stands_in() -> None:
    assert not re.search("</script|<!--", "".join(_asset(f"{name}.js") for name in SCRIPTS), re.IGNORECASE)
    assert "</" not in _asset("style.css")


def test_the_program_never_writes_html() -> None:
    program = "".join(_asset(f"{name}.js") for name in SCRIPTS)
    forbidden = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|DOMParser|fetch\("
    assert not re.search(forbidden, program)


def test_both_languages_have_the_same_words() -> None:
    assert {language.code for language in languages()} >= {"en", "zh"}
    placeholders = [
        [
            {key: sorted(re.findall(r"\{\w+\}", text)) for key, text in words.items()}
            for words in (each.tables, each.site)
        ]
        for each in languages()
    ]
    assert all(each == placeholders[0] for each in placeholders)


def test_every_word_that_the_program_says_is_there() -> None:
    words = languages()[0].site
    program = "".join(_asset(f"{name}.js") for name in SCRIPTS)
    said = re.findall(r'\b(?:say|use)\("(\w+)"', program) + re.findall(r'data-say="(\w+)"', _asset("page.html.j2"))
    assert len(said) > 50
    assert [word for word in said if word not in words] == []


def test_the_page_without_data_is_small_and_the_same_again() -> None:
    assert compressed(hostile_page()) < 30_000
    assert _page() == hostile_page()


def test_a_page_made_by_hand_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("<!doctype html>\nmine", encoding="utf-8")
    with pytest.raises(ChatwrightError, match="not made by chatwright"):
        write_tree(tmp_path, {"index.html": hostile_page()})
    (tmp_path / "index.html").write_text(hostile_page() + "older", encoding="utf-8")
    assert write_tree(tmp_path, {"index.html": hostile_page()}).written == ("index.html",)
    assert (tmp_path / "index.html").read_text(encoding="utf-8") == hostile_page()
