"""The shared module of declared plugins, without LLaMA-Factory and torch: stand-ins hold the little that it uses."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from chatwright.catalogue.build import build_spec
from chatwright.catalogue.model import Catalogue
from chatwright.errors import Location
from chatwright.inspection.draft.facts import plugin_data
from chatwright.pipeline.export import export
from chatwright.targets.llamafactory import generate
from chatwright.targets.pages import settings
from chatwright.targets.protocol import Context
from chatwright.targets.rendering import environment

DATA = {
    "name": "demo",
    "title": "Demo",
    "publisher": "Acme",
    "templates": {
        "demo": {"slots": {"image": "<img{{number}}>", "audio": "<snd>"}},
        "demo_plain": {"mm_plugin": {"name": "llama4", "image_token": "<i>"}},
    },
    "mm_plugin": {"name": "demo_vl", "inputs": "nested", "image_token": "<i>", "audio_token": "<a>"},
    "model_types": {
        "demo": {
            "config_type": "demo_config",
            "modules": {"language_model": ["lm"], "projector": ["merger"], "vision_tower": ["blocks"]},
        }
    },
    "models": [{"template": "demo", "model_type": "demo", "checkpoints": [{"name": "Demo-7B", "path": "/demo"}]}],
}
SPEC = build_spec(DATA, path="demo.yaml", source="acme/demo.yaml", locate=lambda _: Location("demo.yaml"))
CATALOGUE = Catalogue((SPEC,))


class Image(str):
    """Of a file, which Pillow reads in two steps."""

    def load(self) -> None:
        if self.startswith("half"):
            raise OSError("image file is truncated")


@dataclass
class BasePlugin:
    image_token: str | None
    video_token: str | None
    audio_token: str | None
    expand_mm_tokens: bool = True

    def _regularize_images(self, images: list[Any], **limits: Any) -> Any:
        if "broken" in images:
            raise OSError("no image")
        return {"images": [Image(f"{image}@{limits['image_max_pixels']}") for image in images]}

    def _regularize_audios(self, audios: list[Any], sampling_rate: int) -> Any:
        return {"audios": [f"{audio}@{sampling_rate}" for audio in audios]}


class Processor:
    """Makes two tokens of an image and one of a clip, and remembers what it was called with."""

    model_input_names = ("input_ids", "pixels")
    image_processor = feature_extractor = object()

    def __init__(self) -> None:
        self.calls: list[Any] = []
        self.tokenizer = lambda text, **options: {"input_ids": list(text)}

    def __call__(self, text: list[str], images: Any = None, audio: Any = None, **options: Any) -> Any:
        self.calls.append((images, audio))
        text = [self.expand(each) for each in text]
        return {**self.tokenizer(text, padding=False), "pixels": images, "sounds": audio}

    def expand(self, text: str) -> str:
        return text.replace("<img1>", "[1][1]").replace("<img2>", "[2][2]").replace("<snd>", "[s]")


class Around(Processor):
    def expand(self, text: str) -> str:
        return f"[1]{text}"


class Crossing(Processor):
    model_input_names = ("cross_attention_mask",)


class Failing(Processor):
    def expand(self, text: str) -> str:
        raise IndexError("list index out of range")


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    plugins: dict[str, Any] = {"llama4": BasePlugin}
    contents: dict[str, dict[str, Any]] = {
        "llamafactory": {},
        "llamafactory.data": {},
        "llamafactory.data.mm_plugin": {
            "PLUGINS": plugins,
            "BasePlugin": BasePlugin,
            "Gemma4Plugin": BasePlugin,
            "register_mm_plugin": plugins.__setitem__,
        },
        "llamafactory.extras": {},
        "llamafactory.extras.constants": {
            f"{kind}_PLACEHOLDER": f"<{kind.lower()}>" for kind in ("IMAGE", "VIDEO", "AUDIO")
        },
        "torch": {"Tensor": SimpleNamespace, "equal": None},
        "processor_plugin": {},
    }
    for name, content in contents.items():
        found = ModuleType(name)
        vars(found).update(content)
        monkeypatch.setitem(sys.modules, name, found)
    body = environment("llamafactory").get_template("processor_plugin.py.j2").render()
    found = sys.modules["processor_plugin"]
    exec(compile(body, "processor_plugin.py", "exec"), vars(found))
    yield found


def plugin(module: Any, **settings: Any) -> Any:
    given = {"image_token": "<i>", "video_token": None, "audio_token": "<a>", "image_text": "<img{{number}}>"}
    return module.ProcessorPlugin(**{**given, "audio_text": "<snd>", **settings})


def said(*contents: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": content} for content in contents]


def test_each_medium_gets_its_tokens_in_its_place(module: Any) -> None:
    processor = Processor()
    given = said("a <image> b <img1>", "<audio><image>")
    written = plugin(module).process_messages(given, ["x", "y"], [], ["z"], processor)
    assert [message["content"] for message in written] == ["a [1][1] b <img1>", "[s][2][2]"]
    assert given == said("a <image> b <img1>", "<audio><image>")
    assert processor.calls == [(["x@589824", "y@589824"], ["z@16000"])]


def test_engines_that_expand_themselves_get_the_texts_as_they_are(module: Any) -> None:
    processor = Processor()
    written = plugin(module, expand_mm_tokens=False).process_messages(said("<image>"), ["x"], [], [], processor)
    assert written[0]["content"] == "<img1>" and not processor.calls


@pytest.mark.parametrize(("inputs", "images"), [("flat", ["x@9", "y@9", "z@9"]), ("nested", [["x@9"], ["y@9", "z@9"]])])
def test_images_come_as_the_processor_takes_them(module: Any, inputs: str, images: Any) -> None:
    processor = Processor()
    processor.image_max_pixels = 9  # type: ignore[attr-defined]  # a setting of LLaMA-Factory's
    found = plugin(module, inputs=inputs).get_mm_inputs(
        ["x", "y", "z"], [], [], [1, 0, 2], [0] * 3, [0] * 3, [], processor
    )
    assert found == {"pixels": images, "sounds": None}


def test_texts_of_a_batch_are_numbered_each(module: Any) -> None:
    class Telling(Processor):
        def __call__(self, text: list[str], **given: Any) -> Any:
            return {**super().__call__(text, **given), "pixels": text}

    found = plugin(module).get_mm_inputs(["x", "y", "z"], [], [], [1, 0, 2], [0] * 3, [0] * 3, [], Telling())
    assert found["pixels"] == ["<img1>", "<img1><img2>"]


def test_a_text_that_the_processor_does_not_know_is_named(module: Any) -> None:
    with pytest.raises(ValueError, match="leaves the image text '<typo>' as it is, without <i>: slots"):
        plugin(module, image_text="<typo>").process_messages(said("<image>"), ["x"], [], [], Processor())


def test_media_in_one_tensor_by_their_order_are_refused(module: Any) -> None:
    class Mixing(Processor):
        def __call__(self, text: list[str], **given: Any) -> Any:
            return {**super().__call__(text, **given), "pixels": text}

    asked = (["x"], [], ["z"], [1], [0], [1], [])
    assert plugin(module).get_mm_inputs(*asked, Processor())["pixels"]
    with pytest.raises(ValueError, match="Mixing puts several kinds of media into one tensor"):
        plugin(module).get_mm_inputs(*asked, Mixing())


@pytest.mark.parametrize(
    ("contents", "images", "processor", "message"),
    [
        (
            ["<image>", "a<image>b<image>"],
            ["x"],
            Processor(),
            r"hold 3 <image> \(1 in message 1, 2 in message 2\), and there are 1",
        ),
        (["a"], ["x"], Processor(), r"hold 0 <image> \(in none of them\), and there are 1"),
        (["<image>"], ["x"], None, "processor is missing"),
        (["<image>"], ["x"], SimpleNamespace(), "SimpleNamespace has no tokenizer"),
        (["<image>"], ["x"], SimpleNamespace(tokenizer=1, model_input_names=()), "missing its image_processor"),
        (["<image><image>"], ["x", "broken"], Processor(), "image 2 of 2, 'broken', cannot be read: no image"),
        (["<image>"], ["half.png"], Processor(), "image 1 of 1, 'half.png', cannot be read: image file is truncated"),
        (["<image>"], ["x"], Around(), "Around does more to a text"),
        (["<image>"], ["x"], Crossing(), "Crossing ties each image to a place"),
        (["<image>"], ["x"], Failing(), "Failing does not take these media: list index out of range"),
    ],
)
def test_mistakes_are_named(module: Any, contents: list[str], images: list[str], processor: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        plugin(module).process_messages(said(*contents), images, [], [], processor)


def test_media_that_the_model_does_not_take_are_refused(module: Any) -> None:
    with pytest.raises(ValueError, match="takes no video"):
        plugin(module).process_messages(said("<video>"), [], ["x"], [], Processor())


def test_a_name_is_registered_once_and_never_taken_away(module: Any) -> None:
    module.register_plugin("demo_vl")
    module.register_plugin("demo_vl")
    assert module.PLUGINS["demo_vl"] is module.ProcessorPlugin
    with pytest.raises(ValueError, match=r"a plugin 'llama4' of its own \(BasePlugin\)"):
        module.register_plugin("llama4")


def test_a_spec_registers_the_plugins_that_it_declares() -> None:
    files = {file.path: file.body for file in generate(Context(CATALOGUE, {}, {})).files}
    spec = files["llamafactory/chatwright_llamafactory/acme_demo.py"]
    spec = spec.replace("'", '"')  # black's quotes, which the body need not have yet
    assert 'register_plugin("demo_vl")' in spec and 'register_plugin("llama4")' not in spec
    assert '"image_text": "<img{{number}}>",' in spec and '"audio_text": "<snd>",' in spec
    assert '"inputs": "nested"' in spec
    assert 'model_type="demo_config"' in spec and 'templates=["demo"]' in spec
    assert "llamafactory/chatwright_llamafactory/processor_plugin.py" in files


def test_the_page_tells_a_declared_plugin() -> None:
    told = [dict(settings(template)).get("mm_plugin.inputs") for template in SPEC.templates]
    assert told == ["nested", None]


def test_llamafactorys_own_sources_get_the_plugin_and_the_parts() -> None:
    files = dict(export(CATALOGUE, "demo", "llamafactory").files)
    assert list(files) == [f"demo.llamafactory.{kind}.py" for kind in ("template", "plugin", "models", "composites")]
    assert 'register_plugin("demo_vl")' in files["demo.llamafactory.template.py"]
    assert 'vision_model_keys=["blocks"]' in files["demo.llamafactory.composites.py"]
    assert len(export(CATALOGUE, "demo_plain", "llamafactory").files) == 1


def test_a_draft_takes_a_declared_plugin_over_as_it_is() -> None:
    plugin = SPEC.templates[0].mm_plugin
    assert plugin is not None
    assert plugin_data(plugin) == DATA["mm_plugin"]
