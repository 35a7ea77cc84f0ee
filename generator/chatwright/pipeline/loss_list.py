"""The list of intended losses: a YAML file of their names, each with the reason why it is intended.

Only entries that are new since a revision, or that have a new reason, count. They must match the losses since that
revision exactly. Older entries are a record and do not excuse a new loss.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ..catalogue.yaml_reader import Document, parse_yaml, read_yaml, shown_path
from ..errors import CatalogueError, ChatwrightError, Problem
from ..losses import Loss
from .revisions import read_file, resolve

_NAME = re.compile(r"templates\..+\.(registered|files)\.[a-z]+|models\..+")
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*")


@dataclass(frozen=True)
class Checked:
    """The errors of a list of losses: losses that are not listed, and entries that match no loss."""

    unlisted: tuple[Loss, ...]
    stale: tuple[Problem, ...]


def check_losses(file: Path, lost: Sequence[Loss], since: str) -> Checked:
    """Compare a list with the losses since a revision of the list's repository.

    Raises:
        CatalogueError: the file is no valid list; carries every problem of it.
    """
    document = read_yaml(file, shown_path(file), _parsed)
    entries, problems = _entries(document)
    if problems:
        raise CatalogueError(problems)
    before = _entries_at(file, since)
    new = {name for name, reason in entries.items() if before.get(name) != reason}
    names = {loss.name for loss in lost}
    stale = (
        Problem(document.locate((name,)), "", f"{name} is not lost since {since}; remove the line")
        for name in sorted(new - names)
    )
    return Checked(tuple(loss for loss in lost if loss.name not in new), tuple(stale))


def entry_line(loss: Loss) -> str:
    """The line that lists a loss, with an empty reason."""
    name = loss.name if _PLAIN.fullmatch(loss.name) else json.dumps(loss.name, ensure_ascii=False)
    return f'{name}: ""'


def _parsed(content: bytes, shown: str) -> Document:
    """Parse the content of a list; it may be empty or contain only comments."""
    lines = map(bytes.strip, content.splitlines())
    if all(not line or line.startswith(b"#") for line in lines):
        return Document(shown, None, ())
    return parse_yaml(content, shown)


def _entries(document: Document) -> tuple[Mapping[str, str], list[Problem]]:
    """The entries of a file, and its problems."""
    data = document.data(lambda path: True)
    if document.problems or data is None:
        return {}, list(document.problems)
    return data, list(_wrong(document, data))


def _wrong(document: Document, data: Mapping[str, object]) -> Iterator[Problem]:
    for name, reason in data.items():
        if not _NAME.fullmatch(name):
            message = "no loss has this name; `chatwright diff REV --losses FILE` prints the lines to add"
            yield Problem(document.locate((name,)), name, message)
        elif not isinstance(reason, str) or not reason.strip():
            yield Problem(document.locate_value((name,)), name, "give the reason why this loss is intended")


def _entries_at(file: Path, revision: str) -> Mapping[str, str]:
    """The entries at a revision; none if the file did not exist or was no valid list."""
    with suppress(ChatwrightError):
        folder = file.resolve().parent
        text = read_file(folder, resolve(folder, revision), file.name)
        if text is not None:
            entries, problems = _entries(_parsed(text.encode(), file.name))
            return {} if problems else entries
    return {}
