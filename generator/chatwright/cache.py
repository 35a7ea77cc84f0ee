"""What earlier runs found, kept by content: every entry is named by the hash of all that it was made from.

There is one rule. A *key* is the hash of a value that holds everything a result depends on, the generator's own code
and the versions of what it runs on included (:func:`generator_digest`); the entry under that name holds the result as
JSON. So nothing is ever invalidated: what has changed has another name, and what is not used any more is removed when
the folder has grown too large.

An entry begins with the hash of what follows, so that one that is damaged or cut off is none; it is written under a
fresh name and moved to its place, so that two runs at once do no harm. A folder that cannot be read or written is no
cache; a link, something that is no regular file, and what is too large are no entries, and stay. All of that makes a
run slow, never wrong. Entries are data: nothing in them is executed.
"""

from __future__ import annotations

import json
import os
import re
import stat
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import fields, is_dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from . import files, resources
from .errors import Location

VARIABLE = "CHATWRIGHT_CACHE"  # the folder of the cache; empty or "off": none
MAX_BYTES = 256 << 20
MAX_ENTRY = 32 << 20  # bytes of an entry, packed; the largest have some 200 kB
MAX_VALUE = 256 << 20  # bytes of what it holds
_KEPT = 0.75  # of MAX_BYTES, when the folder has grown beyond it
_RUNS_ON = ("black", "jinja2", "jsonschema", "markupsafe", "pathspec", "pyyaml", "pytokens")
_PACKAGE = Path(__file__).resolve().parent
_ENTRY, _BEGINNING = re.compile("[0-9a-f]{62}"), re.compile("[0-9a-f]{50}")
_FOLDER = re.compile("[0-9a-f]{2}")


class Cache:
    """Entries in a folder of the user's own; without a folder, a cache that keeps nothing.

    ``unused`` says why a folder that was named is not used. Whatever else stands in the folder is left alone.
    """

    def __init__(self, folder: Path | None, unused: str = "") -> None:
        self.folder = folder
        self.unused = unused

    def get(self, key: str) -> Any:
        """What is kept under a key, None where nothing is."""
        if self.folder is None:
            return None
        file = self._file(key)
        try:
            content = files.read(file, MAX_ENTRY) if files.look(file.parent).kind == "folder" else None
            if content is None:
                return None
            digest, packed = content[:32], content[32:]
            if sha256(key.encode() + packed).digest() != digest:
                return None
            os.utime(file)  # what is used stays
            unpacking = zlib.decompressobj()
            value = unpacking.decompress(packed, MAX_VALUE)
            return json.loads(value) if unpacking.eof else None
        except (OSError, ValueError, zlib.error, RecursionError):
            return None

    def put(self, key: str, value: Any) -> None:
        """Keep a value, which must be JSON, under a key; None is the same as nothing."""
        if self.folder is None:
            return
        file = self._file(key)
        packed = zlib.compress(json.dumps(value, separators=(",", ":")).encode(), 1)
        try:
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            if files.look(file.parent).kind == "folder" and files.look(file).kind in ("nothing", "file"):
                files.write(file, sha256(key.encode() + packed).digest() + packed, mode=0o600)
        except OSError:
            self.folder = None  # full, or read-only: this run does without

    def prune(self) -> None:
        """Remove what was not used for longest where the folder has grown too large."""
        if self.folder is None:
            return
        entries = sorted(self._entries(), key=lambda entry: entry[1].st_mtime, reverse=True)
        if sum(status.st_size for _, status in entries) <= MAX_BYTES:
            return
        kept = 0.0
        for file, status in entries:
            kept += status.st_size
            if kept > MAX_BYTES * _KEPT:
                with suppress(OSError):  # another run was faster
                    file.unlink()

    def _entries(self) -> Iterator[tuple[Path, os.stat_result]]:
        assert self.folder is not None
        for folder in filter(_FOLDER.fullmatch, files.names(self.folder)):
            if files.look(self.folder / folder).kind != "folder":
                continue
            for name in filter(_is_entry, files.names(self.folder / folder)):
                file = self.folder / folder / name
                with suppress(OSError):
                    status = file.lstat()
                    if stat.S_ISREG(status.st_mode):
                        yield file, status

    def _file(self, key: str) -> Path:
        assert self.folder is not None
        return self.folder / key[:2] / key[2:]


def _is_entry(name: str) -> bool:
    """Whether a file is an entry of a cache, or the unfinished part of one."""
    return bool(_ENTRY.fullmatch(name) or _BEGINNING.fullmatch(files.part_of(name) or ""))


def user_cache() -> Cache:
    """The cache that the environment names, ``chatwright`` in the user's cache folder where it names none.

    A folder that others can write to is not used: they could say what is generated.
    """
    named = os.environ.get(VARIABLE)
    if named in ("", "off"):
        return Cache(None)
    try:
        folder = _default_folder() if named is None else Path(named)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.stat()
    except (OSError, RuntimeError) as error:  # RuntimeError: nobody knows where the user is at home
        return Cache(None, f"{named}: no cache: {error}" if named else "")
    if hasattr(os, "getuid") and (status.st_uid != os.getuid() or status.st_mode & 0o022):
        return Cache(None, f"{folder}: no cache: others may write there (chmod go-w)")
    return Cache(folder)


def _default_folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME", "")
    return Path(base if os.path.isabs(base) else Path.home() / ".cache") / "chatwright"


def key_of(kind: str, *parts: Any) -> str:
    """The key of a result from all that it depends on; ``kind`` says what it is a result of."""
    return digest_of([kind, generator_digest(), *parts])


def digest_of(value: Any) -> str:
    """The hash of a value: JSON, dataclasses, mappings and sets, each by its content.

    Places in files say nothing about what is generated, and are left out.

    Raises:
        TypeError: something in it has no content that could be told.
    """
    return sha256(json.dumps(value, default=_plain, separators=(",", ":")).encode()).hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, Location):
        return None
    if is_dataclass(value):
        return [getattr(value, field.name) for field in fields(value)]
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, frozenset):
        return sorted(value)
    raise TypeError(f"no content can be told of {type(value).__name__}")


def digests_below(*places: Path, skip: Callable[[Path], bool] = lambda path: False) -> dict[str, str]:
    """The hashes of files, and of those in folders, by where they are."""
    return {
        f"{number}/{file.relative_to(place).as_posix()}": sha256(file.read_bytes()).hexdigest()
        for number, place in enumerate(places)
        for file in _files(place)
        if not skip(file)
    }


def _files(place: Path) -> Iterable[Path]:
    return sorted(file for file in place.rglob("*") if file.is_file()) if place.is_dir() else [place]


@cache
def generator_digest() -> str:
    """The hash of everything that is the same for all specs: this package, the schema, what is recorded of the
    frameworks and servers, and the versions of Python and of the libraries that generate."""
    from importlib.metadata import PackageNotFoundError, version

    def version_of(name: str) -> str | None:
        try:
            return version(name)
        except PackageNotFoundError:
            return None

    code = digests_below(
        _PACKAGE, skip=lambda file: file.suffix in (".pyc", ".pyo") or bool({"_catalogue", "data"} & {*file.parts})
    )
    data = digests_below(resources.schema_path(), *map(resources.records_path, ("frameworks", "servers")))
    return digest_of([sys.version, {name: version_of(name) for name in _RUNS_ON}, code, data])
