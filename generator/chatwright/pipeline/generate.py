"""From the catalogue to the whole generated tree, in memory; then compared with the disk, or written."""

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
from .fidelity import beside_publishers, fidelity_text
from .index import catalog_index
from .parallel import in_parallel
from .select import neighbours
from .spec_files import Evidence, SpecFiles, spec_files, written
from .writer import MANIFEST, Changes, compare_tree, manifest_text, write_tree

Progress = Callable[[str], None]
MAX_BYTES = 64 << 20  # of a file whose differences are shown


@dataclass(frozen=True)
class Rendering:
    """Everything that is generated: path below the output folder -> content, and what serves each template."""

    files: Mapping[str, str]
    deployments: Deployments
    fidelity: Mapping[str, Any]
    publishers: Mapping[str, Any]  # how templates compare with their publishers' own


@dataclass(frozen=True)
class Difference:
    """How a file on the disk differs from what the specs say; ``diff`` is a unified diff."""

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

    ``evidence`` is what the engines said, by engine; without it every file is unverified. ``comparisons`` tells how
    templates compare with their publishers' own; without it nothing is said of that. What ``cache`` keeps is not made
    again; ``workers`` processes make the rest.

    Raises:
        ChatwrightError: two specs lead to files of the same name.
    """
    tell = progress or (lambda what: None)
    cache = cache or Cache(None)
    tell("generating templates and models")
    around = zip(catalogue.specs, neighbours(catalogue), strict=True)
    jobs = [partial(spec_files, spec.source, part, evidence or {}, cache) for spec, part in around]
    parts = in_parallel(jobs, workers)
    deployments = {target: _joined(part.deployments[target] for part in parts) for target in SERVED}
    known = dict(sorted((name, verdict) for part in parts for name, verdict in part.fidelity.items()))
    beside = beside_publishers(comparisons, catalogue.templates, deployments) if comparisons else {}
    context = Context(catalogue, deployments, known, beside)
    tell("generating tables")
    about_all: list[Callable[[], dict[str, str]]] = [
        lambda: {
            file.path: written(file, cache)[0]
            for target in ABOUT_ALL
            for file in TARGETS[target].generate(context).files
        },
        lambda: {
            **{file.path: written(file, cache)[0] for file in _packages(parts)},
            "catalog.json": json_text(catalog_index(catalogue, deployments), depth=2),
            "fidelity.json": fidelity_text(evidence or {}, known, beside),
        },
    ]
    files: dict[str, str] = {}
    made_from: dict[str, str] = {}
    for spec, part in zip(catalogue.specs, parts, strict=True):
        _add(files, made_from, part.files, spec.source)
    for found in in_parallel(about_all, workers):
        _add(files, made_from, found, "")
    _add(files, made_from, {MANIFEST: manifest_text(files)}, "")
    return Rendering(dict(sorted(files.items())), deployments, known, beside)


def generate(
    catalogue: Catalogue,
    out: Path,
    evidence: Evidence | None = None,
    progress: Progress | None = None,
    comparisons: Comparisons | None = None,
) -> Changes:
    """Bring the output folder up to date: write what changed, remove what nothing generates any more.

    Raises:
        ChatwrightError: something is in the way, and nothing was changed; or the disk refused, and running again does
            the rest.
    """
    return write_tree(out, render(catalogue, evidence, progress, comparisons).files)


def check(
    catalogue: Catalogue,
    out: Path,
    evidence: Evidence | None = None,
    progress: Progress | None = None,
    comparisons: Comparisons | None = None,
) -> tuple[Difference, ...]:
    """What :func:`generate` would change, sorted by path; nothing is written.

    Raises:
        ChatwrightError: something is in the way that is no regular file.
    """
    return differences(out, render(catalogue, evidence, progress, comparisons).files)


def differences(out: Path, files: Mapping[str, str]) -> tuple[Difference, ...]:
    """How a folder differs from what it should hold, sorted by path.

    Raises:
        ChatwrightError: something is in the way that is no regular file.
    """
    tree = compare_tree(out, files)
    found: dict[str, Literal["missing", "changed", "stale"]] = {**tree.unlike, **dict.fromkeys(tree.stale, "stale")}
    return tuple(Difference(path, kind, _unified(out, path, files.get(path))) for path, kind in sorted(found.items()))


def _add(files: dict[str, str], made_from: dict[str, str], further: Mapping[str, str], source: str) -> None:
    """Add files; two paths that a file system without upper and lower case takes for one are refused, too."""
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
    """What makes packages of the modules of specs."""
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
