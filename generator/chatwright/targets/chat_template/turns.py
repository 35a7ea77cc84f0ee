"""Write the turns of a conversation, except the replies."""

from __future__ import annotations

from ...catalogue.slots import split_content
from ...meaning.jinja import literal
from . import replies
from .content import write_content
from .learned import write_owed_end
from .tools import describe_in_user, write_result
from .writer import JinjaWriter, trimmed


def look_ahead(out: JinjaWriter) -> None:
    """Compute facts about later messages that earlier turns need: the last message's end, and the last replies."""
    end, thinking = out.template.last_message_end, out.thinking
    if end is not None:  # whether a message already contains this end
        out.statement("set state.ended = false")
        with out.block("for message in turns"):
            write_content(out, "message", ahead=True)
            out.write(f"""
                if {literal(end)} in text
                    set state.ended = true
            """)
    if thinking and thinking.empty_in == "last":
        out.statement("set state.last_reply = -1")
        with out.block("for message in turns"), out.block("if message.role == 'assistant'"):
            write_content(out, "message", ahead=True)
            out.write("""
                if not (message.tool_calls and (text or message.reasoning_content or message.reasoning))
                    set state.last_reply = loop.index0
            """)
    if thinking and thinking.kept_in_chain:
        out.write("""
            set state.asked_last = -1
            for message in turns
                if message.role == 'user'
                    set state.asked_last = loop.index0
        """)
    if thinking and thinking.kept_from_results:
        out.write("""
            set state.answered = turns|length
            for message in turns
                if message.role == 'tool' and loop.index0 <= state.answered
                    set state.answered = loop.index0 - 1
        """)


def write_message(out: JinjaWriter) -> None:
    """Write one turn, by its role."""
    template, later = out.template, "later_system" in out.template.turns
    write_content(out, "message")
    if template.last_message_end is not None:
        out.write(f"""
            if loop.last and not state.ended
                set text = text ~ {literal(template.last_message_end)}
                if message.tool_calls
                    refuse the mark behind the last message has no place behind calls of tools
        """)
    with out.block("if message.role == 'user'"):
        _write_user(out)
    with out.block("elif message.role == 'tool'"):
        _write_observation(out)
    with out.block("elif message.role == 'assistant'"):
        more = {"first_reply": "", "replies": "assistant"}
        allowed = ["user", "tool", *(role for word, role in more.items() if word in template.turns)]
        out.write(f"""
            unless state.previous in {allowed}
                refuse the roles user and assistant must take turns, the user first
        """)
        replies.write_reply(out)
    if later:
        with out.block("elif message.role in ['system', 'developer']"):
            _write_later_system(out)
    others = "other roles than system, user, assistant and tool are unknown"
    out.write(f"""
        else
            refuse {others if later else "a system message must come first, and other roles are unknown"}
    """)
    with out.block("if message.role in ['user', 'assistant', 'tool']" if later else ""):
        out.statement("set state.previous = message.role")


def _write_user(out: JinjaWriter) -> None:
    template, slot = out.template, out.slots.user
    allowed = ["", "assistant", *(["user"] if "users" in template.turns else [])]
    out.write(f"""
        unless state.previous in {allowed}
            refuse the roles user and assistant must take turns
        set state.round = state.round + 1
    """)
    content = trimmed("text", template.trim["user"])
    if out.tools and out.tools.place == "user":
        describe_in_user(out, out.tools, content)
        content = "text"
    if template.system_placement == "first_user_head":
        with out.block("if state.fused is none"):
            before, after = split_content(write_owed_end(out, slot))
            out.print_slot(before)
        with out.block("else"):
            out.write("""
                print state.fused
                set state.fused = none
            """)
        out.statement(f"print {content}")
        out.print_slot(after)
        return
    if template.system_placement == "first_user":
        content = f"state.fused ~ {content}"
    elif template.system_placement == "last_user":
        last = "loop.last if asks else loop.index0 == turns|length - 2"
        content = f"(state.fused if ({last}) else '') ~ {content}"
    out.print_slot(write_owed_end(out, slot), content)
    if template.system_placement == "first_user":
        out.statement("set state.fused = ''")


def _write_observation(out: JinjaWriter) -> None:
    template = out.template
    before, after = split_content(out.slots.observation)
    out.write(f"""
        if state.previous == 'tool'
            print {literal(template.result_separator)}
    """)
    with out.block("else"):
        out.write("""
            unless state.previous in ['', 'assistant']
                refuse a tool message must follow an assistant's
            set state.round = state.round + 1
        """)
        out.print_slot(write_owed_end(out, before))
    content = trimmed("text", template.trim["observation"])
    if out.tools and out.tools.result:
        write_result(out, out.tools, content)
        content = "text"
    out.statement(f"print {content}")
    with out.block("if loop.last or turns[loop.index0 + 1].role != 'tool'"):
        out.print_slot(after)


def _write_later_system(out: JinjaWriter) -> None:
    """Write a later system message as its own turn; it does not count in the order of roles."""
    out.write("""
        unless loop.last or turns[loop.index0 + 1].role != 'tool'
            refuse no system message may stand in front of a tool message
    """)
    out.print_slot(write_owed_end(out, out.slots.system), trimmed("text", out.template.trim["system"]))
