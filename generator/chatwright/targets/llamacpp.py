"""llama.cpp: the flags of ``llama-server``, and what it changes by itself. It reads the Jinja file that vLLM reads.

Read from llama.cpp (builds b10257 to b11434):

- ``tools/server/README.md``: ``--jinja``, ``--chat-template-file``, ``--reasoning on|off|auto`` and
  ``--chat-template-kwargs``. ``common/arg.cpp`` calls ``enable_thinking`` among the latter deprecated, and turns
  ``preserve_reasoning`` on where the command does not name it.
- ``common/jinja/caps.cpp``, ``caps_apply_preserve_reasoning``: that sets ``preserve_thinking``, unless
  ``--chat-template-kwargs`` names this variable itself.
- ``common/chat.cpp``, ``common_chat_template_direct_apply_impl``: ``enable_thinking`` is always sent; where the
  vocabulary adds a BOS (an EOS), one that the text begins (ends) with is left out of the text. ``common_chat_msgs_*``:
  parts are joined with a newline. ``common_chat_tools_parse_oaicompat``: a description that is missing becomes empty.
- ``src/llama-vocab.cpp``, ``llama_vocab::impl::load``: the keys of a GGUF that name tokens, whether a BOS is added, and
  where generation ends: at EOS, EOT and EOM, and at tokens of certain texts.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence

from ..catalogue.model import Template

_KEEPS = "preserve_thinking"  # the variable of our files that keeps the thoughts of earlier turns
_GEMMA_4 = "<|tool_call>call:"  # llama.cpp rewrites the tool results for a template that holds this

# The texts of tokens that end generation by themselves; no key of the GGUF has to name them.
ENDS = frozenset(
    {
        *("<|eot_id|>", "<|im_end|>", "<|end|>", "<|return|>", "<|call|>", "<|flush|>", "<|calls|>", "<end_of_turn>"),
        *("<|endoftext|>", "</s>", "<|eom_id|>", "<EOT>", "_<EOT>", "[EOT]", "[EOS]", "<|end_of_text|>"),
        *("<end_of_utterance>", "<eos>", "<turn|>", "<|tool_response>"),
    }
)
# Those of them that do not end it where the vocabulary has others.
NO_ENDS = {
    "<|end|>": (frozenset({"<|return|>", "<|call|>"}), frozenset({"<|calls|>", "<|flush|>"})),
    "</s>": (frozenset({"<|tool_response>"}),),
}
_BOS_OF_MODEL = {"llama": True, "bert": True}  # tokenizer.ggml.model
_BOS_OF_PRE = {  # tokenizer.ggml.pre, for the model gpt2
    *("llama3", "llama-v3", "llama-bpe", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2", "tekken", "chameleon"),
}


def adds_bos(model: str, pre: str) -> bool:
    """Whether llama.cpp adds a BOS where a GGUF has no ``add_bos_token``."""
    return pre in _BOS_OF_PRE if model == "gpt2" else _BOS_OF_MODEL.get(model, False)


def known_ends(vocabulary: Collection[str]) -> frozenset[str]:
    """The tokens of a vocabulary that end generation by their text alone."""
    known = ENDS.intersection(vocabulary)
    return known - {text for text, others in NO_ENDS.items() if any(other <= known for other in others)}


def command(template: Template, text: str, model: str, path: str | None) -> list[str]:
    """The words of the command that serves a model; ``path`` of the file is None where the GGUF carries its text."""
    words = ["llama-server", "--model", model, "--jinja"]
    if path is not None:
        words += ["--chat-template-file", path]
    if template.thinking:
        words += ["--reasoning", "on" if template.thinking.default else "off"]
    if _KEEPS in text:
        words += ["--chat-template-kwargs", json.dumps({_KEEPS: False})]
    return words


def notes(template: Template, text: str) -> Iterator[str]:
    """What llama.cpp changes by itself with a template whose file has this text."""
    yield "llama.cpp joins content that comes in parts with a newline"
    if thinking := template.thinking:
        yield (
            f"llama.cpp always sends {thinking.switch}, so the command sets its default; a request changes it with"
            f' "chat_template_kwargs": {json.dumps({thinking.switch: not thinking.default})}'
        )
    if template.tool_format:
        yield (
            "llama.cpp changes tools before the template sees them: a missing description becomes empty, missing"
            " parameters become {}, strict is dropped, 1.0 becomes 1"
        )
    if _GEMMA_4 in text:
        yield f"llama.cpp rewrites the results of tools for a template that holds {_GEMMA_4}"


def gguf_notes(text: str, stops: Sequence[str], ends: Collection[str] = ENDS, adds_bos: bool = True) -> Iterator[str]:
    """What the GGUF must say for a file with this text.

    ``ends`` are the tokens at which the GGUF ends a reply, and ``adds_bos`` says whether it adds a BOS, where it is
    known.
    """
    if unknown := [stop for stop in stops if stop not in ends]:
        yield (
            f"llama.cpp stops at {', '.join(unknown)} only if the GGUF names the token as EOS, EOT or EOM"
            " (--gguf FILE writes a copy that does)"
        )
    if adds_bos and "bos_token" not in text:
        yield "a BOS that the GGUF adds (add_bos_token) was not trained with; --gguf FILE writes a copy without"
