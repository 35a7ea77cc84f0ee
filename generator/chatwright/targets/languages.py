"""The words of the tables and of the site, one file per language: ``words/*.yaml``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import yaml

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_FIRST = "en"


@dataclass(frozen=True)
class Language:
    """A language: its code, its own name, and its words by key."""

    code: str
    name: str
    tables: Mapping[str, str]
    site: Mapping[str, str]

    @property
    def suffix(self) -> str:
        """The suffix of the names of its pages, before ``.md``."""
        return "" if self.code == _FIRST else f".{self.code}"


@cache
def languages() -> tuple[Language, ...]:
    """All languages, English first."""
    files = [file for file in resources.files(__package__).joinpath("words").iterdir() if file.name.endswith(".yaml")]
    found = [
        Language(file.name.removesuffix(".yaml"), **yaml.load(file.read_text(encoding="utf-8"), Loader=_LOADER))
        for file in files
    ]
    return tuple(sorted(found, key=lambda language: (language.code != _FIRST, language.code)))
