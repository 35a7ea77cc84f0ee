"""Write a commented spec to start from. It is valid unchanged; outside of a checkout its schema is copied, too."""

from __future__ import annotations

import json
import os
import re
import shlex
from importlib import resources
from pathlib import Path

from ..catalogue.model import Catalogue
from ..errors import ChatwrightError, UsageError
from ..files import read
from ..resources import checkout_root, schema_path
from .writer import write_files

OWN_SCHEMA = "../schema.json"
_TITLE, _HEAD = b'"title": "Chatwright spec"', 4096  # marks our schema, within the first bytes of the file
_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]*")  # of a family, as in schema.json


def write_starter(catalogue: Catalogue, name: str, title: str | None, publisher: str, folder: Path) -> Path:
    """Write ``<folder>/<publisher>/<name>.yaml`` and return its path.

    Outside of a checkout a copy of the schema is put into the folder, for editors.

    Raises:
        UsageError: the name is invalid or taken.
        ChatwrightError: the file exists, a link or something else is in the way, or the system refuses to write.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(f"{name!r} cannot be a family's name: small letters, digits and - _ . after the first")
    taken = {spec.name: spec.path for spec in catalogue.specs}
    taken |= {template.name: template.location.path for template in catalogue.templates.values()}
    if name in taken:
        raise UsageError(f"{name!r} is taken: {taken[name]}; change that, or choose another name")
    owner = re.sub(r"[^a-z0-9]+", "_", publisher.casefold()).strip("_") or "own"
    place = f"{owner}/{name}.yaml"
    if os.path.lexists(folder / place):
        raise ChatwrightError(f"{folder / place}: exists already")
    root = checkout_root()
    schema = schema_reference(folder / owner)
    values = {
        "@NAME@": name,
        "@TITLE@": json.dumps(title or name, ensure_ascii=False),
        "@PUBLISHER@": json.dumps(publisher, ensure_ascii=False),
        "@OWNER@": owner,
        "@SCHEMA@": schema,
        "@SPECS@": (
            "" if root is not None and folder.resolve() == root / "specs" else f" --specs {shlex.quote(str(folder))}"
        ),
    }
    text = resources.files("chatwright.catalogue").joinpath("starter.txt").read_text(encoding="utf-8")
    new = {place: re.sub("|".join(values), lambda match: values[match[0]], text)}
    if schema == OWN_SCHEMA:
        copy = folder / "schema.json"
        if _TITLE not in (read(copy, _HEAD) or _TITLE):
            raise ChatwrightError(f"{copy}: exists, and is not the schema of specs; move it elsewhere")
        new["schema.json"] = schema_path().read_text(encoding="utf-8")
    write_files(folder, new)
    return folder / place


def schema_reference(folder: Path) -> str:
    """The path from a spec in a publisher's folder to its schema: the repository's in a checkout, else a copy."""
    root = checkout_root()
    if root is None or not folder.resolve().is_relative_to(root.resolve()):
        return OWN_SCHEMA
    return os.path.relpath(schema_path(), folder).replace(os.sep, "/")
