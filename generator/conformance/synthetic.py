"""A catalogue many times the size of the real one, for measuring: the real specs again and again under other names."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

import chatwright
from chatwright.catalogue.build import HUBS
from chatwright.catalogue.schema import read_data
from chatwright.catalogue.yaml_reader import read_yaml
from chatwright.resources import schema_path, specs_path

_PACKAGE = Path(chatwright.__file__).resolve().parent


def copy_checkout(root: Path, times: int = 1) -> None:
    """Make a folder a checkout with the generator and so many times the public catalogue, with its evidence.

    The first time holds the specs as they are. What engines said of a template is said of its copies, too: it counts
    for those whose files have the same content under their other name.
    """
    shutil.copytree(
        _PACKAGE, root / "generator" / "chatwright", ignore=shutil.ignore_patterns("__pycache__", "_catalogue")
    )
    shutil.copy(schema_path(), root / "schema.json")
    shutil.copytree(specs_path(), root / "specs")
    if times > 1:
        _multiply_specs(root / "specs", times)
        for of in ("engines", "publishers"):
            for file in (root / "generator" / "chatwright" / "records" / "data" / of).glob("*.json"):
                _multiply_evidence(file, times)


def _multiply_specs(folder: Path, times: int) -> None:
    for file in sorted(folder.glob("*/*.yaml")):
        data = read_data(read_yaml(file, file.name))
        for number in range(2, times + 1):
            copy = file.with_name(f"{file.stem}-copy{number}.yaml")
            copy.write_text(yaml.dump(renamed(data, f"-copy{number}"), Dumper=_Dumper, sort_keys=False, width=10_000))


def _multiply_evidence(file: Path, times: int) -> None:
    data = json.loads(file.read_text(encoding="utf-8"))
    templates = data["templates"]
    copies = {f"{name}-copy{number}": said for name, said in templates.items() for number in range(2, times + 1)}
    file.write_text(json.dumps({**data, "templates": {**templates, **copies}}), encoding="utf-8")


def renamed(spec: Mapping[str, Any], end: str) -> dict[str, Any]:
    """The data of a spec with everything it introduces, and uses of other specs, under a name with this end."""

    def used(settings: Mapping[str, Any]) -> dict[str, Any]:
        """What names a template or a model type, in a group or below its ``targets``."""
        names = {key: settings[key] + end for key in ("template", "model_type") if settings.get(key)}
        ids = {hub: _id(settings[hub], end) for hub in (*HUBS, "path") if settings.get(hub)}
        targets = {name: used(own) for name, own in settings.get("targets", {}).items()}
        return {**settings, **names, **ids, **({"targets": targets} if targets else {})}

    found = {**spec, "name": spec["name"] + end}
    templates = {}
    for name, template in spec.get("templates", {}).items():
        registered = {key: value and value + end for key, value in template.get("registered", {}).items()}
        extends = {"extends": template["extends"] + end} if "extends" in template else {}
        templates[name + end] = {**template, **({"registered": registered} if registered else {}), **extends}
    models = [
        {
            **used(group),
            "checkpoints": [
                {**used(item), **({"name": item["name"] + end} if "name" in item else {})}
                for item in group["checkpoints"]
            ],
        }
        for group in spec.get("models", ())
    ]
    types = {name + end: used(value) for name, value in spec.get("model_types", {}).items()}
    parts = {"templates": templates, "model_types": types, "models": models}
    return {**found, **{key: value for key, value in parts.items() if value}}


def _id(value: str, end: str) -> str:
    repo, colon, folder = value.partition(":")
    return f"{repo[: 96 - len(end)]}{end}{colon}{folder}"


class _Dumper(yaml.SafeDumper):
    """Writes every text in double quotes, in which nothing of it means anything else."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


_Dumper.add_representer(str, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"'))
