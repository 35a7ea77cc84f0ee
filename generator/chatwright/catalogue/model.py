"""What a spec says, as frozen data. No framework's vocabulary stands here; that is kept under ``targets``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from typing import Any, Literal

from ..errors import Location

PartKind = Literal["text", "field", "token", "id", "attribute", "bos", "eos", "date", "break"]
SystemPlacement = Literal["turn", "first_user", "first_user_head", "last_user", "none"]
EmptySystem = Literal["default", "omit", "keep"]
HistoryPolicy = Literal["keep", "drop", "switched", "remove"]
Trim = Literal["none", "newlines", "leading_newlines", "both"]
Turns = Literal["users", "replies", "first_reply", "last_reply", "later_system"]


@dataclass(frozen=True)
class Part:
    """One part of a slot.

    ``text``: literal text. ``field``: a placeholder filled per turn (``content``, ``idx``, ``round``; of a pair
    ``query``, ``document``, ``instruction``). ``token``: text encoded as one token. ``id``: the token with that id.
    ``attribute``: the token in the tokenizer's attribute of that name. ``bos``/``eos``: the tokenizer's own token,
    nothing where it has none. ``date``: today's date in the strftime format ``value``, at the time of use.
    ``break``: what stands before and after it is tokenized apart.
    """

    kind: PartKind
    value: str = ""


Slot = tuple[Part, ...]


@dataclass(frozen=True)
class Slots:
    """The text of each kind of turn. ``None`` means the spec leaves the slot out."""

    prefix: Slot
    system: Slot
    system_with_tools: Slot | None  # the same where tools are described, where that is another one
    no_system: Slot | None  # stands where there is no system message
    user: Slot
    opener: Slot  # head of an assistant turn
    opener_after_observation: Slot  # the same behind tool results; the opener unless the spec says otherwise
    before_calls: Slot | None  # the opener of a turn that is calls alone, where that is another one
    generation: Slot  # the generation prompt; the opener unless the spec says otherwise
    body: Slot  # an assistant turn after its opener
    last: Slot  # the same for the last turn of a conversation
    function: Slot  # body of a turn that calls tools
    function_last: Slot  # the same for the last turn of a conversation
    observation: Slot
    image: str | None = None  # what stands for a medium, with slots.MEDIUM_NUMBER in it; None: it has no place
    video: str | None = None
    audio: str | None = None


@dataclass(frozen=True)
class SystemMark:
    """What the system text says about thinking.

    ``on`` and ``off`` are the mark in each mode, unless a level has its own; an empty one is none. It stands before or
    behind the system text, with ``separator`` between two that are not empty, or ``first``, in front of the prefix. A
    system text that holds one of the ``unless`` texts is left as it is.
    """

    on: str
    off: str
    place: Literal["before", "behind", "first"]
    separator: str
    unless: tuple[str, ...]


@dataclass(frozen=True)
class Level:
    """A level of thinking.

    ``thinking`` is what it turns thinking to, None where it leaves that open.
    ``mark`` and ``prompt``, where given, replace the system mark and what the generation prompt ends with.
    """

    thinking: bool | None
    mark: str | None
    prompt: str | None


@dataclass(frozen=True)
class Levels:
    """The levels of thinking by name, and the variable that a request names one in.

    ``default_on`` and ``default_off`` are the levels of a request that names none, with thinking on and off; None: no
    level. A name that is ``unknown`` is refused, or ignored as if none were given. ``count`` says when a level counts
    that leaves thinking open.
    """

    variable: str
    default_on: str | None
    default_off: str | None
    unknown: Literal["refuse", "ignore"]
    count: Literal["on", "always"]
    names: Mapping[str, Level]

    @property
    def decide(self) -> bool:
        """Whether any level counts while thinking is off."""
        return self.count == "always" or any(level.thinking is not None for level in self.names.values())


@dataclass(frozen=True)
class Frame:
    """What is written around the parts of a reply.

    ``thought`` stands in front of its thought, between thought and answer, and behind: with the span ``between`` in
    place of the words of the thought that it begins with, else in place of every such word (of the first one unless
    the reply holds its text already). ``plain`` stands in front of and behind a reply without a thought. A turn that is
    calls alone is such a reply, unless ``calls`` is given: that stands in front of it where it is learned, and nothing
    around it. A reply that holds the text ``unless`` is framed already.
    """

    thought: tuple[str, str, str]
    plain: tuple[str, str]
    calls: str | None
    unless: str | None


@dataclass(frozen=True)
class Thinking:
    """How a template writes thoughts.

    ``words`` stand around a thought. ``when_on`` and ``when_off`` are what the generation prompt ends with in each
    mode; ``default`` says whether thinking is on in a request that says nothing. ``history`` tells what becomes of the
    thoughts of earlier turns (``kept_with_tools``: nothing, where tools are offered; ``kept_from_results``: nothing,
    from the first reply on that tools answered; ``kept_in_chain``: nothing, behind the last user message), ``span``
    which text of a reply is taken for its thought,
    ``history_trim`` how the remaining text is trimmed, and ``when_dropped`` what is then put in front of it
    (``dropped_before_calls``: where that is empty, and calls stand behind it; None: the same). ``empty`` is put in
    front of a trained reply without a thought, after a message of any role or of the user only (``empty_after``);
    ``empty_trained`` says whether it is learned (``switched``: only with thinking on, and with thinking off no trained
    reply keeps its thought). ``empty_on`` stands in its place with thinking on. ``empty_in`` says which replies may get
    it: those that are learned and those of a history that is kept, or the last reply, or all whose thoughts are not
    dropped; ``empty_unless`` which reply has a thought: one that begins with the first word or with an empty thought,
    or one that holds a word. ``rewrite`` says that a reply with a thought is put together anew, the thought trimmed.
    ``answer`` are words around the part of an earlier reply that alone is kept where thoughts are dropped.
    """

    words: tuple[str, str]
    switch: str
    default: bool
    when_on: str
    when_off: str
    history: HistoryPolicy
    kept_with_tools: bool
    kept_from_results: bool
    kept_in_chain: bool
    span: Literal["between", "to_last_end"]
    history_trim: Trim
    when_dropped: str
    dropped_before_calls: str | None
    empty: str
    empty_on: str
    empty_in: Literal["learned", "last", "all"]
    empty_unless: Literal["begins", "holds"]
    empty_after: Literal["any", "user"]
    empty_trained: Literal["switched", "always"]
    rewrite: bool
    answer: tuple[str, str] | None
    frame: Frame | None
    system_mark: SystemMark | None
    levels: Levels | None


@dataclass(frozen=True)
class Pair:
    """A format for a query and a document: the first two messages make one user text, and nothing else is written.

    ``text`` holds the fields ``query``, ``document`` and ``instruction``, which is the system text, or the default one
    here where there is none; the system turn always has the template's default system text.
    """

    text: Slot
    instruction: str


@dataclass(frozen=True)
class MMPlugin:
    """A multimodal plugin by the name it is registered under in LLaMA-Factory, with its tokens.

    ``inputs`` makes it a declared one, which leaves the work to the model's own processor: that takes the images of
    several texts as one list (``flat``) or as a list per text (``nested``). None: LLaMA-Factory has the plugin.
    """

    name: str
    inputs: Literal["flat", "nested"] | None = None
    image_token: str | None = None
    video_token: str | None = None
    audio_token: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Template:
    """One conversation format."""

    name: str
    family: str
    location: Location = field(repr=False)
    registered: Mapping[str, str | None]  # framework -> the name it is registered under there, or None
    slots: Slots
    default_system: Slot | None
    empty_system: EmptySystem
    system_placement: SystemPlacement
    trim: Mapping[str, Trim]  # role -> how its content is trimmed
    tool_format: str | None
    tool_definition: Mapping[str, Any] | None  # that format's, where the spec brings it along
    result_separator: str
    stop_words: tuple[str, ...]
    thinking: Thinking | None
    mm_plugin: MMPlugin | None
    single_turn: bool  # of a longer conversation only the last round is written
    turns: tuple[Turns, ...]  # what the format carries though the roles do not take turns, see the schema
    learns: Literal["all", "last"]  # the replies that a training text teaches
    last_message_end: str | None  # stands behind the text of the last message, unless a message holds it
    pair: Pair | None
    undescribed: str | None  # what the slots do not say of the text, in words; None: nothing
    serving: Mapping[str, Mapping[str, str]]  # server -> kind of parser -> its name there; only what the template has
    evidence: Mapping[str, str]
    targets: Mapping[str, Mapping[str, Any]]

    @property
    def end(self) -> Slot:
        """What follows the content of the last assistant turn: its end of turn."""
        return self.slots.last[_after_content(self.slots.last) :]


def _after_content(slot: Slot) -> int:
    for index, part in enumerate(slot):
        if part == Part("field", "content"):
            return index + 1
    raise ValueError("slot without {{content}}")  # the cross-checks refuse such a spec


@dataclass(frozen=True)
class Modules:
    """The parts of a multimodal model, each by the names that its modules begin with."""

    language_model: tuple[str, ...]
    projector: tuple[str, ...]
    vision_tower: tuple[str, ...]  # towers for audio are among them
    no_lora: tuple[str, ...]


@dataclass(frozen=True)
class ModelType:
    """How the checkpoints of one architecture are loaded (ms-swift: model_type)."""

    name: str
    family: str
    location: Location = field(repr=False)
    architectures: tuple[str, ...]
    model_arch: str | None
    config_type: str  # the model_type of config.json
    modules: Modules | None  # None: the frameworks know the parts
    requires: tuple[str, ...]
    tags: tuple[str, ...]
    additional_saved_files: tuple[str, ...]
    ignore_patterns: tuple[str, ...] | None
    torch_dtype: str | None
    task_type: str | None
    targets: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Checkpoint:
    """One downloadable model. ``name`` is None where LLaMA-Factory does not list it; ``ids`` maps hub -> id."""

    location: Location = field(repr=False)
    name: str | None
    ids: Mapping[str, str]
    path: str | None
    targets: Mapping[str, Mapping[str, Any]]

    @property
    def title(self) -> str:
        """The name shown to people: the registered name, else the last part of an id or of the local path."""
        ids = [*self.ids.values(), self.path, *(value for own in self.targets.values() for value in own.values())]
        return self.name or next(str(value) for value in ids if value).rsplit("/", 1)[-1]

    @property
    def known_by(self) -> Iterator[tuple[str, str | None]]:
        """Every name that a framework may know it by, each with what it is: ``name``, ``path`` or a hub."""
        yield from (("name", self.name), ("path", self.path), *self.ids.items())
        for own in self.targets.values():
            yield from own.items()


@dataclass(frozen=True)
class ModelGroup:
    """Checkpoints that share a template, a model type and requirements. The tuples are None where left out."""

    location: Location = field(repr=False)
    template: str | None  # None: no framework has a conversation format for these models
    model_type: str | None
    multimodal: bool
    requires: tuple[str, ...] | None
    tags: tuple[str, ...]
    ignore_patterns: tuple[str, ...] | None
    checkpoints: tuple[Checkpoint, ...]
    targets: Mapping[str, Mapping[str, Any]]

    def template_for(self, framework: str, checkpoint: Checkpoint | None = None) -> str | None:
        """The catalogue's name of the template that a framework uses for these checkpoints, or for one of them."""
        own = {} if checkpoint is None else checkpoint.targets.get(framework, {})
        name: str | None = {"template": self.template, **self.targets.get(framework, {}), **own}["template"]
        return name


@dataclass(frozen=True)
class Override:
    """One entry below a ``targets:`` key, as it is written.

    ``kind`` names what it stands in and what it overrides (``model type swift.loader``), ``owner`` whose it is (of a
    group: the template's name).
    """

    location: Location = field(repr=False)
    kind: str
    owner: str
    value: Any


@dataclass(frozen=True)
class Spec:
    """One spec file: one model family."""

    path: str = field(repr=False)  # as shown to people, relative to the folder the command runs in where possible
    source: str  # relative to the specs folder, with forward slashes: meta/llama4.yaml
    name: str
    title: str
    publisher: str
    templates: tuple[Template, ...]
    model_types: tuple[ModelType, ...]
    models: tuple[ModelGroup, ...]
    serving: Mapping[str, Mapping[str, Any]]
    overrides: tuple[Override, ...] = field(repr=False)

    @cached_property
    def digest(self) -> str:
        """The hash of what the spec says, without places in files."""
        return sha256(repr(self).encode()).hexdigest()


@dataclass(frozen=True)
class Catalogue:
    """All specs, sorted by source, with their cross-references resolved."""

    specs: tuple[Spec, ...]

    @cached_property
    def templates(self) -> dict[str, Template]:
        """Template name -> template, sorted by name."""
        found = {template.name: template for spec in self.specs for template in spec.templates}
        return dict(sorted(found.items()))

    @cached_property
    def model_types(self) -> dict[str, ModelType]:
        """Model type name -> model type, sorted by name."""
        found = {model_type.name: model_type for spec in self.specs for model_type in spec.model_types}
        return dict(sorted(found.items()))

    @cached_property
    def checkpoints(self) -> tuple[tuple[Spec, ModelGroup, Checkpoint], ...]:
        """All checkpoints, with the spec and the group that list them."""
        groups = ((spec, group) for spec in self.specs for group in spec.models)
        return tuple((spec, group, checkpoint) for spec, group in groups for checkpoint in group.checkpoints)

    @cached_property
    def users(self) -> dict[str, list[ModelGroup]]:
        """Template name -> the groups of models that name it, for whichever framework."""
        found: dict[str, list[ModelGroup]] = {}
        for group in (group for spec in self.specs for group in spec.models):
            named = {group.template, *map(group.template_for, ("llamafactory", "swift"))}
            for name in filter(None, named):
                found.setdefault(name, []).append(group)
        return found

    @cached_property
    def architectures(self) -> dict[str, frozenset[str]]:
        """Template name -> the architectures of the models that use it, in any framework."""
        found: dict[str, set[str]] = {name: set() for name in self.templates}
        for spec in self.specs:
            for group in spec.models:
                types = {group.model_type, *(own.get("model_type") for own in group.targets.values())}
                known = {
                    name for kind in types if kind in self.model_types for name in self.model_types[kind].architectures
                }
                for framework in ("llamafactory", "swift"):
                    for checkpoint in group.checkpoints:
                        if (name := group.template_for(framework, checkpoint)) in found:
                            found[name].update(known)
        return {name: frozenset(names) for name, names in found.items()}
