"""The supported-models tables, in English and Chinese, as GitHub shows Markdown (CommonMark with tables).

Both pages are made from the same rows, so that they cannot fall out of step; only the labels differ.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from ..catalogue.model import Checkpoint, ModelGroup, Template
from ..meaning.visible import visible
from .protocol import Context, GeneratedFile, Output, registered_names
from .rendering import environment

FOLDER = "docs"
_HUBS = {
    "huggingface": ("Hugging Face", "https://huggingface.co/"),
    "modelscope": ("ModelScope", "https://modelscope.cn/models/"),
    "openmind": ("OpenMind", "https://modelers.cn/models/"),
}
_FRAMEWORKS = {"llamafactory": "LLaMA-Factory", "swift": "ms-swift"}
_SERVERS = {"vllm": "vLLM", "ollama": "Ollama", "lmdeploy": "LMDeploy"}
_TARGETS = {**_FRAMEWORKS, **_SERVERS}
_LABELS = {
    "supported-models.md": {
        "title": "Supported models",
        "intro": "Which models are supported, under which template name, and which files serve them.",
        "counts": "{families} families, {templates} templates and {models} checkpoints.",
        "model": "Model",
        "weights": "Weights",
        "multimodal": "Multimodal",
        "tools": "Tools",
        "thinking": "Thinking",
        "files": "Files",
        "yes": "yes",
        "templates": "Templates",
        "template": "Template",
        "family": "Family",
        "proof": "Proof",
        "proof_intro": "What engines said about exactly these files; a file no engine has read is unverified.",
        "exact": "exact",
        "differs": "differs",
        "unsupported": "unsupported",
        "no upstream truth": "no upstream truth",
        "unverified": "unverified",
        "refused": "What cannot be expressed",
        "reason": "Reason",
        "target": "Target",
        "other": "[中文](supported-models.zh.md)",
    },
    "supported-models.zh.md": {
        "title": "支持的模型",
        "intro": "支持哪些模型、对应的模板名称，以及部署所用的文件。",
        "counts": "共 {families} 个系列、{templates} 个模板、{models} 个模型权重。",
        "model": "模型",
        "weights": "权重",
        "multimodal": "多模态",
        "tools": "工具调用",
        "thinking": "思考",
        "files": "文件",
        "yes": "是",
        "templates": "模板",
        "template": "模板",
        "family": "系列",
        "proof": "验证",
        "proof_intro": "各引擎对这些文件的实际验证结果；尚无引擎读取过的文件标为未验证。",
        "exact": "一致",
        "differs": "不一致",
        "unsupported": "不支持",
        "no upstream truth": "上游无对照",
        "unverified": "未验证",
        "refused": "无法表达的内容",
        "reason": "原因",
        "target": "目标",
        "other": "[English](supported-models.md)",
    },
}
_BACKSLASHED = re.compile(r"[*_`\[\]<>~!]")
_AS_REFERENCE = re.compile(r"[\\|&@#$]|:(?=\S)|(?<=www)\.|^ | $", re.IGNORECASE)


def generate(context: Context) -> Output:
    """One page per language."""
    page = environment("docs").get_template("supported-models.md.j2")
    families = list(_families(context))
    counts = {
        "families": len(context.catalogue.specs),
        "templates": len(context.catalogue.templates),
        "models": sum(len(family["models"]) for family in families),
    }
    files = []
    for name, labels in _LABELS.items():
        body = page.render(
            labels={**labels, "counts": labels["counts"].format(**counts)},
            frameworks=_FRAMEWORKS,
            families=families,
            templates=list(_templates(context, labels)),
            refusals=list(_refusals(context)),
        )
        files.append(GeneratedFile(f"{FOLDER}/{name}", body, "html", ()))
    return Output(tuple(files))


def cell(value: str) -> str:
    """The text as it may stand in a table's cell, or anywhere else in a line of Markdown.

    What cannot be seen is shown as :func:`visible` shows it. Characters that Markdown, HTML or GitHub would act on are
    written as character references or behind a backslash, so that a reader sees exactly them.
    """
    shown = "".join(character if character.isprintable() else visible(character) for character in value)
    escaped = _AS_REFERENCE.sub(lambda match: f"&#{ord(match[0])};", shown)
    return _BACKSLASHED.sub(lambda match: f"\\{match[0]}", escaped)


def link(title: str, address: str) -> str:
    """A link; ``address`` is percent-encoded but for its first ``https://``."""
    scheme, mark, rest = address.partition("://") if address.startswith("https://") else ("", "", address)
    return f"[{cell(title)}]({scheme}{mark}{quote(rest, safe='/.-_~')})"


def _families(context: Context) -> Iterator[dict[str, Any]]:
    for spec in sorted(context.catalogue.specs, key=lambda spec: (_natural(spec.title), spec.source)):
        models = [(checkpoint, group) for group in spec.models for checkpoint in group.checkpoints]
        if models:
            models.sort(key=lambda model: _natural(model[0].title))
            title = spec.title if spec.publisher in spec.title else f"{spec.title} ({spec.publisher})"
            yield {"title": cell(title), "models": [_model(checkpoint, group, context) for checkpoint, group in models]}


def _model(checkpoint: Checkpoint, group: ModelGroup, context: Context) -> dict[str, Any]:
    listed = {"llamafactory": checkpoint.name is not None, "swift": group.model_type is not None}
    used = {
        framework: context.catalogue.templates[group.template_for(framework)]
        for framework in _FRAMEWORKS
        if listed[framework]
    }
    templates = list({template.name: template for template in used.values()}.values())
    names = {
        framework: registered_names(template, context.deployments)[framework] or ""
        for framework, template in used.items()
    }
    hubs = {title: f"{host}{checkpoint.ids[hub]}" for hub, (title, host) in _HUBS.items() if hub in checkpoint.ids}
    return {
        "name": cell(checkpoint.title),
        "weights": _links(hubs),
        "templates": {framework: cell(names.get(framework, "")) for framework in _FRAMEWORKS},
        "model_type": cell(group.model_type or ""),
        "multimodal": group.multimodal,
        "tools": _which(templates, lambda template: template.tool_format is not None),
        "thinking": _which(templates, lambda template: template.thinking is not None),
        "files": "; ".join(
            f"{cell(template.name)}: {files}" if len(templates) > 1 else files
            for template in templates
            if (files := _files(template, context))
        ),
    }


def _which(templates: Sequence[Template], has: Callable[[Template], bool]) -> tuple[bool, str]:
    """Whether all templates of a model have something; else the names of those that do."""
    found = [template.name for template in templates if has(template)]
    everyone = bool(found) and len(found) == len(templates)
    return everyone, "" if everyone else cell(", ".join(found))


def _templates(context: Context, labels: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    for name, template in context.catalogue.templates.items():
        registered = registered_names(template, context.deployments)
        yield {
            "name": cell(name),
            "family": cell(template.family),
            "registered": {framework: cell(known) if known else "" for framework, known in registered.items()},
            "files": _files(template, context),
            "proof": "; ".join(_proof(context.fidelity.get(name, {}), labels)) or labels["unverified"],
        }


def _proof(fidelity: Mapping[str, Mapping[str, Any]], labels: Mapping[str, str]) -> Iterator[str]:
    for engine, verdict in fidelity.items():
        if "counts" not in verdict:
            continue
        counts = ", ".join(f"{count} {labels[status]}" for status, count in verdict["counts"].items())
        grade = "" if verdict["grade"] == "engine" else f", {verdict['grade']}"
        yield cell(f"{engine} {verdict['version']}{grade}: {counts}")


def _refusals(context: Context) -> Iterator[dict[str, str]]:
    for name in context.catalogue.templates:
        for target, deployments in context.deployments.items():
            deployment = deployments.get(name)
            if deployment and deployment.path is None and deployment.reason:
                yield {"template": cell(name), "target": cell(_TARGETS[target]), "reason": cell(deployment.reason)}


def _files(template: Template, context: Context) -> str:
    made = {title: context.deployments.get(target, {}).get(template.name) for target, title in _SERVERS.items()}
    return _links({title: f"../{found.path}" for title, found in made.items() if found and found.path})


def _links(addresses: Mapping[str, str]) -> str:
    return ", ".join(link(title, address) for title, address in addresses.items())


def _natural(title: str) -> tuple[tuple[str, int, str], ...]:
    """A key that sorts 7B before 72B, however many digits a number has."""
    found = ((text.casefold(), number.lstrip("0")) for text, number in re.findall(r"([^0-9]*)([0-9]*)", title))
    return tuple((text, len(number), number) for text, number in found)
