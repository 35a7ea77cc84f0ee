"""LMDeploy: the JSON that ``--chat-template FILE`` takes (lmdeploy 0.18.0, ``model.py``).

Conventions:

- The file becomes a ``ChatTemplateConfig``: an unknown field is a ``TypeError``, and a field that is null or missing
  has the default of the class that ``model_name`` names. Built-in names have their own defaults, and some have their
  own code. ``base`` is the plain ``BaseChatTemplate``: all its texts, also ``meta_instruction``, are empty by default.
- Prompt: ``system + text + eosys``, ``user + text + eoh``, ``assistant + text + eoa + separator``, ``tool + text +
  eotool``, and at the end ``assistant``; a last message of the assistant is continued. If the first message is not a
  system message, ``system + meta_instruction + eosys`` comes first. Since null means the empty text, a conversation
  without system message always gets this text, so a format with a system turn needs a default system text.
- An empty system message makes an empty system turn. Only the role and the content of a message are read.
- The tokenizer adds BOS. Stop words are single tokens; the EOS of the generation config stops, too.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from ..catalogue.model import Levels, Slot, Spec, Template, Thinking
from ..catalogue.slots import CONTENT, split_content, write_slot
from ..errors import Refusals, Unsupported
from ..meaning.thoughts import trim
from .literal import begins_with_bos, stop_texts, token_text, without_bos
from .places import merged, placed, trims
from .protocol import Context, Output
from .rendering import file_per_template

FOLDER = "deploy/lmdeploy"
FIELDS = (  # of a file, in their order
    *("model_name", "system", "meta_instruction", "eosys", "user", "eoh", "assistant", "eoa", "separator"),
    *("tool", "eotool", "capability", "stop_words"),
)


def generate(context: Context) -> Output:
    """One JSON file per template that the format can express."""
    return file_per_template(context, FOLDER + "/{}.json", "none", _json_text)


def _json_text(spec: Spec, template: Template) -> str:
    return json.dumps(chat_template(spec, template), ensure_ascii=False, indent=2) + "\n"


def chat_template(spec: Spec, template: Template) -> Mapping[str, str | list[str] | None]:
    """The fields of the JSON file, in order.

    Raises:
        Unsupported: the format cannot express the template; the message says why.
    """
    slots, bos, eos = template.slots, token_text(spec, "bos_token"), token_text(spec, "eos_token")
    refusals = Refusals(_refusals(template))
    refusals.reasons += merged(_refused_parts(template, bos, eos))
    prefix = _text(without_bos(slots.prefix, bos), eos)
    system, eosys = (_text(part, eos) for part in _split(slots.system))
    user, eoh = (_text(part, eos) for part in _split(slots.user))
    if template.system_placement == "first_user" and user:
        refusals.reasons.append(f"system_placement: the system text stands inside the first user turn, behind {user!r}")
    system = prefix + system
    meta = ""
    if CONTENT in slots.system:
        with refusals.collect():
            meta = _meta_instruction(template, prefix, system, eosys, eos)
    head, tail = split_content(slots.body)
    assistant, end = _text(slots.opener, eos) + _text(head, eos), _text(tail, eos)
    generation = _text(slots.generation, eos) + (template.thinking.when_on if template.thinking else "")
    if assistant != generation:
        refusals.reasons.append(_two_openers(template, assistant, generation))
    tool, eotool = _tool(template, eos)
    refusals.check()
    eoa = end.rstrip()
    return {
        "model_name": "base",
        "system": system,
        "meta_instruction": meta,
        "eosys": eosys,
        "user": user,
        "eoh": eoh,
        "assistant": assistant,
        "eoa": eoa,
        "separator": end[len(eoa) :],
        "tool": tool,
        "eotool": eotool,
        "capability": "chat",
        "stop_words": list(stop_texts(spec, template)) or None,
    }


def _refusals(template: Template) -> Iterator[str]:
    """Reasons why no field can express the template, each with its place in the spec."""
    slots, thinking = template.slots, template.thinking
    if thinking:
        yield from _refusals_of_thinking(thinking)
    if CONTENT not in slots.system:
        yield "slots.system: the format leaves the system text out, and LMDeploy always writes it"
    if template.pair:
        yield "pair: the format has a query and a document, and LMDeploy writes conversations"
    if template.last_message_end is not None:
        yield (
            "last_message_end: something stands behind the text of the last message, and LMDeploy does not know which "
            "it is"
        )
    if template.single_turn:
        yield "single_turn: the format has a single turn, and LMDeploy writes the whole conversation"
    if reason := _NO_PLACEMENT.get(template.system_placement):
        yield f"system_placement: {reason}"
    history_trim = "thinking.history_trim" if thinking and thinking.history_trim != "none" else ""
    if places := ", ".join(filter(None, (trims(template, "system", "user", "assistant"), history_trim))):
        yield f"{places}: the texts of messages are trimmed, and LMDeploy trims nothing"


_NO_PLACEMENT = {
    "first_user_head": "the system text replaces the head of the first user turn, and LMDeploy writes both",
    "last_user": "the system text goes into the last user message, and LMDeploy writes it first",
    "none": "the format has no place for a system text, and LMDeploy always has one",
}


def _refusals_of_thinking(thinking: Thinking) -> Iterator[str]:
    if thinking.system_mark:
        yield "thinking.system_mark: the system text says whether to think, and the file has one text for it"
    if thinking.frame:
        yield "thinking.frame: what stands around a reply depends on its thought, and LMDeploy reads no thoughts"
    if thinking.answer:
        yield "thinking.answer: of earlier replies only the answer is kept, and LMDeploy writes their content whole"
    ends = [
        "thinking.when_on, thinking.when_off" if thinking.when_on != thinking.when_off else "",
        "thinking.levels" if thinking.levels and _prompts(thinking.levels) - {thinking.when_on} else "",
    ]
    if places := ", ".join(filter(None, ends)):
        yield f"{places}: the end of the prompt depends on thinking, and the file has one text for it"
    if thinking.history not in ("drop", "remove"):
        yield "thinking.history: thoughts stay in the history, and LMDeploy reads the content of a message only"
    if thinking.when_dropped:
        yield (
            "thinking.when_dropped: earlier replies begin with a mark that the last one lacks, and LMDeploy has one "
            "opener"
        )


def _refused_parts(template: Template, bos: str | None, eos: str | None) -> Iterator[tuple[str, str]]:
    """Parts of slots that are no fixed text: their places, and the reasons."""
    slots = template.slots
    written = placed(slots, "prefix", "system", "no_system", "user", "opener", "generation", "body", "observation")
    first = placed(slots, "prefix") or placed(slots, "system", "no_system", "user")  # slots that can begin the prompt
    for place, slot in (*written, ("default_system", template.default_system or ())):
        begins = (place, slot) in first
        if begins and not slots.prefix and begins_with_bos(slot, bos):
            yield place, "turns begin with BOS, which the tokenizer adds a second time to the first"
        for part in without_bos(slot, bos) if begins else slot:
            if part.kind == "token" and place != "slots.observation":
                yield place, f"{part.value!r} must be one token, and the tokenizer reads the prompt as plain text"
            elif part.kind == "eos" and eos is None:
                yield place, (
                    "the format writes the tokenizer's own EOS into the history, the file is fixed text, "
                    "and the spec does not tell it (serving.tokens.eos_token)"
                )
            elif part.kind in _NAMES and part != CONTENT:
                yield place, f"the format writes {_NAMES[part.kind]} where the file has fixed text"


def _two_openers(template: Template, assistant: str, generation: str) -> str:
    places = [place for place, _ in placed(template.slots, "opener", "generation")] or ["slots.assistant.body"]
    if template.thinking and template.thinking.when_on:
        places.append("thinking.when_on")
    return f"{', '.join(places)}: a reply in the history begins with {assistant!r}, the next one with {generation!r}"


def _prompts(levels: Levels) -> set[str]:
    """The ends of the generation prompt that levels define."""
    return {level.prompt for level in levels.names.values() if level.prompt is not None}


def _meta_instruction(template: Template, prefix: str, system: str, eosys: str, eos: str | None) -> str:
    """The ``meta_instruction`` so that ``system + meta_instruction + eosys`` begins a prompt without system text."""
    default = template.default_system
    if default is not None:
        return trim(_text(default, eos), template.trim["system"])
    begin = prefix + _text(template.slots.no_system or (), eos)
    meta = begin[len(system) : len(begin) - len(eosys)]
    if system + meta + eosys == begin:
        return meta
    place = "slots.no_system" if template.slots.no_system else "default_system"
    raise Unsupported(
        f"{place}: a conversation without system message begins with {begin!r}; LMDeploy would write an empty system "
        f"turn, {system + eosys!r}, since null for meta_instruction means the empty text"
    )


def _tool(template: Template, eos: str | None) -> tuple[str | None, str | None]:
    """The texts before and after a tool message; (None, None) if LMDeploy cannot write the format's tool results.

    LMDeploy makes a turn of each result and has one opener for all replies, so the format must do the same.
    """
    tool, eotool = (_text(part, eos) for part in split_content(template.slots.observation))
    separate = template.result_separator == eotool + tool and template.trim["observation"] == "none"
    opens_alike = template.slots.opener_after_observation == template.slots.opener
    return (tool, eotool) if separate and opens_alike else (None, None)


def _split(slot: Slot) -> tuple[Slot, Slot]:
    """The parts before and after the content; without a content, all parts come before."""
    return split_content(slot) if CONTENT in slot else (slot, ())


def _text(slot: Slot, eos: str | None) -> str:
    """The text of a slot; parts that are no fixed text are written as in a spec, so that texts can be compared."""
    text = ""
    for part in slot:
        if part.kind in ("text", "token"):
            text += part.value
        elif part.kind == "eos" and eos is not None:
            text += eos
        elif part.kind != "break":
            text += str(write_slot((part,)))
    return text


_NAMES = {
    "bos": "BOS elsewhere than at the start,",
    "date": "today's date",
    "field": "the number of the round",
    "id": "a token by its id",
    "attribute": "a token by the tokenizer's name for it",
}
