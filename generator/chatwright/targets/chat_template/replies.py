"""Write replies by their plan: openers, thoughts, calls and ends."""

from __future__ import annotations

from collections.abc import Mapping

from ...catalogue.model import Frame, Slot, Thinking
from ...catalogue.slots import CONTENT, split_content
from ...meaning.conditions import All, Cases, Fact, Name
from ...meaning.jinja import literal
from ...meaning.reply import Body, Dropped
from ...meaning.tool_formats import answers_call, beside_jinja, calls_jinja
from .learned import demand_end, learned, learned_end, write_owed_end
from .tools import write_beside
from .writer import JinjaWriter, condition, one_of, trimmed

_FACTS: Mapping[Name, str] = {
    "thinks": "thinks",
    "tools": "tools",
    "asks": "asks",
    "opens": "add_generation_prompt",
    "preserves": "preserve_thinking",
    "replied": "replied",
    "learned": "learned",
    "calls": "message.tool_calls",
    "alone": "alone",
    "text": "text",
    "drops": "drops",
    "after_user": "state.previous == 'user'",
    "after_results": "state.previous == 'tool'",
    "before_results": "loop.index0 < state.answered",
    "before_last_user": "loop.index0 < state.asked_last",
    "in_chain": "loop.index0 > state.asked_last",
    "last_alike": "loop.index0 == state.last_reply",
}


def write_opener(out: JinjaWriter, cases: Cases[Slot], *, follows_replies: bool = False) -> None:
    """Write the opener of a reply or of the generation prompt; after a reply it may begin with that reply's end."""
    (when, slot), *rest = cases
    if when is not True:
        with out.block(f"if {condition(when, _FACTS)}"):
            _begin(out, slot, follows_replies=follows_replies and when != Fact("after_results"))
        with out.block("else"):
            write_opener(out, tuple(rest), follows_replies=follows_replies)
    else:
        _begin(out, slot, follows_replies=follows_replies)


def _begin(out: JinjaWriter, slot: Slot, *, follows_replies: bool) -> None:
    if follows_replies:
        demand_end(out, slot)
        slot = write_owed_end(out, slot)
    out.print_slot(slot)


def write_reply(out: JinjaWriter) -> None:
    """Write a reply."""
    template, thinking, plan = out.template, out.thinking, out.plan
    if _asks_for_calls_alone(out):
        out.write("""
            set alone = message.tool_calls and not text
            if message.reasoning_content or message.reasoning
                set alone = false
        """)
    write_opener(out, plan.opener, follows_replies="replies" in template.turns)
    if out.tools and answers_call(out.tools):
        out.write("""
            set state.calls = message.tool_calls or []
            set state.index = 0
        """)
    if out.marks:
        when = "loop.last" if template.learns == "last" else "(loop.last or preserve_thinking)"
        out.statement(f"set learned = not add_generation_prompt and {when}")
        if thinking:
            out.statement("set front = ''")
    if plan.trims_first != "none":
        out.statement(f"set text = {trimmed('text', plan.trims_first)}")
    if thinking:
        _write_thought(out, thinking)
    write_beside(out)
    if thinking:
        out.statement("set replied = loop.last and not add_generation_prompt")
        if plan.dropped:
            _drop_thought(out, thinking, plan.dropped)
        _write_empty(out, thinking)
        if plan.before_calls:
            _write_before_calls(out)
    _write_said(out)


def _asks_for_calls_alone(out: JinjaWriter) -> bool:
    """Whether the output depends on whether a turn has calls only."""
    if out.slots.before_calls is not None or not out.plan.frames_calls:
        return True
    if not out.tools or not out.thinking or not out.plan.dropped:
        return False
    return bool(beside_jinja(out.tools)[1]) or out.thinking.dropped_before_calls is not None


def _write_thought(out: JinjaWriter, thinking: Thinking) -> None:
    """Write the thought of a reply before its text, in the words of the format."""
    before, after = map(literal, thinking.words)
    out.write(f"""
        set thought = message.reasoning_content or message.reasoning or ''
        if thought
            set text = {before} ~ thought ~ {after} ~ text
    """)
    if thinking.rewrite:
        start, end = (literal(word.strip()) for word in thinking.words)
        thought = f"(text.split({end})|first).split({start})|last|trim"
        out.write(f"""
            set text = {trimmed("text", out.template.trim["assistant"])}
            if {start} in text and {end} in text
                set rest = text.split({end})[1:]|join({end})
                set text = {before} ~ ({thought}) ~ {after} ~ {trimmed("rest", "leading_newlines")}
        """)
    if thinking.frame:
        with out.block("" if out.plan.frames_calls else "if not alone"):
            _write_frame(out, thinking.frame, thinking)


def _write_frame(out: JinjaWriter, frame: Frame, thinking: Thinking) -> None:
    """Write the frame around the parts of a reply into its text."""
    start, end = (word.strip() for word in thinking.words)
    front, between, after = map(literal, frame.thought)
    with out.block(f"if {literal(frame.unless)} not in text" if frame.unless else ""):
        if thinking.span == "between":
            with out.block(f"if text[:{len(start)}] == {literal(start)}"):
                rest = f"(piece[1:]|join({literal(end)}))"
                out.write(f"""
                    unless {literal(end)} in text[{len(start)}:]
                        refuse the thought of a reply does not end
                    set piece = text[{len(start)}:].split({literal(end)})
                    set text = {front} ~ piece[0] ~ {between} ~ {rest} ~ {after}
                """)
        else:
            out.write(f"""
                if {literal(end)} in text
                    if {front} not in text
                        set text = text.split({literal(start)})|join({front})
                    set text = (text.split({literal(end)})|join({between})) ~ {after}
            """)
        head, tail = map(literal, frame.plain)
        out.write(f"""
            else
                set text = {head} ~ text ~ {tail}
        """)


def _drop_thought(out: JinjaWriter, thinking: Thinking, dropped: Dropped) -> None:
    """Remove the thought of a reply if it is dropped."""
    when = condition(dropped.when, _FACTS)
    if thinking.empty_in != "learned":
        out.statement(f"set drops = {when}")
    with out.block(f"if {when}"):
        start, end = dropped.words
        rest = "text"
        if dropped.way == "answer":
            out.write(f"""
                set text = (text.split({literal(start)})|last).rstrip()
                if text[-{len(end)}:] == {literal(end)}
                    set text = text[:-{len(end)}]
            """)
        elif dropped.way == "between":
            rest = "without_thoughts(text)"
        else:
            rest = f"(text.split({literal(end.strip())})|last)"
        out.statement(f"set text = {trimmed(rest, dropped.trim)}")
        front = one_of(dropped.front, _FACTS)
        if front != literal(""):
            out.statement(f"set text = {f'({front})' if dropped.front[1:] else front} ~ text")
        if out.tools and beside_jinja(out.tools)[1] and dropped.trim != "none":
            out.write(f"""
                if alone
                    set separator = {trimmed("separator", dropped.trim)}
            """)


def _write_empty(out: JinjaWriter, thinking: Thinking) -> None:
    """Write an empty thought before a reply without a thought, if the format has one there."""
    empty = out.plan.empty
    assert empty is not None
    start, end = (word.strip() for word in thinking.words)
    absent = f"{literal(start)} not in text and {literal(end)} not in text"
    if thinking.empty_unless == "begins":
        begins = [word for word in (start, thinking.empty) if word]
        if thinking.empty.startswith(start):
            begins = begins[:1]
        absent = " and ".join(f"text[:{len(word)}] != {literal(word)}" for word in begins)
    with out.block(f"if {condition(empty.when, {**_FACTS, 'thoughtless': absent})}"):
        text = one_of(empty.text, _FACTS)
        if out.marks:
            with out.block(f"if {condition(empty.learned, _FACTS)}"):
                out.statement(f"set front = {text}")
        with out.block("else" if out.marks else ""):
            out.statement(f"print {text}")


def _write_before_calls(out: JinjaWriter) -> None:
    """Write the text before a learned turn with calls only."""
    text = out.plan.before_calls
    due = All((Fact("alone"), Fact("learned") if out.marks else out.plan.learned))
    with out.block(f"if {condition(due, _FACTS)}"):
        if out.marks:
            out.statement(f"set front = front ~ {literal(text)}")
        else:
            out.print_text(text)


def _write_said(out: JinjaWriter) -> None:
    """Write the text of a reply with its calls, and its end."""
    text, calls = out.plan.text, out.plan.calls
    apart = out.tools is not None and calls != text
    with out.block("if message.tool_calls"):
        if out.tools is None:
            out.statement(f"refuse the template {out.template.name} has no tool format")
        else:
            out.statement("set calls = message.tool_calls")
            with out.block("set text"):
                out.statement("print text")
                if beside_jinja(out.tools)[1]:
                    out.statement("print separator")
                out.line(calls_jinja(out.tools))
            if apart:
                _write_body(out, calls)
    with out.block("else" if apart else ""):
        _write_body(out, text)


def _write_body(out: JinjaWriter, body: Body) -> None:
    """Write a reply with the slot of earlier replies or of the last one."""
    is_cut = out.marks and body.cut
    if body.earlier == body.last and not is_cut:
        _write_whole(out, body.earlier)
        return
    # the last message of a prompt is part of the history
    with out.block(f"if loop.last{' and not add_generation_prompt' if 'last_reply' in out.template.turns else ''}"):
        _write_whole(out, body.last)
    with out.block("else"):
        if not is_cut:
            _write_whole(out, body.earlier)
            return
        end, rest = learned_end(out)
        _write_whole(out, (*split_content(body.earlier)[0], CONTENT, *end))
        out.print_slot(rest)
        out.statement("set state.owed = learned")


def _write_whole(out: JinjaWriter, slot: Slot) -> None:
    """Write a slot that is learned as a whole, with the learned text before it in the same mark.

    A mark may lose bytes at its end, so one mark is better than two.
    """
    with learned(out):
        if out.marks and out.thinking:
            out.statement("print front")
        out.print_slot(slot, "text")
