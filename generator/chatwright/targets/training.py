"""Trainers that read Jinja (TRL and others on transformers): the chat template with marks around what is learned.

``apply_chat_template(..., return_assistant_tokens_mask=True, return_dict=True)`` then gives the mask that LLaMA-Factory
and ms-swift train with. The text is that of the serving file; servers get that one, since not every engine knows the
marks.
"""

from __future__ import annotations

from .chat_template import chat_template
from .protocol import Context, Output
from .rendering import file_per_template

FOLDER = "training"


def generate(context: Context) -> Output:
    """One ``.jinja`` file per template."""
    return file_per_template(
        context, FOLDER + "/{}.jinja", "jinja", lambda spec, template: chat_template(template, marks=True)
    )
