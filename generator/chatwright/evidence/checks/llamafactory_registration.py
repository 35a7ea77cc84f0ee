"""The generated registrations beside the built-ins of LLaMA-Factory: equal in every field and every token."""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import fields
from pathlib import Path
from typing import Any

from ..engines import llamafactory


@contextmanager
def generated_package(root: Path) -> Iterator[Any]:
    """Import ``generated.llamafactory`` from the folder that holds ``generated/``, as a user of a checkout does."""
    sys.path.insert(0, str(root))
    try:
        for name in [name for name in sys.modules if name == "generated" or name.startswith("generated.")]:
            del sys.modules[name]
        yield importlib.import_module("generated.llamafactory")
    finally:
        sys.path.remove(str(root))


@contextmanager
def registries(*, empty: bool) -> Iterator[dict[str, Any]]:
    """LLaMA-Factory's registry of templates, emptied or as it is; everything is put back afterwards."""
    llamafactory.load()
    from llamafactory.data.template import TEMPLATES
    from llamafactory.extras.constants import DEFAULT_TEMPLATE, MULTIMODAL_SUPPORTED_MODELS, SUPPORTED_MODELS

    stores: list[Any] = [TEMPLATES, SUPPORTED_MODELS, DEFAULT_TEMPLATE, MULTIMODAL_SUPPORTED_MODELS]
    before = [store.copy() for store in stores]
    try:
        if empty:
            for store in stores:
                store.clear()
        yield TEMPLATES
    finally:
        for store, content in zip(stores, before, strict=True):
            store.clear()
            store.update(content)


def differing_fields(ours: Any, built_in: Any) -> list[str]:
    """The fields in which two templates differ: class, formatters with slots and tool formats, flags, plugin."""
    found = [] if type(ours) is type(built_in) else ["class"]
    for field in fields(built_in):
        if _comparable(getattr(ours, field.name)) != _comparable(getattr(built_in, field.name)):
            found.append(field.name)
    return found


def _comparable(value: Any) -> Any:
    if hasattr(value, "slots") or hasattr(value, "expand_mm_tokens"):
        state = {key: item for key, item in vars(value).items() if key != "tool_utils"}
        return (type(value).__name__, state, type(getattr(value, "tool_utils", None)).__name__)
    return value


def beside_the_built_ins(root: Path) -> list[str]:
    """Try the package beside the built-ins: nothing twice, and a conflict named or kept. Returns what went wrong."""
    wrong = []
    with registries(empty=False) as templates, generated_package(root) as package:
        before = {name: id(template) for name, template in templates.items()}, llamafactory.registered_models()
        package.register_all()
        after = {name: id(template) for name, template in templates.items()}, llamafactory.registered_models()
        if before != after:
            wrong.append("register_all() beside the built-ins changed the registries")
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
