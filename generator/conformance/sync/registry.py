"""What a framework has registered by itself, and what ours registers with the same version of it, as plain data."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any

from chatwright.catalogue.build import FRAMEWORKS
from chatwright.catalogue.model import Catalogue, Spec
from chatwright.errors import ChatwrightError
from chatwright.meaning.runs import TODAY
from chatwright.records.frameworks import BuiltIns
from chatwright.targets import TARGETS
from chatwright.targets.protocol import Context
from chatwright.targets.rendering import module_name

from ..engines import llamafactory
from ..engines.swift import Swift
from ..engines.worker import WorkerError

_PLACE = re.compile(r" \([^()]*\.py\)")  # where an ImportError says that a module stands
_PACKAGES = {"llamafactory": "llamafactory", "swift": "ms-swift"}


class NotInstalled(ChatwrightError):
    """The framework is not there at all."""


@dataclass(frozen=True)
class Registry:
    """What one version of a framework has registered, every field as plain data.

    ``models`` holds LLaMA-Factory's models, or ms-swift's model types with their groups. ``groups`` holds
    LLaMA-Factory's ``register_model_group`` calls in source order (``models``: the names, ``template``,
    ``multimodal``), since its registries forget the template of a name that is no chat model; empty for ms-swift and
    for what we register. ``refused`` says why this version does not take a registration of ours, by ``template``,
    ``model`` or ``model_type`` and name. ``plugins`` are LLaMA-Factory's multimodal plugins with their settings.
    """

    framework: str
    version: str
    templates: Mapping[str, Mapping[str, Any]]
    models: Mapping[str, Mapping[str, Any]]
    groups: tuple[Mapping[str, Any], ...] = ()
    refused: Mapping[tuple[str, str], str] = field(default_factory=dict)
    plugins: Mapping[str, Sequence[str]] = field(default_factory=dict)


def read(framework: str, python_path: Sequence[Path] = ()) -> Registry:
    """The built-ins of the framework that is installed, or that stands in a folder of ``python_path``.

    Raises:
        ChatwrightError: as :func:`read_both`.
    """
    return read_both(framework, Catalogue(()), python_path)[1]


def read_both(framework: str, catalogue: Catalogue, python_path: Sequence[Path] = ()) -> tuple[Registry, Registry]:
    """What the catalogue registers with an emptied framework, and the framework's own built-ins.

    Both are read in one process, and with the day of the recorded vectors, since some formats write today's date.

    Raises:
        NotInstalled: the framework is not there.
        ChatwrightError: it cannot be imported, does not stand in the folder, or is a version that is not understood.
    """
    output = TARGETS[framework].generate(Context(catalogue, {}, {}))
    reasons = {name: made.reason for name, made in output.deployments.items() if made.reason}
    with tempfile.TemporaryDirectory(prefix="chatwright-") as folder:
        for file in output.files:
            path = Path(folder) / "generated" / file.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(file.body, encoding="utf-8")
        try:
            answer = _READERS[framework](Path(folder), python_path)
        except WorkerError as error:
            raise _unreadable(framework, str(error), python_path) from error
    _check_origin(framework, answer, python_path)
    ours, theirs = answer["ours"], answer["theirs"]
    refused: dict[tuple[str, str], str] = {}
    for spec in catalogue.specs:
        for template in spec.templates:
            name = template.registered[framework]
            if name is not None and name not in ours["templates"]:
                reason = reasons.get(template.name)
                refused["template", name] = reason or _reason("template", name, spec, answer["refused"])
        for kind, name in _models(framework, spec):
            if name not in ours["models"]:
                refused[kind, name] = _reason(kind, name, spec, answer["refused"])
    version = answer["version"]
    return (
        Registry(framework, version, ours["templates"], ours["models"], refused=refused),
        Registry(
            framework,
            version,
            theirs["templates"],
            theirs["models"],
            tuple(answer["groups"]),
            plugins=answer.get("plugins", {}),
        ),
    )


def is_older(version: str, than: str) -> bool:
    """Whether a release of a framework came before another one, by the numbers of both."""
    pairs = zip_longest(*(map(int, re.findall(r"\d+", each)) for each in (version, than)), fillvalue=0)
    return next((one < other for one, other in pairs if one != other), False)


def built_ins_of(registry: Registry) -> BuiltIns:
    """The names and ids of a framework's own registry, as they are recorded."""
    models: dict[str, set[str]] = {}
    if registry.framework == "llamafactory":
        hubs = {"DEFAULT": "huggingface", "MODELSCOPE": "modelscope", "OPENMIND": "openmind"}
        models["name"] = set(registry.models)
        listed = [{hubs[source]: name for source, name in model["ids"].items()} for model in registry.models.values()]
    else:
        models["model_type"] = set(registry.models)
        groups = [group for model_type in registry.models.values() for group in model_type["groups"]]
        listed = [
            {"huggingface": model["hf_model_id"], "modelscope": model["ms_model_id"], "path": model["model_path"]}
            for group in groups
            for model in group["models"]
        ]
    for ids in listed:
        for hub, name in ids.items():
            if name:
                models.setdefault(hub, set()).add(name)
    frozen = {key: frozenset(names) for key, names in models.items()}
    return BuiltIns(registry.version, frozenset(registry.templates), frozen)


def _read_swift(root: Path, python_path: Sequence[Path]) -> dict[str, Any]:
    with Swift(python_path=python_path, today=TODAY) as engine:
        version = engine.version
        if version.startswith("3."):
            raise ChatwrightError(f"ms-swift {version} answers; `python -m conformance sync` reads ms-swift 4")
        theirs = engine.registries
        origin = engine.origins(["swift"])["swift"]
        engine.empty()
        refused = engine.load(root / "generated" / "swift" / "register_all.py")
        ours = engine.registries
    registries = [{"templates": found["templates"], "models": found["model_types"]} for found in (theirs, ours)]
    return {
        "version": version,
        "origin": origin,
        "theirs": registries[0],
        "ours": registries[1],
        "groups": [],
        "refused": refused,
    }


_READERS: Mapping[str, Callable[[Path, Sequence[Path]], dict[str, Any]]] = {
    "llamafactory": llamafactory.dump,
    "swift": _read_swift,
}


def _unreadable(framework: str, reason: str, python_path: Sequence[Path]) -> ChatwrightError:
    title, package = FRAMEWORKS[framework], _PACKAGES[framework]
    if f"No module named '{framework}'" in reason:
        return NotInstalled(
            f"{title} is not installed for this Python; run: pip install {package}, or name a folder that holds it "
            "with --path DIR"
        )
    where = f" from {', '.join(map(str, python_path))}" if python_path else ""
    return ChatwrightError(f"{title}{where} cannot be read: {reason}")


def _check_origin(framework: str, answer: Mapping[str, Any], python_path: Sequence[Path]) -> None:
    """The framework that answered stands in a folder that was named, where one was."""
    origin = Path(str(answer["origin"])).resolve()
    if python_path and not any(origin.is_relative_to(path.resolve()) for path in python_path):
        title, package = FRAMEWORKS[framework], _PACKAGES[framework]
        raise NotInstalled(
            f"{', '.join(map(str, python_path))}: there is no {title} in this folder (the {answer['version']} that is "
            f"installed answered); run: pip install --no-deps --target DIR {package}==VERSION"
        )


def _models(framework: str, spec: Spec) -> list[tuple[str, str]]:
    """The kind and name of the models that a spec registers."""
    if framework == "swift":
        return [("model_type", model_type.name) for model_type in spec.model_types]
    return [("model", item.name) for group in spec.models for item in group.checkpoints if item.name]


def _reason(kind: str, name: str, spec: Spec, lines: Sequence[str]) -> str:
    """What the generated registration said about an item, or about the whole module of its spec."""
    heads = f"{kind.replace('_', ' ')} {name!r} ", f"module {module_name(spec)!r} "
    told = [line.partition(": ")[2] for line in lines if line.startswith(heads)]
    return _PLACE.sub("", "; ".join(told)) or "it is not registered"
