"""What is answered about one model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from ...errors import ChatwrightError, mistake_of_ours

# unique: one template, or several names of one meaning; by framework: each framework has one, and they differ;
# several: more than one fits; near: none writes the same, and the nearest is named; unknown: nothing is near.
Verdict = Literal["unique", "by framework", "several", "near", "unknown", "error"]
SURE: tuple[Verdict, ...] = ("unique", "by framework")


def isolated(name: str, answer: Callable[[], Answer]) -> Answer:
    """The answer about a model; what goes wrong with this one costs no other model its answer."""
    try:
        return answer()
    except ChatwrightError as reason:
        return Answer(name, "error", error=str(reason))
    except OSError as error:
        return Answer(name, "error", error=f"{error.filename or name}: {error.strerror or error}")
    except Exception as error:  # a mistake of ours
        return Answer(name, "error", error=mistake_of_ours(error))


@dataclass(frozen=True)
class Candidate:
    """A template that may be the model's.

    ``named_by`` says which of the model's names and its architecture lead to it; ``exact`` is in how many of the
    conversations ``of`` that the model's chat template writes it writes the same (None: there is no chat template);
    ``difference`` shows the first one in which it does not.
    """

    template: str
    named_by: tuple[str, ...] = ()
    exact: int | None = None
    of: int | None = None
    difference: str = ""


@dataclass(frozen=True)
class Answer:
    """The answer; ``template`` is the best candidate, ``same`` are further names of its very meaning.

    ``by`` lists the templates that each kind of evidence leads to, ``why`` explains in words, ``flags`` say by
    framework what to set, ``candidates`` are all that fit, the best first. ``error`` says why there is no answer.
    """

    id: str
    verdict: Verdict
    template: str | None = None
    same: tuple[str, ...] = ()
    by: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    candidates: tuple[Candidate, ...] = ()
    why: tuple[str, ...] = ()
    flags: Mapping[str, str] = field(default_factory=dict)
    error: str = ""

    @property
    def sure(self) -> bool:
        """Whether it leaves nothing to choose."""
        return self.verdict in SURE

    def as_json(self) -> dict[str, Any]:
        """All of it as plain data; every answer has the same keys, so that tables of them have one type."""
        by = {kind: list(self.by.get(kind, ())) for kind in ("id", "name", "architecture", "behaviour")}
        flags = {framework: self.flags.get(framework, "") for framework in ("llamafactory", "swift")}
        candidates = [{**asdict(each), "named_by": list(each.named_by)} for each in self.candidates]
        return {
            "id": self.id,
            "verdict": self.verdict,
            "template": self.template,
            "same": list(self.same),
            "by": by,
            "candidates": candidates,
            "why": list(self.why),
            "flags": flags,
            "error": self.error,
        }
