"""The one writer: it writes whole files, follows no link below its folder, and replays nothing that it finds there.

Each file is written on its own (:func:`..files.write`): a run that was killed is finished by running again. Files are
removed from a tree with a manifest only: those that it lists, that are no longer generated, and that look like ours.
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

MANIFEST = ".manifest"  # the files that the last run made, one path a line
MAX_MANIFEST = 16 << 20  # bytes; that of the public catalogue has 64 kB
MAX_LISTED = 400_000  # files in a manifest; the public catalogue has 1900
_HEAD = 4096  # bytes of a file in which its header is
_MAX_TEXT = 64 << 20  # bytes of a file that is read to be edited
_MAX_JSON = 1 << 20  # bytes of a JSON file that could be ours
_MARKS = ("<<<<<<<", "=======", ">>>>>>>")  # of a merge conflict

Unlike = Literal["missing", "changed"]


@dataclass(frozen=True)
class Changes:
    """What a run changed, as sorted paths below the output folder.

    ``left`` are files that the manifest listed and that are no longer generated, but do not look like ours.
    """

    written: tuple[str, ...]
    removed: tuple[str, ...]
    left: tuple[str, ...] = ()


@dataclass(frozen=True)
class Tree:
    """How a folder differs from the files that it should hold, as paths below it.

    ``unlike`` are the files to write. ``stale`` are those to remove: listed in the manifest, no longer generated, and
    ours. ``left`` are listed and no longer generated, but not ours. ``renamed`` maps a stale file to the new path that
    is the same file on a disk without upper and lower case. ``parts`` are what killed runs left of files of this tree.
    ``listed`` is what the manifest lists.
    """

    unlike: Mapping[str, Unlike]
    stale: tuple[str, ...]
    left: tuple[str, ...]
    renamed: Mapping[str, str]
    parts: tuple[str, ...]
    listed: frozenset[str]


def manifest_text(files: Iterable[str]) -> str:
    """The manifest of these files and of itself."""
    return "".join(f"{path}\n" for path in sorted({*files, MANIFEST}))


def owned_paths(out: Path) -> frozenset[str]:
    """The files that the manifest of a folder lists; a line that is no path below it (a merge conflict's) is ignored.

    Raises:
        ChatwrightError: what is there cannot be a manifest.
    """
    with _told(out, "read"):
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
    """The files that are not there, or not with this content.

    Raises:
        ChatwrightError: a file could not be written: its path leads out of the folder or through a link, something
            else than a regular file is in its place, or two paths are the same where case does not count.
    """
    _refuse_paths(files)
    with _told(out, "read"):
        found = _refuse_obstacles(out, files)
        return {
            path: "missing" if found[path].kind == "nothing" else "changed"
            for path, text in files.items()
            if not _holds(out, path, found[path], text)
        }


def compare_tree(out: Path, files: Mapping[str, str]) -> Tree:
    """What :func:`write_tree` would do; nothing is written.

    Raises:
        ChatwrightError: as :func:`unlike`; or what is in the manifest's place cannot be one.
    """
    different = unlike(out, files)
    listed = owned_paths(out) if MANIFEST in files else frozenset[str]()
    with _told(out, "read"):
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
    """Make the folder hold these files and, where a manifest is among them, none that an earlier manifest listed.

    Everything is looked at first, so that a refusal changes nothing. Then a manifest is written that lists the old
    files and the new ones together, then each file; then the stale ones are removed, and last the manifest is written
    that remains. So there is never a file of ours that no manifest lists. What is not listed stays, and so does what is
    listed but does not look like ours.

    Raises:
        ChatwrightError: as :func:`compare_tree`; a file made by hand is in the way; or the disk refuses: then each
            file is whole, the old or the new one, and running again does the rest.
    """
    tree = compare_tree(out, files)
    _refuse_hand_made(out, tree)
    manifest = files.get(MANIFEST)
    if manifest is not None and (reason := _no_manifest(manifest_text({*files, *tree.stale}).encode())):
        raise ChatwrightError(f"{out / MANIFEST}: too many files for a list of them ({reason})")
    new = sorted(tree.unlike.keys() - {MANIFEST})
    with _told(out, "write") as done:
        for part in tree.parts:
            with suppress(OSError):  # another run has it open
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
    """Write files into a folder, whoever made those that are there; returns the paths of what changed, sorted.

    Nothing is removed. Everything is looked at first, so that a refusal changes nothing.

    Raises:
        ChatwrightError: as :func:`unlike`; or the disk refuses: then each file is whole, the old or the new one.
    """
    new = sorted(unlike(folder, files))
    with _told(folder, "write") as done:
        for path in new:
            _write(folder, path, files[path], done)
    return tuple(new)


def write_file(file: Path, text: str) -> bool:
    """Write one file into the folder that it is in; returns whether it changed.

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
    with _told(folder, "read"):
        found = _refuse_obstacles(folder, [name])[name]
        if found.kind == "file" and found.size == size and disk.holds(file, content()):
            return False
        parts = _parts(folder, [name])
    if found.kind == "file" and not force:
        raise ChatwrightError(f"{file}: is there with another content; --force replaces it")
    with _told(folder, "write"):
        for part in parts:
            disk.remove(folder / part)
        disk.write_chunks(file, content)
    return True


def read_text(file: Path) -> str | None:
    """The text of a file that is to be written again, None where there is none.

    Raises:
        ChatwrightError: something else than a regular file is there, it is larger than 64 MB, or not UTF-8 text.
    """
    with _told(file, "read"):
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
def _told(out: Path, act: str) -> Iterator[list[str]]:
    """The paths that are changed inside, to be added to; what the system refuses becomes a message."""
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
    """Whether a file has this content; one of another size is not read."""
    content = _encoded(out / path, text)
    if found.kind != "file" or found.size != len(content):
        return False
    return disk.read(os.path.join(out, path), len(content) + 1) == content


# -- what is in the way ------------------------------------------------------------------------------------------------


def _folded(path: str) -> str:
    """A path without upper and lower case, and with one form of each accented letter, as macOS and Windows see it."""
    if path.isascii():
        return path.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())


def _refuse_paths(paths: Iterable[str]) -> None:
    """Refuse paths that lead out of a folder, cannot be on every system, or are the same file on some."""
    known: dict[str, str] = {}
    for path in paths:
        if not disk.is_inside(path):
            raise ChatwrightError(
                printable(f"{path!r} is not a path below the output folder that every system can have")
            )
        if (other := known.setdefault(_folded(path), path)) != path:
            raise ChatwrightError(f"{other} and {path} are one file where upper and lower case are not told apart")
    for path in known.values():
        parts = path.split("/")
        for end in range(1, len(parts)):
            if (other := known.get(_folded("/".join(parts[:end])), "")) != "":
                raise ChatwrightError(f"{other} would be a file, and a folder of {path}")


def _refuse_obstacles(out: Path, paths: Iterable[str]) -> dict[str, disk.Found]:
    """What is at each path; everything that keeps a regular file from being there is refused together."""
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
    """What keeps a regular file from being at a path, in words, or None; and what is there."""
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
    told = f"{out / place}: {_WHAT[kind]}, and {due} has to be there; move it elsewhere"
    return printable(told), nothing


def _refuse_hand_made(out: Path, tree: Tree) -> None:
    known = {*tree.listed, *tree.renamed.values(), MANIFEST}
    told = [
        f"{out / path}: not made by chatwright, and in the way; move it elsewhere"
        for path, how in tree.unlike.items()
        if how == "changed" and path not in known and not is_generated(disk.read(out / path, _HEAD) or b"")
    ]
    if told:
        raise ChatwrightError(*told)


# -- what is ours ------------------------------------------------------------------------------------------------------


def _is_ours(file: Path) -> bool:
    """Whether a file carries our header or, as JSON has no place for one, exactly the fields of a file for LMDeploy."""
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
    """Of the stale files those that are the very file of a new path, which differs in case alone."""
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
    """Unfinished parts of these files, which runs left that were killed."""
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
