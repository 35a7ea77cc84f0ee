"""Read a folder at an earlier revision through git; the work tree is not changed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ..catalogue.model import Catalogue
from ..errors import CatalogueError, ChatwrightError, UsageError
from ..files import is_inside, write
from ..git import git

_FILES = (b"100644", b"100755")  # the modes of a regular file


def resolve(folder: Path, revision: str) -> str:
    """The full hash of a revision of the repository that a folder is in.

    Raises:
        ChatwrightError: the folder is in no repository, or git is not installed.
        UsageError: there is no such revision.
    """
    if git(folder, "rev-parse", "--git-dir") is None:
        raise ChatwrightError(f"{folder}: not in a git repository, so that it has no revisions")
    found = git(folder, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    if found is None:
        raise UsageError(f"there is no revision {revision!r}; a shallow clone has few (git fetch --unshallow)")
    return found.decode().strip()


def copy_folder(folder: Path, revision: str, into: Path) -> None:
    """Copy a folder as it was at a resolved revision into another one; nothing is copied if it did not exist.

    Links, submodules and paths that lead out of the folder are skipped: git does not check the paths of a tree, which
    may contain ``..``.

    Raises:
        ChatwrightError: the repository lacks the content of a file.
    """
    into.mkdir(parents=True, exist_ok=True)
    listed = git(folder, "ls-tree", "-r", "-z", revision, "--", ".") or b""
    entries = [entry.partition(b"\t") for entry in listed.split(b"\0") if entry]
    files = [
        (path.decode("utf-8", "surrogateescape"), head.split()[2])
        for head, _, path in entries
        if head.split()[0] in _FILES  # neither a link nor a submodule
    ]
    batch = git(folder, "cat-file", "--batch", input=b"".join(name + b"\n" for _, name in files)) or b""
    at = 0
    for path, _ in files:
        head = batch.index(b"\n", at)
        *_, size_or_missing = batch[at:head].split()
        if not size_or_missing.isdigit():
            raise ChatwrightError(f"{folder / path}: the repository lacks its content at {revision} (git fetch)")
        size = int(size_or_missing)
        content, at = batch[head + 1 : head + 1 + size], head + 2 + size
        if is_inside(path):
            write(into / path, content)


def read_file(folder: Path, revision: str, path: str) -> str | None:
    """The text of a file below a folder at a resolved revision, None if there was no such file."""
    found = git(folder, "cat-file", "blob", f"{revision}:./{path}")
    return None if found is None else found.decode("utf-8", "replace")


def load_readable(load: Callable[[], Catalogue], folder: Path) -> tuple[Catalogue, list[Path]]:
    """The catalogue without the invalid specs of a folder of copies, and the paths of those specs in it.

    Raises:
        CatalogueError: there are problems in other files.
    """
    left_out: list[Path] = []
    while True:
        try:
            return load(), sorted(left_out)
        except CatalogueError as error:
            wrong = {Path(problem.location.path).resolve() for problem in error.problems}
            mine = [path for path in wrong if path.is_relative_to(folder.resolve()) and path.is_file()]
            if not mine:
                raise
            for path in mine:
                left_out.append(path.relative_to(folder.resolve()))
                path.unlink()
