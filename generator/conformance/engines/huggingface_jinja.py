"""The real ``@huggingface/jinja``, the Jinja of transformers.js, in a Node process that answers line by line."""

from __future__ import annotations

from datetime import date
from importlib import resources
from pathlib import Path
from typing import Any

from chatwright.errors import Unsupported
from chatwright.inspection.jinja import Render

from .line_process import LineProcess
from .npm import node_and_version

PACKAGE = "@huggingface/jinja"


class Engine(LineProcess):
    """A running Node process; use it as a context manager.

    ``node_modules`` is the folder that holds the unpacked package, ``today`` the day of its clock.

    Raises:
        ImportError: there is no Node, or no such package in the folder.
    """

    def __init__(self, node_modules: Path, today: date) -> None:
        package = node_modules / PACKAGE
        node, self.version = node_and_version(node_modules, PACKAGE)
        worker = resources.files(__package__).joinpath("huggingface_jinja.mjs").read_text(encoding="utf-8")
        super().__init__(
            [node, "--input-type=module", "--eval", worker, "--", str(package.resolve()), today.isoformat()]
        )

    def renderer(self, source: str) -> Render:
        """Writes the chat template ``source``; what it or the engine refuses raises :class:`Unsupported`."""

        def render(given: dict[str, Any]) -> str:
            answer = self.ask({"source": source, "given": given})
            if "error" in answer:
                raise Unsupported(f"the template raises: {answer['error']}")
            return str(answer["text"])

        return render
