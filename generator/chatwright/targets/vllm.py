"""vLLM, and every other server that reads Jinja: one portable chat template per template (transformers 5.6, vLLM 0.33).

Conventions: the text must contain BOS, since chat requests are tokenized without special tokens; vLLM passes typed
content parts to templates that loop over ``message.content``; the undefined variables of a template are its
``chat_template_kwargs``.
"""

from __future__ import annotations

from .chat_template import chat_template
from .own_prompts import prompt_notes
from .protocol import Context, Output
from .rendering import file_per_template

FOLDER = "deploy/vllm"


def generate(context: Context) -> Output:
    """One ``.jinja`` file per template."""
    return file_per_template(
        context,
        FOLDER + "/{}.jinja",
        "jinja",
        lambda spec, template: chat_template(template),
        lambda template: prompt_notes(template, context.catalogue),
    )
