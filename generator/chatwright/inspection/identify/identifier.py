"""``chatwright identify``: which template of the catalogue is a model's.

Three kinds of evidence are held together: the model's id on a hub, its name and architecture as ms-swift matches them,
and what its own chat template writes in the sandbox, looked up among the texts of all templates. What the names say is
followed where the texts do not speak against it; every choice that remains is told with what the candidates differ in.

:func:`identify_record` is all of it as one function from a row of a dump to its answer, for engines that map functions
over data; :func:`.stream.answers` does the same for lines of JSON.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

from ...catalogue.build import FRAMEWORKS
from ...catalogue.model import Catalogue
from ...characters import listing
from ...meaning.sandbox import FORBIDDEN, Marked, TemplateFailed, Workshop
from ..conversations import switches
from ..verify.writings import NO_BOS, NO_EOS, Meaning, Writings, agreement, writings_of
from .answer import Answer, Candidate, isolated
from .behaviour import Behaviour, Render, ask
from .explaining import apart, difference
from .flags import flags, has_itself
from .names import Listed, Names
from .records import BadRecord, Record, read_record

_DAY = Marked(2001, 2, 3)
_MOST = 8  # meanings that are shown
_HOW = {"id": "its id", "name": "its name", "architecture": "its architecture"}


class Identifier:
    """Answers for one catalogue. What its templates write is rendered with the first question, in about a second."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        self.names = Names(catalogue)
        self.writings: Writings = writings_of(catalogue, _DAY)
        self._switches = switches(catalogue)
        self.seeing = _seeing(catalogue)

    def identify(self, record: Record, render: Render) -> Answer:
        """The answer for a record; ``render`` runs chat templates, see :meth:`.sandbox.Workshop.render`."""
        try:
            return self.decide(record, self.ask(record, render) if record.templates else None)
        except TemplateFailed as reason:
            return self.failed(record, reason)

    def failed(self, record: Record, reason: TemplateFailed) -> Answer:
        """The answer for a record whose chat template cannot be run: what its names say is told all the same."""
        named = self.decide(record, None)
        why = named.why if named.template else ()
        return Answer(record.name, "error", by=named.by, why=why, error=f"the chat template cannot be run: {reason}")

    def ask(self, record: Record, render: Render) -> Behaviour:
        """What the record's chat template writes."""
        return ask(record, render, self._switches)

    def decide(self, record: Record, behaviour: Behaviour | None) -> Answer:
        """The answer, with what the record's chat template writes, if it has one."""
        return _Case(self, record, behaviour).answer()

    def rank(self, name: str) -> tuple[int, str]:
        """What comes first where nothing else tells: what most checkpoints use, then the alphabet."""
        return -sum(len(group.checkpoints) for group in self.catalogue.users.get(name, ())), name


class _Case:
    """One model, and everything that is known of it."""

    def __init__(self, identifier: Identifier, record: Record, behaviour: Behaviour | None) -> None:
        self.of = identifier
        self.record = record
        self.writings = identifier.writings
        self.why: list[str] = []
        self.raised = behaviour.raised if behaviour else None
        self.behaviour = None if self.raised else behaviour
        names, path = identifier.names, record.path
        self.listed: dict[str, list[Listed]] = {
            "id": [listed for each in record.ids for listed in names.by_id(each)],
            "name": names.by_name(path) if path else [],
            "architecture": names.by_architecture(record.architectures),
        }
        self.named = {
            kind: tuple(dict.fromkeys(name for each in found for name in each.templates.values() if name))
            for kind, found in self.listed.items()
        }
        self.equal = (
            self.writings.equal(behaviour.texts, behaviour.bos, behaviour.eos) if behaviour and not self.raised else {}
        )
        self.core = behaviour.core if behaviour else {}
        unknown = Behaviour({}, NO_BOS, NO_EOS)
        self.tokens = (behaviour or unknown).bos, (behaviour or unknown).eos
        written = {name: len(self.core.keys() & equal.keys()) for name, equal in self.equal.items()}
        self.fitting = [name for name, count in written.items() if count == len(self.core)]
        self.half = [name for name, count in written.items() if count * 2 >= len(self.core)]

    def answer(self) -> Answer:
        """The whole of it."""
        if self.raised and self.raised.startswith(FORBIDDEN):
            error = f"the chat template cannot be run: {self.raised}"
            return Answer(self.record.name, "error", by=self.named, error=error)
        if self.raised:
            self.why.append(f"its chat template raises even for plain questions: {self.raised}")
        by = {**self.named, "behaviour": tuple(self._ordered(self._best(self.fitting)))}
        pool, near = self._pool()
        if not pool:
            return Answer(self.record.name, "unknown", by=by, why=tuple(self.why or [self._nothing()]))
        chosen = self._ordered(pool)
        groups = self._by_meaning(chosen)
        verdict: Any = "near" if near else "unique" if len(groups) == 1 else "several"
        best, *others = groups
        if verdict == "several" and self._one_each(chosen):
            verdict = "by framework"
            self.why.append("each framework has a template of its own for it: yours is that of what trains it")
        self.why += [apart(self.writings, best[0], other[0], *self.tokens) for other in others[:_MOST]]
        if len(others) > _MOST:
            self.why.append(f"and {len(others) - _MOST} more differ")
        shown = [candidate for group in groups for candidate in group][: 2 * _MOST]
        candidates = tuple(map(self._candidate, shown))
        if candidates[0].difference:
            what = "is only the nearest" if near else "does not write all that its chat template does"
            self.why.append(f"{best[0]} {what}: {candidates[0].difference}")
        self.why += self._asides(best)
        told = {} if near and not self.half else self._flags(best, chosen)
        name, same = best[0], tuple(best[1:])
        return Answer(self.record.name, verdict, name, same, by, candidates, tuple(dict.fromkeys(self.why)), told)

    def _nothing(self) -> str:
        if self.record.templates:
            return "nothing in the catalogue is like it"
        return "the catalogue has no model of this id, name or architecture; its folder or chat template may tell more"

    def _pool(self) -> tuple[list[str], bool]:
        """The templates that remain, and whether they are only near."""
        kind = next((kind for kind in ("id", "name") if self.named[kind]), None)
        named = list(self.named[kind]) if kind else []
        if not self.behaviour:
            return self._by_names_alone(named)
        if named and kind:
            if both := [name for name in named if name in self.fitting]:
                return self._best(both), False
            if self.fitting:
                wrote = self._narrowed(self._best(self.fitting))
                told = listing(self._ordered(wrote))
                self.why.append(f"{_HOW[kind]} says {listing(named)}, but its chat template writes what {told} writes")
                return [*self._best(named), *wrote], False
            return self._best(named), False
        if self.fitting:
            return self._narrowed(self._best(self.fitting)), False
        return self._nearest()

    def _by_names_alone(self, named: list[str]) -> tuple[list[str], bool]:
        if named:
            return named, False
        architectures = list(self.named["architecture"])
        if architectures:
            types = self._architecture_types()
            said = f"only its architecture {self.record.architectures[0]} tells, that of {listing(types)}"
            self.why.append(said + ("" if len(types) == 1 else ", between which ms-swift does not choose either"))
        return architectures, False

    def _narrowed(self, best: list[str]) -> list[str]:
        """Of equals, those that models of the architecture use; then those that see no more than the chat template."""
        if using := [name for name in best if name in self.named["architecture"]]:
            best = self._only(best, using, f"which no model listed as {self.record.architectures[0]} uses")
        if self.behaviour and not self.behaviour.sees:
            blind = [name for name in best if name not in self.of.seeing]
            best = self._only(best, blind, "but it has no place for images, video or audio")
        return best

    def _only(self, best: list[str], kept: list[str], why: str) -> list[str]:
        """Those that are kept, and what is said of the others; all where none or nothing else is left."""
        rest = set(best) - set(kept)
        if not kept or not rest:
            return best
        self.why.append(f"its texts are also those of {listing(self._ordered(rest))}, {why}")
        return kept

    def _nearest(self) -> tuple[list[str], bool]:
        assert self.behaviour
        if self.half:
            return self._narrowed(self._best(self.half)), True
        nearest = self.writings.nearest(self.behaviour.texts, self.behaviour.bos, self.behaviour.eos)
        return ([nearest], True) if nearest else ([], True)

    def _best(self, names: Sequence[str]) -> list[str]:
        """Those that agree with the chat template furthest."""
        reached = {name: agreement(self.equal.get(name, {})) for name in names}
        most = max(reached.values(), default=None)
        return [name for name, each in reached.items() if each == most]

    def _ordered(self, names: Iterable[str]) -> list[str]:
        """The names, what most evidence leads to first."""

        def key(name: str) -> tuple[Any, ...]:
            said = [name not in self.named[kind] for kind in _HOW]
            return (*said, *(-count for count in agreement(self.equal.get(name, {}))), *self.of.rank(name))

        return sorted(names, key=key)

    def _by_meaning(self, names: Sequence[str]) -> list[list[str]]:
        if len(names) < 2:
            return [list(names)] if names else []
        groups: list[tuple[Meaning, list[str]]] = []
        for name in names:
            meaning = self.writings.meaning(name, *self.tokens)
            group = next((group for known, group in groups if known == meaning), None)
            if group is None:
                groups.append((meaning, group := []))
            group.append(name)
        return [group for _, group in groups]

    def _one_each(self, names: Sequence[str]) -> bool:
        """Whether every framework has just one meaning of the templates, and each of them has a framework."""
        used = [self._of_framework(names, framework) for framework in FRAMEWORKS]
        return all(len(self._by_meaning(own)) <= 1 for own in used) and set(names) <= {
            name for own in used for name in own
        }

    def _of_framework(self, names: Sequence[str], framework: str) -> list[str]:
        """Of some templates those that a framework uses: for this very model, else those that it has itself."""
        listed = [each for kind in ("id", "name") for each in self.listed[kind]]
        own = [name for name in names if any(each.templates[framework] == name for each in listed)]
        return own or [name for name in names if has_itself(self.of.catalogue, name, framework)]

    def _candidate(self, name: str) -> Candidate:
        kinds = tuple(kind for kind in _HOW if name in self.named[kind])
        if self.behaviour is None:
            return Candidate(name, kinds)
        written = [text for text in self.behaviour.texts.values() if isinstance(text, str)]
        shown = difference(self.writings, name, self.behaviour, self.equal.get(name, {}))
        return Candidate(name, kinds, len(self.equal.get(name, {})), len(written), shown)

    def _asides(self, best: Sequence[str]) -> list[str]:
        """What else speaks for another template."""
        found = []
        further = [name for name in self._best(self.fitting) if name not in best]
        if self.behaviour and best[0] in self.fitting and further and best[0] not in self._best(self.fitting):
            found.append(f"its chat template agrees with {listing(self._ordered(further))} in more conversations")
        arch = self.named["architecture"]
        if arch and not set(best) & set(arch):
            types = listing(self._architecture_types())
            found.append(f"the catalogue's models of its architecture ({types}) use other templates")
        return found

    def _architecture_types(self) -> list[str]:
        return sorted({each.title for each in self.listed["architecture"]})

    def _flags(self, best: Sequence[str], pool: Sequence[str]) -> dict[str, str]:
        """By framework, what to set for the best it has: of the best meaning, else for this model, else what fits."""
        found = {}
        types = self._model_types(best)
        fitting = self._ordered(self.fitting)
        for framework in FRAMEWORKS:
            listed = [each.templates[framework] for kind in ("id", "name") for each in self.listed[kind]]
            tiers = [
                self._of_framework(best, framework),
                [name for name in listed if name],
                self._of_framework(pool, framework),
                self._of_framework(fitting, framework),
                best,
            ]
            for name in (name for tier in tiers for name in tier):
                if told := flags(self.of.catalogue, name, framework, types):
                    found[framework] = told
                    differing = "" if name in best else apart(self.writings, best[0], name, *self.tokens)
                    if differing and differing not in self.why:
                        self.why.append(f"for {FRAMEWORKS[framework]}: {differing}")
                    break
        return found

    def _model_types(self, best: Sequence[str]) -> list[str]:
        for kind in _HOW:
            if types := sorted({each.model_type for each in self.listed[kind] if each.model_type}):
                fitting = [each for each in types if any(each in self.of.names.model_types(name) for name in best)]
                return fitting or types
        return sorted({each for name in best for each in self.of.names.model_types(name)})


@cache
def _shared() -> tuple[Identifier, Workshop]:
    from ...pipeline import load_public_catalogue

    return Identifier(load_public_catalogue()), Workshop()


def identify_record(record: Mapping[str, Any]) -> dict[str, Any]:
    """Which template of the public catalogue a model has: one row of a dump to one answer, for ``map``.

    A row holds ``chat_template`` (a text, or a list of named ones) or ``id``, and as far as known ``bos_token``,
    ``eos_token`` and ``architectures``; the answer's keys are always those of :meth:`Answer.as_json`. A row that cannot
    be answered has the verdict ``error``; nothing is raised. Each process that calls it keeps the catalogue's texts and
    one sandbox process, which ends with it.
    """
    identifier, workshop = _shared()
    try:
        read = read_record(record)
    except BadRecord as reason:
        return Answer(reason.name, "error", error=str(reason)).as_json()
    return isolated(read.name, lambda: identifier.identify(read, workshop.render)).as_json()


def _seeing(catalogue: Catalogue) -> set[str]:
    """The templates for images, video or audio: with a plugin, or used by models alone that take these."""
    users = catalogue.users
    return {
        name
        for name, template in catalogue.templates.items()
        if template.mm_plugin or (name in users and all(group.multimodal for group in users[name]))
    }
