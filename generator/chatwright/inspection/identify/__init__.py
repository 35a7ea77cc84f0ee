"""``chatwright identify``: which template of the catalogue a model has."""

from __future__ import annotations

from .answer import Answer, isolated
from .identifier import Identifier, identify_record
from .records import read_model

__all__ = ["Answer", "Identifier", "identify_record", "isolated", "read_model"]
