"""From folders of spec files to the catalogue: read, validate, cross-check, build."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from ..cache import Cache
from ..errors import CatalogueError, Location, Problem, UsageError
from ..resources import yaml_files
from .build import build_spec
from .checks import check
from .found import Source
from .model import Catalogue
from .schema import read_data, validate
from .yaml_reader import read_yaml, shown_path


def load_catalogue(
    *folders: Path, tool_formats: Collection[str] | None = None, cache: Cache | None = None
) -> Catalogue:
    """Load the specs ``<folder>/<publisher>/<family>.yaml`` of all folders, sorted by their path in their folder.

    A later folder lies on top of the earlier ones: its specs may use what theirs introduce, and a spec at the same
    path ``<publisher>/<family>.yaml`` replaces theirs as a whole. A single spec may stand for a folder.
    ``tool_formats`` are the names of the known tool formats; without them, that reference is not checked. What
    the schema has accepted before, by ``cache``, is not checked against it again.

    Raises:
        CatalogueError: something is wrong with the specs; carries every problem of every file.
        UsageError: a folder does not exist.
    """
    problems: list[Problem] = []
    files: dict[str, tuple[int, Path]] = {}
    for layer, folder in enumerate(folders):
        found, misplaced = _spec_files(folder)
        files.update({source: (layer, file) for source, file in found.items()})
        problems += misplaced
    sources: list[Source] = []  # the lower layers first: where two are in each other's way, the upper one is at fault
    further: list[Problem] = []
    for source, (_, file) in sorted(files.items(), key=lambda item: (item[1][0], item[0])):
        item, refused = _read(source, file, cache or Cache(None))
        problems += item.document.problems
        further += refused
        sources.append(item)
    reported = {problem.location for problem in problems}  # a value that is wrong as YAML needs no further words
    further += check(sources, tool_formats)
    problems += (problem for problem in further if problem.location not in reported)
    if problems:
        raise CatalogueError(problems)
    return Catalogue(
        tuple(
            build_spec(item.data, path=item.document.path, source=item.source, locate=item.document.locate)
            for item in sorted(sources, key=lambda item: item.source)
        )
    )


def _read(source: str, file: Path, cache: Cache) -> tuple[Source, list[Problem]]:
    """A spec, and what the schema refuses in it."""
    document = read_yaml(file, shown_path(file))
    item = Source(source, document, read_data(document))
    problems: list[Problem] = []

    def is_valid() -> bool | None:
        problems.extend(validate(document, item.data))
        return None if problems else True

    cache.remember("is_valid", item.data, is_valid)
    return item, problems


def spec_sources(folder: Path) -> list[str]:
    """The sources of the specs in a folder, or of the one spec that stands for it: ``<publisher>/<family>.yaml``."""
    return sorted(_spec_files(folder)[0])


def _spec_files(folder: Path) -> tuple[dict[str, Path], list[Problem]]:
    """The specs of a folder by their path in it, and files that would otherwise be overlooked."""
    if folder.is_file():
        return {f"{folder.resolve().parent.name}/{folder.name}": folder}, []
    if not folder.is_dir():
        raise UsageError(f"there is no specs folder {shown_path(folder)}")
    specs: dict[str, Path] = {}
    problems = []
    for file in yaml_files(folder):
        place = file.relative_to(folder)
        if len(place.parts) == 2 and file.suffix == ".yaml":
            specs[place.as_posix()] = file
        elif not file.is_dir():
            message = "specs are <publisher>/<family>.yaml in the specs folder; this file would be overlooked"
            problems.append(Problem(Location(shown_path(file)), "", message))
    if not specs and not problems:
        message = "this folder holds no spec; specs are <publisher>/<family>.yaml in it"
        problems.append(Problem(Location(shown_path(folder)), "", message))
    return specs, problems
