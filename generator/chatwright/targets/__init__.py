"""The targets, in the order they run: a target knows the deployments of those before it."""

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
SERVED = ("llamafactory", "swift", "vllm", "ollama", "lmdeploy", "training")  # files for frameworks and engines
ABOUT_ONE = ("pages",)  # documentation of one spec, which needs its fidelity
ABOUT_ALL = ("docs",)  # documentation of all specs
PACKAGES: dict[str, Callable[[Sequence[str]], Iterable[GeneratedFile]]] = {  # what makes packages of specs' modules
    llamafactory.PACKAGE: llamafactory.package,
    swift.PACKAGE: swift.package,
}
