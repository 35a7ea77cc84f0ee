"""ms-swift: one file that registers templates and model types (read from ms-swift 4.6.0 and 3.12.6).

Conventions of ms-swift, all derived here and never written in a spec:

- ``prefix`` (without system text) or ``system_prefix`` opens a conversation; ``prompt`` is the user's turn and the
  assistant's opener; the reply follows; ``chat_sep`` ends it if another user turn follows, else ``suffix``. If the
  system text goes into the first user turn, the head of the user's turn moves into ``prefix``, ``system_prefix`` and
  ``chat_sep``.
- A prompt is a list: strings, and lists that name an attribute of the tokenizer (``["bos_token_id"]``) or hold the id
  of a token. Adjacent strings are joined before they are tokenized (``Template._simplify_context_list``), so a boundary
  between two texts cannot be written. Nor can a token be named by its text: the text is part of the string, as in
  ms-swift's own templates, and it is one token if the tokenizer knows it as a special token.
- Placeholders in ``chat_sep`` and ``suffix`` are not replaced; an empty system text means none.
- An agent template describes the tools, and also writes the results' turn (:class:`..meaning.tool_formats.Results`).
  Without one, ms-swift 4 refuses tools.
- ``is_thinking`` drops the thoughts of earlier turns and trims the rest; ``thinking_prefix`` and
  ``non_thinking_prefix`` end the generation prompt, and the second one also opens learned replies without a thought.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, cast

from ..catalogue.model import Catalogue, Checkpoint, ModelGroup, ModelType, Part, Slot, Slots, Spec, Template, Thinking
from ..catalogue.slots import CONTENT, join_slots, parse_slot, split_content
from ..errors import Refusals, Unsupported
from .agent_template import agent_template, refusals_of_answers
from .places import other_thinking, placed, refusals_of, trims
from .protocol import Context, GeneratedFile, Output
from .python import Call, Sum
from .registration import Arguments, package_files, package_of, register

FOLDER = "swift"
EMPTY_SYSTEM = "an empty system message stands for none, and does not get the default system text"
FIRST_TOKEN = "ms-swift never learns the first token of a text, not even of a reply with nothing in front of it"
PACKAGE = package_of(FOLDER)
_PLACEHOLDERS = ("{{SYSTEM}}", "{{QUERY}}", "{{ROUND0}}", "{{ROUND1}}", "{{RESPONSE}}")  # template/base.py
_TOKENS: Mapping[str, Callable[[str], str | int]] = {
    "bos": lambda _: "bos_token_id",
    "eos": lambda _: "eos_token_id",
    "attribute": lambda name: f"{name}_id",
    "id": int,
}
TEXT_OVERRIDES = ("prefix", "system_prefix", "prompt", "chat_sep", "suffix")  # overrides that are texts
_THOUGHT_END = "</think>"  # template/base.py, _remove_thinking_content


def generate(context: Context) -> Output:
    """One module per spec that has something to register, shared code, and the file that ms-swift loads."""

    def registered(spec: Spec, templates: Mapping[str, Arguments]) -> dict[str, Any]:
        return {
            "templates": templates,
            "archs": {item.name: parts for item in spec.model_types if (parts := model_arch(item))},
            "model_types": {item.name: _model_type(item, context.catalogue) for item in spec.model_types},
            "groups": list(_groups(spec, context.catalogue)),
            "dated": dated(templates),
        }

    return register(context, FOLDER, template_arguments, notes, registered, package)


def package(modules: Sequence[str]) -> Iterator[GeneratedFile]:
    """The file that ms-swift loads, and the package that registers these modules of specs."""
    paths = {
        "register_all": f"{FOLDER}/register_all.py",
        "package": f"{PACKAGE}/__init__.py",
        "registry": f"{PACKAGE}/registry.py",
    }
    return package_files(FOLDER, paths, modules)


def template_arguments(template: Template) -> dict[str, Any]:
    """The arguments of ms-swift's ``TemplateMeta`` apart from its name.

    Raises:
        Unsupported: ms-swift cannot express the template; the message says why.
    """
    refusals = Refusals(_refusals(template))

    def prompt(*parts: tuple[str, Slot], content: str | None = None, numbered: bool = False) -> list[Any]:
        names = _fields(content, numbered=numbered)
        refusals.reasons += refusals_of([parts], lambda slot: _unwritable(slot, names))
        return _prompt(join_slots(*(slot for _, slot in parts)), names)

    own = template.targets.get("swift", {})
    slots = template.slots
    _, body_end = split_content(slots.body)
    _, end = split_content(slots.last)
    fused = template.system_placement in ("first_user", "first_user_head", "last_user")
    head, tail = split_content(slots.user) if fused else ((), ())
    if own.get("system_in_class"):
        head = ()
    start = () if own.get("auto_add_bos") == "instead" else slots.prefix
    last = template.system_placement == "last_user"
    no_system = () if own.get("system_in_class") or last else slots.no_system or ()
    user = (CONTENT, *tail) if head else slots.user
    opens, heads = ("slots.prefix", start), ("slots.user", head)
    arguments: dict[str, Any] = {
        "prefix": prompt(opens, ("slots.no_system", no_system), heads),
        "system_prefix": None,
        "prompt": prompt(
            ("slots.user", user), ("slots.assistant.opener", slots.opener), content="{{QUERY}}", numbered=True
        ),
        "chat_sep": None if template.single_turn else prompt(("slots.assistant.body", body_end), heads),
        "suffix": prompt(("slots.assistant.last" if slots.last != slots.body else "slots.assistant.body", end)),
    }
    if "system_prefix" in own:
        given = "targets.swift.system_prefix", parse_slot(own["system_prefix"])
        arguments["system_prefix"] = prompt(given, content="{{SYSTEM}}")
    elif not own.get("system_in_class") and template.system_placement not in ("last_user", "none"):
        before = [opens] if template.system_placement == "first_user_head" else [opens, heads]
        arguments["system_prefix"] = prompt(*before, _system(slots), content="{{SYSTEM}}")
    if last:
        arguments["prompt"] = prompt(("slots.system", slots.system), content="{{SYSTEM}}") + arguments["prompt"]
    if "prefix" in own:
        arguments["prefix"] = prompt(("targets.swift.prefix", parse_slot(own["prefix"])))
    refusals.check()
    if template.default_system is not None:
        arguments["default_system"] = _text(template.default_system)
    if "template_class" in own:
        arguments["template_cls"] = own["template_class"]
    if own.get("auto_add_bos"):
        arguments["auto_add_bos"] = True
    stop = arguments["suffix"][-1] if arguments["suffix"] else None
    stop_words = [word for word in template.stop_words if not (isinstance(stop, str) and word == stop.strip())]
    if stop_words:
        arguments["stop_words"] = stop_words
    if (agent := agent_template(template)) is not None:
        arguments["agent_template"] = agent
    arguments.update(_thinking(template))
    return arguments


def _system(slots: Slots) -> tuple[str, Slot]:
    """The system turn with its place in the spec; if there is another one with tools, a class replaces it."""
    if slots.system_with_tools is None:
        return "slots.system", slots.system
    return "slots.system_with_tools", slots.system_with_tools


def _refusals(template: Template) -> Iterator[str]:
    """Reasons why no field of ``TemplateMeta`` can express the template, each with its place in the spec."""
    slots, own = template.slots, template.targets.get("swift", {})
    if template.undescribed and not own:
        yield f"undescribed: the template's own code writes {template.undescribed}"
    if "template_class" not in own:
        yield from _refusals_without_class(template)
    if template.default_system == ():
        yield "default_system: ms-swift writes no system turn for an empty default system text"
    yield from refusals_of_answers(template)
    if template.system_placement == "last_user" and slots.no_system not in (None, _literal_system(slots.system)):
        yield "slots.no_system: ms-swift writes a literal {{SYSTEM}} where there is no system text"
    for place, slot in placed(slots, "body", "last"):
        if split_content(slot)[0] and not own.get("content_in_class"):
            yield f"{place}: ms-swift has no text between the opener and the reply that a model learns"
    if template.thinking:
        yield from _refusals_of_thinking(template.thinking, in_class="template_class" in own)


def _refusals_without_class(template: Template) -> Iterator[str]:
    """Reasons that do not count if the template has its own class, which can do this in code."""
    slots = template.slots
    if template.thinking and template.thinking.empty_after != "any":
        yield "thinking.empty_after: ms-swift puts an empty thought in front of every reply without one"
    if places := trims(template):
        yield f"{places}: ms-swift does not trim the content of a role"
    if slots.generation != slots.opener:
        yield "slots.assistant.generation: ms-swift has one opener for the generation prompt and for history"
    if slots.system_with_tools is not None:
        yield "slots.system_with_tools: ms-swift writes another system turn where tools are described by a class only"
    if slots.before_calls is not None:
        yield "slots.assistant.before_calls: ms-swift opens a turn that is calls alone in another way by a class only"
    if template.pair:
        yield "pair: ms-swift makes one text of a query and a document by a class only"
    if template.last_message_end is not None:
        yield "last_message_end: ms-swift writes something behind the last message by a class only"
    if template.learns != "all":
        yield "learns: ms-swift learns every reply where it is not told otherwise"
    if template.empty_system == "keep" and template.system_placement != "last_user":
        yield "empty_system: ms-swift writes no system turn for an empty system text"


def notes(template: Template, sees: bool) -> Iterator[str]:
    """Known deviations of ms-swift's rendering; ``sees``: models with this template take more than text."""
    if sees and "template_class" not in template.targets.get("swift", {}):
        yield "text only: the spec names no class for the images, videos or sounds of these models"
    if template.empty_system == "default" and template.default_system:
        yield EMPTY_SYSTEM
    slots = template.slots
    before = [part for slot in (slots.prefix, slots.no_system or (), slots.user, slots.opener) for part in slot]
    if template.default_system is None and all(part == CONTENT for part in before):
        yield FIRST_TOKEN  # template/base.py, _encode


def _literal_system(slot: Slot) -> Slot:
    """The text that ms-swift writes without a system text if that goes into the last user message."""
    return join_slots(tuple(Part("text", "{{SYSTEM}}") if part == CONTENT else part for part in slot))


def _fields(content: str | None, *, numbered: bool) -> Mapping[str, str]:
    """ms-swift's names of the placeholders that it fills; ``content`` is its name for the content, None: not filled."""
    filled = {} if content is None else {"content": content}
    return {**filled, "idx": "{{ROUND0}}", "round": "{{ROUND1}}"} if numbered else filled


def _unwritable(slot: Slot, names: Mapping[str, str]) -> Iterator[str]:
    """Reasons why a slot cannot be written as a prompt with these placeholders."""
    for index, part in enumerate(slot):
        if part.kind == "break":
            around = slot[max(index - 1, 0) : index], slot[index + 1 : index + 2]
            if around[0] and all(other.kind not in _TOKENS for side in around for other in side):
                yield "ms-swift joins adjacent texts before it tokenizes them"
        elif part.kind == "field" and part.value not in names:
            yield f"ms-swift cannot fill {{{{{part.value}}}}} there"
        elif part.kind in ("text", "token"):
            yield from (
                f"ms-swift would fill the literal {name} of this text" for name in _PLACEHOLDERS if name in part.value
            )


def _prompt(slot: Slot, names: Mapping[str, str]) -> list[Any]:
    """A slot as a prompt of ms-swift."""
    elements: list[Any] = []
    run: list[Part | str] = []

    def flush() -> None:
        if run:
            elements.append(run[0] if len(run) == 1 and isinstance(run[0], str) else _sum(run))
            run.clear()

    for part in slot:
        if part.kind in _TOKENS:
            flush()
            elements.append([_TOKENS[part.kind](part.value)])
        elif part.kind == "date":
            run.append(part)
        elif part.kind != "break":
            text = names.get(part.value, "") if part.kind == "field" else part.value
            if run and isinstance(run[-1], str):
                run[-1] += text
            else:
                run.append(text)
    flush()
    return elements


def _text(slot: Slot) -> str | Call | Sum:
    if any(part.kind == "date" for part in slot):
        return _sum([part if part.kind == "date" else part.value for part in slot])
    return "".join(part.value for part in slot)


def _sum(parts: Sequence[Part | str]) -> Call | Sum:
    """A text that is computed when the generated module runs."""
    items = tuple(part if isinstance(part, str) else Call("today", {"": part.value}) for part in parts)
    return Sum(items) if len(items) > 1 or isinstance(items[0], str) else items[0]


def _refusals_of_thinking(thinking: Thinking, *, in_class: bool) -> Iterator[str]:
    places = partial(other_thinking, thinking)
    if not in_class:
        words = "" if thinking.words[1].strip() == _THOUGHT_END else "thinking.words"
        if other := ", ".join(filter(None, (places(span="to_last_end", history_trim="both"), words))):
            yield f"{other}: ms-swift drops earlier thoughts up to {_THOUGHT_END} and trims what remains on both sides"
        if other := places(kept_with_tools=False, kept_from_results=False, kept_in_chain=False):
            yield f"{other}: ms-swift keeps earlier thoughts for the sake of tools by a class only"
        usual = {"empty_on": thinking.empty, "empty_in": "learned", "empty_unless": "begins"}
        if other := places(**usual, rewrite=False, dropped_before_calls=None):
            yield f"{other}: ms-swift writes one empty thought into learned replies, and thoughts as they stand"
        if other := places(answer=None, frame=None, system_mark=None, levels=None):
            yield f"{other}: ms-swift writes what a reply or a system text says of thinking by a class only"
    if other := places(empty_trained="always", **({} if in_class else {"empty": thinking.when_off})):
        yield f"{other}: ms-swift opens a learned reply without a thought as it ends the prompt with thinking off"
    default = thinking.history != "switched" and not thinking.when_off  # template/base.py, Template.__init__
    if thinking.default != default and not in_class:
        yield f"thinking.default: ms-swift has thinking {'on' if default else 'off'} by default for such a template"


def _thinking(template: Template) -> dict[str, Any]:
    thinking, slots, own = template.thinking, template.slots, template.targets.get("swift", {})
    if thinking is None:
        return {}
    drops = thinking.history != "switched"
    # A class shortens the generation prompt only if nothing follows it; else the rest comes before the mark.
    rest = "".join(part.value for part in slots.opener).removeprefix("".join(part.value for part in slots.generation))
    values = {
        "is_thinking": drops,
        "thinking_prefix": thinking.when_on.removeprefix(rest),
        "non_thinking_prefix": thinking.empty,
        "history_thinking_prefix": thinking.when_dropped,
        "preserve_thinking": {"keep": True, "remove": False}.get(thinking.history),
        **own.get("thinking_fields", {}),
    }
    return {key: value for key, value in values.items() if value or (key == "preserve_thinking" and value is not None)}


def model_types_of(template: Template, catalogue: Catalogue) -> Iterator[dict[str, Any]]:
    """The model types with models of a template: name, arguments of ms-swift's ``ModelMeta``, and all their groups."""
    used = {
        group.model_type
        for spec in catalogue.specs
        for group in spec.models
        if group.model_type and group.template_for("swift") == template.name
    }
    homes = [spec for spec in catalogue.specs if used.intersection(group.model_type for group in spec.models)]
    groups = [found for spec in homes for found in _groups(spec, catalogue)]
    for name in sorted(used):
        item = catalogue.model_types[name]
        own = [values for key, values in groups if key == name]
        yield {"name": name, "arguments": _model_type(item, catalogue), "arch": model_arch(item), "groups": own}


def model_arch(model_type: ModelType) -> dict[str, list[str]] | None:
    """The arguments of ms-swift's ``MultiModelKeys`` for a model type that names its modules but no known model_arch.

    ms-swift freezes the parameters whose names begin with one of these, and trains the others with LoRA.
    """
    modules = model_type.modules
    if modules is None or model_type.model_arch is not None:
        return None
    parts = {
        "language_model": modules.language_model,
        "aligner": modules.projector,
        "vision_tower": modules.vision_tower,
    }
    return {key: list(names) for key, names in parts.items() if names}


def _model_type(model_type: ModelType, catalogue: Catalogue) -> dict[str, Any]:
    """The arguments of ms-swift's ``ModelMeta`` apart from its name and groups; missing ones have their default."""
    own = model_type.targets.get("swift", {})
    groups = (group for spec in catalogue.specs for group in spec.models if group.model_type == model_type.name)
    patterns = model_type.ignore_patterns
    values: dict[str, Any] = {
        "loader": own.get("loader"),
        "template": _default_template(model_type, catalogue),
        "model_arch": model_type.name if model_arch(model_type) else model_type.model_arch,
        "mcore_model_type": own.get("mcore_model_type"),
        "architectures": list(model_type.architectures),
        "additional_saved_files": list(model_type.additional_saved_files),
        "torch_dtype": model_type.torch_dtype,
        "is_multimodal": any(group.multimodal for group in groups),
        "task_type": model_type.task_type,
        "requires": list(model_type.requires),
        "tags": list(model_type.tags),
    }
    filled = {key: value for key, value in values.items() if value}
    return filled if patterns is None else filled | {"ignore_patterns": list(patterns)}


def _default_template(model_type: ModelType, catalogue: Catalogue) -> str | None:
    """The template_type of a model type if all its groups have the same; else None, and each group names its own."""
    own = model_type.targets.get("swift", {})
    if "template" in own:
        return cast("str | None", own["template"])
    groups = (group for spec in catalogue.specs for group in spec.models if group.model_type == model_type.name)
    names = {_template_type(group, catalogue) for group in groups if _listed(group)}
    return names.pop() if len(names) == 1 else None


def _template_type(group: ModelGroup, catalogue: Catalogue) -> str | None:
    """The template_type of a group, None if ms-swift has none for these models."""
    name = group.template_for("swift")
    template = None if name is None else catalogue.templates[name]
    return template.registered["swift"] if template and _expressible(template) else None


def _listed(group: ModelGroup) -> list[tuple[str | None, ...]]:
    return [ids for checkpoint in group.checkpoints if (ids := _ids(checkpoint)) is not None]


def _groups(spec: Spec, catalogue: Catalogue) -> Iterator[tuple[str, dict[str, Any]]]:
    for group in spec.models:
        models = _listed(group)
        if group.model_type is None or not models:
            continue
        values: dict[str, Any] = {
            "template": _group_template(group, catalogue),
            "models": models,
            "ignore_patterns": None if group.ignore_patterns is None else list(group.ignore_patterns),
            "requires": None if group.requires is None else list(group.requires),
            "tags": list(group.tags) or None,
        }
        yield group.model_type, {key: value for key, value in values.items() if value is not None}


def _group_template(group: ModelGroup, catalogue: Catalogue) -> str | None:
    """The template_type that a group names itself, None if its model type names it."""
    assert group.model_type is not None
    name = _template_type(group, catalogue)
    return None if name == _default_template(catalogue.model_types[group.model_type], catalogue) else name


def _expressible(template: Template) -> bool:
    try:
        template_arguments(template)
    except Unsupported:
        return False
    return True


def _ids(checkpoint: Checkpoint) -> tuple[str | None, ...] | None:
    """ModelScope's id, Hugging Face's id and, if there are any, the local path and ModelScope's revision."""
    ids = {**checkpoint.ids, **checkpoint.targets.get("swift", {})}
    found = ids.get("modelscope"), ids.get("huggingface"), checkpoint.path, ids.get("revision")
    listed = found[: max((place for place, value in enumerate(found) if value), default=-1) + 1]
    return (*listed, None) if len(listed) == 1 else listed or None


def dated(value: Any) -> bool:
    """Whether a value depends on today's date."""
    if isinstance(value, Mapping):
        return any(map(dated, value.values()))
    return isinstance(value, (Call, Sum)) or (isinstance(value, list) and any(map(dated, value)))
