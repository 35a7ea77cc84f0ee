"""Counts the mutants that `make mutate` made, and shows those that lived: ``report.py FOLDER``.

Exits with 1 where fewer than 85 % of all were killed; one that no test reaches counts as alive. Why those that live do
stands in ``survivors.md``.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from difflib import unified_diff
from pathlib import Path

LEAST = 0.85
_LIVES = (0, 5, 33)  # mutmut's codes: the tests passed, there were none, none reaches the function
_FUNCTION = re.compile(r"^( *)(?:async )?def (\w+)\(", re.MULTILINE)


def main(folder: Path) -> int:
    """Print the figures of each file, then every survivor."""
    made = killed = 0
    living: list[str] = []
    for record in sorted((folder / "mutants" / "src").rglob("*.py.meta")):
        codes = json.loads(record.read_text(encoding="utf-8"))["exit_code_by_key"]
        if unknown := [name for name, code in codes.items() if code is None]:
            print(f"{record}: {len(unknown)} mutants were not tried", file=sys.stderr)
            return 1
        alive = [name.rpartition(".")[2] for name, code in codes.items() if code in _LIVES]
        made, killed = made + len(codes), killed + len(codes) - len(alive)
        file = record.with_suffix("")
        living += [f"{file.name} {name}\n{change}" for name, change in _changes(file, alive)]
        if codes:
            print(f"{file.name:<20} {len(codes) - len(alive):>5} of {len(codes):>5} killed")
    print("\n".join(living))
    share = killed / made if made else 0.0
    print(f"{killed} of {made} mutants killed: {share:.1%}, at least {LEAST:.0%} should be")
    return 0 if share >= LEAST else 1


def _changes(file: Path, names: list[str]) -> Iterator[tuple[str, str]]:
    """Each mutant of a file with the lines that it changes."""
    text = file.read_text(encoding="utf-8")
    places = [(match[2], match.start()) for match in _FUNCTION.finditer(text)]
    ends = [start for _, start in places[1:]] + [len(text)]
    bodies = {name: text[start:end].split("\n")[1:] for (name, start), end in zip(places, ends, strict=True)}
    for name in names:
        original = bodies.get(re.sub(r"_\d+$", "_orig", name), [])
        lines = list(unified_diff(original, bodies.get(name, []), lineterm="", n=0))[3:]
        yield name, "\n".join(f"    {line}" for line in lines if line[:2] != "@@" and "__mutmut_" not in line)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
