"""A commented spec to start from: valid as it stands, and complete with its schema where there is no checkout."""

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
_TITLE, _HEAD = b'"title": "Chatwright spec"', 4096  # how a schema of ours says so, within so many bytes
_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]*")  # of a family, as schema.json has it


def write_starter(catalogue: Catalogue, name: str, title: str | None, publisher: str, folder: Path) -> Path:
    """Write ``<folder>/<publisher>/<name>.yaml`` and return its path.

    Outside of a checkout a copy of the schema is put into the folder, for editors.

    Raises:
        UsageError: the name cannot be a family's, or another has it.
        ChatwrightError: the file exists, a link or something else is in the way, or the disk refuses.
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
        raise ChatwrightError(f"{folder / place}: is there already")
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
            raise ChatwrightError(f"{copy}: is there, and not the schema of specs; move it elsewhere")
        new["schema.json"] = schema_path().read_text(encoding="utf-8")
    write_files(folder, new)
    return folder / place


def schema_reference(folder: Path) -> str:
    """Where a spec in a publisher's folder has its schema: the repository's in a checkout, else a copy of its own."""
    root = checkout_root()
    if root is None or not folder.resolve().is_relative_to(root.resolve()):
        return OWN_SCHEMA
    return os.path.relpath(schema_path(), folder).replace(os.sep, "/")
