"""The real LLaMA-Factory: its registries, and what its templates write."""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.util
import json
import logging
import sys
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, cast

from chatwright.errors import Unsupported
from chatwright.meaning.render import Kind
from chatwright.meaning.scenarios import Scenario

from ..adapters import to_llamafactory
from .worker import PythonWorker


@dataclass(frozen=True)
class Encoded:
    """A rendered text as runs of token ids; ``trained`` marks the runs a model learns to write."""

    runs: tuple[tuple[tuple[int, ...], bool], ...]

    @property
    def ids(self) -> list[int]:
        """All token ids in order."""
        return [token for run, _ in self.runs for token in run]


def load() -> types.ModuleType:
    """Import LLaMA-Factory's templates.

    They import torchaudio, which has no CPU build for this torch and is not needed for text: an empty module stands in
    for it where it is missing.

    Raises:
        ImportError: LLaMA-Factory is not installed.
    """
    if "torchaudio" not in sys.modules and importlib.util.find_spec("torchaudio") is None:
        module = types.ModuleType("torchaudio")
        module.__spec__ = importlib.machinery.ModuleSpec("torchaudio", None)
        sys.modules["torchaudio"] = module
    import llamafactory.data.template as template

    logging.getLogger("llamafactory").setLevel(logging.ERROR)
    return cast(types.ModuleType, template)


def templates() -> dict[str, Any]:
    """The registry of templates, the live object."""
    registry: dict[str, Any] = load().TEMPLATES
    return registry


def plugins() -> dict[str, tuple[str, ...]]:
    """LLaMA-Factory's own multimodal plugins with the names of what they can be told besides their tokens."""
    load()
    from llamafactory.data.mm_plugin import PLUGINS, BasePlugin

    own = {field.name for field in fields(BasePlugin)}
    theirs = {name: plugin for name, plugin in PLUGINS.items() if plugin.__module__ == BasePlugin.__module__}
    found = {name: tuple(field.name for field in fields(plugin)) for name, plugin in theirs.items()}
    return {name: tuple(each for each in options if each not in own) for name, options in sorted(found.items())}


def encode(template: Any, tokenizer: Any, scenario: Scenario, kind: Kind) -> Encoded:
    """What the template writes for a scenario, through ``encode_oneturn`` and ``encode_multiturn``.

    Raises:
        Unsupported: LLaMA-Factory's entry points cannot carry the scenario.
    """
    if scenario.variables:
        raise Unsupported("LLaMA-Factory knows no levels of thinking")
    reasoning = "Reasoning" in type(template).__name__
    fused = type(template).__name__ == "Llama2Template"
    messages = scenario.asked if kind is Kind.PROMPT else scenario.messages
    conversation = to_llamafactory(
        messages,
        scenario.tools,
        thought_words=tuple(template.thought_words) if reasoning else None,
        tool_call_words=None if fused else tuple(template.tool_call_words),
    )
    before = template.enable_thinking, template.preserve_thinking
    template.enable_thinking = True if scenario.thinking is None else scenario.thinking  # hparams/data_args.py
    template.preserve_thinking = scenario.preserve_thinking
    try:
        return _encode(template, tokenizer, conversation.messages, conversation.system, conversation.tools, kind)
    except (ValueError, RuntimeError, KeyError) as error:
        raise Unsupported(f"LLaMA-Factory raises {type(error).__name__}: {error}") from error
    finally:
        template.enable_thinking, template.preserve_thinking = before


def _encode(
    template: Any, tokenizer: Any, messages: list[dict[str, str]], system: str, tools: str, kind: Kind
) -> Encoded:
    if kind is Kind.PROMPT:
        reply = {"role": "assistant", "content": ""}
        prompt, _ = template.encode_oneturn(tokenizer, [*messages, reply], system, tools)
        return Encoded(((tuple(prompt), False),))
    dropped = kind is Kind.TRAINING_DROPPED
    pairs: Sequence[tuple[list[int], list[int]]]
    pairs = template.encode_multiturn(tokenizer, messages, system, tools, dropped)
    runs = []
    for index, (asked, reply_ids) in enumerate(pairs):
        learned = not dropped or index == len(pairs) - 1  # data/processor/supervised.py, mask_history
        runs += [(tuple(asked), False), (tuple(reply_ids), learned)]
    return Encoded(tuple(runs))


@dataclass(frozen=True)
class ToolWriters:
    """LLaMA-Factory's own Python for one tool format: from bare functions, and from calls, to text."""

    tools: Callable[[list[dict[str, Any]]], str]
    calls: Callable[[list[dict[str, Any]]], str]


def tool_writers(name: str, slot: str | None = None) -> ToolWriters:
    """The writers of a tool format; what they refuse raises :class:`Unsupported`.

    With a ``slot``, the JSON list of the functions fills it instead, as a template's ``format_tools`` may say.
    """
    load()
    from llamafactory.data.tool_utils import FunctionCall, get_tool_utils

    utils = get_tool_utils(name)

    def calls(given: list[dict[str, Any]]) -> str:
        named = [FunctionCall(call["name"], json.dumps(call["arguments"], ensure_ascii=False)) for call in given]
        try:
            return str(utils.function_formatter(named))
        except ValueError as error:
            raise Unsupported(str(error)) from error

    if slot is None:
        return ToolWriters(utils.tool_formatter, calls)
    from llamafactory.data.formatter import StringFormatter

    formatter = StringFormatter(slots=[slot])
    return ToolWriters(lambda tools: str(formatter.apply(content=json.dumps(tools, ensure_ascii=False))[0]), calls)


def plain_fields(template: Any) -> dict[str, Any]:
    """A registered template as plain data: formatters as class name, slots and tool format; sets as lists."""
    out: dict[str, Any] = {"template_class": type(template).__name__}
    for field in fields(template):
        value = getattr(template, field.name)
        if field.name.startswith("format_"):
            slots = [sorted(slot) if isinstance(slot, set) else slot for slot in value.slots]
            out[field.name] = [type(value).__name__, slots, value.tool_format]
        elif field.name == "mm_plugin":
            out[field.name] = {"class": type(value).__name__, **vars(value)}
        else:
            out[field.name] = list(value) if isinstance(value, tuple) else value
    return out


def registered_models() -> dict[str, Mapping[str, Any]]:
    """The registries of models as plain data: ids per hub, default template and multimodality by name."""
    from llamafactory.extras.constants import DEFAULT_TEMPLATE, MULTIMODAL_SUPPORTED_MODELS, SUPPORTED_MODELS

    return {
        name: {
            "ids": {source.name: path for source, path in ids.items()},
            "template": DEFAULT_TEMPLATE.get(name),
            "multimodal": name in MULTIMODAL_SUPPORTED_MODELS,
        }
        for name, ids in SUPPORTED_MODELS.items()
    }


@contextmanager
def registries(*, empty: bool) -> Iterator[dict[str, Any]]:
    """LLaMA-Factory's registry of templates, emptied or as it is; everything is put back afterwards."""
    load()
    from llamafactory.data.template import TEMPLATES
    from llamafactory.extras.constants import DEFAULT_TEMPLATE, MULTIMODAL_SUPPORTED_MODELS, SUPPORTED_MODELS

    stores: list[Any] = [TEMPLATES, SUPPORTED_MODELS, DEFAULT_TEMPLATE, MULTIMODAL_SUPPORTED_MODELS]
    before = [store.copy() for store in stores]
    try:
        if empty:
            for store in stores:
                store.clear()
        yield TEMPLATES
    finally:
        for store, content in zip(stores, before, strict=True):
            store.clear()
            store.update(content)


@contextmanager
def generated_package(root: Path) -> Iterator[Any]:
    """Import ``generated.llamafactory`` from the folder that holds ``generated/``, as a user of a checkout does."""
    sys.path.insert(0, str(root))
    try:
        for name in [name for name in sys.modules if name == "generated" or name.startswith("generated.")]:
            del sys.modules[name]
        yield importlib.import_module("generated.llamafactory")
    finally:
        sys.path.remove(str(root))


def dump(root: Path, python_path: Sequence[Path] = ()) -> dict[str, Any]:
    """What a LLaMA-Factory has registered, and what ours registers with it, read in a process of its own.

    ``root`` is the folder that holds ``generated/``; ``python_path`` goes in front of the search path. For the form of
    the answer see :mod:`.llamafactory_worker`.

    Raises:
        WorkerError: LLaMA-Factory cannot be imported there.
    """
    with PythonWorker("llamafactory_worker", python_path=python_path) as worker:
        answer: dict[str, Any] = worker.ask(str(root.resolve()))
        return answer
