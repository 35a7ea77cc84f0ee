"""LLaMA-Factory: a package that registers templates and model groups (read from llamafactory 0.9.5).

Conventions of LLaMA-Factory, all derived here and never written in a spec: the assistant's opener is the end of the
user slot and of the observation slot. A slot is a list of elements that are tokenized one by one: text, a set that
names the tokenizer's own token, or a dictionary that names one token. The system text goes into its own turn
(``Template``) or into the first user turn (``Llama2Template``). A format with thoughts is a ``ReasoningTemplate``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ..catalogue.model import Catalogue, Checkpoint, ModelGroup, Part, Slot, Slots, Spec, Template, Thinking
from ..catalogue.slots import CONTENT, fields, join_slots, split_content
from ..errors import Refusals
from ..meaning.tool_formats import ToolFormat, format_of, tool_format, unnamed_observation
from .places import other_thinking, placed, refusals_of, trims
from .protocol import Context, GeneratedFile, Output
from .python import Call
from .registration import Arguments, package_files, package_of, register

FOLDER = "llamafactory"
NO_TOOLS = "the template has no tools; LLaMA-Factory writes them in its own default format"
OTHER_TOOLS = "LLaMA-Factory has no such tool format and writes tools in its own default format"
EMPTY_SYSTEM = "an empty system message gets the default system text"
WHITE_SPACE = "the last reply of a training text ends like every other, with white space behind the end of its turn"
PACKAGE = package_of(FOLDER)
_SOURCES = {"huggingface": "DEFAULT", "modelscope": "MODELSCOPE", "openmind": "OPENMIND"}
_TOOLS = "default"  # the tool format of a template that names none (data/template.py, register_template)
_RESULT_SEPARATOR = "\n</tool_response>\n<tool_response>\n"  # data/converter.py, OpenAIDatasetConverter
_PLACEHOLDER = re.compile(r"\{\{[a-zA-Z_]\w*\}\}")  # data/formatter.py, EmptyFormatter
_WRITTEN = (  # our slots, grouped by the slot of LLaMA-Factory that they form
    *(("prefix",), ("system",), ("user", "opener"), ("body",)),
    *(("function",), ("observation", "opener_after_observation")),
)
_THOUGHT_WORDS = ("<think>\n", "\n</think>\n\n")  # data/template.py, register_template


def generate(context: Context) -> Output:
    """One module per spec that has something to register, and the package that registers them."""

    def registered(spec: Spec, templates: Mapping[str, Arguments]) -> dict[str, Any]:
        return {
            "templates": {name: dict(_written(arguments)) for name, arguments in templates.items()},
            "groups": list(_model_groups(spec, context.catalogue)),
            "plugins": declared_plugins(templates.values()),
            "composites": list(_composite_models(spec, context.catalogue)),
        }

    return register(context, FOLDER, template_arguments, notes, registered, package)


def package(modules: Sequence[str]) -> Iterator[GeneratedFile]:
    """The files that register these modules of specs: the package, the launcher, and shared code."""
    paths = {
        "package": f"{FOLDER}/__init__.py",
        "launcher": f"{FOLDER}/launcher.py",
        "modules": f"{PACKAGE}/__init__.py",
        "registry": f"{PACKAGE}/registry.py",
        "processor_plugin": f"{PACKAGE}/processor_plugin.py",
    }
    return package_files(FOLDER, paths, modules)


def _written(arguments: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The arguments as Python values: formatters and plugins become calls."""
    for key, value in arguments.items():
        if key.startswith("format_"):
            function, slots, tools = value
            given = {"slots": slots, "tool_format": tools}
            yield key, Call(function, {name: each for name, each in given.items() if each is not None})
        elif key == "mm_plugin":
            yield key, Call("get_mm_plugin", {"**": value})
        else:
            yield key, value


def declared_plugins(templates: Iterable[Mapping[str, Any]]) -> list[str]:
    """The names of the plugins that must be registered for templates, given their :func:`template_arguments`."""
    plugins = (arguments.get("mm_plugin", {}) for arguments in templates)
    return sorted({plugin["name"] for plugin in plugins if "inputs" in plugin})


def template_arguments(template: Template) -> dict[str, Any]:
    """The arguments of ``register_template``; a formatter is a tuple (class name, slots, tool format).

    Raises:
        Unsupported: LLaMA-Factory cannot express the template; the message says why.
    """
    Refusals(_refusals(template)).check()
    slots, own = template.slots, template.targets.get("llamafactory", {})
    definition = _known_tools(template) or tool_format(_TOOLS)
    tools = definition.frameworks["llamafactory"]
    tail = split_content(slots.body)[1]
    ends_with_stop_word = bool(template.stop_words) and _starts_with(tail, template.stop_words[0])
    arguments: dict[str, Any] = {
        "format_user": ("StringFormatter", elements(join_slots(slots.user, slots.opener)), None),
        "format_assistant": ("StringFormatter", elements(slots.body), None),
        "format_system": ("StringFormatter", elements(slots.system), None),
        "format_function": ("FunctionFormatter", elements(slots.function), tools),
        "format_observation": (
            "StringFormatter",
            elements(join_slots(unnamed_observation(template), slots.opener_after_observation)),
            None,
        ),
        "format_tools": tools_formatter(definition),
        "format_prefix": ("EmptyFormatter", _prefix(template), None),
        "default_system": "".join(part.value for part in template.default_system or ()),
        "stop_words": list(template.stop_words),
        **({} if definition.call_words is None else {"tool_call_words": definition.call_words}),
        "thought_words": template.thinking.words if template.thinking else _THOUGHT_WORDS,
        "efficient_eos": own.get("efficient_eos", not tail),
        "replace_eos": own.get("replace_eos", ends_with_stop_word),
        "replace_jinja_template": own.get("replace_jinja_template", False),
        "template_class": _template_class(template),
    }
    if plugin := template.mm_plugin:
        tokens = {key: getattr(plugin, key) for key in ("image_token", "video_token", "audio_token")}
        given = {key: value for key, value in {**tokens, **plugin.options}.items() if value is not None}
        declared = {} if plugin.inputs is None else {**_media_texts(template.slots), "inputs": plugin.inputs}
        arguments["mm_plugin"] = {"name": plugin.name, **given, **declared}
    return arguments


def _media_texts(slots: Slots) -> dict[str, str]:
    texts = {"image_text": slots.image, "video_text": slots.video, "audio_text": slots.audio}
    return {key: text for key, text in texts.items() if text is not None}


def _known_tools(template: Template) -> ToolFormat | None:
    """The template's tool format if LLaMA-Factory has it."""
    definition = format_of(template)
    return definition if definition and "llamafactory" in definition.frameworks else None


def tools_formatter(definition: ToolFormat) -> tuple[str, list[str] | None, str | None]:
    """The formatter that describes the tools: its class, slots and tool format."""
    if definition.slot is not None:
        return "StringFormatter", [definition.slot], None
    return "ToolFormatter", None, definition.frameworks["llamafactory"]


def elements(slot: Slot) -> list[str | set[str] | dict[str, str]]:
    """The slot as LLaMA-Factory's list of elements.

    Raises:
        Unsupported: LLaMA-Factory has no element for a part of the slot.
    """
    Refusals(_unwritable(slot)).check()
    return _elements(slot)


def _elements(slot: Slot) -> list[str | set[str] | dict[str, str]]:
    out: list[str | set[str] | dict[str, str]] = []
    glue = False  # whether text continues the element before it
    for part in slot:
        if part.kind in ("text", "field"):
            text = part.value if part.kind == "text" else f"{{{{{part.value}}}}}"
            if glue:
                out[-1] = f"{out[-1]}{text}"
            else:
                out.append(text)
            glue = True
        else:
            glue = False
            if part.kind in ("bos", "eos"):
                out.append({f"{part.kind}_token"})
            elif part.kind == "token":
                out.append({"token": part.value})
    return out


def _unwritable(slot: Slot) -> Iterator[str]:
    """Why a slot cannot be written as elements."""
    for part in slot:
        if part.kind == "text" and ("{{content}}" in part.value or "{{idx}}" in part.value):
            yield "LLaMA-Factory would fill a literal placeholder"
        elif part.kind == "date":
            yield "a LLaMA-Factory slot has no placeholder for today's date"
        elif part.kind in ("id", "attribute"):
            yield "a LLaMA-Factory slot names tokens by their text"


def _prefix(template: Template) -> list[str | set[str] | dict[str, str]]:
    ignored = template.targets.get("llamafactory", {}).get("ignored_prefix")
    return [*elements(template.slots.prefix), *([{ignored}] if ignored else [])]


def notes(template: Template, sees: bool) -> Iterator[str]:
    """Known deviations of LLaMA-Factory's rendering; ``sees``: models with this template take more than text."""
    if sees and template.mm_plugin is None:
        yield "text only: the spec names no plugin for the images, videos or sounds of these models"
    if template.tool_format is None:
        yield NO_TOOLS
    elif _known_tools(template) is None:
        yield OTHER_TOOLS
    if template.default_system and template.empty_system != "default":
        yield EMPTY_SYSTEM
    if template.slots.last != template.slots.body:
        yield WHITE_SPACE


def _adds_white_space(last: Slot, body: Slot) -> bool:
    """Whether the body of earlier turns is the last turn's body followed by white space."""
    longer = join_slots(last, (Part("text", "".join(part.value for part in body[-1:] if part.kind == "text")),))
    return any(
        body == join_slots(last, (Part("text", longer[-1].value[-count:]),)) and not longer[-1].value[-count:].strip()
        for count in range(1, len(longer[-1].value) + 1)
    )


def _refusals(template: Template) -> Iterator[str]:
    """Why LLaMA-Factory cannot express a template: every reason, with its place in the spec."""
    slots = template.slots
    if template.undescribed:
        yield f"undescribed: the template's own code writes {template.undescribed}"
    if template.single_turn:
        yield "single_turn: LLaMA-Factory writes every turn of a conversation"
    if CONTENT not in slots.system:
        yield "slots.system: the format leaves the system text out, and so would LLaMA-Factory the tools"
    if template.pair:
        yield "pair: LLaMA-Factory writes conversations, and the format has a query and a document"
    if template.learns != "all":
        yield "learns: LLaMA-Factory learns every reply where it is not told otherwise"
    if template.last_message_end is not None:
        yield "last_message_end: LLaMA-Factory writes nothing behind the text of the last message"
    if template.system_placement in ("first_user_head", "last_user", "none"):
        yield "system_placement: LLaMA-Factory writes the system text in a turn of its own or in the first user turn"
    if slots.generation != slots.opener:
        yield "slots.assistant.generation: LLaMA-Factory's generation prompt is always the assistant's opener"
    if slots.last != slots.body and not _adds_white_space(slots.last, slots.body):
        yield "slots.assistant.last: LLaMA-Factory ends the last turn like every other"
    if slots.no_system is not None:
        yield "slots.no_system: LLaMA-Factory has no text for conversations without a system message"
    if template.default_system == ():
        yield "default_system: LLaMA-Factory takes an empty default system text for none"
    if any(part.kind == "date" for part in template.default_system or ()):
        yield "default_system: LLaMA-Factory has no placeholder for today's date"
    if template.empty_system == "keep":
        yield "empty_system: LLaMA-Factory writes no empty system turn"
    if places := trims(template):
        yield f"{places}: LLaMA-Factory does not trim content"
    if tools := _known_tools(template):
        yield from _refusals_of_tools(template, tools)
    fused = template.system_placement == "first_user"
    for name, slot in (("user", slots.user), ("observation", slots.observation)):
        if "round" in fields(slot):
            yield f"slots.{name}: LLaMA-Factory numbers the rounds from 0"
        if "idx" in fields(slot) and (fused or name == "observation"):
            yield f"slots.{name}: LLaMA-Factory numbers the rounds in user turns of their own only"
    if any(part.kind == "text" and _PLACEHOLDER.search(part.value) for part in slots.prefix):
        yield "slots.prefix: LLaMA-Factory refuses a prefix that looks like a placeholder"
    if fused and len(_elements(slots.system)) != 1:
        yield "slots.system: LLaMA-Factory fuses only a single piece of text into the first user turn"
    if template.thinking:
        yield from _refusals_of_thinking(template.thinking, fused=fused)
    yield from refusals_of((placed(slots, *names) for names in _WRITTEN), _unwritable)


def _refusals_of_tools(template: Template, tools: ToolFormat) -> Iterator[str]:
    slots = template.slots
    if template.result_separator != _RESULT_SEPARATOR:
        yield "result_separator: LLaMA-Factory joins tool results in one fixed way"
    if slots.system_with_tools is not None:
        yield "slots.system_with_tools: LLaMA-Factory has one system turn, with tools or without"
    if slots.before_calls is not None:
        yield "slots.assistant.before_calls: LLaMA-Factory has one opener for replies with and without calls"
    if slots.function != slots.body and slots.function_last != slots.function:
        yield "slots.function_last: LLaMA-Factory ends the last turn that calls tools like every other"
    if tools.place != "behind_system" or tools.beside or tools.result:
        yield "tool_format: LLaMA-Factory describes tools behind the system text, and leaves text beside calls alone"


def _refusals_of_thinking(thinking: Thinking, *, fused: bool) -> Iterator[str]:
    others = other_thinking(
        thinking,
        when_on="",
        when_off=thinking.empty,
        when_dropped="",
        empty_after="any",
        default=True,
        history="drop",
        history_trim="leading_newlines",
        span="between",
        empty_trained="switched",
        empty_on=thinking.empty,
        empty_in="learned",
        empty_unless="holds",
        rewrite=False,
        kept_with_tools=False,
        kept_from_results=False,
        kept_in_chain=False,
        dropped_before_calls=None,
        answer=None,
        frame=None,
        system_mark=None,
        levels=None,
    )
    empty = thinking.empty in ("".join(thinking.words), thinking.words[1])
    places = (others, "" if empty else "thinking.empty", "system_placement" if fused else "")
    if any(places):
        ours = ", ".join(filter(None, places))
        yield f"{ours}: LLaMA-Factory has one way to handle thoughts, and the template has another"


def _template_class(template: Template) -> str:
    if thinking := template.thinking:
        return "Glm47ReasoningTemplate" if thinking.empty == thinking.words[1] else "ReasoningTemplate"
    return "Llama2Template" if template.system_placement == "first_user" else "Template"


def _starts_with(slot: Slot, word: str) -> bool:
    return bool(slot) and slot[0].kind in ("text", "token") and slot[0].value.startswith(word)


def model_groups(catalogue: Catalogue) -> Iterator[dict[str, Any]]:
    """The arguments of ``register_model_group`` for every group of models."""
    for spec in catalogue.specs:
        yield from _model_groups(spec, catalogue)


def _model_groups(spec: Spec, catalogue: Catalogue) -> Iterator[dict[str, Any]]:
    for group in spec.models:
        kinds: dict[tuple[str | None, bool], dict[str, dict[str, str]]] = {}
        for item in group.checkpoints:
            if item.name:
                kind = _registered_template(item, group, catalogue), _multimodal(item, group)
                kinds.setdefault(kind, {})[item.name] = _ids(item)
        for (template, multimodal), models in kinds.items():
            yield {"models": models, "template": template, "multimodal": multimodal}


def composite_models(catalogue: Catalogue) -> Iterator[dict[str, Any]]:
    """The models whose parts LLaMA-Factory can freeze separately once they are registered."""
    for spec in catalogue.specs:
        yield from _composite_models(spec, catalogue)


def _composite_models(spec: Spec, catalogue: Catalogue) -> Iterator[dict[str, Any]]:
    for item in spec.model_types:
        if item.modules is not None:
            users = [group for each in catalogue.specs for group in each.models if group.model_type == item.name]
            templates = {_registered_template(one, group, catalogue) for group in users for one in group.checkpoints}
            yield {
                "templates": sorted(name for name in templates if name is not None),
                "model_type": item.config_type,
                "projector_keys": list(item.modules.projector),
                "vision_model_keys": list(item.modules.vision_tower),
                "language_model_keys": list(item.modules.language_model),
                "lora_conflict_keys": list(item.modules.no_lora),
            }


def _multimodal(checkpoint: Checkpoint, group: ModelGroup) -> bool:
    own: bool = checkpoint.targets.get("llamafactory", {}).get("multimodal", group.multimodal)
    return own


def _registered_template(checkpoint: Checkpoint, group: ModelGroup, catalogue: Catalogue) -> str | None:
    name = group.template_for("llamafactory", checkpoint)
    return None if name is None else catalogue.templates[name].registered["llamafactory"]


def _ids(checkpoint: Checkpoint) -> dict[str, str]:
    ids = {**checkpoint.ids, **checkpoint.targets.get("llamafactory", {})}
    listed = {source: ids[hub] for hub, source in _SOURCES.items() if ids.get(hub)}
    return listed or ({_SOURCES["huggingface"]: checkpoint.path} if checkpoint.path else {})
