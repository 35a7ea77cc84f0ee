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
  (``thinking/template.go``); a request that says nothing then thinks. It takes tools where the template names
  ``.Tools``; these templates do not, so Ollama refuses tools.
- The chat template inside a GGUF wins over TEMPLATE where it can do more, unless the Modelfile names a PARSER or the
  server runs with ``OLLAMA_GO_TEMPLATE=1`` (``server/images.go``, ``shouldPreferChatTemplate``). ``passthrough``
  changes no reply, but leaves thoughts in it too, so templates that think name none.
'''

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter

from ..catalogue.model import Part, Slot, Spec, SystemMark, Template, Thinking, Trim
from ..catalogue.slots import join_slots, split_content
from ..errors import Unsupported
from ..meaning.render import trim
from .literal import begins_with_bos, stop_texts, token_text, without_bos
from .protocol import Context, Output
from .rendering import file_per_template

FOLDER = "deploy/ollama"
_DELIMITERS = re.compile(r'\{\{+|"""+')
_HARMONY = ("<|start|>", "<|end|>")  # what Ollama knows a harmony template by (server/routes.go, shouldUseHarmony)
_DATE = "%Y-%m-%d"  # the only form in which Ollama's currentDate writes a date


def generate(context: Context) -> Output:
    """One Modelfile per template."""
    return file_per_template(context.catalogue, FOLDER + "/{}.Modelfile", "hash", modelfile)


def modelfile(spec: Spec, template: Template) -> str:
    """The Modelfile of a template.

    Raises:
        Unsupported: Ollama cannot express the template; the message says why.
    """
    text = go_template(spec, template)
    harmony = all(mark in text for mark in _HARMONY)
    lines = [f"# {line}".rstrip() for line in _notes(spec, template, harmony=harmony)]
    lines += ["FROM .", "", f"TEMPLATE {quote(text)}", ""]
    if template.thinking is None and not harmony:
        lines += ["# Hands replies on as they are, and keeps a chat template inside the GGUF from replacing TEMPLATE."]
        lines += ["PARSER passthrough", ""]
    lines += [f"PARAMETER stop {quote(stop)}" for stop in stop_texts(spec, template)]
    lines += [f"PARAMETER {name} {_number(value)}" for name, value in spec.serving.get("ollama", {}).items()]
    return "\n".join(lines).rstrip("\n") + "\n"


def go_template(spec: Spec, template: Template) -> str:
    """The TEMPLATE, equal in meaning to :func:`chatwright.meaning.render.render` without BOS.

    Raises:
        Unsupported: a Go template cannot express the template; the message says why.
    """
    return _Writer(spec, template).text()


# -- how values reach a Modelfile --------------------------------------------------------------------------------------


def quote(text: str) -> str:
    """The text as a value of a Modelfile command.

    Raises:
        Unsupported: Modelfiles have no way to write it; they know no escapes.
    """
    dropped = sorted({character for character in text if character not in "\n\t" and not _is_plain(character)})
    if dropped:
        names = ", ".join(f"U+{ord(character):04X}" for character in dropped)
        raise Unsupported(f"Ollama's Modelfile parser may drop or change {names}, and knows no escapes")
    if '"' not in text:
        return f'"{text}"'
    if any(f'"""{line}'.rstrip().endswith('"""') and len(f'"""{line}'.rstrip()) > 5 for line in _heads(text)):
        raise Unsupported("a line that ends with three quotes would end the value in a Modelfile")
    return f'"""{text}"""'


def _heads(text: str) -> Iterable[str]:
    """The text up to each of its line ends, where Ollama's parser looks whether the value is complete."""
    return (text[: match.start()] for match in re.finditer("\n", text))


def go_literal(text: str) -> str:
    """The text as a Go string literal that any Modelfile carries unchanged."""
    escapes = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
    return f'"{"".join(escapes.get(character) or _go_character(character) for character in text)}"'


def _go_character(character: str) -> str:
    if _is_plain(character):
        return character
    return f"\\u{ord(character):04x}" if ord(character) < 0x10000 else f"\\U{ord(character):08x}"


def _is_plain(character: str) -> bool:
    """Whether Go calls the character printable, whatever its Unicode version.

    Go prints letters, marks, numbers, punctuation, symbols and the ASCII space (``strconv.IsPrint``). Unicode 3.2,
    which every Python carries, has them all except newer characters; the soft hyphen has changed sides since.
    """
    if character == "\u00ad":
        return False
    return character == " " or unicodedata.ucd_3_2_0.category(character)[0] in "LMNPS"


def _number(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _notes(spec: Spec, template: Template, *, harmony: bool) -> list[str]:
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
    elif template.thinking is not None:
        notes.append(
            "If the GGUF holds a chat template of its own, start the server with OLLAMA_GO_TEMPLATE=1, or that wins."
        )
    if template.thinking is None:
        notes.append("Not in this format for Ollama: tools, which Ollama refuses, and thinking.")
    else:
        notes += [
            "Not in this format for Ollama: tools, which Ollama refuses; keeping the thoughts of earlier turns on",
            "request; thoughts that stand inside a message's content.",
        ]
        if not template.thinking.default:
            notes.append("Ollama thinks unless a request says otherwise; the default of this format is not to think.")
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


@dataclass(frozen=True)
class _Do:
    """A Go action inside a line of output."""

    action: str

    def __str__(self) -> str:
        return f"{{{{ {self.action} }}}}"


@dataclass(frozen=True)
class _Thought:
    """A thought between its words, all on one line, as Ollama looks for it."""

    condition: str
    words: tuple[str, str]

    def __str__(self) -> str:
        return f"{{{{ if {self.condition} }}}}{self.words[0]}{{{{ .Thinking }}}}{self.words[1]}{{{{ end }}}}"


_Output = Sequence[str | _Do | _Thought]

_TRIMS: tuple[Trim, ...] = ("none", "leading_newlines", "newlines", "both")  # each includes the ones before it
_NEWLINE = (("\n",),)
_WHITE_SPACE = tuple(  # what Python's str.strip removes, by length in UTF-8
    tuple(chr(code) for code in range(0x3001) if chr(code).isspace() and len(chr(code).encode()) == length)
    for length in (1, 2, 3)
)


class _Writer:
    """Writes statements one a line, trimming the white space around them, and between them lines of output."""

    def __init__(self, spec: Spec, template: Template) -> None:
        self.template = template
        self.bos, self.eos = token_text(spec, "bos_token"), token_text(spec, "eos_token")
        self.lines: list[str] = []
        self.pending: list[str | _Do | _Thought] = []
        self.depth = 0

    def text(self) -> str:
        template, slots = self.template, self.template.slots
        self._refuse()
        self._trimmers()
        self._seen_system()
        mark = self._mark()
        if mark and mark.place == "first":
            self._by_mode(mark, lambda text: self.put([text]))
        self.put(self._fill(without_bos(slots.prefix, self.bos)))
        self._system()
        if template.system_placement in ("first_user", "first_user_head"):
            self.do("$first := true")
        if self._counts_rounds():
            self.do('$rounds := ""')
        self.do('$role := ""', "range $i, $_ := .Messages")
        self.do("$role = .Role", "$last := eq (len (slice $.Messages $i)) 1", 'if eq .Role "user"')
        self._user()
        self.do('else if eq .Role "assistant"')
        self._reply()
        self.do('else if ne .Role "system"')
        self.do(f"call {go_literal('this template takes system, user and assistant messages only')}", "end", "end")
        self._generation()
        return "\n".join(self.lines)

    # -- parts ---------------------------------------------------------------------------------------------------------

    def _refuse(self) -> None:
        template = self.template
        if template.pair:
            raise Unsupported("the format has a query and a document, and Ollama sends conversations")
        if template.last_message_end is not None:
            raise Unsupported("a Go template cannot look for the mark that stands behind the last message")
        if template.thinking:
            self._refuse_thinking(template.thinking)
        if template.thinking and template.thinking.history == "keep" and template.thinking.empty:
            raise Unsupported("earlier replies without a thought get an empty one, and Ollama cannot look into them")
        if template.system_placement == "last_user":
            raise Unsupported("the system text goes into the last user message, and Ollama may cut off earlier ones")
        if template.single_turn:
            raise Unsupported("the format has a single turn, and Ollama sends the whole conversation")

    def _refuse_thinking(self, thinking: Thinking) -> None:
        if thinking.levels:
            raise Unsupported("the format has levels of thinking of its own, and an Ollama request has other ones")
        if thinking.system_mark and thinking.system_mark.unless:
            raise Unsupported("a Go template cannot look for a mark on thinking inside the system text")
        if thinking.system_mark and self.template.trim["system"] != "none":
            raise Unsupported("a Go template cannot see whether anything is left of a system text that it trims")
        if thinking.frame or (thinking.rewrite and thinking.history not in ("drop", "remove")):
            raise Unsupported("replies are written by whether they hold a thought, and Ollama cannot look into them")
        if thinking.kept_with_tools or thinking.kept_from_results or thinking.kept_in_chain:
            raise Unsupported("where tools are offered the format writes the thoughts of earlier turns in another way")
        if thinking.answer:
            raise Unsupported("of earlier replies only the answer is kept, and Ollama cannot look into them")
        if thinking.empty_in != "learned":
            raise Unsupported(
                "earlier replies without a thought may get an empty one, and Ollama cannot look into them"
            )

    def _seen_system(self) -> None:
        """Tell an empty system message from none, where that matters; ``.System`` is empty in both cases."""
        template = self.template
        if template.empty_system == "keep" or (template.empty_system == "omit" and template.default_system is not None):
            self.do("$given := false", "range .Messages", 'if eq .Role "system"', "$given = true", "end", "end")

    def _mark(self) -> SystemMark | None:
        return self.template.thinking.system_mark if self.template.thinking else None

    def _by_mode(self, mark: SystemMark, write: Callable[[str], None]) -> None:
        """Write by the mark of each mode; a request that says nothing about thinking counts as the default."""
        assert self.template.thinking is not None
        default = self.template.thinking.default
        off = "and $.IsThinkSet (not $.Think)" if default else "not $.Think"
        self.do(f"if {off}")
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

        def around(content: Slot) -> Slot:
            own = Part("text", text + mark.separator if before else mark.separator + text)
            return (own, *content) if before else (*content, own)

        def filled(content: Slot) -> _Output:
            if Part("field", "content") not in slot:
                return self._fill(slot)
            head, tail = split_content(slot)
            return self._fill(join_slots(head, content, tail), _Do("$.System"))

        alone, default = filled((Part("text", text),)), template.default_system
        cases: list[tuple[str, _Output]] = [("$.System", filled(around((Part("field", "content"),))))]
        if default and template.empty_system != "default":
            cases += [("$given", alone)]
        self._choose([*cases, ("", filled(around(default)) if default else alone)])

    def _begins(self, fused: bool) -> bool:
        """Whether the system text begins the prompt."""
        slots, behind = self.template.slots, fused and self.template.system_placement == "first_user"
        return not slots.prefix and not (behind and split_content(slots.user)[0])

    def _unmarked(self, fused: bool, instead: Slot) -> None:
        template, slots = self.template, self.template.slots
        turn = fused or template.system_placement == "turn"
        given_text = "$given" if template.empty_system == "keep" else "$.System"
        if template.system_placement == "none":
            refusal = go_literal("this template has no place for a system text")
            self.do(f"if {given_text}", f"call {refusal}", "end")
        slot, no_slot = slots.system, slots.no_system or ()
        if self._begins(fused):
            slot, no_slot = without_bos(slot, self.bos), without_bos(no_slot, self.bos)
        given = self._fill(slot, self._trimmed("$.System", template.trim["system"])) if turn else []
        default = template.default_system
        if default is not None:
            otherwise = self._fill(self._with_default(slot, default)) if turn else []
        else:
            otherwise = self._fill(instead if fused else no_slot)
        empty = self._fill(instead if fused else no_slot)
        cases: list[tuple[str, _Output]] = [(given_text, given)]
        if default is not None and template.empty_system == "omit":
            cases += [("not $given", otherwise), ("", empty)]
        else:
            cases += [("", otherwise)]
        self._choose(cases)

    def _with_default(self, slot: Slot, default: Slot) -> Slot:
        how = self.template.trim["system"]
        if all(part.kind == "text" for part in default):
            default = (Part("text", trim("".join(part.value for part in default), how)),)
        elif how != "none":
            raise Unsupported("a default system text with today's date in it cannot be trimmed")
        if Part("field", "content") not in slot:
            return slot
        head, tail = split_content(slot)
        return join_slots(head, default, tail)

    def _choose(self, cases: Sequence[tuple[str, _Output]]) -> None:
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
        self.put([self._trimmed(".Content", template.trim["user"])])
        self.put(self._fill(after))
        if self._counts_rounds():
            self.do('$rounds = printf "%s." $rounds')

    def _bos_of_later_turns(self) -> None:
        """Write the BOS that begins each user turn, but not where the turn begins the prompt."""
        if self.template.system_placement != "first_user" or self.template.slots.no_system:
            raise Unsupported("the user turn begins with BOS, and only sometimes begins the prompt")
        self.do("if not $first")
        self.put([self._token("bos", self.bos)])
        self.do("end")

    def _reply(self) -> None:
        template, slots, thinking = self.template, self.template.slots, self.template.thinking
        self.do("if .ToolCalls", f"call {go_literal('this template takes no tool calls')}", "end")
        self.put(self._fill(slots.opener))
        head, tail = split_content(slots.body)
        self.put(self._fill(head))
        content = template.trim["assistant"]
        if thinking and thinking.history == "switched":
            raise Unsupported("whether the thoughts and the white space of earlier turns stay depends on thinking")
        if thinking and thinking.history in ("drop", "remove"):
            in_history = max(content, thinking.history_trim, key=_TRIMS.index)
            if in_history == content and not thinking.when_dropped:
                self.put([_Thought("and $last .Thinking", thinking.words), self._trimmed(".Content", content)])
            else:
                self.do("if $last")
                self.put([_Thought(".Thinking", thinking.words), self._trimmed(".Content", content)])
                self.do("else")
                self.put([thinking.when_dropped, self._trimmed(".Content", in_history)])
                self.do("end")
        else:
            self.put([_Thought(".Thinking", thinking.words)] if thinking else [])
            self.put([self._trimmed(".Content", content)])
        ended = self._fill(tail)
        if ended:
            self.do("if not $last")
            self.put(ended)
            self.do("end")

    def _generation(self) -> None:
        """What the prompt ends with; a request that says nothing about thinking counts as the default."""
        prompt, thinking = self._fill(self.template.slots.generation), self.template.thinking
        if not prompt and not (thinking and (thinking.when_on or thinking.when_off)):
            self._flush()
            return
        self.do('if ne $role "assistant"')
        self.put(prompt)
        if thinking:
            on: _Output = [thinking.when_on] if thinking.when_on else []
            off: _Output = [thinking.when_off] if thinking.when_off else []
            if thinking.default:
                self._choose([("and $.IsThinkSet (not $.Think)", off), ("", on)])
            else:
                self._choose([("$.Think", on), ("", off)])
        self.do("end")

    def _counts_rounds(self) -> bool:
        return any(part.kind == "field" and part.value in ("idx", "round") for part in self.template.slots.user)

    # -- slots ---------------------------------------------------------------------------------------------------------

    def _fill(self, slot: Slot, content: str | _Do = "") -> list[str | _Do | _Thought]:
        output: list[str | _Do | _Thought] = []
        for part in slot:
            if part.kind in ("text", "token"):
                output.append(part.value)
            elif part.kind == "field":
                numbers = {"idx": _Do("len $rounds"), "round": _Do('len (printf "%s." $rounds)')}
                output.append(numbers.get(part.value, content))
            elif part.kind == "date":
                if part.value != _DATE:
                    raise Unsupported(f"Ollama writes today's date as {_DATE} only, the format wants {part.value}")
                output.append(_Do("currentDate"))
            elif part.kind in ("id", "attribute"):
                raise Unsupported("the format has a token whose text only the tokenizer knows")
            elif part.kind == "eos":
                output.append(self._token("eos", self.eos))
            elif part.kind == "bos":
                output.append(self._token("bos", self.bos))
        return output

    def _token(self, name: str, text: str | None) -> str:
        if text is None:
            raise Unsupported(
                f"the format writes the tokenizer's own {name.upper()} inside the prompt, a Go template cannot ask for "
                f"it, and the spec does not tell its text (serving.tokens.{name}_token)"
            )
        return text

    # -- trimming ------------------------------------------------------------------------------------------------------

    def _trimmed(self, value: str, how: Trim) -> _Do:
        return _Do(value if how == "none" else f"template {go_literal(how)} {value}")

    def _trimmers(self) -> None:
        """Define what trims the texts: Go has no function for it, so each definition calls itself with less."""
        template = self.template
        used = {template.trim["system"], template.trim["user"], template.trim["assistant"]}
        if template.thinking and template.thinking.history in ("drop", "remove"):
            used.add(max(template.trim["assistant"], template.thinking.history_trim, key=_TRIMS.index))
        for how in _TRIMS[1:]:
            if how in used:
                characters = _WHITE_SPACE if how == "both" else _NEWLINE
                self._trimmer(how, characters, "" if how == "leading_newlines" else f"{how}_end")

    def _trimmer(self, name: str, characters: Sequence[Sequence[str]], end: str) -> None:
        first = [(f"slice . 0 {length}", f"slice . {length}") for length in (1, 2, 3)]
        last = [(f"slice . (len (slice . {n}))", f"slice . 0 (len (slice . {n}))") for n in (1, 2, 3)]
        self._scan(name, characters, first, _Do(f"template {go_literal(end)} .") if end else _Do("."))
        if end:
            self._scan(end, characters, last, _Do("."))

    def _scan(self, name: str, characters: Sequence[Sequence[str]], ends: Sequence[tuple[str, str]], then: _Do) -> None:
        self.do(f"define {go_literal(name)}")
        word = "if"
        for length, (some, (edge, rest)) in enumerate(zip(characters, ends, strict=False), start=1):
            wanted = " ".join(go_literal(character) for character in some)
            self.do(f"{word} and (ge (len .) {length}) (eq ({edge}) {wanted})")
            self.put([_Do(f"template {go_literal(name)} ({rest})")])
            word = "else if"
        self.do("else")
        self.put([then])
        self.do("end", "end")

    # -- lines ---------------------------------------------------------------------------------------------------------

    def put(self, output: _Output) -> None:
        """Add to the line of output that the next statement ends."""
        self.pending.extend(piece for piece in output if piece)

    def do(self, *statements: str) -> None:
        """Write statements; blocks indent what stands in them."""
        for statement in statements:
            self._flush()
            word = statement.split()[0]
            if word in ("end", "else"):
                self.depth -= 1
            self.lines.append(f"{'  ' * self.depth}{{{{- {statement} -}}}}")
            if word in ("if", "else", "range", "define"):
                self.depth += 1

    def _flush(self) -> None:
        pieces: list[str | _Do | _Thought] = []
        for piece in self.pending:
            if pieces and isinstance(piece, str) and isinstance(pieces[-1], str):
                pieces[-1] += piece
            else:
                pieces.append(piece)
        self.pending = []
        if not pieces:
            return
        written = []
        for index, piece in enumerate(pieces):
            if isinstance(piece, str):
                written.append(_go_text(piece, first=index == 0, last=index == len(pieces) - 1))
            elif isinstance(piece, _Thought) and not all(word.strip() and _is_raw(word) for word in piece.words):
                raise Unsupported("Ollama finds thoughts by plain texts around them; these words need escapes")
            else:
                written.append(str(piece))
        self.lines.append("".join(written))


def _go_text(text: str, *, first: bool, last: bool) -> str:
    """Text of a template: plain where it can be, else a literal; white space at the ends of a line is trimmed by Go."""
    start = len(text) - len(text.lstrip()) if first else 0
    end = max(start, len(text.rstrip())) if last else len(text)
    written = [_literal_action(text[:start])]
    for raw, run in _runs(text[start:end]):
        written.append(run if raw else _literal_action(run))
    written.append(_literal_action(text[end:]))
    return "".join(written)


def _literal_action(text: str) -> str:
    return str(_Do(go_literal(text))) if text else ""


def _runs(text: str) -> list[tuple[bool, str]]:
    """The text in runs that may stand in a template as they are, and runs that may not."""
    raw = [character == "\n" or _is_plain(character) for character in text]
    for match in _DELIMITERS.finditer(text):
        raw[match.start() : match.end()] = [False] * len(match[0])
    for index in reversed(range(len(text))):
        if text[index] == "{" and not (index + 1 < len(text) and raw[index + 1]):
            raw[index] = False  # an action follows, and would begin one brace too early
    runs = groupby(zip(raw, text, strict=True), key=itemgetter(0))
    return [(plain, "".join(character for _, character in run)) for plain, run in runs]


def _is_raw(text: str) -> bool:
    return all(raw for raw, _ in _runs(text))
