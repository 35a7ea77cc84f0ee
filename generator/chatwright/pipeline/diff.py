"""``chatwright diff``: what changed in meaning between two revisions, or between one and the work tree."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from ..cache import Cache
from ..catalogue import load_catalogue
from ..catalogue.model import Catalogue
from ..errors import ChatwrightError
from ..losses import CATALOG, Index, Unreadable, losses
from ..meaning.tool_formats import tool_formats
from ..records.publishers import Comparisons
from ..resources import checkout_root, specs_path
from .compare import Comparison, changed_sources, compare_fidelity, compare_files, compare_pages, compare_specs
from .generate import Progress, Rendering, render
from .revisions import copy_folder, load_readable, read_file, resolve
from .select import select
from .spec_files import Evidence

WORK_TREE = "the work tree"
_PUBLISHERS = "publishers"  # stands among the engines: how many scenarios are as the nearest publisher's template
_CATALOG = f"generated/{CATALOG}"
_FIDELITY = "generated/fidelity.json"
_PAGES = "generated/docs/templates"


def diff(
    before: str,
    after: str | None,
    folders: Sequence[Path],
    evidence: Evidence,
    progress: Progress | None = None,
    comparisons: Comparisons | None = None,
    *,
    cache: Cache | None = None,
    workers: int = 1,
) -> Comparison:
    """What changed between two revisions of the public specs, or of your own in ``folders``; ``after`` None: as now.

    The specs of both are read and rendered by this generator with today's evidence, but for what engines said before,
    and how templates compared with their publishers': that is the ``fidelity.json`` that was committed. What the
    generator itself writes in another way is seen in the committed pages of templates, and what it cannot make any more
    in the committed ``catalog.json``. With ``folders`` the public catalogue is today's on both sides.

    Raises:
        ChatwrightError: the specs lie in no git repository, or are wrong as they are now.
        UsageError: there is no such revision.
    """
    root = checkout_root()
    if not folders and root is None:
        raise ChatwrightError("the public catalogue has revisions in a checkout only; --specs DIR compares your own")
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="chatwright-"))).resolve()
        mine = list(folders) or [specs_path()]
        names = [resolve(mine[0], before), None if after is None else resolve(mine[0], after)]
        old, unread = _catalogue(mine, before, home / "before", bool(folders), cache)
        new, unread_now = _catalogue(mine, after, home / "after", bool(folders), cache)
        compared = compare_specs(old, new)
        sources = changed_sources(old, new)
        parts = _parts(old, new, sources)
        renderings = [render(part, evidence, progress, comparisons, cache=cache) for part in parts]
        made = [_index(rendering) for rendering in renderings]
        told: list[Mapping[str, Any]] = [{}, {}]
        shown: list[Mapping[str, str]] = [{}, {}]
        if root is not None and not folders:
            told = [_fidelity(root, name) for name in names]
            whole = partial(render, cache=cache, workers=workers)
            made = []
            for catalogue, name in ((old, names[0]), (new, names[1])):
                try:
                    committed = None if name is None else _committed(root, name)
                except Unreadable:
                    unread.append(_CATALOG)
                    committed = None
                made.append(committed or _index(whole(catalogue)))
            shown = [_pages(root / _PAGES, name, home / f"pages {at}") for at, name in enumerate(names)]
            ours = {entry.name for entry in compared.templates}
            shown[1] = {name: page for name, page in shown[1].items() if name not in ours}
        if after is None:  # what the specs say now, whether or not it has been generated
            told[1] = {**told[1], **_verdicts(renderings[1].fidelity, renderings[1].publishers)}
    return replace(
        compared,
        before=before,
        after=after or WORK_TREE,
        losses=losses(*made),
        files=tuple(compare_files(*renderings)),
        fidelity=tuple(compare_fidelity(*told)),
        pages=tuple(compare_pages(*shown)),
        unread=(*unread, *unread_now),
    )


def _catalogue(
    folders: Sequence[Path], revision: str | None, home: Path, own: bool, cache: Cache | None
) -> tuple[Catalogue, list[str]]:
    """The specs of some folders at a revision, on top of the public ones unless they are those."""
    public = [specs_path()] if own else []
    load = partial(load_catalogue, *public, tool_formats=frozenset(tool_formats()), cache=cache)
    if revision is None:
        return load(*folders), []
    copies = []
    for number, folder in enumerate(folders):
        if not folder.is_dir():
            raise ChatwrightError(f"{folder}: revisions are compared folder by folder, and this is none")
        copy_folder(folder, resolve(folder, revision), home / str(number))
        copies.append(home / str(number))
    found, unread = load_readable(lambda: load(*_filled(copies)), home)
    return found, [str(folders[int(path.parts[0])] / Path(*path.parts[1:])) for path in unread]


def _parts(old: Catalogue, new: Catalogue, sources: set[str]) -> list[Catalogue]:
    """Both catalogues without the families that no change concerns: the same ones in both."""
    while True:
        parts = [select(catalogue, sources) for catalogue in (old, new)]
        found = {spec.source for part in parts for spec in part.specs}
        if found <= sources:
            return parts
        sources = sources | found


def _filled(copies: Sequence[Path]) -> list[Path]:
    return [copy for copy in copies if any(copy.glob("*/*.yaml"))]


def _pages(folder: Path, revision: str | None, copy: Path) -> Mapping[str, str]:
    """The pages of templates by name, as they are or were generated."""
    if revision is not None:
        if folder.is_dir():
            copy_folder(folder, revision, copy)
        folder = copy
    return {file.stem: file.read_text(encoding="utf-8", errors="replace") for file in sorted(folder.glob("*.md"))}


def _index(rendering: Rendering) -> Index:
    return Index.read(rendering.files[CATALOG].encode())


def _committed(root: Path, revision: str) -> Index | None:
    """What the committed ``catalog.json`` of a revision has, None where there is none.

    Raises:
        Unreadable: it is no catalogue.
    """
    text = read_file(root, revision, _CATALOG)
    return None if text is None else Index.read(text.encode())


def _fidelity(root: Path, revision: str | None) -> Mapping[str, Any]:
    """What ``fidelity.json`` says of each template, nothing where there is none that can be read."""
    if revision is None:
        file = root / _FIDELITY
        text = file.read_text(encoding="utf-8") if file.is_file() else None
    else:
        text = read_file(root, revision, _FIDELITY)
    try:
        found = json.loads(text or "{}")
    except ValueError:
        return {}
    return _verdicts(found.get("templates", {}), found.get("publishers", {}))


def _verdicts(engines: Mapping[str, Any], publishers: Mapping[str, Any]) -> Mapping[str, Any]:
    """What is said of each template by engine, with the nearest of its publishers' templates as one of them."""
    beside = publishers.get("templates", {})
    return {
        name: {**verdicts, _PUBLISHERS: _nearest(beside[name])} if name in beside else verdicts
        for name, verdicts in engines.items()
    }


def _nearest(verdict: Mapping[str, Any]) -> Mapping[str, Any]:
    return max(verdict.get("compared", ()), key=lambda row: int(row["counts"].get("exact", 0)), default=verdict)
