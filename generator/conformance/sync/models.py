"""Models, model types and groups: the specs made to say what a registry says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ruamel.yaml.comments import CommentedMap

from chatwright.catalogue.build import HUBS
from chatwright.inspection.spec_editing import Spec, canonical, drop_override, override, put, put_override

from .place import Newcomer, Placement
from .registry import Registry
from .specs import Entry, Specs

_SOURCES = {"huggingface": "DEFAULT", "modelscope": "MODELSCOPE", "openmind": "OPENMIND"}  # of LLaMA-Factory
_FIELDS = {"modelscope": "ms_model_id", "huggingface": "hf_model_id", "path": "model_path", "revision": "ms_revision"}
_LOADER = "swift.model.register.ModelLoader"  # what a model type has that names no loader

_ABSENT = object()

_Ids = Mapping[str, str | None]


def template_users(theirs: Registry, template: str) -> list[tuple[str, str]]:
    """The ids of the models that use a template upstream."""
    if theirs.framework == "llamafactory":
        names = [name for call in theirs.groups if call["template"] == template for name in call["models"]]
        return [(hub, model_id) for name in names for hub, model_id in _listed_ids(_llamafactory_ids(theirs, name))]
    return [
        pair
        for meta in theirs.models.values()
        for group in meta["groups"]
        if (group["template"] or meta["template"]) == template
        for pair in _group_ids(group)
    ]


class Models:
    """Writes models; ``report`` collects what was done and what is left to a person."""

    def __init__(self, theirs: Registry, specs: Specs, place: Placement) -> None:
        self.theirs = theirs
        self.specs = specs
        self.place = place
        self.report: list[str] = []

    # -- LLaMA-Factory

    def write_model(self, name: str) -> None:
        """Make one model name stand in the specs as LLaMA-Factory has registered it."""
        model = self.theirs.models[name]
        calls = [call for call in self.theirs.groups if name in call["models"]]
        call = calls[-1] if calls else None  # a later registration replaces an earlier one
        registered = call["template"] if call else model["template"]
        template = self._catalogue_name(registered)
        if registered and template is None:
            self._leave(f"model {name}: its template {registered} is not in the catalogue")
            return
        ids = _llamafactory_ids(self.theirs, name)
        entry = self.specs.named(name) or self._model_by_id(ids)
        wanted = (template, bool(model["multimodal"]))
        beside = list(call["models"]) if call else [name]
        if entry is None:
            relatives = [_llamafactory_ids(self.theirs, other) for other in beside]
            home = self._home("model", name, [ids, *relatives], registered)
            spec, group = self._listed_group(home, beside, wanted)
            entry = self.specs.add(spec, group, self._position(group, name, beside))
        elif "model_type" not in entry.group and wanted != (self._template(entry), _multimodal(entry)):
            spec, group = self._listed_group(entry.spec, beside, wanted)
            self.specs.move(entry, spec, group, self._position(group, name, beside))
        if (before := entry.data.get("name")) not in (None, name):
            self._done(f"model {before} is {name} now", entry.spec)
        put(entry.data, "name", name, "checkpoint")
        self.specs.touch_entry(entry)
        for hub in HUBS:
            self._claim(entry, "llamafactory", hub, ids[hub])
        self._settle(entry.group, self._swift_template(entry.group), {id(entry.data): wanted})
        self._done(f"model {name}", entry.spec)

    def _model_by_id(self, ids: _Ids) -> Entry | None:
        """The checkpoint that a new name belongs to: the one with its Hugging Face id, else with its ModelScope id."""
        for hub in ("huggingface", "modelscope"):
            for entry in self.specs.known("swift", hub, ids[hub] or ""):
                other = entry.data.get("name")
                free = other is None or other not in self.theirs.models
                if free and (hub == "huggingface" or _same_model(ids["huggingface"], entry.data.get("huggingface"))):
                    return entry
        return None

    def _listed_group(
        self, spec: Spec, beside: Sequence[str], wanted: tuple[str | None, bool]
    ) -> tuple[Spec, CommentedMap]:
        """A group of the spec that only LLaMA-Factory lists, for a model of that kind."""
        own = [group for other, group in self.specs.groups(None) if other is spec]
        for group in own:
            entries = self.specs.members(group)
            if any(entry.data.get("name") in beside for entry in entries) and _kind(group) == wanted:
                return spec, group
        template, multimodal = wanted
        group = _new_group(template, None, multimodal)
        last = -1
        for place, other in enumerate(spec.root.get("models", ())):
            if any(data.get("name") in beside for data in other["checkpoints"]):
                last = place
        self.specs.add_group(spec, group, last + 1 if last >= 0 else None)
        return spec, group

    def _position(self, group: CommentedMap, name: str, beside: Sequence[str]) -> int:
        """The place among a group's checkpoints that keeps upstream's order."""
        before = set(beside[: beside.index(name)])
        places = [place for place, data in enumerate(group["checkpoints"]) if data.get("name") in before]
        after = set(beside) - before
        following = [place for place, data in enumerate(group["checkpoints"]) if data.get("name") in after]
        return places[-1] + 1 if places else following[0] if following else len(group["checkpoints"])

    # -- ms-swift

    def write_model_type(self, name: str) -> None:
        """Make a model type stand in the specs with ms-swift's fields, its groups apart."""
        meta = self.theirs.models[name]
        found = self.specs.model_type(name)
        if found is None:
            ids = [_swift_ids(model) for group in meta["groups"] for model in group["models"]]
            templates = [meta["template"], *(group["template"] for group in meta["groups"])]
            spec = self._home("model_type", name, ids, next(filter(None, templates), None), name)
            section = self.specs.section(spec, "model_types")
            data = canonical({}, block=True)
            section.insert(sum(1 for other in section if other < name), name, data)
        else:
            spec, data = found
        values: dict[str, Any] = {
            "architectures": meta["architectures"],
            "model_arch": meta["model_arch"],
            "requires": meta["requires"],
            "tags": meta["tags"],
            "additional_saved_files": meta["additional_saved_files"],
            "ignore_patterns": meta["ignore_patterns"],
            "torch_dtype": (meta["torch_dtype"] or "").removeprefix("torch."),
            "task_type": meta["task_type"],
        }
        for key, value in values.items():
            if value or (key == "ignore_patterns" and value is not None):
                if data.get(key) != value:
                    put(data, key, value, "model_type")
            else:
                data.pop(key, None)
        own = {
            "loader": None if meta["loader"] == _LOADER else meta["loader"],
            "mcore_model_type": meta["mcore_model_type"],
        }
        for key, value in own.items():
            self._override(data, key, value, is_needed=bool(value))
        template = meta["template"]
        if template and self._catalogue_name(template) is None:
            self._leave(f"model type {name}: its template {template} is not in the catalogue")
        else:
            usual = {group["template"] or template for group in meta["groups"]}
            derived = usual.pop() if len(usual) == 1 else None
            self._override(data, "template", template, is_needed=template != derived)
        self.specs.touch(spec)
        self._done(f"model type {name}", spec)

    def write_group(self, model_type: str, index: int) -> None:
        """Make one group of a model type stand in the specs as ms-swift has registered it."""
        meta = self.theirs.models[model_type]
        group = meta["groups"][index]
        registered = group["template"] or meta["template"]
        template = self._catalogue_name(registered)
        if self.specs.model_type(model_type) is None or (registered and template is None):
            self._leave(f"group {model_type}/{index}: its template {registered} is not in the catalogue")
            return
        models = [_swift_ids(model) for model in group["models"]]
        found = self._matched(model_type).get(index)
        own = found[1] if found else None
        entries = self._entries(model_type, index, models, own)
        before = {id(entry.data): (self._template(entry), _multimodal(entry)) for entry in entries if entry}
        if found is None:
            spec = self._home("group", f"{model_type}/{index}", models, registered, model_type)
            own = _new_group(template, model_type, bool(meta["is_multimodal"]))
            self.specs.add_group(spec, own, self._group_place(spec, model_type, index, [e for e in entries if e]))
        else:
            spec, own = found
        place, moved = 0, found is None
        for number, entry in enumerate(entries):
            if entry is None:
                entry = entries[number] = self.specs.add(spec, own, place)
            elif entry.group is not own:
                self.specs.move(entry, spec, own, place)
                moved = True
            place = _place_of(own, entry) + 1
        for entry, ids in zip(entries, models, strict=True):
            assert entry is not None
            if entry.listed("swift", "modelscope") != ids["modelscope"]:
                self._release(entry, "modelscope")  # another model of the group may claim it
        for entry, ids in zip(entries, models, strict=True):
            assert entry is not None
            for hub in ("huggingface", "modelscope"):
                self._claim(entry, "swift", hub, ids[hub])
            self._set(entry.data, "path", ids["path"], "checkpoint")
            if ids["revision"]:
                put_override(entry.data, "swift", "revision", ids["revision"], "checkpoint")
            else:
                drop_override(entry.data, "swift", "revision")
        self._set(own, "multimodal", bool(meta["is_multimodal"]) or None, "group")
        self._set(own, "requires", group["requires"], "group")
        self._set(own, "tags", group["tags"] or None, "group")
        self._set(own, "ignore_patterns", group["ignore_patterns"], "group")
        if moved or self._swift_template(own) != template:
            self._settle(own, template, before)
        self.specs.touch(spec)
        wanted = {id(entry.data) for entry in entries if entry}
        for entry in self.specs.members(own):
            if id(entry.data) not in wanted and not self._elsewhere(entry):
                title = entry.data.get("huggingface") or entry.data.get("modelscope")
                self._leave(f"group {model_type}/{index}: {title} is no longer in it, in {spec.source}")
        self._done(f"group {model_type}/{index}", spec)

    def _matched(self, model_type: str) -> dict[int, tuple[Spec, CommentedMap]]:
        """The group of the specs for each group upstream: the one that has most of the same checkpoints."""
        ours = self.specs.groups(model_type)
        overlaps = []
        for index, group in enumerate(self.theirs.models[model_type]["groups"]):
            wanted = set(_group_ids(group))
            for number, (_, own) in enumerate(ours):
                listed = [
                    (hub, entry.listed("swift", hub))
                    for entry in self.specs.members(own)
                    for hub in ("huggingface", "modelscope", "path")
                ]
                if common := sum(pair in wanted for pair in listed):
                    overlaps.append((-common, index, number))
        matched: dict[int, int] = {}
        for _, index, number in sorted(overlaps):
            if index not in matched and number not in matched.values():
                matched[index] = number
        return {index: ours[number] for index, number in matched.items()}

    def _entries(
        self, model_type: str, index: int, models: Sequence[_Ids], own: CommentedMap | None
    ) -> list[Entry | None]:
        """The checkpoint that stands for each model of a group, if there is one that no other group upstream has."""
        found: list[Entry | None] = [None] * len(models)
        taken: set[int] = set()
        for hubs in (("huggingface", "modelscope"), ("huggingface",), ("modelscope",), ("path",)):
            for number, ids in enumerate(models):
                if found[number] is None and all(ids[hub] for hub in hubs):
                    for entry in self._known(ids, hubs):
                        free = id(entry.data) not in taken and self._movable(entry, model_type, index, own)
                        same = hubs != ("modelscope",) or _same_model(ids["huggingface"], entry.data.get("huggingface"))
                        if free and same:
                            found[number] = entry
                            taken.add(id(entry.data))
                            break
        return found

    def _known(self, ids: _Ids, hubs: Sequence[str]) -> list[Entry]:
        known = [self.specs.known("swift", hub, ids[hub] or "") for hub in hubs]
        return [entry for entry in known[0] if all(entry in others for others in known[1:])]

    def _movable(self, entry: Entry, model_type: str, index: int, own: CommentedMap | None) -> bool:
        if entry.group is own or "model_type" not in entry.group:
            return True
        return not any(place != (model_type, index) for place in self._places(entry))

    def _elsewhere(self, entry: Entry) -> bool:
        """Whether some group upstream lists exactly this checkpoint."""
        return any(True for _ in self._places(entry))

    def _places(self, entry: Entry) -> Iterator[tuple[str, int]]:
        listed = (entry.listed("swift", "huggingface"), entry.listed("swift", "modelscope"), entry.data.get("path"))
        for name, meta in self.theirs.models.items():
            for index, group in enumerate(meta["groups"]):
                for model in group["models"]:
                    if listed == (model["hf_model_id"], model["ms_model_id"], model["model_path"]):
                        yield name, index

    def _group_place(self, spec: Spec, model_type: str, index: int, entries: Sequence[Entry]) -> int | None:
        """Where a new group stands: in upstream's order of groups, then of model types; else where its models stood."""
        groups = spec.root.get("models", ())
        matched = self._matched(model_type)
        order = {name: number for number, name in enumerate(self.theirs.models)}
        others = [(order.get(group.get("model_type"), -1), group) for group in groups]
        for wanted, offset in (
            ([own for other, (_, own) in matched.items() if other < index], 1),
            ([own for other, (_, own) in matched.items() if other > index], 0),
            ([group for number, group in others if 0 <= number < order[model_type]], 1),
            ([group for number, group in others if number > order[model_type]], 0),
            ([entry.group for entry in entries], 1),
        ):
            places = [place for place, group in enumerate(groups) if any(group is own for own in wanted)]
            if places:
                return (places[-1] if offset else places[0]) + offset
        return None

    # -- both

    def _settle(self, group: CommentedMap, swift: str | None, wanted: Mapping[int, tuple[str | None, bool]]) -> None:
        """Give a group the template that most of its models have in LLaMA-Factory, and the others theirs.

        ``swift`` is its template in ms-swift; ``wanted`` says template and multimodality in LLaMA-Factory of those
        checkpoints that do not stand in the group as they should.
        """
        entries = [entry for entry in self.specs.members(group) if "name" in entry.data]
        kinds = {id(entry.data): (self._template(entry), _multimodal(entry)) for entry in entries}
        kinds |= {key: wanted[key] for key in kinds if key in wanted}
        counts = Counter(template for template, _ in kinds.values() if template)
        usual = counts.most_common(1)[0][1] if counts else 0
        most = [template for template, count in counts.items() if count == usual]
        base = swift if not most else group.get("template") if group.get("template") in most else most[0]
        self._set(group, "template", base, "group")
        if swift and swift != base:
            if override(group, "swift", "template") != swift:
                put_override(group, "swift", "template", swift, "group")
        else:
            drop_override(group, "swift", "template")
        nowhere = bool(entries) and not counts and base in self.specs.registered("llamafactory").values()
        if nowhere:
            put_override(group, "llamafactory", "template", None, "group")
        else:
            drop_override(group, "llamafactory", "template")
        usual_media = group.get("multimodal", False)
        for entry in entries:
            template, multimodal = kinds[id(entry.data)]
            if nowhere or template == base:
                drop_override(entry.data, "llamafactory", "template")
            elif override(entry.data, "llamafactory", "template", base) != template:
                put_override(entry.data, "llamafactory", "template", template, "checkpoint")
            if multimodal == usual_media:
                drop_override(entry.data, "llamafactory", "multimodal")
            else:
                put_override(entry.data, "llamafactory", "multimodal", multimodal, "checkpoint")

    def _claim(self, entry: Entry, framework: str, hub: str, wanted: str | None) -> None:
        """Make a framework list the checkpoint under an id, and leave what the other one lists as it is.

        The id itself goes to the checkpoint unless another one has it. On ModelScope ms-swift's claim counts, since the
        hub and the framework are one house.
        """
        if entry.listed(framework, hub) == wanted:
            return
        self.specs.touch_entry(entry)
        claimed = entry.data.get(hub)
        if wanted == claimed:
            drop_override(entry.data, framework, hub)
            return
        other = "swift" if framework == "llamafactory" else "llamafactory"
        shared = entry.is_listed(other) and hub != "openmind"
        counts = framework == "swift" and hub == "modelscope"
        if wanted is None and not shared:
            entry.data.pop(hub, None)
            drop_override(entry.data, framework, hub)
            return
        holder = self.specs.holder(hub, wanted) if wanted else None
        if holder is not None and counts and not holder.is_listed("swift"):
            self._release(holder, hub)
            holder = None
        if wanted is None or holder is not None or (claimed is not None and shared and not counts):
            put_override(entry.data, framework, hub, wanted, "checkpoint")
            return
        if shared:
            listed = entry.listed(other, hub)
            if listed == wanted:
                drop_override(entry.data, other, hub)
            else:
                put_override(entry.data, other, hub, listed, "checkpoint")
        put(entry.data, hub, wanted, "checkpoint")
        drop_override(entry.data, framework, hub)
        self.specs.touch_entry(entry)

    def _release(self, entry: Entry, hub: str) -> None:
        """Take an id from a checkpoint; LLaMA-Factory goes on listing it there."""
        if hub in entry.data:
            if entry.is_listed("llamafactory"):
                put_override(entry.data, "llamafactory", hub, entry.listed("llamafactory", hub), "checkpoint")
            del entry.data[hub]
            self.specs.touch_entry(entry)

    def _override(self, model_type: CommentedMap, key: str, value: Any, *, is_needed: bool) -> None:
        if not is_needed:
            drop_override(model_type, "swift", key)
        elif override(model_type, "swift", key, default=_ABSENT) != value:
            put_override(model_type, "swift", key, value, "model_type")

    def _set(self, owner: CommentedMap, key: str, value: Any, kind: str) -> None:
        if value is None:
            owner.pop(key, None)
        elif owner.get(key) != value:
            put(owner, key, value, kind)

    def _home(
        self, kind: Any, name: str, ids: Sequence[_Ids], template: str | None, model_type: str | None = None
    ) -> Spec:
        pairs = [pair for one in ids for pair in _listed_ids(one)]
        home = self.place(Newcomer(kind, self.theirs.framework, name, pairs, template, model_type), self.specs)
        return self.specs.open(home.source, home.title, home.publisher)

    def _catalogue_name(self, registered: str | None) -> str | None:
        return self.specs.registered(self.theirs.framework).get(registered or "")

    def _template(self, entry: Entry) -> str | None:
        """The catalogue's name of the template that LLaMA-Factory uses for a checkpoint, None where it has none."""
        of_group = override(entry.group, "llamafactory", "template", entry.group.get("template"))
        found: str | None = override(entry.data, "llamafactory", "template", of_group)
        return found if found in self.specs.registered("llamafactory").values() else None

    def _swift_template(self, group: CommentedMap) -> str | None:
        if "model_type" not in group:
            return None
        found: str | None = override(group, "swift", "template", group.get("template"))
        return found

    def _done(self, what: str, spec: Spec) -> None:
        self.report.append(f"{spec.source}: {what}")

    def _leave(self, what: str) -> None:
        self.report.append(f"left to a person: {what}")


def _new_group(template: str | None, model_type: str | None, multimodal: bool) -> CommentedMap:
    values = {"template": template, "model_type": model_type, "multimodal": multimodal or None}
    given = {key: value for key, value in values.items() if value is not None}
    group: CommentedMap = canonical({**given, "checkpoints": []}, block=True)
    return group


def _kind(group: CommentedMap) -> tuple[str | None, bool]:
    return group.get("template"), bool(group.get("multimodal", False))


def _multimodal(entry: Entry) -> bool:
    return bool(override(entry.data, "llamafactory", "multimodal", entry.group.get("multimodal", False)))


def _same_model(one: str | None, other: str | None) -> bool:
    """Whether two ids on one hub may be the same model's: one is not known, or only the organisations differ."""
    return not one or not other or one.split("/")[-1].casefold() == other.split("/")[-1].casefold()


def _place_of(group: CommentedMap, entry: Entry) -> int:
    return next(place for place, data in enumerate(group["checkpoints"]) if data is entry.data)


def _llamafactory_ids(theirs: Registry, name: str) -> dict[str, str | None]:
    return {hub: theirs.models[name]["ids"].get(source) for hub, source in _SOURCES.items()}


def _swift_ids(model: Mapping[str, Any]) -> dict[str, str | None]:
    return {key: model.get(field) for key, field in _FIELDS.items()}


def _listed_ids(ids: _Ids) -> list[tuple[str, str]]:
    return [(hub, model_id) for hub in (*HUBS, "path") if (model_id := ids.get(hub))]


def _group_ids(group: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [pair for model in group["models"] for pair in _listed_ids(_swift_ids(model))]
