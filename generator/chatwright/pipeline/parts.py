"""The files of each spec, made from that spec and what is around it alone, so that what has not changed is kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, field, replace
from functools import partial
from hashlib import sha256
from typing import Any

from ..cache import Cache, key_of
from ..catalogue.model import Catalogue
from ..records.engines import EngineEvidence
from ..targets import SERVED, TARGETS, TOLD
from ..targets.protocol import Context, Deployment, Deployments, GeneratedFile
from .around import Surroundings
from .fidelity import fidelity
from .formatting import formatted_body, header
from .parallel import in_parallel

Evidence = Mapping[str, EngineEvidence]
_ENOUGH = 4  # specs that pay for a second process


@dataclass(frozen=True)
class Part:
    """What some targets made of one spec: path below the output folder -> content, and what serves its templates."""

    files: Mapping[str, str] = field(default_factory=dict)
    deployments: Mapping[str, Mapping[str, Deployment]] = field(default_factory=dict)


@dataclass(frozen=True)
class OfSpec:
    """Everything that is made of one spec: what frameworks and engines read, what is known of it, and its pages."""

    served: Part
    fidelity: Mapping[str, Any]
    told: Part


class Parts:
    """Makes the parts of a catalogue, from the cache where it has them."""

    def __init__(self, catalogue: Catalogue, evidence: Evidence, cache: Cache) -> None:
        self.evidence, self.cache = evidence, cache
        surroundings = Surroundings(catalogue)
        self._sources = [spec.source for spec in catalogue.specs]
        self._around = [surroundings.of(number) for number in range(len(catalogue.specs))]
        self._digests = [surroundings.digest(around) for around in self._around]

    def make(self, workers: int) -> list[OfSpec]:
        """What is made of each spec, in the catalogue's order."""
        found = [self._of_spec(number, make=False) for number in range(len(self._sources))]
        jobs = [partial(self._of_spec, number, make=True) for number, known in enumerate(found) if known is None]
        made = iter(in_parallel(jobs, workers if len(jobs) >= _ENOUGH else 1))
        return [next(made) if known is None else known for known in found]  # type: ignore[misc]

    def _of_spec(self, number: int, *, make: bool) -> OfSpec | None:
        """What is made of one spec; None where something is not kept, and may not be made."""
        served = self._part(number, SERVED, {}, {}, make=make)
        if served is None:
            return None
        known = fidelity(self.evidence, served.deployments)
        told = self._part(number, TOLD, served.deployments, known, make=make)
        return None if told is None else OfSpec(served, known, told)

    def _part(
        self, number: int, targets: Sequence[str], deployments: Deployments, known: Mapping[str, Any], *, make: bool
    ) -> Part | None:
        key = key_of("part", targets, self._sources[number], self._digests[number], deployments, known)
        kept = self.cache.get(key)
        if kept is not None:
            return _from_json(kept)
        context = Context(self._around[number], deployments, known, source=self._sources[number])
        return self._made(targets, context, key) if make else None

    def _made(self, targets: Sequence[str], context: Context, key: str) -> Part:
        files: dict[str, str] = {}
        deployments = dict(context.deployments)
        for name in targets:
            output = TARGETS[name].generate(replace(context, deployments=dict(deployments)))
            hashes: dict[str, str] = {}
            for file in output.files:
                files[file.path], hashes[file.path] = written(file)
            deployments[name] = {
                template: deployment if deployment.path is None else replace(deployment, sha256=hashes[deployment.path])
                for template, deployment in output.deployments.items()
            }
        part = Part(files, {name: deployments[name] for name in targets})
        self.cache.put(key, _to_json(part))
        return part


def written(file: GeneratedFile) -> tuple[str, str]:
    """A file's content, and the hash of its body."""
    body = formatted_body(file)
    return header(file) + body, sha256(body.encode()).hexdigest()


def _to_json(part: Part) -> Any:
    deployments = {
        target: {name: astuple(each) for name, each in found.items()} for target, found in part.deployments.items()
    }
    return [part.files, deployments]


def _from_json(kept: Any) -> Part:
    files, deployments = kept
    return Part(
        files,
        {
            target: {
                name: Deployment(path, digest, tuple(reasons), tuple(notes))
                for name, (path, digest, reasons, notes) in found.items()
            }
            for target, found in deployments.items()
        },
    )
