"""What a Go template of Ollama cannot express: every reason, with its place in the spec."""

from __future__ import annotations

from collections.abc import Iterator

from ...catalogue.model import Template, Thinking
from ...meaning.tool_formats import ToolFormat, answers_call, needs_ids
from ..go_text import NOT_FOUND, Thought
from ..places import due


def refusals(template: Template) -> Iterator[str]:
    """Why the template cannot be written at all."""
    yield from due(
        (template.pair, "pair: the format has a query and a document, and Ollama sends conversations"),
        (
            template.last_message_end is not None,
            "last_message_end: a Go template cannot look for the mark that stands behind the last message",
        ),
    )
    if template.thinking:
        yield from _refusals_of_thinking(template, template.thinking)
    if template.system_placement == "last_user":
        yield "system_placement: the system text goes into the last user message, and Ollama may cut off earlier ones"


def _refusals_of_thinking(template: Template, thinking: Thinking) -> Iterator[str]:
    mark = thinking.system_mark
    return due(
        (
            thinking.levels,
            "thinking.levels: the format has levels of thinking of its own, and an Ollama request has other ones",
        ),
        (
            mark and mark.unless,
            "thinking.system_mark: a Go template cannot look for a mark on thinking inside the system text",
        ),
        (
            mark and template.trim["system"] != "none",
            "thinking.system_mark, trim.system: a Go template cannot see whether anything is left of a system text "
            "that it trims",
        ),
        (
            thinking.frame or (thinking.rewrite and thinking.history not in ("drop", "remove")),
            f"thinking.{'frame' if thinking.frame else 'rewrite'}: replies are written by whether they hold a thought, "
            "and Ollama cannot look into them",
        ),
        (
            thinking.answer,
            "thinking.answer: of earlier replies only the answer is kept, and Ollama cannot look into them",
        ),
        (
            thinking.empty_in != "learned",
            "thinking.empty_in: earlier replies without a thought may get an empty one, and Ollama cannot look "
            "into them",
        ),
        (
            thinking.history == "keep" and thinking.empty,
            "thinking.history, thinking.empty: earlier replies without a thought get an empty one, and Ollama "
            "cannot look into them",
        ),
        (not Thought(".Thinking", thinking.words).is_found, f"thinking.words: {NOT_FOUND}"),
    )


def refusals_of_tools(template: Template, tools: ToolFormat) -> Iterator[str]:
    """Why this template cannot write a tool format, whatever Go can."""
    thinking, half = template.thinking, ("newlines", "leading_newlines")
    dated = any(part.kind == "date" for part in template.default_system or ())
    answers = answers_call(tools)
    return due(
        (
            tools.place == "before_last_user",
            "tools are described in front of the last user turn, which a Go template must search for",
        ),
        (
            tools.place == "system" and template.trim["system"] in half,
            "a Go template cannot describe tools around a system text that loses its line breaks",
        ),
        (
            tools.place == "system" and dated,
            "a Go template cannot describe tools around a default system text with today's date in it",
        ),
        (
            tools.place == "user" and template.trim["user"] in half,
            "a Go template cannot describe tools around a user text that loses its line breaks",
        ),
        (
            template.slots.system_with_tools is not None,
            "the system turn is another one where tools are offered",
        ),
        (tools.writes_mark, "the description of tools holds the mark on thinking"),
        (needs_ids(tools), "the format writes the ids of calls, and a request to Ollama need not have any"),
        (
            tools.result and not answers,
            "a result names its function, and Ollama looks the name up where a request has none",
        ),
        (answers, "a result names the call that it answers, and Ollama's template must search for it"),
        (
            thinking and (thinking.kept_with_tools or thinking.kept_from_results or thinking.kept_in_chain),
            "where tools are offered the format writes the thoughts of earlier turns in another way",
        ),
        (
            tools.beside and thinking and thinking.history not in ("drop", "remove"),
            "what stands in front of calls is written by whether a reply holds a thought",
        ),
    )
