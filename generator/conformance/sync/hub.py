"""Files of a repository on the Hugging Face Hub, or on anything that serves ``/{repo}/resolve/{revision}/{file}``.

Uses the session and the headers of huggingface_hub, and with them its token (``HF_TOKEN`` or ``hf auth login``) and
its settings for proxies and certificates. Nothing is kept on the disk.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from chatwright.errors import ChatwrightError, UsageError

ENDPOINT = "https://huggingface.co"
_SECONDS = 30  # without an answer
_WHOLE_SECONDS = 120  # for one file
_MOST = 64 * 1024**2  # bytes of one file

Fetch = Callable[[str, str], "bytes | None"]


class Unread(ChatwrightError):
    """A repository or a file of it cannot be read; the message says why."""


def hub_fetch(endpoint: str = ENDPOINT, revision: str = "main") -> Fetch:
    """What reads a file of a repository: its bytes, or None where the repository has no such file.

    It raises :class:`Unread` where that cannot be told.

    Raises:
        ChatwrightError: huggingface_hub is not installed.
        UsageError: the endpoint is no address.
    """
    if not endpoint.startswith(("http://", "https://")):
        raise UsageError(f"--endpoint {endpoint!r} is no address that begins with https:// or http://")
    try:
        import httpx
        from huggingface_hub import get_session, hf_hub_url
        from huggingface_hub.utils import build_hf_headers
    except ImportError as error:
        raise ChatwrightError(
            f"sync publishers needs huggingface_hub ({error}): pip install huggingface_hub"
        ) from error

    def fetch(repo: str, file: str) -> bytes | None:
        try:
            address = hf_hub_url(repo, file, revision=revision, endpoint=endpoint.rstrip("/"))
            session, headers = get_session(), build_hf_headers()
            with session.stream("GET", address, headers=headers, follow_redirects=True, timeout=_SECONDS) as answer:
                told = answer.headers.get("X-Error-Code", "")
                if answer.status_code == 404 and told in ("", "EntryNotFound"):
                    return None
                if answer.status_code != 200:
                    raise Unread(_refusal(answer.status_code, told, revision))
                content, late = bytearray(), time.monotonic() + _WHOLE_SECONDS
                for chunk in answer.iter_bytes():
                    content += chunk
                    if len(content) > _MOST:
                        raise Unread(f"{file} is longer than {_MOST // 1024**2} MB")
                    if time.monotonic() > late:
                        raise Unread(f"{file} takes longer than {_WHOLE_SECONDS} seconds")
                return bytes(content)
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            reason = (str(error).splitlines() or [""])[0] or type(error).__name__
            raise Unread(f"{endpoint}: {reason}") from error

    return fetch


def _refusal(status: int, told: str, revision: str) -> str:
    if told == "RevisionNotFound":
        return f"there is no revision {revision}"
    if told == "RepoNotFound" or status == 404:
        return "there is no such repository, or it is private"
    if status in (401, 403):
        return f"access is refused (HTTP {status}); for a gated repository set HF_TOKEN"
    return f"HTTP {status}"
