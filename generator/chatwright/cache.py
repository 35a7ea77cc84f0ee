"""A memo of pure functions on disk.

The key of an entry is a hash of the function, its inputs, the generator's own code and the versions of its libraries.
So nothing is ever invalidated: a changed input has another key. When the folder is too large, the entries that were
unused longest are removed.

An entry is the hash of its JSON, then the JSON. Nothing in it is executed. It is written under a temporary name and
then moved, so two runs at the same time are safe. A damaged entry is a cache miss, as is one that is too large or no
regular file. A folder that cannot be read or written disables the cache. All of this can make a run slow, never wrong.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from . import files, resources

VARIABLE = "CHATWRIGHT_CACHE"  # the folder of the cache; empty or "off": none
MAX_BYTES = 256 << 20
MAX_ENTRY = 32 << 20  # bytes; the largest have some 500 kB
MAX_FILE = 256 << 20  # bytes of a generated file
_RUNS_ON = ("black", "jinja2", "jsonschema", "markupsafe", "pathspec", "pyyaml", "pytokens")
_NO_CODE = {"__pycache__", "_catalogue"}
_OF_RUNS = ("engines", "publishers")  # records that only a whole run reads
_PACKAGE = Path(__file__).resolve().parent
_ENTRY, _BEGINNING = re.compile("[0-9a-f]{62}"), re.compile("[0-9a-f]{50}")


class Cache:
    """Cache entries in a folder of the user; other files there are left alone. Without a folder nothing is cached.

    ``unused`` says why the folder that the user named is not used.
    """

    def __init__(self, folder: Path | None, unused: str = "") -> None:
        self.folder, self.unused = folder, unused

    def remember(self, function: str, inputs: Any, call: Callable[[], Any]) -> Any:
        """Return the result of a call, from the cache if it is there. The result must be JSON; None is not cached.

        ``inputs`` holds everything that the result depends on, except the generator itself.
        """
        if self.folder is None:
            return call()
        key = key_of(function, inputs)
        result = self.get(key)
        if result is None and (result := call()) is not None:
            self.put(key, result)
        return result

    def get(self, key: str) -> Any:
        """The value under a key, None on a cache miss."""
        if self.folder is None:
            return None
        file = self.folder / key[:2] / key[2:]
        try:
            entry = files.read(file, MAX_ENTRY) if files.look(file.parent).kind == "folder" else None
            if entry is None or sha256(key.encode() + entry[32:]).digest() != entry[:32]:
                return None
            os.utime(file)  # `prune` keeps the entries that were used last
            return json.loads(entry[32:])
        except (OSError, ValueError, RecursionError):
            return None

    def put(self, key: str, value: Any) -> None:
        """Store a value, which must be JSON, under a key."""
        if self.folder is None:
            return
        file = self.folder / key[:2] / key[2:]
        content = json.dumps(value, separators=(",", ":")).encode()
        try:
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            if files.look(file.parent).kind == "folder" and files.look(file).kind in ("nothing", "file"):
                files.write(file, sha256(key.encode() + content).digest() + content, mode=0o600)
        except OSError:
            self.folder = None  # full, or read-only: this run works without a cache

    def prune(self) -> None:
        """Remove the least recently used entries, and unfinished ones, until ``MAX_BYTES`` or less are left."""
        found: list[tuple[float, int, Path]] = []
        for file in self.folder.glob("[0-9a-f][0-9a-f]/*") if self.folder else ():
            if _ENTRY.fullmatch(file.name) or _BEGINNING.fullmatch(files.part_of(file.name) or ""):
                with suppress(OSError):  # another run has removed it
                    if files.look(file.parent).kind == "folder" and files.look(file).kind == "file":
                        found.append((file.lstat().st_mtime, file.lstat().st_size, file))
        kept = 0
        for _, size, file in sorted(found, reverse=True):
            kept += size
            if kept > MAX_BYTES:
                with suppress(OSError):
                    file.unlink()


def user_cache() -> Cache:
    """The cache in the folder that the environment names; by default ``chatwright`` in the user's cache folder.

    A folder that others can write to is not used: they could change what is generated.
    """
    named = os.environ.get(VARIABLE)
    if named in ("", "off"):
        return Cache(None)
    try:
        base = os.environ.get("XDG_CACHE_HOME", "")
        folder = Path(named or (base if os.path.isabs(base) else Path.home() / ".cache"), "" if named else "chatwright")
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.stat()
    except (OSError, RuntimeError) as error:  # RuntimeError: the user has no home folder
        return Cache(None, f"{named}: no cache: {error}" if named else "")
    if hasattr(os, "getuid") and (status.st_uid != os.getuid() or status.st_mode & 0o022):
        return Cache(None, f"{folder}: no cache: others may write there (chmod go-w)")
    return Cache(folder)


def key_of(function: str, inputs: Any) -> str:
    """The key for a function and its inputs; the ``repr`` of the inputs must show their whole content."""
    return sha256(repr((function, generator_digest(), inputs)).encode()).hexdigest()


def file_digests(paths: Iterable[Path]) -> list[tuple[str, str | None]]:
    """Each path with the hash of its content, None if it is no regular file."""
    files = ((path, path.read_bytes() if path.is_file() else None) for path in sorted(paths))
    return [(str(path), None if content is None else sha256(content).hexdigest()) for path, content in files]


@cache
def generator_digest() -> str:
    """The hash of what all specs share: this package's content, the schema, the records of frameworks and servers, and
    the versions of Python and of the libraries that generate."""
    from importlib.metadata import PackageNotFoundError, version

    versions = [sys.version]
    for name in _RUNS_ON:
        with suppress(PackageNotFoundError):
            versions.append(version(name))
    left_out = {*map(resources.records_path, _OF_RUNS)}
    content = (
        file
        for file in _PACKAGE.rglob("*")
        if file.parent not in left_out and not _NO_CODE & {*file.relative_to(_PACKAGE).parts}
    )
    return sha256(repr([versions, file_digests([*content, resources.schema_path()])]).encode()).hexdigest()


class Run:
    """One run of ``generate``. It is skipped if inputs and outputs are unchanged.

    ``asked`` holds the options, ``folders`` the user's own specs, ``further`` other files that the run reads.
    """

    def __init__(self, memo: Cache, asked: object, folders: Sequence[Path], further: Sequence[Path] = ()) -> None:
        self._memo, self._asked = memo, asked
        self._folders, self._further = (resources.specs_path(), *map(Path.absolute, folders)), further
        self._key = self._inputs()

    def before(self, out: Path) -> Sequence[str] | None:
        """The messages of an earlier run from the same inputs; None if its files have changed since.

        A link in the place of a file or folder counts as a change, and so does an unfinished part of a file.
        """
        digests, messages = self._memo.get(self._key) or ({"": ""}, [])
        folders: dict[str, files.Kind] = {"": "folder"}
        try:
            same = (
                all(files.not_a_folder(out, path, folders) is None for path in digests)
                and not any(files.part_of(name) for folder in folders for name in files.names(out / folder))
                and all(_digest(os.path.join(out, path)) == digest for path, digest in digests.items())
            )
        except OSError:
            return None
        return messages if same else None

    def keep(self, made: Mapping[str, str], messages: Sequence[str]) -> None:
        """Store the run's files and messages, unless its inputs have changed since it began."""
        if self._inputs() == self._key:
            digests = {path: sha256(content.encode()).hexdigest() for path, content in made.items()}
            self._memo.put(self._key, [digests, messages])
        self._memo.prune()

    def _inputs(self) -> str:
        if self._memo.folder is None:
            return ""
        specs = [file_digests(map(Path.resolve, resources.yaml_files(folder))) for folder in self._folders]
        records = (file for of in _OF_RUNS for file in resources.records_path(of).glob("*.json"))
        further = file_digests([*self._further, *records])
        return key_of("run", [self._asked, specs, further])


def _digest(file: str) -> str | None:
    content = files.read(file, MAX_FILE + 1)
    return None if content is None or len(content) > MAX_FILE else sha256(content).hexdigest()
