"""A template of the catalogue beside its publisher's own: whether they write the same, and why not where a program
can tell.

Both get what ``apply_chat_template`` gives, through the same Jinja. A prompt has a body, and a tail: the opener of the
reply with what stands behind it; each may differ. The head that differs where nothing asks for one (a default system
text, a date) is told once, and taken out of the bodies before they are looked at again. What stands in our text where
they then part, by the roles of the reference renderer's pieces, tells the cause
(:data:`chatwright.records.publishers.CAUSES`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property

from chatwright.catalogue.model import Template
from chatwright.errors import Unsupported
from chatwright.inspection import jinja
from chatwright.inspection.conversations import TYPED, parts_unread
from chatwright.inspection.prompt_differences import Prompt, parting, same_words
from chatwright.inspection.token_ids import first_difference
from chatwright.meaning.runs import TODAY
from chatwright.meaning.sandbox import Refused
from chatwright.meaning.scenarios import Scenario, scenarios
from chatwright.records.engines import Result
from chatwright.records.publishers import CAUSES, SEPARATOR, TAIL, Comparison, Example

from .publishers import Publisher, Record, request, without_bos

NO_PARTS = "the publisher's template takes content as one text; servers then join the parts"
NO_TOOLS = "the publisher's template writes no tools"
_LEAST = 4  # characters of a line that tells a head
_MARK = 16  # characters in front of a difference that may belong to a thought word
_REPLIES = ("assistant", "observation")
_THOUGHTS = ("<think>", "</think>")


def compare_all(
    template: Template, publishers: Iterable[Publisher], record: Record, write: jinja.Render
) -> tuple[Comparison, ...]:
    """The comparisons with each publisher's template; those that come out alike are one.

    ``write`` renders the template's file with variables, and raises :class:`Unsupported` where that raises.
    """
    found: list[Comparison] = []
    for publisher in publishers:
        one = compare(template, publisher, record, write)
        same = next((other for other in found if _alike(one, other)), None)
        if same:
            found[found.index(same)] = Comparison(
                (*same.publishers, publisher.id), same.results, same.examples, same.bos
            )
        else:
            found.append(one)
    return tuple(found)


def _alike(one: Comparison, other: Comparison) -> bool:
    return (one.results, one.examples, one.bos) == (other.results, other.examples, other.bos)


def compare(template: Template, publisher: Publisher, record: Record, write: jinja.Render) -> Comparison:
    """Hold a template against one publisher's on every scenario."""
    due = {name: record.text(publisher, name) for name in scenarios()}
    ours: dict[str, str | Refused] = {}
    for name, scenario in scenarios().items():
        try:
            ours[name] = write(request(scenario, publisher.bos, publisher.eos))
        except Unsupported as reason:
            ours[name] = Refused(str(reason))
    begins = any(publisher.bos and text.startswith(publisher.bos) for text in ours.values() if isinstance(text, str))
    texts = {
        name: text if isinstance(text, Refused) else without_bos(text, publisher.bos) for name, text in ours.items()
    }
    pairs = {name: _Pair(template, scenarios()[name], publisher, texts[name], due[name]) for name in scenarios()}
    head = pairs["plain"].head
    fine: set[str] = set()  # scenarios whose bodies differ in nothing but the head
    results: dict[str, Result] = {}
    examples: dict[str, Example] = {}
    for name, pair in pairs.items():
        if refused := pair.refused:
            results[name] = refused
            continue
        found = {} if pair.ours == pair.due else pair.causes(fine, head)
        if not found.keys() - {"default-system", *TAIL}:
            fine.add(name)
        causes = SEPARATOR.join(cause for cause in CAUSES if cause in found)
        results[name] = Result("exact") if pair.ours == pair.due else Result("differs", causes)
        for cause, example in found.items():
            examples.setdefault(cause, example)
    writes = {"publisher": publisher.writes_bos, "ours": begins}
    compared = any(result.status in ("exact", "differs") for result in results.values())
    alone = [who for who, does in writes.items() if does and compared]
    ordered = {cause: examples[cause] for cause in CAUSES if cause in examples}
    return Comparison((publisher.id,), results, ordered, alone[0] if len(alone) == 1 else None)


@dataclass(frozen=True)
class _Pair:
    """What our template and a publisher's write for one scenario, without the BOS."""

    template: Template
    scenario: Scenario
    publisher: Publisher
    ours: str | Refused
    due: str | Refused

    @property
    def refused(self) -> Result | None:
        """What there is to say where one of the two writes nothing that could be compared."""
        if isinstance(self.due, Refused):
            said = f": {self.due.reason}" if self.due.reason else ""
            return Result("not comparable", f"the publisher's template raises{said}")
        if self.scenario.name == TYPED and parts_unread(self.due):
            return Result("not comparable", NO_PARTS)
        if self.scenario.tools and not any(tool["function"]["name"] in self.due for tool in self.scenario.tools):
            return Result("not comparable", NO_TOOLS)
        return Result("unsupported", self.ours.reason) if isinstance(self.ours, Refused) else None

    def causes(self, fine: Collection[str], head: tuple[str, str] | None) -> dict[str, Example]:
        """Why the texts differ, each cause with its place.

        ``fine`` are the scenarios before this one whose bodies differ in the head at most.
        """
        found: dict[str, Example] = {}
        (ours, due), (our_tail, due_tail) = self.bodies, self.tails
        taken = 0, 0  # where something was taken out of our body, and how long it was
        if head and ours != due:
            mine, theirs = head
            if mine in ours and theirs in due:
                found["default-system"] = self._example(ours, due)
                taken = ours.index(mine), len(mine)
                ours, due = ours.replace(mine, "", 1), due.replace(theirs, "", 1)
            elif any((line in ours) != (line in due) for line in _lines(mine) ^ _lines(theirs)):
                found["default-system"] = self._example(ours, due)
                if _only(ours, due, _lines(mine) ^ _lines(theirs)):
                    ours = due
        if ours != due:
            start = first_difference(ours, due)
            cause = self._of_place(start + (taken[1] if start >= taken[0] else 0), fine, ours, due)
            found.setdefault(cause, self._example(ours, due))
        if our_tail != due_tail:
            start = first_difference(our_tail, due_tail)
            rest = our_tail[max(0, start - _MARK) :], due_tail[max(0, start - _MARK) :]
            thought = any(word and word in side for word in self.thought_words for side in rest)
            cause = "thinking-prefill" if thought else "generation-prompt"
            found[cause] = self._example(our_tail, due_tail, self.bodies[0])
        return found

    def _of_place(self, place: int, fine: Collection[str], ours: str, due: str) -> str:
        """Why bodies differ that part at a place of our text."""
        role, scenario, prompt = self.prompt.role_at(place), self.scenario, self.prompt
        if prompt.has_empty_system and "plain" in fine:
            return "empty-system"
        at_head, regular = role in ("prefix", "system"), {"plain", "multi"} <= set(fine)
        if same_words(ours, due):
            return "trimming" if (prompt.is_padded or scenario.name == TYPED) and regular else "white-space"
        if scenario.tools:
            if scenario.thinking is not None and at_head and "tool_result" in fine:
                return "thinking-switch"
            return "tool-calls" if prompt.has_calls and ("tools_offered" in fine or role in _REPLIES) else "tool-layout"
        if scenario.variables and {"multi", "system", "system_multi"} <= set(fine):
            return "thinking-switch"
        if scenario.thinking is not None and at_head and regular and (not prompt.has_system or "system" in fine):
            return "thinking-switch"
        if prompt.has_system and regular and "system" not in fine:
            return "system-layout"
        if self.has_thoughts and (role == "assistant" or regular):
            return "thought-layout"
        if prompt.has_system and (at_head or regular):
            return "system-layout"
        before_first_turn = due.endswith(self.bodies[0][len(prompt.head) :])
        return "default-system" if at_head or before_first_turn else "turn-layout"

    def _example(self, ours: str, due: str, before: str = "") -> Example:
        return example(self.scenario.name, due, ours, before)

    @cached_property
    def head(self) -> tuple[str, str] | None:
        """What differs between the bodies, ours first, where that is their head alone."""
        if self.refused or self.bodies[0] == self.bodies[1]:
            return None
        ours, due = self.bodies
        start = first_difference(ours, due)
        if self._of_place(start, (), ours, due) != "default-system":
            return None
        most = min(len(ours), len(due)) - start
        same = first_difference(ours[::-1][:most], due[::-1][:most])
        return ours[start : len(ours) - same], due[start : len(due) - same]

    @cached_property
    def bodies(self) -> tuple[str, str]:
        """Our text and the publisher's up to the opener of the reply."""
        return tuple(text[: len(text) - len(tail)] for text, tail in zip(self.texts, self.tails, strict=True))  # type: ignore[return-value]

    @cached_property
    def tails(self) -> tuple[str, str]:
        """What follows in each: the opener of the reply and what stands behind it; nothing where there is none."""
        ours, due = self.texts
        trailing = self.prompt.reply
        opener = next((text.strip() for text in trailing if text.strip()), "")
        mine, theirs = len(ours) - len("".join(trailing)), due.rfind(opener)
        if not opener:
            return "", ""
        if theirs < 0 or due.count(opener) != ours.count(opener):
            same = first_difference(ours[mine:][::-1], due[::-1])
            theirs = len(due) - same
        else:  # white space in front of the opener is the opener's own
            lead = ours[mine:][: ours[mine:].index(opener)]
            theirs -= len(lead) if due[:theirs].endswith(lead) else 0
        return ours[mine:], due[theirs:]

    @property
    def texts(self) -> tuple[str, str]:
        """Ours and the publisher's, where both write."""
        return str(self.ours), str(self.due)

    @cached_property
    def prompt(self) -> Prompt:
        """Our text with the pieces that the reference renderer makes of it; none of them where it writes another."""
        bos, eos = self.publisher.bos or "", self.publisher.eos or ""
        with suppress(Unsupported):
            found = Prompt.of(self.scenario, self.template, TODAY, bos, eos)
            if found.texts and bos:
                found = replace(found, texts=(without_bos(found.texts[0], bos), *found.texts[1:]))
            if found.text == self.ours:
                return found
        return Prompt(self.scenario, (), ())

    @property
    def has_thoughts(self) -> bool:
        told = ("reasoning_content", *(word.strip() for word in self.thought_words))
        return any(word in str(message) for message in self.scenario.asked for word in told if word)

    @cached_property
    def thought_words(self) -> tuple[str, ...]:
        own = self.template.thinking
        return (*_THOUGHTS, *((word.strip() for word in own.words) if own else ()))


def _lines(text: str) -> set[str]:
    """The lines that can tell a text."""
    return {line.strip() for line in text.splitlines() if len(line.strip()) >= _LEAST}


def _only(ours: str, due: str, heads: set[str]) -> bool:
    """Whether only lines of the head stand in one of the texts and not in the other."""
    return all(any(line in head or head in line for head in heads) for line in _lines(ours) ^ _lines(due))


def example(scenario: str, due: str, ours: str, before: str = "") -> Example:
    """Where two texts of a scenario part; ``before`` is what stands in front of both."""
    return Example(scenario, *parting(due, ours, before))
