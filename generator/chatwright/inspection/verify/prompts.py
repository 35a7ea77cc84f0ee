"""The prompts of every conversation: as the reference renderer trains them, and as chat templates serve them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from functools import partial
from typing import Any

from ...catalogue.model import Catalogue, Template
from ...errors import Unsupported
from ...meaning.sandbox import Refused, TemplateFailed, render_foreign
from ...targets.chat_template import chat_template
from ..conversations import Texts, conversations, request, switches, written
from ..prompt_differences import Prompt
from ..rendering import Render, renderer
from .folder import ChatTemplates, ModelFolder


def trained(template: Template, folder: ModelFolder, today: date) -> tuple[dict[str, Prompt], dict[str, str]]:
    """What a template trains on, by conversation, and the reasons for what it cannot carry."""
    found: dict[str, Prompt] = {}
    reasons: dict[str, str] = {}
    for name, scenario in conversations().items():
        try:
            found[name] = Prompt.of(scenario, template, today, folder.bos, folder.eos)
        except Unsupported as reason:
            reasons[name] = str(reason)
    return found, reasons


def served(templates: ChatTemplates, folder: ModelFolder, catalogue: Catalogue, today: date) -> Texts:
    """What the folder's own chat template makes of every conversation, in the sandbox.

    Raises:
        TemplateFailed: it cannot be run; the message says why.
    """
    asked = partial(request, tokens=_tokens(folder), switch_names=switches(catalogue))
    found = written(templates.source, asked, lambda source, given: render_foreign(source, given, today))
    refused = [text.reason for text in found.values() if isinstance(text, Refused)]
    if len(refused) == len(found):
        raise TemplateFailed(f"it raises for every conversation: {refused[0]}")
    return found


def deployed(template: Template, folder: ModelFolder, today: date) -> Texts | str:
    """What the file to deploy makes of every conversation, or why there is none."""
    try:
        render_one = renderer(file := chat_template(template))
    except Unsupported as reason:
        return str(reason)

    def render(_: str, requests: Sequence[Mapping[str, Any]]) -> list[str | Refused]:
        return [_rendered(render_one, {**given, "strftime_now": today.strftime}) for given in requests]

    names = [template.thinking.switch] if template.thinking else []
    return written(lambda tools: file, partial(request, tokens=_tokens(folder), switch_names=names), render)


def _rendered(render: Render, given: dict[str, Any]) -> str | Refused:
    try:
        return render(given)
    except Unsupported as reason:
        return Refused(str(reason))


def _tokens(folder: ModelFolder) -> dict[str, str]:
    return {name: token for name, token in folder.tokenizer.special.items() if name != "self"}  # Python's own name
