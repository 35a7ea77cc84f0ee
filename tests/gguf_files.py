"""GGUF files made on the spot, byte by byte, so that every wrong one can be made as well."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

UINT16, UINT32, INT32, BOOL, STRING, ARRAY, UINT64 = 2, 4, 5, 7, 8, 9, 10
CODES = {0: "B", 1: "b", UINT16: "H", 3: "h", UINT32: "I", INT32: "i", 6: "f", BOOL: "?", UINT64: "Q", 11: "q", 12: "d"}
NORMAL, CONTROL = 1, 3  # types of tokens
ALIGNMENT = 32
QWEN = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")


def text(value: str | bytes) -> bytes:
    """A length and a text."""
    data = value if isinstance(value, bytes) else value.encode()
    return struct.pack("<Q", len(data)) + data


def value_of(kind: int, value: Any) -> bytes:
    """A value without its type."""
    return text(value) if kind == STRING else struct.pack(f"<{CODES[kind]}", value)


def pair(key: str | bytes, kind: int, value: Any) -> bytes:
    """A key with a value of a type."""
    return text(key) + struct.pack("<I", kind) + value_of(kind, value)


def array(key: str, kind: int, values: Sequence[Any], count: int | None = None) -> bytes:
    """A key with an array; ``count`` is what it says of its length."""
    head = struct.pack("<IIQ", ARRAY, kind, len(values) if count is None else count)
    return text(key) + head + b"".join(value_of(kind, value) for value in values)


def guessed(key: str, value: Any) -> bytes:
    """A key with the type that llama.cpp's converter gives such a value."""
    if isinstance(value, list | tuple):
        return array(key, STRING if value and isinstance(value[0], str) else INT32, value)
    kind = STRING if isinstance(value, str) else BOOL if isinstance(value, bool) else UINT32
    return pair(key, kind, value)


def tensor(name: str, shape: Sequence[int], offset: int, kind: int = 0) -> bytes:
    """The description of a tensor."""
    sizes = b"".join(struct.pack("<Q", size) for size in shape)
    return text(name) + struct.pack("<I", len(shape)) + sizes + struct.pack("<IQ", kind, offset)


def gguf(
    pairs: Iterable[bytes], tensors: Mapping[str, bytes] | None = None, *, version: int = 3, alignment: int = ALIGNMENT
) -> bytes:
    """A whole file: its keys, and tensors of float32 with their data."""
    keys, tensors = list(pairs), tensors or {}
    described, data = b"", b""
    for name, content in tensors.items():
        data = padded(data, alignment)
        described += tensor(name, [len(content) // 4], len(data))
        data += content
    head = struct.pack("<4sIQQ", b"GGUF", version, len(tensors), len(keys)) + b"".join(keys) + described
    return padded(head, alignment) + data


def padded(data: bytes, alignment: int) -> bytes:
    """The data with zeros up to a multiple of the alignment."""
    return data + bytes(-len(data) % alignment)


def model_keys(
    tokens: Sequence[str] = QWEN, *, bos: int | None = 0, eos: int | None = 0, template: str | None = None, **more: Any
) -> dict[str, Any]:
    """The keys of a small model: these tokens, and all bytes as tokens of one character."""
    plain = [chr(number) for number in range(33, 127)]
    keys = {
        "general.architecture": "qwen2",
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "qwen2",
        "tokenizer.ggml.tokens": [*tokens, *plain],
        "tokenizer.ggml.token_type": [CONTROL] * len(tokens) + [NORMAL] * len(plain),
        "tokenizer.ggml.merges": ["a b", "c d"],
        "tokenizer.ggml.bos_token_id": bos,
        "tokenizer.ggml.eos_token_id": eos,
        "tokenizer.chat_template": template,
        **{name.replace("__", "."): value for name, value in more.items()},
    }
    return {key: value for key, value in keys.items() if value is not None}


def make(path: Path, keys: Mapping[str, Any], **options: Any) -> Path:
    """Write a GGUF with these keys."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gguf([guessed(key, value) for key, value in keys.items()], **options))
    return path
