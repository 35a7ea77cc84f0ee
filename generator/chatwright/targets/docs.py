"""The tables of models and of templates, in English and Chinese, as GitHub shows Markdown (CommonMark with tables).

Both languages are made from the same rows, so that they cannot fall out of step; only the labels differ. Models,
templates and what publishers' own templates write have pages of their own, since GitHub shows no file of more than
512 KB; the last is left out where no publisher's template is known.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from ..catalogue.build import FRAMEWORKS
from ..catalogue.model import Checkpoint, ModelGroup, Spec, Template
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
from .publishers import LABELS, publishers_rows, same_cell
from .rendering import environment
from .sizes import size

FOLDER = "docs"
_ENGINES = ("llamafactory", "swift", "vllm", "sglang", "transformers", "ollama", "lmdeploy")
_ENGINE_TITLES = ("LLaMA-Factory", "ms-swift", "vLLM", "SGLang", "transformers", "Ollama", "LMDeploy")
_PARSING = {"vllm": "vLLM", "sglang": "SGLang"}
_TARGETS = {**FRAMEWORKS, **FILES}
_ADDED = "†"
_NO_TEMPLATE = "–"
_PAGES = ("supported-models", "templates", "publishers")
_LABELS = {
    "": {
        "supported-models": "Supported models",
        "templates": "Templates",
        "models_intro": "Which models are supported, under which template name, and what engines write of it. "
        "A template's page has its prompts and its files.",
        "unlisted": "A framework that does not list a model trains it from its path, with the template named here.",
        "templates_intro": "What engines said about exactly these files; a file no engine has read is unverified. "
        "Ollama lays out the JSON of tools and calls in its own way: what stands around it is compared as text, "
        "JSON by its values.",
        "training": f"{FILES['training']} is for training, never for serving: marks around what is learned.",
        "counts": "{families} families, {templates} templates and {models} checkpoints.",
        "added": f"{_ADDED} is not built into the framework: the generated files add it, as far as the last table of "
        "[Templates]({templates_page}) does not say otherwise.",
        "added_counts": "Added to {framework}: templates {templates}, models {models}.",
        "model": "Model",
        "weights": "Weights",
        "modalities": "Modalities",
        "size": "Size",
        "requires": "Requires",
        "text": "text",
        "image": "image",
        "video": "video",
        "audio": "audio",
        "multimodal": "multimodal",
        "legend": "Size: as the name says; A is what is active. HF, MS, OM: Hugging Face, ModelScope, OpenMind. "
        "Modalities: as ms-swift's tags or the template's slots tell; `multimodal` where neither does. Below the "
        "models stand their templates: of the conversations that a framework can tell the text of, how many each "
        "engine writes exactly, `–` where it has no file, `?` where it has not read the file as it is.",
        "tools": "Tools",
        "thinking": "Thinking",
        "parsers": "Parsers",
        "files": "Files",
        "yes": "yes",
        "template": "Template",
        "family": "Family",
        "proof": "Proof",
        "exact": "exact",
        "differs": "differs",
        "unsupported": "unsupported",
        "no upstream truth": "no upstream truth",
        "unverified": "unverified",
        "refused": "What cannot be expressed, or not to the letter",
        "reason": "Reason",
        "target": "Target",
    },
    ".zh": {
        "supported-models": "支持的模型",
        "templates": "模板",
        "models_intro": "支持哪些模型、对应的模板名称，以及各引擎的验证结果；提示词和部署文件见各模板的页面。",
        "unlisted": "框架未列出的模型，可用其路径和此处的模板名称训练。",
        "templates_intro": "各引擎对这些文件的实际验证结果；尚无引擎读取过的文件标为未验证。"
        "Ollama 以自己的排版输出工具和调用的 JSON：其前后的文本逐字比较，JSON 按值比较。",
        "training": f"{FILES['training']} 仅用于训练、不用于部署：模板中标出了需要学习的内容。",
        "counts": "共 {families} 个系列、{templates} 个模板、{models} 个模型权重。",
        "added": f"{_ADDED} 表示框架本身没有内置，由生成的文件添加；例外见[模板]({{templates_page}})的最后一个表。",
        "added_counts": "为 {framework} 添加：模板 {templates} 个，模型 {models} 个。",
        "model": "模型",
        "weights": "权重",
        "modalities": "模态",
        "size": "规模",
        "requires": "依赖",
        "text": "文本",
        "image": "图像",
        "video": "视频",
        "audio": "音频",
        "multimodal": "多模态",
        "legend": "规模以名称所写为准，A 为激活参数。HF、MS、OM：Hugging Face、ModelScope、OpenMind。"
        "模态：依据 ms-swift 的标签和模板的槽位；不明时写「多模态」。"
        "模型下方是其模板：在框架能给出文本的对话中，各引擎逐字一致的数目；"
        "`–` 表示没有文件，`?` 表示引擎尚未读过当前的文件。",
        "tools": "工具调用",
        "thinking": "思考",
        "parsers": "解析器",
        "files": "文件",
        "yes": "是",
        "template": "模板",
        "family": "系列",
        "proof": "验证",
        "exact": "一致",
        "differs": "不一致",
        "unsupported": "不支持",
        "no upstream truth": "上游无对照",
        "unverified": "未验证",
        "refused": "无法表达或无法完全一致表达的内容",
        "reason": "原因",
        "target": "目标",
    },
}
_LANGUAGES = {"": "English", ".zh": "中文"}


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
    for language, own_labels in _LABELS.items():
        labels = {**own_labels, **LABELS[language]}
        told = [
            labels["added_counts"].format(framework=FRAMEWORKS[key], **found)
            for key, found in added.items()
            if any(found.values())
        ]
        for page in pages:
            linked = [(_LANGUAGES[other], f"{page}{other}.md") for other in _LANGUAGES if other != language]
            linked += [(labels[other], f"{other}{language}.md") for other in pages if other != page]
            body = (
                environment("docs")
                .get_template(f"{page}.md.j2")
                .render(
                    labels={**labels, "counts": labels["counts"].format(**counts)},
                    links=" · ".join(link(*address) for address in linked),
                    added=(
                        " ".join([labels["added"].format(templates_page=f"templates{language}.md"), *told])
                        if told
                        else ""
                    ),
                    frameworks=FRAMEWORKS,
                    engines=_ENGINE_TITLES,
                    families=families,
                    templates=(
                        list(_templates(context, labels, f"publishers{language}.md")) if page == "templates" else []
                    ),
                    compared=publishers_rows(context.publishers, labels) if page == "publishers" else compared,
                    refusals=refusals,
                )
            )
            files.append(GeneratedFile(f"{FOLDER}/{page}{language}.md", body, "html", ()))
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
    """The templates that a family introduces or its models use, its own first."""
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
    """How many conversations of those that have an upstream truth an engine writes exactly."""
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
        if framework in listed or not group.multimodal  # what stands for an image is known to those that list it
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
    """The checkpoint's repositories by hub; of one without ids of its own, those a framework lists it with.

    What stands behind the colon of an id is a folder inside the repository, which has no page of its own.
    """
    listed = [checkpoint.ids] if checkpoint.ids else checkpoint.targets.values()
    ids = {hub: str(found[hub]) for found in listed for hub in HUBS if found.get(hub)}
    return {title: address(hub, ids[hub]) for hub, (title, _) in HUBS.items() if hub in ids}


def _marked(name: str, added: bool) -> str:
    return f"{cell(name or _NO_TEMPLATE)} {_ADDED}" if added else cell(name)


def _which(templates: Sequence[Template], has: Callable[[Template], bool]) -> tuple[bool, str]:
    """Whether all templates of a model have something; else the names of those that do."""
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
    """The options that a server is given with the template's file."""
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
    """A key that sorts 7B before 72B, however many digits a number has."""
    found = ((text.casefold(), number.lstrip("0")) for text, number in re.findall(r"([^0-9]*)([0-9]*)", title))
    return tuple((text, len(number), number) for text, number in found)
