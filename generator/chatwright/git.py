"""What git says of a folder; nothing of the work tree is touched, and nothing is fetched."""

from __future__ import annotations

import subprocess
from pathlib import Path

from .errors import ChatwrightError

_SECONDS = 60  # a repository whose git takes longer is none
_NO_TRANSPORT = "protocol.allow=never"  # or a repository's settings name a program that fetches what it lacks


def git(folder: Path, *arguments: str, input: bytes | None = None) -> bytes | None:
    """What git prints, None where it fails.

    Raises:
        ChatwrightError: git is not installed.
    """
    try:
        done = subprocess.run(
            ["git", "-c", _NO_TRANSPORT, "-C", str(folder), *arguments],
            input=input,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_SECONDS,
        )
    except FileNotFoundError:
        raise ChatwrightError("git is not installed, and the revisions stand in its repository") from None
    except subprocess.TimeoutExpired:
        return None
    return done.stdout if done.returncode == 0 else None
