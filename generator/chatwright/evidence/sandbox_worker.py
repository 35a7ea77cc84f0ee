"""The process in which one foreign chat template runs: transformers' own sandbox, under limits of the system.

Says ``ready``, reads one JSON object (``source``, ``requests``: the variables of each rendering, ``noon``: the instant
that the template takes for now, ``seconds`` of processor time, ``characters`` of output, ``forgive``: whether what the
sandbox forbids refuses only the request that it happens in), and answers with one: ``texts``, a list of
``{"text": …}`` or ``{"refused": reason}``, or ``failed``, the reason why there are none.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from datetime import datetime
from typing import Any

MEMORY = 500 * 1024**2  # bytes of address space, of which Python with transformers' sandbox takes about 190 MB


class _Failed(Exception):
    """The template does what no chat template may do; the message says what."""


def _render(job: dict[str, Any]) -> list[dict[str, str]]:
    from jinja2.exceptions import SecurityError, TemplateError, TemplateSyntaxError
    from transformers.utils.chat_template_utils import _compile_jinja_template

    try:
        template = _compile_jinja_template(job["source"])
    except TemplateSyntaxError as error:
        raise _Failed(f"line {error.lineno}: {error.message}") from error
    noon, left = datetime.fromisoformat(job["noon"]), job["characters"]
    answers: list[dict[str, str]] = []
    for given in job["requests"]:
        chunks = []
        try:
            for chunk in template.generate(**given, strftime_now=noon.strftime):
                chunks.append(chunk)
                left -= len(chunk)
                if left < 0:
                    raise _Failed(f"it writes more than {job['characters']} characters")
            answers.append({"text": "".join(chunks)})
        except SecurityError as error:
            if not job["forgive"]:
                raise _Failed(f"it does what the sandbox forbids: {error}") from error
            answers.append({"refused": f"it does what the sandbox forbids: {error}"})
        except TemplateError as error:
            answers.append({"refused": error.message or type(error).__name__})
        except (MemoryError, _Failed):
            raise
        except Exception as error:  # whatever Python says to what the template computes
            if isinstance(error, OverflowError) and "range" in str(error).casefold():
                raise _Failed(f"it does what the sandbox forbids: {error}") from error
            answers.append({"refused": f"{type(error).__name__}: {error}"})
    return answers


def _bound(seconds: int) -> None:
    """Let the system end this process when it takes more; the parent watches the clock as well."""
    with contextlib.suppress(ImportError):
        import resource

        used = resource.getrusage(resource.RUSAGE_SELF)
        allowed = int(used.ru_utime + used.ru_stime) + seconds + 1
        bounds = {"RLIMIT_AS": MEMORY, "RLIMIT_CPU": allowed, "RLIMIT_FSIZE": 0, "RLIMIT_CORE": 0}
        for name, most in bounds.items():
            hard = most + (name == "RLIMIT_CPU")  # so that the signal says that it was the time
            with contextlib.suppress(AttributeError, ValueError, OSError):
                resource.setrlimit(getattr(resource, name), (most, hard))


def main() -> None:
    """Answer one job on what was stdout."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    for heavy in ("torch", "tensorflow", "jax", "flax"):  # transformers imports what it finds, and needs none of it
        sys.modules[heavy] = None  # type: ignore[assignment]
    import transformers.utils.chat_template_utils  # noqa: F401, before the limits

    print("ready", file=answers, flush=True)
    job = json.load(sys.stdin)
    _bound(job["seconds"])
    try:
        answer: dict[str, Any] = {"texts": _render(job)}
    except _Failed as reason:
        answer = {"failed": str(reason)}
    except MemoryError:
        answer = {"failed": f"it needs more than {MEMORY // 1024**2} MB of memory"}
    except RecursionError:
        answer = {"failed": "it nests too deeply"}
    print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
