"""The process in which the real parsers of vLLM and SGLang read what a model would write.

A request names the ``engine`` and the
parsers, and holds ``source`` (the chat template), ``prompt``, ``output`` (without the end of the turn), ``tools``,
``arguments`` (the chat template's own) and ``special`` (texts that are one token each). An answer holds ``reasoning``,
``content`` and ``calls``, or ``error``.

vLLM is asked as its ``entrypoints/openai/chat_completion/serving.py`` asks: one parser made of both, which is shown the
prompt's ids first. SGLang likewise, but for the rule that says whether a reply begins inside a thought
(``serving_chat.py``, ``_get_reasoning_from_request``), which is written down here: importing that file needs the whole
server. What the two import and a parser does not use (GPU kernels, web servers) may be missing; empty modules stand in
for it.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import logging
import sys
import types
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

from . import tokenizers
from .worker import serve

EOS = "<EOS>"
_MISSING = {  # packages that stand in the way of an import only
    *("IPython", "cachetools", "cbor2", "cloudpickle", "cpuinfo", "fastapi", "httpx2", "opentelemetry", "pybase64"),
    *("prometheus_client", "setproctitle", "sniffio", "starlette", "triton", "uvloop", "zmq"),
}
_UNREAD = ("sglang.srt.utils.hf_transformers_utils",)  # loads every model's configuration, and then torchvision


class _Anything(type):
    """A class that has every attribute, and is its own decorator, base class and context."""

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return cls

    def __call__(cls, *arguments: Any, **options: Any) -> Any:
        if len(arguments) == 1 and not options and callable(arguments[0]):
            return arguments[0]
        return cls

    def __getitem__(cls, key: Any) -> Any:
        return cls


class _Nothing(metaclass=_Anything):
    pass


class _EmptyModules(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds, after everybody else, an empty module for each package that may be missing."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> importlib.machinery.ModuleSpec | None:
        if name.split(".")[0] not in _MISSING:
            return None
        return importlib.machinery.ModuleSpec(name, self, is_package=True)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        module = types.ModuleType(spec.name)
        vars(module).update(__getattr__=_attribute, __version__="0")
        return module

    def exec_module(self, module: types.ModuleType) -> None:
        """There is nothing to run."""


def _attribute(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    return _Nothing


def _vllm(request: Mapping[str, Any]) -> dict[str, Any]:
    from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionRequest

    tokenizer = _tokenizer(tuple(request["special"]))
    asked = ChatCompletionRequest(**_asked(request))
    parser = _vllm_parser(request["tool_call_parser"], request["reasoning_parser"])(
        tokenizer, asked.tools, chat_template_kwargs=request["arguments"]
    )
    parser.set_prompt_token_ids(tokenizer.encode(request["prompt"], add_special_tokens=False))
    ids = tokenizer.encode(request["output"], add_special_tokens=False)
    reasoning, content, calls = parser.parse(
        request["output"], asked, enable_auto_tools=True, model_output_token_ids=ids
    )
    return _answer(reasoning, content, [(call.name, call.arguments) for call in calls or ()])


@cache
def _vllm_parser(tool_call_parser: str | None, reasoning_parser: str | None) -> Any:
    from vllm.parser import ParserManager

    return ParserManager.get_parser(tool_call_parser, reasoning_parser, enable_auto_tools=True)


def _sglang(request: Mapping[str, Any]) -> dict[str, Any]:
    from sglang.srt.entrypoints.openai.protocol import ChatCompletionRequest, Tool
    from sglang.srt.function_call.function_call_parser import FunctionCallParser
    from sglang.srt.parser.reasoning_parser import ReasoningParser

    tokenizer = _tokenizer(tuple(request["special"]))
    asked = ChatCompletionRequest(**_asked(request))
    text, reasoning, calls = request["output"], None, []
    if name := request["reasoning_parser"]:
        parser = ReasoningParser(
            model_type=name,
            stream_reasoning=False,
            force_reasoning=_begins_inside(name, request["source"], request["arguments"], tokenizer),
            request=asked,
            tokenizer=tokenizer,
            tool_call_parser_active=bool(request["tools"] and request["tool_call_parser"]),
        )
        reasoning, text = parser.parse_non_stream(text)
    if request["tool_call_parser"] and request["tools"]:
        tools = [Tool(**tool) for tool in request["tools"]]
        functions = FunctionCallParser(tools, request["tool_call_parser"], tokenizer=tokenizer)
        if functions.has_tool_call(text):
            text, found = functions.parse_non_stream(text)
            calls = [(call.name, call.parameters) for call in found]
    return _answer(reasoning, text, calls)


def _begins_inside(name: str, source: str, arguments: Mapping[str, Any], tokenizer: Any) -> bool:
    """Whether SGLang takes a reply to begin inside a thought, from what it detects in the chat template."""
    from sglang.srt.parser.reasoning_parser import ReasoningParser
    from sglang.srt.parser.template_detection import detect_reasoning_pattern

    forced, config = detect_reasoning_pattern(source)
    if forced:
        return True
    if config is None:
        mode = ReasoningParser(model_type=name, tokenizer=tokenizer).detector.reasoning_default
        if mode == "always":
            return True
        explicit = str(mode).startswith("explicit_")
        value = arguments.get(str(mode).removeprefix("explicit_"))
        known = mode in ("thinking", "enable_thinking", "explicit_thinking", "explicit_enable_thinking")
        return known and (value is True if explicit else value is not False)
    if config.special_case is not None:
        return bool(config.special_case == "always")
    if config.toggle_param is None or config.default_enabled is None:
        return False
    value = arguments.get(config.toggle_param)
    return value is not False if config.default_enabled else value is True


def _answer(reasoning: str | None, content: str | None, calls: Sequence[tuple[str | None, str]]) -> dict[str, Any]:
    return {
        "reasoning": reasoning,
        "content": content,
        "calls": [{"name": name, "arguments": arguments} for name, arguments in calls],
    }


def _asked(request: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a chat request, which both servers call the same."""
    question = {"role": "user", "content": "?"}
    arguments = request["arguments"]
    return {"messages": [question], "model": "model", "tools": request["tools"], "chat_template_kwargs": arguments}


@cache
def _tokenizer(special: tuple[str, ...]) -> Any:
    return tokenizers.byte_level(None, EOS, special)


_ENGINES = {"vllm": _vllm, "sglang": _sglang}


def _read(request: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return _ENGINES[request["engine"]](request)
    except Exception as error:  # whatever a parser raises is its answer
        return {"error": f"{type(error).__name__}: {error}"}


def _prepare() -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    empty = _EmptyModules()
    sys.meta_path.append(empty)
    for name in _UNREAD:
        sys.modules[name] = empty.create_module(importlib.machinery.ModuleSpec(name, empty))
    logging.disable(logging.CRITICAL)
    return _read


if __name__ == "__main__":
    serve(_prepare)
