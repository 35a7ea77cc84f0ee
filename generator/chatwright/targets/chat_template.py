"""The portable Jinja chat template of a conversation format: what servers read, and with marks what trainers read.

The Jinja stays within what every engine reads alike (:mod:`chatwright.meaning.portable`). With
``add_generation_prompt`` a file renders the inference prompt; without, the training text, thoughts of earlier turns
kept if ``preserve_thinking`` is set.

With marks, what a model learns stands between ``{% generation %}`` and ``{% endgeneration %}``, transformers' own tags
(``utils/chat_template_utils.py`` of 5.6.0): in the training text every reply, or without ``preserve_thinking`` the last
one only. That is set unless the caller says otherwise, since so the frameworks train unless they are told otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import combinations

from ..catalogue.jinja_fragments import cannot_compile
from ..catalogue.model import Frame, Levels, Pair, Part, Slot, SystemMark, Template, Thinking, Trim
from ..catalogue.slots import MEDIUM_NUMBER, split_content
from ..errors import Refusals, Unsupported
from ..meaning.jinja import literal
from ..meaning.portable import not_portable
from ..meaning.tool_formats import (
    Beside,
    ToolFormat,
    answers_call,
    beside_jinja,
    calls_jinja,
    format_of,
    needs_ids,
    result_jinja,
    tools_jinja,
)
from .places import holding

_MEDIA = {
    "image": ("image", "image_url", "input_image"),
    "video": ("video", "video_url"),
    "audio": ("audio", "audio_url", "input_audio"),
}
_UNDECIDED = "slots.assistant.body: whether the end of an earlier reply is learned depends on the text behind it"


def chat_template(template: Template, *, marks: bool = False) -> str:
    """The template as one Jinja text, equal in meaning to :func:`chatwright.meaning.render.render`.

    With ``marks`` the text of a training conversation tells what is learned.

    Raises:
        Unsupported: Jinja cannot express the template; the message says why.
    """
    text = _Writer(template, marks).text()
    if template.tool_definition is not None:
        whole = _Writer(template, False).text()
        if wrong := cannot_compile(whole):
            raise Unsupported(f"tool_format: the Jinja of the tool format cannot be compiled where it stands: {wrong}")
        if outside := not_portable(whole):
            raise Unsupported(f"tool_format: not every engine reads this Jinja alike: {'; '.join(outside)}")
    return text


class _Writer:
    """Writes one tag a line; every tag trims the white space around it, so the layout is free."""

    def __init__(self, template: Template, marks: bool) -> None:
        self.template, self.marks = template, marks
        self.tools: ToolFormat | None = format_of(template)
        self.refusals = Refusals()
        if self.tools and self.tools.place == "before_last_user":
            self._refuse(
                "tool_format: tools are described in front of the last user turn, and the file has no place for that"
            )
        self.lines: list[str] = []
        self.depth = 0

    def text(self) -> str:
        template, slots = self.template, self.template.slots
        if template.pair and self.marks:
            self._refuse("pair: the format makes a score of a query and a document, and no reply is learned")
        if template.pair:
            self.put("set add_generation_prompt = true")
        if self.marks:
            self.put("if preserve_thinking is not defined")
            self.put("set preserve_thinking = not add_generation_prompt")
            self.put("endif")
        if template.thinking:
            self._thinking_head()
        trims = {*template.trim.values()}
        if template.thinking:
            trims |= {template.thinking.history_trim, "leading_newlines" if template.thinking.rewrite else "none"}
        for how in sorted(trims):
            if how in ("newlines", "leading_newlines"):
                self._trimmer(how)
        owed = ", owed=false" if self.marks else ""
        calls = ", calls=[], index=0, answers=0, answered=0" if self.tools and answers_call(self.tools) else ""
        media = "".join(f", {kind}=0" for kind in self._numbered())
        self.put(f"set state = namespace(previous='', round=-1, fused=''{owed}{calls}{media})")
        self._system()
        if template.last_message_end is not None:
            self._ends_last_message()
        if template.thinking:
            self._look_ahead(template.thinking)
        self.put("for message in turns")
        self._content("message")
        if template.last_message_end is not None:
            self.put("if loop.last and not state.ended")
            self.put(f"set text = text ~ {literal(template.last_message_end)}")
            self.put("if message.tool_calls")
            self._raise("the mark behind the last message has no place behind calls of tools")
            self.put("endif")
            self.put("endif")
        self.put("if message.role == 'user'")
        behind = ("", "assistant", *(["user"] if "users" in template.turns else []))
        self._demand(f"state.previous in {list(behind)}", "the roles user and assistant must take turns")
        self.put("set state.round = state.round + 1")
        content = self._trimmed("text", template.trim["user"])
        if self.tools and self.tools.place == "user":
            self._describe_in_user(self.tools, content)
            content = "text"
        if template.system_placement == "first_user":
            self.out(self._asked(slots.user), f"state.fused ~ {content}")
            self.put("set state.fused = ''")
        elif template.system_placement == "first_user_head":
            self.put("if state.fused is none")
            before, after = split_content(self._asked(slots.user))
            self.out(before)
            self.put("else")
            self.print("state.fused")
            self.put("set state.fused = none")
            self.put("endif")
            self.print(content)
            self.out(after)
        elif template.system_placement == "last_user":
            last = "loop.last if asks else loop.index0 == turns|length - 2"
            self.out(self._asked(slots.user), f"(state.fused if ({last}) else '') ~ {content}")
        else:
            self.out(self._asked(slots.user), content)
        self.put("elif message.role == 'tool'")
        self._observation()
        self.put("elif message.role == 'assistant'")
        more = {"first_reply": "", "replies": "assistant"}
        behind = ("user", "tool", *(role for word, role in more.items() if word in template.turns))
        self._demand(
            f"state.previous in {list(behind)}", "the roles user and assistant must take turns, the user first"
        )
        self._reply()
        if "later_system" in template.turns:
            self.put("elif message.role in ['system', 'developer']")
            self._later_system()
        self.put("else")
        self._raise(
            "other roles than system, user, assistant and tool are unknown"
            if "later_system" in template.turns
            else "a system message must come first, and other roles are unknown"
        )
        self.put("endif")
        if "later_system" in template.turns:
            self.put("if message.role in ['user', 'assistant', 'tool']")
        self.put("set state.previous = message.role")
        if "later_system" in template.turns:
            self.put("endif")
        self.put("endfor")
        self.put("if add_generation_prompt")
        behind = ("user", "tool", *(["assistant"] if "last_reply" in template.turns else []))
        self._demand(f"state.previous in {list(behind)}", "a prompt must end with a user or tool message")
        self._opener(slots.generation)
        if template.thinking:
            self._generation_end(template.thinking)
        self.put("endif")
        self.refusals.check()
        return "\n".join(self.lines) + "\n"

    # -- parts -----------------------------------------------------------------------------------------------------

    def _without_nulls(self) -> None:
        """Write each tool without the fields that are null: a server hands them on, and nobody trained with them.

        Jinja cannot take a key out of an object, so a function that has a null is put together anew, its fields in the
        order in which vLLM or SGLang hand them on; any other is refused.
        """
        orders = [("name", "description", "parameters", "strict"), ("description", "name", "parameters", "strict")]
        kept = {
            fields: None
            for order in orders
            for count in range(1, len(order) + 1)
            for fields in combinations(order, count)
            if "name" in fields
        }
        self.put("if tools")
        self.put("set given = namespace(tools=[])")
        self.put("for item in tools")
        self.put("set function = item.function if item.function is defined else item")
        self._demand("function is mapping and function.name is string", "a tool has no function with a name")
        self.put("set fields = namespace(null=false, kept='')")
        self.put("for key, value in function|items")
        self.put("if value is none")
        self.put("set fields.null = true")
        self.put("else")
        self.put("set fields.kept = fields.kept ~ ' ' ~ key")
        self.put("endif")
        self.put("endfor")
        self.put("if not fields.null")
        self.put("set given.tools = given.tools + [function]")
        for fields in kept:
            self.put(f"elif fields.kept == {literal(''.join(f' {field}' for field in fields))}")
            pairs = ", ".join(f"'{field}': function.{field}" for field in fields)
            self.put(f"set given.tools = given.tools + [{{{pairs}}}]")
        self.put("else")
        self.print(
            "raise_exception('a tool with a null field has these in an order that no server gives:' ~ fields.kept)"
        )
        self.put("endif")
        self.put("endfor")
        self.put("set tools = given.tools")
        self.put("endif")

    def _system(self) -> None:
        template, slots = self.template, self.template.slots
        if self.tools:
            self._without_nulls()
        mark = template.thinking.system_mark if template.thinking else None
        first = bool(mark and mark.place == "first")
        if self.tools and self.tools.writes_mark:
            self.put(f"set first_mark = {'mark' if first else literal('')}")
            if first:
                self.put("if not tools")
                self.print("mark")
                self.put("endif")
        elif first:
            self.print("mark")
        self.out(slots.prefix)
        if template.system_placement == "first_user_head":
            self.put("set state.fused = none")
        self.put("set turns = messages")
        self.put("set system = none")
        self.put("if messages and messages[0].role in ['system', 'developer']")
        self._content("messages[0]", "system")
        self.put("set turns = messages[1:]")
        self.put("endif")
        if template.single_turn or template.system_placement == "last_user" or (template.thinking and self._dropped()):
            # whether this is a prompt; llama.cpp and others ask for one without its end as well
            self.put("set asks = add_generation_prompt or not turns or turns[-1].role != 'assistant'")
        self.put("if not system" if template.empty_system == "default" else "if system is none")
        self.put(
            f"set system = {'none' if template.default_system is None else self._expression(template.default_system)}"
        )
        if template.empty_system == "omit":
            self.put("elif not system")
            self.put("set system = none")
        self.put("endif")
        if template.pair:
            self._pair(template.pair)
        content = self._describe()
        if mark and mark.place != "first":
            self._with_mark(mark, content)
            self.put("if system is not none")
            content = "system"
        else:
            self.put("if system is not none or described")
        if template.system_placement == "turn":
            self._system_turn(content)
        elif template.system_placement == "none":
            self._raise("this template has no place for a system text")
        elif template.system_placement == "last_user":
            self.put("set asked = turns[-1] if asks else turns[-2]")
            self._demand("asked and asked.role == 'user'", "the system text needs a last user message")
            self._system_turn(content, "state.fused")
        else:
            self._demand("turns and turns[0].role == 'user'", "the system text needs a first user message")
            self._system_turn(content, "state.fused")
        if slots.no_system is not None:
            self.put("else")
            if template.system_placement == "last_user":
                self.put(f"set state.fused = {self._expression(slots.no_system)}")
            else:
                self.out(slots.no_system)
        self.put("endif")
        if template.single_turn:
            self.put("for message in turns if message.role == 'tool'")
            self._raise("this template has a single turn, and no place for tool results")
            self.put("endfor")
            self.put("for message in turns")
            self._demand(
                "message.role == ('assistant' if loop.index0 % 2 else 'user')",
                "the roles user and assistant must take turns, the user first",
            )
            self.put("endfor")
            if self.tools and self.tools.place == "user":
                self.put("set offered = turns|length == (1 if asks else 2)")
            self.put("set turns = turns[-1:] if asks else turns[-2:]")

    def _system_turn(self, content: str, name: str | None = None) -> None:
        """Write the system turn, or set ``name`` to it; with tools it may be another one."""
        slots = self.template.slots
        turns = [slots.system]
        if self.tools and slots.system_with_tools is not None:
            self.put("if tools")
            turns = [slots.system_with_tools, slots.system]
        for index, slot in enumerate(turns):
            if index:
                self.put("else")
            if name:
                self.put(f"set {name} = {self._expression(slot, content)}")
            else:
                self.out(slot, content)
        if turns[1:]:
            self.put("endif")

    def _describe(self) -> str:
        """Set ``described`` to the description of the tools, and give the whole system text."""
        trimmed = self._trimmed("(system or '')", self.template.trim["system"])
        self.put("set described = ''")
        self.put("if tools")
        if self.tools is None:
            self._raise(f"the template {self.template.name} has no tool format")
        elif self.tools.place == "user":
            self._demand(
                "turns and turns[0].role == 'user'",
                "the tools are described in the first user message, which is needed",
            )
        else:
            if self.tools.place == "system":
                self.put("if system is not none or turns|length != messages|length")
                self.put(f"set system = {trimmed}")
                self.put("endif")
            self.put("set described")
            self.raw(tools_jinja(self.tools))
            self.put("endset")
        self.put("endif")
        if self.tools and self.tools.place == "system":
            return f"(described if tools else {trimmed})"
        return f"{trimmed} ~ described"

    def _describe_in_user(self, tools: ToolFormat, content: str) -> None:
        """Make ``text`` what is written of a user message, with the description of the tools in the first one."""
        self.put(f"set text = {content}")
        whole = " and offered" if self.template.single_turn else ""
        self.put(f"if tools and loop.first{whole}")
        self.put("set user = text")
        self.put("set text")
        self.raw(tools_jinja(tools))
        self.put("endset")
        self.put("endif")

    def _with_mark(self, mark: SystemMark, content: str) -> None:
        """Make ``system`` the whole system text, with the mark on thinking in its place."""
        self.put("if system is not none or described")
        self.put(f"set system = {content}")
        self.put("endif")
        absent = [f"{literal(text)} not in (system or '')" for text in mark.unless]
        self.put(f"if {' and '.join(['mark', *absent])}")
        separator = literal(mark.separator)
        joined = f"mark ~ {separator} ~ system" if mark.place == "before" else f"system ~ {separator} ~ mark"
        self.put(f"set system = ({joined}) if system else mark")
        self.put("endif")

    def _pair(self, pair: Pair) -> None:
        """Make one user message of the query and the document."""
        template = self.template
        for kind in self._numbered():  # the system text was looked at before
            self.put(f"set state.{kind} = 0")
        self.put("set instruction = none")
        self.put("if turns|length != messages|length")
        self._content("messages[0]", "instruction")
        self.put("endif")
        self._demand(
            "turns|length > 1 and turns[0].role == 'user' and turns[1].role == 'assistant' and not turns[1].tool_calls",
            "the format wants a query and a document, the texts of a user and an assistant message",
        )
        self._content("turns[0]", "query")
        self._content("turns[1]", "document")
        if template.thinking:
            before, after = map(literal, template.thinking.words)
            self.put("set thought = turns[1].reasoning_content or turns[1].reasoning or ''")
            self.put("if thought")
            self.put(f"set document = {before} ~ thought ~ {after} ~ document")
            self.put("endif")
        values = {
            "query": "query",
            "document": "document",
            "instruction": f"({literal(pair.instruction)} if instruction is none else instruction)",
        }
        texts = [values[part.value] if part.kind == "field" else literal(part.value) for part in pair.text]
        self.put(f"set turns = [{{'role': 'user', 'content': {' ~ '.join(texts)}}}]")
        if self.tools and self.tools.place == "system":
            self.put("set messages = turns")  # no system message is left, in whose place the tools are described
        default = template.default_system
        self.put(f"set system = {'none' if default is None else self._expression(default)}")

    def _look_ahead(self, thinking: Thinking) -> None:
        """Find the reply that may begin with an empty thought, and the first one that tools answered."""
        if thinking.empty_in == "last":
            self.put("set state.last_reply = -1")
            self.put("for message in turns")
            self.put("if message.role == 'assistant'")
            self._content("message", ahead=True)
            self.put("if not (message.tool_calls and (text or message.reasoning_content or message.reasoning))")
            self.put("set state.last_reply = loop.index0")
            self.put("endif")
            self.put("endif")
            self.put("endfor")
        if thinking.kept_in_chain:
            self.put("set state.asked_last = -1")
            self.put("for message in turns")
            self.put("if message.role == 'user'")
            self.put("set state.asked_last = loop.index0")
            self.put("endif")
            self.put("endfor")
        if thinking.kept_from_results:
            self.put("set state.answered = turns|length")
            self.put("for message in turns")
            self.put("if message.role == 'tool' and loop.index0 <= state.answered")
            self.put("set state.answered = loop.index0 - 1")
            self.put("endif")
            self.put("endfor")

    def _ends_last_message(self) -> None:
        """Find out whether a message already holds the end of the last one."""
        self.put("set state.ended = false")
        self.put("for message in turns")
        self._content("message", ahead=True)
        self.put(f"if {literal(self.template.last_message_end or '')} in text")
        self.put("set state.ended = true")
        self.put("endif")
        self.put("endfor")

    def _generation_end(self, thinking: Thinking) -> None:
        """What the generation prompt ends with, in the mode and at the level of the request."""
        names = thinking.levels.names if thinking.levels else {}
        own = [(name, level.prompt) for name, level in names.items() if level.prompt is not None]
        for index, (name, prompt) in enumerate(own):
            self.put(f"{'elif' if index else 'if'} level == {literal(name)}")
            self.out_text(prompt)
        if own:
            self.put("else")
        self._either("thinks", thinking.when_on, thinking.when_off)
        if own:
            self.put("endif")

    def _later_system(self) -> None:
        """A system message that is not the first, in a turn of its own; it does not count in the order of the roles."""
        self._demand(
            "loop.last or turns[loop.index0 + 1].role != 'tool'",
            "no system message may stand in front of a tool message",
        )
        self.out(self._asked(self.template.slots.system), self._trimmed("text", self.template.trim["system"]))

    def _observation(self) -> None:
        template = self.template
        before, after = split_content(template.slots.observation)
        self.put("if state.previous == 'tool'")
        self.print(literal(template.result_separator))
        self.put("else")
        self._demand("state.previous in ['', 'assistant']", "a tool message must follow an assistant's")
        self.put("set state.round = state.round + 1")
        self.out(self._asked(before))
        self.put("endif")
        content = self._trimmed("text", template.trim["observation"])
        if self.tools and self.tools.result:
            self._result(self.tools, content)
            content = "text"
        self.print(content)
        self.put("if loop.last or turns[loop.index0 + 1].role != 'tool'")
        self.out(after)
        self.put("endif")

    def _result(self, tools: ToolFormat, content: str) -> None:
        """Make ``text`` the result as the format writes it."""
        if answers_call(tools):
            self._answered_call(tools)
        self.put("set name = message.name or ''")
        self.put(f"set text = {content}")
        self.put("set text")
        self.raw(result_jinja(tools))
        self.put("endset")

    def _answered_call(self, tools: ToolFormat) -> None:
        """Set ``call`` and ``index`` to the call of the turn before that the result's id names, or at its place."""
        self.put("set state.answers = 0")
        self.put("for call in state.calls")
        self.put("if message.tool_call_id and call.id == message.tool_call_id")
        self.put("set state.answers = state.answers + 1")
        self.put("set state.answered = loop.index0")
        self.put("endif")
        self.put("endfor")
        self.put("set index = state.answered if state.answers == 1 else state.index")
        self.put("set state.index = state.index + 1")
        self._demand("index < state.calls|length", "a tool result must answer a call, which the format names")
        self.put("set call = state.calls[index]")
        if needs_ids(tools):
            self.put("set call_id = call.id")
        self.put("if call.function is defined")
        self.put("set call = call.function")
        self.put("endif")

    def _reply(self) -> None:
        template, slots, thinking = self.template, self.template.slots, self.template.thinking
        self._reply_opener()
        if self.tools and answers_call(self.tools):
            self.put("set state.calls = message.tool_calls or []")
            self.put("set state.index = 0")
        if self.marks:
            learned = "loop.last" if template.learns == "last" else "(loop.last or preserve_thinking)"
            self.put(f"set learned = not add_generation_prompt and {learned}")
            if thinking:
                self.put("set front = ''")
        rewrites = bool(thinking and thinking.rewrite)
        if template.trim["assistant"] != "none" and not rewrites:
            self.put(f"set text = {self._trimmed('text', template.trim['assistant'])}")
        if thinking:
            words = [literal(word) for word in thinking.words]
            self.put("set thought = message.reasoning_content or message.reasoning or ''")
            self.put("if thought")
            self.put(f"set text = {words[0]} ~ thought ~ {words[1]} ~ text")
            self.put("endif")
            if rewrites:
                self._rewrite(thinking)
            if thinking.frame and thinking.frame.calls is not None:
                self.put("if not alone")
                self._frame(thinking.frame, thinking)
                self.put("endif")
            elif thinking.frame:
                self._frame(thinking.frame, thinking)
        self._beside()
        if thinking:
            self.put("set replied = loop.last and not add_generation_prompt")
            self._history()
            start, end = (word.strip() for word in thinking.words)
            absent = f"{literal(start)} not in text and {literal(end)} not in text"
            if thinking.empty_unless == "begins":
                begins = [word for word in (start, thinking.empty) if word]
                if thinking.empty.startswith(start):
                    begins = begins[:1]
                absent = " and ".join(f"text[:{len(word)}] != {literal(word)}" for word in begins)
            if thinking.empty_after == "user":
                absent = f"state.previous == 'user' and {absent}"
            if thinking.empty_in != "learned":
                absent += " and not drops" if self._dropped() else ""
                if thinking.empty_in == "last":
                    absent += " and loop.index0 == state.last_reply"
            else:
                if thinking.history == "remove":
                    absent = f"replied and {absent}"
                if thinking.history != "keep":
                    learned = (
                        "" if template.learns == "last" else " or (preserve_thinking and not add_generation_prompt)"
                    )
                    chain = " or loop.index0 > state.asked_last" if thinking.kept_in_chain else ""
                    absent += f" and (replied{learned}{chain})"
            self.put(f"if {absent}")
            empty = literal(thinking.empty)
            if thinking.empty_on != thinking.empty:
                empty = f"{literal(thinking.empty_on)} if thinks else {empty}"
            if self.marks:
                self.put("if learned" if thinking.empty_trained == "always" else "if learned and thinks")
                self.put(f"set front = {empty}")
                self.put("else")
            self.print(empty)
            if self.marks:
                self.put("endif")
            self.put("endif")
            if thinking.frame and thinking.frame.calls:
                self._before_calls_alone(thinking.frame.calls)
        self.put("if message.tool_calls")
        if self.tools is None:
            self._raise(f"the template {template.name} has no tool format")
            self.put("endif")
            self._body()
            return
        self.put("set calls = message.tool_calls")
        self.put("set text")
        self.print("text")
        if beside_jinja(self.tools)[1]:
            self.print("separator")
        self.raw(calls_jinja(self.tools))
        self.put("endset")
        if (slots.function, slots.function_last) == (slots.body, slots.last):
            self.put("endif")
            self._body()
            return
        self._said(slots.function, slots.function_last)
        self.put("else")
        self._body()
        self.put("endif")

    def _before_calls_alone(self, text: str) -> None:
        """Write what stands in front of a learned turn that is calls alone."""
        if self.marks:
            self.put("if alone and learned")
            self.put(f"set front = front ~ {literal(text)}")
        else:
            kept = "" if self.template.learns == "last" else " or (preserve_thinking and not add_generation_prompt)"
            self.put(f"if alone and (replied{kept})")
            self.out_text(text)
        self.put("endif")

    def _reply_opener(self) -> None:
        """Write the opener of a reply; that of one that is calls alone may be another one."""
        slots, thinking = self.template.slots, self.template.thinking
        matters = bool(self.tools and beside_jinja(self.tools)[1])
        matters |= thinking is not None and thinking.dropped_before_calls is not None
        matters &= bool(self.tools and thinking and self._dropped())
        framed = bool(thinking and thinking.frame and thinking.frame.calls is not None)
        if slots.before_calls is not None or matters or framed:
            self.put("set alone = message.tool_calls and not text")
            self.put("if message.reasoning_content or message.reasoning")
            self.put("set alone = false")
            self.put("endif")
        follows_replies = "replies" in self.template.turns
        if slots.before_calls is None:
            self._opener(slots.opener, follows_replies=follows_replies)
            return
        self.put("if alone")
        self._begin(slots.before_calls, follows_replies)
        self.put("else")
        self._opener(slots.opener, follows_replies=follows_replies)
        self.put("endif")

    def _beside(self) -> None:
        """Make ``text`` what is written of it in front of calls, and ``separator`` what stands between both."""
        if not self.tools or not self.tools.beside:
            return
        text, separator = beside_jinja(self.tools)
        self.put("if message.tool_calls")
        if text != Beside.text:
            self.put("set text")
            self.raw(text)
            self.put("endset")
        if separator:
            self.put("set separator")
            self.raw(separator)
            self.put("endset")
        self.put("endif")

    def _whole(self, slot: Slot) -> None:
        """Write a turn that is learned whole."""
        with self._learned():
            self._front()
            self.out(slot, "text")

    def _body(self) -> None:
        self._said(self.template.slots.body, self.template.slots.last)

    def _said(self, earlier: Slot, last: Slot) -> None:
        """Write a reply by the slot of earlier ones or of the last one."""
        slots = self.template.slots
        is_cut = self.marks and earlier == slots.body != slots.last  # its end is learned as far as it is the last one's
        if earlier == last and not is_cut:
            self._whole(earlier)
            return
        self.put(self._if_last())
        self._whole(last)
        self.put("else")
        if is_cut:
            before, _ = split_content(earlier)
            learned, rest = self._learned_end()
            with self._learned():
                self._front()
                self.out((*before, Part("field", "content"), *learned), "text")
            self.out(rest)
            self.put("set state.owed = learned")
        else:
            self._whole(earlier)
        self.put("endif")

    def _if_last(self) -> str:
        """Whether a reply is the last turn; the last message of a prompt stands in the history."""
        return "if loop.last and not add_generation_prompt" if "last_reply" in self.template.turns else "if loop.last"

    def _front(self) -> None:
        """Write what is learned in front of the reply: one mark for both, since a mark may lose bytes at its end."""
        if self.marks and self.template.thinking:
            self.print("front")

    @contextmanager
    def _learned(self, when: str = "learned") -> Iterator[None]:
        """Mark what is written inside as learned, where the expression is true."""
        if not self.marks:
            yield
            return
        self.put("set written")
        yield
        self.put("endset")
        self.put(f"if {when}")
        self.put("generation")
        self.print("written")
        self.put("endgeneration")
        self.put("else")
        self.print("written")
        self.put("endif")

    def _asked(self, slot: Slot) -> Slot:
        """Write the end of the reply before, where the next turn begins with it, and return what is left.

        Only formats whose earlier replies have no end of their own do this, as GLM's, whose end is the next marker.
        """
        cut = self._cut_end(slot) if self._owes() else None
        if cut is None:
            return slot
        with self._learned("state.owed"):
            self.out(cut[0])
        self.put("set state.owed = false")
        return cut[1]

    def _owes(self) -> bool:
        return self.marks and self.template.slots.last != self.template.slots.body and not self._tail()

    def _learned_end(self) -> tuple[Slot, Slot]:
        """What stands behind an earlier reply, cut where it is no longer the end of the last one: that is learned."""
        tail = self._tail()
        cut = self._cut_end(tail) if tail else None
        return cut or ((), tail)

    def _refuse(self, reason: str) -> None:
        """Keep a reason why Jinja cannot express the template; what is written meanwhile is thrown away."""
        self.refusals.reasons.append(reason)

    def _tail(self) -> Slot:
        return tuple(part for part in split_content(self.template.slots.body)[1] if part.kind != "break")

    def _cut_end(self, slot: Slot) -> tuple[Slot, Slot] | None:
        """The slot cut behind the end of the last turn; None where it does not begin with it, or that is refused."""
        end = self.template.end
        slot = tuple(part for part in slot if part.kind != "break")
        if [part.kind for part in end] == ["eos"]:
            if slot and slot[0].kind == "field":
                self._refuse(_UNDECIDED)
            return (slot[:1], slot[1:]) if slot and slot[0].kind == "eos" else None
        rest, learned = "".join(part.value for part in end), []
        if not rest:
            return None
        for index, part in enumerate(slot):
            length = min(len(part.value), len(rest))
            if part.kind not in ("text", "token", "bos", "eos"):
                self._refuse(_UNDECIDED)
                return None
            if part.kind in ("bos", "eos") or part.value[:length] != rest[:length]:
                return None
            learned.append(replace(part, value=part.value[:length]))
            rest = rest[length:]
            if not rest:
                left = part.value[length:]
                return tuple(learned), (*([replace(part, value=left)] if left else []), *slot[index + 1 :])
        self._refuse(_UNDECIDED)
        return None

    def _opener(self, slot: Slot, *, follows_replies: bool = False) -> None:
        """Write what a reply, or the prompt's end, begins with; behind tool results that may be another text."""
        slots = self.template.slots
        if slots.opener_after_observation == slots.opener or slot != slots.opener:
            self._begin(slot, follows_replies)
            return
        self.put("if state.previous == 'tool'")
        self.out(slots.opener_after_observation)
        self.put("else")
        self._begin(slot, follows_replies)
        self.put("endif")

    def _begin(self, slot: Slot, follows_replies: bool) -> None:
        """Write the slot; where a reply may stand in front of it, it may hold that one's end."""
        if follows_replies and not slot and self._owes():
            self._refuse(_UNDECIDED)
        self.out(self._asked(slot) if follows_replies else slot)

    def _thinking_head(self) -> None:
        thinking = self.template.thinking
        assert thinking is not None
        default = "true" if thinking.default else "false"
        self.put(f"set thinks = {thinking.switch} if {thinking.switch} is defined else {default}")
        if thinking.levels:
            self._levels(thinking.levels)
        if thinking.system_mark:
            self._mark(thinking, thinking.system_mark)
        removes = thinking.answer is None and self._dropped()
        if thinking.span == "between" and removes:
            start, end = thinking.words
            if start in end or any(start.startswith(end[i:]) for i in range(1, len(end))):
                overlap = f"the thought words {start!r} and {end!r} overlap, and Jinja cannot tell them apart"
                self._refuse(f"thinking.words: {overlap}")
            self._remover(thinking.words)

    def _levels(self, levels: Levels) -> None:
        """Set ``level`` to the name of the level that counts, empty where none does, and ``thinks`` to what it says."""
        names = list(levels.names)
        counts = f"{levels.variable} is defined" if levels.decide else f"thinks and {levels.variable} is defined"
        self.put(f"set level = ({levels.variable} or '') if {counts} else ''")
        self.put(f"if level and level not in {self._list(names)}")
        if levels.unknown == "refuse":
            self._raise("the format has no level of thinking of that name")
        else:
            self.put("set level = ''")
        self.put("endif")
        defaults = [literal(name or "") for name in (levels.default_on, levels.default_off)]
        if levels.default_on or levels.default_off:
            self.put("if not level")
            self.put(f"set level = {defaults[0]} if thinks else {defaults[1]}")
            self.put("endif")
        ways: dict[bool | None, list[str]] = {}
        for name in names:
            ways.setdefault(levels.names[name].thinking, []).append(name)
        for value, some in ways.items():
            if value is not None:
                self.put(f"if level in {self._list(some)}")
                self.put(f"set thinks = {'true' if value else 'false'}")
                self.put("endif")
        if None in ways and levels.count == "on":
            self.put(f"if not thinks and level in {self._list(ways[None])}")
            self.put("set level = ''")
            self.put("endif")

    def _mark(self, thinking: Thinking, mark: SystemMark) -> None:
        """Set ``mark`` to what the system text says about thinking."""
        self.put(f"set mark = {literal(mark.on)} if thinks else {literal(mark.off)}")
        for name, level in (thinking.levels.names if thinking.levels else {}).items():
            if level.mark is not None:
                self.put(f"if level == {literal(name)}")
                self.put(f"set mark = {literal(level.mark)}")
                self.put("endif")

    def _list(self, texts: Sequence[str]) -> str:
        return f"[{', '.join(map(literal, texts))}]"

    def _rewrite(self, thinking: Thinking) -> None:
        """Put a reply that holds a thought together anew."""
        start, end = (literal(word.strip()) for word in thinking.words)
        before, after = map(literal, thinking.words)
        self.put(f"set text = {self._trimmed('text', self.template.trim['assistant'])}")
        self.put(f"if {start} in text and {end} in text")
        self.put(f"set rest = text.split({end})[1:]|join({end})")
        thought = f"(text.split({end})|first).split({start})|last|trim"
        self.put(f"set text = {before} ~ ({thought}) ~ {after} ~ {self._trimmed('rest', 'leading_newlines')}")
        self.put("endif")

    def _frame(self, frame: Frame, thinking: Thinking) -> None:
        """Write what stands around the parts of a reply into its text."""
        start, end = (word.strip() for word in thinking.words)
        front, between, behind = map(literal, frame.thought)
        begins = f"text[:{len(start)}] == {literal(start)}"
        if frame.unless:
            self.put(f"if {literal(frame.unless)} not in text")
        if thinking.span == "between":
            self.put(f"if {begins}")
            self._demand(f"{literal(end)} in text[{len(start)}:]", "the thought of a reply does not end")
            self.put(f"set piece = text[{len(start)}:].split({literal(end)})")
            rest = f"(piece[1:]|join({literal(end)}))"
            self.put(f"set text = {front} ~ piece[0] ~ {between} ~ {rest} ~ {behind}")
        else:
            self.put(f"if {literal(end)} in text")
            self.put(f"if {front} not in text")
            self.put(f"set text = text.split({literal(start)})|join({front})")
            self.put("endif")
            self.put(f"set text = (text.split({literal(end)})|join({between})) ~ {behind}")
        self.put("else")
        head, tail = map(literal, frame.plain)
        self.put(f"set text = {head} ~ text ~ {tail}")
        self.put("endif")
        if frame.unless:
            self.put("endif")

    def _only_answer(self, words: tuple[str, str], how: Trim) -> str:
        """Cut ``text`` down to its answer, and give what is then written of it."""
        start, end = map(literal, words)
        self.put(f"set text = (text.split({start})|last).rstrip()")
        self.put(f"if text[-{len(words[1])}:] == {end}")
        self.put(f"set text = text[:-{len(words[1])}]")
        self.put("endif")
        return self._trimmed("text", how)

    def _dropped(self) -> list[str]:
        """When a reply loses its thought; any of these."""
        thinking = self.template.thinking
        assert thinking is not None
        dropped = []
        if thinking.history != "keep":
            when = "thinks and " if thinking.history == "switched" else ""
            prompts_only = thinking.history == "remove" or self.template.learns == "last"
            kept = "asks and preserve_thinking" if prompts_only else "preserve_thinking"
            dropped.append(f"({when}not replied and not ({kept}))")
        if thinking.empty_trained == "switched":
            dropped.append("(not thinks and not add_generation_prompt)")
        if dropped and thinking.kept_from_results:
            dropped = [f"(loop.index0 < state.answered and ({' or '.join(dropped)}))"]
        if dropped and thinking.kept_in_chain:
            dropped = [f"(loop.index0 < state.asked_last and ({' or '.join(dropped)}))"]
        if dropped and thinking.kept_with_tools:
            return [f"(not tools and ({' or '.join(dropped)}))"]
        return dropped

    def _history(self) -> None:
        thinking = self.template.thinking
        assert thinking is not None
        dropped = self._dropped()
        if dropped and thinking.empty_in != "learned":
            self.put(f"set drops = {' or '.join(dropped)}")
        if dropped:
            self.put(f"if {' or '.join(dropped)}")
            if thinking.answer:
                self.put(f"set text = {self._only_answer(thinking.answer, thinking.history_trim)}")
            elif thinking.span == "between":
                self.put(f"set text = {self._trimmed('without_thoughts(text)', thinking.history_trim)}")
            else:
                rest = f"(text.split({literal(thinking.words[1].strip())})|last)"
                self.put(f"set text = {self._trimmed(rest, thinking.history_trim)}")
            front = literal(thinking.when_dropped)
            if thinking.dropped_before_calls is not None and self.tools:
                condition = "message.tool_calls and not (alone or text)"
                front = f"({literal(thinking.dropped_before_calls)} if {condition} else {front})"
            if front != literal(""):
                self.put(f"set text = {front} ~ text")
            if self.tools and beside_jinja(self.tools)[1] and thinking.history_trim != "none":
                self.put("if alone")
                self.put(f"set separator = {self._trimmed('separator', thinking.history_trim)}")
                self.put("endif")
            self.put("endif")

    def _remover(self, words: tuple[str, str]) -> None:
        """A macro that removes thoughts: each begins with the first word and ends with the next second word."""
        start, end = (literal(word) for word in words)
        self.put("macro without_thoughts(text)")
        self.put("set scan = namespace(open=false, held='')")
        self.put(f"for piece in text.split({start})")
        self.put("if loop.first")
        self.print("piece")
        self.put("else")
        self.put(f"set rest = {start} ~ piece if scan.open else piece")
        self.put(f"if {end} in rest")
        self.print(f"rest.split({end})[1:]|join({end})")
        self.put("set scan.open = false")
        self.put("set scan.held = ''")
        self.put("else")
        self.put("set scan.open = true")
        self.put(f"set scan.held = scan.held ~ {start} ~ piece")
        self.put("endif")
        self.put("endif")
        self.put("endfor")
        self.print("scan.held")
        self.put("endmacro")

    def _trimmer(self, how: Trim) -> None:
        """A macro that takes newlines off; not every engine's ``strip`` can be told what to strip."""
        self.put(f"macro without_{how}(text)")
        self.put("set scan = namespace(begun=false, held='')")
        self.put("for line in text.split('\\n')")
        self.put("if line")
        self.print("(scan.held if scan.begun else '') ~ line")
        self.put("set scan.begun = true")
        self.put("set scan.held = ''")
        self.put("endif")
        self.put("set scan.held = scan.held ~ '\\n'")
        self.put("endfor")
        if how == "leading_newlines":
            self.print("scan.held[1:] if scan.begun else ''")
        self.put("endmacro")

    def _content(self, message: str, name: str = "text", *, ahead: bool = False) -> None:
        """Set ``name`` to the text of a message whose content is text, nothing, or a list of typed parts.

        ``ahead`` says that the message is only looked at here, so that its media are not counted twice.
        """
        self.put(f"set {name}")
        self.put(f"if {message}.content is string")
        self.print(f"{message}.content")
        self.put(f"elif {message}.content")
        self.put(f"for part in {message}.content")
        self.put("if part.type == 'text'")
        self.print("part.text")
        for kind, types in _MEDIA.items():
            placeholder = getattr(self.template.slots, kind)
            if placeholder is not None:
                self.put(f"elif part.type in {list(types)}")
                self._placeholder(kind, placeholder, ahead)
        self.put("else")
        self.print("raise_exception('this template has no place for content of type ' ~ part.type)")
        self.put("endif")
        self.put("endfor")
        self.put("endif")
        self.put("endset")

    def _numbered(self) -> list[str]:
        """The kinds of media whose texts hold their numbers."""
        return [kind for kind in _MEDIA if MEDIUM_NUMBER in (getattr(self.template.slots, kind) or "")]

    def _placeholder(self, kind: str, text: str, ahead: bool) -> None:
        if MEDIUM_NUMBER in text and not ahead:
            self.put(f"set state.{kind} = state.{kind} + 1")
        self.print(f" ~ state.{kind} ~ ".join(map(literal, text.split(MEDIUM_NUMBER))))

    # -- tags ------------------------------------------------------------------------------------------------------

    def put(self, tag: str) -> None:
        """Write a statement; blocks indent what stands in them."""
        word = tag.split()[0]
        closes = word.startswith("end") or word in ("else", "elif")
        if closes:
            self.depth -= 1
        self.lines.append(f"{'  ' * self.depth}{{%- {tag} -%}}")
        opens = word in ("if", "for", "macro", "generation", "else", "elif") or (word == "set" and "=" not in tag)
        if opens:
            self.depth += 1

    def print(self, expression: str) -> None:
        self.lines.append(f"{'  ' * self.depth}{{{{- {expression} -}}}}")

    def raw(self, fragment: str) -> None:
        self.lines.append(f"{'  ' * self.depth}{fragment}")

    def out(self, slot: Slot, content: str | None = None) -> None:
        """Print a slot, its content filled with an expression."""
        if slot:
            self.print(self._expression(slot, content))

    def _expression(self, slot: Slot, content: str | None = None) -> str:
        parts = []
        for part in slot:
            if part.kind in ("text", "token"):
                parts.append(literal(part.value))
            elif part.kind in ("bos", "eos"):
                parts.append(f"({part.kind}_token or '')")
            elif part.kind == "date":
                parts.append(f"strftime_now({literal(part.value)})")
            elif part.kind in ("id", "attribute"):
                places = holding(self.template.slots, part.kind)
                self._refuse(f"{places}: the format has a token whose text only the tokenizer knows")
            elif part.kind == "field":
                numbers = {"idx": "state.round", "round": "(state.round + 1)"}
                parts.append(numbers.get(part.value, content or "''"))
        return " ~ ".join(parts) or "''"

    def _trimmed(self, expression: str, how: Trim) -> str:
        if how == "both":
            return f"{expression}|trim"
        return expression if how == "none" else f"without_{how}({expression})"

    def _either(self, condition: str, yes: str, no: str) -> None:
        if yes == no:
            self.out_text(yes)
            return
        self.put(f"if {condition}" if yes else f"if not {condition}")
        self.out_text(yes or no)
        if yes and no:
            self.put("else")
            self.out_text(no)
        self.put("endif")

    def out_text(self, text: str) -> None:
        if text:
            self.print(literal(text))

    def _raise(self, message: str) -> None:
        self.print(f"raise_exception({literal(message)})")

    def _demand(self, condition: str, otherwise: str) -> None:
        self.put(f"if not ({condition})")
        self._raise(otherwise)
        self.put("endif")
