"""The portable Jinja chat template of a conversation format: for servers, and with marks for trainers.

Only portable Jinja is used (:mod:`chatwright.meaning.portable`). With ``add_generation_prompt`` a file renders the
inference prompt; without, the training text. Thoughts of earlier turns are kept if ``preserve_thinking`` is set.

With marks, learned text is written between ``{% generation %}`` and ``{% endgeneration %}``, transformers' own tags
(``utils/chat_template_utils.py`` of 5.6.0): every reply of a training text, or without ``preserve_thinking`` only the
last one. In training texts ``preserve_thinking`` is on by default, since frameworks train this way by default.
"""

from __future__ import annotations

from ...catalogue.jinja_fragments import cannot_compile
from ...catalogue.model import Template
from ...errors import Unsupported
from ...meaning.portable import not_portable
from ...meaning.tool_formats import answers_call
from . import content, replies, system, thinking, turns
from .writer import JinjaWriter


def chat_template(template: Template, *, marks: bool = False) -> str:
    """The template as one Jinja text, equal in meaning to :func:`chatwright.meaning.render.render`.

    With ``marks`` a training text marks what is learned.

    Raises:
        Unsupported: Jinja cannot express the template; the message says why.
    """
    text = _text(template, marks=marks)
    if template.tool_definition is not None:
        whole = _text(template, marks=False)
        if wrong := cannot_compile(whole):
            raise Unsupported(f"tool_format: the Jinja of the tool format cannot be compiled where it stands: {wrong}")
        if outside := not_portable(whole):
            raise Unsupported(f"tool_format: not every engine reads this Jinja alike: {'; '.join(outside)}")
    return text


def _text(template: Template, *, marks: bool) -> str:
    out = JinjaWriter(template, marks=marks)
    if out.tools and out.tools.place == "before_last_user":
        out.refuse(
            "tool_format: tools are described in front of the last user turn, and the file has no place for that"
        )
    if template.pair and marks:
        out.refuse("pair: the format makes a score of a query and a document, and no reply is learned")
    if template.pair:
        out.statement("set add_generation_prompt = true")
    if marks:
        out.write("""
            if preserve_thinking is not defined
                set preserve_thinking = not add_generation_prompt
        """)
    thinking.write_head(out)
    content.write_trimmers(out)
    owed = ", owed=false" if marks else ""
    calls = ", calls=[], index=0, answers=0, answered=0" if out.tools and answers_call(out.tools) else ""
    media = "".join(f", {kind}=0" for kind in content.numbered(out))
    out.statement(f"set state = namespace(previous='', round=-1, fused=''{owed}{calls}{media})")
    system.write_system(out)
    turns.look_ahead(out)
    with out.block("for message in turns"):
        turns.write_message(out)
    with out.block("if add_generation_prompt"):
        out.write(f"""
            unless state.previous in {["user", "tool", *(["assistant"] if "last_reply" in template.turns else [])]}
                refuse a prompt must end with a user or tool message
        """)
        replies.write_opener(out, out.plan.generation)
        thinking.write_prompt_end(out)
    out.refusals.check()
    return "\n".join(out.lines) + "\n"
