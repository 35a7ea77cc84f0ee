"""Ask git about a folder; the work tree is not changed, and nothing is fetched."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from .errors import ChatwrightError

_SECONDS = 60  # a git command that takes longer counts as failed
# A repository's own settings may name a program that fetches missing content. They override `-c protocol.allow`, but
# not the environment, which allows no protocol: so nothing is fetched. A folder without `.git` is no repository.
_ALONE = {"GIT_ALLOW_PROTOCOL": "", "GIT_NO_LAZY_FETCH": "1", "GIT_OPTIONAL_LOCKS": "0"}
_SETTINGS = ("-c", "safe.bareRepository=explicit")


def git(folder: Path, *arguments: str, input: bytes | None = None) -> bytes | None:
    """What git prints; None if it fails.

    Raises:
        ChatwrightError: git is not installed.
    """
    try:
        done = subprocess.run(
            ["git", *_SETTINGS, "-C", str(folder), *arguments],
            env={**os.environ, **_ALONE},
            input=input,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_SECONDS,
        )
    except FileNotFoundError:
        raise ChatwrightError("git is not installed; it is needed to read revisions") from None
    except subprocess.TimeoutExpired:
        return None
    return done.stdout if done.returncode == 0 else None
