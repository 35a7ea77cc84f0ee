"""Reasons why Ollama's Go template cannot express a template, each with its place in the spec."""

from __future__ import annotations

from collections.abc import Iterator

from ...catalogue.model import Template, Thinking
from ...meaning.tool_formats import ToolFormat, answers_call, needs_ids
from ..go_text import NOT_FOUND, Thought


def refusals(template: Template) -> Iterator[str]:
    """Reasons why the template cannot be written at all."""
    if template.pair:
        yield "pair: the format has a query and a document, and Ollama sends conversations"
    if template.last_message_end is not None:
        yield "last_message_end: a Go template cannot look for the mark that stands behind the last message"
    if template.thinking:
        yield from _refusals_of_thinking(template, template.thinking)
    if template.system_placement == "last_user":
        yield ("system_placement: the system text goes into the last user message, and Ollama may cut off earlier ones")


def _refusals_of_thinking(template: Template, thinking: Thinking) -> Iterator[str]:
    if thinking.levels:
        yield ("thinking.levels: the format has levels of thinking of its own, and an Ollama request has other ones")
    if thinking.system_mark and thinking.system_mark.unless:
        yield ("thinking.system_mark: a Go template cannot look for a mark on thinking inside the system text")
    if thinking.system_mark and template.trim["system"] != "none":
        yield (
            "thinking.system_mark, trim.system: a Go template cannot see whether anything is left of a system text "
            "that it trims"
        )
    if thinking.frame or (thinking.rewrite and thinking.history not in ("drop", "remove")):
        place = "thinking.frame" if thinking.frame else "thinking.rewrite"
        yield f"{place}: replies are written by whether they hold a thought, and Ollama cannot look into them"
    if thinking.answer:
        yield "thinking.answer: of earlier replies only the answer is kept, and Ollama cannot look into them"
    if thinking.empty_in != "learned":
        yield (
            "thinking.empty_in: earlier replies without a thought may get an empty one, and Ollama cannot look "
            "into them"
        )
    if thinking.history == "keep" and thinking.empty:
        yield (
            "thinking.history, thinking.empty: earlier replies without a thought get an empty one, and Ollama "
            "cannot look into them"
        )
    if not Thought(".Thinking", thinking.words).is_found:
        yield f"thinking.words: {NOT_FOUND}"


def refusals_of_tools(template: Template, tools: ToolFormat) -> Iterator[str]:
    """Reasons why this template cannot write its tool format, apart from the limits of Go."""
    thinking = template.thinking
    half = ("newlines", "leading_newlines")
    if tools.place == "before_last_user":
        yield "tools are described in front of the last user turn, which a Go template must search for"
    if tools.place == "system" and template.trim["system"] in half:
        yield "a Go template cannot describe tools around a system text that loses its line breaks"
    if tools.place == "system" and any(part.kind == "date" for part in template.default_system or ()):
        yield "a Go template cannot describe tools around a default system text with today's date in it"
    if tools.place == "user" and template.trim["user"] in half:
        yield "a Go template cannot describe tools around a user text that loses its line breaks"
    if template.slots.system_with_tools is not None:
        yield "the system turn is another one where tools are offered"
    if tools.writes_mark:
        yield "the description of tools holds the mark on thinking"
    if needs_ids(tools):
        yield "the format writes the ids of calls, and a request to Ollama need not have any"
    if tools.result and not answers_call(tools):
        yield "a result names its function, and Ollama looks the name up where a request has none"
    if answers_call(tools):
        yield "a result names the call that it answers, and Ollama's template must search for it"
    if thinking and (thinking.kept_with_tools or thinking.kept_from_results or thinking.kept_in_chain):
        yield "where tools are offered the format writes the thoughts of earlier turns in another way"
    if tools.beside and thinking and thinking.history not in ("drop", "remove"):
        yield "what stands in front of calls is written by whether a reply holds a thought"
