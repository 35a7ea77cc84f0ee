"""Read and write single files: no link is followed, only regular files are opened, and writes are atomic.

A folder may come from a stranger, in a clone or an archive. So each path is checked before it is opened. A file is
written under a temporary name in its own folder and then moved to its place: a reader sees the old file or the new
one. The same code runs on Linux, macOS and Windows; flags that a system lacks are a second guard, not the first.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Literal, NamedTuple

Kind = Literal["nothing", "file", "folder", "link", "other"]
MAX_PATH = 4096  # characters

_PART = ".chatwright-part"  # the suffix of a file that is being written
_KEPT_OF_NAME = 50  # characters of the target's name, so that the temporary name fits into 255 bytes
_PART_NAME = re.compile(rf"\.(.+)\.[0-9a-f]{{16}}{re.escape(_PART)}", re.DOTALL)
_TRIES = 5  # to write a file while another run removes its folder or its unfinished part
_PAUSES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4)  # seconds; on Windows a file that is open cannot be replaced
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)
_READ = os.O_RDONLY | _NO_LINK | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_LINK | getattr(os, "O_BINARY", 0)
_WINDOWS_LINKS = (0xA000000C, 0xA0000003)  # reparse tags: a symbolic link, a junction
_DEVICES = re.compile(r"con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³]", re.IGNORECASE)
_IN_NO_NAME = re.compile(r'[\x00-\x1f\x7f<>:"/\\|?*]')


class Found(NamedTuple):
    """What is at a path, without following links; ``size`` in bytes."""

    kind: Kind
    size: int


def look(path: str | Path) -> Found:
    """What is at a path; a link is not followed.

    Raises:
        OSError: the system cannot look there.
    """
    try:
        status = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return Found("nothing", 0)
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            return Found("nothing", 0)
        raise
    return Found(_kind(status), status.st_size)


def _kind(status: os.stat_result) -> Kind:
    if stat.S_ISLNK(status.st_mode) or getattr(status, "st_reparse_tag", 0) in _WINDOWS_LINKS:
        return "link"
    return "file" if stat.S_ISREG(status.st_mode) else "folder" if stat.S_ISDIR(status.st_mode) else "other"


def read(path: str | Path, most: int) -> bytes | None:
    """The first ``most`` bytes of a regular file; None if there is nothing, or something else.

    Raises:
        OSError: the file cannot be read.
    """
    if look(path).kind != "file":
        return None
    try:
        handle = os.open(path, _READ)
    except FileNotFoundError:
        return None
    with os.fdopen(handle, "rb") as stream:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            return None
        return stream.read(min(most, status.st_size + 1))  # allocates no more memory than the file has


def write(path: str | Path, content: bytes, mode: int = 0o666) -> None:
    """Write a file atomically, and create its folders: a reader sees the old file or the new one, complete.

    A new file has the permissions ``mode``, minus the umask; a file that replaces another keeps its permissions.

    Raises:
        OSError: the system refuses; nothing of the new file is left.
    """
    write_chunks(path, lambda: (content,), mode)


def write_chunks(path: str | Path, content: Callable[[], Iterable[bytes]], mode: int = 0o666) -> None:
    """Write a file as :func:`write` does, piece by piece; ``content`` begins anew where a folder had to be made first.

    Raises:
        OSError: the disk refuses; nothing is left of the new file. So it is where ``content`` raises anything.
    """
    place = Path(path)
    try:
        for _ in range(_TRIES):
            with suppress(FileNotFoundError):
                return _write_and_move(place, content, mode)
            place.parent.mkdir(parents=True, exist_ok=True)
        _write_and_move(place, content, mode)
    except OSError as error:
        error.filename = str(place)  # not the temporary name
        raise


def _write_and_move(place: Path, content: Callable[[], Iterable[bytes]], mode: int) -> None:
    part = place.with_name(f".{place.name[:_KEPT_OF_NAME]}.{os.urandom(8).hex()}{_PART}")
    handle = os.open(part, _CREATE, mode)
    try:
        with os.fdopen(handle, "wb") as stream:
            with suppress(OSError):  # there is no old file, or its permissions cannot be copied
                if stat.S_ISREG(old := os.lstat(place).st_mode):
                    os.chmod(part, old & 0o777)
            stream.writelines(content())
        _patiently(lambda: os.replace(part, place))
    except BaseException:
        with suppress(OSError):
            os.unlink(part)
        raise


def holds(path: str | Path, content: Iterable[bytes]) -> bool:
    """Whether a regular file has this content; False where something else is there.

    Raises:
        OSError: the file cannot be read.
    """
    if look(path).kind != "file":
        return False
    with os.fdopen(os.open(path, _READ), "rb") as stream:
        return all(stream.read(len(piece)) == piece for piece in content) and not stream.read(1)


def remove(path: str | Path) -> None:
    """Remove a file; it is no error if it is gone already.

    Raises:
        OSError: the system refuses.
    """
    with suppress(FileNotFoundError):
        _patiently(lambda: os.unlink(path))


def _patiently(act: Callable[[], None]) -> None:
    for pause in _PAUSES:
        try:
            return act()
        except PermissionError:
            time.sleep(pause)
    act()


def not_a_folder(root: str | Path, path: str, known: dict[str, Kind]) -> str | None:
    """The first parent of ``path`` below ``root`` that is no folder; None if all are folders.

    ``known`` caches what is at each place, for the next call.

    Raises:
        OSError: the system cannot look there.
    """
    end = path.find("/")
    while end != -1:
        place = path[:end]
        kind = known.get(place) or known.setdefault(place, look(os.path.join(root, place)).kind)
        if kind != "folder":
            return place
        end = path.find("/", end + 1)
    return None


def names(folder: str | Path) -> list[str]:
    """The names in a folder; none if it cannot be read."""
    try:
        return os.listdir(folder)
    except OSError:
        return []


def part_of(name: str) -> str | None:
    """If this is the name of an unfinished part, the beginning of its target's name; else None."""
    found = _PART_NAME.fullmatch(name)
    return found[1] if found else None


def beginning(name: str) -> str:
    """The part of a file's name that the name of its unfinished part begins with."""
    return name[:_KEPT_OF_NAME]


def is_inside(path: str) -> bool:
    """Whether a path, with ``/`` between its parts, stays below its folder and is valid on every system."""
    return len(path) <= MAX_PATH and all(map(is_name, path.split("/")))


@lru_cache(4096)
def is_name(name: str) -> bool:
    """Whether a file or folder can have this name on every system: Windows reserves names, characters and endings."""
    return (
        name != ""
        and not is_reserved(name)
        and not _IN_NO_NAME.search(name)
        and len(name.encode("utf-8", "surrogatepass")) <= 255
    )


def is_reserved(name: str) -> bool:
    """Whether Windows reads a name as a device, or as another name: it drops trailing dots and spaces."""
    return name.endswith((".", " ")) or _DEVICES.fullmatch(name.partition(".")[0].rstrip(" ")) is not None
