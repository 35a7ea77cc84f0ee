"""A copy of a GGUF with a template of the catalogue, and with the keys that this template needs.

What is copied stays as it is to the byte: the other keys, the tensors' descriptions (their offsets count from where the
data begin) and the data, which go by in pieces. llama.cpp then serves it without a further file:

- ``tokenizer.chat_template`` is the template's file; named templates are left out, since llama.cpp prefers a
  ``tool_use`` for requests with tools;
- ``add_bos_token`` and ``add_eos_token`` are false: the file writes the BOS itself, or none where none was trained;
- ``eos_token_id`` stays, since a template may write the EOS by name; ``eot_token_id`` becomes the end of a turn, and
  ``eom_token_id`` a further stop that llama.cpp does not know by its text.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from ..catalogue.model import Catalogue
from ..errors import ChatwrightError
from ..targets.literal import stop_texts
from ..targets.llamacpp import ENDS, command, notes
from .export import export
from .gguf import (
    ADD_BOS,
    ADD_EOS,
    BOS,
    EOM,
    EOS,
    EOT,
    MAGIC,
    NAMED,
    START,
    TEMPLATE,
    TEMPLATES,
    Gguf,
    aligned,
    packed,
    read_gguf,
)
from .writer import write_chunks

_PIECE = 1 << 22  # bytes that are copied at a time

Keys = Mapping[str, str | int | bool]


@dataclass(frozen=True)
class GgufCopy:
    """A copy that is to be made of a GGUF, with ``keys`` in place of its own of these names.

    ``command`` serves it, ``notes`` are for the user to read.
    """

    gguf: Gguf
    target: Path
    keys: Keys
    command: str
    notes: tuple[str, ...]

    def write(self, *, force: bool) -> bool:
        """Write the copy; returns whether it changed.

        Raises:
            ChatwrightError: another file is there and ``force`` is not given; the original changed since it was read;
                or the disk refuses. Then nothing of the copy is left.
        """
        head = self._head()
        size = len(head) + max(0, self.gguf.size - self.gguf.data)
        return write_chunks(self.target, lambda: chain((head,), self._data()), size, force=force)

    def _head(self) -> bytes:
        """All that comes before the data."""
        gguf = self.gguf
        old = b"".join(self._read(0, gguf.described_end))
        kept = [
            old[entry.begin : entry.end]
            for key, entry in gguf.entries.items()
            if key not in self.keys and key != TEMPLATES and not key.startswith(NAMED)
        ]
        start = START.pack(MAGIC, gguf.version, gguf.tensors, len(kept) + len(self.keys))
        new = (packed(key, value) for key, value in self.keys.items())
        head = b"".join((start, *kept, *new, old[gguf.described : gguf.described_end]))
        return head.ljust(aligned(len(head), gguf.alignment), b"\0")

    def _data(self) -> Iterator[bytes]:
        return self._read(self.gguf.data, self.gguf.size)

    def _read(self, begin: int, end: int) -> Iterator[bytes]:
        """A part of the original, piece by piece."""
        path = self.gguf.path
        try:
            with path.open("rb") as stream:
                stream.seek(begin)
                while begin < end:
                    piece = stream.read(min(_PIECE, end - begin))
                    if not piece or os.fstat(stream.fileno()).st_size != self.gguf.size:
                        raise ChatwrightError(f"{path}: changed while it was copied")
                    begin += len(piece)
                    yield piece
        except OSError as error:
            raise ChatwrightError(f"{path}: cannot read: {error.strerror or error}") from error


def plan_copy(catalogue: Catalogue, name: str, source: Path, into: Path) -> GgufCopy:
    """What a copy of a GGUF with a template would be; nothing is written.

    ``into`` is the folder of the copy, which then has the original's name, or where it ends in ``.gguf`` the copy.

    Raises:
        ChatwrightError: the GGUF cannot be read, or is not of a model that the template can be for; llama.cpp cannot
            have the template; or the copy would be the original.
    """
    if not source.is_file():
        raise ChatwrightError(f"{source}: there is no such file")
    target = into if into.suffix == ".gguf" and not into.is_dir() else into / source.name
    if target.exists() and target.samefile(source):
        raise ChatwrightError(f"{target}: this is the original; name another folder or file with --into")
    text = export(catalogue, name, "llamacpp").files[0][1]
    gguf = read_gguf(source)
    template = catalogue.templates[name]
    spec = next(spec for spec in catalogue.specs if template in spec.templates)
    keys, messages = _keys(gguf, text, stop_texts(spec, template))
    if (parts := gguf.value("split.count") or 1) > 1:
        messages.append(f"the model consists of {parts} files: put the others into the folder of the copy")
    words = command(template, text, str(target), None)
    return GgufCopy(gguf, target, keys, shlex.join(words), (*notes(template, text), *messages))


def _keys(gguf: Gguf, text: str, stops: Sequence[str]) -> tuple[Keys, list[str]]:
    """The keys of the copy, and notes.

    Raises:
        ChatwrightError: the GGUF is not of a model that a template with this text can be for.
    """
    if not gguf.tokens:
        kind = f" of architecture {gguf.architecture}" if gguf.architecture else ""
        raise ChatwrightError(f"{gguf.path}: a GGUF{kind} without a vocabulary, which needs no chat template")
    if gguf.value("split.no"):
        raise ChatwrightError(f"{gguf.path}: a further part of a model; the first part has the chat template")
    known = [stop for stop in stops if stop in gguf.vocabulary]
    eos = gguf.token(EOS)
    wrong = [
        f"{gguf.path}: {key} names no token, and the template writes {variable}"
        for variable, key in (("bos_token", BOS), ("eos_token", EOS))
        if variable in text and gguf.token(key) is None
    ]
    if eos is None and not known:
        wrong.append(f"{gguf.path}: {EOS} names no token, and no stop of the template is one: {', '.join(stops)}")
    elif stops and not known and "eos_token" not in text:
        wrong.append(f"{gguf.path}: no stop of the template is a token of this model: {', '.join(stops)}")
    if wrong:
        raise ChatwrightError(*wrong)
    keys: dict[str, str | int | bool] = {TEMPLATE: text, ADD_BOS: False, ADD_EOS: False}
    named = [stop for stop in known if stop != eos]
    slots = [*([EOS] if eos is None else []), EOT, EOM]
    first, others = named[: len(slots) - 1], named[len(slots) - 1 :]
    unknown = [stop for stop in others if stop not in ENDS]
    keys |= {key: gguf.vocabulary[stop] for key, stop in zip(slots, [*first, *unknown], strict=False)}
    lacking = [stop for stop in stops if stop not in known]
    messages = [f"{stop!r} is no token of this model: requests must give it as `stop`" for stop in lacking]
    messages += [f"llama.cpp has no key for {stop!r}: requests must give it as `stop`" for stop in unknown[1:]]
    return keys, messages
