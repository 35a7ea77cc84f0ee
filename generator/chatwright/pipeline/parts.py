"""The files of each spec, made from that spec and what is around it alone, so that what has not changed is kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, dataclass, field, replace
from functools import partial
from hashlib import sha256
from typing import Any

from ..cache import Cache, key_of
from ..catalogue.model import Catalogue
from ..targets import TARGETS
from ..targets.protocol import Context, Deployment, GeneratedFile
from .around import Surroundings
from .formatting import formatted_body, header
from .parallel import in_parallel

Job = Callable[[], Any]
_ENOUGH = 4  # jobs that pay for a second process


@dataclass(frozen=True)
class Part:
    """What some targets made of one spec: path below the output folder -> content, and what serves its templates."""

    files: Mapping[str, str] = field(default_factory=dict)
    deployments: Mapping[str, Mapping[str, Deployment]] = field(default_factory=dict)


class Parts:
    """Makes the parts of a catalogue, from the cache where it has them."""

    def __init__(self, catalogue: Catalogue, cache: Cache, workers: int) -> None:
        self.cache, self.workers = cache, workers
        self._surroundings = Surroundings(catalogue)
        self._around = [self._surroundings.of(number) for number in range(len(catalogue.specs))]
        self._sources = [spec.source for spec in catalogue.specs]
        self._digests = [self._surroundings.digest(around) for around in self._around]

    def make(
        self,
        targets: Sequence[str],
        before: Sequence[Part] | None = None,
        fidelity: Mapping[str, Any] | None = None,
        beside: Sequence[Job] = (),
    ) -> tuple[list[Part], list[Any]]:
        """What these targets make of each spec, in the catalogue's order, and the results of the jobs ``beside``.

        ``before`` are the parts that other targets made, ``fidelity`` what is known of the files in them.
        """
        found: list[Part | None] = []
        jobs: list[Job] = list(beside)
        for number, source in enumerate(self._sources):
            deployments = before[number].deployments if before else {}
            names = {name for each in deployments.values() for name in each}
            known = {name: fidelity[name] for name in sorted(names) if name in fidelity} if fidelity else {}
            key = key_of("part", targets, source, self._digests[number], deployments, known)
            kept = self.cache.get(key)
            found.append(None if kept is None else _from_json(kept))
            if kept is None:
                context = Context(self._around[number], deployments, known, source=source)
                jobs.append(partial(self._made, targets, context, key))
        results = in_parallel(jobs, self.workers if len(jobs) >= _ENOUGH else 1)
        made = iter(results[len(beside) :])
        return [next(made) if part is None else part for part in found], results[: len(beside)]

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
                name: Deployment(path, digest, reason, tuple(notes))
                for name, (path, digest, reason, notes) in found.items()
            }
            for target, found in deployments.items()
        },
    )
