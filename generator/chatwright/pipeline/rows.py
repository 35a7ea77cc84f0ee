"""A family's rows for the frameworks' own tables of supported models, for a pull request there.

LLaMA-Factory: ``README.md`` and ``README_zh.md``, "Supported Models" (of 0.9.5): one row per family, with all sizes and
the names of its templates. ms-swift: ``docs/source*/Instruction/Supported-models-and-datasets.md``: one row per
model. ms-swift's own script writes that file from its registry; specs have no data for its column on Megatron.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from ..catalogue.model import Catalogue, Checkpoint, ModelGroup, Spec
from ..errors import ChatwrightError
from ..targets.markdown import cell, link
from ..targets.models import HUBS, address, requirements
from ..targets.sizes import total_sizes
from .index import names_of

HEADS = {
    "llamafactory": "| Model | Model size | Template |\n| --- | --- | --- |",
    "swift": "| Model ID | Model Type | Default Template | Requires | Support Megatron | Tags | HF Model ID |\n"
    "| -------- | -----------| ---------------- | -------- | ---------------- | ---- | ----------- |",
}
_SAFE = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9 .,/()+-]|_(?=[A-Za-z0-9]))*")  # no special characters of Markdown
_NONE = "-"


@dataclass(frozen=True)
class Rows:
    """``lines`` go into the table ``head`` of the file ``place``; ``notes`` are messages for the user."""

    head: str
    lines: tuple[str, ...]
    place: str
    notes: tuple[str, ...]


def upstream_rows(catalogue: Catalogue, spec: Spec, framework: str) -> Rows:
    """The rows of a family.

    Raises:
        ChatwrightError: the framework lists no model of the family.
    """
    return _llamafactory(catalogue, spec) if framework == "llamafactory" else _swift(catalogue, spec)


def _llamafactory(catalogue: Catalogue, spec: Spec) -> Rows:
    listed = [(group, item) for group in spec.models for item in group.checkpoints if item.name is not None]
    if not listed:
        raise ChatwrightError(f"{spec.name}: no spec gives its models a name in LLaMA-Factory (checkpoints' `name`)")
    names = dict.fromkeys(_template(catalogue, group, item, "llamafactory") for group, item in listed)
    shown = [text(name) for name in names if name not in (_NONE, "default", "empty")]
    homes = Counter(item.ids["huggingface"].split("/")[0] for _, item in listed if "huggingface" in item.ids)
    title = text(spec.title)
    if homes:
        title = link(spec.title, address("huggingface", homes.most_common(1)[0][0])).replace(cell(spec.title), title)
    unsized = [item.title for _, item in listed if not total_sizes([item])]
    notes = ["the table is sorted by name, and there is one in English and one in Chinese"]
    if unsized:
        notes.append(f"no name or id contains the size of {', '.join(unsized[:3])}{' and others' * (len(unsized) > 3)}")
    sizes = "/".join(total_sizes(item for _, item in listed)) or _NONE
    line = f"| {title} | {sizes} | {'/'.join(shown) or _NONE} |"
    return Rows(HEADS["llamafactory"], (line,), "README.md and README_zh.md", tuple(notes))


def _swift(catalogue: Catalogue, spec: Spec) -> Rows:
    lines, several = [], False
    for group in spec.models:
        if group.model_type is None:
            continue
        several = several or group.multimodal
        lines += list(_swift_group(catalogue, group))
    if not lines:
        raise ChatwrightError(
            f"{spec.name}: no spec gives its models a `model_type`, under which ms-swift lists models"
        )
    notes = [
        f"multimodal models have a table of their own{', and some of these are' if several else ''}",
        "Support Megatron: a spec knows it only if it overrides mcore_model_type; "
        "scripts/utils/run_model_info.py of ms-swift writes the file from its registry",
    ]
    return Rows(
        HEADS["swift"],
        tuple(lines),
        "docs/source/Instruction and docs/source_en/Instruction, Supported-models-and-datasets.md",
        tuple(notes),
    )


def _swift_group(catalogue: Catalogue, group: ModelGroup) -> Iterator[str]:
    assert group.model_type is not None
    model_type = catalogue.model_types[group.model_type]
    megatron = "&#x2714;" if model_type.targets.get("swift", {}).get("mcore_model_type") else _NONE
    tags = ", ".join(dict.fromkeys((*model_type.tags, *group.tags)))
    for item in group.checkpoints:
        ids = {**item.ids, **{hub: value for hub, value in item.targets.get("swift", {}).items() if hub in HUBS}}
        if not ids:  # a local folder
            continue
        cells = (
            _hub(ids.get("modelscope"), "modelscope"),
            text(group.model_type),
            text(_template(catalogue, group, item, "swift")),
            cell(", ".join(requirements(group, catalogue))).replace("\\>", ">") or _NONE,
            megatron,
            text(tags) if tags else _NONE,
            _hub(ids.get("huggingface"), "huggingface"),
        )
        yield f"|{'|'.join(cells)}|"


def _hub(repository: str | None, hub: str) -> str:
    if not repository:
        return _NONE
    shown = link(repository, address(hub, repository))
    return shown.replace(f"[{cell(repository)}]", f"[{text(repository)}]", 1)


def _template(catalogue: Catalogue, group: ModelGroup, item: Checkpoint, framework: str) -> str:
    name = group.template_for(framework, item)
    return (names_of(catalogue.templates[name])[framework] if name else None) or _NONE


def text(value: str) -> str:
    """A text for a cell: unchanged if Markdown treats all of it as plain text, else escaped."""
    return value if _SAFE.fullmatch(value) else cell(value)
