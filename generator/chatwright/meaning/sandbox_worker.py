"""The worker of :mod:`.bounded` that runs a foreign chat template in Jinja's sandbox.

A question holds ``source``; ``requests``, the variables of each rendering; ``noon``, the current time for the
template, or null to write dates as their format between two marks; ``characters``, the limit of output; and
``strict``: whether all requests fail if one of them does what the sandbox forbids. The answer is ``texts``, a list of
``{"text": …}`` or ``{"refused": reason}``. A question for ``facts`` or ``fragments`` is answered with those instead.
"""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from typing import Any

from ..characters import HALF
from .bounded_worker import Failed, named, said, serve
from .fragments import loop_bodies, macro_calls
from .jinja import compile_template


@lru_cache(maxsize=8)
def _compiled(source: str) -> Any:
    from jinja2.exceptions import TemplateSyntaxError

    try:
        return compile_template(source)
    except TemplateSyntaxError as error:
        raise Failed(f"line {error.lineno}: {said(error)}") from error


def facts_of(source: str) -> dict[str, Any]:
    """Facts from the syntax tree of a template that suggest requests to try.

    ``variables`` are those that a request may set, ``texts`` the literal texts, and ``compared`` maps a variable to
    the texts that it is compared with.
    """
    from jinja2 import meta, nodes

    tree = _compiled(source).environment.parse(source)
    texts = {str(node.value): None for node in tree.find_all(nodes.Const) if isinstance(node.value, str)}
    texts |= {node.data: None for node in tree.find_all(nodes.TemplateData)}
    compared: dict[str, dict[str, None]] = {}
    for node in tree.find_all(nodes.Compare):
        names = [name.name for name in node.find_all(nodes.Name)]
        values = [const.value for const in node.find_all(nodes.Const) if isinstance(const.value, str)]
        for name in names:
            compared.setdefault(name, {}).update(dict.fromkeys(values))
    return {
        "variables": sorted(meta.find_undeclared_variables(tree)),
        "texts": list(texts),
        "compared": {name: list(values) for name, values in compared.items()},
    }


def _render(job: dict[str, Any]) -> list[dict[str, str]]:
    from jinja2.exceptions import SecurityError, TemplateError

    template, left = _compiled(job["source"]), job["characters"]
    now: Any = _marked if job["noon"] is None else datetime.fromisoformat(job["noon"]).strftime
    answers: list[dict[str, str]] = []
    for given in job["requests"]:
        chunks = []
        try:
            for chunk in template.generate(**given, strftime_now=now):
                chunks.append(chunk)
                left -= len(chunk)
                if left < 0:
                    raise Failed(f"it writes more than {job['characters']} characters")
            text = "".join(chunks)
            half = HALF.search(text)
            reason = f"it writes half of a character, U+{ord(half[0]):04X}, which is no text" if half else ""
            answers.append({"refused": reason} if half else {"text": text})
        except SecurityError as error:
            reason = f"it does what the sandbox forbids: {said(error)}"
            if job["strict"]:
                raise Failed(reason) from error
            answers.append({"refused": reason})
        except TemplateError as error:
            answers.append({"refused": said(error) or type(error).__name__})
        except (MemoryError, Failed):
            raise
        except Exception as error:  # a template can raise any Python exception
            if isinstance(error, OverflowError) and "range" in str(error).casefold():
                raise Failed(f"it does what the sandbox forbids: {said(error)}") from error
            answers.append({"refused": named(error)})
    return answers


def _marked(form: str) -> str:
    from .sandbox import DATE_MARKS

    return DATE_MARKS[0] + form + DATE_MARKS[1]


def _answer(job: dict[str, Any]) -> dict[str, Any]:
    if "facts" in job:
        return {"facts": facts_of(job["source"])}
    if "fragments" in job:
        return {"loops": loop_bodies(job["source"]), "calls": macro_calls(job["source"])}
    return {"texts": _render(job)}


if __name__ == "__main__":
    serve(_answer)
