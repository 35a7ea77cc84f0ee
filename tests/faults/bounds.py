"""Prints what each hostile input takes: seconds, seconds of the processor, the peak of memory, the exit code.

Run by hand, with a text to choose among them: ``PYTHONPATH=generator:. .venv-test/bin/python tests/faults/bounds.py``
"""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.faults.hostile import INPUTS, TEMPLATE, run
from tests.inspection.verify.support import make


def main() -> int:
    """A line for each; exits with 1 where one does not end as it should."""
    wrong = 0
    with TemporaryDirectory(prefix="chatwright-bounds-") as home:
        faultless = make(TEMPLATE, Path(home) / "faultless").path
        for number, (name, given) in enumerate(INPUTS.items()):
            if not all(word in name for word in sys.argv[1:]):
                continue
            place = Path(home) / str(number)
            place.mkdir()
            ran = run(given, faultless, place / "model")
            fine = ran.code == given.code and given.says in ran.out + ran.err
            wrong += not fine
            took = f"{ran.seconds:6.2f} s  {ran.worked:6.2f} s of the processor  {ran.memory:5.0f} MB  exit {ran.code}"
            wrongly = "" if fine else f"  WRONG: {(ran.out + ran.err)[-300:]!r}"
            print(f"{name:45} {took}{wrongly}", flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
