"""The loop of a worker of :mod:`.bounded`: it reads questions, one JSON object per line, and answers each with one.

A question holds the limits: ``seconds`` of processor time, for all questions, or for each question with ``anew``;
``memory`` in bytes, which only the first question sets; and the characters of an ``answer``. An answer holds ``took``,
the processor time so far in seconds. If there is no result, ``failed`` says why; ``spent`` means that the process must
not be asked again. Other output of the process, such as warnings of libraries, is dropped.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

from ..limits import LONGEST_MESSAGE


class Failed(Exception):
    """The question cannot be answered; the message says why."""


def serve(answer: Callable[[dict[str, Any]], dict[str, Any]], prepare: Callable[[], None] = lambda: None) -> None:
    """Call ``prepare`` without limits, print ``ready``, then answer questions until standard input ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    for heavy in ("torch", "tensorflow", "jax", "flax"):  # transformers imports them if it can, without need
        sys.modules[heavy] = None  # type: ignore[assignment]
    prepare()
    print("ready", file=answers, flush=True)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    bounded, began = False, time.process_time()
    for line in sys.stdin:
        job = json.loads(line)
        if not bounded or job["anew"]:
            _bound(job["seconds"], job["memory"])
            bounded = True
        text = _answer(answer, job, began)
        print(text, file=answers, flush=True)


def said(error: BaseException) -> str:
    """The message of an exception, cut if it is long; it may be any object."""
    message = getattr(error, "message", None)
    text = str(error if message is None else message)
    return text if len(text) <= LONGEST_MESSAGE else f"{text[:LONGEST_MESSAGE]}… ({len(text)} characters)"


def named(error: BaseException) -> str:
    """The name and the message of an exception."""
    return f"{type(error).__name__}: {said(error)}"


def _answer(answer: Callable[[dict[str, Any]], dict[str, Any]], job: dict[str, Any], began: float) -> str:
    failed: dict[str, Any]
    try:
        text = json.dumps({**answer(job), "took": time.process_time() - began})
        if len(text) <= job["answer"]:
            return text
        failed = {"failed": f"it comes to more than {job['answer']} characters"}
    except Failed as reason:
        failed = {"failed": str(reason)}
    except MemoryError:
        failed = {"failed": f"it needs more than {job['memory'] // 1024**2} MB of memory", "spent": True}
    except RecursionError:
        failed = {"failed": "it nests too deeply", "spent": True}
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a panic of a Rust library is no Exception
        failed = {"failed": named(error), "spent": True}
    return json.dumps({**failed, "took": time.process_time() - began})


def _bound(seconds: int, memory: int) -> None:
    """Set the limits of this process, counted from now on; the parent also has a timeout."""
    with contextlib.suppress(ImportError):
        import resource

        used = resource.getrusage(resource.RUSAGE_SELF)
        allowed = int(used.ru_utime + used.ru_stime) + seconds + 1
        bounds = {"RLIMIT_AS": memory, "RLIMIT_CPU": allowed, "RLIMIT_FSIZE": 0, "RLIMIT_CORE": 0}
        for name, most in bounds.items():
            with contextlib.suppress(AttributeError, ValueError, OSError):
                which = getattr(resource, name)
                # the hard limit stays: so the signal shows that time ran out, and a later job may raise the limit
                resource.setrlimit(which, (most, resource.getrlimit(which)[1] if name == "RLIMIT_CPU" else most))
    with contextlib.suppress(AttributeError, OSError):
        signal.setitimer(signal.ITIMER_PROF, seconds)  # the limit above counts whole seconds and is a second guard
