"""The tables as a Markdown parser reads them: what a spec says is what a reader sees."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from chatwright.catalogue.build import HUBS
from chatwright.catalogue.model import Catalogue, Checkpoint
from chatwright.characters import is_seen
from chatwright.pipeline import select
from chatwright.pipeline.fidelity import publisher_fidelity
from chatwright.pipeline.index import catalog_index
from chatwright.records.publishers import CAUSES, load_comparisons
from chatwright.targets import docs
from chatwright.targets.languages import languages
from chatwright.targets.protocol import Context, Deployment, added_templates
from tests.support import FRAMEWORKS, catalogue, vectors

MODEL_COLUMNS = 10
MODELS = "docs/supported-models.md"
PARSER = MarkdownIt("commonmark", {"html": True}).enable("table").enable("strikethrough")


@cache
def pages() -> dict[str, str]:
    counts = {"exact": 3, "not comparable": 1}
    said = {
        "jinja": {"status": "exact", "grade": "engine", "version": "1.0", "counts": counts},
        "other": {"status": "exact", "grade": "emulated@2", "version": "2: x", "counts": counts},
        "third": {"status": "unverified", "reason": "the file has changed"},
    }
    return {file.path: file.body for file in docs.generate(Context(catalogue(), {}, {"qwen3": said})).files}


@cache
def tables(text: str) -> list[list[list[Token]]]:
    """Every table as rows of cells, a cell being its inline token."""
    found: list[list[list[Token]]] = []
    tokens = PARSER.parse(text)
    for index, token in enumerate(tokens):
        if token.type == "table_open":
            found.append([])
        elif token.type == "tr_open":
            found[-1].append([])
        elif token.type in ("td_open", "th_open"):
            found[-1][-1].append(tokens[index + 1])
    return found


def plain(cell: Token) -> str:
    """What a reader sees; anything but text and links makes the test fail."""
    assert {child.type for child in cell.children or ()} <= {"text", "text_special", "link_open", "link_close"}
    return "".join(child.content for child in cell.children or ())


def links(cell: Token) -> list[str]:
    return [str(child.attrs["href"]) for child in cell.children or () if child.type == "link_open"]


def repositories(checkpoint: Checkpoint) -> list[str]:
    """The repositories of a checkpoint, be its ids its own or those under which a framework lists it."""
    ids = [checkpoint.ids[hub] for hub in HUBS if hub in checkpoint.ids]
    listed = [own[hub] for own in checkpoint.targets.values() for hub in HUBS if own.get(hub)]
    return [id.split(":")[0] for id in ids or listed]


@pytest.mark.parametrize("page", ["docs/supported-models.md", "docs/supported-models.zh.md"])
def test_every_checkpoint_has_its_row(page: str) -> None:
    found = tables(pages()[page])
    assert [len(row) for table in found for row in table if len(row) != len(table[0])] == []
    rows = [row for table in found if len(table[0]) == MODEL_COLUMNS for row in table[1:]]
    expected = sorted(
        (checkpoint.title, sorted(repositories(checkpoint)))
        for spec in catalogue().specs
        for group in spec.models
        for checkpoint in group.checkpoints
    )
    got = sorted(
        (plain(row[0]), sorted(link.split("/", 3)[3].removeprefix("models/") for link in links(row[1]))) for row in rows
    )
    assert got == expected


def test_an_id_with_a_folder_leads_to_the_repository() -> None:
    """The hubs have a page for ``owner/name`` only; the folder is what a framework downloads of it."""
    rows = {plain(row[0]): links(row[1]) for table in tables(pages()["docs/supported-models.md"]) for row in table}
    assert rows["InternVL2-Pretrain-Models:InternVL2-1B-Pretrain"] == [
        "https://huggingface.co/OpenGVLab/InternVL2-Pretrain-Models",
        "https://modelscope.cn/models/OpenGVLab/InternVL2-Pretrain-Models",
    ]
    assert [
        link for addresses in rows.values() for link in addresses if ":" in link.split("://")[1] or "%" in link
    ] == []


def test_a_model_that_a_framework_lists_twice_has_two_rows_with_links() -> None:
    """ms-swift 4.6.0 lists GLM-Edge-4B-Chat for the model types ``glm_edge`` and ``glm_edge_v``."""
    [table] = [
        table
        for table in tables(pages()["docs/supported-models.md"])
        if any(plain(row[0]) == "glm-edge-4b-chat" for row in table)
    ]
    rows = [row for row in table if plain(row[0]) == "glm-edge-4b-chat"]
    assert sorted(plain(row[4]) for row in rows) == ["glm_edge", "glm_edge_v"]
    assert {tuple(links(row[1])) for row in rows} == {
        (
            "https://huggingface.co/zai-org/glm-edge-4b-chat",
            "https://modelscope.cn/models/ZhipuAI/glm-edge-4b-chat",
        )
    }


def test_both_languages_say_the_same() -> None:
    english, chinese = (
        [table for name, page in pages().items() if name.endswith(".zh.md") == wanted for table in tables(page)]
        for wanted in (False, True)
    )
    words = {"yes": "是", "unverified": "未验证", "exact": "一致", "not comparable": "无法比较", "text": "文本"}
    words |= {"image": "图像", "video": "视频", "audio": "音频", "multimodal": "多模态"}
    pattern = re.compile(rf"\b({'|'.join(words)})\b")

    def rows(table: list[list[list[Token]]]) -> list[list[str]]:
        return [[pattern.sub(lambda match: words[match[1]], plain(cell)) for cell in row] for row in table[1:]]

    assert [rows(table) for table in english] == [rows(table) for table in chinese]
    assert len(english) > 200
    proofs = [plain(row[6]) for row in tables(pages()["docs/templates.md"])[0][1:] if plain(row[0]) == "qwen3"]
    assert proofs == ["jinja 1.0: 3 exact, 1 not comparable; other 2: x, emulated@2: 3 exact, 1 not comparable"]


def test_every_template_has_its_row_and_every_family_its_templates() -> None:
    rows = tables(pages()["docs/templates.md"])[0][1:]
    assert sorted(plain(row[0]) for row in rows) == sorted(catalogue().templates)
    listed = re.findall(r"\(templates/([^)]*)\.md\)", pages()["docs/supported-models.md"])
    introduced = {item.name for spec in catalogue().specs if spec.models for item in spec.templates}
    assert introduced <= set(listed) <= catalogue().templates.keys()  # and those that its models use


def test_a_model_one_framework_lists_has_the_template_of_the_other() -> None:
    """But for multimodal models: a template for text alone does not train those."""
    deployments = {framework: {name: Deployment("x.py") for name in catalogue().templates} for framework in FRAMEWORKS}
    page = docs.generate(Context(catalogue(), deployments, {})).files[0].body
    found = {plain(row[0]): [plain(cell) for cell in row[2:4]] for table in tables(page) for row in table[1:]}
    assert found["Atom-7B-Chat"] == ["atom †", "atom"]
    assert found["Falcon-7B-Instruct"] == ["falcon", "falcon †"]
    assert found["glm-edge-v-2b"] == ["", "glm_edge_v"]


def test_no_page_is_too_long_for_github() -> None:
    """GitHub shows "we can't show files that are this big" instead of a file of more than 512 KB."""
    sizes = {name: len(page.encode()) for name, page in pages().items()}
    assert {name: size for name, size in sizes.items() if size > 512 * 1024} == {}


def test_the_pages_lead_to_one_another() -> None:
    for name, page in pages().items():
        others = {other.removeprefix("docs/") for other in pages()} - {name.removeprefix("docs/")}
        [head] = [line for line in page.splitlines() if "](templates" in line or "](supported" in line][:1]
        found = set(re.findall(r"\]\(([^)]*)\)", head))
        assert len(found) == 2
        assert found <= others


def test_sizes_modalities_and_requirements() -> None:
    rows = {plain(row[0]): [plain(row[column]) for column in (5, 8, 9)] for row in models(pages()[MODELS])}
    assert rows["Qwen3-30B-A3B-Thinking"] == ["text", "30B-A3B", "transformers>=4.51"]
    assert rows["BLOOM-7B1"][1] == "7.1B"
    assert rows["Qwen-1_8B-Chat" if "Qwen-1_8B-Chat" in rows else "Qwen-1.8B-Chat"][1] == "1.8B"
    assert rows["Mixtral-8x7B-v0.1-Instruct"][1] == "8x7B"
    assert rows["GLM-4.6"][1] == rows["MiniMax-M1-40k-Thinking"][1] == ""
    assert rows["Qwen2-VL-7B-Instruct"][0] == "image, video"
    assert rows["Megrez-3B-Omni"][0] == "image, audio"  # by ms-swift's tags
    assert rows["cogvlm-chat-hf"][0] == "image"  # by its template
    assert rows["Emu3-Gen"][0] == "multimodal"


def test_fidelity_stands_below_the_models() -> None:
    counts = {"exact": 3, "differs": 1, "not comparable": 2}
    said = {
        "vllm": {"status": "differs", "grade": "engine", "version": "1", "counts": counts},
        "sglang": {"status": "unverified", "reason": "changed"},
        "ollama": {"status": "unsupported", "reason": "no file"},
    }
    page = docs.generate(Context(select(catalogue(), {"qwen/qwen3.yaml"}), {}, {"qwen3": said})).files[0].body
    [row] = [row for table in tables(page) for row in table if plain(row[0]) == "qwen3" and len(row) != MODEL_COLUMNS]
    assert links(row[0]) == ["templates/qwen3.md"]
    assert [plain(cell) for cell in row[1:]] == ["–", "–", "3/4", "?", "–", "–", "–"]


def models(page: str) -> list[list[Token]]:
    return [row for table in tables(page) if len(table[0]) == MODEL_COLUMNS for row in table[1:]]


def test_counts() -> None:
    models = sum(len(group.checkpoints) for spec in catalogue().specs for group in spec.models)
    counts = f"{len(catalogue().specs)} families, {len(catalogue().templates)} templates and {models} checkpoints."
    assert counts in pages()["docs/supported-models.md"]


HOSTILE = [
    "a|b",
    "a\\|b",
    "\\",
    "`code` ``x``",
    "**b** __i__ ~~s~~ *",
    "<script>alert(1)</script>",
    "<!-- x -->",
    "&amp; &#124;",
    "[x](http://y) ![i](j)",
    "http://example.com www.example.com a@b.cd",
    "# h",
    "- x",
    "$x$ :smile: @me #1",
    "  padded  ",
    "\"'",
    "模型 🌍",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_text(text: str) -> None:
    assert seen(text) == text


@given(st.text(st.characters(exclude_categories=["C", "Z"], include_characters=" "), min_size=1).filter(is_seen))
def test_any_text_is_text(text: str) -> None:
    assert seen(text) == text


def test_what_cannot_be_seen_is_shown() -> None:
    assert seen("a\u3164\ufe0f\U0001d159") == "a\\u3164\\ufe0f\\U0001d159"
    assert seen("a\nb\tc\x00\u200d") == "a⏎b→c\\x00\\u200d"


def seen(text: str) -> str:
    """What a reader sees of a cell that holds the text."""
    [[_, row]] = tables(f"| h | i |\n|---|---|\n| {docs.cell(text)} | end |\n")
    assert plain(row[1]) == "end"
    return plain(row[0])


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_addresses_stay_inside_their_link(text: str) -> None:
    [[_, row]] = tables(f"| h | i |\n|---|---|\n| {docs.link(text, f'https://h.co/{text}')} | end |\n")
    assert plain(row[0]) == text
    assert plain(row[1]) == "end"
    assert len(links(row[0])) == 1


def test_hostile_specs_reach_every_page() -> None:
    first = catalogue().specs[0]
    other = (spec for spec in select(catalogue(), {first.source}).specs if spec is not first)
    hostile = "a|b<c>`*d*` [e](f)"
    group = first.models[0]
    checkpoint = replace(group.checkpoints[0], name=hostile, ids={"huggingface": hostile})
    group = replace(group, checkpoints=(checkpoint,), requires=(hostile,))
    spec = replace(first, title="|*<b>`\n", publisher="]](x)", models=(group, *first.models[1:]))
    refused = {"vllm": {spec.templates[0].name: Deployment(None, reasons=("a | b\n# <i>",))}}
    for file in docs.generate(Context(Catalogue((spec, *other)), refused, {})).files:
        assert all(token.type not in ("html_block", "fence", "code_block") for token in PARSER.parse(file.body))
        assert [row for table in tables(file.body) for row in table if len(row) != len(table[0])] == []
        if "supported" in file.path:
            [row] = [row for row in models(file.body) if plain(row[0]) == hostile]
            assert plain(row[9]) == hostile
        if "templates" in file.path:
            assert [plain(row[2]) for row in tables(file.body)[1][1:]] == ["a | b⏎# <i>"]


def test_what_no_framework_has_itself_is_marked() -> None:
    """A name that stands in no recorded registry is marked in both tables; the built-ins' names are not."""
    spec = next(spec for spec in catalogue().specs if spec.name == "llama3")
    template = next(template for template in spec.templates if template.name == "llama3")
    extra = replace(template, registered={"llamafactory": "llama3", "swift": "acme_own"})
    group = next(group for group in spec.models if group.template == "llama3" and group.model_type)
    known = replace(group.checkpoints[0], name="Llama-3-8B-Instruct", targets={})
    new = replace(known, name="Acme-8B-Instruct", ids={"huggingface": "acme/Acme-8B-Instruct"})
    group = replace(group, checkpoints=(known, new), targets={})
    ours = Catalogue((replace(spec, templates=(extra,), models=(group,)),))
    deployments = {framework: {"llama3": Deployment("x.py")} for framework in ("llamafactory", "swift")}
    english, english_templates, chinese, chinese_templates = (
        file.body for file in docs.generate(Context(ours, deployments, {})).files
    )
    for page, other in ((english, english_templates), (chinese, chinese_templates)):
        [listed, _], [templates] = tables(page), tables(other)
        assert {plain(row[0]): [plain(cell) for cell in row[2:4]] for row in listed[1:]} == {
            "Llama-3-8B-Instruct": ["llama3", "acme_own †"],
            "Acme-8B-Instruct": ["llama3 †", "acme_own †"],
        }
        assert [plain(cell) for cell in templates[1][2:4]] == ["llama3", "acme_own †"]
    assert "Added to LLaMA-Factory: templates 0, models 1. Added to ms-swift: templates 1, models 1." in english
    assert "为 ms-swift 添加：模板 1 个，模型 1 个。" in chinese
    index = catalog_index(ours, deployments)
    assert index["added"] == {
        "llamafactory": {"templates": 0, "models": 1},
        "swift": {"templates": 1, "models": 1},
    }
    assert index["templates"]["llama3"]["added"] == ["swift"]
    assert [model["added"] for model in index["models"]] == [[], ["llamafactory", "swift"]]


def test_nothing_is_marked_that_a_framework_has() -> None:
    """What conformance has compared with a built-in is one, by the same name."""
    deployments = {framework: {name: Deployment("x.py") for name in catalogue().templates} for framework in FRAMEWORKS}
    compared = {framework: {data["template"] for data in vectors(framework).values()} for framework in FRAMEWORKS}
    wrong = [
        (framework, name)
        for template in catalogue().templates.values()
        for framework, name in template.registered.items()
        if name and (framework in added_templates(template, deployments)) == (name in compared[framework])
    ]
    assert wrong == []


# -- beside publishers' templates ------------------------------------------------------------------------------------


@cache
def beside() -> dict[str, str]:
    """The pages where everything that is recorded is about the very files; the figures are the evidence's."""
    comparisons = load_comparisons()
    files = {
        name: Deployment("x.jinja", each.artefact) for name, each in comparisons.templates.items() if each.artefact
    }
    known = publisher_fidelity(comparisons, catalogue().templates, {"vllm": files})
    return {file.path: file.body for file in docs.generate(Context(catalogue(), {}, {}, known)).files}


def test_every_comparison_has_its_row() -> None:
    comparisons = load_comparisons()
    due = [
        (name, sorted(comparisons.sources[each].sha256[:8] for each in found.publishers), found.counts.get("exact", 0))
        for name, compared in comparisons.templates.items()
        for found in compared.comparisons
    ]
    for page in ("docs/publishers.md", "docs/publishers.zh.md"):
        _, rows, *_ = tables(beside()[page])
        hashes = [re.findall(r"\b[0-9a-f]{8}\b", re.sub(r"\S*/\S*", "", plain(row[1]))) for row in rows[1:]]
        exact = [int(plain(row[2]).partition("/")[0] or 0) for row in rows[1:]]
        assert [
            (plain(row[0]), sorted(each), count) for row, each, count in zip(rows[1:], hashes, exact, strict=True)
        ] == due
        assert len(beside()[page].encode()) < 512 * 1024
    assert len(due) > 100


def test_the_page_counts_what_is_recorded() -> None:
    comparisons = load_comparisons().templates.values()
    known = f"{len(comparisons)} of {len(catalogue().templates)} templates have a publisher's template that is known."
    whole = [
        [each.same for each in found.comparisons if each.same or {"differs", "unsupported"} & each.counts.keys()]
        for found in comparisons
    ]
    every, some = (sum(bool(each) and how(each) for each in whole) for how in (all, any))
    page = beside()["docs/publishers.md"]
    assert known in page
    assert f"{every} of these write the same as each of theirs on every scenario it carries, {some} the same as" in page


def test_causes_are_told_in_both_languages() -> None:
    assert all(language.tables.keys() >= set(CAUSES) for language in languages())
    english, chinese = (tables(beside()[f"docs/publishers{language}.md"])[0] for language in ("", ".zh"))
    assert [[plain(row[0]), *map(plain, row[2:])] for row in english[1:]] == [
        [plain(row[0]), *map(plain, row[2:])] for row in chinese[1:]
    ]


def test_the_table_of_templates_leads_to_the_comparison() -> None:
    rows = {plain(row[0]): row[7] for row in tables(beside()["docs/templates.md"])[0][1:]}
    assert (plain(rows["megrez"]), links(rows["megrez"])) == ("exact (19/19)", ["publishers.md"])
    assert plain(rows["phi3"]).startswith("differs (12/19, ")
    assert plain(rows["alpaca"]) == ""
    assert not any("publishers" in name for name in pages()), "no page where nothing is known"
