"""The real ``@huggingface/jinja``, the Jinja of transformers.js, in a Node process."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

from chatwright.errors import Unsupported
from chatwright.inspection.rendering import Render

from .npm import NodeWorker

PACKAGE = "@huggingface/jinja"


class Engine(NodeWorker):
    """A running Node process; use it as a context manager.

    ``node_modules`` is the folder that holds the unpacked package, ``today`` the day of its clock.

    Raises:
        ImportError: there is no Node, or no such package in the folder.
    """

    def __init__(self, node_modules: Path, today: date) -> None:
        super().__init__(node_modules, PACKAGE, "huggingface_jinja.mjs", today.isoformat())

    def renderer(self, source: str) -> Render:
        """Writes the chat template ``source``; what it or the engine refuses raises :class:`Unsupported`."""

        def render(given: dict[str, Any]) -> str:
            answer = self.ask({"source": source, "given": given})
            if "error" in answer:
                raise Unsupported(f"the template raises: {answer['error']}")
            return str(answer["text"])

        return render
