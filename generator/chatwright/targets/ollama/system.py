"""Write the system turn, with the description of the tools and the mark on thinking."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ...catalogue.model import Slot, SystemMark
from ...catalogue.slots import split_content
from ...meaning.thoughts import trim
from ..go_template import Constant, Go, Text, Value, write_tools
from ..go_text import Action, Block, GoWriter, Piece, Pieces, go_literal
from ..literal import without_bos
from .writer import GIVEN, OllamaWriter

_TOOLS = "tools"  # the name of the Go template that describes the tools
Case = tuple[str, Pieces]


def define_tools(out: OllamaWriter) -> None:
    """Define the Go template that describes the tools; it writes nothing if there are none."""
    if out.tools and out.tools.place == "behind_system":
        description = GoWriter()
        with description.block(f"define {go_literal(_TOOLS)}"), description.block("if .Tools"):
            write_tools(out.tools, description, "$.Tools")
        out.define(description)


def find_system(out: OllamaWriter) -> None:
    """Set ``$given`` if there is a system message, in formats where an empty one differs from none.

    ``.System`` is empty in both cases.
    """
    template = out.template
    matters = template.empty_system == "omit" and template.default_system is not None
    matters |= out.tools is not None and out.tools.place == "system"
    if template.empty_system == "keep" or matters:
        out.write("""
            $given := false
            range .Messages
                if eq .Role "system"
                    $given = true
        """)


def write_system(out: OllamaWriter, *, fused: bool = False, instead: Slot = ()) -> None:
    """Write the system turn or, with ``fused``, the system text before the first user message.

    ``instead`` is written if the conversation has no system text.
    """
    mark = out.mark
    if mark is None or mark.place == "first":
        _write_unmarked(out, fused=fused, instead=instead)
        return
    for text in out.modes(mark):
        if text:
            _write_marked(out, mark, text, fused=fused)
        else:
            _write_unmarked(out, fused=fused, instead=instead)


def _described(out: OllamaWriter) -> bool:
    """Whether tools are described in the system text."""
    return out.tools is not None and out.tools.place != "user"


def _with_tools(out: OllamaWriter, text: Pieces, system: Value) -> list[Piece]:
    """The system text with the description of the tools; ``system`` is the same text as a value for the description."""
    tools = out.tools
    if tools is None or tools.place == "user":
        return [*text]
    if tools.place == "behind_system":
        return [*text, Action(f"template {go_literal(_TOOLS)} $")]

    def write() -> None:
        with out.block("if $.Tools"):
            seen = system
            if system == GIVEN and out.template.trim["system"] == "both":
                out.statement("$system := $.System")
                out.trim("$system")
                seen = Go("$system", Text())
            write_tools(tools, out, "$.Tools", system=seen)
        with out.block("else"):
            out.put(text)

    return [Block(write)]


def _only_tools(out: OllamaWriter, fill: Callable[[Pieces], Pieces]) -> list[Case]:
    """The cases with tools but without system text."""
    cases: list[Case] = []
    if out.tools and out.tools.place == "system":
        cases.append(("and $given $.Tools", fill(_with_tools(out, (), Constant("")))))
    return [*cases, ("$.Tools", fill(_with_tools(out, (), Constant(None))))] if _described(out) else []


def _slot(out: OllamaWriter, slot: Slot, *, fused: bool) -> Slot:
    """The slot without a BOS at the beginning of the prompt."""
    follows = fused and out.template.system_placement == "first_user"
    begins = not out.slots.prefix and not (follows and split_content(out.slots.user)[0])
    return without_bos(slot, out.bos) if begins else slot


def _write_marked(out: OllamaWriter, mark: SystemMark, text: str, *, fused: bool) -> None:
    """Write the system text with a mark on thinking; the mark is always written."""
    template = out.template
    if not fused and template.system_placement != "turn":
        return
    slot, default = _slot(out, out.slots.system, fused=fused), template.default_system
    before = mark.place == "before"

    def around(content: Pieces) -> list[Piece]:
        own = text + mark.separator if before else mark.separator + text
        return out.fill(slot, [own, *content] if before else [*content, own])

    alone = out.fill(slot, [text])
    cases: list[Case] = [("$.System", around(_with_tools(out, [Action("$.System")], GIVEN)))]
    if default and template.empty_system != "default":
        if _described(out):
            cases.append(("and $given $.Tools", around(_with_tools(out, (), Constant("")))))
        cases.append(("$given", alone))
    if default:
        seen = Constant("".join(part.value for part in default))
        cases.append(("", around(_with_tools(out, out.fill(default), seen))))
    else:
        cases += [*_only_tools(out, around), ("", alone)]
    out.choose(cases)


def _write_unmarked(out: OllamaWriter, *, fused: bool, instead: Slot) -> None:
    template, slots = out.template, out.slots
    turn = fused or template.system_placement == "turn"
    given = "$given" if template.empty_system == "keep" else "$.System"
    if template.system_placement == "none":
        with out.block(f"if {f'or {given} $.Tools' if _described(out) else given}"):
            out.refuse("this template has no place for a system text")
    slot = _slot(out, slots.system, fused=fused)

    def around(text: Sequence[Piece], seen: Value) -> list[Piece]:
        return out.fill(slot, _with_tools(out, text, seen)) if turn else []

    cases: list[Case] = [(given, around([out.trimmed("$.System", template.trim["system"])], GIVEN))]
    empty = out.fill(instead if fused else _slot(out, slots.no_system or (), fused=fused))
    if template.default_system is not None:
        default = _default(out, template.default_system)
        seen = Constant("".join(piece for piece in default if isinstance(piece, str)))
        if template.empty_system != "omit":
            out.choose([*cases, ("", around(default, seen))])
            return
        cases.append(("not $given", around(default, seen)))
    if turn:
        cases += _only_tools(out, lambda content: out.fill(slot, content))
    out.choose([*cases, ("", empty)])


def _default(out: OllamaWriter, default: Slot) -> list[Piece]:
    how = out.template.trim["system"]
    if all(part.kind == "text" for part in default):
        return [trim("".join(part.value for part in default), how)]
    if how != "none":
        out.refusals.reasons.append(
            "default_system, trim.system: a default system text with today's date in it cannot be trimmed"
        )
    return out.fill(default)
