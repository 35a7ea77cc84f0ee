"""Write replies by their plan, and the end of the prompt."""

from __future__ import annotations

from ...catalogue.model import Thinking, Trim
from ...catalogue.slots import split_content
from ...meaning.conditions import Name, settle
from ...meaning.reply import Dropped
from ...meaning.tool_formats import ToolFormat, beside_jinja, needs_objects
from ..go_template import Go, Text, compile_jinja, keep_text, write_calls
from ..go_text import Action, Pieces, Thought, go_literal
from .writer import CALLS, OllamaWriter, go_condition

_PROMPT: dict[Name, bool] = {  # facts of every request to Ollama
    "asks": True,
    "opens": True,
    "preserves": False,
    "tools": False,
    "before_results": True,
    "before_last_user": True,
}


def write_reply(out: OllamaWriter) -> None:
    """Write a reply."""
    slots, trims = out.slots, out.template.trim["assistant"]
    if out.tools:
        out.statement("$calls := .ToolCalls")  # Ollama searches for the first condition on the field itself
    else:
        with out.block("if .ToolCalls"):
            out.refuse("this template takes no tool calls")
    facts: dict[Name, str] = {
        "alone": "and $calls (not .Content) (not .Thinking)",
        "after_results": 'eq $before "tool"',
    }
    out.choose_slot(out.plan.opener, facts)
    head, tail = map(out.fill, split_content(slots.body))
    calls_head, calls_tail = map(out.fill, split_content(slots.function))
    ends_alike = out.tools is None or calls_tail == tail
    if out.tools and calls_head != head:
        out.choose([("$calls", calls_head), ("", head)])
    else:
        out.put(head)
    if (kept := _kept(out)) and out.thinking and out.plan.dropped:
        with out.block(f"if {kept}"):
            out.put([*_thought(out.thinking), out.trimmed(".Content", trims)])
        with out.block("else"):
            _write_without_thought(out, out.thinking, out.plan.dropped)
    else:
        out.put(_thought(out.thinking))
        _write_text(out, trims)
    if out.tools:
        with out.block(CALLS):
            if needs_objects(out.tools):
                out.put([Action('""')])  # else Ollama waits for calls that it cannot parse, and the reply is lost
            write_calls(out.tools, out, "$calls")
            if not ends_alike:
                out.choose([("not $last", calls_tail)])
    with out.block("" if ends_alike else "else"):
        out.choose([("not $last", tail)])


def _kept(out: OllamaWriter) -> str | None:
    """A Go condition: the reply keeps its thought. None if every reply does."""
    left = settle(out.plan.dropped.when if out.plan.dropped else False, _PROMPT)
    if isinstance(left, bool):
        return None
    return go_condition(left, {"replied": "$last", "thinks": out.thinks_not}, opposite=True)


def _thought(thinking: Thinking | None) -> Pieces:
    thought = Thought(".Thinking", thinking.words) if thinking else None
    return [thought] if thought and thought.is_found else []  # else it is refused


def _write_without_thought(out: OllamaWriter, thinking: Thinking, dropped: Dropped) -> None:
    """Write the text of an earlier reply without its thoughts, both separate ones and those inside the text."""
    start, end = dropped.words
    rest = end.partition(end.strip())[2] if dropped.way == "to_last_end" else ""
    around = out.tools if out.tools and out.tools.beside else None
    out.statement("$text := .Content")
    out.trim("$text", out.template.trim["assistant"])
    if around:
        _write_around_calls(out, around, thinking)
    elif rest:
        out.write(f"""
            if .Thinking
                $text = printf "%s%s" {go_literal(rest)} $text
        """)
    if dropped.way == "between":
        out.remove_between("$text", (start, end))
    else:
        out.keep_after_last("$text", end.strip())
    out.trim("$text", dropped.trim)
    emptied = "and $calls (not $text) (or .Content .Thinking)"
    fronts = dropped.front if out.tools else dropped.front[-1:]
    out.choose([("" if when is True else emptied, [text]) for when, text in fronts])
    out.put([Action("$text")])
    if around:
        with out.block("if not (or .Content .Thinking)"):
            out.trim("$between", dropped.trim)
        out.put([Action("$between")])


def _write_around_calls(out: OllamaWriter, tools: ToolFormat, thinking: Thinking) -> None:
    """Set ``$text`` to the text of a reply with calls, including its thought, and ``$between`` to the separator."""
    text, separator = beside_jinja(tools)
    before, after = map(go_literal, thinking.words)
    out.write(f"""
        $between := ""
        if .Thinking
            $text = printf "%s%s%s%s" {before} .Thinking {after} $text
    """)
    with out.block("if $calls"):
        keep_text(text, out, "$text")
        if separator:
            keep_text(separator, out, "$between", of="$text")


def _write_text(out: OllamaWriter, how: Trim) -> None:
    """Write the text of a reply, and the separator before its calls."""
    around = out.tools is not None and out.tools.beside is not None
    if out.tools and around:
        text, separator = beside_jinja(out.tools)
        with out.block("if $calls"):
            out.statement("$text := .Content")
            if how == "both":
                out.trim("$text")
            keep_text(text, out, "$text")
            out.put([Action("$text")])
            compile_jinja(separator, out, {"text": Go("$text", Text())})
    with out.block("else" if around else ""):
        out.put([out.trimmed(".Content", how)])


def write_prompt_end(out: OllamaWriter) -> None:
    """Write the end of the prompt; a request that does not set thinking has the default mode."""
    thinking = out.thinking
    if not out.fill(out.slots.generation) and not (thinking and (thinking.when_on or thinking.when_off)):
        return
    with out.block('if ne $role "assistant"'):
        out.choose_slot(out.plan.generation, {"after_results": 'eq $role "tool"'})
        if thinking:
            on, off = ([text] if text else [] for text in (thinking.when_on, thinking.when_off))
            out.choose([(out.thinks_not, off), ("", on)] if thinking.default else [("$.Think", on), ("", off)])
