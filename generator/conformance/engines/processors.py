"""Hugging Face processors made on the spot: real classes, small images, byte-level tokenizers, nothing downloaded.

A model's processor is its image processor, video processor or feature extractor with their settings, and a tokenizer
that knows the special tokens. Here the settings are the classes' own, with sizes cut down, and the tokenizer is
:func:`.tokenizers.byte_level`.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from .tokenizers import byte_level

BOS, EOS = "<bos>", "<eos>"


def load_torchvision(folder: Path | None) -> bool:
    """Make torchvision importable from a folder; False where there is none.

    Some image processors need it, and all video processors. Of a build for another kind of torch (a GPU's with one for
    the CPU) the compiled operators cannot be loaded. Processors use none of them, but its import asks for two by name.
    """
    if folder is None or not (folder / "torchvision").is_dir():
        return False
    import torch

    sys.path.insert(0, str(folder))
    try:
        importlib.import_module("torchvision")
    except RuntimeError:
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[name]
        for name in ("nms", "qnms"):
            torch.library.define(f"torchvision::{name}", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        importlib.import_module("torchvision")
    return True


def make(family: str) -> Any:
    """The processor of a family, one of :data:`PROCESSORS`.

    Raises:
        ImportError: transformers needs torchvision for it, and it is not there.
    """
    import transformers

    return PROCESSORS[family](transformers)


def _tokenizer(*special: str, **named: str) -> Any:
    tokenizer = byte_level(BOS, EOS, [*special, *named.values()])
    for name, token in named.items():
        setattr(tokenizer, name, token)
        setattr(tokenizer, f"{name}_id", tokenizer.convert_tokens_to_ids(token))
    return tokenizer


def _qwen2_vl(hf: Any) -> Any:
    tokenizer = _tokenizer("<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>")
    images = hf.Qwen2VLImageProcessor(size={"shortest_edge": 4 * 28 * 28, "longest_edge": 40 * 28 * 28})
    videos = hf.Qwen2VLVideoProcessor(size={"shortest_edge": 4 * 28 * 28, "longest_edge": 40 * 28 * 28})
    return hf.Qwen2VLProcessor(images, tokenizer, videos)


def _qwen2_5_vl(hf: Any) -> Any:
    base = _qwen2_vl(hf)
    return hf.Qwen2_5_VLProcessor(base.image_processor, base.tokenizer, base.video_processor)


def _glm4v(hf: Any) -> Any:
    marks = [f"<|{edge}_of_{kind}|>" for kind in ("image", "video") for edge in ("begin", "end")]
    size = {"shortest_edge": 112 * 112, "longest_edge": 28 * 28 * 80}
    images, videos = hf.Glm4vImageProcessor(size=size), hf.Glm4vVideoProcessor(size=size)
    return hf.Glm4vProcessor(images, _tokenizer(*marks, "<|image|>", "<|video|>"), videos)


def _gemma3(hf: Any) -> Any:
    tokens = {"image_token": "<image_soft_token>", "boi_token": "<start_of_image>", "eoi_token": "<end_of_image>"}
    images = hf.Gemma3ImageProcessor(size={"height": 56, "width": 56})
    return hf.Gemma3Processor(images, _tokenizer(**tokens), image_seq_length=4)


def _llava(hf: Any) -> Any:
    images = hf.CLIPImageProcessor(size={"shortest_edge": 56}, crop_size={"height": 56, "width": 56})
    tokenizer = _tokenizer("<image>")
    strategy = {"vision_feature_select_strategy": "default", "num_additional_image_tokens": 1}
    return hf.LlavaProcessor(images, tokenizer, patch_size=14, **strategy)


def _llava_next(hf: Any) -> Any:
    images = hf.LlavaNextImageProcessor(
        size={"shortest_edge": 56},
        crop_size={"height": 56, "width": 56},
        image_grid_pinpoints=[[56, 112], [112, 56], [112, 112], [168, 56], [56, 168]],
    )
    strategy = {"vision_feature_select_strategy": "default", "num_additional_image_tokens": 1}
    return hf.LlavaNextProcessor(images, _tokenizer("<image>"), patch_size=14, **strategy)


def _llama4(hf: Any) -> Any:
    names = ("image", "image_start", "image_end", "patch", "tile_x_separator", "tile_y_separator")
    images = hf.Llama4ImageProcessor(size={"height": 56, "width": 56}, max_patches=4)
    return hf.Llama4Processor(images, _tokenizer(*(f"<|{name}|>" for name in names)), patch_size=14)


def _pixtral(hf: Any) -> Any:
    images = hf.PixtralImageProcessor(size={"longest_edge": 112}, patch_size={"height": 16, "width": 16})
    return hf.PixtralProcessor(images, _tokenizer("[IMG]", "[IMG_BREAK]", "[IMG_END]"), patch_size=16)


def _qwen2_audio(hf: Any) -> Any:
    sounds = hf.WhisperFeatureExtractor(feature_size=16, chunk_length=2)
    return hf.Qwen2AudioProcessor(sounds, _tokenizer("<|AUDIO|>", "<|audio_bos|>", "<|audio_eos|>"))


def _mllama(hf: Any) -> Any:
    images = hf.MllamaImageProcessor(size={"height": 56, "width": 56})
    return hf.MllamaProcessor(images, _tokenizer("<|image|>", "<|python_tag|>"))


def _paligemma(hf: Any) -> Any:
    images = hf.SiglipImageProcessor(size={"height": 56, "width": 56})
    images.image_seq_length = 16
    return hf.PaliGemmaProcessor(images, _tokenizer("<image>"))


def _qwen3_vl(hf: Any) -> Any:
    tokenizer = _tokenizer("<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>")
    images = hf.Qwen2VLImageProcessor(size={"shortest_edge": 4 * 32 * 32, "longest_edge": 40 * 32 * 32}, patch_size=16)
    videos = hf.Qwen3VLVideoProcessor(size={"shortest_edge": 4 * 32 * 32, "longest_edge": 400 * 32 * 32})
    return hf.Qwen3VLProcessor(images, tokenizer, videos)


def _qwen2_5_omni(hf: Any) -> Any:
    base = _qwen2_vl(hf)
    tokens = {f"{kind}_token": f"<|{kind.upper()}|>" for kind in ("image", "video", "audio")}
    tokens |= {f"{kind}_{edge}_token": f"<|{kind}_{edge}|>" for kind in ("vision", "audio") for edge in ("bos", "eos")}
    sounds = hf.WhisperFeatureExtractor(feature_size=16, chunk_length=2)
    return hf.Qwen2_5OmniProcessor(base.image_processor, base.video_processor, sounds, _tokenizer(**tokens))


def _internvl(hf: Any) -> Any:
    size = {"height": 56, "width": 56}
    tokens = {"start_image_token": "<img>", "end_image_token": "</img>", "context_image_token": "<IMG_CONTEXT>"}
    tokenizer = _tokenizer(**tokens, video_token="<video>")
    images, videos = hf.GotOcr2ImageProcessor(size=size), hf.InternVLVideoProcessor(size=size)
    return hf.InternVLProcessor(images, tokenizer, videos, image_seq_length=4)


def _lfm2_vl(hf: Any) -> Any:
    tokenizer = _tokenizer("<image>", "<|image_start|>", "<|image_end|>", "<|img_thumbnail|>")
    return hf.Lfm2VlProcessor(hf.Lfm2VlImageProcessor(), tokenizer)


def _video_llava(hf: Any) -> Any:
    size = {"size": {"shortest_edge": 56}, "crop_size": {"height": 56, "width": 56}}
    images, videos = hf.VideoLlavaImageProcessor(**size), hf.VideoLlavaVideoProcessor(**size)
    return hf.VideoLlavaProcessor(images, videos, _tokenizer("<image>", "<video>"))


def _llava_next_video(hf: Any) -> Any:
    base = _llava_next(hf)
    videos = hf.LlavaNextVideoVideoProcessor(size={"shortest_edge": 56}, crop_size={"height": 56, "width": 56})
    strategy = {"vision_feature_select_strategy": "default", "num_additional_image_tokens": 1}
    tokenizer = _tokenizer("<image>", "<video>")
    return hf.LlavaNextVideoProcessor(videos, base.image_processor, tokenizer, patch_size=14, **strategy)


def _gemma3n(hf: Any) -> Any:
    tokens = {
        f"{name}_token": token
        for name, token in (
            ("image", "<image_soft_token>"),
            ("boi", "<start_of_image>"),
            ("eoi", "<end_of_image>"),
            ("audio", "<audio_soft_token>"),
            ("boa", "<start_of_audio>"),
            ("eoa", "<end_of_audio>"),
        )
    }
    images = hf.SiglipImageProcessor(size={"height": 56, "width": 56})
    sounds = hf.Gemma3nAudioFeatureExtractor()
    return hf.Gemma3nProcessor(sounds, images, _tokenizer(**tokens), image_seq_length=4, audio_seq_length=4)


PROCESSORS: Mapping[str, Callable[[Any], Any]] = {
    "gemma3": _gemma3,
    "gemma3n": _gemma3n,
    "glm4v": _glm4v,
    "internvl": _internvl,
    "lfm2_vl": _lfm2_vl,
    "llama4": _llama4,
    "llava": _llava,
    "llava_next": _llava_next,
    "llava_next_video": _llava_next_video,
    "mllama": _mllama,
    "paligemma": _paligemma,
    "pixtral": _pixtral,
    "qwen2_5_omni": _qwen2_5_omni,
    "qwen2_5_vl": _qwen2_5_vl,
    "qwen2_audio": _qwen2_audio,
    "qwen2_vl": _qwen2_vl,
    "qwen3_vl": _qwen3_vl,
    "video_llava": _video_llava,
}
