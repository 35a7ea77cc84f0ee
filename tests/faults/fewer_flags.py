"""A plugin of pytest that takes from Python what Windows does not have, before the package is imported."""

from __future__ import annotations

import os
import sys
from typing import Any

modules: dict[str, Any] = sys.modules
modules["fcntl"] = None
for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_DIRECTORY"):
    delattr(os, name)
os.supports_dir_fd = set()
os.supports_follow_symlinks = set()


def pytest_sessionfinish() -> None:
    """The package was imported without them."""
    from chatwright import files

    assert files._NO_LINK == 0
    assert files._READ == os.O_RDONLY
