"""The process in which one foreign chat template runs: transformers' own sandbox, under limits of the system.

Says ``ready``, reads JSON objects, one a line (``source``, ``requests``: the variables of each rendering, ``noon``: the
instant that the template takes for now, null to have dates written as their format between two marks, ``seconds`` of
processor time for all of them, ``characters`` of output, ``strict``: whether one request that does what the sandbox
forbids fails them all), and answers each with one: ``texts``, a list of
``{"text": …}`` or ``{"refused": reason}``, or ``failed``, the reason why there are none. Asked for ``facts`` or
``fragments`` it tells those instead. The time is for all jobs, or ``anew`` for each that says so; the first job's
``memory`` bounds the process. An answer tells under ``took`` how many seconds of the processor there were so far;
``spent`` marks one behind which the process should be asked nothing more. Started with ``own`` it runs the Jinja of
specs as the reference renderer does, and needs no transformers.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time
from datetime import datetime
from functools import lru_cache
from typing import Any

from .fragments import loop_bodies, macro_calls
from .jinja import compile_template

MEMORY = 500 * 1024**2  # bytes of address space, of which Python with transformers' sandbox takes about 190 MB


_OWN = sys.argv[1:] == ["own"]


class _Failed(Exception):
    """The template does what no chat template may do; the message says what."""


@lru_cache(maxsize=8)
def _compiled(source: str) -> Any:
    from jinja2.exceptions import TemplateSyntaxError

    try:
        if _OWN:
            return compile_template(source)
        from transformers.utils.chat_template_utils import _compile_jinja_template

        return _compile_jinja_template(source)
    except TemplateSyntaxError as error:
        raise _Failed(f"line {error.lineno}: {error.message}") from error


def facts_of(source: str) -> dict[str, Any]:
    """What the syntax tree of a template tells a prober what to try.

    ``variables`` are those that a request may set, ``texts`` the literal ones in it, and ``compared`` maps a variable
    to the texts that it is compared with.
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
                    raise _Failed(f"it writes more than {job['characters']} characters")
            answers.append({"text": "".join(chunks)})
        except SecurityError as error:
            reason = f"it does what the sandbox forbids: {error}"
            if job["strict"]:
                raise _Failed(reason) from error
            answers.append({"refused": reason})
        except TemplateError as error:
            answers.append({"refused": error.message or type(error).__name__})
        except (MemoryError, _Failed):
            raise
        except Exception as error:  # whatever Python says to what the template computes
            if isinstance(error, OverflowError) and "range" in str(error).casefold():
                raise _Failed(f"it does what the sandbox forbids: {error}") from error
            answers.append({"refused": f"{type(error).__name__}: {error}"})
    return answers


def _marked(form: str) -> str:
    from .sandbox import DATE_MARKS

    return DATE_MARKS[0] + form + DATE_MARKS[1]


def _bound(seconds: int, memory: int) -> None:
    """Let the system end this process when it takes more from now on; the parent watches the clock as well."""
    with contextlib.suppress(ImportError):
        import resource

        used = resource.getrusage(resource.RUSAGE_SELF)
        allowed = int(used.ru_utime + used.ru_stime) + seconds + 1
        bounds = {"RLIMIT_AS": memory, "RLIMIT_CPU": allowed, "RLIMIT_FSIZE": 0, "RLIMIT_CORE": 0}
        for name, most in bounds.items():
            with contextlib.suppress(AttributeError, ValueError, OSError):
                which = getattr(resource, name)
                # its hard limit stays: so the signal says that it was the time, and a later job may have more
                resource.setrlimit(which, (most, resource.getrlimit(which)[1] if name == "RLIMIT_CPU" else most))
    with contextlib.suppress(AttributeError, OSError):
        signal.setitimer(signal.ITIMER_PROF, seconds)  # the limit above counts whole seconds, and is for good measure


def main() -> None:
    """Answer jobs on what was stdout."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    for heavy in ("torch", "tensorflow", "jax", "flax"):  # transformers imports what it finds, and needs none of it
        sys.modules[heavy] = None  # type: ignore[assignment]
    if not _OWN:
        import transformers.utils.chat_template_utils  # noqa: F401, before the limits

    print("ready", file=answers, flush=True)
    bounded, began = False, time.process_time()
    for line in sys.stdin:
        job = json.loads(line)
        if not bounded or job.get("anew"):
            _bound(job["seconds"], job.get("memory", MEMORY))
            bounded = True
        answer = _answer(job)
        print(json.dumps({**answer, "took": time.process_time() - began}), file=answers, flush=True)


def _answer(job: dict[str, Any]) -> dict[str, Any]:
    try:
        if "facts" in job:
            return {"facts": facts_of(job["source"])}
        if "fragments" in job:
            return {"loops": loop_bodies(job["source"]), "calls": macro_calls(job["source"])}
        return {"texts": _render(job)}
    except _Failed as reason:
        return {"failed": str(reason)}
    except MemoryError:
        return {"failed": f"it needs more than {MEMORY // 1024**2} MB of memory", "spent": True}
    except RecursionError:
        return {"failed": "it nests too deeply", "spent": True}


if __name__ == "__main__":
    main()
