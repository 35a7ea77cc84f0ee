"""From the catalogue to the whole generated tree, in memory; then compared with the disk, or written."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

from ..catalogue.comparisons import Comparisons
from ..catalogue.evidence import EngineEvidence
from ..catalogue.json_writer import json_text
from ..catalogue.model import Catalogue
from ..errors import ChatwrightError
from ..targets import TARGETS
from ..targets.protocol import Context, Deployment, Deployments, Output
from .fidelity import beside_publishers, fidelity, fidelity_text
from .formatting import formatted_body, header
from .index import catalog_index
from .writer import MANIFEST, Changes, manifest_text, owned_paths, read_text, recover, write_tree

Evidence = Mapping[str, EngineEvidence]
Progress = Callable[[str], None]


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
) -> Rendering:
    """Run every target in memory.

    ``evidence`` is what the engines said, by engine; without it every file is unverified. ``comparisons`` tells how
    templates compare with their publishers' own; without it nothing is said of that.

    Raises:
        ChatwrightError: two specs lead to files of the same name.
    """
    files: dict[str, str] = {}
    made_from: dict[str, str] = {}
    deployments: dict[str, Mapping[str, Deployment]] = {}
    for name, target in TARGETS.items():
        if progress:
            progress(f"generating {name}")
        beside = beside_publishers(comparisons, catalogue.templates, deployments) if comparisons else {}
        known = fidelity(evidence or {}, deployments)
        output = target.generate(Context(catalogue, dict(deployments), known, beside))
        hashes: dict[str, str] = {}
        for file in output.files:
            body = formatted_body(file)
            hashes[file.path] = sha256(body.encode()).hexdigest()
            _add(files, made_from, file.path, header(file) + body, ", ".join(file.sources))
        deployments[name] = _with_hashes(output, hashes)
    known = fidelity(evidence or {}, deployments)
    beside = beside_publishers(comparisons, catalogue.templates, deployments) if comparisons else {}
    _add(files, made_from, "catalog.json", json_text(catalog_index(catalogue, deployments), depth=2), "")
    _add(files, made_from, "fidelity.json", fidelity_text(evidence or {}, known, beside), "")
    _add(files, made_from, MANIFEST, manifest_text(files), "")
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
        ChatwrightError: the tree cannot be written; it is then as it was before.
    """
    recover(out)
    return write_tree(out, render(catalogue, evidence, progress, comparisons).files)


def check(
    catalogue: Catalogue,
    out: Path,
    evidence: Evidence | None = None,
    progress: Progress | None = None,
    comparisons: Comparisons | None = None,
) -> tuple[Difference, ...]:
    """What :func:`generate` would change, sorted by path; nothing is written."""
    files = render(catalogue, evidence, progress, comparisons).files
    found = []
    for path in sorted({*files, *owned_paths(out)}):
        old, new = read_text(out / path), files.get(path)
        if old == new:
            continue
        kind: Literal["missing", "changed", "stale"] = (
            "missing" if old is None else "stale" if new is None else "changed"
        )
        found.append(Difference(path, kind, _unified(path, old, new)))
    return tuple(found)


def _add(files: dict[str, str], made_from: dict[str, str], path: str, content: str, sources: str) -> None:
    """Add a file; two paths that a file system without upper and lower case takes for one are refused, too."""
    key = path.casefold()
    if key in made_from:
        both = " and ".join(sorted({made_from[key], sources} - {""})) or "two targets"
        raise ChatwrightError(f"{both}: the file {path} would be generated twice")
    made_from[key] = sources
    files[path] = content


def _with_hashes(output: Output, hashes: Mapping[str, str]) -> dict[str, Deployment]:
    return {
        name: deployment if deployment.path is None else replace(deployment, sha256=hashes[deployment.path])
        for name, deployment in sorted(output.deployments.items())
    }


def _unified(path: str, old: str | None, new: str | None) -> str:
    lines = difflib.unified_diff(
        _lines(old),
        _lines(new),
        "/dev/null" if old is None else f"a/{path}",
        "/dev/null" if new is None else f"b/{path}",
    )
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


def _lines(text: str | None) -> list[str]:
    return [] if text is None else text.splitlines(keepends=True) if "\n" in text else [text]
