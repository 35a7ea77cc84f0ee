"""Differences between the specs and a framework's registries, written into the specs.

Afterwards the next comparison finds nothing more, apart from what this cannot decide: what is gone upstream, a template
whose meaning cannot be lifted, and changed texts that the spec does not say with keys of its own. These are left to a
person and reported.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ruamel.yaml.comments import CommentedMap

from ...catalogue.build import FRAMEWORKS, resolve_extends
from ...catalogue.built_ins import BuiltIns
from ...catalogue.model import Catalogue, Template
from ...errors import Unsupported
from .compare import Difference
from .editing import Spec, canonical, keys_of, put
from .lift import differences as lift_differences
from .lift import lift
from .models import Models, template_users
from .place import Newcomer, Placement, beside_relatives
from .registry import Registry
from .specs import Specs

_ABSENT = object()
_LEFT = "left to a person"
_Change = tuple[tuple[str, ...], Any, Any]


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
        f"{_LEFT}: {each.kind.replace('_', ' ')} {each.name} is gone upstream"
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
    done = [*templates.report, *models.report]
    left = [line for line in done if line.startswith(_LEFT)]
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
        for ours in (name, f"{name}-{framework}"):  # the catalogue's names for it, if it has been there
            template = catalogue.templates.get(ours)
            if template and template.registered[framework] is None and self._is_same(template, theirs):
                spec = self._register(ours, name)
                self.report.append(f"{spec.source}: template {ours} is registered in {framework}")
                return
        try:
            lifted = lift(framework, name, theirs, catalogue, self._candidates(name, catalogue))
        except Unsupported as reason:
            self.report.append(f"{_LEFT}: template {name}: {reason}")
            return
        if lifted.joins is not None:
            spec = self._register(lifted.joins, name, lifted.data.get("targets", {}))
            self.report.append(f"{spec.source}: template {lifted.joins} is {name} in {framework} too")
            return
        ours, registered = self._name(name)
        if ours in catalogue.templates:
            self.report.append(f"{_LEFT}: template {name}: the catalogue calls another one {ours}")
            return
        if other := self.specs.registered(framework).get(name):  # by us, and not what upstream has under that name
            self._register(other, None)
        newcomer = Newcomer("template", framework, name, template_users(self.theirs, name), name)
        home = self.place(newcomer, self.specs)
        spec = self.specs.open(home.source, home.title, home.publisher)
        if "templates" not in spec.root:
            put(spec.root, "templates", {}, "spec")
            spec.root["templates"].fa.set_block_style()
        own = _with_own_plugin(spec, {**lifted.data, "registered": registered} if registered else lifted.data)
        ordered = {key: own[key] for key in keys_of("template") if key in own}
        short = _extending(ordered, spec.root["templates"])
        spec.root["templates"][ours] = canonical({ours: short}, "templates")[ours]
        self.specs.touch(spec)
        self.report.append(f"{spec.source}: template {ours}")

    def _name(self, name: str) -> tuple[str, dict[str, str | None]]:
        """What the catalogue calls a new template, and where it is not registered under that name.

        The other framework has it under the same name too, as a registration of ours, unless that name is taken there.
        """
        framework = self.theirs.framework
        other = next(each for each in FRAMEWORKS if each != framework)
        taken = {known.casefold() for known in self.specs.catalogue().templates}
        if name.casefold() in taken:
            names = {framework: name, other: None}
            return f"{name}-{framework}", {key: names[key] for key in FRAMEWORKS}
        return name, {other: None} if name in self.specs.registered(other) else {}

    def _register(self, ours: str, name: str | None, targets: Mapping[str, Any] = MappingProxyType({})) -> Spec:
        """Register a template of the catalogue with the framework under a name, or not at all."""
        found = self.specs.template(ours)
        assert found is not None
        spec, data = found
        names = {**data.get("registered", {}), self.theirs.framework: name}
        names = {key: names[key] for key in FRAMEWORKS if key in names and names[key] != ours}
        data.pop("registered", None)
        if names:
            put(data, "registered", names, "template")
        if targets:
            put(data, "targets", {**data.get("targets", {}), **targets}, "template")
        self.specs.touch(spec)
        return spec

    def _candidates(self, name: str, catalogue: Catalogue) -> set[str]:
        """The other framework's templates of the same models that are no other built-in of this framework."""
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
        found = set()
        for template in (catalogue.templates[each] for each in used if each):
            registered = template.registered[framework]
            if registered in (None, name) or not self._is_built_in(template, registered):
                found.add(template.name)
        return found

    def _is_built_in(self, template: Template, registered: str) -> bool:
        if id(template) not in self._built_in:
            theirs = self.theirs.templates.get(registered)
            same = theirs is not None and self._is_same(template, theirs)
            self._built_in[id(template)] = (template, same)  # the template is kept alive, and its identity with it
        return self._built_in[id(template)][1]

    def _is_same(self, template: Template, theirs: Mapping[str, Any]) -> bool:
        try:
            return not lift_differences(self.theirs.framework, template, theirs)
        except Unsupported:
            return False

    def edit(self, name: str, differences: Sequence[Difference]) -> None:
        """Change the keys of a template whose meaning changed upstream, all or none of them."""
        framework, theirs = self.theirs.framework, self.theirs.templates[name]
        ours = _before(theirs, differences)
        ours_name = self.specs.registered(framework)[name]
        found = self.specs.template(ours_name)
        assert found is not None
        spec, data = found
        try:
            before, after = (lift(framework, name, fields, Catalogue(())).data for fields in (ours, theirs))
        except Unsupported as reason:
            self.report.append(f"{_LEFT}: template {name}: {reason}")
            return
        changes = list(_changes(before, after))
        resolved = resolve_extends(spec.root["templates"], ours_name)
        extended = any(other.get("extends") == ours_name for other in spec.root["templates"].values())
        if not changes or extended or not all(_is_own(data, resolved, change) for change in changes):
            paths = [".".join(path) for path, _, _ in changes]
            what = ", ".join(paths or (str(each.field) for each in differences))
            self.report.append(f"{_LEFT}: template {ours_name} in {spec.source}: {what} changed upstream")
            return
        for path, _, value in changes:
            owner: CommentedMap = _at(data, path[:-1])
            if value is _ABSENT:
                del owner[path[-1]]
            elif len(path) == 1:
                put(owner, path[-1], value, "template")
            else:
                owner[path[-1]] = canonical(value, path[-1], text=path[0] == "slots", depth=4)
        self.specs.touch(spec)
        changed = ", ".join(".".join(path) for path, _, _ in changes)
        self.report.append(f"{spec.source}: template {ours_name}: {changed}")


def _before(theirs: Mapping[str, Any], differences: Sequence[Difference]) -> dict[str, Any]:
    """Upstream's fields as they would be without the differences."""
    fields = copy.deepcopy(dict(theirs))
    for difference in differences:
        if difference.field is not None:
            *owners, key = difference.field.split(".")
            _at(fields, owners)[key] = difference.ours
    return fields


def _with_own_plugin(spec: Spec, data: Mapping[str, Any]) -> dict[str, Any]:
    """The data of a new template, whose plugin is its own: what the file says for all of its templates must fit.

    Where it does not, the templates that have it so far say it themselves.
    """
    shared = spec.root.get("mm_plugin")
    own = dict(data)
    if shared is None:
        return own
    if own.get("mm_plugin") == shared:
        del own["mm_plugin"]
    elif "mm_plugin" not in own and own.get("registered", {}).get("llamafactory", "") is not None:
        for template in spec.root["templates"].values():
            if "extends" not in template and "mm_plugin" not in template:
                put(template, "mm_plugin", shared, "template")
        del spec.root["mm_plugin"]
    return own


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
        elif key not in ("registered", "evidence") and key not in data:
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
        elif key in ("registered", "evidence") or base.get(key, _ABSENT) != value:
            rest[key] = value
    return rest


def _unlike(settings: Mapping[str, Any], others: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in settings.items() if others.get(key, _ABSENT) != value}


def _size(data: Mapping[str, Any]) -> int:
    return len(json.dumps(data))


def _changes(before: Any, after: Any, path: tuple[str, ...] = ()) -> Iterator[_Change]:
    """The keys that differ, with both values; a key that one side lacks has ``_ABSENT`` there."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in dict.fromkeys((*before, *after)):
            yield from _changes(before.get(key, _ABSENT), after.get(key, _ABSENT), (*path, key))
    elif before is _ABSENT or after is _ABSENT or before != after:
        yield path, before, after


def _is_own(data: Mapping[str, Any], resolved: Mapping[str, Any], change: _Change) -> bool:
    """Whether the key that changed is the template's own, and says what was there before upstream changed it."""
    path, before, _ = change
    if before is _ABSENT:
        return _at(resolved, path) is _ABSENT and isinstance(_at(data, path[:-1]), Mapping)
    return bool(_at(data, path) == before)


def _at(data: Any, path: Sequence[str]) -> Any:
    for key in path:
        data = data.get(key, _ABSENT) if isinstance(data, Mapping) else _ABSENT
    return data
