"""Shared by the targets of training frameworks: a package with one registering module per spec."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from ..catalogue.model import Catalogue, Spec, Template
from ..errors import Unsupported
from ..records.frameworks import is_built_in
from .protocol import Context, Deployment, GeneratedFile, Output
from .rendering import environment, module_name

Arguments = Mapping[str, Any]


def register(
    context: Context,
    folder: str,
    arguments: Callable[[Template], Arguments],
    notes: Callable[[Template, bool], Iterable[str]],
    registered: Callable[[Spec, Mapping[str, Arguments]], Mapping[str, Any]],
    package: Callable[[Sequence[str]], Iterable[GeneratedFile]],
) -> Output:
    """One module per spec that has something to register, and the package that registers them.

    ``arguments`` returns the arguments of a template. ``notes`` returns its deviations; its second argument says
    whether the template's models take more than text. ``registered`` returns the variables of a module, given a spec
    and the arguments of its templates.
    """
    files: list[GeneratedFile] = []
    deployments: dict[str, Deployment] = {}
    modules: list[str] = []
    seeing = _multimodal_templates(context.catalogue)
    for spec in context.specs:
        templates: dict[str, Arguments] = {}
        path = f"{package_of(folder)}/{module_name(spec)}.py"
        for template in spec.templates:
            name = template.registered[folder]
            if name is None:
                continue
            try:
                templates[name] = arguments(template)
                known = is_built_in(folder, name)
                deviations = () if known else tuple(notes(template, template.name in seeing))
                deployments[template.name] = Deployment(path, notes=deviations)
            except Unsupported as error:
                deployments[template.name] = Deployment(None, reasons=error.reasons)
        values = registered(spec, templates)
        if any(values.values()):
            body = environment(folder).get_template("spec.py.j2").render(spec=spec, **values)
            files.append(GeneratedFile(path, body, "hash", (spec.source,)))
            modules.append(module_name(spec))
    return Output((*files, *(package(modules) if context.source is None else ())), deployments)


def package_of(folder: str) -> str:
    """The folder of the registering package."""
    return f"{folder}/chatwright_{folder}"


def package_files(folder: str, paths: Mapping[str, str], modules: Sequence[str]) -> Iterator[GeneratedFile]:
    """The files that register modules of specs; ``paths`` maps the name of a Jinja template to a file."""
    for source, path in paths.items():
        body = environment(folder).get_template(f"{source}.py.j2").render(modules=modules)
        yield GeneratedFile(path, body, "hash", ())


def _multimodal_templates(catalogue: Catalogue) -> set[str | None]:
    """The templates of models that take more than text."""
    return {
        group.template_for(framework, checkpoint)
        for framework in ("llamafactory", "swift")
        for spec in catalogue.specs
        for group in spec.models
        if group.multimodal
        for checkpoint in group.checkpoints
    }
