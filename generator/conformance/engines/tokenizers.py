"""Byte-level tokenizers: one token per byte and nothing learned, so any text goes in and comes out as it was.

They stand in for a publisher's tokenizer where only text and marks matter. Special tokens are single tokens, as in
every real tokenizer; everything else is encoded byte by byte, so no merge can hide a boundary.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast


def byte_level(
    bos: str | None, eos: str, special: Sequence[str] = (), adds_bos: bool = False
) -> PreTrainedTokenizerFast:
    """A tokenizer whose text tokens are single bytes.

    ``bos`` (None: there is none), ``eos`` and ``special`` are one token each; ``adds_bos`` makes the tokenizer put
    ``bos`` in front of what it encodes with special tokens, as those of Llama, Gemma and Mistral do.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    backend = Tokenizer(models.BPE(vocab={character: index for index, character in enumerate(alphabet)}, merges=[]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    backend.decoder = decoders.ByteLevel()
    own = {"eos_token": eos, "pad_token": eos} | ({} if bos is None else {"bos_token": bos})
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, clean_up_tokenization_spaces=False, **own)
    tokenizer.add_tokens([token for token in dict.fromkeys(special) if token not in own.values()], special_tokens=True)
    if adds_bos and bos is not None:
        tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{bos}:0 $A:0",
            pair=f"{bos}:0 $A:0 {bos}:1 $B:1",
            special_tokens=[(bos, tokenizer.convert_tokens_to_ids(bos))],
        )
    return tokenizer


def decode(tokenizer: PreTrainedTokenizerFast, ids: Iterable[int]) -> str:
    """The exact text of the ids.

    Raises:
        ValueError: an id that the tokenizer does not have.
    """
    ids, size = list(ids), len(tokenizer)
    strange = [index for index in ids if not isinstance(index, int) or not 0 <= index < size]
    if strange:
        raise ValueError(f"the tokenizer has no tokens {strange}")
    return str(tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False))
