"""Losses: registrations, files and models that an earlier ``catalog.json`` lists and a later one does not.

The earlier file is foreign data: its size is limited, and if it is no catalogue, :class:`Unreadable` is raised, which a
command reports in one line. This module imports no generating code, so that a skipped run can report losses quickly.
"""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .characters import listing, printable
from .errors import ChatwrightError
from .git import git

CATALOG = "catalog.json"
MAX_BYTES = 16 << 20  # of a catalog.json that is read; the public catalogue's has 1 MB
_REVISION = "HEAD"
_MOST = 1000  # losses that are printed at most
_SHOWN = 3  # models that are named in a line
_LONG = 200  # characters of a name from an earlier catalog.json


class Unreadable(Exception):
    """The content is no valid ``catalog.json``; the message says why."""


@dataclass(frozen=True)
class Loss:
    """Something that was generated before and is not any more.

    ``name`` is its place in ``catalog.json`` (``templates.qwen3.registered.swift``, ``templates.qwen3.files.vllm``,
    ``models.Qwen3-8B``), ``was`` its old value, and ``reason`` why it is gone; if a slot of the spec is the reason, it
    is named. ``models`` are the models that used the template.
    """

    name: str
    was: str
    reason: str
    models: tuple[str, ...] = ()

    def __str__(self) -> str:
        models = ""
        if self.models:
            models = f", and with it the template of {len(self.models)} model{'s' * (len(self.models) != 1)}: "
            models += listing(map(_cut, self.models), _SHOWN)
        return printable(f"{_cut(self.name)} (was {_cut(self.was)}{models}): {self.reason}")


@dataclass(frozen=True)
class Index:
    """The parts of a ``catalog.json`` that losses are computed from; several models may share one name."""

    templates: Mapping[str, Mapping[str, Any]]
    models: Mapping[str, Sequence[Mapping[str, Any]]]

    @classmethod
    def of(cls, data: Any) -> Index:
        """The index of a catalogue's data.

        Raises:
            Unreadable: the data has not the structure of a ``catalog.json``.
        """
        models: dict[str, list[Mapping[str, Any]]] = {}
        templates = _mapping(data, "templates")
        for entry in templates.values():
            for key in ("registered", "files", "reasons"):
                _texts(entry, key)
        listed = data.get("models")
        if not isinstance(listed, list):
            raise Unreadable("it has no list of models")
        for entry in listed:
            for key in ("registered", "templates"):
                _texts(entry, key)
            if not isinstance(entry.get("name"), str):
                raise Unreadable("a model has no name")
            for key in ("family", "template", "huggingface", "modelscope", "path"):
                if not isinstance(entry.get(key), str | None):
                    raise Unreadable(f"a model's {key} is no text")
            models.setdefault(entry["name"], []).append(entry)
        return cls(templates, models)

    @classmethod
    def read(cls, content: bytes) -> Index:
        """The index of a file's content.

        Raises:
            Unreadable: the content is too large, or no catalogue.
        """
        if len(content) > MAX_BYTES:
            raise Unreadable(f"it is larger than {MAX_BYTES >> 20} MiB")
        try:
            data = json.loads(content)
        except (ValueError, RecursionError):
            raise Unreadable("it is not JSON") from None
        return cls.of(data)


def losses(before: Index, after: Index) -> tuple[Loss, ...]:
    """What ``before`` has and ``after`` does not, templates first.

    A renamed template is lost under its old name. If a template is lost, its models are listed with it.
    """
    gone = {
        f"templates.{name}.{kind}.{target}": (was, _why_not(before, after, name, kind, target))
        for name, entry in before.templates.items()
        for kind in ("registered", "files")
        for target, was in _texts(entry, kind).items()
        if _is_lost(was, after.templates.get(name, {}), kind, target)
    }
    users: dict[str, list[str]] = {}
    models = []
    for name, old in before.models.items():
        new = after.models.get(name, ())
        if len(new) < len(old):
            models.append(Loss(f"models.{name}", _ids(old), _where_now(name, old, before, after)))
            continue
        for target, was in _fewer(old, new, "templates"):
            if (cause := f"templates.{was}.registered.{target}") in gone:
                users.setdefault(cause, []).append(name)
            else:
                reason = "no template that is registered there is named for it"
                models.append(Loss(f"models.{name}.templates.{target}", was, reason))
        for target, was in _fewer(old, new, "registered"):
            key = {"llamafactory": "name", "swift": "model_type"}.get(target, "name")
            reason = f"the spec gives it no `{key}:`, under which {target} lists it"
            models.append(Loss(f"models.{name}.registered.{target}", was, reason))
    templates = [Loss(name, was, reason, tuple(users.get(name, ()))) for name, (was, reason) in gone.items()]
    return (*templates, *models)


def since_committed(out: Path, made: bytes | None) -> tuple[tuple[Loss, ...], str | None]:
    """The losses since an output folder's committed catalogue, and a note if they cannot be computed.

    The committed catalogue is read from git HEAD, so that a second run reports the same losses; if HEAD has none, the
    file in the folder counts. ``made`` is the content of the new ``catalog.json``; None: the file in the folder.
    """
    where = f"{out / CATALOG} at {_REVISION}"
    try:
        before = _committed(out)
        if before is None:
            where = str(out / CATALOG)
            before = _on_disk(out / CATALOG)
        after = _on_disk(out / CATALOG) if made is None else made
        if before is None or after is None or before == after:
            return (), None
        return losses(Index.read(before), Index.read(after)), None
    except Unreadable as reason:
        return (), printable(f"{where}: {reason}, so losses cannot be listed")


def lines(found: Sequence[Loss]) -> Iterator[str]:
    """The losses as messages, one per line."""
    yield from (f"lost: {loss}" for loss in found[:_MOST])
    if len(found) > _MOST:
        yield f"lost: {len(found) - _MOST} more"


def _is_lost(was: str, entry: Mapping[str, Any], kind: str, target: str) -> bool:
    now = _texts(entry, kind).get(target)
    return now is None or (kind == "registered" and now != was)  # a file may move, but people use the registered name


def _why_not(before: Index, after: Index, name: str, kind: str, target: str) -> str:
    entry = after.templates.get(name)
    if entry is None:
        family = before.templates[name].get("family")
        new = [other for other in after.templates if other not in before.templates]
        akin = [other for other in new if after.templates[other].get("family") == family]
        hint = f"; new in its family: {', '.join(akin)}" if akin else ""
        return f"there is no template {_cut(name)} any more{hint}"
    if now := _texts(entry, kind).get(target):
        return f"it is registered as {now}"
    unnamed = f"registered.{target}: null: the spec gives it no name there" if kind == "registered" else ""
    return _texts(entry, "reasons").get(target) or unnamed or "no reason is known"


def _where_now(name: str, old: Sequence[Mapping[str, Any]], before: Index, after: Index) -> str:
    ids = {(hub, entry.get(hub)) for entry in old for hub in ("huggingface", "modelscope") if entry.get(hub)}
    akin = [
        other
        for other, entries in after.models.items()
        if other not in before.models and any((hub, entry.get(hub)) in ids for entry in entries for hub, _ in ids)
    ]
    hint = f"; the same id has: {', '.join(akin)}" if akin else ""
    rest = len(after.models.get(name, ()))
    return f"{f'{rest} of {len(old)} models of this name are left' if rest else 'no spec lists it any more'}{hint}"


def _fewer(old: Sequence[Mapping[str, Any]], new: Sequence[Mapping[str, Any]], kind: str) -> Iterator[tuple[str, str]]:
    """For models of one name: each target that lists fewer of them than before, with its old value."""
    if not all(kind in entry for entry in new):
        return  # an older catalogue does not say
    for target in dict.fromkeys(target for entry in old for target in _texts(entry, kind)):
        was = [texts[target] for entry in old if target in (texts := _texts(entry, kind))]
        now = [texts[target] for entry in new if target in (texts := _texts(entry, kind))]
        for value in was[len(now) :]:
            yield target, next((each for each in was if each not in now), value)


def _ids(entries: Sequence[Mapping[str, Any]]) -> str:
    found = (entry.get(key) for entry in entries for key in ("huggingface", "modelscope", "path", "template"))
    return next((value for value in found if isinstance(value, str)), "there")


def _mapping(data: Any, key: str) -> Mapping[str, Mapping[str, Any]]:
    found = data.get(key) if isinstance(data, dict) else None
    if not isinstance(found, dict) or not all(isinstance(value, dict) for value in found.values()):
        raise Unreadable(f"it has no {key}")
    return found


def _texts(entry: Any, key: str) -> dict[str, str]:
    """The texts of a mapping in an entry, without nulls."""
    found = entry.get(key, {}) if isinstance(entry, dict) else None
    if not isinstance(found, dict) or not all(value is None or isinstance(value, str) for value in found.values()):
        raise Unreadable(f"an entry has an invalid {key!r}")
    return {name: value for name, value in found.items() if value is not None}


def _committed(out: Path) -> bytes | None:
    name = f"{_REVISION}:./{CATALOG}"
    try:
        size = git(out, "cat-file", "-s", name)
        if size is None:
            return None
        if int(size) > MAX_BYTES:
            raise Unreadable(f"it is larger than {MAX_BYTES >> 20} MiB")
        return git(out, "cat-file", "blob", name)
    except (ChatwrightError, ValueError, OSError):
        return None


def _on_disk(file: Path) -> bytes | None:
    try:
        if not stat.S_ISREG(file.stat().st_mode):
            raise Unreadable("it is not a regular file")
        with file.open("rb") as stream:
            return stream.read(MAX_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise Unreadable(error.strerror or str(error)) from None


def _cut(text: str) -> str:
    return text if len(text) <= _LONG else f"{text[:_LONG]}…"
