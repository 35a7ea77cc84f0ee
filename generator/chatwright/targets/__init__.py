"""The targets, in the order they run: what a target deploys is known to those after it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from . import docs, llamafactory, lmdeploy, ollama, pages, swift, training, vllm
from .protocol import GeneratedFile, Target

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
SERVED = ("llamafactory", "swift", "vllm", "ollama", "lmdeploy", "training")  # what frameworks and engines read
TOLD = ("pages",)  # what people read of one spec, when it is known what engines said
ABOUT_ALL = ("docs",)  # what they read of all
PACKAGES: dict[str, Callable[[Sequence[str]], Iterable[GeneratedFile]]] = {  # what makes packages of specs' modules
    llamafactory.PACKAGE: llamafactory.package,
    swift.PACKAGE: swift.package,
}
