"""Where the catalogue's data is: beside the source in a checkout, inside the package in an installed wheel."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
_INSTALLED = _PACKAGE / "_catalogue"


def checkout_root() -> Path | None:
    """The root of the checkout this package runs from, or None where it is an installed wheel."""
    root = _PACKAGE.parent.parent
    return root if (root / "schema.json").is_file() and (root / "specs").is_dir() else None


def data_root() -> Path:
    """The folder that holds ``specs/``, ``schema.json`` and ``evidence/``."""
    return checkout_root() or _INSTALLED


def schema_path() -> Path:
    """The JSON Schema of a spec."""
    return data_root() / "schema.json"


def specs_path() -> Path:
    """The public catalogue's specs."""
    return data_root() / "specs"


def yaml_files(folder: Path) -> Iterator[Path]:
    """The YAML files of a specs folder, those in the wrong place too; the file itself where that stands for one."""
    if folder.is_file():
        yield folder
    for pattern in ("*", "*/*", "*/*/*"):
        for file in folder.glob(pattern):
            hidden = any(part.startswith(".") for part in file.relative_to(folder).parts)
            if file.suffix in (".yaml", ".yml") and not hidden:
                yield file


def evidence_path() -> Path:
    """What the engines said, recorded by ``make conformance``."""
    root = checkout_root()
    return root / "tests" / "evidence" if root else _INSTALLED / "evidence"


def ceilings_path() -> Path | None:
    """How many overrides there may be; only a checkout says so."""
    root = checkout_root()
    return root / "tests" / "catalogue" / "overrides.yaml" if root else None


def built_ins_path() -> Path:
    """What the frameworks register themselves, recorded by ``make record``."""
    root = checkout_root()
    return root / "tests" / "vectors" / "built_ins" if root else _INSTALLED / "built_ins"


def parsers_path() -> Path:
    """What vLLM and SGLang call their parsers, recorded by ``make record``."""
    root = checkout_root()
    return root / "tests" / "vectors" / "parsers" if root else _INSTALLED / "parsers"


def publishers_path() -> Path:
    """What publishers' chat templates write, recorded by ``make record``."""
    root = checkout_root()
    return root / "tests" / "vectors" / "publishers" if root else _INSTALLED / "publishers"
