"""The real LMDeploy classes, reached as ``--chat-template FILE`` reaches them, without loading a model (0.18.0).

Without that option LMDeploy uses the chat template in the model's folder, tools and thinking included, unless the
folder's path or architecture is one that it has a template of its own for (``MODELS`` in ``lmdeploy/model.py``).
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from chatwright.errors import Unsupported
from chatwright.meaning.scenarios import Scenario


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


def load_folder(folder: Path) -> Any:
    """The chat template of a model's folder, as LMDeploy makes it where no file is named.

    Raises:
        ImportError: lmdeploy is not installed.
        Unsupported: LMDeploy does not take the folder's own.
    """
    from lmdeploy.model import HFChatTemplate, get_chat_template

    logging.getLogger("lmdeploy").setLevel(logging.ERROR)
    found = get_chat_template(str(folder))
    if not isinstance(found, HFChatTemplate):
        raise Unsupported(f"LMDeploy takes {type(found).__name__} in place of the folder's chat template")
    return found


def folder_prompt(chat_template: Any, scenario: Scenario, switch: str) -> str:
    """The prompt that LMDeploy makes of a scenario's request with the folder's chat template, as it is tokenized.

    ``switch`` is the variable that the template reads for thinking, which ``chat_template_kwargs`` of a request sets.

    Raises:
        Unsupported: LMDeploy or the template refuses it.
    """
    from jinja2 import TemplateError
    from lmdeploy.serve.processors.multimodal import MultimodalProcessor

    given = dict(scenario.variables)
    if scenario.thinking is not None:
        given[switch] = scenario.thinking
    if scenario.preserve_thinking:
        given["preserve_thinking"] = True
    messages = [MultimodalProcessor.merge_message_content(dict(message)) for message in scenario.asked]
    tools = list(scenario.tools) if scenario.tools else None
    try:
        text: str = chat_template.messages2prompt(messages, tools=tools, **given)
    except TemplateError as error:
        raise Unsupported(f"the template raises: {error}") from error
    return text


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


def joined(messages: Sequence[Mapping[str, Any]]) -> str | None:
    """What LMDeploy itself changes in a conversation before it uses any chat template, or None."""
    if any(isinstance(message.get("content"), list) and len(message["content"]) > 1 for message in messages):
        return "LMDeploy joins the text parts of a message with a newline"
    return None


def changes(messages: Sequence[Mapping[str, Any]]) -> str | None:
    """What LMDeploy itself changes in a conversation, or in a file's place, or None."""
    if how := joined(messages):
        return how
    if any(message["role"] == "system" and not message.get("content") for message in messages):
        return "LMDeploy writes a system turn for an empty system message"
    return None
