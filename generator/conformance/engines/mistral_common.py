"""The real ``mistral-common``: Mistral's own encoding of conversations, with the vocabularies that the package carries.

Only Tekken vocabularies are read: what a SentencePiece model makes of a text depends on what stands in front of it, so
there the ids of a served text are the serving tokenizer's business. The package carries no vocabulary of the version
v7; the layout of that version does not depend on it, and is laid over the vocabulary of 2024-09.
"""

from __future__ import annotations

import json
import re
import tempfile
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from chatwright.errors import Unsupported
from chatwright.meaning.scenarios import Scenario

# Our template -> version of the encoding, and vocabulary.
TEMPLATES = {
    "ministral": ("v3", "tekken_240718.json"),
    "mistral_nemo": ("v3", "tekken_240718.json"),
    "pixtral": ("v3", "tekken_240911.json"),
    "pixtral-swift": ("v3", "tekken_240911.json"),
    "mistral_small": ("v7", "tekken_240911.json"),
    "mistral_2501": ("v7", "tekken_240911.json"),
    "mistral_2503": ("v7", "tekken_240911.json"),
    "devstral": ("v7", "tekken_240911.json"),
}

_MARKER = re.compile(r"(</?s>|\[/?[A-Z_]+\])")


@cache
def encoder(version: str, vocabulary: str) -> Any:
    """Mistral's encoder of conversations.

    Raises:
        ImportError: mistral-common is not installed.
    """
    from mistral_common.tokens.tokenizers.mistral import MistralTokenizer

    data = json.loads((resources.files("mistral_common") / "data" / vocabulary).read_text(encoding="utf-8"))
    data["config"]["version"] = version
    with tempfile.TemporaryDirectory(prefix="chatwright-") as folder:
        file = Path(folder) / "tekken.json"
        file.write_text(json.dumps(data), encoding="utf-8")
        return MistralTokenizer.from_file(str(file))


def encode(mistral: Any, scenario: Scenario) -> list[int]:
    """The ids of the prompt that Mistral writes for a scenario.

    Raises:
        Unsupported: its entry points refuse the scenario.
    """
    from mistral_common.exceptions import MistralCommonException
    from mistral_common.protocol.instruct.request import ChatCompletionRequest

    if any(message.get("reasoning_content") for message in scenario.asked):
        raise Unsupported("this version of Mistral's encoding knows no thoughts")
    messages = [_with_long_ids(dict(message)) for message in scenario.asked]
    try:
        tools = list(scenario.tools) if scenario.tools else None
        request: Any = ChatCompletionRequest.from_openai(messages, tools=tools)
        return list(mistral.encode_chat_completion(request).tokens)
    except (MistralCommonException, ValueError) as error:
        raise Unsupported(f"mistral-common raises {type(error).__name__}: {str(error).splitlines()[0]}") from error


def text_ids(mistral: Any, text: str) -> list[int]:
    """The ids of a served text in the same vocabulary: markers as one id each, everything between them as text."""
    from mistral_common.exceptions import TokenizerException

    tokenizer = mistral.instruct_tokenizer.tokenizer
    ids: list[int] = []
    for part in filter(None, _MARKER.split(text)):
        try:
            ids.append(tokenizer.get_special_token(part))
        except (TokenizerException, ValueError, KeyError):
            ids += tokenizer.encode(part, bos=False, eos=False)
    return ids


def text(mistral: Any, ids: list[int]) -> str:
    """The text of ids, markers included."""
    from mistral_common.tokens.tokenizers.base import SpecialTokenPolicy

    return str(mistral.instruct_tokenizer.tokenizer.decode(ids, special_token_policy=SpecialTokenPolicy.KEEP))


def _with_long_ids(message: dict[str, Any]) -> dict[str, Any]:
    """The message with the ids of calls nine characters long, as Mistral demands."""
    if "tool_call_id" in message:
        message["tool_call_id"] = message["tool_call_id"].rjust(9, "0")
    if calls := message.get("tool_calls"):
        message["tool_calls"] = [{**call, "id": call["id"].rjust(9, "0")} for call in calls]
    return message
