"""``python -m conformance``: what maintainers run against the real frameworks, engines and publishers."""

from __future__ import annotations

from chatwright.cli import LazyGroup, main

COMMANDS = {
    "Prove": ("check", "train-smoke"),
    "Follow upstream": ("sync", "overrides"),
    "Measure": ("bench",),
}
conformance = LazyGroup("conformance.commands", COMMANDS, help="What maintainers run against the real programs.")

if __name__ == "__main__":
    main(conformance, "python -m conformance")
