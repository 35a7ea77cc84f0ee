"""The one writer: what it writes is complete or not there at all, and what it did not write it does not touch."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ..errors import ChatwrightError
from .formatting import is_generated

MANIFEST = ".manifest"  # the files that the last run made, one path a line
_STAGE = ".chatwright-stage"
_NEW, _OLD, _AGAIN = "new", "old", "again"  # folders of the stage: what is moved in, what it replaces, and copies of it
_FORWARD, _BACK = "forward", "back"  # the journal of the moves, and its name when they are undone


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
    file is moved into place, and moved back if any of them cannot be. A run that is killed meanwhile leaves a journal,
    by which the next one finishes its work: see :func:`recover`.

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


def recover(out: Path) -> None:
    """Make the tree whole where a run was killed while it moved files: the new tree, or the old one if it was undoing.

    Raises:
        ChatwrightError: the disk refuses, or the journal names a path outside.
    """
    if not os.path.lexists(out / _STAGE):
        return
    try:
        with _locked(out):
            _recover(out)
    except OSError as error:
        raise ChatwrightError(f"{error.filename or out}: cannot write: {error.strerror or error}") from error


def _write_locked(out: Path, files: Mapping[str, str]) -> Changes:
    _recover(out)
    owned = owned_paths(out)
    _refuse_links(out, (*files, *owned))
    new = {
        path: content
        for path, content in files.items()
        if _read(out / path) != content.encode() or (out / path).is_symlink()
    }
    in_the_way = [path for path in new if _is_foreign(path, _read(out / path), owned)]
    if in_the_way:
        raise ChatwrightError(
            "\n".join(f"{out / path}: not made by chatwright, and in the way; move it elsewhere" for path in in_the_way)
        )
    stale = sorted(path for path in owned - set(files) if (out / path).is_file())
    _replace(out, new, stale)
    return Changes(tuple(sorted(new)), tuple(stale))


def replace_files(out: Path, new: Mapping[str, str], stale: Sequence[str]) -> None:
    """Write and remove files of a folder, whoever made them: all of them or, if the disk refuses, none.

    Raises:
        ChatwrightError: the disk refuses.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        with _locked(out):
            _recover(out)
            _replace(out, new, stale)
    except OSError as error:
        raise ChatwrightError(f"{error.filename or out}: cannot write: {error.strerror or error}") from error


def _refuse_links(out: Path, paths: Iterable[str]) -> None:
    root = out.resolve()
    folders = {(out / path).parent: path for path in paths}  # to resolve one takes a while, and many files share it
    for folder, path in folders.items():
        if not folder.resolve().is_relative_to(root):
            raise ChatwrightError(f"{out / path}: a symbolic link leads out of the output folder")


def _replace(out: Path, new: Mapping[str, str], stale: Sequence[str]) -> None:
    if not new and not stale:
        return
    stage = out / _STAGE
    moves = _Moves(tuple(stale), tuple(sorted(new)))
    try:
        for path, content in new.items():
            staged = stage / _NEW / path
            staged.parent.mkdir(parents=True, exist_ok=True)
            staged.write_bytes(content.encode())
        stage.mkdir(exist_ok=True)
        journal = stage / f"{_FORWARD}.part"
        journal.write_text(json.dumps([moves.stale, moves.written]), encoding="utf-8")
        journal.replace(stage / _FORWARD)
    except BaseException:
        _clear(stage)
        raise
    try:
        moves.make(out)
    except BaseException:
        (stage / _FORWARD).replace(stage / _BACK)
        moves.undo(out)
        _clear(stage)
        raise
    _clear(stage)


@dataclass(frozen=True)
class _Moves:
    """What is moved out and in. Each can be made, or undone, again where it was interrupted.

    The stale files go first, and the manifest sorts before every other: no file is there that no manifest lists.
    """

    stale: tuple[str, ...]
    written: tuple[str, ...]

    def make(self, out: Path) -> None:
        """Move the stale files out and the staged ones in; what stood in their place is kept in the stage."""
        for path in self.stale:
            place, kept = out / path, out / _STAGE / _OLD / path
            if os.path.lexists(place):
                kept.parent.mkdir(parents=True, exist_ok=True)
                place.replace(kept)
        for path in self.written:
            staged, place, kept = (folder / path for folder in (out / _STAGE / _NEW, out, out / _STAGE / _OLD))
            if staged.exists():
                if os.path.lexists(place):
                    kept.parent.mkdir(parents=True, exist_ok=True)
                    _link(place, kept)
                place.parent.mkdir(parents=True, exist_ok=True)
                staged.replace(place)
        _remove_empty_folders(out, self.stale)

    def undo(self, out: Path) -> None:
        """Bring back what was kept, and remove what stands where nothing stood."""
        for path in reversed((*self.stale, *self.written)):
            staged, kept, again = (out / _STAGE / folder / path for folder in (_NEW, _OLD, _AGAIN))
            if os.path.lexists(kept):
                again.parent.mkdir(parents=True, exist_ok=True)
                (out / path).parent.mkdir(parents=True, exist_ok=True)
                _link(kept, again)
                again.replace(out / path)
            elif path in self.written and not staged.exists():
                (out / path).unlink(missing_ok=True)
        _remove_empty_folders(out, self.written)


def _link(source: Path, target: Path) -> None:
    """A second name for a file, or, where there are none, a copy, which is whole when it is there."""
    target.unlink(missing_ok=True)
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:
        part = target.with_name(f"{target.name}.part")
        shutil.copy2(source, part, follow_symlinks=False)
        part.replace(target)


def _recover(out: Path) -> None:
    """Finish the moves that a killed run had begun; what it had only staged is left out."""
    stage = out / _STAGE
    if stage.is_dir() and not stage.is_symlink():
        if moves := _journal(out, _BACK):
            moves.undo(out)
        elif moves := _journal(out, _FORWARD):
            moves.make(out)
    _clear(stage)


def _journal(out: Path, name: str) -> _Moves | None:
    """The moves of a journal, of files that are ours; None where there is no journal, or not one that we wrote."""
    try:
        stale, written = json.loads(_read(out / _STAGE / name) or "null")
        moves = _Moves(tuple(map(str, stale)), tuple(map(str, written)))
    except (ValueError, TypeError):
        return None
    paths = (*moves.stale, *moves.written)
    _refuse_links(out, filter(_is_inside, paths))
    owned = owned_paths(out) | owned_paths(out / _STAGE / _OLD)
    ours = all(path in owned for path in moves.stale) and all(_is_inside(path) for path in paths)
    return moves if ours and not any(_is_foreign(path, _read(out / path), owned) for path in moves.written) else None


def _clear(stage: Path) -> None:
    """Remove the stage, or what stands in its place: a link, which is not followed, or a file."""
    if stage.is_symlink() or stage.is_file():
        stage.unlink()
    else:
        shutil.rmtree(stage, ignore_errors=True)


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
        if folder != out and folder.is_relative_to(out) and folder.is_dir() and not any(folder.iterdir()):
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
