"""What engines answered when they were last asked, so that they are asked again only where something has changed.

An answer depends on the code that asks, on the packages that this code runs, on the scenarios, and on the item that is
asked about: an artefact, with what it is compared with. All of it goes into the answer's key, and a recorded answer is
taken over only under an equal key. A record that is out of date costs time, and never a verdict.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.metadata
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any

from chatwright.errors import Location
from chatwright.json_writer import json_text, plain
from chatwright.meaning.scenarios import scenarios

_GENERATOR = Path(__file__).resolve().parents[1]  # the folder that holds both packages
_ENGINES = _GENERATOR / "conformance" / "engines"
_PIN = re.compile(r"^([\w.-]+)==", re.MULTILINE)
FOLDER = Path(__file__).parent / "asked"  # a file for each check


class Asked:
    """The recorded answers of one run; with ``everything`` none is taken over.

    ``pins`` is the text of the list that pins what the engines run on.
    """

    def __init__(self, folder: Path = FOLDER, *, pins: str = "", everything: bool = False) -> None:
        self._folder = folder
        self._pins = pins
        self._everything = everything
        self._found: dict[str, str] = {}  # by check, the text of its file
        self._told: dict[str, str] = {}

    def over(
        self,
        check: str,
        code: str,
        items: Mapping[str, Any],
        ask: Callable[[Sequence[str]], Mapping[str, Any]],
        folders: Sequence[Path] = (),
    ) -> dict[str, Any]:
        """The answer about each item, as data that JSON holds; ``ask`` is called with the names of those not recorded.

        ``code`` is the module by whose code alone an answer is made, with all that it imports and the workers that it
        starts. ``items`` says what an answer depends on besides: plain data or dataclasses, or None where the answer is
        needed anyway. ``folders`` hold unpacked packages that the engine runs on besides those that are pinned.
        """
        common = digest(code_digest(code), versions(self._pins, folders), list(scenarios().values()))
        keys = {name: digest(item) for name, item in items.items() if item is not None}
        taken = {
            name: each["said"] for name, each in self._known(check, common).items() if keys.get(name) == each["key"]
        }
        asked = [name for name in items if name not in taken]
        found = {**taken, **(ask(asked) if asked else {})}
        recorded = {name: {"key": key, "said": found[name]} for name, key in keys.items()}
        self._found[check] = json_text({"asked_with": common, "answers": recorded}, depth=2)
        self._told[check] = f"taken over: {len(taken)}, asked: {len(asked)}"
        return {name: found[name] for name in items}

    def line(self, check: str) -> Iterator[str]:
        """How many answers were taken over, where the check may take over any."""
        if check in self._told:
            yield self._told[check]

    def files(self, checks: Iterable[str]) -> dict[str, str]:
        """The files of checks in which nothing is wrong, by name; an answer that something is wrong is not kept."""
        return {f"{check.replace(' ', '_')}.json": self._found[check] for check in checks if check in self._found}

    def _known(self, check: str, common: str) -> dict[str, Any]:
        path = self._folder / f"{check.replace(' ', '_')}.json"
        if self._everything or not path.is_file():
            return {}
        data = json.loads(path.read_text(encoding="utf-8"))
        answers: dict[str, Any] = data["answers"] if data["asked_with"] == common else {}
        return answers


def digest(*parts: Any) -> str:
    """The SHA-256 of data and dataclasses, of which places in files are left out."""
    return hashlib.sha256(json.dumps(_placeless(parts), ensure_ascii=False, sort_keys=True).encode()).hexdigest()


def _placeless(value: Any) -> Any:
    if isinstance(value, Location):
        return None
    if isinstance(value, Mapping):
        return {str(key): _placeless(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_placeless(item) for item in value]
    if is_dataclass(value) and not isinstance(value, type):
        return {item.name: _placeless(getattr(value, item.name)) for item in fields(value)}
    return plain(value)


def versions(pins: str, folders: Sequence[Path] = ()) -> list[str]:
    """The installed version of every package that is pinned, and what is unpacked in folders."""
    found = []
    for name in ["torch", *_PIN.findall(pins)]:
        try:
            found.append(f"{name} {importlib.metadata.version(name).partition('+')[0]}")
        except importlib.metadata.PackageNotFoundError:
            found.append(f"{name} is not installed")
    return [*found, *(path.name for folder in folders for path in sorted(folder.glob("*.dist-info")))]


@cache
def code_digest(module: str) -> str:
    """The SHA-256 of the :func:`sources` of a module, with their paths."""
    hashed = hashlib.sha256()
    for path in sources(module):
        hashed.update(f"{path.relative_to(_GENERATOR).as_posix()}\0".encode() + path.read_bytes() + b"\0")
    return hashed.hexdigest()


def sources(module: str) -> list[Path]:
    """A module's file, and those of the two packages that it imports or starts, directly or through others; sorted."""
    due, found = [*_files(module)], set[Path]()
    while due:
        path = due.pop()
        if path not in found:
            found.add(path)
            due += _read_by(path) if path.suffix == ".py" else []
    return sorted(found)


def _read_by(path: Path) -> Iterator[Path]:
    """What a module of the packages imports, and the workers and programs that it names."""
    package = path.relative_to(_GENERATOR).parent.parts
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _files(alias.name)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join([*package[: len(package) - node.level + 1], *filter(None, [node.module])])
            base = base if node.level else str(node.module)
            for alias in node.names:
                yield from _files(f"{base}.{alias.name}") or _files(base)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and re.fullmatch(r"\w[\w.]+", node.value):
            if "." in node.value:
                yield from _files(f"{package[0]}.{node.value}")
            if package[0] == "conformance":
                yield from (each for each in (_ENGINES / node.value, _ENGINES / f"{node.value}.py") if each.is_file())


def _files(module: str) -> list[Path]:
    """The file of a module of the two packages; of a package its first one."""
    path = _GENERATOR.joinpath(*module.split("."))
    return [each for each in (path.with_name(f"{path.name}.py"), path / "__init__.py") if each.is_file()]
