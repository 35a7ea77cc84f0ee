"""The protocol of targets. A target is a module, listed in :data:`chatwright.targets.TARGETS`, that makes files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from ..catalogue.model import Catalogue, Checkpoint, ModelGroup, Spec, Template
from ..records.frameworks import built_ins, is_built_in

Comment = Literal["hash", "jinja", "html", "none"]
FILES = {  # the targets with a file per template, and their titles
    "vllm": "vLLM",
    "ollama": "Ollama",
    "lmdeploy": "LMDeploy",
    "training": "Transformers (mask)",
}


@dataclass(frozen=True)
class GeneratedFile:
    """One file below ``generated/``.

    ``path`` uses forward slashes; ``body`` is the content without its header; ``comment`` is the comment syntax in
    which the writer puts the header (``none``: the format has no comments); ``sources`` are the specs it came from.
    """

    path: str
    body: str
    comment: Comment
    sources: tuple[str, ...]


@dataclass(frozen=True)
class Deployment:
    """The file that serves one template on one engine, or all the reasons why there is none.

    ``notes`` list known deviations of the framework's rendering, for templates that are not built in there.
    """

    path: str | None
    sha256: str | None = None  # of the body without its header; the key of evidence
    reasons: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def reason(self) -> str | None:
        """The reasons as one text, None if there are none."""
        return "; ".join(self.reasons) or None


@dataclass(frozen=True)
class Output:
    """The output of a target; ``deployments`` maps a template's name to its file, for targets that deploy templates."""

    files: tuple[GeneratedFile, ...]
    deployments: Mapping[str, Deployment] = field(default_factory=dict)


Deployments = Mapping[str, Mapping[str, Deployment]]  # by target, then by template


def registered_names(template: Template, deployments: Deployments) -> dict[str, str | None]:
    """The name that each framework registers the template under; None if it is not registered there."""
    made = {framework: deployments.get(framework, {}).get(template.name) for framework in template.registered}
    return {
        framework: name if (deployment := made[framework]) and deployment.path else None
        for framework, name in template.registered.items()
    }


def added_templates(template: Template, deployments: Deployments) -> list[str]:
    """The frameworks that do not have the template built in under its registered name, so that we add it."""
    return [
        framework
        for framework, name in registered_names(template, deployments).items()
        if name and not is_built_in(framework, name)
    ]


def listed_as(checkpoint: Checkpoint, group: ModelGroup) -> dict[str, str | None]:
    """The name or model type that each framework lists a checkpoint under; None if it does not list it."""
    return {"llamafactory": checkpoint.name, "swift": group.model_type}


def listed_in(checkpoint: Checkpoint, group: ModelGroup) -> list[str]:
    """The frameworks that a checkpoint is registered in."""
    return [framework for framework, known_as in listed_as(checkpoint, group).items() if known_as is not None]


def added_models(checkpoint: Checkpoint, group: ModelGroup) -> list[str]:
    """The frameworks that do not have the checkpoint built in, by none of its names and ids, so that we add it."""
    return [
        framework
        for framework in listed_in(checkpoint, group)
        if framework in built_ins() and not built_ins()[framework].has(checkpoint.known_by)
    ]


def count_added(catalogue: Catalogue, deployments: Deployments) -> dict[str, dict[str, int]]:
    """The numbers of templates and models that we add to each framework whose built-ins are recorded."""
    templates = Counter(name for item in catalogue.templates.values() for name in added_templates(item, deployments))
    models = Counter(
        framework
        for spec in catalogue.specs
        for group in spec.models
        for checkpoint in group.checkpoints
        for framework in added_models(checkpoint, group)
    )
    return {name: {"templates": templates[name], "models": models[name]} for name in built_ins()}


@dataclass(frozen=True)
class Context:
    """The input of a target. ``deployments`` holds the deployments of earlier targets in the registry, by target.

    ``publishers`` is the comparison with the publishers' own templates, as in ``fidelity.json``. ``source`` names the
    only spec whose files are made; then the catalogue is the closed subset that these files may depend on, so that it
    can be the key of the cache. Without ``source`` the files of all specs are made, and the files about all of them.
    """

    catalogue: Catalogue
    deployments: Deployments
    fidelity: Mapping[str, Any]
    publishers: Mapping[str, Any] = field(default_factory=dict)
    source: str | None = None

    @property
    def specs(self) -> tuple[Spec, ...]:
        """The specs whose files the target makes."""
        return tuple(spec for spec in self.catalogue.specs if self.source in (None, spec.source))


class Target(Protocol):
    """A target module. It never imports another target, never prints, and writes nothing itself."""

    def generate(self, context: Context) -> Output:
        """Make the target's files; deterministic, without network, and without importing a framework."""
        ...
