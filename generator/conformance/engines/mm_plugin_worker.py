"""The process in which declared multimodal plugins run beside LLaMA-Factory's own, on real processors.

Asked with ``root``, the folder that holds ``generated/``, ``vision``, a folder with torchvision or null, and
``families``, ``[template with the built-in plugin, template with the declared one]`` by family of :mod:`.processors`,
it answers:

- ``versions`` of the packages;
- ``families``: for each ``missing``, why it could not be tried, or its ``processor`` (the class), ``cases`` by name
  (``equal``; ``["ours", what it raised]``; or ``["theirs", what it raised]`` or ``["differs", in what]``, and behind
  that how ours compares with what the processor makes of the whole text), and ``errors``, what the declared plugin
  raised by mistake;
- ``parts``: what is frozen of models with declared parts.
"""

from __future__ import annotations

import copy
import importlib.metadata
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from chatwright.inspection.token_ids import first_difference

from . import llamafactory, processors
from .worker import serve

Size = tuple[int, int]
_TYPES = ("token_type_ids", "mm_token_type_ids")  # a batch has them of its own ids


@dataclass(frozen=True)
class Sample:
    """One conversation: its contents in turn, image sizes, videos as (frames, size), and clips as numbers of values."""

    contents: tuple[str, ...]
    images: tuple[Size, ...] = ()
    videos: tuple[tuple[int, Size], ...] = ()
    audios: tuple[int, ...] = ()


_SQUARE = (64, 64)
_SIZES: tuple[Size, ...] = ((64, 64), (200, 80), (90, 310), (1200, 900), (9, 7), (333, 57))
_TURNS = ("<image>What is this?", "A cat.", "And <image>this, <image>?")
IMAGES: Mapping[str, Sequence[Sample]] = {
    "one image": [Sample(("<image>What is this?",), (_SQUARE,))],
    "several images": [Sample(("<image><image>Compare them with <image>.",), (_SQUARE,) * 3)],
    "images in several turns": [Sample(_TURNS, (_SQUARE,) * 3)],
    "mixed sizes": [Sample(("<image>" * 3, "Yes?", "<image>" * 3), _SIZES)],
    "text only": [Sample(("Hello.", "Hi!"))],
    "a batch": [Sample(_TURNS, _SIZES[:3]), Sample(("Hello.",)), Sample(("<image>What?",), _SIZES[1:2])],
    "tokens in the text": [Sample(("The words {token} and {text} are text, <image> is none.",), (_SQUARE,))],
}
VIDEOS: Mapping[str, Sequence[Sample]] = {
    "one video": [Sample(("<video>What happens?",), videos=((4, (96, 64)),))],
    "an odd number of frames": [Sample(("<video>What happens?",), videos=((5, (96, 64)),))],
    "images and videos": [
        Sample(("<video> and <image>?", "Yes.", "<video>"), (_SQUARE,), ((4, (96, 64)), (4, (96, 64)))),
        Sample(("<image>What?",), _SIZES[1:2]),
    ],
    "several videos": [Sample(("<video> and <video>?",), videos=((6, (96, 64)), (4, (80, 120))))],
}
AUDIO: Mapping[str, Sequence[Sample]] = {
    "one clip": [Sample(("<audio>What is said?",), audios=(8000,))],
    "several clips": [Sample(("<audio>", "Yes.", "<audio><audio>"), audios=(8000, 4000, 16000))],
    "text only": [Sample(("Hello.",))],
}


def _answer(request: Mapping[str, Any]) -> dict[str, Any]:
    has_torchvision = processors.load_torchvision(Path(request["vision"]) if request["vision"] else None)
    llamafactory.load()
    with llamafactory.generated_package(Path(request["root"])) as package:
        package.register_all()
    packages = ("llamafactory", "transformers", *(("torchvision",) if has_torchvision else ()))
    found: dict[str, Any] = {"versions": {name: importlib.metadata.version(name) for name in packages}, "families": {}}
    for family, names in request["families"].items():
        theirs, ours = (llamafactory.templates()[name].mm_plugin for name in names)
        try:
            processor = processors.make(family)
        except ImportError as error:
            found["families"][family] = {"missing": " ".join(str(error).split())[:80]}
            continue
        with tempfile.TemporaryDirectory(prefix="chatwright-") as folder:
            found["families"][family] = {
                "processor": type(processor).__name__,
                "cases": dict(_cases(theirs, ours, processor, Path(folder))),
                "errors": dict(_errors(ours, processor, Path(folder))),
            }
    found["parts"] = _parts(package)
    return found


def _cases(theirs: Any, ours: Any, processor: Any, folder: Path) -> Iterator[tuple[str, Any]]:
    asked: dict[str, Sequence[Sample]] = {}
    if ours.image_token:
        asked.update(IMAGES)
        if "<image>" in (ours.image_token, ours.image_text):  # then such words are places for images
            del asked["tokens in the text"]
    asked.update(VIDEOS if ours.video_token else {})
    asked.update(AUDIO if ours.audio_token else {})
    for name, samples in asked.items():
        yield name, _compared(theirs, ours, samples, processor)
    if ours.image_token:
        yield "as files", _compared(theirs, ours, IMAGES["mixed sizes"], processor, folder)
        theirs.expand_mm_tokens = ours.expand_mm_tokens = False  # as the engines for vLLM and SGLang have it
        yield "not expanded", _compared(theirs, ours, IMAGES["images in several turns"], processor)
        theirs.expand_mm_tokens = ours.expand_mm_tokens = True
    if hasattr(getattr(processor, "image_processor", None), "do_pan_and_scan"):
        processor.image_do_pan_and_scan = True  # where LLaMA-Factory keeps its setting of that name
        yield "pan and scan", _compared(theirs, ours, IMAGES["mixed sizes"], processor)
        processor.image_do_pan_and_scan = False


def _compared(theirs: Any, ours: Any, samples: Sequence[Sample], processor: Any, folder: Path | None = None) -> Any:
    try:
        our_texts, our_inputs = _run(ours, samples, processor, folder)
    except Exception as error:
        return ["ours", f"{type(error).__name__}: {error}"]

    def beside(side: str, said: str) -> list[str]:
        alike = ours.expand_mm_tokens and _as_the_processor_itself(
            ours, theirs, samples, our_texts, our_inputs, processor
        )
        return [side, said, *([alike] if alike else [])]

    try:
        texts, inputs = _run(theirs, samples, processor, folder)
    except Exception as error:
        return beside("theirs", f"{type(error).__name__}: {error}")
    if texts != our_texts:
        one, other = ("".join(map("".join, each)) for each in (our_texts, texts))
        place = first_difference(one, other)
        shown = f"{one[place : place + 60]!r} instead of {other[place : place + 60]!r}"
        return beside("differs", f"text: {shown} at character {place}")
    # A plugin of LLaMA-Factory's hands over more than goes to the model: nothing, and what it knows of frames.
    due = {name: value for name, value in inputs.items() if value is not None and name != "video_metadata"}
    differing = _differing(our_inputs, due)
    return "equal" if differing == "equal" else beside("differs", differing)


def _differing(ours: Mapping[str, Any], due: Mapping[str, Any]) -> str:
    if ours.keys() != due.keys():
        return f"tensors: {sorted(ours)} instead of {sorted(due)}"
    differing = [key for key in due if not _same(due[key], ours[key])]
    return f"other {', '.join(differing)}" if differing else "equal"


def _as_the_processor_itself(
    plugin: Any,
    theirs: Any,
    samples: Sequence[Sample],
    texts: Sequence[Sequence[str]],
    inputs: Mapping[str, Any],
    processor: Any,
) -> str:
    """How a plugin's texts and tensors compare with one plain call of the processor on whole conversations.

    Images are read by LLaMA-Factory's own plugin, videos and clips by the one that is looked at.
    """
    wholes: list[str] = []
    per_text: list[int] = []
    media: tuple[list[Any], ...] = ([], [], [])
    for sample in samples:
        whole = "".join(_contents(plugin, sample))
        for kind in ("image", "video", "audio"):
            whole = whole.replace(f"<{kind}>", getattr(plugin, f"{kind}_text") or "")
        wholes.append(whole)
        own = _media(sample, None)
        per_text.append(len(own[0]))
        for all_, found in zip(media, own, strict=True):
            all_ += found
    given = plugin._read_media(dict(zip(("image", "video", "audio"), media, strict=True)), processor)
    if media[0]:
        given["images"] = theirs._regularize_images(media[0], image_max_pixels=768 * 768, image_min_pixels=32 * 32)[
            "images"
        ]
    if plugin.inputs == "nested" and "images" in given:
        left = iter(given["images"])
        given["images"] = [[next(left) for _ in range(count)] for count in per_text]
    found = processor(text=wholes, return_tensors="pt", padding=True, **given)
    ids = [row[mask.bool()].tolist() for row, mask in zip(found["input_ids"], found["attention_mask"], strict=True)]
    if ids != [processor.tokenizer.encode("".join(text), add_special_tokens=False) for text in texts]:
        return "other texts"
    of_text = ("input_ids", "attention_mask", *_TYPES)
    due = {name: value for name, value in found.items() if name not in of_text}
    return _differing({name: value for name, value in inputs.items() if name not in of_text}, due)


def _same(one: Any, other: Any) -> bool:
    """Whether tensors are equal in type, shape and every value, and lists so throughout.

    A list of numbers may stand for the tensor of them, as where LLaMA-Factory computes one itself.
    """
    import torch

    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        return one.dtype == other.dtype and bool(torch.equal(one, other))
    if isinstance(one, list) and isinstance(other, torch.Tensor):
        return bool(torch.equal(torch.tensor(one, dtype=other.dtype), other))
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        return len(one) == len(other) and all(map(_same, one, other))
    return type(one) is type(other) and bool(one == other)


def _run(
    plugin: Any, samples: Sequence[Sample], processor: Any, folder: Path | None
) -> tuple[list[list[str]], Mapping[str, Any]]:
    """The texts and the tensors of a batch, as LLaMA-Factory's data processing and collator ask for them.

    The images are files in ``folder`` where one is given.
    """
    texts, ids = [], []
    media: tuple[list[Any], ...] = ([], [], [])
    lens: tuple[list[int], ...] = ([], [], [])
    for sample in samples:
        own = _media(sample, folder)
        messages = [{"role": "user", "content": content} for content in _contents(plugin, sample)]
        written = plugin.process_messages(messages, *own, processor)
        texts.append([message["content"] for message in written])
        ids.append(processor.tokenizer.encode("".join(texts[-1]), add_special_tokens=False))
        for all_, found, counts in zip(media, own, lens, strict=True):
            all_ += found
            counts.append(len(found))
    return texts, plugin.get_mm_inputs(*media, *lens, ids, processor)


def _contents(plugin: Any, sample: Sample) -> list[str]:
    words = {"{token}": plugin.image_token or "", "{text}": "<|vision_start|><start_of_image>"}
    contents = []
    for content in sample.contents:
        for word, text in words.items():
            content = content.replace(word, text)
        contents.append(content)
    return contents


def _media(sample: Sample, folder: Path | None) -> tuple[list[Any], list[Any], list[Any]]:
    """Noise, the same for the same sample; images as files in the folder where one is given."""
    import numpy as np

    images = [_image(size, number) for number, size in enumerate(sample.images)]
    if folder is not None:
        paths = [folder / f"{number}.png" for number in range(len(images))]
        for image, path in zip(images, paths, strict=True):
            image.save(path)
        images = [str(path) for path in paths]
    videos = [[_image(size, number) for number in range(frames)] for frames, size in sample.videos]
    return images, videos, [np.random.default_rng(size).standard_normal(size, np.float32) for size in sample.audios]


def _image(size: Size, seed: int) -> Any:
    import numpy as np
    from PIL import Image

    width, height = size
    pixels = np.random.default_rng([seed, *size]).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels).convert("L" if seed % 3 == 2 else "RGB")


def _errors(plugin: Any, processor: Any, folder: Path) -> Iterator[tuple[str, str]]:
    """What the declared plugin raises for a user's mistakes."""
    kind = "image" if plugin.image_token else "audio"
    (one,) = (IMAGES["one image"] if kind == "image" else AUDIO["one clip"])[:1]
    media = _media(one, None)
    messages = [{"role": "user", "content": content} for content in one.contents]
    broken = folder / "broken.png"
    broken.write_text("no image", encoding="utf-8")
    half = folder / "half.png"
    _image((400, 300), 1).save(half)
    half.write_bytes(half.read_bytes()[:40_000])
    place = 0 if kind == "image" else 2

    def instead(*given: Any) -> list[list[Any]]:
        return [list(given) if index == place else [] for index in range(3)]

    mistakes: dict[str, Callable[[], Any]] = {
        "too few media": lambda: plugin.process_messages(messages, [], [], [], processor),
        "too many media": lambda: plugin.process_messages(messages, *instead(*media[place] * 2), processor),
        "no processor": lambda: plugin.process_messages(messages, *media, None),
        "no part of the processor": lambda: plugin.process_messages(messages, *media, _without(processor, kind)),
        "no such file": lambda: plugin.process_messages(messages, *instead("nowhere.png"), processor),
    }
    if kind == "image":
        mistakes["no image in the file"] = lambda: plugin.process_messages(messages, *instead(str(broken)), processor)
        mistakes["half an image"] = lambda: plugin.process_messages(messages, *instead(str(half)), processor)
    for name, make in mistakes.items():
        try:
            make()
            yield name, "nothing"
        except ValueError as error:
            yield name, str(error).replace(str(folder), "")
        except Exception as error:
            yield name, f"{type(error).__name__}: {error}"


def _without(processor: Any, kind: str) -> Any:
    bare = copy.copy(processor)
    for part in {"image": ("image_processor", "video_processor"), "audio": ("feature_extractor",)}[kind]:
        setattr(bare, part, None)
    return bare


def _parts(package: Any) -> Any:
    """What LLaMA-Factory freezes of each composite model that the generated package has registered."""
    try:
        from llamafactory.model.model_utils.visual import COMPOSITE_MODELS, get_forbidden_modules
    except ImportError as error:
        return {"missing": str(error)}
    switches = ("freeze_vision_tower", "freeze_multi_modal_projector", "freeze_language_model")
    found = {}
    for name in [name for name in COMPOSITE_MODELS if name.endswith("_declared")]:
        config = SimpleNamespace(model_type=name)
        found[name] = {
            each: sorted(get_forbidden_modules(config, SimpleNamespace(**{other: other == each for other in switches})))
            for each in switches
        }
    return found


if __name__ == "__main__":
    serve(lambda: _answer)
