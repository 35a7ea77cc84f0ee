"""What to set in each framework for a template."""

from __future__ import annotations

from collections.abc import Sequence

from ...catalogue.model import Catalogue, Template
from ...pipeline.index import names_of
from ...records.frameworks import is_built_in
from ...targets import llamafactory

_OF_OURS = "  # after register_all() of generated/llamafactory"


def flags(catalogue: Catalogue, name: str, framework: str, model_types: Sequence[str]) -> str | None:
    """The settings for a template; None where the framework cannot have it.

    ``model_types`` are the model's as far as they are known; more than one leaves the choice to the user.
    """
    template = catalogue.templates[name]
    registered = names_of(template)[framework]
    if registered is None:
        return None
    ours = not is_built_in(framework, registered)
    if framework == "llamafactory":
        return f"template: {registered}{_thinking(template)}{_OF_OURS if ours else ''}"
    chosen = f"--model_type {model_types[0]} " if len(model_types) == 1 else ""
    plugin = "--external_plugins generated/swift/register_all.py " if ours else ""
    return f"{plugin}{chosen}--template {registered}"


def has_itself(catalogue: Catalogue, name: str, framework: str) -> bool:
    """Whether a framework has a template without us."""
    registered = catalogue.templates[name].registered[framework]
    return registered is not None and is_built_in(framework, registered)


def _thinking(template: Template) -> str:
    """The switch that LLaMA-Factory's ``ReasoningTemplate`` has, as the format's own default is."""
    if template.thinking is None or "Reasoning" not in llamafactory.template_arguments(template)["template_class"]:
        return ""
    return f"\nenable_thinking: {str(template.thinking.default).lower()}"
