"""The targets, in the order they run: what a target deploys is known to those after it."""

from __future__ import annotations

from . import docs, llamafactory, lmdeploy, ollama, pages, swift, training, vllm
from .protocol import Target

TARGETS: dict[str, Target] = {
    "llamafactory": llamafactory,
    "swift": swift,
    "vllm": vllm,
    "ollama": ollama,
    "lmdeploy": lmdeploy,
    "training": training,
    "docs": docs,
    "pages": pages,
}
