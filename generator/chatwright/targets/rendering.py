"""What the targets share: how values reach generated text, and how specs name their modules."""

from __future__ import annotations

import re
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined

from ..catalogue.model import Spec


@cache
def environment(target: str) -> Environment:
    """The templates folder of a target. Every value reaches Python through the ``py`` filter, which is ``repr``."""
    loader = PackageLoader("chatwright.targets", f"templates/{target}")
    found = Environment(
        loader=loader, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    found.filters["py"] = repr
    found.filters["doc"] = docstring_text
    return found


def module_name(spec: Spec) -> str:
    """A module name for the spec that is a valid identifier: ``meta/llama-4.yaml`` becomes ``meta_llama_4``."""
    name = re.sub(r"\W", "_", spec.source.removesuffix(".yaml"), flags=re.ASCII)
    return f"_{name}" if name[0].isdigit() else name


def docstring_text(value: str) -> str:
    """Text as it may stand inside a Python docstring: one line, no quotes or backslashes that could end it."""
    return " ".join(value.split()).replace("\\", "\\\\").replace('"', "'")
