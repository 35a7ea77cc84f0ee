"""What a target is: one module that turns the catalogue into files, found in :data:`chatwright.targets.TARGETS`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from ..catalogue.model import Catalogue, Template

Comment = Literal["hash", "jinja", "html", "none"]


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
    """The file that serves one template on one engine, or the reason why there is none."""

    path: str | None
    sha256: str | None = None  # of the file's body without its header: what evidence is keyed by
    reason: str | None = None


@dataclass(frozen=True)
class Output:
    """What a target made; ``deployments`` maps a template's name to its file, for targets that deploy templates."""

    files: tuple[GeneratedFile, ...]
    deployments: Mapping[str, Deployment] = field(default_factory=dict)


Deployments = Mapping[str, Mapping[str, Deployment]]  # by target, then by template


def registered_names(template: Template, deployments: Deployments) -> dict[str, str | None]:
    """The name each framework registers the template under; None where it does not, or cannot."""
    made = {framework: deployments.get(framework, {}).get(template.name) for framework in template.registered}
    return {
        framework: name if (deployment := made[framework]) and deployment.path else None
        for framework, name in template.registered.items()
    }


@dataclass(frozen=True)
class Context:
    """What a target may read. ``deployments`` holds what the targets before it in the registry made, by target."""

    catalogue: Catalogue
    deployments: Deployments
    fidelity: Mapping[str, Any]


class Target(Protocol):
    """A target module. It never imports another target, never prints, and writes nothing itself."""

    def generate(self, context: Context) -> Output:
        """Make the target's files; deterministic, without network and without any framework."""
        ...
