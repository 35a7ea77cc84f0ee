"""What is said of one conversation, in one list of words everywhere, and how these are counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Literal, get_args

# differs: both write, and not the same. unsupported: our file, or the program that reads it, refuses. not comparable:
# the framework or the publisher cannot carry the conversation, or both refuse. unverified: nobody has compared.
Verdict = Literal["exact", "exact up to JSON layout", "differs", "unsupported", "not comparable", "unverified"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)


def counted(verdicts: Iterable[Verdict]) -> dict[Verdict, int]:
    """How many there are of each, in the order of the list; words that are not there are left out."""
    counts = Counter(verdicts)
    return {verdict: counts[verdict] for verdict in VERDICTS if verdict in counts}


def in_words(counts: Mapping[Verdict, int]) -> str:
    """Counts in one line: ``28 exact, 2 differs``."""
    return ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
