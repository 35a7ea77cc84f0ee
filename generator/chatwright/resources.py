"""Paths of the data: specs and schema are in the checkout or in the wheel, records are in the package."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
_INSTALLED = _PACKAGE / "_catalogue"


def checkout_root() -> Path | None:
    """The root of the checkout that this package runs from; None in an installed wheel."""
    root = _PACKAGE.parent.parent
    return root if (root / "schema.json").is_file() and (root / "specs").is_dir() else None


def data_root() -> Path:
    """The folder that holds ``specs/`` and ``schema.json``."""
    return checkout_root() or _INSTALLED


def schema_path() -> Path:
    """The JSON Schema of a spec."""
    return data_root() / "schema.json"


def specs_path() -> Path:
    """The public catalogue's specs."""
    return data_root() / "specs"


def yaml_files(folder: Path) -> Iterator[Path]:
    """The YAML files below a specs folder, also those in a wrong place; a path of a file yields the file itself."""
    if folder.is_file():
        yield folder
    for pattern in ("*", "*/*", "*/*/*"):
        for file in folder.glob(pattern):
            hidden = any(part.startswith(".") for part in file.relative_to(folder).parts)
            if file.suffix in (".yaml", ".yml") and not hidden:
                yield file


def records_path(of: str) -> Path:
    """The folder of the records of a kind: ``engines``, ``frameworks``, ``publishers`` or ``servers``."""
    return _PACKAGE / "records" / "data" / of
