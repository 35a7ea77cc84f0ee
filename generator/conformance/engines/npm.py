"""Programs that come as npm packages and run in Node."""

from __future__ import annotations

import json
import shutil
from importlib import resources
from pathlib import Path

from .worker import Worker


class NodeWorker(Worker):
    """A JavaScript file of this folder that answers with what an npm package says; ``version`` is the package's.

    The file is given the unpacked package's folder, and ``arguments``.

    Raises:
        ImportError: there is no Node, or no such package in the folder ``node_modules``.
    """

    def __init__(self, node_modules: Path, package: str, file: str, *arguments: str) -> None:
        node, self.version = node_and_version(node_modules, package)
        source = resources.files(__package__).joinpath(file).read_text(encoding="utf-8")
        folder = str((node_modules / package).resolve())
        super().__init__([node, "--input-type=module", "--eval", source, "--", folder, *arguments])


def node_and_version(node_modules: Path, package: str) -> tuple[str, str]:
    """Where Node is, and the version of an unpacked package.

    Raises:
        ImportError: there is no Node, or no such package in the folder ``node_modules``.
    """
    if (node := shutil.which("node")) is None:
        raise ImportError("there is no Node.js on the path")
    told = node_modules / package / "package.json"
    if not told.is_file():
        raise ImportError(f"the npm package {package} is not there")
    return node, str(json.loads(told.read_text(encoding="utf-8"))["version"])
