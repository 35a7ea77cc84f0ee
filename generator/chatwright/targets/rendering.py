"""Shared by all targets: filters for values in generated text, and the module names of specs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined

from ..catalogue.model import Spec, Template
from ..errors import Refusals
from .protocol import Comment, Context, Deployment, GeneratedFile, Output
from .python import literal


def file_per_template(
    context: Context,
    path: str,
    comment: Comment,
    write: Callable[[Spec, Template], str],
    notes: Callable[[Template], Iterable[str]] = lambda template: (),
) -> Output:
    """The output of a target with one file per template.

    ``path`` contains ``{}`` for the template's name. ``write`` returns the file's body, or raises
    :class:`Unsupported`. ``notes`` returns notes for users.
    """
    files: list[GeneratedFile] = []
    deployments: dict[str, Deployment] = {}
    for spec in context.specs:
        for template in spec.templates:
            refusals = Refusals()
            if template.undescribed:
                refusals.reasons.append(f"undescribed: the template's own code writes {template.undescribed}")
            with refusals.collect():
                body = write(spec, template)
            if refusals.reasons:
                deployments[template.name] = Deployment(None, reasons=tuple(refusals.reasons))
            else:
                files.append(GeneratedFile(path.format(template.name), body, comment, (spec.source,)))
                deployments[template.name] = Deployment(
                    path.format(template.name), notes=(*_notes(template), *notes(template))
                )
    return Output(tuple(files), deployments)


def _notes(template: Template) -> tuple[str, ...]:
    if template.targets.get("swift", {}).get("auto_add_bos") == "instead" and not template.slots.prefix:
        return ("in training the tokenizer puts its own prefix, if it has one, in front; this file writes none",)
    return ()


@cache
def environment(target: str) -> Environment:
    """The Jinja environment of a target's templates. Values in Python code must use the filter ``py``."""
    loader = PackageLoader("chatwright.targets", f"templates/{target}")
    found = Environment(
        loader=loader, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    found.filters["py"] = literal
    found.filters["doc"] = docstring_text
    return found


def module_name(spec: Spec) -> str:
    """The spec's module name, a valid identifier: ``meta/llama-4.yaml`` becomes ``meta_llama_4``."""
    name = re.sub(r"\W", "_", spec.source.removesuffix(".yaml"), flags=re.ASCII)
    return f"_{name}" if name[0].isdigit() else name


def docstring_text(value: str) -> str:
    """The text escaped for a Python docstring: one line, without quotes or backslashes that could end it."""
    return " ".join(value.split()).replace("\\", "\\\\").replace('"', "'")
