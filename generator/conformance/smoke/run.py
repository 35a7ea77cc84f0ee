"""Training for real (``make train-smoke``): what our generated files register, the frameworks learn as their own.

Tiny models with random weights are trained for a few steps by the real LLaMA-Factory (one process, its own two-process
torchrun, plain torchrun) and the real ms-swift 4 and 3, once with templates that the generated files alone register,
under names that the frameworks do not have, and once with the built-ins that mean the same. Ids, labels, images and
losses of every step must be equal, to the last bit. Each trained folder then gets the exported chat template, goes
through ``verify``, and transformers must serve the very ids of the prompt that was trained on.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from chatwright.catalogue.model import Catalogue
from chatwright.errors import ChatwrightError
from chatwright.pipeline import generate, load_public_catalogue, select
from chatwright.pipeline.writer import write_file
from chatwright.resources import checkout_root

from ..places import RESULTS
from .cases import Case, Trainer, cases, framework_of
from .models import make_images, make_model
from .served import problems
from .training import Bench, Start, Step, Trained

SPECS = Path(__file__).parent / "specs"
RECORD = "train_smoke.txt"
PACKAGES = ("llamafactory", "ms-swift", "transformers")
_ALL = ("tools", "real tokenizer", "thinking", "images")
_PLAN: tuple[tuple[Trainer, Start, tuple[str, ...]], ...] = (
    ("llamafactory", "one process", _ALL),
    ("llamafactory", "two processes", ("tools",)),
    ("llamafactory", "torchrun", ("images",)),
    ("swift", "one process", _ALL),
    ("swift 3", "one process", ("tools", "images")),
)

Progress = Callable[[str], None]
Packages = Mapping[Trainer, Sequence[Path]]


@dataclass(frozen=True)
class Row:
    """One training with our template, and what is wrong with it."""

    trainer: Trainer
    start: Start
    case: str
    template: str
    built_in: str
    steps: int  # of all processes together
    tokens: int
    learned: int
    digest: str  # of ids and labels
    losses: tuple[float, float]  # of the first and of the last step
    seconds: float
    wrong: tuple[str, ...]


def run(tokenizers: Path, packages: Packages, progress: Progress) -> list[Row]:
    """Train everything, and record what was learned in ``results/``.

    ``tokenizers`` holds publishers' tokenizers, ``packages`` what stands in front of a trainer's imports.

    Raises:
        ChatwrightError: this is no checkout, or a framework's command failed.
    """
    root = checkout_root()
    if root is None:
        raise ChatwrightError("training needs a checkout of the repository")
    with tempfile.TemporaryDirectory(prefix="chatwright-") as folder:
        rows = list(_rows(Path(folder).resolve(), tokenizers, packages, progress))
    if not any(row.wrong for row in rows):
        write_file(RESULTS / RECORD, recorded(rows, _versions(packages)))
    return rows


def _rows(
    folder: Path, tokenizers: Path, packages: Mapping[Trainer, Sequence[Path]], progress: Progress
) -> Iterator[Row]:
    catalogue = load_public_catalogue(SPECS)
    generate(select(catalogue, {"acme/acme.yaml"}), folder / "generated")
    bench = Bench(folder, make_images(folder / "images"), packages)
    found = {case.name: case for case in cases()}
    for case in found.values():
        make_model(case, folder / "models" / case.model, tokenizers)
    bench.write_data(list(found.values()))
    for trainer, start, names in _PLAN:
        for name in names:
            yield _row(bench, found[name], trainer, start, catalogue, progress)


def _row(bench: Bench, case: Case, trainer: Trainer, start: Start, catalogue: Catalogue, progress: Progress) -> Row:
    progress(f"{trainer}, {start}: {case.name}")
    with ThreadPoolExecutor(2) as both:
        waiting = [
            both.submit(bench.train, case, trainer, start, ours=True),
            both.submit(bench.train, case, trainer, "two processes" if start == "torchrun" else start, ours=False),
        ]
        ours, theirs = (each.result() for each in waiting)
    steps = [step for rank in ours.ranks for step in rank]
    labels = [label for step in steps for row in step.labels for label in row]
    wrong = [
        *differences(ours, theirs),
        *problems(case, trainer, ours.folder, steps, bench.images, catalogue),
    ]
    shutil.rmtree(theirs.folder)
    return Row(
        trainer=trainer,
        start=start,
        case=case.name,
        template=case.template,
        built_in=case.built_in[framework_of(trainer)],
        steps=len(steps),
        tokens=len(labels),
        learned=sum(label != -100 for label in labels),
        digest=hashlib.sha256(repr([(step.ids, step.labels) for step in steps]).encode()).hexdigest()[:16],
        losses=(steps[0].loss, steps[-1].loss),
        seconds=ours.seconds,
        wrong=tuple(wrong),
    )


def differences(ours: Trained, theirs: Trained) -> Iterator[str]:
    """Where two trainings part: the first step of each process, and what of it."""
    if len(ours.ranks) != len(theirs.ranks):
        yield f"{len(ours.ranks)} processes have trained, {len(theirs.ranks)} with the built-in template"
    for rank, pair in enumerate(zip(ours.ranks, theirs.ranks, strict=False)):
        for number, (one, other) in enumerate(zip_longest(*pair), 1):
            if what := _difference(one, other):
                yield f"process {rank}, step {number}: {what}, ours first"
                break


def _difference(one: Step | None, other: Step | None) -> str | None:
    if one is None or other is None:
        return f"trained {'in ours' if other is None else 'with the built-in template'} only"
    for what, mine, built_in in (
        ("ids", one.ids, other.ids),
        ("labels", one.labels, other.labels),
        ("tensors", dict(one.other), dict(other.other)),
        ("learned parameters", one.trained, other.trained),
        ("losses", one.loss, other.loss),
    ):
        if mine != built_in:
            return f"{what} differ{_place(mine, built_in)}"
    return None


def _place(mine: object, built_in: object) -> str:
    """The first place where two batches of numbers part, or the two values where they are none."""
    if not (isinstance(mine, tuple) and isinstance(built_in, tuple)):
        return f": {mine}, {built_in}"
    for row, (left, right) in enumerate(zip(mine, built_in, strict=False)):
        for index, (a, b) in enumerate(zip_longest(left, right)):
            if a != b:
                return f" in example {row} at token {index}: {a}, {b}"
    return f": {len(mine)} examples, {len(built_in)}"


def _versions(packages: Packages) -> list[str]:
    """What has trained: what is installed, and what stands in front of it for ms-swift 3."""
    beside = importlib.metadata.distributions(path=[str(path) for path in packages["swift 3"]])
    older = {found.metadata["Name"].replace("_", "-"): found.version for found in beside}
    installed = [f"{package} {importlib.metadata.version(package)}" for package in PACKAGES]
    return [*installed, *(f"{package} {older[package]}" for package in PACKAGES if package in older)]


def table(rows: Sequence[Row]) -> list[str]:
    """The figures, a line each."""
    lines = [
        f"{'trainer':<13}{'started as':<15}{'case':<16}{'steps':>5}{'tokens':>8}{'learned':>9}{'loss':>18}{'s':>6}"
    ]
    for row in rows:
        first, last = row.losses
        lines.append(
            f"{row.trainer:<13}{row.start:<15}{row.case:<16}{row.steps:>5}{row.tokens:>8}{row.learned:>9}"
            f"{first:>9.4f} ->{last:>7.4f}{row.seconds:>6.0f}  {'differs' if row.wrong else 'equal'}"
        )
    return lines


def recorded(rows: Sequence[Row], versions: Sequence[str]) -> str:
    """What was learned, for the repository: nothing that depends on the machine."""
    lines = [
        f"# Trained by `make train-smoke` with {', '.join(versions)}.",
        "# Ids, labels, images and losses of every step are those of the built-in template; the prompt that",
        "# transformers makes of the trained folder with the exported chat template has the ids that were trained on.",
    ]
    for row in rows:
        lines.append(
            f"{row.trainer}, {row.start}, {row.case}: {row.template} as {row.built_in}: {row.steps} steps, "
            f"{row.tokens} tokens, {row.learned} learned, {row.digest}"
        )
    return "\n".join(lines) + "\n"
