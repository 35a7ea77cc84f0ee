"""How OpenAI messages reach the frameworks, which speak another form inside. Every rule names its source.

LLaMA-Factory 0.9.5. A conversation is a system text, a tools text and messages of the roles user, assistant,
observation and function that alternate (``data/template.py``, ``Template._encode``).

- The system message is passed apart; a missing one is the empty text (``api/chat.py``, ``_process_request``).
- Tools are unwrapped to their functions and written as one JSON text (``api/chat.py``: ``dictify(tool.function)``).
- A reply with calls becomes a ``function`` message: the JSON list of ``{"name", "arguments"}``. The arguments are
  parsed first, since ``FunctionFormatter`` writes JSON text that is still quoted into the prompt as it stands
  (``data/formatter.py``).
- A thought in front of a reply stands in the text between the template's thought words, as the data sets of reasoning
  models write it; in front of calls as well, where ``FunctionFormatter`` finds it. Without a ``ReasoningTemplate`` a
  thought has no place.
- Text beside calls stands in front of them, the calls between ``tool_call_words`` (``FunctionFormatter``);
  ``Llama2Template`` does not pass these words on, so it can carry neither text nor thought beside calls.
- Several results of one round are joined with ``\\n</tool_response>\\n<tool_response>\\n`` whatever the template
  (``data/converter.py``, ``OpenAIDatasetConverter``).
- Media stand as ``<image>``, ``<video>``, ``<audio>`` in the text until the plugin expands them (``api/chat.py``).

ms-swift 4.6.0. A conversation is a list of messages of the roles system, user, assistant, tool_call and tool_response
(``template/template_inputs.py``); 3.12.6 takes the same.

- A reply with calls becomes one ``tool_call`` message per call, whose content is the JSON of ``{"name", "arguments"}``
  with the arguments parsed first; text beside the calls is an assistant message in front of them
  (``normalize_openai_tool_calls``).
- A result is one ``tool_response`` message with its text and the name of its function, if the message says one
  (``agent_template/gemma4.py`` writes it), in the order of the calls; how several are joined is the agent template's
  own (``agent_template/``).
- Typed text parts are joined, media would stand as ``<image>`` (``remove_messages_media``) and want real files.
- A thought has no field of its own. Data sets write it into the text in front of the reply, between the words that the
  template looks for: ``<think>\\n…\\n</think>\\n\\n`` (``template/base.py``, ``_remove_thinking_content``), or those of
  its class (``template/templates/gemma.py``, ``Gemma4Template``).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chatwright.errors import Unsupported
from chatwright.meaning.conversation import Content, Media, Message, Result, Turn, read_conversation

RESULT_SEPARATOR = "\n</tool_response>\n<tool_response>\n"


@dataclass(frozen=True)
class LlamaFactoryConversation:
    """The arguments of ``encode_oneturn`` and ``encode_multiturn``."""

    messages: list[dict[str, str]]
    system: str
    tools: str


def to_llamafactory(
    messages: Sequence[Message],
    tools: Sequence[Mapping[str, Any]] | None,
    *,
    thought_words: tuple[str, str] | None,
    tool_call_words: tuple[str, str] | None,
) -> LlamaFactoryConversation:
    """Bring a conversation into LLaMA-Factory's form.

    ``thought_words`` is None where the template class knows no thoughts, ``tool_call_words`` where it passes none on.

    Raises:
        Unsupported: LLaMA-Factory's entry points cannot carry the conversation.
    """
    conversation = read_conversation(messages, tools)
    return LlamaFactoryConversation(
        messages=[_message(turn, thought_words, tool_call_words) for turn in conversation.turns],
        system=_text(conversation.system or ()),
        tools=json.dumps(list(conversation.tools), ensure_ascii=False) if conversation.tools else "",
    )


def _message(
    turn: Turn, thought_words: tuple[str, str] | None, tool_call_words: tuple[str, str] | None
) -> dict[str, str]:
    if turn.role == "user":
        return {"role": "user", "content": _text(turn.content)}
    if turn.role == "observation":
        return {
            "role": "observation",
            "content": RESULT_SEPARATOR.join(_text(result.content) for result in turn.results),
        }
    text = _text(turn.content)
    if turn.thought is not None and thought_words is None:
        raise Unsupported("LLaMA-Factory's template knows no thoughts")
    thought = f"{thought_words[0]}{turn.thought}{thought_words[1]}" if turn.thought and thought_words else ""
    if not turn.calls:
        return {"role": "assistant", "content": thought + text}
    calls = [{"name": call.name, "arguments": dict(call.arguments)} for call in turn.calls]
    written = json.dumps(calls, ensure_ascii=False)
    if text:
        if tool_call_words is None:
            raise Unsupported("LLaMA-Factory's Llama2Template carries no text beside calls")
        written = text + tool_call_words[0] + written + tool_call_words[1]
    elif thought and tool_call_words is None:
        raise Unsupported("LLaMA-Factory's Llama2Template carries no thought beside calls")
    return {"role": "function", "content": thought + written}


def _text(content: Content) -> str:
    return "".join(f"<{part.kind}>" if isinstance(part, Media) else part.text for part in content)


def to_swift(
    messages: Sequence[Message], tools: Sequence[Mapping[str, Any]] | None, *, words: tuple[str, str] | None
) -> dict[str, Any]:
    """Bring a conversation into ms-swift's form: ``messages``, and ``tools`` where there are any.

    ``words`` stand around a thought; None: the template knows no thoughts.

    Raises:
        Unsupported: ms-swift's entry points cannot carry the conversation.
    """
    conversation = read_conversation(messages, tools)
    written: list[dict[str, str]] = []
    if conversation.system is not None:
        written.append({"role": "system", "content": _swift_text(conversation.system)})
    for turn in conversation.turns:
        if turn.role == "user":
            written.append({"role": "user", "content": _swift_text(turn.content)})
        elif turn.role == "observation":
            written += map(_swift_result, turn.results)
        else:
            written += _swift_reply(turn, words)
    return {"messages": written} | ({"tools": list(tools)} if tools else {})


def _swift_reply(turn: Turn, words: tuple[str, str] | None) -> list[dict[str, str]]:
    if turn.thought is not None and words is None:
        raise Unsupported("ms-swift's template knows no thoughts")
    text = "" if turn.thought is None or words is None else words[0] + turn.thought + words[1]
    text += _swift_text(turn.content)
    calls = [{"name": call.name, "arguments": dict(call.arguments)} for call in turn.calls]
    written = [{"role": "tool_call", "content": json.dumps(call, ensure_ascii=False)} for call in calls]
    return written if calls and not text else [{"role": "assistant", "content": text}, *written]


def _swift_result(result: Result) -> dict[str, str]:
    named = {} if result.name is None else {"name": result.name}
    return {"role": "tool_response", "content": _swift_text(result.content), **named}


def _swift_text(content: Content) -> str:
    if any(isinstance(part, Media) for part in content):
        raise Unsupported("ms-swift wants the media themselves")
    return _text(content)
