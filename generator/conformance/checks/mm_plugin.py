"""Declared multimodal plugins against LLaMA-Factory's own: the same texts and the same tensors, on real processors."""

from __future__ import annotations

import hashlib
import importlib.metadata
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from chatwright.catalogue.model import Catalogue, Modules, Template
from chatwright.pipeline import generate
from chatwright.pipeline.writer import write_file
from chatwright.targets.rendering import environment

from ..engines import mm_plugin_worker
from ..engines.worker import PythonWorker
from ..places import RESULTS
from .workbench import Report, Workbench

FILE = "mm_plugin.txt"
_DECLARED = "_declared"


@dataclass(frozen=True)
class Family:
    """A template of the catalogue whose plugin is declared anew.

    ``inputs`` is how its processor takes images, ``refused`` a part of the reason why a declared plugin cannot serve
    it, ``theirs`` the cases in which LLaMA-Factory's own plugin fails with this transformers, and ``differs`` those in
    which the two are known to differ, with the reason.
    """

    template: str
    inputs: Literal["flat", "nested"] = "flat"
    refused: str | None = None
    theirs: tuple[str, ...] = ()
    differs: Mapping[str, str] = field(default_factory=dict)


_WAYS = {"ours": "refused", "theirs": "LLaMA-Factory's own fails", "differs": "differs"}
_VIDEOS = ("one video", "an odd number of frames", "images and videos", "several videos")
_WORD = "the catalogue has another word for an image"
_STACK = "the processor itself takes only videos of one length and size together"
_ORDER = "the processor puts images and videos into one tensor in the order of the text"
_CUTS = "the processor cuts images into patches, LLaMA-Factory's own plugin only with crop_to_patches"
_MARKS = "LLaMA-Factory's own plugin writes no marks around an image and cuts none, the processor does"
_SIZES = "the processor gives videos another size than its video processor has alone, which LLaMA-Factory asks"
_CLIPS = "the processor pads to the longest clip and gives clips a type, LLaMA-Factory's own plugin does neither"
_FIRST = "LLaMA-Factory's own plugin takes every video for as long as the first"
_IMAGES = ("one image", "several images", "images in several turns", "mixed sizes", "a batch", "as files")
FAMILIES: Mapping[str, Family] = {
    "gemma3": Family("gemma3", "nested", theirs=("pan and scan",)),
    "gemma3n": Family(
        "gemma3n",
        "nested",
        differs={"one clip": _CLIPS, "several clips": _CLIPS, "not expanded": _WORD},
    ),
    "glm4v": Family("glm4v", theirs=_VIDEOS),
    "internvl": Family(
        "intern_vl",
        differs={
            **dict.fromkeys(("mixed sizes", "a batch", "as files"), _CUTS),
            "images and videos": _ORDER,
            "several videos": _STACK,
            "not expanded": _WORD,
        },
    ),
    "lfm2_vl": Family("lfm2_vl", "nested", differs=dict.fromkeys(_IMAGES, _MARKS)),
    "llama4": Family("llama4"),
    "llava": Family("llava"),
    "llava_next": Family("llava_next"),
    "llava_next_video": Family("llava_next_video", theirs=_VIDEOS[:3], differs={"several videos": _STACK}),
    "mllama": Family("mllama", "nested", refused="ties each image to a place in the whole text"),
    "paligemma": Family("paligemma", refused="does more to a text than to put tokens in the place of each medium"),
    "pixtral": Family("pixtral"),
    "qwen2_5_omni": Family("qwen2_omni", differs=dict.fromkeys(_VIDEOS, _SIZES)),
    "qwen2_5_vl": Family("qwen2_vl"),
    "qwen2_audio": Family("qwen2_audio"),
    "qwen2_vl": Family("qwen2_vl"),
    "qwen3_vl": Family("qwen3_vl", theirs=("images and videos",), differs={"several videos": _FIRST}),
    "video_llava": Family("video_llava", theirs=_VIDEOS[:3], differs={"several videos": _STACK}),
}
_ERRORS = {  # what a message must say
    "too few media": "and there are 0 to put there",
    "too many media": "and there are 2 to put there",
    "no processor": "the model's processor is missing",
    "no part of the processor": "the model's processor is missing its",
    "no such file": "1 of 1, 'nowhere.png', cannot be read",
    "no image in the file": "broken.png', cannot be read",
    "half an image": "half.png', cannot be read",
}
_MODULES = Modules(("model.language_model", "lm_head"), ("visual.merger",), ("visual.blocks",), ("patch_embed",))
_FROZEN = {
    "freeze_vision_tower": list(_MODULES.vision_tower),
    "freeze_multi_modal_projector": list(_MODULES.projector),
    "freeze_language_model": sorted(_MODULES.language_model),
}


def check_mm_plugin(bench: Workbench) -> Report:
    """Declared multimodal plugins beside LLaMA-Factory's own, on processors made on the spot."""
    report = Report("mm_plugin")
    importlib.metadata.version("llamafactory")  # ImportError where there is none
    vision = bench.need("vision")
    with tempfile.TemporaryDirectory(prefix="chatwright-") as folder:
        generated = Path(folder) / "generated"
        generate(declared(bench.catalogue), generated)
        files = {
            path.relative_to(generated).as_posix(): path.read_text(encoding="utf-8")
            for path in sorted(generated.rglob("*.py"))
        }
        item = [files, sorted(FAMILIES), [family.template for family in FAMILIES.values()]]
        answer = bench.asked.over(
            "mm_plugin",
            mm_plugin_worker.__name__,
            {"families": item},
            lambda names: dict.fromkeys(names, run(Path(folder), vision)),
            [vision],
        )["families"]
    tried = {**answer["families"], "parts of models": answer["parts"]}
    if missing := [f"{name}: {found['missing']}" for name, found in tried.items() if "missing" in found]:
        return Report(report.engine, skipped="; ".join(missing))
    for name, found in answer["families"].items():
        report.wrong += [f"{name}: {problem}" for problem in _wrong(FAMILIES[name], found)]
    for model_type, frozen in answer["parts"].items():
        if frozen != _FROZEN:
            report.wrong.append(f"{model_type}: LLaMA-Factory freezes {frozen}")
    told = list(lines(answer))
    report.lines.append(told[-1])
    path = RESULTS / FILE
    text = "\n".join(told) + "\n"
    if bench.record:
        write_file(path, text)
    elif not path.is_file() or path.read_text(encoding="utf-8") != text:
        report.wrong.append(f"{FILE} is not what the plugins do; run `make record`")
    return report


def declared(catalogue: Catalogue) -> Catalogue:
    """The families' templates under new names, with declared plugins and parts of models named."""
    templates: dict[str, Template] = {}
    for family in FAMILIES.values():
        template = catalogue.templates[family.template]
        assert template.mm_plugin is not None
        name = f"{template.name}{_DECLARED}"
        plugin = replace(template.mm_plugin, name=f"{template.mm_plugin.name}{_DECLARED}", inputs=family.inputs)
        registered = {"llamafactory": name, "swift": None}
        templates[name] = replace(
            template, name=name, registered=registered, mm_plugin=replace(plugin, options={}), targets={}
        )
    like = next(spec for spec in catalogue.specs if spec.model_types)
    model_type = replace(like.model_types[0], name=f"demo{_DECLARED}", modules=_MODULES, targets={})
    spec = replace(
        like,
        name="declared",
        source="declared/declared.yaml",
        templates=tuple(templates.values()),
        model_types=(replace(model_type, config_type=model_type.name),),
        models=(),
        overrides=(),
    )
    return Catalogue((spec,))


def run(root: Path, vision: Path | None) -> dict[str, Any]:
    """The answer of the worker, see :mod:`..engines.mm_plugin_worker`.

    Raises:
        WorkerError: it has none.
    """
    names = {name: [family.template, f"{family.template}{_DECLARED}"] for name, family in FAMILIES.items()}
    with PythonWorker("mm_plugin_worker") as worker:
        folder = vision and str(vision.resolve())
        answer: dict[str, Any] = worker.ask({"root": str(root.resolve()), "vision": folder, "families": names})
        return answer


def _wrong(family: Family, found: Mapping[str, Any]) -> Iterator[str]:
    for case, result in found["cases"].items():
        way, said, *itself = result if isinstance(result, list) else (result, "")
        if family.refused is not None:
            if case == "one image" and not (way == "ours" and family.refused in said):
                yield f"{case}: should be refused, not {way}: {said}"
            continue
        due = ["theirs"] if case in family.theirs else ["differs", "ours"] if case in family.differs else ["equal"]
        if way not in due or any(alike != "equal" for alike in itself):
            yield f"{case}: should be {' or '.join(due)}, not {way}: {said}; ours beside the processor itself: {itself}"
    for mistake, said in () if family.refused else found["errors"].items():
        if _ERRORS[mistake] not in said:
            yield f"{mistake}: {said}"


def lines(answer: Mapping[str, Any]) -> Iterator[str]:
    """What was seen, in words; the last line counts."""
    yield ", ".join(f"{name} {version}" for name, version in answer["versions"].items())
    yield f"processor_plugin.py {digest()}"
    counts: Counter[str] = Counter()
    for name, found in answer["families"].items():
        family = FAMILIES[name]
        yield f"{name}: {found['processor']}, {family.inputs}"
        for case, result in found["cases"].items():
            way, said, *itself = map(str, result if isinstance(result, list) else (result, ""))
            if family.refused is None or case == "one image":
                told = [_WAYS.get(way, way), *(["as the processor itself"] if itself else [])]
                counts[", ".join(told)] += 1
                reasons = [family.differs[case]] if case in family.differs else []
                yield f"  {case}: {'; '.join([', '.join(told), *reasons, *([' '.join(said.split())] if said else [])])}"
        for mistake, said in () if family.refused else found["errors"].items():
            yield f"  {mistake}: {said}"
            counts["mistakes named"] += 1
    for model_type, frozen in answer["parts"].items():
        yield f"{model_type}: {frozen}"
    yield "; ".join(f"{count} {what}" for what, count in sorted(counts.items()))


def digest() -> str:
    """The sha256 of the shared module's body, by which the record is known to be of this version."""
    body = environment("llamafactory").get_template("processor_plugin.py.j2").render()
    return hashlib.sha256(body.encode()).hexdigest()
