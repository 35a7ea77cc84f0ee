"""Chat templates for trainers that read Jinja (TRL and others on transformers), with marks around learned text.

``apply_chat_template(..., return_assistant_tokens_mask=True, return_dict=True)`` then returns the same mask that
LLaMA-Factory and ms-swift train with. The text is the same as with the serving file. Servers have their own file
without marks, since not every engine knows the marks.
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
