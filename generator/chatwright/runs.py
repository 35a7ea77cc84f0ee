"""What earlier runs of ``generate`` made: a run from the same specs has only to look whether it is still there.

Nothing that generates is imported here: where nothing has changed, nothing else runs.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from . import files
from .cache import Cache, digests_below, key_of
from .resources import records_path, specs_path, yaml_files

MAX_BYTES = 256 << 20  # of a file that is compared with what was made


@dataclass(frozen=True)
class Run:
    """What a run made: path below the output folder -> hash; what it told; and what stands in the README."""

    files: Mapping[str, str]
    told: tuple[str, ...]
    counts: str

    def stands_in(self, out: Path, readme: Path | None) -> bool:
        """Whether a folder holds these files as they were made, none of them reached through a link, and nothing of a
        run that was killed."""
        try:
            if readme and readme.is_file() and self.counts not in readme.read_text(encoding="utf-8"):
                return False
            known: dict[str, files.Kind] = {}
            for folder in {f"{path.rpartition('/')[0]}/".lstrip("/") for path in self.files}:
                if files.not_a_folder(out, folder, known) is not None:
                    return False
                if any(map(files.part_of, files.names(os.path.join(out, folder)))):
                    return False
            return all(_holds(os.path.join(out, path), digest) for path, digest in self.files.items())
        except (OSError, UnicodeDecodeError):
            return False


class Runs:
    """The runs that are kept, by the content of the specs and of the evidence, and by what was asked for.

    ``folders`` are those of the user's own specs.
    """

    def __init__(self, cache: Cache, folders: Sequence[Path], *, only_mine: bool) -> None:
        self.cache, self.folders, self.only_mine = cache, folders, only_mine
        self._before = self._key()

    def known(self) -> Run | None:
        """The run from what stands there now, None where there was none."""
        kept = self.cache.get(self._before) if self._before else None
        return None if kept is None else Run(kept[0], tuple(kept[1]), kept[2])

    def keep(self, files: Mapping[str, str], told: Sequence[str], counts: str) -> None:
        """Keep what was made since; not where the specs have changed meanwhile, so that nobody knows what it is of."""
        if self._before and self._key() == self._before:
            digests = {path: sha256(content.encode()).hexdigest() for path, content in files.items()}
            self.cache.put(self._before, [digests, list(told), counts])
        self.cache.prune()

    def _key(self) -> str | None:
        """What a run depends on, None where that cannot be told."""
        if self.cache.folder is None:
            return None
        try:
            layers = [
                {path.as_posix(): _digest(path) for path in yaml_files(folder)}
                for folder in (specs_path(), *map(Path.absolute, self.folders))
            ]
            evidence = digests_below(records_path("engines"), records_path("publishers"))
        except OSError:
            return None
        return key_of("run", self.only_mine, layers, evidence)


def _holds(file: str, digest: str) -> bool:
    content = files.read(file, MAX_BYTES + 1)
    return content is not None and len(content) <= MAX_BYTES and sha256(content).hexdigest() == digest


def _digest(file: Path) -> str | None:
    """The hash of a regular file, None of anything else."""
    if not stat.S_ISREG(file.stat().st_mode):
        return None
    return sha256(file.read_bytes()).hexdigest()
