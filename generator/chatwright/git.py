"""What git says of a folder; nothing of the work tree is touched, and nothing is fetched."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from .errors import ChatwrightError

_SECONDS = 60  # a repository whose git takes longer is none
_INERT = ("-c", "protocol.allow=never", "-c", "core.fsmonitor=false")  # a repository's settings start no program


def git(folder: Path, *arguments: str, input: bytes | None = None) -> bytes | None:
    """What git prints, None where it fails.

    Raises:
        ChatwrightError: git is not installed.
    """
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *_INERT, *arguments],
            input=input,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_SECONDS,
            env={**os.environ, "GIT_NO_LAZY_FETCH": "1", "GIT_TERMINAL_PROMPT": "0"},
        )
    except FileNotFoundError:
        raise ChatwrightError("git is not installed, and the revisions stand in its repository") from None
    except subprocess.TimeoutExpired:
        return None
    return done.stdout if done.returncode == 0 else None
