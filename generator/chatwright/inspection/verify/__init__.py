"""``chatwright verify``: whether a model folder is served with the tokens that its template trains on."""

from __future__ import annotations

from .findings import ADVICE, Verification
from .verification import verify

__all__ = ["ADVICE", "Verification", "verify"]
