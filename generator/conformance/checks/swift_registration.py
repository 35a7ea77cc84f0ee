"""The generated registration in ms-swift: compared with the built-ins of 4.x, and the same files on 3.12.

Both load the files the way ``--external_plugins`` does, in processes of their own.
"""

from __future__ import annotations

import importlib.metadata
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from chatwright.catalogue.model import Template
from chatwright.inspection.registrations.differences import swift_meaning
from chatwright.meaning.render import Kind
from chatwright.meaning.runs import EOS, TODAY, Run
from chatwright.meaning.scenarios import scenarios
from chatwright.records.engines import Result
from chatwright.records.frameworks import built_ins

from ..adapters import to_swift
from ..engines.swift import Swift, copied
from ..engines.worker import WorkerError
from ..sync.compare import compare, template_differences
from ..sync.registry import Registry
from ..sync.report import line
from ..vectors import Truth, restored_texts, vector_path
from . import swift_texts
from .attempts import attempt
from .reference import reference_runs
from .workbench import Report, Results, Workbench, tally

_NEWER = re.compile(  # what a warning says of an item that needs a newer ms-swift
    r"(template|model type) '([^']+)' is not registered: "
    r"(?:AttributeError: module|ModuleNotFoundError: No module|ValueError: ms-swift has no agent template) "
)
_SHADOWED = ("llava", "janus", "emu3", "deepseek_vl")  # packages that built-in models import (ms-swift 4.6.0)


def check_swift(bench: Workbench) -> Report:
    """The generated registration against ms-swift's built-ins: fields, texts, masks and stop words."""
    importlib.metadata.version("ms-swift")  # ImportError where there is none
    report = Report("swift")
    generated = bench.root / "generated"
    with Swift(today=TODAY) as theirs, Swift(today=TODAY) as ours, copied(generated) as register_all:
        ours.empty()
        report.wrong += ours.load(register_all)
        templates = {
            template.name: template
            for template in bench.catalogue.templates.values()
            if template.registered["swift"] in ours.registries["templates"]
        }
        report.wrong += [
            f"template {template.name} is meant for ms-swift and is not registered there"
            for template in bench.catalogue.templates.values()
            if template.registered["swift"] in theirs.registries["templates"] and template.name not in templates
        ]
        found = _check_templates(report, bench, theirs, ours, templates)
        _check_model_types(report, theirs, ours)
        _check_adapter(report, theirs)
        _check_shadows(report, ours, register_all)
        _check_beside(report, theirs, register_all)
        version = theirs.version
    _check_conflict(report, generated)
    report.lines.append(tally("texts, masks and stop words, ours and the built-in's", found))
    return bench.conclude(report, found, version, "swift")


def check_swift_3(bench: Workbench) -> Report:
    """The same files on ms-swift 3.12: they import, and every difference in what they write has a known cause.

    See :func:`.swift_texts.version_cause`.
    """
    importlib.metadata.version("ms-swift")  # ImportError where there is none
    report, swift_3 = Report("swift-3"), bench.need("swift_3")
    with (
        Swift(today=TODAY) as new,
        Swift(today=TODAY, python_path=[swift_3]) as old,
        copied(bench.root / "generated") as register_all,
    ):
        if not old.version.startswith("3."):
            report.wrong.append(f"{swift_3} holds no ms-swift 3: version {old.version} answered")
        report.lines.append(f"ms-swift {old.version} beside {new.version}")
        new.empty()
        report.wrong += new.load(register_all)
        old.empty()
        warnings = old.load(register_all)
        newer = {match.groups() for warning in warnings if (match := _NEWER.match(warning))}
        report.wrong += [warning for warning in warnings if not _NEWER.match(warning)]
        counts = Counter(kind for kind, _ in newer)
        report.lines.append(
            f"{counts['template']} templates and {counts['model type']} model types name a class, loader or agent "
            "template that only a newer ms-swift has: not registered there, with a warning each"
        )
        names = {template.registered["swift"]: template for template in bench.catalogue.templates.values()}
        fields = new.registries["templates"]
        registered = old.registries["templates"]
        unexplained = sorted(fields.keys() - registered.keys() - {name for kind, name in newer if kind == "template"})
        if unexplained:
            report.wrong.append(f"not registered with ms-swift {old.version}: {', '.join(unexplained)}")
        items = {
            name: [*artefact(bench, names[name]), *(fields_of(name, swift) for swift in (new, old))]
            for name in fields
            if name in registered
        }
        causes: Counter[str] = Counter()

        def ask(asked: Sequence[str]) -> dict[str, dict[str, dict[str, int]]]:
            with Swift(today=TODAY, python_path=[swift_3]) as own:
                return swift_texts.compared_versions({name: names[name] for name in asked}, new, old, own)

        for said in bench.asked.over("swift-3", swift_texts.__name__, items, ask, [swift_3]).values():
            causes.update(said["causes"])
            report.wrong += said["wrong"]
        report.lines += [f"{count} texts: {cause}" for cause, count in causes.most_common()]
        _check_shadows(report, old, register_all)
    return report


def artefact(bench: Workbench, template: Template) -> list[Any]:
    """What is generated for a template, the files that all share among it, and what its spec says."""
    folder = bench.root / "generated" / "swift"
    own = {Path(str(made.path)).name for made in bench.deployments["swift"].values()}
    shared = [path.read_text(encoding="utf-8") for path in sorted(folder.rglob("*.py")) if path.name not in own]
    return [bench.deployments["swift"][template.name].sha256, shared, template]


def fields_of(name: str, swift: Swift) -> list[Any]:
    """A template as it is registered, and the model types that use it, which may say how it writes."""
    models = swift.registries["model_types"].values()
    users = [
        meta for meta in models if name in (meta["template"], *(group.get("template") for group in meta["groups"]))
    ]
    return [swift.registries["templates"][name], users]


# -- 4.x --------------------------------------------------------------------------------------------------------------


def _check_templates(
    report: Report, bench: Workbench, theirs: Swift, ours: Swift, templates: Mapping[str, Template]
) -> dict[str, Results]:
    """Compare what every template writes; the frameworks' texts are kept as the truth. Returns the results."""
    built_in, registered = theirs.registries["templates"], ours.registries["templates"]
    names = {str(template.registered["swift"]): template for template in templates.values()}
    names = {name: template for name, template in names.items() if name in built_in}  # others: see check_added
    texts: dict[str, swift_texts.Texts] = {}
    items: dict[str, Any] = {}
    for name, template in names.items():
        items[name] = None
        recorded = _recorded(bench, name, template)
        if recorded is not None:
            vectors, texts[name] = recorded
            items[name] = [*artefact(bench, template), *(fields_of(name, swift) for swift in (theirs, ours)), vectors]

    def ask(asked: Sequence[str]) -> dict[str, dict[str, str]]:
        found = {name: swift_texts.compared(names[name], name, theirs, ours) for name in asked}
        texts.update({name: written for name, (written, _) in found.items()})
        return {name: wrong for name, (_, wrong) in found.items()}

    wrong = bench.asked.over("swift", swift_texts.__name__, items, ask)
    results: dict[str, Results] = {}
    as_written = in_meaning = 0
    for name, template in names.items():
        one, other = registered[name], built_in[name]
        as_written += one == other
        in_meaning += all(swift_meaning(one, key) == swift_meaning(other, key) for key in other)
        if differing := template_differences("swift", one, other):
            report.wrong.append(f"template {name}: {', '.join(differing)} differ from the built-in's")
        truth = Truth("swift", name, EOS, other, texts[name])
        bench.add_truth(template.name, truth)
        results[template.name] = {
            scenario: _result(truth, scenario, wrong[name].get(scenario)) for scenario in truth.texts
        }
    count = len(results)
    written = sum(
        not isinstance(runs, str) for each in texts.values() for kinds in each.values() for runs in kinds.values()
    )
    report.lines.append(
        f"{count} templates: {as_written} equal to the built-in's in every field as written, {in_meaning - as_written} "
        f"in what every field means, {count - in_meaning} with the same turns cut into prefix, prompt and chat_sep in "
        f"another way, less those that are wrong; {written} texts compared with masks and stop words"
    )
    return results


def _result(truth: Truth, scenario: str, wrong: str | None) -> Result:
    if wrong is not None:
        return Result("differs", wrong)
    reason = truth.reason(scenario)
    return Result("exact") if reason is None else Result("not comparable", reason)


def _recorded(bench: Workbench, name: str, template: Template) -> tuple[str, swift_texts.Texts] | None:
    """What is recorded of the built-in of that name, as text and as what it says; None where it is not said in full."""
    path = bench.vectors and vector_path(bench.vectors, "swift", name)
    if path is None or not path.is_file():
        return None
    text, tried = path.read_text(encoding="utf-8"), scenarios()

    def write(scenario: str, kind: Kind) -> tuple[Run, ...] | str:
        found: tuple[Run, ...] | str = "no such scenario"
        if scenario in tried:
            found = attempt(reference_runs, template, tried[scenario], kind, EOS)
        return found

    texts = restored_texts(text, write)
    return (text, texts) if texts is not None and texts.keys() == tried.keys() else None


def _check_model_types(report: Report, theirs: Swift, ours: Swift) -> None:
    """Every field of our model types and groups against upstream's; what upstream has alone is not asked here."""
    registered, built_in = (
        Registry("swift", theirs.version, {}, engine.registries["model_types"]) for engine in (ours, theirs)
    )
    for fact in compare(registered, built_in, built_ins().get("swift")):
        if fact.change != "lacking":
            report.wrong.append(f"{fact.kind.replace('_', ' ')} {fact.change}: {line(fact, built_in)}")
    held, total = (sum(len(meta["groups"]) for meta in registry.models.values()) for registry in (registered, built_in))
    count = len(registered.models)
    report.lines.append(f"{count} model types compared in every field, with {held} groups; upstream has {total}")


def _check_adapter(report: Report, swift: Swift) -> None:
    """Our adapter against ms-swift's own reading of OpenAI messages, which knows no thoughts."""
    compared = 0
    for scenario in scenarios().values():
        if any(message.get("reasoning_content") for message in scenario.messages):
            continue
        adapted = to_swift(scenario.messages, scenario.tools, words=None)["messages"]
        compared += 1
        read, expected = (
            [(message["role"], message["content"]) for message in swift.normalized(messages)]
            for messages in (adapted, scenario.messages)
        )
        if read != expected:
            report.wrong.append(f"{scenario.name}: ms-swift reads the OpenAI messages in another way than the adapter")
    report.lines.append(f"{compared} scenarios read by ms-swift itself as by the adapter")


def _check_shadows(report: Report, swift: Swift, register_all: Path) -> None:
    """No file of ours is found under a name that somebody else imports."""
    ours = [path.stem for path in register_all.parent.rglob("*.py")]
    found = swift.origins(sorted({*ours, *_SHADOWED}))
    folder = str(register_all.parent)
    shadowing = [
        name for name, origin in found.items() if name != "register_all" and origin and origin.startswith(folder)
    ]
    if shadowing:
        report.wrong.append(f"generated modules stand in the way of others: {', '.join(shadowing)}")
    report.lines.append(f"no generated file is found under any of {len(found)} module names")


def _check_beside(report: Report, swift: Swift, register_all: Path) -> None:
    """Next to the built-ins nothing is registered twice and nothing is in conflict."""
    before = swift.registries
    report.wrong += swift.load(register_all)
    try:
        swift.register_all("error")
    except WorkerError as error:
        report.wrong.append(str(error))
    if changed := [
        name for kind in before for name in before[kind] if swift.registries[kind][name] != before[kind][name]
    ]:
        report.wrong.append(f"built-ins changed by the registration: {', '.join(changed)}")
    report.lines.append("next to the built-ins: nothing registered twice, no conflict")


def _check_conflict(report: Report, generated: Path) -> None:
    """A built-in that was changed is kept and named, and keeps nothing else from being registered."""
    with Swift(today=TODAY) as swift, copied(generated) as register_all:
        changed, absent = "qwen3", "qwen2_5"
        swift.assign(changed, "default_system", "Another one.")
        swift.forget(absent)
        warnings = swift.load(register_all)
        registry = swift.registries["templates"]
        if len(warnings) != 1 or f"'{changed}'" not in warnings[0] or "default_system" not in warnings[0]:
            report.wrong.append(f"a changed built-in gives the warnings {warnings}")
        if absent not in registry or registry[changed]["default_system"] != "Another one.":
            report.wrong.append("a changed built-in is not kept, or keeps others from being registered")
        try:
            swift.register_all("error")
            report.wrong.append("a changed built-in is no error where it should be one")
        except WorkerError as error:
            if "ConflictError" not in str(error) or f"'{changed}'" not in str(error):
                report.wrong.append(f"a changed built-in gives the error {error}")
    report.lines.append("a changed built-in: kept with a warning, or an error that names both sides, as asked")
