"""Write tools: their description, the text of a reply with calls, and the results of calls."""

from __future__ import annotations

from itertools import combinations

from ...meaning.jinja import literal
from ...meaning.tool_formats import (
    Beside,
    ToolFormat,
    answers_call,
    beside_jinja,
    needs_ids,
    result_jinja,
    tools_jinja,
)
from .writer import JinjaWriter, trimmed

_ORDERS = (  # orders of a function's fields in requests of vLLM and SGLang
    ("name", "description", "parameters", "strict"),
    ("description", "name", "parameters", "strict"),
)


def set_by_fragment(out: JinjaWriter, name: str, fragment: str) -> None:
    """Set a variable to the output of a fragment of a tool format."""
    with out.block(f"set {name}"):
        out.line(fragment)


def write_without_nulls(out: JinjaWriter) -> None:
    """Remove null fields from each tool: servers pass them on, but models were not trained with them.

    Jinja cannot remove a key from an object, so a function with a null is rebuilt, with its fields in the order of
    vLLM or SGLang; any other order is refused.
    """
    kept = {
        fields: None
        for order in _ORDERS
        for count in range(1, len(order) + 1)
        for fields in combinations(order, count)
        if "name" in fields
    }
    with out.block("if tools"):
        out.statement("set given = namespace(tools=[])")
        with out.block("for item in tools"):
            out.write("""
                set function = item.function if item.function is defined else item
                unless function is mapping and function.name is string
                    refuse a tool has no function with a name
                set fields = namespace(null=false, kept='')
                for key, value in function|items
                    if value is none
                        set fields.null = true
                    else
                        set fields.kept = fields.kept ~ ' ' ~ key
                if not fields.null
                    set given.tools = given.tools + [function]
            """)
            for fields in kept:
                pairs = ", ".join(f"'{field}': function.{field}" for field in fields)
                out.write(f"""
                    elif fields.kept == {literal("".join(f" {field}" for field in fields))}
                        set given.tools = given.tools + [{{{pairs}}}]
                """)
            refused = "'a tool with a null field has these in an order that no server gives:' ~ fields.kept"
            out.write(f"""
                else
                    print raise_exception({refused})
            """)
        out.statement("set tools = given.tools")


def write_description(out: JinjaWriter) -> str:
    """Set ``described`` to the description of the tools, and return the whole system text as an expression."""
    tools, system = out.tools, trimmed("(system or '')", out.template.trim["system"])
    out.statement("set described = ''")
    with out.block("if tools"):
        if tools is None:
            out.statement(f"refuse the template {out.template.name} has no tool format")
        elif tools.place == "user":
            out.write("""
                unless turns and turns[0].role == 'user'
                    refuse the tools are described in the first user message, which is needed
            """)
        else:
            if tools.place == "system":
                out.write(f"""
                    if system is not none or turns|length != messages|length
                        set system = {system}
                """)
            set_by_fragment(out, "described", tools_jinja(tools))
    if tools and tools.place == "system":
        return f"(described if tools else {system})"
    return f"{system} ~ described"


def describe_in_user(out: JinjaWriter, tools: ToolFormat, content: str) -> None:
    """Set ``text`` to the text of a user message; the first one includes the description of the tools."""
    out.statement(f"set text = {content}")
    with out.block(f"if tools and loop.first{' and offered' if out.template.single_turn else ''}"):
        out.statement("set user = text")
        set_by_fragment(out, "text", tools_jinja(tools))


def write_beside(out: JinjaWriter) -> None:
    """Set ``text`` to the text of a reply with calls, and ``separator`` to the text between it and the calls."""
    if not out.tools or not out.tools.beside:
        return
    text, separator = beside_jinja(out.tools)
    with out.block("if message.tool_calls"):
        if text != Beside.text:
            set_by_fragment(out, "text", text)
        if separator:
            set_by_fragment(out, "separator", separator)


def write_result(out: JinjaWriter, tools: ToolFormat, content: str) -> None:
    """Set ``text`` to the result as the format writes it."""
    if answers_call(tools):
        _find_call(out, tools)
    out.write(f"""
        set name = message.name or ''
        set text = {content}
    """)
    set_by_fragment(out, "text", result_jinja(tools))


def _find_call(out: JinjaWriter, tools: ToolFormat) -> None:
    """Set ``call`` and ``index`` to the call that a result answers: found by its id, else by its position."""
    out.write("""
        set state.answers = 0
        for call in state.calls
            if message.tool_call_id and call.id == message.tool_call_id
                set state.answers = state.answers + 1
                set state.answered = loop.index0
        set index = state.answered if state.answers == 1 else state.index
        set state.index = state.index + 1
        unless index < state.calls|length
            refuse a tool result must answer a call, which the format names
        set call = state.calls[index]
    """)
    if needs_ids(tools):
        out.statement("set call_id = call.id")
    out.write("""
        if call.function is defined
            set call = call.function
    """)
