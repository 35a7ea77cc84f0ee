"""Model folders with tiny tokenizers: one token per byte, and the special tokens that a template needs."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from chatwright.errors import Unsupported
from chatwright.meaning.sandbox import Refused
from conformance.checks.model_folders import Folder, faultless
from conformance.engines.jinja import transformers_renderer
from conformance.engines.tokenizers import byte_level
from tests.support import catalogue

os.environ["TRANSFORMERS_NO_ADVISORY_WARNINGS"] = "1"  # before a fixture imports it, as verify does by itself

LEVELS = "glm5_2"  # a template whose thinking has levels

# template -> BOS, EOS and further special tokens, as its models' tokenizers have them
TOKENS: Mapping[str, tuple[str | None, str, Sequence[str]]] = {
    "deepseek3": ("<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", ["<｜User｜>", "<｜Assistant｜>"]),
    LEVELS: (None, "<|endoftext|>", ["[gMASK]", "<sop>", "<|system|>", "<|user|>", "<|assistant|>", "<|observation|>"]),
    "gpt_oss": ("<|startoftext|>", "<|return|>", ["<|start|>", "<|end|>", "<|message|>", "<|channel|>", "<|call|>"]),
    "intern2": ("<s>", "</s>", ["<|im_start|>", "<|im_end|>"]),
    "llama3": (
        "<|begin_of_text|>",
        "<|end_of_text|>",
        ["<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"],
    ),
    "llava_next_qwen_hf": (None, "<|im_end|>", ["<|im_start|>", "<|endoftext|>"]),
    "mistral": ("<s>", "</s>", ["[INST]", "[/INST]", "[TOOL_CALLS]", "[TOOL_RESULTS]", "[/TOOL_RESULTS]"]),
    "qwen": (None, "<|im_end|>", ["<|im_start|>", "<|endoftext|>", "<tool_call>", "</tool_call>"]),
    "qwen2_5": (None, "<|im_end|>", ["<|im_start|>", "<|endoftext|>"]),
    "qwen2_vl": (
        None,
        "<|im_end|>",
        ["<|im_start|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>"],
    ),
    "qwen3": (None, "<|im_end|>", ["<|im_start|>", "<|endoftext|>", "<tool_call>", "</tool_call>"]),
    "yi": (None, "<|endoftext|>", ["<|im_start|>", "<|im_end|>"]),
}


def make(template: str, path: Path) -> Folder:
    """A faultless folder for a template."""
    bos, eos, special = TOKENS[template]
    source = path / "source"
    byte_level(bos, eos, special).save_pretrained(source)
    return faultless(catalogue(), source, template, path / "model")


def in_process(source: str, requests: Sequence[Mapping[str, Any]], today: date) -> list[str | Refused]:
    """What the sandbox answers, without its process: for templates of our own, which are harmless."""
    render = transformers_renderer(source)
    return [_attempt(render, {**given, "strftime_now": today.strftime}) for given in requests]


def _attempt(render: Callable[[dict[str, Any]], str], given: dict[str, Any]) -> str | Refused:
    try:
        return render(given)
    except Unsupported as reason:
        return Refused(str(reason))
    except TypeError as error:
        return Refused(f"TypeError: {error}")
