"""The generated registrations beside the built-ins of LLaMA-Factory: equal in every field and every token."""

from __future__ import annotations

import importlib.metadata
import warnings
from copy import deepcopy
from pathlib import Path

from ..engines import llamafactory
from ..sync.registry import Registry


def registered() -> Registry:
    """What LLaMA-Factory has registered now."""
    templates = {name: llamafactory.plain_fields(template) for name, template in llamafactory.templates().items()}
    version = importlib.metadata.version("llamafactory")
    return Registry("llamafactory", version, templates, llamafactory.registered_models())


def beside_the_built_ins(root: Path) -> list[str]:
    """Try the package beside the built-ins: nothing twice, and a conflict named or kept. Returns what went wrong."""
    wrong = []
    with llamafactory.registries(empty=False) as templates, llamafactory.generated_package(root) as package:
        before = {name: id(template) for name, template in templates.items()}, llamafactory.registered_models()
        package.register_all()
        after = {name: id(template) for name, template in templates.items()}, llamafactory.registered_models()
        if not (before[0].items() <= after[0].items() and all(after[1][name] == before[1][name] for name in before[1])):
            wrong.append("register_all() beside the built-ins changed what is theirs")
        name = "llama3"
        changed = deepcopy(templates[name])
        changed.stop_words = ["<changed>"]
        templates[name] = changed
        try:
            package.register_all()
            wrong.append(f"register_all() accepted another {name!r}")
        except package.Conflict as conflict:
            if str(conflict).count(repr(name)) < 2 or "<changed>" not in str(conflict):
                wrong.append(f"the conflict does not name both sides: {conflict}")
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            package.register_all(on_conflict="keep")
        if templates[name] is not changed or len(warned) != 1 or repr(name) not in str(warned[0].message):
            wrong.append(f"on_conflict='keep' did not keep the other {name!r} with one warning")
    return wrong
