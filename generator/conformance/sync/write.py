"""Differences between the specs and a framework's registries, written into the specs.

Afterwards the next comparison finds nothing more, apart from what this cannot decide: what is gone upstream, a template
whose meaning cannot be lifted, and changed texts that the spec does not say with keys of its own. These are left to a
person and reported.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ruamel.yaml.comments import CommentedMap

from chatwright.catalogue.build import FRAMEWORKS, build_spec, resolve_extends
from chatwright.catalogue.model import Catalogue, Template
from chatwright.errors import Unsupported
from chatwright.inspection.canonical import keys_of
from chatwright.inspection.registrations.differences import means
from chatwright.inspection.registrations.lifting import lift
from chatwright.inspection.spec_editing import Spec, canonical, put
from chatwright.pipeline.writer import write_files
from chatwright.records.frameworks import BuiltIns, built_ins, dump_built_ins, is_built_in

from .compare import Difference
from .models import Models, template_users
from .place import Newcomer, Placement, beside_relatives
from .registry import Registry
from .specs import LEFT, NOWHERE, Specs
from .template_classes import describe, is_unknown

_ABSENT = object()
_OWN = ("registered", "turns", "evidence")  # no framework knows them, and no template takes them from another
_Change = tuple[tuple[str, ...], Any]


def remember_plugins(theirs: Registry, folder: Path) -> None:
    """Add multimodal plugins to what is recorded in a folder, so that specs may name them before `make record`."""
    known = built_ins().get(theirs.framework)
    if known is not None and not theirs.plugins.keys() <= known.plugins.keys():
        plugins = {**known.plugins, **{name: tuple(options) for name, options in theirs.plugins.items()}}
        text = dump_built_ins(replace(known, plugins=plugins))
        write_files(folder, {f"{theirs.framework}.json": text})
        built_ins.cache_clear()


def write(
    differences: Sequence[Difference],
    theirs: Registry,
    folder: Path,
    place: Placement = beside_relatives,
    before: BuiltIns | None = None,
) -> list[str]:
    """Edit the specs of a folder so that they say what ``theirs`` says wherever they differ.

    ``before`` is what the framework had itself when that was last recorded: a template that differs and was not among
    it is upstream's new one, and ours of that name gives way. Returns what was done, and what is left to a person.

    Raises:
        CatalogueError: the specs are, or would become, invalid; nothing is written then.
    """
    gone = [
        f"{LEFT}: {each.kind.replace('_', ' ')} {each.name} is gone upstream"
        for each in differences
        if each.change == "gone"
    ]
    found = [each for each in differences if each.change != "gone"]
    specs = Specs(folder)
    models = Models(theirs, specs, place)
    templates = _Templates(theirs, specs, place)
    lacking = _touched(found, "template", "lacking", theirs.templates)
    for name in _touched(found, "template", None, theirs.templates):
        if name in lacking or (before is not None and name not in before.templates):
            templates.add(name)
        else:
            templates.edit(name, [each for each in found if (each.kind, each.name) == ("template", name)])
    for name in _touched(found, "model", None, theirs.models):
        models.write_model(name)
    model_types = _touched(found, "model_type", None, theirs.models)
    for name in model_types:
        models.write_model_type(name)
    groups = {each.name for each in found if each.kind == "group"}
    for name, meta in theirs.models.items() if theirs.framework == "swift" else ():
        for index in range(len(meta["groups"])):
            if name in model_types or f"{name}/{index}" in groups:
                models.write_group(name, index)
    done = [*templates.report, *models.report, *_gather(specs)]
    left = [line for line in done if line.startswith(LEFT)]
    return [*_by_spec([line for line in done if line not in left]), *specs.save(), *left, *gone]


def _by_spec(lines: Sequence[str]) -> list[str]:
    """The lines of one spec as one."""
    said: dict[str, list[str]] = {}
    for line in lines:
        where, what = line.split(": ", 1)
        said.setdefault(where, []).append(what)
    return [f"{where}: {'; '.join(dict.fromkeys(whats))}" for where, whats in said.items()]


def _touched(differences: Sequence[Difference], kind: str, change: str | None, known: Mapping[str, Any]) -> list[str]:
    """The names of that kind that differ in that way, in upstream's order."""
    names = {each.name for each in differences if each.kind == kind and change in (None, each.change)}
    return [name for name in known if name in names]


def _gather(specs: Specs) -> Iterator[str]:
    """Move what a spec without models of its own introduces to the models, where they all stand in one spec."""
    for spec in specs.forsaken():
        users = specs.users(spec)
        if len(users) != 1:
            continue
        home = specs.specs[users.pop()]
        shared = spec.root.get("mm_plugin")
        for name, data in spec.root.pop("templates", {}).items():
            if shared is not None and "extends" not in data and "mm_plugin" not in data:
                put(data, "mm_plugin", shared, "template")
            _fit_plugin(home, data)
            specs.section(home, "templates")[name] = data
            yield f"{home.source}: template {name} from {spec.source}"
        for name, data in spec.root.pop("model_types", {}).items():
            section = specs.section(home, "model_types")
            section.insert(sum(other < name for other in section), name, data)
            yield f"{home.source}: model type {name} from {spec.source}"
        specs.touch(home)
        specs.touch(spec)


class _Templates:
    """Writes templates; ``report`` collects what was done and what is left to a person."""

    def __init__(self, theirs: Registry, specs: Specs, place: Placement) -> None:
        self.theirs = theirs
        self.specs = specs
        self.place = place
        self.report: list[str] = []
        self._built_in: dict[int, tuple[Template, bool]] = {}

    def add(self, name: str) -> None:
        """Add a template, or register the one that means the same under this name too."""
        framework = self.theirs.framework
        theirs, catalogue = self.theirs.templates[name], self.specs.catalogue()
        try:
            lifted = lift(framework, theirs, catalogue, self._candidates(name, catalogue), describe=describe)
        except Unsupported as reason:
            self.report.append(f"{LEFT}: template {name}: {reason}")
            return
        if lifted.joins is not None:
            spec = self._register(lifted.joins, name, lifted.data)
            self.report.append(f"{spec.source}: template {lifted.joins} is {name} in {framework} too")
            return
        ours, registered = self._name(name)
        if ours in catalogue.templates:
            self.report.append(f"{LEFT}: template {name}: the catalogue calls another one {ours}")
            return
        if other := self.specs.registered(framework).get(name):  # by us, and not what upstream has under that name
            self._register(other, None)
        newcomer = Newcomer("template", framework, name, template_users(self.theirs, name), name)
        home = self.place(newcomer, self.specs)
        spec = self.specs.open(home.source, home.title, home.publisher)
        section = self.specs.section(spec, "templates")
        own = dict({**lifted.data, "registered": registered} if registered else lifted.data)
        _fit_plugin(spec, own)
        ordered = {key: own[key] for key in keys_of("template") if key in own}
        short = _extending(ordered, section)
        section[ours] = canonical({ours: short}, "templates")[ours]
        self.specs.touch(spec)
        self.report.append(f"{spec.source}: template {ours}")
        if framework == "swift" and is_unknown(theirs):
            self.report.append(f"{LEFT}: template {ours}: say in it what its class {theirs['template_cls']} writes")

    def _name(self, name: str) -> tuple[str, dict[str, str | None]]:
        """What the catalogue calls a new template, and where it is not registered under that name.

        The other framework has it under the same name too, as a registration of ours, unless that name is taken there
        or the framework's own.
        """
        framework = self.theirs.framework
        other = next(each for each in FRAMEWORKS if each != framework)
        taken = {known.casefold() for known in self.specs.catalogue().templates}
        if name.casefold() in taken:
            names = {framework: name, other: None}
            return f"{name}-{framework}", {key: names[key] for key in FRAMEWORKS}
        return name, {other: None} if name in self.specs.registered(other) or is_built_in(other, name) else {}

    def _register(self, ours: str, name: str | None, added: Mapping[str, Any] = MappingProxyType({})) -> Spec:
        """Register a template of the catalogue with the framework under a name, or not at all; it says more then."""
        found = self.specs.template(ours)
        assert found is not None
        spec, data = found
        names = {**data.get("registered", {}), self.theirs.framework: name}
        names = {key: names[key] for key in FRAMEWORKS if key in names and names[key] != ours}
        data.pop("registered", None)
        if names:
            put(data, "registered", names, "template")
        for key, value in added.items():
            put(data, key, {**data.get("targets", {}), **value} if key == "targets" else value, "template")
        self.specs.touch(spec)
        return spec

    def _candidates(self, name: str, catalogue: Catalogue) -> list[str]:
        """What may be the same template: the one that the catalogue calls so, if the framework has it no more.

        And the other framework's templates of the same models that are no other built-in of this framework.
        """
        framework = self.theirs.framework
        other = next(each for each in FRAMEWORKS if each != framework)
        users = set(template_users(self.theirs, name))
        used = {
            group.template_for(other, checkpoint)
            for spec in catalogue.specs
            for group in spec.models
            for checkpoint in group.checkpoints
            if users.intersection(checkpoint.ids.items())
        }
        named = [catalogue.templates.get(each) for each in (name, f"{name}-{framework}")]
        found = [each.name for each in named if each and each.registered[framework] is None]
        for template in (catalogue.templates[each] for each in sorted(filter(None, used))):
            registered = template.registered[framework]
            if registered in (None, name) or not self._is_built_in(template, registered):
                found.append(template.name)
        return found

    def _is_built_in(self, template: Template, registered: str) -> bool:
        if id(template) not in self._built_in:
            theirs = self.theirs.templates.get(registered)
            same = theirs is not None and means(self.theirs.framework, template, theirs)
            self._built_in[id(template)] = (template, same)  # the template is kept alive, and its identity with it
        return self._built_in[id(template)][1]

    def edit(self, name: str, differences: Sequence[Difference]) -> None:
        """Change those keys of a template that make it mean what upstream's means, all of them or none."""
        framework, theirs = self.theirs.framework, self.theirs.templates[name]
        ours_name = self.specs.registered(framework)[name]
        found = self.specs.template(ours_name)
        assert found is not None
        spec, data = found
        if self._is_right(spec, ours_name, []):  # since what it extends was changed
            return
        try:
            wanted = lift(framework, theirs, Catalogue(()), describe=describe).data
        except Unsupported as reason:
            self.report.append(f"{LEFT}: template {name}: {reason}")
            return
        resolved = resolve_extends(spec.root["templates"], ours_name)
        changes = [
            change
            for change in _changes(resolved, _with_others(wanted, resolved, framework))
            if _is_own(data, resolved, change)
        ]
        fields = {str(each.field) for each in differences}
        kept = [change for change in changes if change[1] is not _ABSENT]  # what goes may be what an extension needs
        changes = next((each for each in (changes, kept) if self._is_right(spec, ours_name, each)), [])
        if not changes:
            what = ", ".join(sorted(fields))
            self.report.append(f"{LEFT}: template {ours_name} in {spec.source}: {what} differs from upstream")
            return
        for change in list(changes):  # what need not change stays as it was said
            is_of_class = "template_cls" in fields and change[0][0] != "slots"  # what a class does no field tells
            fewer = [other for other in changes if other is not change]
            if not is_of_class and self._is_right(spec, ours_name, fewer):
                changes = fewer
        _apply(data, changes)
        self.specs.touch(spec)
        changed = ", ".join(".".join(path) for path, _ in changes)
        self.report.append(f"{spec.source}: template {ours_name}: {changed}")

    def _is_right(self, spec: Spec, name: str, changes: Sequence[_Change]) -> bool:
        """Whether with the changes the template means what upstream's means; and so does what extends it.

        What extends it and is not upstream's must stay what it is.
        """
        framework = self.theirs.framework
        root = copy.deepcopy(spec.root)
        _apply(root["templates"][name], changes)
        before = self.specs.catalogue().templates
        for template in build_spec(root, path="", source=spec.source, locate=lambda _: NOWHERE).templates:
            theirs = self.theirs.templates.get(template.registered[framework] or "")
            if template.name == name or spec.root["templates"][template.name].get("extends") == name:
                if theirs is not None and not means(framework, template, theirs):
                    return False
                if theirs is None and template != before[template.name]:
                    return False
        return True


def _with_others(wanted: Mapping[str, Any], resolved: Mapping[str, Any], framework: str) -> dict[str, Any]:
    """What a template should say, with what it says that is no concern of the framework's."""
    others = {key: own for key, own in resolved.get("targets", {}).items() if key != framework}
    targets = {**others, **wanted.get("targets", {})}
    kept = {key: resolved[key] for key in _OWN if key in resolved}
    return {**wanted, **kept, **({"targets": targets} if targets else {})}


def _apply(data: CommentedMap, changes: Sequence[_Change]) -> None:
    for path, value in changes:
        owner: CommentedMap = _at(data, path[:-1])
        if value is _ABSENT:
            del owner[path[-1]]
        elif len(path) == 1:
            put(owner, path[-1], value, "template")
        else:
            owner[path[-1]] = canonical(value, path[-1], text=path[0] == "slots", depth=4)


def _fit_plugin(spec: Spec, data: dict[str, Any]) -> None:
    """Fit a new template, whose plugin is its own, and what the file says for all of its templates to each other.

    Where they differ, the templates that have the file's so far say it themselves.
    """
    shared = spec.root.get("mm_plugin")
    if shared is None or "extends" in data:
        return
    if data.get("mm_plugin") == shared:
        del data["mm_plugin"]
    elif "mm_plugin" not in data and data.get("registered", {}).get("llamafactory", "") is not None:
        for template in spec.root["templates"].values():
            if "extends" not in template and "mm_plugin" not in template:
                put(template, "mm_plugin", shared, "template")
        del spec.root["mm_plugin"]


def _extending(data: Mapping[str, Any], templates: Mapping[str, Any]) -> dict[str, Any]:
    """The data of a new template, short: as an extension of the one with equal slots that leaves least to say."""
    shortest = dict(data)
    for name, base in templates.items():
        if "extends" not in base and base.get("slots") == data.get("slots"):
            rest = _beyond(base, data)
            if rest is not None and _size({"extends": name, **rest}) < _size(shortest):
                shortest = {"extends": name, **rest}
    return shortest


def _beyond(base: Mapping[str, Any], data: Mapping[str, Any]) -> dict[str, Any] | None:
    """What the data says beyond a base; None where the base says something that the data does not."""
    targets = data.get("targets", {})
    for key in base:
        if key == "targets":
            said = ((framework, own) for framework, settings in base[key].items() for own in settings)
            if any(own not in targets.get(framework, {}) for framework, own in said):
                return None
        elif key not in _OWN and key not in data:
            return None
    rest: dict[str, Any] = {}
    for key, value in data.items():
        if key == "targets":
            value = {
                framework: own
                for framework, settings in value.items()
                if (own := _unlike(settings, base.get(key, {}).get(framework, {})))
            }
            if value:
                rest[key] = value
        elif key in _OWN or base.get(key, _ABSENT) != value:
            rest[key] = value
    return rest


def _unlike(settings: Mapping[str, Any], others: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in settings.items() if others.get(key, _ABSENT) != value}


def _size(data: Mapping[str, Any]) -> int:
    return len(json.dumps(data))


def _changes(before: Any, after: Any, path: tuple[str, ...] = ()) -> Iterator[_Change]:
    """The keys that differ, with their new value; ``_ABSENT`` where they go."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in dict.fromkeys((*before, *after)):
            yield from _changes(before.get(key, _ABSENT), after.get(key, _ABSENT), (*path, key))
    elif before is _ABSENT or after is _ABSENT or before != after:
        yield path, after


def _is_own(data: Mapping[str, Any], resolved: Mapping[str, Any], change: _Change) -> bool:
    """Whether the template says the key itself; or may, since nothing that it extends does."""
    path, _ = change
    return _at(data, path) is not _ABSENT or (
        _at(resolved, path) is _ABSENT and isinstance(_at(data, path[:-1]), Mapping)
    )


def _at(data: Any, path: Sequence[str]) -> Any:
    for key in path:
        data = data.get(key, _ABSENT) if isinstance(data, Mapping) else _ABSENT
    return data
