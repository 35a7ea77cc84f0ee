"""Any text in any field of a spec comes out of every target as it went in, or is refused with a message.

``make test`` tries 50 families for each target, the same in every run; ``make fuzz`` as many as it is asked for.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import event, given

from chatwright.catalogue.model import Catalogue, Template
from chatwright.characters import is_seen
from chatwright.errors import CatalogueError, Unsupported
from chatwright.inspection.rendering import variables
from chatwright.json_writer import json_text
from chatwright.meaning.render import Kind, Piece, to_text
from chatwright.meaning.runs import normal
from chatwright.meaning.scenarios import Scenario
from chatwright.meaning.visible import visible
from chatwright.pipeline.formatting import formatted_body, header
from chatwright.pipeline.generate import Rendering
from chatwright.pipeline.html import html_pages
from chatwright.pipeline.index import catalog_index
from chatwright.site import data, page
from chatwright.targets import TARGETS, ollama
from chatwright.targets.protocol import Context, Output
from conformance.engines import ollama as engine
from conformance.engines.jinja import marked_renderer, transformers_renderer
from conformance.engines.modelfile import Modelfile, read_modelfile
from tests.strings.fields import Field, free_fields, is_code, load, refused_fields, text_fields
from tests.strings.readers import changed, go_value, html_elements, json_value, markdown_value, python_value
from tests.strings.texts import TALKS, texts
from tests.support import examples

each = examples(50)
TODAY = date(2025, 3, 4)


# -- families ----------------------------------------------------------------------------------------------------------

Texts = Mapping[Field, str]


def marks(given: Texts) -> dict[Field, str]:
    """A word for each text, which nothing else holds."""
    return {field: f"Mark{index}Word" for index, field in enumerate(given)}


def put_back(given: Texts, shown: Callable[[str], str] = lambda text: text) -> Callable[[str], str]:
    """What turns the marks in a text into the texts, as they are shown there."""
    words = {mark: shown(text) for mark, text in zip(marks(given).values(), given.values(), strict=True)}
    return lambda text: re.sub(r"Mark\dWord", lambda match: words[match[0]], text)


def read(given: Texts) -> Catalogue | None:
    """The family with these texts, or None where one is refused, each with its place and a message of one line."""
    try:
        return load(given, raw=sum(map(len, given.values())) % 2 == 0)
    except CatalogueError as error:
        for problem in error.problems:
            assert problem.location.line
            assert problem.message.isprintable()
            assert "would freeze" in problem.message or any(
                "{{" in text or is_code(field) for field, text in given.items()
            ), str(problem)
        event("refused by the catalogue")
        return None


def made(target: str, catalogue: Catalogue, *, formatted: bool = True) -> tuple[dict[str, str], Output]:
    """The files of a target as they are written, and what it says of them."""
    output = TARGETS[target].generate(Context(catalogue, {}, {}))
    return {
        file.path: header(file) + (formatted_body(file) if formatted else file.body) for file in output.files
    }, output


def both(target: str, given: Texts) -> tuple[dict[str, str], dict[str, str], Texts] | None:
    """The files of a target with these texts and with marks in their place, but for the texts that it refuses."""
    while given:
        with_texts, with_marks = read(given), load(marks(given))
        if with_texts is None:
            return None
        ours, output = made(target, with_texts)
        theirs, expected = made(target, with_marks, formatted=False)
        refused = {}
        for index, field in enumerate(given):
            found, due = (item.deployments.get(f"x{index}") for item in (output, expected))
            if found and due and due.path and not found.path:
                refused[field] = found.reason
                assert found.reason
                assert MAY_REFUSE[target].search(given[field]), found.reason
                event(f"refused by {target}")
        if not refused:
            return ours, theirs, given
        given = {field: text for field, text in given.items() if field not in refused}
    return None


MAY_REFUSE = {
    "llamafactory": re.compile(r"\{\{"),
    "swift": re.compile(r"\{\{"),
    "vllm": re.compile(r"[<>/think\n]"),  # words of a thought that overlap
    "training": re.compile(r"[<>/think\n]"),
    "ollama": re.compile(r'"|[^\n\t -~]|[{}]'),
    "lmdeploy": re.compile(r"(?!)"),
}


# -- Python and JSON ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["llamafactory", "swift"])
@each
@given(texts())
def test_python_modules(target: str, given: Texts) -> None:
    if found := both(target, given):
        ours, theirs, given = found
        assert ours.keys() == theirs.keys()
        for path in ours:
            assert python_value(ours[path]) == changed(python_value(theirs[path]), put_back(given)), path


@each
@given(texts())
def test_lmdeploys_json(given: Texts) -> None:
    if found := both("lmdeploy", given):
        ours, theirs, given = found
        assert ours.keys() == theirs.keys()
        for path in ours:
            assert joined(json_value(ours[path])) == changed(joined(json_value(theirs[path])), put_back(given)), path


def joined(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields with the end of a turn as one: how much of it is white space decides where it stands."""
    return {**fields, "eoa": fields["eoa"] + fields["separator"], "separator": ""}


@each
@given(texts())
def test_the_catalogue(given: Texts) -> None:
    if catalogue := read(given):
        ours, theirs = (json_text(catalog_index(item, {}), depth=2) for item in (catalogue, load(marks(given))))
        assert json_value(ours) == changed(json_value(theirs), put_back(given))


# -- Jinja and Go ------------------------------------------------------------------------------------------------------

OWN = {"bos": "<BOS>", "eos": "<EOS>"}


def pieces(template: Template, talk: Scenario, kind: Kind) -> tuple[Piece, ...] | None:
    """What the reference renderer makes of a talk, None where it refuses it."""
    try:
        return talk.pieces(template, kind, TODAY)
    except Unsupported as reason:
        assert str(reason)
        return None


def request(template: Template, talk: Scenario, kind: Kind) -> dict[str, Any]:
    thinking = template.thinking
    found = variables(talk, bos="<BOS>", eos="<EOS>", switch=thinking.switch if thinking else "x", kind=kind)
    if thinking and thinking.levels and talk.variables:
        found[thinking.levels.variable] = "name"
    return {**found, "strftime_now": TODAY.strftime}


@each
@given(texts())
def test_what_a_spec_means(given: Texts) -> None:
    """The reference renderer writes the texts where it writes marks in their place."""
    if catalogue := read(given):
        back = put_back(given)
        for name, template in load(marks(given)).templates.items():
            for talk in TALKS:
                due, found = (pieces(item, talk, Kind.PROMPT) for item in (template, catalogue.templates[name]))
                if due is not None and not SPECIAL.search("".join(given.values())):
                    assert found is not None
                    assert to_text(found, **OWN) == back(to_text(due, **OWN))


SPECIAL = re.compile(r"^\s|\s$|think")


@each
@given(texts(code=True))
def test_chat_templates(given: Texts) -> None:
    if found := both("vllm", given):
        ours, theirs, given = found
        assert ours.keys() == theirs.keys()
        for template in (read(given) or load({})).templates.values():
            source = ours.get(f"deploy/vllm/{template.name}.jinja")
            for talk in TALKS if source else ():
                due = pieces(template, talk, Kind.PROMPT)
                try:
                    written = transformers_renderer.__wrapped__(source)(request(template, talk, Kind.PROMPT))
                except Unsupported:
                    written = None
                assert written == (None if due is None else to_text(due, **OWN))


@each
@given(texts(code=True))
def test_chat_templates_with_marks(given: Texts) -> None:
    if found := both("training", given):
        ours, theirs, given = found
        assert ours.keys() == theirs.keys()
        for template in (read(given) or load({})).templates.values():
            source = ours.get(f"training/{template.name}.jinja")
            for talk in TALKS if source else ():
                due = pieces(template, talk, Kind.TRAINING)
                try:
                    written = normal(marked_renderer(source)(request(template, talk, Kind.TRAINING)))
                except Unsupported:
                    written = None
                assert written == (None if due is None else runs(due))


def runs(found: tuple[Piece, ...]) -> Any:
    return normal([(OWN.get(piece.kind, piece.text), piece.trained) for piece in found])


@each
@given(texts())
def test_modelfiles(given: Texts) -> None:
    if found := both("ollama", given):
        ours, theirs, given = found
        assert ours.keys() == theirs.keys()
        for path in ours:
            assert modelfile_value(ours[path]) == changed(modelfile_value(theirs[path]), put_back(given)), path


def modelfile_value(text: str) -> Any:
    """A Modelfile by Ollama's rules: its parameters and what its template writes and does.

    Which parser it names depends on what stands in front of calls, so on the texts.
    """
    modelfile = read_modelfile(text)
    return [modelfile.parameters, go_value(modelfile.last("template")), modelfile.last("model")]


@each
@given(texts())
def test_modelfiles_in_go(go: engine.Engine, given: Texts) -> None:
    catalogue = read(given)
    for spec in catalogue.specs if catalogue else ():
        for template in spec.templates:
            try:
                modelfile = read_modelfile(ollama.modelfile(spec, template))
            except Unsupported as reason:
                assert str(reason)
                continue
            thinks = template.thinking.default if template.thinking else None
            for talk in TALKS:
                if engine.changes(talk, default_on=thinks) or (talk.thinking and not template.thinking):
                    continue
                if not compares(template, talk, modelfile):
                    continue
                due = pieces(template, talk, Kind.PROMPT)
                if due is not None:
                    assert go.prompt(modelfile, talk, TODAY) == to_text(due, **OWN).removeprefix("<BOS>")


def compares(template: Template, talk: Scenario, modelfile: Modelfile) -> bool:
    """Whether Ollama is asked what the format means: not of tools, whose JSON it writes in another way."""
    return talk.tools is None and not talk.preserve_thinking and talk.name != "picture"


# -- pages -------------------------------------------------------------------------------------------------------------


def shown(text: str) -> str:
    """A text in a line of a page."""
    return "".join(character if is_seen(character) else visible(character) for character in text)


_TRAINED = re.compile(r"  -+ trained on: (?:the first (\d+) lines of the prompt, then|this)")
_ROW = re.compile(r"[ *] (?:prefix|system|user|assistant|observation) +")
_SETTING = re.compile(r"\S+ +[\[{]")


def unbroken(block: str) -> str:
    """A block of code without what depends on the line breaks of the texts in it."""
    lines = block.replace("{{text:{{}}}}", "{{}}").split("\n")  # as slots are written
    for place, line in enumerate(lines):
        if match := _TRAINED.fullmatch(line):  # lines that stand in the prompt already
            lines[place : place + 1] = lines[: int(match[1] or 0)]
            break
    return "".join(line[14:] if _ROW.match(line) else line for line in lines)


def block(text: str, given: Texts) -> str:
    """A block of code with the texts as they are shown there: in settings that are lists or mappings, as JSON."""
    as_json = put_back(given, lambda text: visible(json.dumps(text, ensure_ascii=False)[1:-1]))
    lines = [(as_json if _SETTING.match(line) else put_back(given, visible))(line) for line in text.split("\n")]
    return unbroken("\n".join(lines))


@each
@given(texts())
def test_pages(given: Texts) -> None:
    if catalogue := read(given):
        ours, theirs = ({**made("docs", item)[0], **made("pages", item)[0]} for item in (catalogue, load(marks(given))))
        assert ours.keys() == theirs.keys()
        for path in ours:
            found = markdown_value(ours[path], str, unbroken)
            assert found == markdown_value(theirs[path], put_back(given, shown), lambda text: block(text, given)), path


@each
@given(texts())
def test_pages_as_html(given: Texts) -> None:
    if catalogue := read(given):
        ours, theirs = (html_of(item) for item in (catalogue, load(marks(given))))
        assert ours.keys() == theirs.keys()
        for path in ours:
            assert elements(ours[path], str, unbroken) == elements(
                theirs[path], put_back(given, shown), lambda text: block(text, given)
            ), path


def html_of(catalogue: Catalogue) -> dict[str, str]:
    with TemporaryDirectory() as folder:
        for path, content in {**made("docs", catalogue)[0], **made("pages", catalogue)[0]}.items():
            file = Path(folder, path)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content, encoding="utf-8")
        return dict(html_pages(Path(folder, "docs")))


def elements(page: str, line: Callable[[str], str], code: Callable[[str], str]) -> list[Any]:
    """A page's elements; ``line`` changes what a reader sees in lines and where links lead, ``code`` blocks of code."""
    found, inside = html_elements(page), 0
    for index, element in enumerate(found):
        if element[0] == "<":
            inside += element[1] == "pre"
            found[index] = [*element[:2], [[name, line(unquote(value or ""))] for name, value in element[2]]]
        elif element[0] == "text":
            found[index] = ["text", (code if inside else line)(element[1])]
        elif element[:2] == [">", "pre"]:
            inside -= 1
    return found


@each
@given(texts())
def test_the_site(given: Texts) -> None:
    """One page: its data is what it was made of, and all else is the same whatever a spec says."""
    if catalogue := read(given):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(data, "scenarios", lambda: {talk.name: talk for talk in TALKS[:2]})
            rendering = site_rendering(catalogue)
            found, blocks = taken_apart(page(catalogue, rendering))
            assert blocks == json.loads(json.dumps(data.blocks(catalogue, rendering)))
            plain = load({})
            assert found == taken_apart(page(plain, site_rendering(plain)))[0]


def site_rendering(catalogue: Catalogue) -> Rendering:
    files, deployments = {}, {}
    for target in ("vllm", "lmdeploy"):
        written, output = made(target, catalogue)
        files |= written
        deployments[target] = output.deployments
    files["catalog.json"] = json_text(catalog_index(catalogue, deployments), depth=2)
    files["fidelity.json"] = json.dumps({"templates": {}, "engines": {}})
    return Rendering(files, deployments, {}, {})


def taken_apart(text: str) -> tuple[list[Any], dict[str, Any]]:
    """The elements of the site but for its data, and the data."""
    found, blocks = html_elements(text), {}
    for index, element in enumerate(found):
        name = dict(element[2]).get("id", "") if element[:2] == ["<", "script"] else ""
        if name.startswith("data-") and name != "data-words":
            blocks[name.removeprefix("data-")] = json.loads(found[index + 1][1])
            found[index + 1] = ["text", ""]
    return found, blocks


# -- what is refused ---------------------------------------------------------------------------------------------------


def test_the_fields_are_found() -> None:
    """Most fields hold text that is data; the others hold a name of something, or a date, and are told so."""
    assert len(free_fields()) > 100
    assert {str(field[-1]) for field in refused_fields()} == {
        *("extends", "tool_format", "template", "model_type", "on", "off", "date"),
        *("tool_call_parser", "reasoning_parser"),
        *("name", "vision_bos_token", "vision_eos_token", "audio_bos_token", "audio_eos_token"),  # of a plugin
    }


def test_nul_and_half_characters_are_refused_in_every_field() -> None:
    for index, field in enumerate(text_fields()):
        with pytest.raises(CatalogueError) as caught:
            load({field: ("a\0b", "a\ud800b", "\udfff")[index % 3]})
        [problem, *_] = caught.value.problems
        assert problem.location.line
        assert ("half a character" if index % 3 else "NUL (U+0000)") in problem.message
        assert problem.message.isprintable()


@pytest.mark.parametrize("field", refused_fields(), ids=lambda field: ".".join(map(str, field)))
def test_a_name_of_nothing_is_refused_where_it_stands(field: Field) -> None:
    for text in ("sentinel", "'\"\\\n\x1b[31m\u202e", "x" * 10_000):
        with pytest.raises(CatalogueError) as caught:
            load({field: text})
        assert all(problem.message.isprintable() and len(problem.message) < 2000 for problem in caught.value.problems)
