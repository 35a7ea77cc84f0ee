"""The one writer: what it writes is complete or not there at all, and what it did not write it does not touch."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ..errors import ChatwrightError
from .formatting import is_generated

MANIFEST = ".manifest"  # the files that the last run made, one path a line
_STAGE = ".chatwright-stage"


@dataclass(frozen=True)
class Changes:
    """What a run changed, as sorted paths below the output folder."""

    written: tuple[str, ...]
    removed: tuple[str, ...]


def manifest_text(files: Mapping[str, str]) -> str:
    """The manifest of these files and of itself."""
    return "".join(f"{path}\n" for path in sorted({*files, MANIFEST}))


def owned_paths(out: Path) -> frozenset[str]:
    """The files that the manifest lists; a line that is no path below the folder (a merge conflict's) is ignored."""
    lines = (read_text(out / MANIFEST) or "").splitlines()
    return frozenset(
        line for line in lines if _is_inside(line) and not line.startswith(("<<<<<<<", "=======", ">>>>>>>"))
    )


def read_text(path: Path) -> str | None:
    """The content of a file with its line ends as they are, or None where there is no file."""
    content = _read(path)
    return None if content is None else content.decode("utf-8", errors="replace")


def write_tree(out: Path, files: Mapping[str, str]) -> Changes:
    """Make the folder hold exactly these files, next to those it does not own.

    All content is staged inside the folder first, so that a full disk or an interruption leaves the old tree; then each
    file is moved into place, and moved back if any of them cannot be.

    Raises:
        ChatwrightError: a path leaves the folder, a file made by hand is in the way, or the disk refuses.
    """
    for path in files:
        if not _is_inside(path):
            raise ChatwrightError(f"{path!r} is not a path below the output folder")
    try:
        out.mkdir(parents=True, exist_ok=True)
        with _locked(out):
            return _write_locked(out, files)
    except OSError as error:
        raise ChatwrightError(f"{error.filename or out}: cannot write: {error.strerror or error}") from error


def _write_locked(out: Path, files: Mapping[str, str]) -> Changes:
    owned = owned_paths(out)
    root = out.resolve()
    parents = {(out / path).parent for path in (*files, *owned)}
    for parent in sorted(parents):
        if not parent.resolve().is_relative_to(root):
            raise ChatwrightError(f"{parent}: a symbolic link leads out of the output folder")
    old = {path: _read(out / path) for path in files}
    new = {path: content.encode() for path, content in files.items() if old[path] != content.encode()}
    in_the_way = [path for path in new if _is_foreign(path, old[path], owned)]
    if in_the_way:
        raise ChatwrightError(
            "\n".join(f"{out / path}: not made by chatwright, and in the way; move it elsewhere" for path in in_the_way)
        )
    stale = sorted(path for path in owned - set(files) if (out / path).is_file())
    _replace(out, new, stale)
    return Changes(tuple(sorted(new)), tuple(stale))


def replace_files(out: Path, new: Mapping[str, bytes], stale: Sequence[str]) -> None:
    """Write and remove files of a folder, whoever made them: all of them or, if the disk refuses, none.

    Raises:
        ChatwrightError: the disk refuses.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        with _locked(out):
            _replace(out, new, stale)
    except OSError as error:
        raise ChatwrightError(f"{error.filename or out}: cannot write: {error.strerror or error}") from error


def _replace(out: Path, new: Mapping[str, bytes], stale: Sequence[str]) -> None:
    stage = out / _STAGE
    shutil.rmtree(stage, ignore_errors=True)  # left by a run that was killed
    if not new and not stale:
        return
    try:
        for path, content in new.items():
            staged = stage / "new" / path
            staged.parent.mkdir(parents=True, exist_ok=True)
            staged.write_bytes(content)
        _move_into_place(out, stage, sorted(new), stale)
    finally:
        shutil.rmtree(stage, ignore_errors=True)
    _remove_empty_folders(out, stale)


def _move_into_place(out: Path, stage: Path, written: Sequence[str], stale: Sequence[str]) -> None:
    """Move the stale files out and the staged ones in; whatever stops this, what was moved is moved back.

    The manifest sorts before every other path, so that even a run that is killed leaves a file which it lists.
    """
    moved: list[tuple[Path, Path | None]] = []  # (place, where its old file is kept)
    try:
        for path in (*stale, *written):
            place, kept = out / path, stage / "old" / path
            if place.exists():
                kept.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(place, kept)
                moved.append((place, kept))
            else:
                moved.append((place, None))
            if path in stale:
                place.unlink()
            else:
                place.parent.mkdir(parents=True, exist_ok=True)
                (stage / "new" / path).replace(place)
    except BaseException:
        for place, old in reversed(moved):
            if old is not None:
                old.replace(place)
            else:
                place.unlink(missing_ok=True)
        raise


def _is_inside(path: str) -> bool:
    parts = PurePosixPath(path).parts
    return bool(parts) and not path.startswith("/") and ".." not in parts and "\\" not in path and ":" not in path


def _is_foreign(path: str, content: bytes | None, owned: frozenset[str]) -> bool:
    return content is not None and path != MANIFEST and path not in owned and not is_generated(content)


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None


def _remove_empty_folders(out: Path, removed: Sequence[str]) -> None:
    for folder in sorted({parent for path in removed for parent in (out / path).parents}, reverse=True):
        if folder != out and folder.is_relative_to(out) and not any(folder.iterdir()):
            folder.rmdir()


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One writer at a time, where the system can lock a folder."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
