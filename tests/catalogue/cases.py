"""Running the cases of ``tests/cases``: directories that are found, not listed."""

from __future__ import annotations

import shutil
from dataclasses import fields
from pathlib import Path
from typing import Any

from chatwright.catalogue import Catalogue, load_catalogue
from chatwright.catalogue.model import Slots
from chatwright.catalogue.slots import write_text

CASES = Path(__file__).parent.parent / "cases"
TOOL_FORMATS = ("default", "glm4", "llama3", "mistral", "qwen")


def found(kind: str) -> list[Path]:
    """The case directories of a kind; finding none is an error."""
    cases = sorted(path for path in (CASES / kind).iterdir() if path.is_dir())
    if not cases:
        raise LookupError(f"no cases in {CASES / kind}")
    return cases


def load_case(case: Path, folder: Path) -> Catalogue:
    """Load a case from an empty folder, which must be the current one.

    A case is a tree ``specs/`` with or without an overlay ``private/``, or one file ``spec.yaml`` that is read as
    ``specs/acme/demo.yaml``.
    """
    shutil.copytree(case, folder, dirs_exist_ok=True)
    if (single := folder / "spec.yaml").exists():
        (folder / "specs" / "acme").mkdir(parents=True)
        single.rename(folder / "specs" / "acme" / "demo.yaml")
    folders = [path for name in ("specs", "private") if (path := Path(name)).is_dir()]
    return load_catalogue(*folders, tool_formats=TOOL_FORMATS)


def summary(catalogue: Catalogue) -> dict[str, Any]:
    """What a catalogue says, as far as cases compare it; slots are those of its first template."""
    templates = list(catalogue.templates.values())
    slots = {field.name: getattr(templates[0].slots, field.name) for field in fields(Slots)}
    return {
        "titles": {spec.source: spec.title for spec in catalogue.specs},
        "publishers": {spec.source: spec.publisher for spec in catalogue.specs},
        "serving": {spec.source: {key: dict(value) for key, value in spec.serving.items()} for spec in catalogue.specs},
        "registered": {template.name: dict(template.registered) for template in templates},
        "default_system": {
            template.name: None if template.default_system is None else write_text(template.default_system)
            for template in templates
        },
        "plugins": {
            template.name: [template.mm_plugin.name, template.mm_plugin.inputs]
            for template in templates
            if template.mm_plugin
        },
        "stop_words": {template.name: list(template.stop_words) for template in templates},
        "checkpoints": [item.title for spec in catalogue.specs for group in spec.models for item in group.checkpoints],
        **{
            f"slots.{name}": [[part.kind, part.value] for part in slot]
            for name, slot in slots.items()
            if isinstance(slot, tuple)
        },
    }
