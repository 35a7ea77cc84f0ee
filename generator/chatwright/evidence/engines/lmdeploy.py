"""The real LMDeploy classes, reached as ``--chat-template FILE`` reaches them, without loading a model (0.18.0)."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ...errors import Unsupported
from ..scenarios import Scenario


def load(body: str) -> Any:
    """The chat template of a JSON file, as ``lmdeploy serve api_server --chat-template FILE`` makes it.

    Raises:
        ImportError: lmdeploy is not installed.
        Unsupported: LMDeploy refuses the file.
    """
    from lmdeploy.cli.utils import get_chat_template

    logging.getLogger("lmdeploy").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory(prefix="chatwright-lmdeploy-") as folder:
        file = Path(folder) / "template.json"
        file.write_text(body, encoding="utf-8")
        try:
            return get_chat_template(str(file)).chat_template()
        except (TypeError, ValueError) as error:
            raise Unsupported(f"LMDeploy refuses the file: {error}") from error


def prompt(chat_template: Any, scenario: Scenario) -> str:
    """The prompt that LMDeploy makes of a scenario's request, without the BOS that the tokenizer adds.

    Messages pass through ``MultimodalProcessor.merge_message_content`` first, as a text request does.

    Raises:
        Unsupported: LMDeploy cannot carry the scenario.
    """
    from lmdeploy.serve.processors.multimodal import MultimodalProcessor

    if scenario.tools:
        raise Unsupported("LMDeploy's JSON has no place for the description of tools, which it drops without a word")
    messages = [MultimodalProcessor.merge_message_content(dict(message)) for message in scenario.asked]
    text: str = chat_template.messages2prompt(messages)
    return text


def changes(messages: Sequence[Mapping[str, Any]]) -> str | None:
    """What LMDeploy itself changes in a conversation, or None."""
    if any(isinstance(message.get("content"), list) and len(message["content"]) > 1 for message in messages):
        return "LMDeploy joins the text parts of a message with a newline"
    if any(message["role"] == "system" and not message.get("content") for message in messages):
        return "LMDeploy writes a system turn for an empty system message"
    return None
