"""The catalogue: strict YAML with positions, the schema, the frozen model, and checks over all specs."""

from __future__ import annotations

from .load import load_catalogue
from .model import Catalogue

__all__ = ["Catalogue", "load_catalogue"]
