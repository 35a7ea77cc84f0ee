"""The real ``@huggingface/jinja``, the Jinja of transformers.js, in a Node process that answers line by line."""

from __future__ import annotations

import json
import shutil
from datetime import date
from importlib import resources
from pathlib import Path
from typing import Any

from ...errors import Unsupported
from .jinja import Render
from .line_process import LineProcess

PACKAGE = "@huggingface/jinja"


class Engine(LineProcess):
    """A running Node process; use it as a context manager.

    ``node_modules`` is the folder that holds the unpacked package, ``today`` the day of its clock.

    Raises:
        ImportError: there is no Node, or no such package in the folder.
    """

    def __init__(self, node_modules: Path, today: date) -> None:
        package = node_modules / PACKAGE
        if (node := shutil.which("node")) is None:
            raise ImportError("there is no Node.js on the path")
        if not (package / "package.json").is_file():
            raise ImportError(f"the npm package {PACKAGE} is not there")
        self.version = str(json.loads((package / "package.json").read_text(encoding="utf-8"))["version"])
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
