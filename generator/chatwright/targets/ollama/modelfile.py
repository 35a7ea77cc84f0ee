'''Ollama: a whole Modelfile per template (read from Ollama's sources of August 2026, v0.33.0-rc2).

Conventions:

- A Modelfile is a list of commands. A value is bare, ``"..."`` or ``"""..."""``. There are no escapes, a quoted value
  ends where a line ends with its quotes, and characters that Go calls non-printable are dropped (``parser/parser.go``).
- TEMPLATE is a Go ``text/template`` (``template/template.go``). Its data are ``.System``, the texts of all system
  messages, and ``.Messages``, in which consecutive messages of one role are merged. A template that loops over
  ``.Messages`` writes the whole prompt; a last message of the assistant is continued.
- The runner adds BOS if the GGUF says so (``tokenizer.ggml.add_bos_token``), and removes only a textual ``<bos>`` from
  the prompt (``llm/llama_server.go``): the template must not write BOS.
- A model can think if its template writes ``.Thinking`` between two plain texts inside the loop
  (``thinking/template.go``); then thinking is on by default.
- A model accepts tools if the template contains ``.Tools``. Replies are searched for calls after the first text inside
  ``if .ToolCalls``, up to a brace; if an action comes first, a reply with calls must begin with a brace
  (``tools/template.go``). Only calls whose arguments are one JSON object are found (``tools/tools.go``).
- The chat template inside a GGUF replaces TEMPLATE if it has more capabilities, unless the Modelfile names a PARSER or
  the server runs with ``OLLAMA_GO_TEMPLATE=1`` (``server/images.go``, ``shouldPreferChatTemplate``). The parser
  ``passthrough`` leaves replies unchanged, also their thoughts and calls. So templates with either name no parser.
'''

from __future__ import annotations

import re
from collections.abc import Iterable

from ...catalogue.model import Spec, Template
from ...errors import Refusals, Unsupported
from ..go_text import go_literal, is_plain
from ..literal import begins_with_bos, stop_texts, token_text
from ..protocol import Context, Output
from ..rendering import file_per_template
from .template import write_template
from .writer import OllamaWriter

FOLDER = "deploy/ollama"
NO_CALLS = "Ollama does not find the calls in replies of this format: they come as text."
ONE_CALL = "Ollama finds the call in a reply that makes one; several may come as text."
_HARMONY = ("<|start|>", "<|end|>")  # Ollama detects a harmony template by these (server/routes.go, shouldUseHarmony)


def generate(context: Context) -> Output:
    """One Modelfile per template."""
    return file_per_template(context, FOLDER + "/{}.Modelfile", "hash", modelfile)


def modelfile(spec: Spec, template: Template) -> str:
    """The Modelfile of a template.

    Raises:
        Unsupported: Ollama cannot express the template; the message says why.
    """
    writer, refusals, stops = OllamaWriter(spec, template), Refusals(), []
    with refusals.collect():
        text = write_template(writer)
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


# -- how values reach a Modelfile --------------------------------------------------------------------------------------


def quote(text: str, place: str = "") -> str:
    """The text as a value of a Modelfile command; ``place`` is its key in the spec.

    Raises:
        Unsupported: a Modelfile cannot hold the text, since it has no escapes.
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
    """The text up to each line end; there Ollama's parser checks whether the value is complete."""
    return (text[: match.start()] for match in re.finditer("\n", text))


def _number(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _notes(spec: Spec, template: Template, writer: OllamaWriter, *, harmony: bool) -> list[str]:
    """Notes for users of the file, including everything that it does not support."""
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


def _tool_notes(writer: OllamaWriter) -> list[str]:
    if writer.tools is None:
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
