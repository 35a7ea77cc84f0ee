"""Generate the files of one spec: a pure function of the spec, its neighbours, and the evidence of engines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from hashlib import sha256
from typing import Any

from ..cache import Cache
from ..catalogue.model import Catalogue
from ..records.engines import EngineEvidence
from ..targets import ABOUT_ONE, SERVED, TARGETS
from ..targets.protocol import Context, Deployment, GeneratedFile
from .fidelity import fidelity
from .formatting import formatted_body, header

Evidence = Mapping[str, EngineEvidence]


@dataclass(frozen=True)
class SpecFiles:
    """The output for one spec: files by path below the output folder, deployments, and fidelity."""

    files: Mapping[str, str]
    deployments: Mapping[str, Mapping[str, Deployment]]
    fidelity: Mapping[str, Any]


def spec_files(source: str, around: Catalogue, evidence: Evidence, cache: Cache) -> SpecFiles:
    """The files of the spec with this source; ``around`` holds it and the specs that its files may depend on."""
    context = Context(around, {}, {}, source=source)
    inputs = (source, [spec.digest for spec in around.specs])
    files, served = cache.remember("served", inputs, lambda: _made(SERVED, context, cache))
    deployments = {
        target: {
            name: Deployment(path, digest, tuple(reasons), tuple(notes)) for name, path, digest, reasons, notes in found
        }
        for target, found in served.items()
    }
    known = fidelity(evidence, deployments)
    context = replace(context, deployments=deployments, fidelity=known)
    pages, _ = cache.remember("about one", (inputs, deployments, known), lambda: _made(ABOUT_ONE, context, cache))
    return SpecFiles({**files, **pages}, deployments, known)


def _made(targets: Sequence[str], context: Context, cache: Cache) -> tuple[dict[str, str], dict[str, list[Any]]]:
    """The output of targets: the files, and the fields of each deployment as JSON values."""
    files: dict[str, str] = {}
    deployments = dict(context.deployments)
    for name in targets:
        output = TARGETS[name].generate(replace(context, deployments=dict(deployments)))
        digests: dict[str, str] = {}
        for file in output.files:
            files[file.path], digests[file.path] = written(file, cache)
        deployments[name] = {
            template: replace(deployment, sha256=digests.get(deployment.path or ""))
            for template, deployment in output.deployments.items()
        }
    return files, {name: [(key, *astuple(each)) for key, each in deployments[name].items()] for name in targets}


def written(file: GeneratedFile, cache: Cache) -> tuple[str, str]:
    """A file's content, and the hash of its body."""
    body = formatted_body(file, cache)
    return header(file) + body, sha256(body.encode()).hexdigest()
