"""The machine-readable index: ``catalog.json``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, get_args

from ..catalogue.build import FRAMEWORKS, HUBS
from ..catalogue.model import Catalogue, Checkpoint, ModelGroup, Spec, Template, Turns
from ..catalogue.slots import write_text
from ..errors import Unsupported
from ..targets import llamafactory, swift
from ..targets.parsers import serving_entry
from ..targets.protocol import (
    FILES,
    Deployments,
    added_models,
    added_templates,
    count_added,
    listed_as,
    registered_names,
)

ARGUMENTS: Mapping[str, Callable[[Template], Any]] = {
    "llamafactory": llamafactory.template_arguments,
    "swift": swift.template_arguments,
}


def names_of(template: Template) -> dict[str, str | None]:
    """The name that each framework registers a template under; None if it does not support the template."""
    return {
        framework: name if name and _can(ARGUMENTS[framework], template) else None
        for framework, name in template.registered.items()
    }


def _can(arguments: Callable[[Template], Any], template: Template) -> bool:
    try:
        arguments(template)
    except Unsupported:
        return False
    return True


def catalog_index(catalogue: Catalogue, deployments: Deployments) -> dict[str, Any]:
    """All templates and models; paths are relative to the output folder, null if there is no file.

    In an entry, ``added`` names the frameworks that do not have the template or model built in. At the top level,
    ``added`` counts them.
    """
    return {
        "added": count_added(catalogue, deployments),
        "templates": {name: template_entry(template, deployments) for name, template in catalogue.templates.items()},
        "models": [
            _model(spec, group, checkpoint, catalogue, deployments)
            for spec in catalogue.specs
            for group in spec.models
            for checkpoint in group.checkpoints
        ],
    }


def template_entry(template: Template, deployments: Deployments) -> dict[str, Any]:
    """One template: its names, its files, and the reasons why files or names are missing."""
    served = {target: deployments.get(target, {}).get(template.name) for target in FILES}
    return {
        "family": template.family,
        "registered": registered_names(template, deployments),
        "added": added_templates(template, deployments),
        "files": {target: deployment.path if deployment else None for target, deployment in served.items()},
        "reasons": dict(_reasons(template, deployments)),
        "notes": {
            target: list(found.notes)
            for target, by_template in deployments.items()
            if (found := by_template.get(template.name)) and found.notes
        },
        "default_system": None if template.default_system is None else write_text(template.default_system),
        "stop_words": list(template.stop_words),
        "tool_format": template.tool_format,
        "thinking": template.thinking is not None,
        **_levels(template),
        **({"turns": [word for word in get_args(Turns) if word in template.turns]} if template.turns else {}),
        "serving": serving_entry(template) if served["vllm"] and served["vllm"].path else {},
    }


def _levels(template: Template) -> dict[str, Any]:
    """The names of the levels of thinking, and the variable of a request that selects one; empty without levels."""
    levels = template.thinking.levels if template.thinking else None
    return {"levels": {"variable": levels.variable, "names": list(levels.names)}} if levels else {}


def _reasons(template: Template, deployments: Deployments) -> Iterator[tuple[str, str]]:
    for target, by_template in deployments.items():
        deployment = by_template.get(template.name)
        if deployment and deployment.path is None and deployment.reason:
            yield target, deployment.reason


def _model(
    spec: Spec, group: ModelGroup, checkpoint: Checkpoint, catalogue: Catalogue, deployments: Deployments
) -> dict[str, Any]:
    model_type = catalogue.model_types.get(group.model_type or "")
    return {
        "name": checkpoint.title,
        "family": spec.name,
        "template": group.template,
        "templates": {
            framework: _used(group.template_for(framework, checkpoint), framework, catalogue, deployments)
            for framework in FRAMEWORKS
        },
        "registered": listed_as(checkpoint, group),
        **{hub: checkpoint.ids.get(hub) for hub in HUBS},
        "path": checkpoint.path,
        "added": added_models(checkpoint, group),
        "model_type": group.model_type,
        "multimodal": group.multimodal,
        "architectures": list(model_type.architectures) if model_type else [],
    }


def _used(name: str | None, framework: str, catalogue: Catalogue, deployments: Deployments) -> str | None:
    """The template of a model; None if the framework registers none for it."""
    return name if name and registered_names(catalogue.templates[name], deployments)[framework] else None
