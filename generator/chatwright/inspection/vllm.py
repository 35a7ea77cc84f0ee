"""What vLLM 0.33.0 does with a chat template and a request before the template sees it; emulated, vLLM does not run.

- The content format (``renderers/hf.py``, ``_detect_content_format``): a template that loops over the content of a
  message takes typed parts (``openai``), any other takes text (``string``). Loops are found in the syntax tree: over
  ``messages`` or what is assigned from it, inside over ``.content`` of their variable, over the parameter of a macro
  that is called with it, or, outside of macros, over anything called ``content``.
- The messages (``renderers/chat_utils/chat_message.py``, ``parse_chat_message_content``): with ``openai`` every content
  becomes a list of parts, media as ``{"type": "image"}`` and the like; with ``string`` texts are joined with newlines
  and media are placed by vLLM. Results of tools become text either way. A thought is read from ``reasoning``. The
  arguments of calls are parsed (``_postprocess_messages``).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from jinja2 import nodes

from ..meaning.jinja import compile_template

VERSION = "0.33.0"

_MEDIA = {"image_url": "image", "video_url": "video", "audio_url": "audio", "input_audio": "audio"}


def content_format(source: str) -> Literal["openai", "string"]:
    """The format of message content that vLLM detects for a chat template."""
    tree = compile_template(source).environment.parse(source)
    return "openai" if any(_content_loops(tree)) else "string"


def messages(given: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The messages of a request as a template of the format ``openai`` sees them."""
    return [_message(message) for message in given]


def _message(message: Mapping[str, Any]) -> dict[str, Any]:
    content = message.get("content")
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else [_part(part) for part in content or ()]
    seen: dict[str, Any] = {"role": message["role"], "content": parts}
    if message["role"] == "tool":
        if all(part["type"] == "text" for part in parts):
            seen["content"] = "\n".join(part["text"] for part in parts)
        seen["tool_call_id"] = message["tool_call_id"]
        if isinstance(message.get("name"), str):
            seen["name"] = message["name"]
    if message["role"] == "assistant":
        if thought := message.get("reasoning", message.get("reasoning_content")):
            seen |= {"reasoning": thought, "reasoning_content": thought}
        if calls := message.get("tool_calls"):
            seen["tool_calls"] = [parsed_call(call) for call in calls]
    return seen


def _part(part: Mapping[str, Any]) -> dict[str, Any]:
    return dict(part) if part["type"] == "text" else {"type": _MEDIA.get(part["type"], part["type"])}


def parsed_call(call: Mapping[str, Any]) -> dict[str, Any]:
    """A call of a request with its arguments as the object that vLLM makes of JSON text."""
    function = dict(call["function"])
    if isinstance(arguments := function.get("arguments") or {}, str):
        arguments = json.loads(arguments)
    return {**call, "function": {**function, "arguments": arguments}}


def _content_loops(tree: nodes.Template) -> Iterator[nodes.For]:
    conversations = _aliases(tree, "messages")
    contents = {
        f"{_name(loop.target)}.content" for loop in tree.find_all(nodes.For) if _is_any(loop.iter, conversations)
    }
    inside: dict[int, set[str]] = {}
    for macro in tree.find_all(nodes.Macro):
        taken = _parameters(tree, macro, contents)
        for loop in macro.find_all(nodes.For):
            inside[id(loop)] = taken
    for loop in tree.find_all(nodes.For):
        names = inside.get(id(loop), {"content"})
        if _is_any(loop.iter, contents) or (isinstance(loop.iter, nodes.Name) and loop.iter.name in names):
            yield loop


def _aliases(tree: nodes.Template, variable: str) -> set[str]:
    """The names that hold a variable, or a part of it, after assignments; attributes of namespaces with their dot."""
    found, before = {variable}, 0
    while len(found) > before:
        before = len(found)
        for assigned in tree.find_all(nodes.Assign):
            target, value = assigned.target, assigned.node
            if isinstance(target, nodes.Name) and isinstance(value, nodes.Call) and _name(value.node) == "namespace":
                found |= {f"{target.name}.{given.key}" for given in value.kwargs if _is_any(given.value, found)}
            elif _is_any(value, found):
                found.add(_name(target))
    return found


def _parameters(tree: nodes.Template, macro: nodes.Macro, contents: set[str]) -> set[str]:
    """The parameters of a macro that are somewhere called with the content of a message."""
    names, found = [argument.name for argument in macro.args], set()
    for call in tree.find_all(nodes.Call):
        if isinstance(call.node, nodes.Name) and call.node.name == macro.name:
            found |= {name for name, value in zip(names, call.args, strict=False) if _is_any(value, contents)}
            found |= {given.key for given in call.kwargs if given.key in names and _is_any(given.value, contents)}
    return found


def _is_any(node: nodes.Node | None, names: set[str]) -> bool:
    """Whether an expression is one of the names, behind filters, tests and slices."""
    while isinstance(node, nodes.Filter | nodes.Test) or (
        isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Slice)
    ):
        node = node.node
    return node is not None and _name(node) in names


def _name(node: nodes.Node) -> str:
    """The dotted name of a variable, attribute or item; empty for anything else."""
    if isinstance(node, nodes.Name):
        return node.name
    if isinstance(node, nodes.NSRef):
        return f"{node.name}.{node.attr}"
    if isinstance(node, nodes.Getattr):
        return f"{_name(node.node)}.{node.attr}"
    if isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const):
        return f"{_name(node.node)}.{node.arg.value}"
    return ""
