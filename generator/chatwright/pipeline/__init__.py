"""The pipeline: load the catalogue, render every target in memory, then compare with the disk or write."""

from __future__ import annotations

from .generate import Difference, Rendering, check, generate, render, render_spec
from .select import load_public_catalogue, select
from .writer import Changes, write_files, write_tree

__all__ = [
    "Changes",
    "Difference",
    "Rendering",
    "check",
    "generate",
    "load_public_catalogue",
    "render",
    "render_spec",
    "select",
    "write_files",
    "write_tree",
]
