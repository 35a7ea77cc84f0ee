"""The scenario catalogue, under the name the engines know it by; it stands in :mod:`chatwright.meaning.scenarios`."""

from __future__ import annotations

from ..meaning.scenarios import Scenario, scenarios

__all__ = ["Scenario", "scenarios"]
