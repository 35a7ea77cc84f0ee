"""``chatwright draft``: a spec from a model's own chat template, and how far it is exact."""

from __future__ import annotations

from .drafting import Draft, draft
from .source import read_source

__all__ = ["Draft", "draft", "read_source"]
