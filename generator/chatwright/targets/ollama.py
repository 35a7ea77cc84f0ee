'''Ollama: a whole Modelfile per template (read from Ollama's sources of August 2026, v0.33.0-rc2).

Conventions:

- A Modelfile is a list of commands. A value is bare, ``"..."`` or ``"""..."""``, nothing in it is escaped, a quoted one
  ends where a line ends with its quotes, and characters that Go calls non-printable are dropped (``parser/parser.go``).
- TEMPLATE is a Go ``text/template`` (``template/template.go``). It sees ``.System``, the texts of all system messages,
  and ``.Messages``, in which consecutive messages of one role are merged. A template that loops over ``.Messages``
  writes the whole prompt; a last message of the assistant is continued.
- The runner adds BOS as the GGUF says (``tokenizer.ggml.add_bos_token``), and takes only a textual ``<bos>`` away again
  (``llm/llama_server.go``): the template must not write it.
- A model can think where its template shows ``.Thinking`` between two plain texts inside the loop
  (``thinking/template.go``); a request that says nothing then thinks.
- A model takes tools where the template names ``.Tools``. Replies are searched for calls behind the first text inside
  ``if .ToolCalls``, up to a brace; where an action comes first, they must begin with a brace (``tools/template.go``).
  Only calls whose arguments stand in one JSON object are found (``tools/tools.go``).
- The chat template inside a GGUF wins over TEMPLATE where it can do more, unless the Modelfile names a PARSER or the
  server runs with ``OLLAMA_GO_TEMPLATE=1`` (``server/images.go``, ``shouldPreferChatTemplate``). ``passthrough``
  changes no reply, but leaves thoughts and calls in it too, so templates that show either name none.
'''

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Literal

from ..catalogue.model import PartKind, Slot, Spec, SystemMark, Template, Thinking, Trim
from ..catalogue.slots import split_content
from ..errors import Refusals, Unsupported
from ..meaning.render import trim
from ..meaning.tool_formats import ToolFormat, answers_call, beside_jinja, format_of, needs_ids, needs_objects
from .go_template import Constant, Go, Text, Value, compile_jinja, keep_text, write_calls, write_tools
from .go_text import (
    NEWLINE,
    NOT_FOUND,
    WHITE_SPACE,
    Action,
    Block,
    GoWriter,
    Piece,
    Pieces,
    Thought,
    go_date,
    go_literal,
    is_plain,
)
from .literal import begins_with_bos, stop_texts, token_text, without_bos
from .places import SLOTS, holding
from .protocol import Context, Output
from .rendering import file_per_template

FOLDER = "deploy/ollama"
NO_CALLS = "Ollama does not find the calls in replies of this format: they come as text."
ONE_CALL = "Ollama finds the call in a reply that makes one; several may come as text."
_HARMONY = ("<|start|>", "<|end|>")  # what Ollama knows a harmony template by (server/routes.go, shouldUseHarmony)


def generate(context: Context) -> Output:
    """One Modelfile per template."""
    return file_per_template(context, FOLDER + "/{}.Modelfile", "hash", modelfile)


def modelfile(spec: Spec, template: Template) -> str:
    """The Modelfile of a template.

    Raises:
        Unsupported: Ollama cannot express the template; the message says why.
    """
    writer, refusals, stops = _Writer(spec, template), Refusals(), []
    with refusals.collect():
        text = writer.text()
        value = quote(text)
    for stop in stop_texts(spec, template):
        with refusals.collect():
            stops.append(quote(stop, "stop_words" if stop in template.stop_words else "slots.assistant"))
    refusals.check()
    harmony = all(mark in text for mark in _HARMONY)
    lines = [f"# {line}".rstrip() for line in _notes(spec, template, writer, harmony=harmony)]
    lines += ["FROM .", "", f"TEMPLATE {value}", ""]
    if template.thinking is None and not harmony and not writer.reads_calls():
        lines += ["# Hands replies on as they are, and keeps a chat template inside the GGUF from replacing TEMPLATE."]
        lines += ["PARSER passthrough", ""]
    lines += [f"PARAMETER stop {stop}" for stop in stops]
    lines += [f"PARAMETER {name} {_number(value)}" for name, value in spec.serving.get("ollama", {}).items()]
    return "\n".join(lines).rstrip("\n") + "\n"


def go_template(spec: Spec, template: Template) -> str:
    """The TEMPLATE, equal in meaning to :func:`chatwright.meaning.render.render` without BOS.

    Raises:
        Unsupported: a Go template cannot express the template; the message says why.
    """
    return _Writer(spec, template).text()


# -- how values reach a Modelfile --------------------------------------------------------------------------------------


def quote(text: str, place: str = "") -> str:
    """The text as a value of a Modelfile command; ``place`` is where a spec says it.

    Raises:
        Unsupported: Modelfiles have no way to write it; they know no escapes.
    """
    where = f"{place}: " if place else ""
    dropped = sorted({character for character in set(text) - set("\n\t") if not is_plain(character)})
    if dropped:
        names = ", ".join(f"U+{ord(character):04X}" for character in dropped)
        raise Unsupported(f"{where}Ollama's Modelfile parser may drop or change {names}, and knows no escapes")
    if '"' not in text:
        return f'"{text}"'
    if any(f'"""{line}'.rstrip().endswith('"""') and len(f'"""{line}'.rstrip()) > 5 for line in _heads(text)):
        raise Unsupported(f"{where}a line that ends with three quotes would end the value in a Modelfile")
    return f'"""{text}"""'


def _heads(text: str) -> Iterable[str]:
    """The text up to each of its line ends, where Ollama's parser looks whether the value is complete."""
    return (text[: match.start()] for match in re.finditer("\n", text))


def _number(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _notes(spec: Spec, template: Template, writer: _Writer, *, harmony: bool) -> list[str]:
    """What whoever uses the file must know; everything that it cannot do stands here."""
    notes = [
        f"The prompt format {template.name}. Put this file into the folder of the model, GGUF or safetensors, and run",
        f"  ollama create NAME -f {template.name}.Modelfile",
        "or let FROM name a GGUF file, or a model that Ollama already has.",
    ]
    if _trained_with_bos(template, token_text(spec, "bos_token")):
        notes.append("BOS is not written here: the GGUF adds it (tokenizer.ggml.add_bos_token must be true).")
    elif template.targets.get("swift", {}).get("auto_add_bos"):
        notes.append(
            "BOS is not written here: the GGUF adds it where the tokenizer does (tokenizer.ggml.add_bos_token)."
        )
    else:
        notes.append("The format begins without BOS (tokenizer.ggml.add_bos_token must be false).")
    if any(part.kind == "eos" for part in template.end):
        notes.append("A reply ends with the GGUF's own EOS (tokenizer.ggml.eos_token_id), which needs no stop.")
    if any(part.kind == "eos" for part in template.slots.body):
        notes.append(f"In the history it is written out; it must be {go_literal(token_text(spec, 'eos_token') or '')}.")
    if tokens := _tokens(template):
        notes.append(f"Must be single special tokens of the GGUF: {' '.join(go_literal(token) for token in tokens)}")
    if template.slots.image or template.slots.video or template.slots.audio:
        notes.append("Images and sound get their place and their marks from Ollama, at the head of their message.")
    if harmony:
        notes.append("Ollama takes replies apart by its harmony parser where the GGUF is of the family gptoss.")
    elif template.thinking is not None or writer.reads_calls():
        notes.append(
            "If the GGUF holds a chat template of its own, start the server with OLLAMA_GO_TEMPLATE=1, or that may win."
        )
    notes += _tool_notes(writer)
    if template.thinking is None:
        notes.append("Not in this format for Ollama: thinking.")
    else:
        notes += [
            "Not in this format for Ollama: keeping the thoughts of earlier turns on request.",
        ]
        if not template.thinking.default:
            notes.append("Ollama thinks unless a request says otherwise; the default of this format is not to think.")
    return notes


def _tool_notes(writer: _Writer) -> list[str]:
    if writer.format is None:
        reason = f": {writer.without_tools}" if writer.without_tools else ""
        return [f"Ollama refuses tools, since this file does not write any{reason}."]
    notes = [
        "Of tools, Ollama keeps a schema's type, description, enum, items, anyOf, properties and required, and drops",
        "the rest (default, minimum, format); it writes JSON without spaces, keys sorted, <, > and & as \\u escapes.",
    ]
    if writer.sorted:
        notes.append(f"Ollama sorts by name what is written one by one: {', '.join(sorted(writer.sorted))}.")
    if not writer.reads_calls():
        notes.append(NO_CALLS)
    elif writer.reads_calls() == "one":
        notes.append(ONE_CALL)
    return notes


def _trained_with_bos(template: Template, bos: str | None) -> bool:
    slots = template.slots
    if slots.prefix:
        return begins_with_bos(slots.prefix, bos)
    turn = template.system_placement == "turn"
    return begins_with_bos(slots.system if turn else slots.user, bos)


def _tokens(template: Template) -> list[str]:
    slots = template.slots
    used = (slots.prefix, slots.system, slots.no_system or (), slots.user, slots.opener, slots.generation, slots.body)
    return list(dict.fromkeys(part.value for slot in used for part in slot if part.kind == "token"))


# -- the template ------------------------------------------------------------------------------------------------------


_GIVEN = Go("$.System", Text())  # the system text of the conversation
_TOOLS = "tools"  # the name of what describes the tools
_CALLS = "if .ToolCalls"  # the condition by which Ollama finds what stands in front of calls
_OF_TOOLS = (
    "system_with_tools",
    "before_calls",
    "opener_after_observation",
    "function",
    "function_last",
    "observation",
)
_TRIMS: tuple[Trim, ...] = ("none", "leading_newlines", "newlines", "both")  # each includes the ones before it


class _Writer(GoWriter):
    """Writes a template's TEMPLATE."""

    def __init__(self, spec: Spec, template: Template) -> None:
        super().__init__()
        self.template = template
        self.bos, self.eos = token_text(spec, "bos_token"), token_text(spec, "eos_token")
        self.format = format_of(template)
        self.without_tools: str | None = None  # why the template's tool format cannot be written
        self.sorted: set[str] = set()  # what loses its order, see go_template.Written
        self.refusals = Refusals()
        if self.format:
            refusals = Refusals(self._refusals_of_tools(self.format))
            with refusals.collect():
                self.sorted |= write_tools(self.format, GoWriter(), system=_GIVEN, user=Go("$user", Text())).sorted
            with refusals.collect():
                self.sorted |= write_calls(self.format, GoWriter()).sorted
            if refusals.reasons:
                self.format, self.without_tools = None, "; ".join(dict.fromkeys(refusals.reasons))

    def _refusals_of_tools(self, tools: ToolFormat) -> Iterator[str]:
        """Why this template cannot write a tool format, whatever Go can."""
        template, thinking = self.template, self.template.thinking
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

    def reads_calls(self) -> Literal["any", "one"] | None:
        """Which calls Ollama finds in replies, once the text is written: of any number, or one alone, or none."""
        if self.format is None or needs_objects(self.format):
            return None
        start = [line.strip() for line in self.lines].index(f"{{{{- {_CALLS} -}}}}") + 1
        while self.lines[start].lstrip().startswith(("{{- if ", "{{- range ")):
            start += 1
        text = self.lines[start].split("{{")[0].strip()
        if not text:
            return None
        return "one" if self.format.single and not text.split("{")[0] else "any"

    def text(self) -> str:
        """The whole template; what cannot be written is left out until all of it is known.

        Raises:
            Unsupported: a Go template cannot express the template; carries every reason.
        """
        self.refusals = Refusals(self._refusals())
        with self.refusals.collect():
            self._write()
        self.refusals.check()
        return self.source()

    def _write(self) -> None:
        template, slots = self.template, self.template.slots
        self._trimmers()
        self._define_tools()
        self._seen_system()
        mark = self._mark()
        if mark and mark.place == "first":
            self._by_mode(mark, lambda text: self.put([text]))
        self.put(self._fill(without_bos(slots.prefix, self.bos)))
        self._system()
        if template.system_placement in ("first_user", "first_user_head"):
            self.do("$first := true")
        if self.format and self.format.place == "user":
            self.do("$described := false")
        if self._counts_rounds():
            self.do('$rounds := ""')
        self.do('$role := ""', "range $i, $_ := .Messages")
        if self.format:
            self.do("$before := $role")
        self.do("$role = .Role", "$last := eq (len (slice $.Messages $i)) 1")
        if template.single_turn:
            self._only_last_turn()
        self.do('if eq .Role "user"')
        self._user()
        self.do('else if eq .Role "assistant"')
        self._reply()
        if self.format and not template.single_turn:
            self.do('else if eq .Role "tool"')
            self._observation()
        self.do('else if ne .Role "system"')
        roles = (
            "system, user, tool and assistant"
            if self.format and not template.single_turn
            else "system, user and assistant"
        )
        self.refuse(f"this template takes {roles} messages only")
        self.do("end", *(["end"] if template.single_turn else []), "end")
        self._generation()

    # -- parts ---------------------------------------------------------------------------------------------------------

    def _refusals(self) -> Iterator[str]:
        template = self.template
        if template.pair:
            yield "pair: the format has a query and a document, and Ollama sends conversations"
        if template.last_message_end is not None:
            yield "last_message_end: a Go template cannot look for the mark that stands behind the last message"
        if template.thinking:
            yield from self._refusals_of_thinking(template.thinking)
        if template.system_placement == "last_user":
            yield (
                "system_placement: the system text goes into the last user message, and Ollama may cut off earlier ones"
            )

    def _refusals_of_thinking(self, thinking: Thinking) -> Iterator[str]:
        if thinking.levels:
            yield (
                "thinking.levels: the format has levels of thinking of its own, and an Ollama request has other ones"
            )
        if thinking.system_mark and thinking.system_mark.unless:
            yield ("thinking.system_mark: a Go template cannot look for a mark on thinking inside the system text")
        if thinking.system_mark and self.template.trim["system"] != "none":
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

    def _refuse_part(self, kind: PartKind, reason: str) -> None:
        """Keep a reason that is about the parts of a kind, with the places where a spec has them."""
        names = [name for name in SLOTS if self.format or name not in _OF_TOOLS]
        if kind == "bos" and begins_with_bos(self.template.slots.prefix, self.bos):
            names.remove("prefix")  # the runner adds that one
        places = [holding(self.template.slots, kind, names)]
        if any(part.kind == kind for part in self.template.default_system or ()):
            places.append("default_system")
        self.refusals.reasons.append(f"{', '.join(filter(None, places))}: {reason}")

    def _only_last_turn(self) -> None:
        """Pass over every message but the last user message and a reply behind it."""
        self.do('if eq .Role "tool"')
        self.refuse("this template has a single turn, and no place for tool results")
        self.do("end")
        self.do(
            '$continued := and (eq (len (slice $.Messages $i)) 2) (eq (index (slice $.Messages $i) 1).Role "assistant")'
        )
        self.do("if or $last $continued")

    def _define_tools(self) -> None:
        """Define what describes the tools, and writes nothing where there are none."""
        if self.format and self.format.place == "behind_system":
            description = GoWriter()
            description.do(f"define {go_literal(_TOOLS)}", "if .Tools")
            write_tools(self.format, description, "$.Tools")
            description.do("end", "end")
            self.define(description)

    def _described(self) -> bool:
        """Whether tools are described in the system text."""
        return self.format is not None and self.format.place != "user"

    def _with_tools(self, text: Pieces, system: Value) -> list[Piece]:
        """The system text with the description of the tools; ``system`` is that text as the description sees it."""
        if self.format is None or self.format.place == "user":
            return [*text]
        if self.format.place == "behind_system":
            return [*text, Action(f"template {go_literal(_TOOLS)} $")]
        tools = self.format

        def write() -> None:
            self.do("if $.Tools")
            seen = system
            if system == _GIVEN and self.template.trim["system"] == "both":
                self.do("$system := $.System")
                self.trim("$system")
                seen = Go("$system", Text())
            write_tools(tools, self, "$.Tools", system=seen)
            self.do("else")
            self.put(text)
            self.do("end")

        return [Block(write)]

    def _only_tools(self, fill: Callable[[Pieces], Pieces]) -> list[tuple[str, Pieces]]:
        """What is written where there are tools, and no system text."""
        cases: list[tuple[str, Pieces]] = []
        if self.format and self.format.place == "system":
            cases.append(("and $given $.Tools", fill(self._with_tools((), Constant("")))))
        return [*cases, ("$.Tools", fill(self._with_tools((), Constant(None))))] if self._described() else []

    def _seen_system(self) -> None:
        """Tell an empty system message from none, where that matters; ``.System`` is empty in both cases."""
        template = self.template
        matters = template.empty_system == "omit" and template.default_system is not None
        matters |= self.format is not None and self.format.place == "system"
        if template.empty_system == "keep" or matters:
            self.do("$given := false", "range .Messages", 'if eq .Role "system"', "$given = true", "end", "end")

    def _mark(self) -> SystemMark | None:
        return self.template.thinking.system_mark if self.template.thinking else None

    def _by_mode(self, mark: SystemMark, write: Callable[[str], None]) -> None:
        """Write by the mark of each mode; a request that says nothing about thinking counts as the default."""
        assert self.template.thinking is not None
        self.do(f"if {self._off(self.template.thinking)}")
        write(mark.off)
        self.do("else")
        write(mark.on)
        self.do("end")

    def _system(self, *, fused: bool = False, instead: Slot = ()) -> None:
        """The system turn, or, ``fused``, the system text in front of the first user message.

        ``instead`` stands there where the conversation has no system text.
        """
        mark = self._mark()
        if mark and mark.place != "first":
            self._by_mode(
                mark, lambda text: self._marked(mark, text, fused) if text else self._unmarked(fused, instead)
            )
        else:
            self._unmarked(fused, instead)

    def _marked(self, mark: SystemMark, text: str, fused: bool) -> None:
        """The same with a mark on thinking in the system text, which is there in any case."""
        template = self.template
        if not fused and template.system_placement != "turn":
            return
        slot = template.slots.system
        if self._begins(fused):
            slot = without_bos(slot, self.bos)
        before = mark.place == "before"

        def around(content: Pieces) -> list[Piece]:
            own = text + mark.separator if before else mark.separator + text
            return self._fill(slot, [own, *content] if before else [*content, own])

        alone, default = self._fill(slot, [text]), template.default_system
        cases: list[tuple[str, Pieces]] = [("$.System", around(self._with_tools([Action("$.System")], _GIVEN)))]
        if default and template.empty_system != "default":
            if self._described():
                cases += [("and $given $.Tools", around(self._with_tools((), Constant(""))))]
            cases += [("$given", alone)]
        if default:
            seen = Constant("".join(part.value for part in default))
            cases += [("", around(self._with_tools(self._fill(default), seen)))]
        else:
            cases += [*self._only_tools(around), ("", alone)]
        self._choose(cases)

    def _begins(self, fused: bool) -> bool:
        """Whether the system text begins the prompt."""
        slots, behind = self.template.slots, fused and self.template.system_placement == "first_user"
        return not slots.prefix and not (behind and split_content(slots.user)[0])

    def _unmarked(self, fused: bool, instead: Slot) -> None:
        template, slots = self.template, self.template.slots
        turn = fused or template.system_placement == "turn"
        given_text = "$given" if template.empty_system == "keep" else "$.System"
        if template.system_placement == "none":
            self.do(f"if {f'or {given_text} $.Tools' if self._described() else given_text}")
            self.refuse("this template has no place for a system text")
            self.do("end")
        slot, no_slot = slots.system, slots.no_system or ()
        if self._begins(fused):
            slot, no_slot = without_bos(slot, self.bos), without_bos(no_slot, self.bos)
        text = [self._trimmed("$.System", template.trim["system"])]
        given = self._fill(slot, self._with_tools(text, _GIVEN)) if turn else []
        empty = self._fill(instead if fused else no_slot)
        cases: list[tuple[str, Pieces]] = [(given_text, given)]
        if template.default_system is not None:
            default = self._default(template.default_system)
            seen = Constant("".join(piece for piece in default if isinstance(piece, str)))
            otherwise = self._fill(slot, self._with_tools(default, seen)) if turn else []
            if template.empty_system != "omit":
                self._choose([*cases, ("", otherwise)])
                return
            cases += [("not $given", otherwise)]
        if turn:
            cases += self._only_tools(lambda content: self._fill(slot, content))
        self._choose([*cases, ("", empty)])

    def _default(self, default: Slot) -> list[Piece]:
        how = self.template.trim["system"]
        if all(part.kind == "text" for part in default):
            return [trim("".join(part.value for part in default), how)]
        if how != "none":
            self.refusals.reasons.append(
                "default_system, trim.system: a default system text with today's date in it cannot be trimmed"
            )
        return self._fill(default)

    def _choose(self, cases: Sequence[tuple[str, Pieces]]) -> None:
        """Write the output of the first case whose condition holds; an empty condition always does."""
        while cases and not cases[-1][1] and not cases[-1][0]:
            cases = cases[:-1]
        if not any(output for _, output in cases):
            return
        word = "if"
        for condition, output in cases:
            self.do(f"{word} {condition}" if condition else "else")
            self.put(output)
            word = "else if"
        self.do("end")

    def _user(self) -> None:
        template = self.template
        before, after = split_content(template.slots.user)
        if begins_with_bos(before, self.bos) and not template.slots.prefix:
            self._bos_of_later_turns()
            before = without_bos(before, self.bos)
        if template.system_placement == "first_user_head":
            self.do("if $first")
            self._system(fused=True, instead=before)
            self.do("$first = false", "else")
            self.put(self._fill(before))
            self.do("end")
        else:
            self.put(self._fill(before))
        if template.system_placement == "first_user":
            self.do("if $first")
            self._system(fused=True)
            self.do("$first = false", "end")
        self._asked()
        self.put(self._fill(after))
        if self._counts_rounds():
            self.do('$rounds = printf "%s." $rounds')

    def _asked(self) -> None:
        """The text of a user message, with the description of the tools where that stands in the first one."""
        how = self.template.trim["user"]
        if self.format is None or self.format.place != "user":
            self.put([self._trimmed(".Content", how)])
            return
        self.do("if and $.Tools (not $described)", "$described = true", "$user := .Content")
        if how == "both":
            self.trim("$user")
        write_tools(self.format, self, "$.Tools", user=Go("$user", Text()))
        self.do("else")
        self.put([self._trimmed(".Content", how)])
        self.do("end")

    def _bos_of_later_turns(self) -> None:
        """Write the BOS that begins each user turn, but not where the turn begins the prompt."""
        if self.template.system_placement != "first_user" or self.template.slots.no_system:
            self.refusals.reasons.append(
                "slots.user: the user turn begins with BOS, and only sometimes begins the prompt"
            )
            return
        self.do("if not $first")
        self.put([self._token("bos", self.bos)])
        self.do("end")

    def _reply(self) -> None:
        template, slots, thinking = self.template, self.template.slots, self.template.thinking
        if not self.format:
            self.do("if .ToolCalls")
            self.refuse("this template takes no tool calls")
            self.do("end")
        if self.format:
            self.do("$calls := .ToolCalls")  # Ollama looks for the first condition that names the field itself
        openers: list[tuple[str, Pieces]] = []
        if self.format and slots.before_calls is not None:
            openers += [("and $calls (not .Content) (not .Thinking)", self._fill(slots.before_calls))]
        if self.format and slots.opener_after_observation != slots.opener:
            openers += [('eq $before "tool"', self._fill(slots.opener_after_observation))]
        if openers:
            self._choose([*openers, ("", self._fill(slots.opener))])
        else:
            self.put(self._fill(slots.opener))
        head, tail = (self._fill(part) for part in split_content(slots.body))
        calls_head, calls_tail = (self._fill(part) for part in split_content(slots.function))
        if self.format and calls_head != head:
            self._choose([("$calls", calls_head), ("", head)])
        else:
            self.put(head)
        content = template.trim["assistant"]
        if thinking and thinking.history in ("drop", "remove", "switched"):
            kept = f"or $last ({self._off(thinking)})" if thinking.history == "switched" else "$last"
            self.do(f"if {kept}")
            self.put([*self._thought(thinking), self._trimmed(".Content", content)])
            self.do("else")
            self._without_thoughts(thinking)
            self.do("end")
        else:
            self.put(self._thought(thinking) if thinking else [])
            self._said(content)
        if self.format:
            self.do(_CALLS)
            if needs_objects(self.format):
                self.put([Action('""')])  # or Ollama waits for calls that it cannot read, and the reply is lost
            write_calls(self.format, self, "$calls")
            if calls_tail != tail:
                self._unless_last(calls_tail)
                self.do("else")
                self._unless_last(tail)
                self.do("end")
                return
            self.do("end")
        self._unless_last(tail)

    def _thought(self, thinking: Thinking) -> list[Piece]:
        thought = Thought(".Thinking", thinking.words)
        return [thought] if thought.is_found else []  # or it is refused

    def _off(self, thinking: Thinking) -> str:
        """Whether thinking is off; a request that says nothing about it counts as the default."""
        return "and $.IsThinkSet (not $.Think)" if thinking.default else "not $.Think"

    def _without_thoughts(self, thinking: Thinking) -> None:
        """The text of an earlier reply without its thoughts, be they apart from it or inside."""
        rest = thinking.words[1].partition(thinking.words[1].strip())[2] if thinking.span == "to_last_end" else ""
        beside = self.format is not None and self.format.beside is not None
        self.do("$text := .Content")
        self.trim("$text", self.template.trim["assistant"])
        if beside:
            self._beside_calls(thinking)
        elif rest:
            self.do("if .Thinking", f'$text = printf "%s%s" {go_literal(rest)} $text', "end")
        if thinking.span == "between":
            self.remove_between("$text", thinking.words)
        else:
            self.keep_behind("$text", thinking.words[1].strip())
        self.trim("$text", thinking.history_trim)
        if self.format and thinking.dropped_before_calls is not None:
            only_thought = "and $calls (not $text) (or .Content .Thinking)"
            self._choose([(only_thought, [thinking.dropped_before_calls]), ("", [thinking.when_dropped])])
        else:
            self.put([thinking.when_dropped])
        self.put([Action("$text")])
        if beside:
            self.do("if not (or .Content .Thinking)")
            self.trim("$between", thinking.history_trim)
            self.do("end")
            self.put([Action("$between")])

    def _beside_calls(self, thinking: Thinking) -> None:
        """Make ``$text`` what is written of it in front of calls, thought included, and ``$between`` what follows."""
        assert self.format is not None
        text, separator = beside_jinja(self.format)
        before, after = map(go_literal, thinking.words)
        self.do('$between := ""', "if .Thinking", f'$text = printf "%s%s%s%s" {before} .Thinking {after} $text', "end")
        self.do("if $calls")
        keep_text(text, self, "$text")
        if separator:
            keep_text(separator, self, "$between", of="$text")
        self.do("end")

    def _said(self, how: Trim) -> None:
        """The text of a reply, and what stands between it and its calls."""
        text, separator = beside_jinja(self.format) if self.format else ("", "")
        if self.format is None or self.format.beside is None:
            self.put([self._trimmed(".Content", how)])
            return
        self.do("if $calls", "$text := .Content")
        if how == "both":
            self.trim("$text")
        keep_text(text, self, "$text")
        self.put([Action("$text")])
        compile_jinja(separator, self, {"text": Go("$text", Text())})
        self.do("else")
        self.put([self._trimmed(".Content", how)])
        self.do("end")

    def _unless_last(self, output: Pieces) -> None:
        if output:
            self.do("if not $last")
            self.put(output)
            self.do("end")

    def _observation(self) -> None:
        """A tool message: neighbours of one another share a turn."""
        template = self.template
        before, after = split_content(template.slots.observation)
        self._choose([('eq $before "tool"', [template.result_separator]), ("", self._fill(before))])
        self.put([self._trimmed(".Content", template.trim["observation"])])
        rounds = self._counts_rounds()
        if not after and not rounds:
            return
        self.do('$next := ""', "if not $last", "$next = (index (slice $.Messages $i) 1).Role", "end")
        self.do('if ne $next "tool"')
        self.put(self._fill(after))
        if rounds:
            self.do('$rounds = printf "%s." $rounds')
        self.do("end")

    def _generation(self) -> None:
        """What the prompt ends with; a request that says nothing about thinking counts as the default."""
        slots, thinking = self.template.slots, self.template.thinking
        prompt = self._fill(slots.generation)
        if not prompt and not (thinking and (thinking.when_on or thinking.when_off)):
            return
        self.do('if ne $role "assistant"')
        if self.format and slots.generation == slots.opener and slots.opener_after_observation != slots.opener:
            self._choose([('eq $role "tool"', self._fill(slots.opener_after_observation)), ("", prompt)])
        else:
            self.put(prompt)
        if thinking:
            on: Pieces = [thinking.when_on] if thinking.when_on else []
            off: Pieces = [thinking.when_off] if thinking.when_off else []
            if thinking.default:
                self._choose([(self._off(thinking), off), ("", on)])
            else:
                self._choose([("$.Think", on), ("", off)])
        self.do("end")

    def _counts_rounds(self) -> bool:
        slots = (self.template.slots.user, self.template.slots.observation if self.format else ())
        return any(part.kind == "field" and part.value in ("idx", "round") for slot in slots for part in slot)

    # -- slots ---------------------------------------------------------------------------------------------------------

    def _fill(self, slot: Slot, content: Pieces = ()) -> list[Piece]:
        output: list[Piece] = []
        for part in slot:
            if part.kind in ("text", "token"):
                output.append(part.value)
            elif part.kind == "field":
                numbers = {"idx": Action("len $rounds"), "round": Action('len (printf "%s." $rounds)')}
                output += [numbers[part.value]] if part.value in numbers else content
            elif part.kind == "date":
                try:
                    output += go_date(part.value)
                except Unsupported as error:
                    self._refuse_part("date", str(error))
            elif part.kind in ("id", "attribute"):
                self._refuse_part(part.kind, "the format has a token whose text only the tokenizer knows")
            elif part.kind == "eos":
                output.append(self._token("eos", self.eos))
            elif part.kind == "bos":
                output.append(self._token("bos", self.bos))
        return output

    def _token(self, name: Literal["bos", "eos"], text: str | None) -> str:
        if text is None:
            self._refuse_part(
                name,
                f"the format writes the tokenizer's own {name.upper()} inside the prompt, a Go template cannot ask for "
                f"it, and the spec does not tell its text (serving.tokens.{name}_token)",
            )
        return text or ""

    # -- trimming ------------------------------------------------------------------------------------------------------

    def _trimmed(self, value: str, how: Trim) -> Action:
        return Action(value if how == "none" else f"template {go_literal(how)} {value}")

    def _trimmers(self) -> None:
        """Define what trims the texts: Go has no function for it, so each definition calls itself with less."""
        template = self.template
        used = {template.trim["system"], template.trim["user"], template.trim["assistant"]}
        if self.format:
            used.add(template.trim["observation"])
        for how in _TRIMS[1:]:
            if how in used:
                characters = WHITE_SPACE if how == "both" else NEWLINE
                self._trimmer(how, characters, "" if how == "leading_newlines" else f"{how}_end")

    def _trimmer(self, name: str, characters: Sequence[Sequence[str]], end: str) -> None:
        first = [(f"slice . 0 {length}", f"slice . {length}") for length in (1, 2, 3)]
        last = [(f"slice . (len (slice . {n}))", f"slice . 0 (len (slice . {n}))") for n in (1, 2, 3)]
        self._scan(name, characters, first, Action(f"template {go_literal(end)} .") if end else Action("."))
        if end:
            self._scan(end, characters, last, Action("."))

    def _scan(
        self, name: str, characters: Sequence[Sequence[str]], ends: Sequence[tuple[str, str]], then: Action
    ) -> None:
        self.do(f"define {go_literal(name)}")
        word = "if"
        for length, (some, (edge, rest)) in enumerate(zip(characters, ends, strict=False), start=1):
            wanted = " ".join(go_literal(character) for character in some)
            self.do(f"{word} and (ge (len .) {length}) (eq ({edge}) {wanted})")
            self.put([Action(f"template {go_literal(name)} ({rest})")])
            word = "else if"
        self.do("else")
        self.put([then])
        self.do("end", "end")
