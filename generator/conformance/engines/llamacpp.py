"""llama.cpp's own Jinja engine and its handling of messages, as WebAssembly (PyPI package ``ggufdoctor``).

The module is built from llama.cpp's ``common/jinja`` and mirrors ``common_chat_template_direct_apply_impl`` of
``common/chat.cpp``. What llama.cpp changes by itself before a template sees a request:

- it always sets ``enable_thinking``, true where the request does not say;
- it keeps the thoughts of earlier turns, as ``llama-server`` does unless told otherwise;
- it joins the text parts of a message with a newline, unless the template takes no plain text.

The module's clock always shows :data:`TODAY`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from chatwright.errors import Unsupported

TODAY = date(2026, 1, 1)


class Engine:
    """The engine in this process.

    Raises:
        ImportError: ``ggufdoctor`` or what it runs on is not installed.
    """

    def __init__(self) -> None:
        from ggufdoctor.engines.llamacpp_engine import LlamaCppEngine

        self._engine = LlamaCppEngine()
        if not self._engine.available:
            raise ImportError(str(self._engine.unavailable_reason))
        self.version = str(self._engine.version)

    def render(self, source: str, given: Mapping[str, Any]) -> str:
        """Render a template with the variables of a request; those that are None are left out.

        Raises:
            Unsupported: the engine cannot load the template, or the template refuses the messages.
        """
        found = self._engine.render(source, {key: value for key, value in given.items() if value is not None})
        if found.error is not None:
            raise Unsupported(found.error)
        return str(found.text)


def same_options(given: Mapping[str, Any]) -> dict[str, Any]:
    """The variables with what llama.cpp sets where a request says nothing."""
    return {"enable_thinking": True, "preserve_thinking": True, **given}


def joined_parts(messages: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The messages with the text parts of each joined, as llama.cpp hands them on."""
    found = []
    for message in messages:
        content = message.get("content")
        if isinstance(content, list):
            content = "\n".join(part["text"] for part in content)
        found.append({**message, "content": content} if "content" in message else dict(message))
    return found
