"""Specs in an editor: ``yaml-language-server`` completes and explains every key, and marks what is wrong."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from chatwright.catalogue.model import Catalogue
from chatwright.pipeline.starter import write_starter
from chatwright.resources import checkout_root, schema_path

from ..engines.yaml_language_server import PACKAGE, Server
from .workbench import Report, Workbench

_HEAD = "# yaml-language-server: $schema=../schema.json\nname: acme\ntitle: Acme\npublisher: Acme\n"
# Where a key is asked for: the lines above it, and the definition of the schema that it belongs to.
_PLACES: Mapping[str, str] = {
    "": "",
    "templates:\n  acme:\n    ": "template",
    "templates:\n  acme:\n    slots:\n      ": "slots",
    "templates:\n  acme:\n    thinking:\n      ": "template.thinking",
    "model_types:\n  acme:\n    ": "model_type",
    "models:\n  - ": "group",
    "models:\n  - checkpoints:\n      - ": "checkpoint",
}
_FAULTS = {  # what is written, and a word that the server must say of it
    "templat: {}\n": "templat",
    "templates:\n  acme:\n    slots:\n      usr: x\n": "usr",
    "templates:\n  acme:\n    slots: {user: 1.5}\n": "string",
    "models:\n  - template: acme\n    checkpoints: [{huggingface: a/b, modelscop: a/b}]\n": "modelscop",
    "templates:\n  acme:\n    empty_system: never\n": "Valid values",
}


def check_editor(bench: Workbench) -> Report:
    """An editor with `yaml-language-server` completes, explains and checks specs."""
    report = Report("editor")
    root = checkout_root()
    assert root is not None  # conformance runs in a checkout only
    with tempfile.TemporaryDirectory(prefix="chatwright-") as folder:
        home = Path(folder).resolve()
        with Server(bench.need("npm"), home) as server:
            starter = write_starter(Catalogue(()), "starter", None, "acme", home)
            _are_fine(server, report, [starter])
            _check_keys(server, report, home)
            _check_faults(server, report, home)
            report.lines.append(
                f"{PACKAGE} {server.version}: {_check_specs(server, report, root)} specs are fine to it"
            )
    return report


def _check_specs(server: Server, report: Report, root: Path) -> int:
    """Every spec of the repository, which names its schema in its first line."""
    files = sorted((root / "specs").glob("*/*.yaml"))
    _are_fine(server, report, files)
    return len(files)


def _are_fine(server: Server, report: Report, files: Sequence[Path]) -> None:
    for file in files:
        server.open(file, file.read_text(encoding="utf-8"))
    for file in files:
        if found := server.problems(file):
            report.wrong.append(f"{file.parent.name}/{file.name}: {found[0]['message']}")
        if not file.read_text(encoding="utf-8").startswith("# yaml-language-server: $schema="):
            report.wrong.append(f"{file.parent.name}/{file.name}: does not name its schema in its first line")


def _check_keys(server: Server, report: Report, home: Path) -> None:
    """At each place every key of the schema is offered, and every one of them is explained as the schema does."""
    offered = explained = 0
    for number, (above, definition) in enumerate(_PLACES.items()):
        keys = dict(_keys(definition))
        head = "" if not above else above.rpartition("\n")[2].replace("- ", "  ")
        file = home / "acme" / f"place{number}.yaml"
        server.open(file, _HEAD + above + "\n")
        place = (_HEAD + above).count("\n")
        found = server.complete(file, place, len(above.rpartition("\n")[2]))
        due = keys.keys() - ({"name", "title", "publisher"} if not definition else set())
        if missing := sorted(due - set(found)):
            report.wrong.append(f"{definition or 'a spec'}: not offered: {', '.join(missing)}")
        offered += len(due)
        for key, told in keys.items():
            if key in ("name", "title", "publisher") and not definition:
                continue
            asked = home / "acme" / f"hover{number}_{key}.yaml"
            server.open(asked, _HEAD + above + f"{key}: \n")
            said = server.hover(asked, place, len(head) + 1)
            if told not in said.replace("\\", ""):
                report.wrong.append(f"{definition or 'a spec'}: {key} is explained as {said[:80]!r}")
            explained += 1
    report.lines.append(f"{offered} keys offered at {len(_PLACES)} places, {explained} explained as schema.json does")


def _keys(definition: str) -> Iterator[tuple[str, str]]:
    """The keys of a definition, or of a key in it, each with the first words of its description."""
    schema: dict[str, Any] = json.loads(schema_path().read_text(encoding="utf-8"))
    named, *inner = definition.split(".")
    owner = schema["$defs"][named] if named else schema
    for key in inner:
        owner = owner["properties"][key]
    for key, value in owner["properties"].items():
        told = value if "description" in value else schema["$defs"][value["$ref"].rsplit("/", 1)[-1]]
        yield key, str(told["description"])[:30].split("{{")[0].split("`")[0]


def _check_faults(server: Server, report: Report, home: Path) -> None:
    for number, (fault, word) in enumerate(_FAULTS.items()):
        file = home / "acme" / f"fault{number}.yaml"
        server.open(file, _HEAD + fault)
        found = server.problems(file)
        if not any(word in item["message"] for item in found):
            report.wrong.append(f"{fault!r} is fine to the editor")
        elif any(item["range"]["start"]["line"] < _HEAD.count("\n") for item in found if word in item["message"]):
            report.wrong.append(f"{fault!r} is marked in another line")
    report.lines.append(f"{len(_FAULTS)} mistakes marked where they stand")
