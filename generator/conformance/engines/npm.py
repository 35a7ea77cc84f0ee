"""Programs that come as npm packages and run in Node."""

from __future__ import annotations

import json
import shutil
from pathlib import Path


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
