"""The prompts of every conversation: as the reference renderer trains them, and as chat templates serve them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any

from ...catalogue.model import Catalogue, Template
from ...errors import Unsupported
from ...meaning.conversation import Message
from ...meaning.render import Kind, Piece
from ...meaning.sandbox import Refused, TemplateFailed, render_foreign
from ...meaning.scenarios import Scenario, scenarios
from ...targets.chat_template import chat_template
from ..jinja import renderer, variables
from ..vllm import parsed_call
from .folder import ChatTemplates, ModelFolder

MEDIA = ("image", "video", "audio")
Texts = dict[str, str | Refused]


@dataclass(frozen=True)
class Trained:
    """The reference renderer's prompt of one conversation.

    ``texts`` are those of the pieces, BOS and EOS written as the folder's own.
    """

    scenario: Scenario
    pieces: tuple[Piece, ...]
    texts: tuple[str, ...]

    @cached_property
    def text(self) -> str:
        """The whole prompt."""
        return "".join(self.texts)


def conversations() -> dict[str, Scenario]:
    """The scenarios, and one more with an image, a video and an audio clip each."""
    return {**scenarios(), **{kind: _with_media(kind) for kind in MEDIA}}


def trained(template: Template, folder: ModelFolder, today: date) -> tuple[dict[str, Trained], dict[str, str]]:
    """What a template trains on, by conversation, and the reasons for what it cannot carry."""
    found: dict[str, Trained] = {}
    reasons: dict[str, str] = {}
    for name, scenario in conversations().items():
        try:
            pieces = scenario.pieces(template, Kind.PROMPT, today)
        except Unsupported as reason:
            reasons[name] = str(reason)
            continue
        own = {"bos": folder.bos, "eos": folder.eos}
        found[name] = Trained(scenario, pieces, tuple(own.get(piece.kind, piece.text) for piece in pieces))
    return found, reasons


def served(templates: ChatTemplates, folder: ModelFolder, catalogue: Catalogue, today: date) -> Texts:
    """What the folder's own chat template makes of every conversation, in the sandbox.

    Raises:
        TemplateFailed: it cannot be run; the message says why.
    """
    by_source: dict[str, list[Scenario]] = {}
    found: Texts = {}
    for scenario in conversations().values():
        source = templates.source(bool(scenario.tools))
        if source is None:
            found[scenario.name] = Refused("there is no template for requests without tools")
        else:
            by_source.setdefault(source, []).append(scenario)
    names = switches(catalogue)
    for source, asked in by_source.items():
        texts = render_foreign(source, [request(scenario, folder, names) for scenario in asked], today)
        found.update(zip((scenario.name for scenario in asked), texts, strict=True))
    if found and all(isinstance(text, Refused) for text in found.values()):
        raise TemplateFailed(f"it raises for every conversation: {next(iter(found.values())).reason}")  # type: ignore[union-attr]
    return {name: found[name] for name in conversations()}


def deployed(template: Template, folder: ModelFolder, today: date) -> Texts | str:
    """What the file to deploy makes of every conversation, or why there is none."""
    try:
        render = renderer(chat_template(template))
    except Unsupported as reason:
        return str(reason)
    names = [template.thinking.switch] if template.thinking else []
    found: Texts = {}
    for name, scenario in conversations().items():
        given = request(scenario, folder, names)
        try:
            found[name] = render({**given, "strftime_now": today.strftime})
        except Unsupported as reason:
            found[name] = Refused(str(reason))
    return found


def switches(catalogue: Catalogue) -> list[str]:
    """The variables by which chat templates are told whether to think."""
    known = {template.thinking.switch for template in catalogue.templates.values() if template.thinking}
    return sorted(known | {"enable_thinking", "thinking"})


def request(scenario: Scenario, folder: ModelFolder, switch_names: Sequence[str]) -> dict[str, Any]:
    """What a chat server hands to the template: the tokenizer's special tokens, arguments of calls as objects."""
    given = variables(scenario, bos=None, eos=None)
    given["messages"] = [parsed(message) for message in given["messages"]]
    special = {name: token for name, token in folder.tokenizer.special.items() if name != "self"}  # Python's own name
    return special | given | ({} if scenario.thinking is None else dict.fromkeys(switch_names, scenario.thinking))


def parsed(message: Message) -> dict[str, Any]:
    """The message with its calls' arguments as objects, as vLLM makes them."""
    calls = message.get("tool_calls")
    return {**message, "tool_calls": [parsed_call(call) for call in calls]} if calls else dict(message)


def _with_media(kind: str) -> Scenario:
    asked = {"role": "user", "content": [{"type": kind}, {"type": "text", "text": "What is this?"}]}
    replied = {"role": "assistant", "content": "A cat."}
    return Scenario(kind, (asked, replied), None, None, False, False)
