"""Tool formats: how tools are described and called. One definition each, in ``tool_formats/*.yaml``.

A definition is a list of parts for the description of the tools (``tools``) and one for the calls of a turn
(``calls``). A part is literal ``text``, a ``date`` in a strftime format, ``each``: a Jinja fragment rendered once
per tool or per call, with ``join`` between them, or ``once``: a fragment rendered once. The variables of ``each`` are
``function`` (name, description, parameters) and ``tool`` (the function in its OpenAI wrapping), or ``call``,
``arguments_object``, ``arguments_json`` and ``call_id``. Fragments use portable Jinja only. A format that writes
``call_id`` refuses calls without an id. ``single`` replaces ``calls`` if a turn has one call; ``parallel: false``
refuses more than one.

``place`` says where the description is written: ``behind_system``, after the system text; ``system``, as the whole
system text; ``user``, as the whole text of the first user message; or ``before_last_user``, before the turn of the last
user message. Fragments of a description can use the text that it replaces: ``system``, which is none if there is
neither a system message nor a default text, or ``user``. With ``writes_mark`` they also have ``first_mark``, the mark
on thinking before everything else, and write it themselves.

``beside`` handles the text of a reply that also has calls, by two fragments with the variable ``text``: ``text`` writes
the text, and ``separator`` writes what comes between it and the calls. Both are rendered before a thought in the text
is dropped.

``result`` is a fragment that writes the result of one call, for formats that name the call again. Its variables are
``text``, the result, and ``name``, the function's name in the message, empty if it has none. It may also use ``call``,
the call that is answered, its ``call_id``, and ``index``, its number in its turn, from 0; then a result that answers no
call is refused. The call is found by the id in the message, else by the position of the result.

``results`` is for ms-swift only, where the tool format and not the template decides how calls are answered. The slots
of a template must agree with it. See :class:`Results`.

The reference renderer runs the Jinja that :func:`tools_jinja` and :func:`calls_jinja` compose, and the portable Jinja
target writes the same Jinja into its files.
"""

from __future__ import annotations

import atexit
import json
import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any, Literal

import yaml

from ..catalogue.model import Part as SlotPart
from ..catalogue.model import Slot, Template
from ..catalogue.slots import CONTENT, join_slots, split_content
from ..errors import Unsupported
from . import jinja
from .conversation import Call, Result
from .portable import names_in, portable

if TYPE_CHECKING:
    from .sandbox import Workshop

Part = Mapping[str, str]
Place = Literal["behind_system", "system", "user", "before_last_user"]
_ALL = "{{ text }}"  # the text of a reply with calls, unchanged
_CALL_ID = "call_id"
_OF_CALL = {"call", _CALL_ID, "index"}  # variables of a fragment about the call that a result answers


@dataclass(frozen=True)
class Beside:
    """How the text of a reply with calls is written: two Jinja fragments, see the module docstring."""

    text: str = _ALL
    separator: str = ""


@dataclass(frozen=True)
class Results:
    """How ms-swift's agent template writes the results of calls.

    ``text`` holds ``{{content}}`` for the results, which ``separator`` joins. ``way`` says where it is written:
    ``in_user_turn``, as the text of a user's turn, or ``between`` the calls of one turn and the text of the next.
    ``calls_end`` ends every turn with calls, also the last one. If it is empty, such a turn ends like any other, or
    with the beginning of ``between``.
    """

    way: Literal["in_user_turn", "between"]
    text: str
    separator: str
    calls_end: str = ""


@dataclass(frozen=True)
class ToolFormat:
    """One definition; ``frameworks`` maps a framework to its name of this format.

    ``own`` is true if a spec defines the format itself: its Jinja is foreign and runs in the sandbox. ``slot`` is set
    if the description is the JSON list of the functions between two texts, ``call_words`` if calls are written
    between two words.
    """

    name: str
    tools: tuple[Part, ...]
    calls: tuple[Part, ...]
    single: tuple[Part, ...] | None
    parallel: bool
    frameworks: Mapping[str, str]
    place: Place
    writes_mark: bool
    beside: Beside | None
    result: str | None
    results: Results | None
    slot: str | None
    call_words: tuple[str, str] | None
    own: bool = False


_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@cache
def tool_formats() -> Mapping[str, ToolFormat]:
    """All known tool formats by name, sorted."""
    folder = resources.files(__package__).joinpath("tool_formats")
    found = {}
    for file in sorted(folder.iterdir(), key=lambda item: item.name):
        if file.name.endswith(".yaml"):
            data = yaml.load(file.read_text(encoding="utf-8"), Loader=_LOADER)
            name = file.name.removesuffix(".yaml")
            found[name] = read_definition(name, data)
    return found


def read_definition(name: str, data: Mapping[str, Any]) -> ToolFormat:
    """Read a definition from the data of a file or of a spec."""
    return ToolFormat(
        name=name,
        tools=tuple(data["tools"]) if "tools" in data else _in_slot(data["tools_slot"]),
        calls=tuple(data["calls"]),
        single=tuple(data["single"]) if "single" in data else None,
        parallel=data.get("parallel", True),
        frameworks=data.get("frameworks", {}),
        place=data.get("place", "behind_system"),
        writes_mark=data.get("writes_mark", False),
        beside=Beside(**data["beside"]) if "beside" in data else None,
        result=data.get("result"),
        results=_results(data["results"]) if "results" in data else None,
        slot=data.get("tools_slot"),
        call_words=tuple(data["call_words"]) if "call_words" in data else None,
    )


def format_of(template: Template) -> ToolFormat | None:
    """The tool format of a template: its spec's own definition, or the known one of that name."""
    if template.tool_format is None:
        return None
    if template.tool_definition is not None:
        return replace(read_definition(template.tool_format, template.tool_definition), own=True)
    return tool_format(template.tool_format)


def _results(data: Mapping[str, str]) -> Results:
    way: Literal["in_user_turn", "between"] = "in_user_turn" if "in_user_turn" in data else "between"
    return Results(way, data[way], data["separator"], data.get("calls_end", ""))


def _in_slot(slot: str) -> tuple[Part, ...]:
    head, tail = slot.split("{{content}}")
    return {"text": head + "["}, {"each": "{{ function|tojson }}", "join": ", "}, {"text": "]" + tail}


def tool_format(name: str) -> ToolFormat:
    """The tool format of that name; the cross-checks of the catalogue ensure that it exists."""
    return tool_formats()[name]


def tools_jinja(definition: ToolFormat) -> str:
    """Jinja that describes the list ``tools``, each in its OpenAI wrapping or bare.

    Its variables may include ``system`` or ``user``, the text that the description replaces, and ``first_mark``.
    """
    unwrap = (
        "{%- set function = item.function if item.function is defined else item -%}"
        "{%- set tool = {'type': 'function', 'function': function} -%}"
    )
    return portable(_compose(definition.tools, "tools", unwrap))


def calls_jinja(definition: ToolFormat) -> str:
    """Jinja that writes the list ``calls``, each with ``name`` and ``arguments``, in its OpenAI wrapping or bare.

    Arguments should be an object. Jinja cannot parse JSON, so formats that write JSON copy arguments that are JSON
    text, and other formats refuse them.
    """
    unwrap = (
        "{%- set call = item.function if item.function is defined else item -%}"
        "{%- set arguments_object = call.arguments or {} -%}"
        "{%- set arguments_json = arguments_object if arguments_object is string else arguments_object|tojson -%}"
    )
    if needs_ids(definition):
        unwrap += f"{{%- set call_id = item.id -%}}{id_demand(definition)}"
    if needs_objects(definition):
        refusal = jinja.literal(f"the tool format {definition.name} needs the arguments of a call as an object")
        unwrap += f"{{%- if arguments_object is string -%}}{{{{ raise_exception({refusal}) }}}}{{%- endif -%}}"
    many = _compose(definition.calls, "calls", unwrap)
    if not definition.parallel:
        refusal = jinja.literal(f"the tool format {definition.name} writes one call per turn")
        many = f"{{%- if calls|length > 1 -%}}{{{{ raise_exception({refusal}) }}}}{{%- endif -%}}" + many
    if definition.single is not None:
        one = _compose(definition.single, "calls", unwrap)
        many = f"{{%- if calls|length == 1 -%}}{one}{{%- else -%}}{many}{{%- endif -%}}"
    return portable(many)


def beside_jinja(definition: ToolFormat) -> tuple[str, str]:
    """Jinja that writes the ``text`` of a reply with calls, and Jinja that writes the separator; empty: nothing."""
    beside = definition.beside or Beside()
    return portable(beside.text.strip()), portable(beside.separator.strip())


def result_jinja(definition: ToolFormat) -> str:
    """Jinja that writes the result of one call; the module docstring lists its variables."""
    source = portable((definition.result or _ALL).strip())
    return id_demand(definition) + source if _CALL_ID in source else source


def answers_call(definition: ToolFormat) -> bool:
    """Whether results of the format name the call that they answer."""
    return not _OF_CALL.isdisjoint(names_in(definition.result or ""))


def needs_objects(definition: ToolFormat) -> bool:
    """Whether the format needs the arguments of a call as an object; Jinja cannot parse JSON text."""
    parts = (*definition.calls, *(definition.single or ()))
    return any("arguments_object" in part.get("each", "") for part in parts)


def needs_ids(definition: ToolFormat) -> bool:
    """Whether the format writes the ids of calls."""
    parts = (*definition.calls, *(definition.single or ()))
    return any(_CALL_ID in part.get("each", "") for part in parts) or _CALL_ID in (definition.result or "")


def id_demand(definition: ToolFormat) -> str:
    """Jinja that refuses a call without a ``call_id``."""
    refusal = jinja.literal(f"the tool format {definition.name} writes the id of a call, and this one has none")
    return f"{{%- if not {_CALL_ID} -%}}{{{{ raise_exception({refusal}) }}}}{{%- endif -%}}"


def needs_python(definition: ToolFormat) -> bool:
    """Whether the format writes arguments by Python's ``str``, which Jinja in other languages cannot do."""
    return any("arguments_object ~ ''" in part.get("each", "") for part in definition.calls)


def _compose(parts: Sequence[Part], items: str, prepare: str) -> str:
    out = []
    for part in parts:
        if "text" in part:
            out.append(jinja.text(part["text"]))
        elif "once" in part:
            out.append(part["once"].strip())
        elif "date" in part:
            out.append(f"{{{{ strftime_now({jinja.literal(part['date'])}) }}}}")
        else:
            join = part.get("join")
            between = f"{{{{ '' if loop.last else {jinja.literal(join)} }}}}" if join else ""
            out.append(f"{{%- for item in {items} -%}}{prepare}{part['each'].strip()}{between}{{%- endfor -%}}")
    return "".join(out)


def format_tools(
    definition: ToolFormat,
    tools: Sequence[Mapping[str, Any]],
    today: date,
    *,
    system: str | None = None,
    user: str = "",
    first_mark: str = "",
) -> str:
    """The description of the tools (bare functions); ``system`` or ``user`` is the text that it replaces.

    ``first_mark`` is the template's mark on thinking before everything else.

    Raises:
        Unsupported: a tool lacks what the format needs.
    """
    return _run(
        definition, tools_jinja(definition), today, tools=list(tools), system=system, user=user, first_mark=first_mark
    )


def format_calls(definition: ToolFormat, calls: Sequence[Call]) -> str:
    """The text of the calls of one turn.

    Raises:
        Unsupported: the format writes one call per turn, and there are more.
    """
    return _run(definition, calls_jinja(definition), date.min, calls=[asdict(call) for call in calls])


def format_beside(definition: ToolFormat, text: str) -> str:
    """The text of a reply with calls, as the format writes it."""
    return _run(definition, beside_jinja(definition)[0], date.min, text=text)


def format_separator(definition: ToolFormat, text: str) -> str:
    """The separator between the text of a reply and its calls."""
    return _run(definition, beside_jinja(definition)[1], date.min, text=text)


def format_result(definition: ToolFormat, text: str, result: Result, calls: Sequence[Call], place: int) -> str:
    """The ``text`` of a result as the format writes it.

    ``calls`` are those of the turn before; ``place`` is the number of the result in its turn, from 0.

    Raises:
        Unsupported: the format names the call, and the result answers none.
    """
    seen: dict[str, Any] = {"text": text, "name": result.name or ""}
    if answers_call(definition):
        same = [index for index, call in enumerate(calls) if result.call_id and call.id == result.call_id]
        index = same[0] if len(same) == 1 else place
        if index >= len(calls):
            raise Unsupported("a tool result must answer a call, which the format names")
        seen.update(call=asdict(calls[index]), call_id=calls[index].id, index=index)
    return _run(definition, result_jinja(definition), date.min, **seen)


def unnamed_observation(template: Template) -> Slot:
    """The slot of a tool result without the name of its function, for targets that do not know names."""
    definition = format_of(template)
    if definition is None or definition.result is None or answers_call(definition):
        return template.slots.observation
    mark = "{{content}}"
    before, after = format_result(definition, mark, Result(()), (), 0).split(mark)
    head, tail = split_content(template.slots.observation)
    inner = (SlotPart("text", before), CONTENT, SlotPart("text", after))
    return join_slots(head, inner, tail)


@cache
def _compiled(source: str) -> jinja.Template:
    """The compiled Jinja of a tool format; there are few."""
    return jinja.compile_template(source)


def _run(definition: ToolFormat, source: str, today: date, **variables: Any) -> str:
    try:
        if definition.own:
            return _run_bounded(source, _day(today), json.dumps(variables))
        return _compiled(source).render(strftime_now=today.strftime, **variables)
    except Exception as error:  # a fragment can raise any Python exception
        raise Unsupported(f"the tool format cannot write this: {error}") from error


def _day(today: date) -> date | None:
    """The date, or None if dates are written as their format."""
    from .sandbox import Marked

    return None if isinstance(today, Marked) else today


@cache
def _run_bounded(source: str, today: date | None, variables: str) -> str:
    from .sandbox import Refused, TemplateFailed

    process = os.getpid()
    workshop = _workshop(process)
    if source in _over:
        raise TemplateFailed(_over[source])
    if _slow[process] > _TOGETHER:
        raise TemplateFailed(f"the slow fragments of all specs together take more than {_TOGETHER} seconds")
    before = workshop.took
    try:
        found = workshop.render(source, [json.loads(variables)], today)[0]
    except TemplateFailed as reason:  # remembered, so that the time is not spent twice
        _over[source] = str(reason)
        raise
    finally:
        if (took := workshop.took - before) > _SLOW:
            _slow[process] += took
    if isinstance(found, Refused):
        raise jinja.TemplateError(found.reason)
    return found


_SLOW, _TOGETHER = 0.05, 60  # seconds of processor time: from where a text is slow; all slow texts of a process
_slow: dict[int, float] = defaultdict(float)  # by process id: a forked process starts from zero
_over: dict[str, str] = {}  # Jinja that exceeded a limit -> the reason


@cache
def _workshop(process: int) -> Workshop:
    """The sandbox of a process; a forked process must not share it."""
    from .sandbox import Workshop

    workshop = Workshop()
    atexit.register(workshop.close)
    return workshop
