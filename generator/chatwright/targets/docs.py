"""The tables of models and templates in each language, in GitHub's Markdown (CommonMark with tables).

All languages have the same rows; only the labels differ. Models, templates and the comparison with publishers' own
templates are separate pages, since GitHub does not show a file of more than 512 KB. The last page is left out if no
publisher's template is known.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from ..catalogue.build import FRAMEWORKS
from ..catalogue.model import Checkpoint, ModelGroup, Spec, Template
from .languages import languages
from .markdown import cell, link
from .models import HUBS, address, modalities, requirements
from .parsers import serving_entry
from .protocol import (
    FILES,
    Context,
    GeneratedFile,
    Output,
    added_models,
    added_templates,
    count_added,
    listed_in,
    registered_names,
)
from .publishers import publishers_rows, same_cell
from .rendering import environment
from .sizes import size

FOLDER = "docs"
_ENGINES = {
    "llamafactory": "LLaMA-Factory",
    "swift": "ms-swift",
    "vllm": "vLLM",
    "sglang": "SGLang",
    "transformers": "transformers",
    "ollama": "Ollama",
    "lmdeploy": "LMDeploy",
}
_PARSING = {"vllm": "vLLM", "sglang": "SGLang"}
_TARGETS = {**FRAMEWORKS, **FILES}
_ADDED = "†"
_NO_TEMPLATE = "–"
_PAGES = ("supported-models", "templates", "publishers")


def generate(context: Context) -> Output:
    """Up to three pages per language."""
    families = list(_families(context))
    counts = {
        "families": len(context.catalogue.specs),
        "templates": len(context.catalogue.templates),
        "models": sum(len(family["models"]) for family in families),
    }
    added = count_added(context.catalogue, context.deployments)
    refusals = list(_refusals(context))
    files = []
    compared = any("compared" in verdict for verdict in context.publishers.get("templates", {}).values())
    pages = _PAGES if compared else tuple(page for page in _PAGES if page != "publishers")
    for language in languages():
        labels, suffix = language.tables, language.suffix
        counts_added = [
            labels["added_counts"].format(framework=FRAMEWORKS[key], **found)
            for key, found in added.items()
            if any(found.values())
        ]
        for page in pages:
            linked = [(other.name, f"{page}{other.suffix}.md") for other in languages() if other != language]
            linked += [(labels[other], f"{other}{suffix}.md") for other in pages if other != page]
            note = labels["added"].format(mark=_ADDED, templates_page=f"templates{suffix}.md")
            body = (
                environment("docs")
                .get_template(f"{page}.md.j2")
                .render(
                    labels={
                        **labels,
                        "counts": labels["counts"].format(**counts),
                        "training": labels["training"].format(file=FILES["training"]),
                    },
                    links=" · ".join(link(*address) for address in linked),
                    added=" ".join([note, *counts_added]) if counts_added else "",
                    frameworks=FRAMEWORKS,
                    engines=_ENGINES.values(),
                    families=families,
                    templates=(
                        list(_templates(context, labels, f"publishers{suffix}.md")) if page == "templates" else []
                    ),
                    compared=publishers_rows(context.publishers, labels) if page == "publishers" else compared,
                    refusals=refusals,
                )
            )
            files.append(GeneratedFile(f"{FOLDER}/{page}{suffix}.md", body, "html", ()))
    return Output(tuple(files))


def _families(context: Context) -> Iterator[dict[str, Any]]:
    for spec in sorted(context.catalogue.specs, key=lambda spec: (_natural(spec.title), spec.source)):
        models = [(checkpoint, group) for group in spec.models for checkpoint in group.checkpoints]
        if models:
            models.sort(key=lambda model: _natural(model[0].title))
            title = spec.title if spec.publisher in spec.title else f"{spec.title} ({spec.publisher})"
            yield {
                "title": cell(title),
                "models": [_model(checkpoint, group, context) for checkpoint, group in models],
                "templates": [
                    [_page(name), *(_share(context, name, engine) for engine in _ENGINES)]
                    for name in _used(spec, context)
                ],
            }


def _used(spec: Spec, context: Context) -> list[str]:
    """The templates that a family defines or its models use, its own first."""
    own = [template.name for template in spec.templates]
    found = {
        name
        for group in spec.models
        for checkpoint in group.checkpoints
        for framework in FRAMEWORKS
        if (name := group.template_for(framework, checkpoint))
    }
    return [*own, *sorted(found - set(own))]


def _page(name: str) -> str:
    return link(name, f"templates/{name}.md")


def _share(context: Context, name: str, engine: str) -> str:
    """The share of conversations that an engine writes exactly, of those that have an upstream truth."""
    verdict = context.fidelity.get(name, {}).get(engine)
    if verdict is None:
        return "–"
    if "counts" not in verdict:
        return "–" if verdict["status"] == "unsupported" else "?"
    counts = verdict["counts"]
    of = sum(counts.get(status, 0) for status in ("exact", "differs", "unsupported"))
    return f"{counts.get('exact', 0)}/{of}"


def _model(checkpoint: Checkpoint, group: ModelGroup, context: Context) -> dict[str, Any]:
    listed = listed_in(checkpoint, group)
    used = {
        framework: context.catalogue.templates[name]
        for framework in FRAMEWORKS
        if framework in listed or not group.multimodal  # only a framework that lists it knows its image placeholder
        if (name := group.template_for(framework, checkpoint))
    }
    added = {
        framework
        for framework, template in used.items()
        if framework in added_models(checkpoint, group) or framework in added_templates(template, context.deployments)
    }
    templates = list({used[framework].name: used[framework] for framework in listed if framework in used}.values())
    names = {
        framework: registered_names(template, context.deployments)[framework] or ""
        for framework, template in used.items()
    }
    added = {framework for framework in added if names[framework] or framework in listed}
    return {
        "name": cell(checkpoint.title),
        "weights": _links(_hubs(checkpoint)),
        "templates": {framework: _marked(names.get(framework, ""), framework in added) for framework in FRAMEWORKS},
        "model_type": cell(group.model_type or ""),
        "modalities": (
            (modalities(group, checkpoint, context.catalogue) or ["multimodal"]) if group.multimodal else ["text"]
        ),
        "size": cell(size(checkpoint)),
        "requires": cell(", ".join(requirements(group, context.catalogue))),
        "tools": _which(templates, lambda template: template.tool_format is not None),
        "thinking": _which(templates, lambda template: template.thinking is not None),
    }


def _hubs(checkpoint: Checkpoint) -> dict[str, str]:
    """The checkpoint's repositories by hub; if it has no ids, the repositories that a framework lists for it.

    The part of an id after a colon is a folder inside the repository, which has no page of its own.
    """
    listed = [checkpoint.ids] if checkpoint.ids else checkpoint.targets.values()
    ids = {hub: str(found[hub]) for found in listed for hub in HUBS if found.get(hub)}
    return {title: address(hub, ids[hub]) for hub, (title, _) in HUBS.items() if hub in ids}


def _marked(name: str, added: bool) -> str:
    return f"{cell(name or _NO_TEMPLATE)} {_ADDED}" if added else cell(name)


def _which(templates: Sequence[Template], has: Callable[[Template], bool]) -> tuple[bool, str]:
    """Whether all templates of a model have a feature; if not, the names of those that do."""
    found = [template.name for template in templates if has(template)]
    everyone = bool(found) and len(found) == len(templates)
    return everyone, "" if everyone else cell(", ".join(found))


def _templates(context: Context, labels: Mapping[str, str], page: str) -> Iterator[dict[str, Any]]:
    for name, template in context.catalogue.templates.items():
        registered = registered_names(template, context.deployments)
        added = added_templates(template, context.deployments)
        yield {
            "name": _page(name),
            "family": cell(template.family),
            "registered": {
                framework: _marked(known or "", framework in added) for framework, known in registered.items()
            },
            "files": _files(template, context),
            "parsers": "; ".join(_parsers(template, context, labels)),
            "same": same_cell(context.publishers.get("templates", {}).get(name, {}), labels, page),
            "proof": "; ".join(_proof(context.fidelity.get(name, {}), labels)) or labels["unverified"],
        }


def _parsers(template: Template, context: Context, labels: Mapping[str, str]) -> Iterator[str]:
    """The options of servers for the template's file."""
    made = context.deployments.get("vllm", {}).get(template.name)
    for server, named in serving_entry(template).items() if made and made.path else ():
        proven = "" if named["proven"] else f" ({labels['unverified']})"
        yield cell(f"{_PARSING[server]}: {' '.join(named['flags'])}{proven}")


def _proof(fidelity: Mapping[str, Mapping[str, Any]], labels: Mapping[str, str]) -> Iterator[str]:
    for engine, verdict in fidelity.items():
        if "counts" not in verdict:
            continue
        counts = ", ".join(f"{count} {labels[status]}" for status, count in verdict["counts"].items())
        grade = "" if verdict["grade"] == "engine" else f", {verdict['grade']}"
        yield cell(f"{engine} {verdict['version']}{grade}: {counts}")


def _refusals(context: Context) -> Iterator[dict[str, str]]:
    for name in context.catalogue.templates:
        targets: dict[str, list[str]] = {}
        for target, deployments in context.deployments.items():
            deployment = deployments.get(name)
            for reason in (*deployment.reasons, *deployment.notes) if deployment else ():
                targets.setdefault(reason, []).append(_TARGETS[target])
        for reason, refusing in targets.items():
            yield {"template": cell(name), "target": cell(", ".join(refusing)), "reason": cell(reason)}


def _files(template: Template, context: Context) -> str:
    made = {title: context.deployments.get(target, {}).get(template.name) for target, title in FILES.items()}
    return _links({title: f"../{found.path}" for title, found in made.items() if found and found.path})


def _links(addresses: Mapping[str, str]) -> str:
    return ", ".join(link(title, address) for title, address in addresses.items())


def _natural(title: str) -> tuple[tuple[str, int, str], ...]:
    """A sort key that compares numbers by value: 7B comes before 72B."""
    found = ((text.casefold(), number.lstrip("0")) for text, number in re.findall(r"([^0-9]*)([0-9]*)", title))
    return tuple((text, len(number), number) for text, number in found)
