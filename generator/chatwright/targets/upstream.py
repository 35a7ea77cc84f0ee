"""Registrations in the form of the frameworks' own sources, to add a model upstream or to a fork.

The modules in ``generated/`` register from outside of a framework. This module writes the same arguments in the style
of the framework's own sources (LLaMA-Factory 0.9.5, ms-swift 4.6.0).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..catalogue.model import Catalogue, Template
from ..errors import Unsupported
from . import llamafactory, swift
from .rendering import environment

_LLAMAFACTORY_DEFAULTS: Mapping[str, Any] = {  # data/template.py, register_template
    "format_user": ("StringFormatter", ["{{content}}"], None),
    "format_system": ("StringFormatter", ["{{content}}"], None),
    "format_tools": ("ToolFormatter", None, "default"),
    "format_prefix": ("EmptyFormatter", [], None),
    "default_system": "",
    "stop_words": [],
    "tool_call_words": ("<tool_call>", "</tool_call>"),
    "thought_words": ("<think>\n", "\n</think>\n\n"),
    "efficient_eos": False,
    "replace_eos": False,
    "replace_jinja_template": False,
    "template_class": "Template",
}


@dataclass(frozen=True)
class Snippet:
    """Python for a file of a framework: ``kind`` is what it adds, ``place`` is the file, ``whole``: the file is new."""

    kind: str
    place: str
    text: str
    whole: bool


def snippets(framework: str, template: Template, catalogue: Catalogue) -> list[Snippet]:
    """The snippets for a template and its models in a framework's sources; the Python is not formatted yet.

    Raises:
        Unsupported: the framework does not support the template; the message says why.
    """
    name = template.registered[framework]
    if name is None:
        raise Unsupported(f"the spec registers it under no name there (registered.{framework}: null)")
    return (_llamafactory if framework == "llamafactory" else _swift)(name, template, catalogue)


def _llamafactory(name: str, template: Template, catalogue: Catalogue) -> list[Snippet]:
    arguments = llamafactory.template_arguments(template)
    defaults = {**_LLAMAFACTORY_DEFAULTS, "format_observation": arguments["format_user"]}
    end = [] if arguments["efficient_eos"] else [{"eos_token"}]
    defaults["format_assistant"] = ("StringFormatter", ["{{content}}", *end], None)
    defaults["format_function"] = ("FunctionFormatter", arguments["format_assistant"][1], "default")
    given = {key: value for key, value in arguments.items() if key not in defaults or value != defaults[key]}
    plugins = llamafactory.declared_plugins([given])
    groups = [group for group in llamafactory.model_groups(catalogue) if group["template"] == name]
    composites = [composite for composite in llamafactory.composite_models(catalogue) if name in composite["templates"]]
    template_values = {"name": name, "arguments": given, "plugins": plugins}
    return [
        _snippet("template", "data/template.py", template_values),
        *([_plugin_snippet()] if plugins else []),
        *([_snippet("models", "extras/constants.py", {"groups": groups})] if groups else []),
        *([_snippet("composites", "model/model_utils/visual.py", {"composites": composites})] if composites else []),
    ]


def _snippet(kind: str, place: str, values: Mapping[str, Any]) -> Snippet:
    text = environment("upstream").get_template(f"llamafactory_{kind}.py.j2").render(**values)
    return Snippet(kind, f"src/llamafactory/{place}", text, whole=False)


def _plugin_snippet() -> Snippet:
    text = environment("llamafactory").get_template("processor_plugin.py.j2").render()
    return Snippet("plugin", "src/llamafactory/data/processor_plugin.py", text, whole=True)


def _swift(name: str, template: Template, catalogue: Catalogue) -> list[Snippet]:
    arguments = swift.template_arguments(template)
    render = environment("upstream")
    own = arguments.get("template_cls", "").rpartition(".")
    text = render.get_template("swift_template.py.j2").render(
        name=name,
        arguments=arguments,
        template_class=(own[0], own[2]) if own[2] else None,
        dated=swift.dated(arguments),
    )
    found = [Snippet("template", f"swift/template/templates/{_module(name)}.py", text, whole=True)]
    model_types = list(swift.model_types_of(template, catalogue))
    if model_types:
        loaders = {path for item in model_types if (path := item["arguments"].get("loader"))}
        text = render.get_template("swift_models.py.j2").render(
            model_types=model_types,
            loaders=sorted((path.rpartition(".")[0], path.rpartition(".")[2]) for path in loaders),
            torch=any("torch_dtype" in item["arguments"] for item in model_types),
        )
        found.append(Snippet("models", f"swift/model/models/{_module(name)}.py", text, whole=True))
    return found


def _module(name: str) -> str:
    """A module name for the template."""
    clean = "".join(character if character.isalnum() else "_" for character in name)
    return f"_{clean}" if clean[0].isdigit() else clean
