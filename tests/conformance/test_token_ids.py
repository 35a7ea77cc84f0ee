"""Token ids of slots and of a served text: what is encoded at once, and how the cause of a difference is named."""

from __future__ import annotations

from functools import cache
from typing import Any

from chatwright.meaning.render import Piece
from conformance.checks.token_ids import _beginning, _cause, piece_ids


@cache
def tokenizer() -> Any:
    """Bytes, one merge (two newlines) and the token ``<s>``."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {character: index for index, character in enumerate([*alphabet, "ĊĊ"])}
    backend = Tokenizer(models.BPE(vocab=vocabulary, merges=[("Ċ", "Ċ")]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    backend.decoder = decoders.ByteLevel()
    backend.add_special_tokens([AddedToken("<s>", special=True)])
    return PreTrainedTokenizerFast(tokenizer_object=backend, bos_token="<s>")


def cause(pieces: list[Piece], text: str) -> str:
    served = tokenizer().encode(text, add_special_tokens=False)
    return _cause(tokenizer(), pieces, text, piece_ids(pieces, tokenizer()), served)


def test_joined_pieces_are_encoded_at_once() -> None:
    one = tokenizer().encode("\n\n", add_special_tokens=False)
    apart = tokenizer().encode("\n", add_special_tokens=False) * 2
    assert one != apart
    joined = [Piece("", "prefix", "bos"), Piece("\n", "user"), Piece("\n", "user", joined=True)]
    assert piece_ids(joined, tokenizer()) == [tokenizer().bos_token_id, *one]
    assert piece_ids([Piece("\n", "user"), Piece("\n", "user")], tokenizer()) == apart


def test_a_merge_across_a_boundary_is_named_with_its_characters() -> None:
    pieces = [Piece("a\n", "assistant"), Piece("\nb", "assistant")]
    assert cause(pieces, "a\n\nb") == r"one token for both sides of a slot boundary: '\n' and '\n'"


def test_a_token_that_no_text_makes_is_named() -> None:
    pieces = [Piece("ĊĊ", "prefix", "token"), Piece("a", "user")]
    assert cause(pieces, "ĊĊa") == "text cannot make the token 'ĊĊ'"


def test_bos_is_served_as_often_as_trained() -> None:
    assert _beginning(None, [7], [8]) is None
    assert _beginning(1, [1, 5], [1, 5]) == ""
    assert _beginning(1, [1, 5], [1, 1, 5]) == "2 BOS tokens are served, 1 trained"
    assert _beginning(1, [1, 1, 5], [1, 1, 5]) == "two BOS tokens in a row"
