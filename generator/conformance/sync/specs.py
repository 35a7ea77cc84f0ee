"""The specs folder as something to edit: where each template, model type and checkpoint stands."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import yaml
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.error import YAMLError

from chatwright.catalogue.build import FRAMEWORKS, HUBS, build_spec
from chatwright.catalogue.checks import check
from chatwright.catalogue.found import Source
from chatwright.catalogue.load import spec_sources
from chatwright.catalogue.model import Catalogue
from chatwright.catalogue.model import Spec as BuiltSpec
from chatwright.catalogue.schema import read_data, validate
from chatwright.catalogue.yaml_reader import parse_yaml, shown_path
from chatwright.errors import CatalogueError, ChatwrightError, Location
from chatwright.inspection.spec_editing import Spec, canonical, override, put
from chatwright.meaning.tool_formats import tool_formats
from chatwright.pipeline.writer import read_text, write_files

NOWHERE = Location("", 0, 0)
LEFT = "left to a person"
_PATH = re.compile(r"[a-z0-9][a-z0-9_.-]*/[a-z0-9][a-z0-9_.-]*\.yaml")
_STYLE = (
    "sync edits a file only where what it does not touch stays as it is written; write this as other specs do (a text "
    "between double quotes, a list on one line), or make the change by hand"
)


@dataclass(eq=False)
class Entry:
    """One checkpoint, with the group and the spec it stands in at the moment."""

    spec: Spec
    group: CommentedMap
    data: CommentedMap

    def listed(self, framework: str, hub: str) -> str | None:
        """The id on a hub as a framework is told it."""
        found: str | None = override(self.data, framework, hub, self.data.get(hub))
        return found

    def is_listed(self, framework: str) -> bool:
        """Whether the framework lists the checkpoint at all."""
        return "name" in self.data if framework == "llamafactory" else "model_type" in self.group


class Specs:
    """All spec files of a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.specs: dict[str, Spec] = {}
        self._texts: dict[str, str] = {}
        self._built: dict[str, BuiltSpec] = {}
        self._index: _Index | None = None
        for source in spec_sources(folder):
            text = read_text(folder / source) or ""
            self._texts[source] = text
            self.specs[source] = _read(source, text, shown_path(folder / source))
        self._listing = {source for source, spec in self.specs.items() if spec.root.get("models")}
        self.entries = [
            Entry(spec, group, data)
            for spec in self._sorted()
            for group in spec.root.get("models", ())
            for data in group["checkpoints"]
        ]

    # -- looking things up

    def holder(self, hub: str, model_id: str) -> Entry | None:
        """The checkpoint that claims an id."""
        return self._indexed().holders.get((hub, model_id))

    def known(self, framework: str, hub: str, model_id: str) -> list[Entry]:
        """The checkpoints that claim an id, or that the framework lists under it."""
        return self._indexed().known[framework].get((hub, model_id), [])

    def named(self, name: str) -> Entry | None:
        """The checkpoint with that name."""
        return self._indexed().names.get(name)

    def members(self, group: CommentedMap) -> list[Entry]:
        """The checkpoints of a group, in order."""
        by_data = self._indexed().by_data
        return [by_data[id(data)] for data in group["checkpoints"]]

    def groups(self, model_type: str | None) -> list[tuple[Spec, CommentedMap]]:
        """The groups with that model type (None: without one), spec by spec."""
        return [
            (spec, group)
            for spec in self._sorted()
            for group in spec.root.get("models", ())
            if group.get("model_type") == model_type
        ]

    def template(self, name: str) -> tuple[Spec, CommentedMap] | None:
        """A template by its name in the catalogue."""
        return next(((spec, data) for spec, key, data in self._section("templates") if key == name), None)

    def model_type(self, name: str) -> tuple[Spec, CommentedMap] | None:
        """A model type."""
        return next(((spec, data) for spec, key, data in self._section("model_types") if key == name), None)

    def registered(self, framework: str) -> dict[str, str]:
        """The catalogue's name of each template by the name under which a framework registers it."""
        names = {}
        for _, name, data in self._section("templates"):
            registered = data.get("registered", {}).get(framework, name)
            if registered is not None:
                names[str(registered)] = name
        return names

    def catalogue(self) -> Catalogue:
        """The catalogue as the specs say it now; its places are not those of a file."""
        for spec in self._sorted():
            if spec.source not in self._built:
                self._built[spec.source] = build_spec(
                    spec.root, path=spec.source, source=spec.source, locate=lambda _: NOWHERE
                )
        return Catalogue(tuple(self._built[spec.source] for spec in self._sorted()))

    # -- changing

    def open(self, source: str, title: str, publisher: str) -> Spec:
        """The spec with that path; a new one where there is none.

        Raises:
            ChatwrightError: a new one would not stand in a folder of the specs folder.
        """
        if source not in self.specs:
            if not _PATH.fullmatch(source):
                raise ChatwrightError(f"{source!r} is not a place for a spec: <publisher>/<family>.yaml")
            self.specs[source] = Spec.new(source, title, publisher)
            self.touch(self.specs[source])
        return self.specs[source]

    def section(self, spec: Spec, key: str) -> CommentedMap:
        """The ``templates`` or ``model_types`` of a spec, which may be none so far."""
        if key not in spec.root:
            put(spec.root, key, {}, "spec")
            spec.root[key].fa.set_block_style()
        found: CommentedMap = spec.root[key]
        return found

    def forsaken(self) -> list[Spec]:
        """The specs that introduce something for models elsewhere: they are new, or lost their own since the reading.

        Left out are those that say more than what they introduce.
        """
        introduces = {"name", "title", "publisher", "templates", "mm_plugin", "model_types"}
        return [
            spec
            for spec in self._sorted()
            if (spec.source in self._listing or spec.source not in self._texts) and introduces.issuperset(spec.root)
        ]

    def users(self, spec: Spec) -> set[str]:
        """The sources of the specs whose models use what a spec introduces."""
        own = {name for key in ("templates", "model_types") for name in spec.root.get(key, ())}
        return {
            entry.spec.source
            for entry in self.entries
            for owner in (entry.group, entry.data)
            if not own.isdisjoint(
                (
                    owner.get("model_type"),
                    owner.get("template"),
                    *(override(owner, framework, "template") for framework in FRAMEWORKS),
                )
            )
        }

    def touch(self, spec: Spec) -> None:
        """Say that a spec was changed."""
        spec.changed = True
        self._built.pop(spec.source, None)

    def touch_entry(self, entry: Entry) -> None:
        """Say that a checkpoint's ids or name were changed."""
        self.touch(entry.spec)
        self._index = None

    def add_group(self, spec: Spec, group: CommentedMap, place: int | None = None) -> None:
        """Add a group to a spec; at the end where no place is given."""
        if "models" not in spec.root:
            put(spec.root, "models", [], "spec")
        models = spec.root["models"]
        models.insert(len(models) if place is None else place, group)
        self.touch(spec)

    def add(self, spec: Spec, group: CommentedMap, place: int) -> Entry:
        """A new checkpoint at a place in a group."""
        data = canonical({}, block=True)
        group["checkpoints"].insert(place, data)
        entry = Entry(spec, group, data)
        self.entries.append(entry)
        self.touch_entry(entry)
        return entry

    def move(self, entry: Entry, spec: Spec, group: CommentedMap, place: int) -> None:
        """Move a checkpoint to a place in another group; the group it leaves goes when nothing is left in it."""
        old_spec, old = entry.spec, entry.group
        _remove(old["checkpoints"], entry.data)
        if not old["checkpoints"]:
            _remove(old_spec.root["models"], old)
            if not old_spec.root["models"]:
                del old_spec.root["models"]
        group["checkpoints"].insert(place, entry.data)
        entry.spec, entry.group = spec, group
        self.touch(old_spec)
        self.touch(spec)

    def save(self) -> list[str]:
        """Write what was changed, and say what could not be kept.

        No file is removed: one in which nothing is left stays for a person to remove, and is no valid spec until then.

        Raises:
            CatalogueError: the specs would not be valid; nothing is written then.
            ChatwrightError: a file that must be edited is written in a way that would not survive it, or a link or
                something else is in its place; nothing is written then either. Or the disk refuses: then each file
                is whole, the old or the new one.
        """
        self._demand_style()
        texts, lines = dict(self._texts), []
        for source, spec in sorted(self.specs.items()):
            if not spec.changed or (spec.is_empty and source not in texts):
                continue
            texts[source], lost = spec.text()
            lines += [f"{source}: the comment {comment!r} stood on something that is gone" for comment in lost]
            if spec.is_empty:
                lines.append(f"{LEFT}: {source}: nothing is left in it; remove the file")
        self._check({source: text for source, text in texts.items() if not self._is_emptied(source)})
        new = {source: text for source, text in texts.items() if text != self._texts.get(source)}
        write_files(self.folder, new)
        return lines

    def _demand_style(self) -> None:
        told = []
        for source, spec in sorted(self.specs.items()):
            if not spec.changed or self._is_emptied(source) or source not in self._texts:
                continue
            text = self._texts[source]
            again, lost = Spec(source, text).text()
            if lost or again != text:
                pairs = enumerate(zip_longest(text.splitlines(), again.splitlines()), start=1)
                line = next((number for number, (one, other) in pairs if one != other), 1)
                told.append(f"{shown_path(self.folder / source)}:{line}: this line would be written in another way")
        if told:
            raise ChatwrightError(*told, _STYLE)

    def _check(self, texts: dict[str, str]) -> None:
        sources = []
        problems = []
        for source, text in sorted(texts.items()):
            document = parse_yaml(text.encode(), shown_path(self.folder / source))
            data = read_data(document)
            problems += [*document.problems, *validate(document, data)]
            sources.append(Source(source, document, data))
        problems += check(sources, frozenset(tool_formats()))
        if problems:
            raise CatalogueError(problems)

    def _sorted(self) -> list[Spec]:
        return [spec for source, spec in sorted(self.specs.items()) if not self._is_emptied(source)]

    def _is_emptied(self, source: str) -> bool:
        return self.specs[source].changed and self.specs[source].is_empty

    def _section(self, section: str) -> Iterator[tuple[Spec, str, CommentedMap]]:
        for spec in self._sorted():
            for name, data in spec.root.get(section, {}).items():
                yield spec, str(name), data

    def _indexed(self) -> _Index:
        if self._index is None:
            self._index = _Index(self.entries)
        return self._index


class _Index:
    """Checkpoints by what they say of themselves; made anew after that has changed."""

    def __init__(self, entries: list[Entry]) -> None:
        self.by_data = {id(entry.data): entry for entry in entries}
        self.names = {str(entry.data["name"]): entry for entry in entries if "name" in entry.data}
        self.holders: dict[tuple[str, str], Entry] = {}
        self.known: dict[str, dict[tuple[str, str], list[Entry]]] = {framework: {} for framework in FRAMEWORKS}
        for entry in entries:
            for hub in (*HUBS, "path"):
                claimed = entry.data.get(hub)
                if claimed is not None:
                    self.holders[hub, claimed] = entry
                for framework, known in self.known.items():
                    for model_id in dict.fromkeys((claimed, entry.listed(framework, hub))):
                        if model_id is not None:
                            known.setdefault((hub, model_id), []).append(entry)


def _remove(nodes: list[CommentedMap], node: CommentedMap) -> None:
    del nodes[next(place for place, other in enumerate(nodes) if other is node)]


def _read(source: str, text: str, shown: str) -> Spec:
    """A spec file to edit.

    Raises:
        ChatwrightError: its YAML is fine for a reader, but cannot be taken apart to be edited.
    """
    try:
        return Spec(source, text)
    except (yaml.YAMLError, YAMLError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{shown}:{mark.line + 1}" if mark else shown
        reason = getattr(error, "problem", None) or "it cannot be read"
        raise ChatwrightError(f"{place}: {reason}", _STYLE) from error
