"""The head of a GGUF: what is read of it, and how each broken or hostile one ends: in one line, in bounds."""

from __future__ import annotations

import struct
import tracemalloc
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chatwright import limits
from chatwright.characters import is_seen
from chatwright.errors import ChatwrightError
from chatwright.pipeline.gguf import is_gguf, read_gguf
from tests.faults.hostile import measured
from tests.gguf_files import (
    ARRAY,
    BOOL,
    INT32,
    STRING,
    UINT32,
    UINT64,
    array,
    gguf,
    guessed,
    make,
    model_keys,
    pair,
    tensor,
    text,
)
from tests.support import examples

HUGE = (1 << 64) - 1
TOKENS = "tokenizer.ggml.tokens"


def head(keys: int, tensors: int = 0, version: int = 3) -> bytes:
    return struct.pack("<4sIQQ", b"GGUF", version, tensors, keys)


GOOD = gguf([pair("general.name", STRING, "x")], {"t": b"abcd" * 100})
BIG_ENDIAN = struct.pack(">4sIQQ", b"GGUF", 3, 0, 1) + struct.pack(">Q", 1) + b"x"

# What is wrong -> the bytes, and what is said of them.
WRONG: Mapping[str, tuple[bytes, str]] = {
    "nothing": (b"", "ends in the middle of its first bytes"),
    "only the magic": (b"GGUF", "ends in the middle of its first bytes"),
    "another magic": (b"GGML" + GOOD[4:], "begins with b'GGML'"),
    "version 1": (head(0, version=1), "of version 1, which llama.cpp does not read any more"),
    "version 0": (head(0, version=0), "of version 0, not 2 or 3"),
    "version 4": (head(0, version=4), "of version 4, not 2 or 3"),
    "big-endian": (BIG_ENDIAN, "big-endian"),
    "keys without end": (head(HUGE) + bytes(100), "keys, and at most 10000 are read"),
    "more keys than bytes": (head(9999) + bytes(100), "in the middle of its 9999 keys"),
    "tensors without end": (head(0, HUGE) + bytes(100), "tensors, and at most 500000 are read"),
    "more tensors than bytes": (head(0, 400_000) + bytes(100), "in the middle of its 400000 tensors"),
    "a key without end": (head(1) + struct.pack("<Q", HUGE) + bytes(50), "a key has 18446744073709551615 bytes"),
    "a key that is cut off": (head(1) + struct.pack("<Q", 900) + bytes(50), "in the middle of a key"),
    "an empty key": (gguf([pair("", UINT32, 1)]), "a key is empty"),
    "a key twice": (gguf([pair("a.b", UINT32, 1)] * 2), "the key a.b is there twice"),
    "a key that is no text": (gguf([pair(b"\xff\xfe", UINT32, 1)]), "a key is not UTF-8 text"),
    "an unknown type": (head(1) + text("a") + struct.pack("<I", 13) + bytes(50), "a is of the unknown type 13"),
    "a template without end": (
        head(1) + text("tokenizer.chat_template") + struct.pack("<IQ", STRING, HUGE) + bytes(50),
        "and at most 8000000 are read",
    ),
    "a template that is cut off": (
        head(1) + text("tokenizer.chat_template") + struct.pack("<IQ", STRING, 1000) + bytes(50),
        "in the middle of tokenizer.chat_template",
    ),
    "a template that is no text": (
        gguf([pair("tokenizer.chat_template", STRING, b"\xc3(")]),
        "tokenizer.chat_template is not UTF-8 text",
    ),
    "a template that is a number": (
        gguf([pair("tokenizer.chat_template", UINT32, 1)]),
        "is not of type string, which llama.cpp reads",
    ),
    "a named template that is a list": (
        gguf([array("tokenizer.chat_template.tool_use", STRING, ["x"])]),
        "is not of type string, which llama.cpp reads",
    ),
    "an EOS that is a text": (gguf([pair("tokenizer.ggml.eos_token_id", STRING, "x")]), "is not of type uint32"),
    "an EOS that is signed": (gguf([pair("tokenizer.ggml.eos_token_id", INT32, -1)]), "is not of type uint32"),
    "a flag that is a number": (gguf([pair("tokenizer.ggml.add_bos_token", UINT32, 1)]), "is not of type bool"),
    "an unneeded text without end": (
        head(1) + text("a") + struct.pack("<IQ", STRING, HUGE) + bytes(50),
        "in the middle of a",
    ),
    "an array without end": (
        head(1) + text("a") + struct.pack("<IIQ", ARRAY, UINT64, HUGE) + bytes(50),
        "values in a, and at most",
    ),
    "an array that is cut off": (gguf([array("a", UINT32, [1], count=1000)]), "in the middle of its 1000 values in a"),
    "texts without end": (gguf([array("a", STRING, ["x"], count=HUGE)]), "values in a, and at most 5000000 are read"),
    "tokens without end": (gguf([array(TOKENS, STRING, ["x"], count=HUGE)]), "and at most 2000000 are read"),
    "tokens that are cut off": (gguf([array(TOKENS, STRING, ["x"], count=1000)]), "in the middle of its 1000 values"),
    "a token of 5 kB": (gguf([array(TOKENS, STRING, ["x" * 5000])]), "a token has 5000 bytes, and at most 4000"),
    "tokens that are numbers": (gguf([array(TOKENS, UINT32, [1])]), f"{TOKENS} is an array of another type"),
    "tokens that are one text": (gguf([pair(TOKENS, STRING, "x")]), "is not of type array"),
    "fewer types than tokens": (
        gguf([array(TOKENS, STRING, ["x", "y"]), array("tokenizer.ggml.token_type", INT32, [1])]),
        "it has 2 tokens, and the types of 1",
    ),
    "types that are texts": (
        gguf([array(TOKENS, STRING, ["x"]), array("tokenizer.ggml.token_type", STRING, ["1"])]),
        "token_type is an array of another type",
    ),
    "arrays in arrays": (
        head(1) + text("a") + struct.pack("<IIQ", ARRAY, ARRAY, 1) * 1000,
        "an array of arrays, which llama.cpp does not read",
    ),
    "an array of an unknown type": (
        head(1) + text("a") + struct.pack("<IIQ", ARRAY, 99, 1) + bytes(50),
        "an array of the unknown type 99",
    ),
    "an alignment of 0": (gguf([pair("general.alignment", UINT32, 0)]), "its alignment is 0, no power of two"),
    "an alignment of 48": (gguf([pair("general.alignment", UINT32, 48)]), "its alignment is 48, no power of two"),
    "an alignment of 2 GB": (gguf([pair("general.alignment", UINT32, 1 << 31)]), "no power of two up to 1048576"),
    "an alignment that is a flag": (gguf([pair("general.alignment", BOOL, True)]), "is not of type uint32"),
    "a tensor of many dimensions": (
        head(0, 1) + text("t") + struct.pack("<I", 1 << 31) + bytes(50),
        "a tensor has 2147483648 dimensions",
    ),
    "a tensor's name without end": (head(0, 1) + struct.pack("<Q", HUGE) + bytes(50), "a tensor's name has"),
    "a tensor that is not there": (head(0, 1) + tensor("t", [1], 1 << 40) + bytes(99), "ends in front of byte"),
    "data that are cut off": (gguf([], {"a": bytes(64), "b": bytes(64)})[:-64], "where the data of a tensor begin"),
    "a name with escapes": (gguf([pair("\x1b[31m\u202e", STRING, "x")] * 2), r"the key \x1b[31m\u202e is there twice"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_one_line_in_little_memory(tmp_path: Path, name: str) -> None:
    file = tmp_path / "model.gguf"
    content, said = WRONG[name]
    file.write_bytes(content)
    tracemalloc.start()
    with pytest.raises(ChatwrightError) as told:
        read_gguf(file)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert str(told.value).startswith(f"{file}: no GGUF that can be read: ")
    assert said in str(told.value)
    assert is_seen(str(told.value))
    assert len(str(told.value)) < 500 + len(str(file))
    assert peak < 1 << 20


def test_a_file_that_is_cut_off_anywhere_is_one_line(tmp_path: Path) -> None:
    whole = gguf([pair("general.name", STRING, "x"), array(TOKENS, STRING, ["a", "b"])], {"t": b"abcd" * 100})
    file = tmp_path / "model.gguf"
    data = len(whole) - 400
    for end in range(data + 1):
        file.write_bytes(whole[:end])
        with pytest.raises(ChatwrightError, match="it ends in"):
            read_gguf(file)
    file.write_bytes(whole[: data + 1])  # how long a tensor is, its type alone says
    assert read_gguf(file).tensors == 1


MISSING = "chat-template-missing"
# What the head of a sparse file claims, whose 4 GB have room for it: empty texts, numbers and tensors.
CLAIMS: Mapping[str, tuple[bytes, str]] = {
    "keys": (head(limits.MOST_KEYS), "a key is empty"),
    "tokens": (
        head(1) + text(TOKENS) + struct.pack("<IIQ", ARRAY, STRING, limits.MOST_TOKENS),
        "chat-template-missing",
    ),
    "texts": (head(1) + text("a") + struct.pack("<IIQ", ARRAY, STRING, limits.FILE_VALUES), MISSING),
    "numbers": (head(1) + text("a") + struct.pack("<IIQ", ARRAY, 0, limits.FILE_BYTES), "larger than 100 MB"),
    "a text": (head(1) + text("a") + struct.pack("<IQ", STRING, 1 << 31), "larger than 100 MB"),
    "tensors": (head(0, limits.MOST_TENSORS), MISSING),
}


@pytest.mark.parametrize("name", CLAIMS)
def test_a_large_claim_takes_little(tmp_path: Path, name: str) -> None:
    begin, says = CLAIMS[name]
    with (tmp_path / "model.gguf").open("wb") as stream:
        stream.write(begin)
        stream.truncate(1 << 32)
    ran = measured(["verify", "model.gguf"], tmp_path)
    assert ran.code == 1
    assert says in ran.out + ran.err
    assert ran.memory < 250
    assert ran.worked < 15


def test_what_is_read_of_a_model(tmp_path: Path) -> None:
    keys = model_keys(template="A", general__name="Qwen2.5 7B", tokenizer__chat_template__tool_use="B")
    keys |= {"general.source.huggingface.repository": "https://huggingface.co/Qwen/Qwen2.5-7B-Instruct"}
    for version in (2, 3):
        found = read_gguf(make(tmp_path / "m.gguf", keys, version=version, tensors={"a": bytes(40), "b": bytes(8)}))
        assert (found.version, found.architecture, found.name, found.tensors) == (version, "qwen2", "Qwen2.5 7B", 2)
        assert found.hub_id == "Qwen/Qwen2.5-7B-Instruct"
        assert found.chat_templates == {"default": "A", "tool_use": "B"}
        assert found.special == {"bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>"}
        assert found.added == {0: "<|endoftext|>", 1: "<|im_start|>", 2: "<|im_end|>"}
        assert found.vocabulary["<|im_end|>"] == 2
        assert found.ends == {"<|endoftext|>", "<|im_end|>"}
        assert found.data % 32 == 0


@pytest.mark.parametrize(
    ("model", "pre", "said", "adds"),
    [
        *(("gpt2", "qwen2", None, False), ("gpt2", "llama-bpe", None, True), ("llama", "default", None, True)),
        *(("gpt2", "llama-bpe", False, False), ("gpt2", "qwen2", True, True), ("t5", "default", None, False)),
    ],
)
def test_whether_a_bos_is_added(tmp_path: Path, model: str, pre: str, said: bool | None, adds: bool) -> None:
    keys = model_keys() | {"tokenizer.ggml.model": model, "tokenizer.ggml.pre": pre}
    keys |= {} if said is None else {"tokenizer.ggml.add_bos_token": said}
    found = read_gguf(make(tmp_path / "m.gguf", keys))
    assert found.adds_bos is adds
    bos = "<|endoftext|>"
    assert found.prompt("x") == (f"{bos}x" if adds else "x")
    assert found.prompt(f"{bos}x") == f"{bos}x"


@pytest.mark.parametrize(
    ("tokens", "more", "ends"),
    [
        (["<s>", "</s>", "<|user|>"], {"tokenizer.ggml.eot_token_id": 2}, {"<s>", "</s>", "<|user|>"}),
        (["<|return|>", "<|call|>", "<|end|>"], {}, {"<|return|>", "<|call|>"}),
        (["<eos>", "</s>", "<|tool_response>", "<turn|>"], {}, {"<eos>", "<|tool_response>", "<turn|>"}),
        (["a"], {"tokenizer.ggml.eom_token_id": 1 << 31}, {"a"}),
    ],
)
def test_where_llamacpp_ends_a_reply(tmp_path: Path, tokens: list[str], more: dict[str, int], ends: set[str]) -> None:
    assert read_gguf(make(tmp_path / "m.gguf", model_keys(tokens) | more)).ends == ends


def test_a_gguf_is_known_by_its_name_or_its_beginning(tmp_path: Path) -> None:
    assert is_gguf(make(tmp_path / "model.bin", {}))
    (tmp_path / "x.gguf").write_text("{{ messages }}")
    (tmp_path / "x.jinja").write_text("{{ messages }}")
    assert is_gguf(tmp_path / "x.gguf")
    assert not is_gguf(tmp_path / "x.jinja")
    assert not is_gguf(tmp_path)
    assert not is_gguf(tmp_path / "nothing.gguf")


WHOLE = gguf([guessed(key, value) for key, value in model_keys(template="x" * 50).items()], {"t": b"abcd" * 20})
CHANGES = st.lists(
    st.tuples(st.integers(0, len(WHOLE) - 1), st.one_of(st.binary(min_size=1, max_size=9), st.just(b"\xff" * 8))),
    max_size=4,
)


@settings(examples(300), suppress_health_check=list(HealthCheck))
@given(changes=CHANGES, end=st.integers(0, len(WHOLE)))
def test_any_bytes_are_read_or_refused(tmp_path: Path, changes: list[tuple[int, bytes]], end: int) -> None:
    content = bytearray(WHOLE)
    for place, data in changes:
        content[place : place + len(data)] = data
    file = tmp_path / "model.gguf"
    file.write_bytes(content[: end or None])
    try:
        found = read_gguf(file)
        assert found.data % found.alignment == 0
        assert all(isinstance(token, str) for token in (*found.tokens, *found.special.values(), *found.ends))
        assert found.prompt("x").endswith("x")
    except ChatwrightError as reason:
        assert is_seen(str(reason))
