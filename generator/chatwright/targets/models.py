"""Facts about models for tables, pages and the site."""

from __future__ import annotations

from collections.abc import Mapping
from typing import get_args

from ..catalogue.build import FRAMEWORKS
from ..catalogue.model import Catalogue, Checkpoint, ModelGroup
from ..meaning.conversation import MediaKind

HUBS = {  # each hub's short name, and the address of its models
    "huggingface": ("HF", "https://huggingface.co/"),
    "modelscope": ("MS", "https://modelscope.cn/models/"),
    "openmind": ("OM", "https://modelers.cn/models/"),
}
MEDIA: tuple[MediaKind, ...] = get_args(MediaKind)
_TAGS: Mapping[str, MediaKind] = {"vision": "image", "video": "video", "audio": "audio"}  # ms-swift's


def address(hub: str, repository: str) -> str:
    """The page of a repository. The part after a colon is a folder inside it, which has no page."""
    return f"{HUBS[hub][1]}{repository.partition(':')[0]}"


def requirements(group: ModelGroup, catalogue: Catalogue) -> tuple[str, ...]:
    """The packages that models need: those of their group, else of their model type."""
    model_type = catalogue.model_types.get(group.model_type or "")
    return group.requires if group.requires is not None else model_type.requires if model_type else ()


def modalities(group: ModelGroup, checkpoint: Checkpoint, catalogue: Catalogue) -> list[MediaKind]:
    """The media that a model accepts, from ms-swift's tags and from the placeholders of its templates."""
    if not group.multimodal:
        return []
    model_type = catalogue.model_types.get(group.model_type or "")
    found = {_TAGS[tag] for tag in (*(model_type.tags if model_type else ()), *group.tags) if tag in _TAGS}
    for name in {group.template_for(framework, checkpoint) for framework in FRAMEWORKS} - {None}:
        found |= {kind for kind in MEDIA if getattr(catalogue.templates[str(name)].slots, kind) is not None}
    return [kind for kind in MEDIA if kind in found]
