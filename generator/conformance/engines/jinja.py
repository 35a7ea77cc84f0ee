"""The engines that read a Jinja chat template: transformers and its marks, SGLang's loading of a file, minijinja."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import date
from functools import cache, partial
from typing import Any

from chatwright.errors import Unsupported
from chatwright.inspection.rendering import Render
from chatwright.meaning.runs import Run


@cache
def transformers_renderer(source: str) -> Render:
    """transformers' own engine, which vLLM uses as well."""
    os.environ.setdefault("TRANSFORMERS_NO_ADVISORY_WARNINGS", "1")  # that there is no PyTorch; templates need none
    from jinja2 import TemplateError
    from transformers.utils.chat_template_utils import _compile_jinja_template

    template = _compile_jinja_template(source)

    def render(given: dict[str, Any]) -> str:
        try:
            return str(template.render(**given))
        except TemplateError as error:
            raise Unsupported(f"the template raises: {error.message}") from error

    return render


def marked_renderer(source: str) -> Callable[[dict[str, Any]], list[Run]]:
    """transformers' engine on a template with marks: the text in runs, and whether each is learned."""
    from jinja2 import TemplateError
    from transformers.utils.chat_template_utils import _compile_jinja_template, _render_with_assistant_indices

    template = _compile_jinja_template(source)

    def render(given: dict[str, Any]) -> list[Run]:
        try:
            text, spans = _render_with_assistant_indices(compiled_template=template, **given)
        except TemplateError as error:
            raise Unsupported(f"the template raises: {error.message}") from error
        runs, position = [], 0
        for start, end in spans:
            runs += [(text[position:start], False), (text[start:end], True)]
            position = end
        return [*runs, (text[position:], False)]

    return render


def sglang_renderer(source: str) -> Render:
    """The same engine after SGLang's loading of a ``.jinja`` file (``template_manager.py`` of 0.5.23, emulated)."""
    return transformers_renderer(source.strip("\n").replace("\\n", "\n"))


def minijinja_renderer(source: str, *, own_json: bool = True) -> Render:
    """minijinja, with the two functions that chat servers add to it.

    Without ``own_json`` Python's JSON takes the place of minijinja's, which escapes for HTML.
    """
    import minijinja

    def refuse(message: str) -> None:
        raise minijinja.TemplateError(message)

    environment = minijinja.Environment(trim_blocks=True, lstrip_blocks=True, pycompat=True)
    environment.add_global("raise_exception", refuse)
    environment.add_global("strftime_now", lambda pattern: date.today().strftime(pattern))
    if not own_json:
        environment.add_filter("tojson", partial(json.dumps, ensure_ascii=False))

    def render(given: dict[str, Any]) -> str:
        try:
            return str(environment.render_str(source, **given))
        except minijinja.TemplateError as error:
            raise Unsupported(f"the template raises: {error}") from error

    return render
