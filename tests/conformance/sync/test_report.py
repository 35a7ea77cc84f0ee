"""What `python -m conformance sync` prints of two registries."""

from __future__ import annotations

from dataclasses import replace

from conformance.places import RESULTS
from conformance.sync.compare import Difference, compare, extras
from conformance.sync.registry import Registry, built_ins_of
from conformance.sync.report import as_json, lines

# From LLaMA-Factory 0.9.4 and 0.9.5.
OLD = {
    "ids": {"DEFAULT": "tencent/Hunyuan-7B-Instruct", "MODELSCOPE": "AI-ModelScope/Hunyuan-7B-Instruct"},
    "template": "hunyuan",
    "multimodal": False,
}
NEW = {
    **OLD,
    "ids": {"DEFAULT": "tencent/Hunyuan-7B-Instruct", "MODELSCOPE": "Tencent-Hunyuan/Hunyuan-7B-Instruct"},
}
OCR = {"ids": {"DEFAULT": "zai-org/GLM-OCR"}, "template": "glm_ocr", "multimodal": True}
XVERSE = {"ids": {"DEFAULT": "xverse/XVERSE-7B"}, "template": None, "multimodal": False}
OURS = Registry("llamafactory", "0.9.4", {}, {"Hunyuan-7B-Instruct": NEW, "GLM-OCR": OCR})
THEIRS = Registry("llamafactory", "0.9.4", {}, {"Hunyuan-7B-Instruct": OLD, "XVERSE-7B": XVERSE})


def test_one_line_a_fact() -> None:
    before = built_ins_of(OURS)
    assert lines(compare(OURS, THEIRS, before), extras(OURS, THEIRS, before), THEIRS) == [
        "LLaMA-Factory 0.9.4: 3 differences",
        "models: 1 differs, 1 gone, 1 lacking",
        "  gone     GLM-OCR: template glm_ocr, multimodal, DEFAULT=zai-org/GLM-OCR",
        '  differs  Hunyuan-7B-Instruct, ids.MODELSCOPE: "Tencent-Hunyuan/Hunyuan-7B-Instruct" -> '
        '"AI-ModelScope/Hunyuan-7B-Instruct"',
        "  lacking  XVERSE-7B: template none, DEFAULT=xverse/XVERSE-7B",
    ]


def test_what_an_older_version_lacks_is_said_as_such() -> None:
    ours = replace(OURS, models=THEIRS.models, refused={("template", "aeva"): "cannot import name 'Aeva'"})
    before = replace(built_ins_of(ours), templates=frozenset({"aeva"}))
    assert lines(compare(ours, THEIRS, before), [], THEIRS)[1:] == [
        "templates: 1 gone",
        "  gone     0.9.4 has no aeva, and would not take ours: cannot import name 'Aeva'",
    ]


def test_nothing_to_do_is_said_and_what_is_ours_is_counted() -> None:
    theirs = replace(THEIRS, models={"Hunyuan-7B-Instruct": NEW})
    assert lines([], [], theirs) == ["LLaMA-Factory 0.9.4: no differences", "nothing to do"]
    assert lines(compare(OURS, theirs), extras(OURS, theirs), theirs) == [
        "LLaMA-Factory 0.9.4: no differences",
        "only ours, and no difference: 1 models",
        "nothing to do",
    ]
    assert as_json(compare(OURS, theirs), extras(OURS, theirs), theirs) == {
        "framework": "llamafactory",
        "version": "0.9.4",
        "differences": [],
        "ours_only": {"model": ["GLM-OCR"]},
    }


def test_white_space_is_visible_and_long_texts_show_where_they_part() -> None:
    short = Difference("template", "phi4", "differs", "default_system", "a b\n", None)
    long = Difference("template", "marco_o1", "differs", "default_system", "x" * 200 + "a b", "x" * 200 + "a\tb")
    tail = "x" * 18
    assert lines([short, long], [], THEIRS)[2:] == [
        '  differs  phi4, default_system: "a·b⏎" -> none',
        f'  differs  marco_o1, default_system: …{tail}xa·b" (205 characters) -> …{tail}xa→b" (205 characters)',
    ]


def test_groups_are_named_by_a_model() -> None:
    models = [
        {"ms_model_id": name, "hf_model_id": name, "model_path": None} for name in ("Qwen/Qwen2-7B", "Qwen/Qwen2-72B")
    ]
    group = {"template": None, "requires": None, "tags": [], "models": models}
    theirs = Registry("swift", "4.6.0", {}, {"qwen2": {"template": "qwen", "groups": [group]}})
    ours = replace(theirs, models={"qwen2": {"template": "qwen", "groups": [{**group, "models": models[:1]}]}})
    for one, other, change in ((ours, theirs, "has a further model"), (theirs, ours, "has no such model")):
        [last] = lines(compare(one, other, built_ins_of(theirs)), [], other)[2:]
        assert last.startswith("  differs  qwen2/0 (Qwen/Qwen2-7B")
        assert last.endswith(f"{change}: ms_model_id=Qwen/Qwen2-72B hf_model_id=Qwen/Qwen2-72B")


def test_the_recorded_lists_are_whole() -> None:
    found = sorted(RESULTS.glob("sync_*.txt"))
    assert [path.name.split("_")[1] for path in found] == ["llamafactory", "swift"]
    for path in found:
        told, *rest = path.read_text(encoding="utf-8").splitlines()
        facts = [line for line in rest if line.startswith("  ")]
        assert told.endswith(f": {len(facts)} differences")
