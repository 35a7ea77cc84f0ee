"""Render the whole generated tree in memory, then compare it with the disk or write it."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from ..cache import Cache
from ..catalogue.model import Catalogue
from ..errors import ChatwrightError
from ..files import read
from ..json_writer import json_text
from ..records.publishers import Comparisons
from ..targets import ABOUT_ALL, PACKAGES, SERVED, TARGETS
from ..targets.protocol import Context, Deployment, Deployments, GeneratedFile
from .fidelity import fidelity_text, publisher_fidelity
from .index import catalog_index
from .parallel import in_parallel
from .select import neighbours
from .spec_files import Evidence, SpecFiles, spec_files, written
from .writer import MANIFEST, Changes, compare_tree, manifest_text, write_tree

Progress = Callable[[str], None]
MAX_BYTES = 64 << 20  # of a file whose differences are shown


@dataclass(frozen=True)
class Rendering:
    """Everything that is generated: ``files`` by path below the output folder, and the deployments by target."""

    files: Mapping[str, str]
    deployments: Deployments
    fidelity: Mapping[str, Any]
    publishers: Mapping[str, Any]  # how templates compare with their publishers' own


@dataclass(frozen=True)
class Difference:
    """The difference between a file on disk and the generated one; ``diff`` is a unified diff."""

    path: str
    kind: Literal["missing", "changed", "stale"]
    diff: str


def render(
    catalogue: Catalogue,
    evidence: Evidence | None = None,
    progress: Progress | None = None,
    comparisons: Comparisons | None = None,
    *,
    cache: Cache | None = None,
    workers: int = 1,
) -> Rendering:
    """Run every target in memory.

    ``evidence`` is the recorded evidence by engine; without it every file is unverified. ``comparisons`` are the
    recorded comparisons with the publishers' own templates; without them the output has none. ``cache`` is used if
    given; ``workers`` is the number of processes.

    Raises:
        ChatwrightError: two specs generate files of the same name.
    """
    report = progress or (lambda what: None)
    cache = cache or Cache(None)
    report("generating templates and models")
    around = zip(catalogue.specs, neighbours(catalogue), strict=True)
    jobs = [partial(spec_files, spec.source, part, evidence or {}, cache) for spec, part in around]
    parts = in_parallel(jobs, workers)
    deployments = {target: _joined(part.deployments[target] for part in parts) for target in SERVED}
    known = dict(sorted((name, verdict) for part in parts for name, verdict in part.fidelity.items()))
    compared = publisher_fidelity(comparisons, catalogue.templates, deployments) if comparisons else {}
    context = Context(catalogue, deployments, known, compared)
    report("generating tables")
    about_all: list[Callable[[], dict[str, str]]] = [
        lambda: {
            file.path: written(file, cache)[0]
            for target in ABOUT_ALL
            for file in TARGETS[target].generate(context).files
        },
        lambda: {
            **{file.path: written(file, cache)[0] for file in _packages(parts)},
            "catalog.json": json_text(catalog_index(catalogue, deployments), depth=2),
            "fidelity.json": fidelity_text(evidence or {}, known, compared),
        },
    ]
    files: dict[str, str] = {}
    made_from: dict[str, str] = {}
    for spec, part in zip(catalogue.specs, parts, strict=True):
        _add(files, made_from, part.files, spec.source)
    for found in in_parallel(about_all, workers):
        _add(files, made_from, found, "")
    _add(files, made_from, {MANIFEST: manifest_text(files)}, "")
    return Rendering(dict(sorted(files.items())), deployments, known, compared)


def render_spec(
    catalogue: Catalogue,
    source: str,
    evidence: Evidence | None = None,
    comparisons: Comparisons | None = None,
    *,
    cache: Cache | None = None,
) -> Rendering:
    """The part of :func:`render` that is about one spec, which ``source`` names, with the very same files."""
    [number] = [at for at, spec in enumerate(catalogue.specs) if spec.source == source]
    made = spec_files(source, neighbours(catalogue)[number], evidence or {}, cache or Cache(None))
    templates = {template.name: template for template in catalogue.specs[number].templates}
    compared = publisher_fidelity(comparisons, templates, made.deployments) if comparisons else {}
    return Rendering(made.files, made.deployments, made.fidelity, compared)


def generate(
    catalogue: Catalogue,
    out: Path,
    evidence: Evidence | None = None,
    progress: Progress | None = None,
    comparisons: Comparisons | None = None,
) -> Changes:
    """Bring the output folder up to date: write changed files, remove files that are no longer generated.

    Raises:
        ChatwrightError: something is in the way, and nothing was changed; or the system refused to write, and another
            run does the rest.
    """
    return write_tree(out, render(catalogue, evidence, progress, comparisons).files)


def check(
    catalogue: Catalogue,
    out: Path,
    evidence: Evidence | None = None,
    progress: Progress | None = None,
    comparisons: Comparisons | None = None,
) -> tuple[Difference, ...]:
    """The changes that :func:`generate` would make, sorted by path; nothing is written.

    Raises:
        ChatwrightError: something that is no regular file is in the way.
    """
    return differences(out, render(catalogue, evidence, progress, comparisons).files)


def differences(out: Path, files: Mapping[str, str]) -> tuple[Difference, ...]:
    """The differences between a folder and the files that it should hold, sorted by path.

    Raises:
        ChatwrightError: something that is no regular file is in the way.
    """
    tree = compare_tree(out, files)
    found: dict[str, Literal["missing", "changed", "stale"]] = {**tree.unlike, **dict.fromkeys(tree.stale, "stale")}
    return tuple(Difference(path, kind, _unified(out, path, files.get(path))) for path, kind in sorted(found.items()))


def _add(files: dict[str, str], made_from: dict[str, str], further: Mapping[str, str], source: str) -> None:
    """Add files; refuse a path twice, also if two paths differ only in case."""
    for path, content in further.items():
        key = path.casefold()
        if key in made_from:
            both = " and ".join(sorted({made_from[key], source} - {""})) or "two targets"
            raise ChatwrightError(f"{both}: the file {path} would be generated twice")
        made_from[key] = source
        files[path] = content


def _joined(deployments: Iterable[Mapping[str, Deployment]]) -> dict[str, Deployment]:
    return dict(sorted((name, deployment) for found in deployments for name, deployment in found.items()))


def _packages(parts: Iterable[SpecFiles]) -> Iterator[GeneratedFile]:
    """The files that make packages of the modules of specs."""
    paths = [PurePosixPath(path) for part in parts for path in part.files]
    for folder, package in PACKAGES.items():
        yield from package([path.stem for path in paths if path.parent == PurePosixPath(folder)])


def _unified(out: Path, path: str, new: str | None) -> str:
    content = read(out / path, MAX_BYTES + 1)
    if content is not None and len(content) > MAX_BYTES:
        return f"{path}: larger than {MAX_BYTES >> 20} MB, not shown\n"
    old = None if content is None else content.decode("utf-8", errors="replace")
    lines = difflib.unified_diff(
        _lines(old),
        _lines(new),
        "/dev/null" if old is None else f"a/{path}",
        "/dev/null" if new is None else f"b/{path}",
    )
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


def _lines(text: str | None) -> list[str]:
    return [] if text is None else text.splitlines(keepends=True) if "\n" in text else [text]
