"""``chatwright draft``: a spec from a model's own chat template, and how far it is exact.

The template is asked with conversations of sentinels, in the sandbox, and its texts are cut at them: that gives the
slots of every role. Settings that no text shows are tried, and the value stays that most texts agree with. What comes
out is then rendered against the original on all scenarios, and nothing else decides what is called exact.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Any

from ...catalogue.model import Catalogue, Template
from ...characters import clipped
from ...errors import ChatwrightError, Unsupported
from ...limits import LONGEST_NAME
from ...meaning.sandbox import Sandbox, TemplateFailed
from ...meaning.tool_formats import tool_formats
from ..conversations import CORE
from . import facts
from .comparing import DAYS, Compared, Theirs, as_rows, compare, theirs
from .lifting import lifted
from .media import placeholders
from .probing import BOS, EOS, Answer, Oracle, Render
from .reading import Reading, read
from .source import Source
from .template_data import DEFINITION, built, simplified
from .thoughts import Thoughts
from .tools import CALLS, TOOLS
from .writing import Path, spec_text

_SECONDS = 1  # of the processor, for everything that a template is asked; publishers' take a tenth of that


@dataclass(frozen=True)
class Draft:
    """A drafted spec: its text, and what became of every scenario.

    ``same`` is the template of the catalogue that means the same, which the spec then refers to; ``notes`` are the
    comments in the text, by the path of the key that they stand above. ``thinks`` and ``has_tools`` say what the
    source's template knows of thinking and of tools.
    """

    name: str
    text: str
    data: Mapping[str, Any]
    same: str | None
    compared: tuple[Compared, ...]
    thinks: bool
    has_tools: bool
    notes: tuple[tuple[Path, str], ...]

    @property
    def exact(self) -> bool:
        """Whether the draft agrees with its source in every scenario."""
        return all(each.agrees for each in self.compared)

    def as_json(self) -> dict[str, Any]:
        """All of it as plain data."""
        return {
            "name": self.name,
            "same": self.same,
            "exact": self.exact,
            "scenarios": as_rows(self.compared),
            "notes": [text for _, text in self.notes],
            "spec": self.text,
        }


def draft(source: Source, catalogue: Catalogue, name: str | None = None, folder: str | None = None) -> Draft:
    """Draft a spec from a source; ``folder`` is the publisher's below the specs, where that is known.

    Raises:
        ChatwrightError: the chat template cannot be run, or cannot be read off its texts; the message says why.
    """
    try:
        with ExitStack() as stack:
            return _draft(source, catalogue, name, folder, stack)
    except TemplateFailed as reason:
        raise ChatwrightError(f"{source.templates.file}: the chat template cannot be run: {reason}") from reason
    except Unsupported as reason:
        raise ChatwrightError(f"{source.templates.file}: no spec can be drafted: {reason}") from reason


def _draft(source: Source, catalogue: Catalogue, name: str | None, folder: str | None, stack: ExitStack) -> Draft:
    boxes = {
        text: stack.enter_context(Sandbox(text, strict=False, seconds=_SECONDS))
        for text in {source.templates.source(tools) or source.text for tools in (False, True)}
    }

    def box(request: Mapping[str, Any]) -> Sandbox:
        return boxes[source.templates.source(bool(request["tools"])) or source.text]

    def render(requests: Sequence[Mapping[str, Any]], day: date | None = None) -> list[Answer]:
        answers: dict[int, Answer] = {}
        for each in boxes.values():
            own = [index for index, request in enumerate(requests) if box(request) is each]
            if own:
                answers.update(zip(own, each.render([requests[index] for index in own], day), strict=True))
        return [answers[index] for index in range(len(requests))]

    oracle = Oracle(render)
    told = boxes[source.text].facts()
    with_tools = source.templates.source(True) or source.text
    reading = read(oracle, told, lambda: lifted(with_tools, TOOLS, CALLS))
    data = simplified(reading.data)
    if shown := placeholders(oracle, data):
        data["slots"] = {**data["slots"], **shown}
    known = theirs(oracle, told["variables"], reading.thoughts.switch)
    template = built(data)
    compared = compare(template, known)
    asked_again = partial(_again, oracle, tuple(known.variables), reading.thoughts)
    if any("strftime_now" in text for text in boxes):
        for day in DAYS:
            on_day = asked_again(partial(render, day=day))
            compared = _agreeing(compared, compare(template, on_day, today=day))
    real = asked_again(render, source.token("bos_token"), source.token("eos_token"))
    compared = _agreeing(compared, compare(template, real))
    near = _nearest(catalogue, real, compared)
    return _written(source, catalogue, name, folder, data, template, compared, near, reading, known.has_tools)


def _again(
    oracle: Oracle,
    variables: Sequence[str],
    found: Thoughts,
    render: Render,
    bos: str | None = None,
    eos: str | None = None,
) -> Theirs:
    """Ask for all scenarios once more, with the tokenizer's own tokens where they are named."""
    other = Oracle(render)
    other.in_parts, other.thought_key = oracle.in_parts, oracle.thought_key
    named = {"bos_token": bos, "eos_token": eos}
    other.variables = {**oracle.variables, **{key: token for key, token in named.items() if token is not None}}
    return theirs(other, variables, found.switch, (BOS if bos is None else bos, EOS if eos is None else eos))


def _agreeing(compared: Sequence[Compared], again: Sequence[Compared]) -> list[Compared]:
    """What is said to agree must do so again."""
    return [now if first.agrees else first for first, now in zip(compared, again, strict=True)]


def _nearest(catalogue: Catalogue, known: Theirs, compared: Sequence[Compared]) -> tuple[str, list[str]] | None:
    """The template of the catalogue that agrees with the source in most scenarios that the source carries.

    And those where it does not; None where none agrees in plain conversations.
    """
    carried = {each.scenario for each in compared if each.carried}
    found: list[tuple[str, list[str]]] = []
    for template in catalogue.templates.values():
        if template.pair or template.undescribed:
            continue
        if all(each.agrees for each in compare(template, known, only=carried.intersection(CORE))):
            differing = [each.scenario for each in compare(template, known, only=carried) if not each.agrees]
            found.append((template.name, differing))
    return min(found, key=lambda item: len(item[1]), default=None)


def _written(
    source: Source,
    catalogue: Catalogue,
    name: str | None,
    folder: str | None,
    data: dict[str, Any],
    template: Template,
    compared: Sequence[Compared],
    near: tuple[str, list[str]] | None,
    reading: Reading,
    has_tools: bool,
) -> Draft:
    nearest, differing = near or (None, [])
    same = None if differing else nearest
    name = facts.slug(name or source.name)
    own = name if same else facts.unused(name, catalogue.templates)
    notes: list[tuple[Path, str]] = []
    sections: dict[str, Any] = {}
    slots = data["slots"]

    def note(text: str, *path: str | int) -> None:
        notes.append((path, text))

    if differing:
        note(f"nearest in the catalogue: {nearest}, which differs in {', '.join(differing)}", "templates", own)
    if same is None:
        if words := facts.stop_words(template, source):
            data["stop_words"] = words
        elif not any(part.kind == "eos" for part in template.end):
            note("no end of turn was found; name the texts at which generation stops", "templates", own)
        if facts.is_multimodal(source, slots):
            plugin, why = facts.plugin(source, catalogue, slots)
            if plugin:
                data["mm_plugin"] = facts.plugin_data(plugin)
            else:
                note(f"mm_plugin: name one that fits, or declare one ('inputs'); {why}", "templates", own)
        if data.get("empty_system") == "keep":
            said = (
                "no framework writes an empty system turn; with `omit`, which they can, system_empty alone would differ"
            )
            note(said, "templates", own, "empty_system")
        data["evidence"] = facts.evidence(source)
        if DEFINITION in data:
            data["tool_format"] = facts.unused(own, tool_formats())
            sections["tool_formats"] = {data["tool_format"]: data.pop(DEFINITION)}
            if reading.lifted:
                said = "some of this is the chat template's own Jinja: read it, since it runs wherever this is served"
                note(said, "tool_formats", data["tool_format"])
        sections["templates"] = {own: simplified(data)}
        notes += [(("templates", own, *path), text) for path, text in _shortfalls(compared, data)]
    group, types = _models(source, catalogue, same or own, slots)
    sections |= {"model_types": types} if types else {}
    if group:
        sections["models"] = [group]
        if "path" in group["checkpoints"][0]:
            said = "a folder of this machine; put the ids on the hubs in its place before others read this"
            note(said, "models", 0, "checkpoints", 0)
    elif facts.is_listed(source, catalogue):
        note("the catalogue lists this checkpoint already")
    key = reading.thoughts.key
    if key and key != "reasoning_content":
        note(f"its messages carry thoughts under {key!r}, where servers write reasoning_content")
    title = clipped(source.name.replace("_", " "), LONGEST_NAME)
    publisher = clipped(facts.publisher(source, catalogue, folder), LONGEST_NAME)
    text = spec_text(own, title, publisher, sections, notes) if sections else f"# {own}: template {same} says it all\n"
    return Draft(own, text, sections, same, tuple(compared), reading.thoughts.any, has_tools, tuple(notes))


def _shortfalls(compared: Sequence[Compared], data: Mapping[str, Any]) -> list[tuple[Path, str]]:
    """What the draft does not say, at the key where it would stand."""
    grouped: dict[tuple[Path, str], list[str]] = {}
    for each in compared:
        if not each.agrees:
            grouped.setdefault((_place(each.scenario, data), each.reason), []).append(each.scenario)
    return [(path, f"not exact in {', '.join(names)}: {reason}") for (path, reason), names in grouped.items()]


def _place(scenario: str, data: Mapping[str, Any]) -> Path:
    if scenario.startswith(("thinking", "level")) and "tools" not in scenario:
        return ("thinking",) if "thinking" in data else ()
    if "tool" in scenario:
        return ("tool_format",) if "tool_format" in data else ()
    if scenario == "padded":
        return ("trim",) if "trim" in data else ("slots",)
    if scenario == "system_empty":
        return ("empty_system",) if "empty_system" in data else ("slots", "system")
    if scenario in ("image", "video", "audio"):
        return ("slots", scenario)
    return ("slots",)


def _models(
    source: Source, catalogue: Catalogue, template: str, slots: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The group with the model, and the model type where the catalogue has none that fits."""
    ids = facts.hub_ids(source, catalogue)
    where = ids or ({"path": source.path} if source.path else {})
    if not where or facts.is_listed(source, catalogue):
        return {}, {}
    group: dict[str, Any] = {"template": template}
    types: dict[str, Any] = {}
    if known := facts.model_type(source, catalogue):
        group["model_type"] = known.name
    elif architectures := facts.architectures(source):
        said = facts.slug(str(source.config.get("model_type") or source.name))
        said = facts.unused(said, catalogue.model_types)
        types[said] = {"architectures": list(architectures)}
        group["model_type"] = said
    if facts.is_multimodal(source, slots):
        group["multimodal"] = True
    group["checkpoints"] = [where]
    return group, types
