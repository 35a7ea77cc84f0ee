"""Where conformance keeps what it records besides the package's records."""

from __future__ import annotations

from pathlib import Path

RESULTS = Path(__file__).resolve().parent / "results"  # what commands printed, as text for people


def vectors(root: Path) -> Path:
    """What the frameworks and publishers write, as the tests of a checkout read it."""
    return root / "tests" / "vectors"
