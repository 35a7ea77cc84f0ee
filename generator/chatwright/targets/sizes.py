"""The size of a model, read from its name or an id."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ..catalogue.build import HUBS
from ..catalogue.model import Checkpoint

# 7B, 1_8B, 8x22B, E4B, 135M, 30B-A3B; 7B1 is how BLOOM writes it, A2.7B gives only the active parameters
_SIZE = re.compile(
    r"(?<![A-Za-z0-9])(?<!\d[._])"
    r"(?:(?P<several>\d+)[xX])?(?P<kind>[AE]?)(?P<number>\d+(?:[._]\d+)?)(?P<unit>[BMTbmt])(?P<tenth>\d)?"
    r"(?:-?[Aa](?P<active>\d+(?:\.\d+)?)[Bb])?"
    r"(?![A-Za-z0-9])"
)
_SCALE = {"M": 1e6, "B": 1e9, "T": 1e12}
_SMALLEST = 10  # million; `1M` in a name is a context length


def size(checkpoint: Checkpoint) -> str:
    """The size in the checkpoint's name, else in an id (``30B-A3B``: total and active); empty if there is none."""
    others = (str(own[hub]) for own in checkpoint.targets.values() for hub in HUBS if own.get(hub))
    for name in (checkpoint.title, *checkpoint.ids.values(), *others):
        for found in _SIZE.finditer(name):
            unit = found["unit"].upper()
            if unit == "M" and float(found["number"].replace("_", ".")) < _SMALLEST:
                continue
            several = f"{found['several']}x" if found["several"] else ""
            tenth = f".{found['tenth']}" if found["tenth"] else ""
            active = f"-A{found['active']}B" if found["active"] else ""
            return f"{several}{found['kind']}{found['number'].replace('_', '.')}{tenth}{unit}{active}"
    return ""


def total_sizes(checkpoints: Iterable[Checkpoint]) -> list[str]:
    """The total sizes of several checkpoints, each once, smallest first."""
    return sorted({found.partition("-A")[0] for item in checkpoints if (found := size(item))}, key=_parameters)


def _parameters(text: str) -> tuple[float, str]:
    several, _, rest = text.rpartition("x")
    return float(several or 1) * float(rest.lstrip("AE")[:-1]) * _SCALE[rest[-1]], text
