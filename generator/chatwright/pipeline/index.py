"""The machine-readable index: ``catalog.json``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..catalogue.build import FRAMEWORKS, HUBS
from ..catalogue.model import Catalogue, Checkpoint, ModelGroup, Spec, Template
from ..targets.protocol import Deployments, registered_names

SERVING = ("vllm", "ollama", "lmdeploy")  # the targets whose files serve one template each


def catalog_index(catalogue: Catalogue, deployments: Deployments) -> dict[str, Any]:
    """All templates and models; paths are relative to the output folder, null where there is no file."""
    return {
        "templates": {name: template_entry(template, deployments) for name, template in catalogue.templates.items()},
        "models": [
            _model(spec, group, checkpoint, catalogue, deployments)
            for spec in catalogue.specs
            for group in spec.models
            for checkpoint in group.checkpoints
        ],
    }


def template_entry(template: Template, deployments: Deployments) -> dict[str, Any]:
    """One template: what it is called, which files serve it, and why there is none where there is none."""
    served = {target: deployments.get(target, {}).get(template.name) for target in SERVING}
    return {
        "family": template.family,
        "registered": registered_names(template, deployments),
        "files": {target: deployment.path if deployment else None for target, deployment in served.items()},
        "reasons": dict(_reasons(template, deployments)),
        "default_system": template.default_system,
        "stop_words": list(template.stop_words),
        "tool_format": template.tool_format,
        "thinking": template.thinking is not None,
    }


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
        "templates": {framework: _used(group, framework, catalogue, deployments) for framework in FRAMEWORKS},
        **{hub: checkpoint.ids.get(hub) for hub in HUBS},
        "path": checkpoint.path,
        "model_type": group.model_type,
        "multimodal": group.multimodal,
        "architectures": list(model_type.architectures) if model_type else [],
    }


def _used(group: ModelGroup, framework: str, catalogue: Catalogue, deployments: Deployments) -> str | None:
    """The catalogue's template that a framework uses for a group; None where it has none registered for it."""
    name = group.template_for(framework)
    return name if registered_names(catalogue.templates[name], deployments)[framework] else None
