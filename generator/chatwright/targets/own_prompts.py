"""Models whose prompts a server writes in its own code and ignores the chat template.

vLLM 0.33.0 does so for gpt-oss (``renderers/online_renderer.py``). It also does so if an architecture has its own
tokenizer mode (``config/model.py``) or if a repository has Mistral's own files (``tokenizers/registry.py``);
``--tokenizer-mode hf`` turns both off. SGLang 0.5.23: ``entrypoints/openai/chat_encoding.py``. `make conformance`
checks the names against both sources.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from ..catalogue.model import Catalogue, Template

HARMONY = "GptOssForCausalLM"
VLLM_MODES = frozenset(
    {
        *("Alpamayo2Super", "MoonshotKimiaForCausalLM", "KimiK3ForConditionalGeneration", "DeepseekV32ForCausalLM"),
        *("DeepseekV4ForCausalLM", "DeepseekV4ForConditionalGeneration", "DeepseekV41ForCausalLM"),
        *("InklingForCausalLM", "InklingForConditionalGeneration"),
    }
)
SGLANG = ("DeepseekV4", "KimiK3", "InklingForConditionalGeneration")  # parts of the name of an architecture
SGLANG_WITHOUT_TEMPLATE = ("DeepseekV3",)  # the same, but only if the model's folder has no chat template


def tokenizer_flags(template: Template, catalogue: Catalogue) -> list[str]:
    """The option that makes vLLM use the file of a template; empty if none is needed."""
    needed = not VLLM_MODES.isdisjoint(catalogue.architectures[template.name])
    return ["--tokenizer-mode", "hf"] if needed or _is_mistrals(template) else []


def refusal(template: Template, catalogue: Catalogue, server: str) -> str | None:
    """The reason if a server ignores the file of a template for all of its models; else None."""
    own = _own(catalogue.architectures[template.name], server)
    if not own or own != catalogue.architectures[template.name]:
        return None
    return f"{'vLLM' if server == 'vllm' else 'SGLang'} writes the prompts of these models itself and takes no file"


def prompt_notes(template: Template, catalogue: Catalogue) -> Iterator[str]:
    """Notes about servers that ignore the file of a template for some of its models."""
    architectures = catalogue.architectures[template.name]
    for server, name in (("vllm", "vLLM"), ("sglang", "SGLang")):
        if own := _own(architectures, server):
            yield f"{name} writes the prompts of {', '.join(sorted(own))} itself, whatever chat template it is given"
    if modes := sorted(VLLM_MODES & architectures):
        yield f"vLLM writes the prompts of {', '.join(modes)} itself, unless it is given --tokenizer-mode hf"
    elif _is_mistrals(template):
        yield "vLLM writes prompts itself where a repository has Mistral's own files, unless given --tokenizer-mode hf"


def _own(architectures: Collection[str], server: str) -> frozenset[str]:
    if server == "vllm":
        return frozenset({HARMONY}.intersection(architectures))
    return frozenset(name for name in architectures if any(part in name for part in SGLANG))


def _is_mistrals(template: Template) -> bool:
    return template.serving["vllm"].get("tool_call_parser") == "mistral"
