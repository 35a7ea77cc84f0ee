"""Write the head of a prompt: prefix, system text with tools and the mark on thinking; select the last round."""

from __future__ import annotations

from ...catalogue.model import Pair, SystemMark
from ...meaning.jinja import literal
from .content import numbered, write_content
from .tools import write_description, write_without_nulls
from .writer import JinjaWriter


def write_system(out: JinjaWriter) -> None:
    """Write everything before the first turn, and set ``turns`` to the remaining messages."""
    template, slots = out.template, out.slots
    if out.tools:
        write_without_nulls(out)
    mark = out.thinking.system_mark if out.thinking else None
    first = bool(mark and mark.place == "first")
    by_tools = out.tools is not None and out.tools.writes_mark
    if by_tools:
        out.statement(f"set first_mark = {'mark' if first else literal('')}")
    if first:
        with out.block("if not tools" if by_tools else ""):
            out.statement("print mark")
    out.print_slot(slots.prefix)
    if template.system_placement == "first_user_head":
        out.statement("set state.fused = none")
    out.write("""
        set turns = messages
        set system = none
    """)
    with out.block("if messages and messages[0].role in ['system', 'developer']"):
        write_content(out, "messages[0]", "system")
        out.statement("set turns = messages[1:]")
    if template.single_turn or template.system_placement == "last_user" or out.plan.dropped:
        # whether this is a prompt; llama.cpp and others also request prompts without their end
        out.statement("set asks = add_generation_prompt or not turns or turns[-1].role != 'assistant'")
    with out.block("if not system" if template.empty_system == "default" else "if system is none"):
        _set_default(out)
    if template.empty_system == "omit":
        out.write("""
            elif not system
                set system = none
        """)
    if template.pair:
        _write_pair(out, template.pair)
    content = write_description(out)
    there = "if system is not none or described"
    if mark and not first:
        _add_mark(out, mark, content)
        there, content = "if system is not none", "system"
    with out.block(there):
        _write_placed(out, content)
    if slots.no_system is not None:
        with out.block("else"):
            if template.system_placement == "last_user":
                out.statement(f"set state.fused = {out.expression(slots.no_system)}")
            else:
                out.print_slot(slots.no_system)
    if template.single_turn:
        _leave_last_round(out)


def _set_default(out: JinjaWriter) -> None:
    default = out.template.default_system
    out.statement(f"set system = {'none' if default is None else out.expression(default)}")


def _write_placed(out: JinjaWriter, content: str) -> None:
    """Write the system turn, or set ``state.fused`` to the text that goes into a user turn."""
    placement = out.template.system_placement
    if placement == "none":
        out.statement("refuse this template has no place for a system text")
    elif placement == "turn":
        _write_turn(out, content)
    else:
        if placement == "last_user":
            out.write("""
                set asked = turns[-1] if asks else turns[-2]
                unless asked and asked.role == 'user'
                    refuse the system text needs a last user message
            """)
        else:
            out.write("""
                unless turns and turns[0].role == 'user'
                    refuse the system text needs a first user message
            """)
        _write_turn(out, content, "state.fused")


def _write_turn(out: JinjaWriter, content: str, name: str = "") -> None:
    """Write the system turn, or set ``name`` to it; with tools it may be another slot."""
    slots = [("", out.slots.system)]
    if out.tools and out.slots.system_with_tools is not None:
        slots.insert(0, ("tools", out.slots.system_with_tools))
    for slot in out.branches(slots):
        if name:
            out.statement(f"set {name} = {out.expression(slot, content)}")
        else:
            out.print_slot(slot, content)


def _add_mark(out: JinjaWriter, mark: SystemMark, content: str) -> None:
    """Set ``system`` to the whole system text, including the mark on thinking."""
    absent = [f"{literal(text)} not in (system or '')" for text in mark.unless]
    around = f" ~ {literal(mark.separator)} ~ "
    joined = around.join(("mark", "system") if mark.place == "before" else ("system", "mark"))
    out.write(f"""
        if system is not none or described
            set system = {content}
        if {" and ".join(["mark", *absent])}
            set system = ({joined}) if system else mark
    """)


def _write_pair(out: JinjaWriter, pair: Pair) -> None:
    """Make one user message of the query and the document."""
    for kind in numbered(out):  # the system text was already counted
        out.statement(f"set state.{kind} = 0")
    out.statement("set instruction = none")
    with out.block("if turns|length != messages|length"):
        write_content(out, "messages[0]", "instruction")
    out.write("""
        unless turns|length > 1 and turns[0].role == 'user' and turns[1].role == 'assistant' and not turns[1].tool_calls
            refuse the format wants a query and a document, the texts of a user and an assistant message
    """)
    write_content(out, "turns[0]", "query")
    write_content(out, "turns[1]", "document")
    if out.thinking:
        before, after = map(literal, out.thinking.words)
        out.write(f"""
            set thought = turns[1].reasoning_content or turns[1].reasoning or ''
            if thought
                set document = {before} ~ thought ~ {after} ~ document
        """)
    values = {
        "query": "query",
        "document": "document",
        "instruction": f"({literal(pair.instruction)} if instruction is none else instruction)",
    }
    texts = [values[part.value] if part.kind == "field" else literal(part.value) for part in pair.text]
    out.statement(f"set turns = [{{'role': 'user', 'content': {' ~ '.join(texts)}}}]")
    if out.tools and out.tools.place == "system":
        out.statement("set messages = turns")  # no system message remains; tools must not replace it
    _set_default(out)


def _leave_last_round(out: JinjaWriter) -> None:
    """Set ``turns`` to the last round of the conversation."""
    out.write("""
        for message in turns if message.role == 'tool'
            refuse this template has a single turn, and no place for tool results
        for message in turns
            unless message.role == ('assistant' if loop.index0 % 2 else 'user')
                refuse the roles user and assistant must take turns, the user first
    """)
    if out.tools and out.tools.place == "user":
        out.statement("set offered = turns|length == (1 if asks else 2)")
    out.statement("set turns = turns[-1:] if asks else turns[-2:]")
