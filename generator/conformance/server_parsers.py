"""What vLLM's and SGLang's parsers must make of a reply: the replies a template writes, and how the parsers are asked.

The replies are those of the reference renderer, which every file is held against; the parsers are the real ones, run
in a process of their own (:mod:`.engines.server_parsers_worker`).
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chatwright.catalogue.model import Template
from chatwright.errors import Unsupported
from chatwright.meaning.conversation import Message
from chatwright.meaning.render import Kind, render, to_text
from chatwright.meaning.runs import BOS, EOS, TODAY
from chatwright.records.servers import Parsers

from .engines.worker import PythonWorker

_MARKER = re.compile(r"</?[^\s<>/]+>|\[/?[A-Z_]+\]|◁/?\w+▷")
_TOKENS = ("<|python_tag|>",)  # of the publishers' tokenizers; vLLM's llama3_json demands it and no template writes it
_REGISTRIES = {  # server -> kind -> the file and the name of the dictionary that holds the parsers by name
    "vllm": {
        "tool_call_parser": ("vllm/tool_parsers/__init__.py", "_TOOL_PARSERS_TO_REGISTER"),
        "reasoning_parser": ("vllm/reasoning/__init__.py", "_REASONING_PARSERS_TO_REGISTER"),
    },
    "sglang": {
        "tool_call_parser": ("sglang/srt/function_call/function_call_parser.py", "ToolCallParserEnum"),
        "reasoning_parser": ("sglang/srt/parser/reasoning_parser.py", "DetectorMap"),
    },
}
_OWN_PROMPTS = {  # file -> the function and the variable by which a server knows models whose prompts it writes itself
    "vllm/config/model.py": ("__post_init__", "arch"),
    "vllm/renderers/online_renderer.py": ("__init__", "model_type"),
    "sglang/srt/entrypoints/openai/chat_encoding.py": ("resolve_chat_encoding_spec", "arch"),
}
_QUESTION: Message = {"role": "user", "content": "How is the weather?"}
_THOUGHT = "The tool knows."
_ANSWER = "Let me look."
_TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "The weather of a place.",
            "parameters": {
                "type": "object",
                "properties": {
                    "city": {"type": "string", "description": "A city."},
                    "days": {"type": "integer", "description": "How many days."},
                    "exact": {"type": "boolean", "description": "Whether to be exact."},
                    "units": {"type": "array", "items": {"type": "string"}, "description": "Units."},
                    "place": {"type": "object", "properties": {"x": {"type": "number"}}, "description": "A place."},
                },
                "required": ["city"],
            },
        },
    },
    {
        "type": "function",
        "function": {
            "name": "get_time",
            "description": "The time of a place.",
            "parameters": {
                "type": "object",
                "properties": {"city": {"type": "string", "description": "A city."}},
                "required": ["city"],
            },
        },
    },
]
_CALLS: tuple[tuple[str, dict[str, Any]], ...] = (
    (
        "get_weather",
        {"city": 'São "Paulo" <b>', "days": 3, "exact": True, "units": ["C", "F"], "place": {"x": 1.5}},
    ),
    ("get_time", {"city": "Berlin, Mitte"}),
)


class ServersError(Exception):
    """An unpacked server is not there, or not as it is known; the message says what."""


@dataclass(frozen=True)
class Reply:
    """One reply of a template: what is asked, what the model writes, and what a client must get of it.

    ``thinking`` is as in a request; ``arguments`` are the chat template's.
    """

    name: str
    prompt: str
    output: str
    arguments: Mapping[str, bool]
    tools: Sequence[Mapping[str, Any]] | None
    reasoning: str
    content: str
    calls: tuple[tuple[str, Mapping[str, Any]], ...]


def replies(template: Template, *, calls: bool, thoughts: bool) -> list[Reply]:
    """The replies of a template that parsers must take apart: those with calls, with thoughts, and plain ones.

    A call is left out where the template writes one call a turn, or where with thinking on or off the generation prompt
    is not what is learned in front of a call (GLM-4.5 in ms-swift), as long as there is another one.
    """
    found: list[Reply] = []
    refused: Unsupported | None = None
    modes: tuple[bool | None, ...] = ((True, False, None) if thoughts else (False,)) if template.thinking else (None,)
    for thinking in modes:
        thinks = bool(template.thinking and thoughts and (template.thinking.default if thinking is None else thinking))
        for count in (0, 1, 2) if calls else (0,):
            try:
                found.append(_reply(template, thinking, _THOUGHT if thinks else "", count, calls))
            except Unsupported as reason:
                if not count:
                    raise
                refused = reason
    if refused and not any(reply.calls for reply in found):
        raise refused
    return found


def _reply(template: Template, thinking: bool | None, thought: str, count: int, calls: bool) -> Reply:
    message: dict[str, Any] = {"role": "assistant", "content": "" if count else _ANSWER}
    if thought:
        message["reasoning_content"] = thought
    if count:
        message["tool_calls"] = [
            {"type": "function", "function": {"name": name, "arguments": arguments}}
            for name, arguments in _CALLS[:count]
        ]
    tools = _TOOLS if calls else None
    settings: dict[str, Any] = {"thinking": thinking, "today": TODAY}
    prompt = to_text(render(template, [_QUESTION], tools, **settings), bos=BOS, eos=EOS)
    learned = to_text(render(template, [_QUESTION, message], tools, kind=Kind.TRAINING, **settings), bos=BOS, eos=EOS)
    if not learned.startswith(prompt):
        raise Unsupported("what is asked is not what was learned")
    mode = "" if thinking is None else f", thinking {'on' if thinking else 'off'}"
    what = ("a text", "a call", "two calls")[count]
    switch = template.thinking.switch if template.thinking and thinking is not None else None
    return Reply(
        name=what + mode,
        prompt=prompt,
        output=_without_end(template, learned[len(prompt) :]),
        arguments={switch: bool(thinking)} if switch else {},
        tools=tools,
        reasoning=thought,
        content=str(message["content"]),
        calls=_CALLS[:count],
    )


def _without_end(template: Template, output: str) -> str:
    """The output without the end of its turn, where generation stops."""
    ends = [_end_text(template), *template.stop_words, EOS]
    places = [place for end in ends if end.strip() and (place := output.rfind(end.rstrip())) > 0]
    return output[: min(places)] if places else output


def _end_text(template: Template) -> str:
    """The text of a template's end of turn."""
    own = {"eos": EOS, "bos": BOS}
    return "".join(own.get(part.kind, part.value) for part in template.end if part.kind != "break")


def request(engine: str, template: Template, source: str, parsers: Mapping[str, str], reply: Reply) -> dict[str, Any]:
    """What the worker is asked about a reply."""
    words = template.thinking.words if template.thinking else ()
    special = {match[0] for text in (source, reply.output, *words) for match in _MARKER.finditer(text)}
    return {
        "engine": engine,
        "tool_call_parser": parsers.get("tool_call_parser"),
        "reasoning_parser": parsers.get("reasoning_parser"),
        "source": source,
        "prompt": reply.prompt,
        "output": reply.output,
        "tools": reply.tools,
        "arguments": reply.arguments,
        "special": sorted({*special, *_TOKENS, *(word.strip() for word in words)}),
    }


def wrong(reply: Reply, answer: Mapping[str, Any]) -> str | None:
    """What is wrong with an answer of the worker's; None where a client gets what the model wrote."""
    if "error" in answer:
        return str(answer["error"])
    got = [(call["name"], _parsed(call["arguments"])) for call in answer["calls"]]
    if got != list(reply.calls):
        return f"the calls {got}"
    for key, due in (("reasoning", reply.reasoning), ("content", reply.content)):
        if (answer[key] or "").strip() != due:
            return f"the {key} {answer[key]!r}"
    return None


def _parsed(arguments: str) -> Any:
    try:
        return json.loads(arguments)
    except ValueError:
        return arguments


def registered(servers: Path) -> dict[str, Parsers]:
    """The parsers of the unpacked vLLM and SGLang by server, read from their sources; nothing is imported.

    Raises:
        ServersError: a server is not there, or keeps its parsers in another place.
    """
    found = {}
    for server, kinds in _REGISTRIES.items():
        versions = [path.name.split("-")[1].removesuffix(".dist") for path in servers.glob(f"{server}-*.dist-info")]
        if len(versions) != 1:
            raise ServersError(f"{servers} holds {len(versions) or 'no'} {server}")
        names = {kind: _keys(servers / file, name) for kind, (file, name) in kinds.items()}
        found[server] = Parsers(versions[0], names, {})
    return found


def _keys(file: Path, name: str) -> frozenset[str]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Assign | ast.AnnAssign):
            continue
        target = node.targets[0] if isinstance(node, ast.Assign) else node.target
        if isinstance(target, ast.Name) and target.id == name and isinstance(value := node.value, ast.Dict):
            return frozenset(str(ast.literal_eval(key)) for key in value.keys if key is not None)
    raise ServersError(f"{file.name} has no dictionary {name}")


def own_prompts(servers: Path) -> dict[str, frozenset[str]]:
    """What the unpacked servers compare with to find the models whose prompts they write themselves, by file.

    Raises:
        ServersError: a server has no such file.
    """
    found = {}
    for file, (function, variable) in _OWN_PROMPTS.items():
        try:
            tree = ast.parse((servers / file).read_text(encoding="utf-8"))
        except OSError as error:
            raise ServersError(f"{file} is not there") from error
        inside = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name == function)
        compares = (node for body in inside for node in ast.walk(body) if isinstance(node, ast.Compare))
        found[file] = frozenset(
            constant.value
            for node in compares
            if any(ast.unparse(side).split(".")[-1] == variable for side in (node.left, *node.comparators))
            for constant in ast.walk(node)
            if isinstance(constant, ast.Constant) and isinstance(constant.value, str)
        )
    return found


def ask(requests: Sequence[Mapping[str, Any]], servers: Path) -> list[dict[str, Any]]:
    """The answers of the real parsers; ``servers`` is a folder with vLLM and SGLang unpacked.

    Raises:
        WorkerError: the worker failed.
    """
    with PythonWorker("server_parsers_worker", python_path=[servers]) as worker:
        return [worker.ask(request) for request in requests]
