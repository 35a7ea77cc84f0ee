"""Write the TEMPLATE of a Modelfile: the order of its parts, and all turns except replies."""

from __future__ import annotations

from ...catalogue.model import Spec, Template
from ...catalogue.slots import split_content
from ...errors import Refusals
from ..go_template import Go, Text, write_tools
from ..literal import begins_with_bos, without_bos
from .refusals import refusals
from .replies import write_prompt_end, write_reply
from .system import define_tools, find_system, write_system
from .writer import OllamaWriter


def go_template(spec: Spec, template: Template) -> str:
    """The TEMPLATE, equal in meaning to :func:`chatwright.meaning.render.render` without BOS.

    Raises:
        Unsupported: a Go template cannot express the template; the message says why.
    """
    return write_template(OllamaWriter(spec, template))


def write_template(out: OllamaWriter) -> str:
    """Write the whole template; all reasons are collected before the error is raised.

    Raises:
        Unsupported: a Go template cannot express the template; carries every reason.
    """
    out.refusals = Refusals(refusals(out.template))
    with out.refusals.collect():
        _write(out)
    out.refusals.check()
    return out.source()


def _write(out: OllamaWriter) -> None:
    template = out.template
    out.write_trimmers()
    define_tools(out)
    find_system(out)
    if out.mark and out.mark.place == "first":
        for text in out.modes(out.mark):
            out.put([text])
    out.put_slot(without_bos(out.slots.prefix, out.bos))
    write_system(out)
    if template.system_placement in ("first_user", "first_user_head"):
        out.statement("$first := true")
    if out.tools and out.tools.place == "user":
        out.statement("$described := false")
    if out.counts_rounds:
        out.statement('$rounds := ""')
    out.statement('$role := ""')
    with out.block("range $i, $_ := .Messages"):
        if out.tools:
            out.statement("$before := $role")
        out.write("""
            $role = .Role
            $last := eq (len (slice $.Messages $i)) 1
        """)
        with out.block(_if_in_last_round(out)):
            _write_message(out)
    write_prompt_end(out)


def _if_in_last_round(out: OllamaWriter) -> str:
    """The condition that selects the last user message and a reply to it; empty if all messages are written."""
    if not out.template.single_turn:
        return ""
    with out.block('if eq .Role "tool"'):
        out.refuse("this template has a single turn, and no place for tool results")
    next_role = "(index (slice $.Messages $i) 1).Role"
    out.statement(f'$continued := and (eq (len (slice $.Messages $i)) 2) (eq {next_role} "assistant")')
    return "if or $last $continued"


def _write_message(out: OllamaWriter) -> None:
    takes_results = out.tools is not None and not out.template.single_turn
    with out.block('if eq .Role "user"'):
        _write_user(out)
    with out.block('else if eq .Role "assistant"'):
        write_reply(out)
    if takes_results:
        with out.block('else if eq .Role "tool"'):
            _write_observation(out)
    with out.block('else if ne .Role "system"'):
        roles = "system, user, tool and assistant" if takes_results else "system, user and assistant"
        out.refuse(f"this template takes {roles} messages only")


def _write_user(out: OllamaWriter) -> None:
    placement = out.template.system_placement
    before, after = split_content(out.slots.user)
    if begins_with_bos(before, out.bos) and not out.slots.prefix:
        _write_bos_of_later_turns(out)
        before = without_bos(before, out.bos)
    if placement == "first_user_head":
        with out.block("if $first"):
            write_system(out, fused=True, instead=before)
            out.statement("$first = false")
    with out.block("else" if placement == "first_user_head" else ""):
        out.put_slot(before)
    if placement == "first_user":
        with out.block("if $first"):
            write_system(out, fused=True)
            out.statement("$first = false")
    _write_asked(out)
    out.put_slot(after)
    _count_round(out)


def _count_round(out: OllamaWriter) -> None:
    if out.counts_rounds:
        out.statement('$rounds = printf "%s." $rounds')


def _write_asked(out: OllamaWriter) -> None:
    """Write the text of a user message; in some formats the first one includes the description of the tools."""
    how, describes = out.template.trim["user"], out.tools is not None and out.tools.place == "user"
    if out.tools and describes:
        with out.block("if and $.Tools (not $described)"):
            out.write("""
                $described = true
                $user := .Content
            """)
            if how == "both":
                out.trim("$user")
            write_tools(out.tools, out, "$.Tools", user=Go("$user", Text()))
    with out.block("else" if describes else ""):
        out.put([out.trimmed(".Content", how)])


def _write_bos_of_later_turns(out: OllamaWriter) -> None:
    """Write the BOS at the beginning of each user turn, except at the beginning of the prompt."""
    if out.template.system_placement != "first_user" or out.slots.no_system:
        out.refusals.reasons.append("slots.user: the user turn begins with BOS, and only sometimes begins the prompt")
        return
    with out.block("if not $first"):
        out.put([out.token("bos")])


def _write_observation(out: OllamaWriter) -> None:
    """Write a tool message; consecutive ones share a turn."""
    before, after = split_content(out.slots.observation)
    out.choose([('eq $before "tool"', [out.template.result_separator]), ("", out.fill(before))])
    out.put([out.trimmed(".Content", out.template.trim["observation"])])
    if not after and not out.counts_rounds:
        return
    out.write("""
        $next := ""
        if not $last
            $next = (index (slice $.Messages $i) 1).Role
    """)
    with out.block('if ne $next "tool"'):
        out.put_slot(after)
        _count_round(out)
