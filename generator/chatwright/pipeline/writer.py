"""The only module that writes output. Writes are atomic, and no link below the output folder is followed.

Each file is written separately (:func:`..files.write`): if a run was killed, another run completes it. Files are
removed only from a tree with a manifest: files that it lists, that are no longer generated, and that have our header.
"""

from __future__ import annotations

import json
import os
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from .. import files as disk
from ..characters import printable
from ..errors import ChatwrightError
from ..targets.lmdeploy import FIELDS
from .formatting import is_generated

MANIFEST = ".manifest"  # the files of the last run, one path per line
MAX_MANIFEST = 16 << 20  # bytes; the public catalogue's has 64 kB
MAX_LISTED = 400_000  # files in a manifest; the public catalogue has 1900
_HEAD = 4096  # bytes at the beginning of a file that contain its header
_MAX_TEXT = 64 << 20  # bytes of a file that is read to be edited
_MAX_JSON = 1 << 20  # bytes of a JSON file that could be ours
_MARKS = ("<<<<<<<", "=======", ">>>>>>>")  # of a merge conflict

Unlike = Literal["missing", "changed"]


@dataclass(frozen=True)
class Changes:
    """What a run changed, as sorted paths below the output folder.

    ``left`` are files that the manifest listed and that are no longer generated, but do not have our header.
    """

    written: tuple[str, ...]
    removed: tuple[str, ...]
    left: tuple[str, ...] = ()


@dataclass(frozen=True)
class Tree:
    """How a folder differs from the files that it should hold, as paths below it.

    ``unlike`` are the files to write. ``stale`` are the files to remove: listed in the manifest, no longer generated,
    and ours. ``left`` are listed and no longer generated, but not ours. ``renamed`` maps a stale file to the new path
    that is the same file on a case-insensitive disk. ``parts`` are unfinished files of killed runs. ``listed`` are the
    files in the manifest.
    """

    unlike: Mapping[str, Unlike]
    stale: tuple[str, ...]
    left: tuple[str, ...]
    renamed: Mapping[str, str]
    parts: tuple[str, ...]
    listed: frozenset[str]


def manifest_text(files: Iterable[str]) -> str:
    """The manifest of these files; it lists itself, too."""
    return "".join(f"{path}\n" for path in sorted({*files, MANIFEST}))


def owned_paths(out: Path) -> frozenset[str]:
    """The files that the manifest of a folder lists; lines that are no path below it (merge conflicts) are skipped.

    Raises:
        ChatwrightError: the file cannot be a manifest.
    """
    with _reporting(out, "read"):
        _refuse_obstacles(out, [MANIFEST])
        content = disk.read(out / MANIFEST, MAX_MANIFEST + 1) or b""
    if reason := _no_manifest(content):
        raise ChatwrightError(f"{out / MANIFEST}: no list of generated files ({reason}); remove it, then run again")
    lines = content.decode().splitlines()
    return frozenset(line for line in lines if disk.is_inside(line) and not line.startswith(_MARKS))


def _no_manifest(content: bytes) -> str | None:
    if len(content) > MAX_MANIFEST:
        return f"it is larger than {MAX_MANIFEST >> 20} MB"
    if b"\0" in content:
        return "it holds a NUL"
    lines = content.splitlines()
    if len(lines) > MAX_LISTED:
        return f"it has more than {MAX_LISTED} lines"
    if any(len(line) > disk.MAX_PATH for line in lines):
        return f"a line of it is longer than {disk.MAX_PATH} bytes"
    try:
        content.decode()
    except UnicodeDecodeError:
        return "it is not UTF-8 text"
    return None


def unlike(out: Path, files: Mapping[str, str]) -> dict[str, Unlike]:
    """The files that are missing or have another content.

    Raises:
        ChatwrightError: a file could not be written: its path leads out of the folder or through a link, something
            else than a regular file is in its place, or two paths differ only in case.
    """
    _refuse_paths(files)
    with _reporting(out, "read"):
        found = _refuse_obstacles(out, files)
        return {
            path: "missing" if found[path].kind == "nothing" else "changed"
            for path, text in files.items()
            if not _holds(out, path, found[path], text)
        }


def compare_tree(out: Path, files: Mapping[str, str]) -> Tree:
    """The changes that :func:`write_tree` would make; nothing is written.

    Raises:
        ChatwrightError: as :func:`unlike`; or the file in the manifest's place cannot be a manifest.
    """
    different = unlike(out, files)
    listed = owned_paths(out) if MANIFEST in files else frozenset[str]()
    with _reporting(out, "read"):
        stale, left = [], []
        folders: dict[str, disk.Kind] = {}
        for path in sorted(listed - files.keys()):
            obstacle, found = _look(out, path, folders)
            if obstacle is None and found.kind == "file" and _is_ours(out / path):
                stale.append(path)
            elif obstacle is not None or found.kind == "file":
                left.append(path)
        renamed = _renamed(out, stale, files)
        different |= dict.fromkeys(renamed.values(), "changed")
        parts = _parts(out, {*files, *stale}) if MANIFEST in files else ()
    return Tree(different, tuple(stale), tuple(left), renamed, parts, listed)


def write_tree(out: Path, files: Mapping[str, str]) -> Changes:
    """Write these files into the folder; if a manifest is among them, remove files that only the old one lists.

    All checks come first, so that a refusal changes nothing. Then a manifest of the old and the new files together is
    written, then each file. Then the stale files are removed, and the final manifest is written last. So every file of
    ours is listed in a manifest at any time. Files that are not listed, or do not have our header, are not removed.

    Raises:
        ChatwrightError: as :func:`compare_tree`; a file made by hand is in the way; or the system refuses to write:
            then each file is complete, old or new, and another run does the rest.
    """
    tree = compare_tree(out, files)
    _refuse_hand_made(out, tree)
    manifest = files.get(MANIFEST)
    if manifest is not None and (reason := _no_manifest(manifest_text({*files, *tree.stale}).encode())):
        raise ChatwrightError(f"{out / MANIFEST}: too many files for a list of them ({reason})")
    new = sorted(tree.unlike.keys() - {MANIFEST})
    with _reporting(out, "write") as done:
        for part in tree.parts:
            with suppress(OSError):  # another run has the file open
                disk.remove(out / part)
        if manifest is not None and (new or tree.stale):
            _update(out, MANIFEST, manifest_text({*files, *tree.stale}), done)
        for path in tree.renamed:
            _remove(out, path, done)
        for path in new:
            _write(out, path, files[path], done)
        for path in tree.stale:
            if path not in tree.renamed:
                _remove(out, path, done)
        if manifest is not None:
            _update(out, MANIFEST, manifest, done)
    return Changes(tuple(sorted(tree.unlike)), tree.stale, tree.left)


def write_files(folder: Path, files: Mapping[str, str]) -> tuple[str, ...]:
    """Write files into a folder, also over files without our header; returns the paths of changed files, sorted.

    Nothing is removed. All checks come first, so that a refusal changes nothing.

    Raises:
        ChatwrightError: as :func:`unlike`; or the system refuses to write: then each file is complete, old or new.
    """
    new = sorted(unlike(folder, files))
    with _reporting(folder, "write") as done:
        for path in new:
            _write(folder, path, files[path], done)
    return tuple(new)


def write_file(file: Path, text: str) -> bool:
    """Write one file into its folder; returns whether it changed.

    Raises:
        ChatwrightError: as :func:`write_files`.
    """
    return bool(write_files(file.parent, {file.name: text}))


def write_chunks(file: Path, content: Callable[[], Iterable[bytes]], size: int, *, force: bool) -> bool:
    """Write one file of ``size`` bytes piece by piece; returns whether it changed.

    What killed runs left unfinished of this very file is removed.

    Raises:
        ChatwrightError: as :func:`write_files`; or another file is there and ``force`` is not given.
    """
    folder, name = file.parent, file.name
    _refuse_paths([name])
    with _reporting(folder, "read"):
        found = _refuse_obstacles(folder, [name])[name]
        if found.kind == "file" and found.size == size and disk.holds(file, content()):
            return False
        parts = _parts(folder, [name])
    if found.kind == "file" and not force:
        raise ChatwrightError(f"{file}: is there with another content; --force replaces it")
    with _reporting(folder, "write"):
        for part in parts:
            disk.remove(folder / part)
        disk.write_chunks(file, content)
    return True


def read_text(file: Path) -> str | None:
    """The text of a file that will be edited, None if there is no file.

    Raises:
        ChatwrightError: something else than a regular file is there, it is larger than 64 MB, or not UTF-8 text.
    """
    with _reporting(file, "read"):
        _refuse_obstacles(file.parent, [file.name])
        content = disk.read(file, _MAX_TEXT + 1)
    if content is None:
        return None
    if len(content) > _MAX_TEXT:
        raise ChatwrightError(f"{file}: larger than {_MAX_TEXT >> 20} MB")
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise ChatwrightError(f"{file}: not UTF-8 text") from error


def _write(out: Path, path: str, text: str, done: list[str]) -> None:
    disk.write(out / path, _encoded(out / path, text))
    done.append(path)


def _update(out: Path, path: str, text: str, done: list[str]) -> None:
    if not _holds(out, path, disk.look(out / path), text):
        _write(out, path, text, done)


def _remove(out: Path, path: str, done: list[str]) -> None:
    """Remove a file, and the folders that are then empty."""
    disk.remove(out / path)
    done.append(path)
    for folder in Path(path).parents[:-1]:
        try:
            os.rmdir(out / folder)
        except OSError:
            return


@contextmanager
def _reporting(out: Path, act: str) -> Iterator[list[str]]:
    """Turn an OSError inside the block into a message. The block adds the paths of its changes to the list."""
    done: list[str] = []
    try:
        yield done
    except OSError as error:
        rest = "; each file is whole, old or new: run the same command again" if done else ""
        place = printable(str(error.filename or out))
        raise ChatwrightError(f"{place}: cannot {act}: {error.strerror or error}{rest}") from error


def _encoded(file: Path, text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise ChatwrightError(f"{file}: no file can hold {text[error.start]!a}, half of a character") from error


def _holds(out: Path, path: str, found: disk.Found, text: str) -> bool:
    """Whether a file has this content; a file of another size is not read."""
    content = _encoded(out / path, text)
    if found.kind != "file" or found.size != len(content):
        return False
    return disk.read(os.path.join(out, path), len(content) + 1) == content


# -- what is in the way ------------------------------------------------------------------------------------------------


def _folded(path: str) -> str:
    """A path with case folded and accents normalized, as macOS and Windows compare paths."""
    if path.isascii():
        return path.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())


def _refuse_paths(paths: Iterable[str]) -> None:
    """Refuse paths that lead out of a folder, are invalid on some system, or name the same file on some system."""
    known: dict[str, str] = {}
    for path in paths:
        if not disk.is_inside(path):
            raise ChatwrightError(
                printable(f"{path!r} is not a path below the output folder that every system can have")
            )
        if (other := known.setdefault(_folded(path), path)) != path:
            raise ChatwrightError(f"{other} and {path} are the same file where case does not count")
    for path in known.values():
        parts = path.split("/")
        for end in range(1, len(parts)):
            if (other := known.get(_folded("/".join(parts[:end])), "")) != "":
                raise ChatwrightError(f"{other} would be a file, and a folder of {path}")


def _refuse_obstacles(out: Path, paths: Iterable[str]) -> dict[str, disk.Found]:
    """What is at each path; all obstacles to writing regular files there are reported together."""
    folders: dict[str, disk.Kind] = {}
    obstacles, found = [], {}
    for path in paths:
        obstacle, found[path] = _look(out, path, folders)
        if obstacle is not None:
            obstacles.append(obstacle)
    if obstacles:
        raise ChatwrightError(*dict.fromkeys(obstacles))
    return found


_WHAT: Mapping[disk.Kind, str] = {
    "link": "a symbolic link, which is not followed",
    "folder": "a folder",
    "file": "a file",
    "other": "not a regular file",
}


def _look(out: Path, path: str, folders: dict[str, disk.Kind]) -> tuple[str | None, disk.Found]:
    """A message about the obstacle to a regular file at a path, or None; and what is there."""
    nothing = disk.Found("nothing", 0)
    if (place := disk.not_a_folder(out, path, folders)) is not None:
        kind, due = folders[place], "a folder"
        if kind == "nothing":
            return None, nothing
    else:
        found = disk.look(os.path.join(out, path))
        if found.kind in ("nothing", "file"):
            return None, found
        place, kind, due = path, found.kind, "a file"
    message = f"{out / place}: {_WHAT[kind]}, and {due} has to be there; move it elsewhere"
    return printable(message), nothing


def _refuse_hand_made(out: Path, tree: Tree) -> None:
    known = {*tree.listed, *tree.renamed.values(), MANIFEST}
    messages = [
        f"{out / path}: not made by chatwright, and in the way; move it elsewhere"
        for path, how in tree.unlike.items()
        if how == "changed" and path not in known and not is_generated(disk.read(out / path, _HEAD) or b"")
    ]
    if messages:
        raise ChatwrightError(*messages)


# -- what is ours ------------------------------------------------------------------------------------------------------


def _is_ours(file: Path) -> bool:
    """Whether a file has our header or, since JSON has no comments, exactly the fields of a file for LMDeploy."""
    content = disk.read(file, _MAX_JSON + 1) or b""
    if is_generated(content[:_HEAD]):
        return True
    if file.suffix != ".json" or len(content) > _MAX_JSON:
        return False
    try:
        data = json.loads(content)
    except (ValueError, RecursionError):
        return False
    return isinstance(data, dict) and tuple(data) == FIELDS


def _renamed(out: Path, stale: Iterable[str], files: Iterable[str]) -> dict[str, str]:
    """The stale files that are the same file as a new path, which differs only in case."""
    new = {_folded(path): path for path in files}
    found = {}
    for path in stale:
        other = new.get(_folded(path))
        if other is not None and _is_same(out / path, out / other):
            found[path] = other
    return found


def _is_same(one: Path, other: Path) -> bool:
    try:
        return os.path.samestat(os.lstat(one), os.lstat(other))
    except FileNotFoundError:
        return False


def _parts(out: Path, paths: Iterable[str]) -> tuple[str, ...]:
    """Unfinished parts of these files, left by killed runs."""
    beginnings: dict[str, set[str]] = {}
    for path in paths:
        folder, slash, name = path.rpartition("/")
        beginnings.setdefault(folder + slash, set()).add(disk.beginning(name))
    folders: dict[str, disk.Kind] = {}
    return tuple(
        folder + name
        for folder, known in sorted(beginnings.items())
        if disk.not_a_folder(out, folder, folders) is None
        for name in sorted(disk.names(os.path.join(out, folder)))
        if disk.part_of(name) in known and disk.look(os.path.join(out, folder, name)).kind == "file"
    )
