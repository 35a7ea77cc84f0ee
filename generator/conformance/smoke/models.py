"""Tiny models with random weights, in folders as the frameworks and transformers read them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from ..engines.tokenizers import byte_level
from .cases import Case

MARKERS = ("<|im_start|>", "<|endoftext|>", "<tool_call>", "</tool_call>", "<think>", "</think>")
IMAGE_SIZES = ((40, 28), (28, 56))  # pixels, of the images that :func:`make_images` paints
_SIZES: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "max_position_embeddings": 8192,
}


def make_model(case: Case, folder: Path, tokenizers: Path) -> None:
    """Make the model's folder; the same weights every time. ``tokenizers`` holds the real tokenizers."""
    import torch
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    torch.manual_seed(7)
    (_make_seeing if case.images else _make_text)(case, folder, tokenizers)


def make_images(folder: Path) -> list[str]:
    """Paint two images of different sizes; returns their paths."""
    from PIL import Image

    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for index, (width, height) in enumerate(IMAGE_SIZES):
        image = Image.new("RGB", (width, height))
        for x in range(width):
            for y in range(height):
                image.putpixel((x, y), (x * 255 // width, y * 255 // height, 120 * index))
        paths.append(str(folder / f"image-{index}.png"))
        image.save(paths[-1])
    return paths


def _make_text(case: Case, folder: Path, tokenizers: Path) -> None:
    from transformers import AutoTokenizer, GenerationConfig, Qwen2Config, Qwen2ForCausalLM

    if case.real_tokenizer:
        shutil.copytree(tokenizers / case.real_tokenizer / "models", folder)
        tokenizer = AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
        tokenizer.chat_template = None
    else:
        tokenizer = byte_level(None, "<|im_end|>", MARKERS)
    _save_tokenizer(tokenizer, folder)
    ids = {"eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id, "bos_token_id": None}
    sizes = {**_SIZES, "num_key_value_heads": 2, "vocab_size": len(tokenizer), "tie_word_embeddings": True}
    Qwen2ForCausalLM(Qwen2Config(**sizes, **ids)).save_pretrained(str(folder))
    stops = tokenizer.convert_tokens_to_ids(["<|im_end|>", "<|endoftext|>"])
    GenerationConfig(eos_token_id=stops, pad_token_id=tokenizer.pad_token_id).save_pretrained(str(folder))


def _save_tokenizer(tokenizer: Any, folder: Path) -> None:
    """Save it so that transformers 4 reads it too, which ms-swift 3 needs and which has no ``TokenizersBackend``."""
    tokenizer.save_pretrained(str(folder))
    path = folder / "tokenizer_config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    if config["tokenizer_class"] == "TokenizersBackend":
        path.write_text(json.dumps({**config, "tokenizer_class": "PreTrainedTokenizerFast"}), encoding="utf-8")


def _make_seeing(case: Case, folder: Path, tokenizers: Path) -> None:
    from transformers import (
        CLIPImageProcessorPil,
        CLIPVisionConfig,
        LlamaConfig,
        LlavaConfig,
        LlavaForConditionalGeneration,
        LlavaProcessor,
    )

    tokenizer = byte_level("<s>", "</s>", ("<image>",))
    side = {"height": 28, "width": 28}
    processor = LlavaProcessor(
        image_processor=CLIPImageProcessorPil(size=side, crop_size=side),
        tokenizer=tokenizer,
        patch_size=14,
        vision_feature_select_strategy="default",
        image_token="<image>",
        num_additional_image_tokens=1,
    )
    processor.save_pretrained(str(folder))
    _save_tokenizer(tokenizer, folder)
    image_processor = json.loads((folder / "processor_config.json").read_text(encoding="utf-8"))["image_processor"]
    (folder / "preprocessor_config.json").write_text(json.dumps(image_processor), encoding="utf-8")
    ids = {key: getattr(tokenizer, key) for key in ("bos_token_id", "eos_token_id", "pad_token_id")}
    config = LlavaConfig(
        text_config=LlamaConfig(**_SIZES, **ids, vocab_size=len(tokenizer)),
        vision_config=CLIPVisionConfig(**_SIZES, image_size=28, patch_size=14, projection_dim=32),
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        image_seq_length=4,
        vision_feature_layer=-1,
        vision_feature_select_strategy="default",
    )
    LlavaForConditionalGeneration(config).save_pretrained(str(folder))
