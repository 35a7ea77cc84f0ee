"""The head of a GGUF file, in bounds: its keys, its vocabulary, and where each key and the tensors' data lie.

Read from ``docs/gguf.md`` of ggml and ``ggml/src/gguf.cpp`` of llama.cpp: the magic, the version, how many tensors and
keys there are, the keys with their values, the tensors' descriptions, zeros up to a multiple of ``general.alignment``,
and the data, whose beginning the tensors' offsets count from. Values are kept only where they are needed. What
llama.cpp refuses is refused: nested arrays, a key that is there twice, a special token that is no ``uint32``.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from .. import limits
from ..characters import clipped
from ..errors import ChatwrightError
from ..targets.llamacpp import adds_bos, known_ends

MAGIC = b"GGUF"
START = struct.Struct("<4sIQQ")  # magic, version, number of tensors, number of keys
VERSIONS = (2, 3)
ALIGNMENT = 32  # bytes, where general.alignment says nothing
UINT16, UINT32, BOOL, STRING, ARRAY = 2, 4, 7, 8, 9
_CODES = {0: "B", 1: "b", UINT16: "H", 3: "h", UINT32: "I", 5: "i", 6: "f", BOOL: "?", 10: "Q", 11: "q", 12: "d"}
_NAMES = {UINT16: "uint16", UINT32: "uint32", BOOL: "bool", STRING: "string", ARRAY: "array"}
TEMPLATE = "tokenizer.chat_template"
NAMED = f"{TEMPLATE}."  # what the key of a named template begins with
TEMPLATES = "tokenizer.chat_templates"  # the names of the named ones
TOKENIZER = "tokenizer.ggml."
TOKENS, TYPES = f"{TOKENIZER}tokens", f"{TOKENIZER}token_type"
ADD_BOS, ADD_EOS = f"{TOKENIZER}add_bos_token", f"{TOKENIZER}add_eos_token"
BOS, EOS, EOT, EOM = (f"{TOKENIZER}{name}_token_id" for name in ("bos", "eos", "eot", "eom"))
_SOURCES = ("general.source.huggingface.repository", "general.source.repo_url")
_HUB = "https://huggingface.co/"
_SHORT = ("general.architecture", "general.name", f"{TOKENIZER}model", f"{TOKENIZER}pre", *_SOURCES)
_KINDS = {  # key -> the type that llama.cpp demands
    **dict.fromkeys((*_SHORT, TEMPLATE), STRING),
    **dict.fromkeys((BOS, EOS, EOT, EOM, "general.alignment"), UINT32),
    **dict.fromkeys((ADD_BOS, ADD_EOS), BOOL),
    **dict.fromkeys((TOKENS, TYPES), ARRAY),
    **dict.fromkeys(("split.no", "split.count"), UINT16),
}
_SPECIAL = (3, 4)  # types of tokens: control, user defined
_MOST_ALIGNMENT = 1 << 20
_MOST_DIMENSIONS = 8  # llama.cpp has 4
_BYTES = 4  # of a character in UTF-8, at most


class Entry(NamedTuple):
    """A key of the file: where it and its value begin and end, and the value's type and, where needed, the value."""

    begin: int
    end: int
    kind: int
    value: Any


@dataclass(frozen=True)
class Gguf:
    """The head of a GGUF file.

    ``entries`` are its keys in the order of the file, ``tensors`` how many there are, described from ``described`` to
    ``described_end``; their data begin at ``data`` of a file of ``size`` bytes, at a multiple of ``alignment``.
    """

    path: Path
    version: int
    entries: Mapping[str, Entry]
    tensors: int
    described: int
    described_end: int
    data: int
    size: int
    alignment: int

    def value(self, key: str) -> Any:
        """The value of a key as far as it is kept, None where there is no such key."""
        entry = self.entries.get(key)
        return entry.value if entry else None

    @property
    def architecture(self) -> str:
        """``general.architecture``, empty where the file does not say."""
        return self.value("general.architecture") or ""

    @property
    def name(self) -> str:
        """``general.name``, empty where the file does not say."""
        return self.value("general.name") or ""

    @property
    def hub_id(self) -> str:
        """What may be the id of the model that it was made of, empty where the file does not say."""
        said = next((text for key in _SOURCES if (text := self.value(key))), "")
        return str(said).removeprefix(_HUB).rstrip("/")

    @cached_property
    def chat_templates(self) -> Mapping[str, str]:
        """The chat templates by name; ``default`` is the one without."""
        named = {key.removeprefix(NAMED): entry.value for key, entry in self.entries.items() if key.startswith(NAMED)}
        default = self.value(TEMPLATE)
        return named if default is None else {**named, "default": default}

    @property
    def tokens(self) -> Sequence[str]:
        """The vocabulary, each token at its id."""
        return self.value(TOKENS) or ()

    @cached_property
    def vocabulary(self) -> Mapping[str, int]:
        """Token -> id."""
        return {token: index for index, token in enumerate(self.tokens)}

    @property
    def added(self) -> Mapping[int, str]:
        """Id -> token, of those that text is searched for as a whole."""
        types = self.value(TYPES) or ()
        pairs = enumerate(zip(self.tokens, types, strict=False))
        return {index: token for index, (token, kind) in pairs if kind in _SPECIAL}

    def token(self, key: str) -> str | None:
        """The text of the special token whose id a key holds, None where there is none in the vocabulary."""
        index = self.value(key)
        return self.tokens[index] if index is not None and index < len(self.tokens) else None

    @property
    def special(self) -> Mapping[str, str]:
        """The special tokens that a chat template is given, by the names of its variables."""
        found = {"bos_token": self.token(BOS), "eos_token": self.token(EOS)}
        return {name: text for name, text in found.items() if text}

    @property
    def adds_bos(self) -> bool:
        """Whether llama.cpp puts a BOS in front of a text."""
        said = self.value(ADD_BOS)
        return adds_bos(self.value(f"{TOKENIZER}model"), self.value(f"{TOKENIZER}pre")) if said is None else said

    @cached_property
    def ends(self) -> frozenset[str]:
        """The tokens at which llama.cpp ends a reply."""
        named = {text for key in (EOS, EOT, EOM) if (text := self.token(key)) is not None}
        return known_ends(self.vocabulary) | named

    def prompt(self, text: str) -> str:
        """A prompt as llama.cpp tokenizes it: with one BOS in front where the vocabulary adds one."""
        bos = self.special.get("bos_token", "")
        return bos + text.removeprefix(bos) if self.adds_bos else text


def is_gguf(path: Path) -> bool:
    """Whether a file begins as a GGUF does, or has a GGUF's name."""
    if not path.is_file():
        return False
    with path.open("rb") as stream:
        return path.suffix == ".gguf" or stream.read(len(MAGIC)) == MAGIC


def read_gguf(path: Path) -> Gguf:
    """Read the head of a GGUF file; of the tensors' data nothing is read.

    Raises:
        ChatwrightError: it is none that llama.cpp reads, or larger than anything that is; the message says why.
    """
    with path.open("rb") as stream:
        try:
            return _Reader(stream, stream.seek(0, 2)).read(path)
        except ChatwrightError as reason:
            raise ChatwrightError(f"{path}: no GGUF that can be read: {reason}") from None


class _Reader:
    def __init__(self, stream: BinaryIO, size: int) -> None:
        self.stream, self.size, self.place = stream, size, 0
        stream.seek(0)

    def read(self, path: Path) -> Gguf:
        magic, version, tensors, keys = START.unpack(self.take(START.size, "its first bytes"))
        _check_start(magic, version)
        self.check_count(keys, 13, limits.MOST_KEYS, "keys")  # bytes of the smallest one
        self.check_count(tensors, 24, limits.MOST_TENSORS, "tensors")
        entries: dict[str, Entry] = {}
        for _ in range(keys):
            begin = self.place
            key = self.text(limits.LONGEST_KEY, "a key")
            if not key or key in entries:
                raise ChatwrightError(f"the key {clipped(key)} is there twice" if key else "a key is empty")
            kind = self.number("I")
            value = self.value(key, kind)
            entries[key] = Entry(begin, self.place, kind, value)
        _check(entries)
        alignment = entries["general.alignment"].value if "general.alignment" in entries else ALIGNMENT
        if not 0 < alignment <= _MOST_ALIGNMENT or alignment & (alignment - 1):
            raise ChatwrightError(f"its alignment is {alignment}, no power of two up to {_MOST_ALIGNMENT}")
        described = self.place
        last = max((self.tensor() for _ in range(tensors)), default=-1)
        data = aligned(self.place, alignment)
        if tensors and data + last >= self.size:
            raise ChatwrightError(f"it ends in front of byte {data + last}, where the data of a tensor begin")
        return Gguf(path, version, entries, tensors, described, self.place, data, self.size, alignment)

    def take(self, count: int, what: str) -> bytes:
        """The next bytes; none are taken that the file does not have, or that no head is large enough for."""
        self.check(count, what)
        data = self.stream.read(count)
        if len(data) != count:
            raise ChatwrightError(f"it ends in the middle of {what}")
        self.place += count
        return data

    def skip(self, count: int, what: str) -> None:
        self.check(count, what)
        self.place = self.stream.seek(self.place + count)

    def check(self, count: int, what: str) -> None:
        if count > self.size - self.place:
            raise ChatwrightError(f"it ends in the middle of {what}")
        if self.place + count > limits.FILE_BYTES:
            raise ChatwrightError(f"its head is larger than {limits.FILE_BYTES >> 20} MB")

    def check_count(self, count: int, least: int, most: int, what: str) -> None:
        """Refuse more things than are read, or than the rest of the file has room for, each with ``least`` bytes."""
        if count > most:
            raise ChatwrightError(f"it has {count} {what}, and at most {most} are read")
        self.check(count * least, f"its {count} {what}")

    def number(self, code: str) -> int:
        size = struct.calcsize(f"<{code}")
        number: int = struct.unpack(f"<{code}", self.take(size, "a number"))[0]
        return number

    def text(self, most: int, what: str) -> str:
        """A text of so many bytes at most."""
        size = self.number("Q")
        if size > most:
            raise ChatwrightError(f"{what} has {size} bytes, and at most {most} are read")
        data = self.take(size, what)
        try:
            return data.decode()
        except UnicodeDecodeError:
            raise ChatwrightError(f"{what} is not UTF-8 text: {clipped(repr(data[:40]))}") from None

    def value(self, key: str, kind: int) -> Any:
        """The value of a key: numbers always, texts and arrays where they are needed."""
        what = clipped(key)
        if kind in _CODES:
            return self.number(_CODES[kind])
        if kind == STRING:
            if key == TEMPLATE or key.startswith(NAMED):
                return self.text(_BYTES * limits.LONGEST_TEMPLATE, what)
            if key in _SHORT:
                return self.text(_BYTES * limits.LONGEST_NAME, what)
            return self.skip(self.number("Q"), what)
        if kind != ARRAY:
            raise ChatwrightError(f"{what} is of the unknown type {kind}")
        return self.array(key, what, self.number("I"), self.number("Q"))

    def array(self, key: str, what: str, kind: int, count: int) -> Any:
        if kind == ARRAY:
            raise ChatwrightError(f"{what} is an array of arrays, which llama.cpp does not read")
        if kind in _CODES:
            code = _CODES[kind]
            size = struct.calcsize(f"<{code}")
            self.check_count(count, size, limits.FILE_BYTES, f"values in {what}")
            if key != TYPES:
                return self.skip(count * size, what)
            self.check_count(count, size, limits.MOST_TOKENS, f"values in {what}")
            return struct.unpack(f"<{count}{code}", self.take(count * size, what))
        if kind != STRING:
            raise ChatwrightError(f"{what} is an array of the unknown type {kind}")
        wanted = key == TOKENS
        self.check_count(count, 8, limits.MOST_TOKENS if wanted else limits.FILE_VALUES, f"values in {what}")
        if wanted:
            return [self.text(_BYTES * limits.LONGEST_TOKEN, "a token") for _ in range(count)]
        for _ in range(count):
            self.skip(self.number("Q"), what)
        return None

    def tensor(self) -> int:
        """Where the data of the next described tensor begin."""
        self.text(limits.LONGEST_KEY, "a tensor's name")
        if (dimensions := self.number("I")) > _MOST_DIMENSIONS:
            raise ChatwrightError(f"a tensor has {dimensions} dimensions")
        self.skip(8 * dimensions + 4, "a tensor's shape")
        return self.number("Q")


def aligned(place: int, alignment: int) -> int:
    """The first multiple of the alignment from a place on."""
    return -(-place // alignment) * alignment


def _check_start(magic: bytes, version: int) -> None:
    if magic != MAGIC:
        raise ChatwrightError(f"it begins with {magic!r}, not with {MAGIC!r}")
    if version & 0xFFFF == 0 and version:
        raise ChatwrightError("it is big-endian, for machines of that byte order; convert it first")
    if version not in VERSIONS:
        why = "which llama.cpp does not read any more; convert the model again" if version == 1 else "not 2 or 3"
        raise ChatwrightError(f"it is of version {version}, {why}")


def _check(entries: Mapping[str, Entry]) -> None:
    """Refuse keys of another type than llama.cpp reads, and tokens without types."""
    for key, entry in entries.items():
        due = STRING if key.startswith(NAMED) else _KINDS.get(key, entry.kind)
        if entry.kind != due:
            raise ChatwrightError(f"{clipped(key)} is not of type {_NAMES[due]}, which llama.cpp reads")
    for key, kind in ((TOKENS, list), (TYPES, tuple)):
        if key in entries and not isinstance(entries[key].value, kind):
            raise ChatwrightError(f"{key} is an array of another type than llama.cpp reads")
    tokens, types = (len(entries[key].value) if key in entries else None for key in (TOKENS, TYPES))
    if types is not None and types < (tokens or 0):
        raise ChatwrightError(f"it has {tokens} tokens, and the types of {types}")


# -- writing -----------------------------------------------------------------------------------------------------------


def packed(key: str, value: str | int | bool) -> bytes:
    """A key with its value, as the file holds them: a string, a bool or an uint32."""
    name = key.encode()
    head = struct.pack("<Q", len(name)) + name
    if isinstance(value, str):
        text = value.encode()
        return head + struct.pack("<IQ", STRING, len(text)) + text
    kind = BOOL if isinstance(value, bool) else UINT32
    return head + struct.pack(f"<I{_CODES[kind]}", kind, value)
