"""The generated registration against ms-swift itself: the same fields, texts, masks and stop words as the built-ins.

:func:`check` compares with ms-swift 4.x, :func:`check_3` runs the same files on 3.12. Both load the files the way
``--external_plugins`` does, in processes of their own.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chatwright.catalogue.model import Catalogue, Template
from chatwright.errors import Unsupported
from chatwright.inspection.registrations.differences import swift_meaning
from chatwright.meaning.render import Kind
from chatwright.meaning.runs import BOS, EOS, TODAY, Run, normal
from chatwright.meaning.scenarios import Scenario, scenarios
from chatwright.records.frameworks import built_ins

from ..adapters import to_swift
from ..engines.swift import THOUGHT_WORDS, Rendered, Request, Swift, copied
from ..engines.worker import WorkerError
from ..sync.compare import compare, template_differences
from ..sync.registry import Registry
from ..sync.report import line
from ..vectors import Truth

_NEWER = re.compile(  # what a warning says of an item that needs a newer ms-swift
    r"(template|model type) '([^']+)' is not registered: "
    r"(?:AttributeError: module|ModuleNotFoundError: No module|ValueError: ms-swift has no agent template) "
)
_SHADOWED = ("llava", "janus", "emu3", "deepseek_vl")  # packages that built-in models import (ms-swift 4.6.0)


@dataclass
class Findings:
    """What a check found.

    ``truths`` holds what the built-ins write, by the template's name in the catalogue; ``differing`` says per template
    and scenario what is wrong with our text, None where nothing is; ``wrong`` lists every other failure.
    """

    version: str
    lines: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    truths: dict[str, Truth] = field(default_factory=dict)
    differing: dict[str, dict[str, str | None]] = field(default_factory=dict)


def check(catalogue: Catalogue, generated: Path) -> Findings:
    """Compare with the built-ins of the ms-swift that is installed; ``generated`` is the folder of that name.

    Raises:
        WorkerError: ms-swift is not installed.
    """
    with Swift(today=TODAY) as theirs, Swift(today=TODAY) as ours, copied(generated) as register_all:
        findings = Findings(theirs.version)
        ours.empty()
        findings.wrong += ours.load(register_all)
        templates = {
            template.name: template
            for template in catalogue.templates.values()
            if template.registered["swift"] in ours.registries["templates"]
        }
        findings.wrong += [
            f"template {template.name} is meant for ms-swift and is not registered there"
            for template in catalogue.templates.values()
            if template.registered["swift"] in theirs.registries["templates"] and template.name not in templates
        ]
        _check_templates(findings, theirs, ours, templates)
        _check_model_types(findings, theirs, ours)
        _check_adapter(findings, theirs)
        _check_shadows(findings, ours, register_all)
        _check_beside(findings, theirs, register_all)
    _check_conflict(findings, generated)
    return findings


def check_3(catalogue: Catalogue, generated: Path, swift_3: Path) -> Findings:
    """Run the same files on ms-swift 3.12, unpacked in the folder ``swift_3``, and compare with what they do on 4.x.

    Every difference must have a cause that is known (:func:`version_cause`).
    """
    with (
        Swift(today=TODAY) as new,
        Swift(today=TODAY, python_path=[swift_3]) as old,
        copied(generated) as register_all,
    ):
        findings = Findings(old.version)
        if not old.version.startswith("3."):
            findings.wrong.append(f"{swift_3} holds no ms-swift 3: version {old.version} answered")
        findings.lines.append(f"ms-swift {old.version} beside {new.version}")
        new.empty()
        findings.wrong += new.load(register_all)
        old.empty()
        warnings = old.load(register_all)
        newer = {match.groups() for warning in warnings if (match := _NEWER.match(warning))}
        findings.wrong += [warning for warning in warnings if not _NEWER.match(warning)]
        counts = Counter(kind for kind, _ in newer)
        findings.lines.append(
            f"{counts['template']} templates and {counts['model type']} model types name a class, loader or agent "
            "template that only a newer ms-swift has: not registered there, with a warning each"
        )
        names = {template.registered["swift"]: template for template in catalogue.templates.values()}
        fields = new.registries["templates"]
        registered = old.registries["templates"]
        unexplained = sorted(fields.keys() - registered.keys() - {name for kind, name in newer if kind == "template"})
        if unexplained:
            findings.wrong.append(f"not registered with ms-swift {old.version}: {', '.join(unexplained)}")
        requests = [request for name in fields if name in registered for request in _requests(names[name], name)]
        causes: Counter[str] = Counter()
        unknown: list[tuple[Request, Any, Any]] = []
        for request, one, other in zip(requests, *_render(requests, new, old), strict=True):
            if _same(one, other):
                causes["equal"] += not isinstance(one, Unsupported)
            elif (cause := version_cause(request, fields[request.template_type])) is None:
                unknown.append((request, one, other))
            else:
                causes[cause] += 1
        own = _own_answers([request for request, _, _ in unknown], swift_3)
        for (request, one, other), built_in in zip(unknown, own, strict=True):
            if built_in is not None and _same(other, built_in):
                causes["3.12's own template of that name writes the same as ours, 4.x another text"] += 1
            else:
                where = f"{request.template_type}, {request.scenario.name}, {request.kind.value}"
                findings.wrong.append(f"{where}: {old.version} writes {other}, {new.version} {one}")
        findings.lines += [f"{count} texts: {cause}" for cause, count in causes.most_common()]
        _check_shadows(findings, old, register_all)
    return findings


def _own_answers(requests: Sequence[Request], swift_3: Path) -> list[Rendered | Unsupported | None]:
    """What 3.12's own templates write, None where it has none of that name."""
    with Swift(today=TODAY, python_path=[swift_3]) as own:
        known = own.registries["templates"]
        answers = iter(own.render([request for request in requests if request.template_type in known]))
        return [next(answers) if request.template_type in known else None for request in requests]


def version_cause(request: Request, fields: Mapping[str, Any]) -> str | None:
    """Why ms-swift 3.12 may write a text in another way than 4.x from the same registration; None: it may not."""
    scenario = request.scenario
    messages = scenario.asked if request.kind is Kind.PROMPT else scenario.messages
    last_user = max((index for index, message in enumerate(messages) if message["role"] == "user"), default=-1)
    answered = any(message["role"] == "tool" for message in messages[last_user:])
    thinks = scenario.thinking or fields["is_thinking"] or fields["non_thinking_prefix"]
    if scenario.variables:
        return "3.12 takes no variables of a chat template"
    if scenario.tools and fields["agent_template"] is None:
        return "without an agent template 4.x refuses tools, 3.12 takes react_en"
    if any(None in tool["function"].values() for tool in scenario.tools or ()):
        return "3.12 writes the null fields of a tool, 4.x leaves them out"
    if any(
        message.get("tool_calls") and (message.get("content") or message.get("reasoning_content"))
        for message in messages
    ):
        return "3.12 joins what stands beside a call to its text, 4.x encodes it apart"
    if scenario.preserve_thinking and request.kind is Kind.PROMPT:
        return "3.12 cannot keep the thoughts of earlier turns in a prompt"
    if answered and (request.kind is Kind.TRAINING_DROPPED or thinks):
        return "the last round begins with the last user message in 3.12, with the last tool result in 4.x"
    if scenario.thinking is None and fields["non_thinking_prefix"] and request.kind is Kind.PROMPT:
        return "a request that says nothing thinks in 3.12 where the template knows both modes, and does not in 4.x"
    return None


# -- 4.x --------------------------------------------------------------------------------------------------------------


def _check_templates(findings: Findings, theirs: Swift, ours: Swift, templates: Mapping[str, Template]) -> None:
    built_in, registered = theirs.registries["templates"], ours.registries["templates"]
    as_written = in_meaning = texts = 0
    for template in templates.values():
        name = template.registered["swift"]
        assert name is not None
        if name not in built_in:
            continue  # from us alone, see check_added
        one, other = registered[name], built_in[name]
        as_written += one == other
        in_meaning += all(swift_meaning(one, key) == swift_meaning(other, key) for key in other)
        if differing := template_differences("swift", one, other):
            findings.wrong.append(f"template {name}: {', '.join(differing)} differ from the built-in's")
        requests = _requests(template, name)
        answers = zip(requests, *_render(requests, theirs, ours), strict=True)
        written: dict[str, dict[Kind, tuple[Run, ...] | str]] = {}
        wrong: dict[str, str | None] = {}
        for request, there, here in answers:
            scenario, kind = request.scenario.name, request.kind
            if not _same(there, here):
                wrong[scenario] = f"{kind.value}: ms-swift writes {there}, the generated registration {here}"
            wrong.setdefault(scenario, None)
            texts += not isinstance(there, Unsupported)
            answer = str(there) if isinstance(there, Unsupported) else normal(there.runs)
            written.setdefault(scenario, {})[kind] = answer
        findings.truths[template.name] = Truth("swift", name, EOS, built_in[name], written)
        findings.differing[template.name] = wrong
    count = len(findings.truths)
    findings.lines.append(
        f"{count} templates: {as_written} equal to the built-in's in every field as written, {in_meaning - as_written} "
        f"in what every field means, {count - in_meaning} with the same turns cut into prefix, prompt and chat_sep in "
        f"another way, less those that are wrong; {texts} texts compared with masks and stop words"
    )


def _check_model_types(findings: Findings, theirs: Swift, ours: Swift) -> None:
    """Every field of our model types and groups against upstream's; what upstream has alone is not asked here."""
    registered, built_in = (
        Registry("swift", theirs.version, {}, engine.registries["model_types"]) for engine in (ours, theirs)
    )
    for fact in compare(registered, built_in, built_ins().get("swift")):
        if fact.change != "lacking":
            findings.wrong.append(f"{fact.kind.replace('_', ' ')} {fact.change}: {line(fact, built_in)}")
    held, total = (sum(len(meta["groups"]) for meta in registry.models.values()) for registry in (registered, built_in))
    count = len(registered.models)
    findings.lines.append(f"{count} model types compared in every field, with {held} groups; upstream has {total}")


def _check_adapter(findings: Findings, swift: Swift) -> None:
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
            findings.wrong.append(
                f"{scenario.name}: ms-swift reads the OpenAI messages in another way than the adapter"
            )
    findings.lines.append(f"{compared} scenarios read by ms-swift itself as by the adapter")


def _check_shadows(findings: Findings, swift: Swift, register_all: Path) -> None:
    """No file of ours is found under a name that somebody else imports."""
    ours = [path.stem for path in register_all.parent.rglob("*.py")]
    found = swift.origins(sorted({*ours, *_SHADOWED}))
    folder = str(register_all.parent)
    shadowing = [
        name for name, origin in found.items() if name != "register_all" and origin and origin.startswith(folder)
    ]
    if shadowing:
        findings.wrong.append(f"generated modules stand in the way of others: {', '.join(shadowing)}")
    findings.lines.append(f"no generated file is found under any of {len(found)} module names")


def _check_beside(findings: Findings, swift: Swift, register_all: Path) -> None:
    """Next to the built-ins nothing is registered twice and nothing is in conflict."""
    before = swift.registries
    findings.wrong += swift.load(register_all)
    try:
        swift.register_all("error")
    except WorkerError as error:
        findings.wrong.append(str(error))
    if changed := [
        name for kind in before for name in before[kind] if swift.registries[kind][name] != before[kind][name]
    ]:
        findings.wrong.append(f"built-ins changed by the registration: {', '.join(changed)}")
    findings.lines.append("next to the built-ins: nothing registered twice, no conflict")


def _check_conflict(findings: Findings, generated: Path) -> None:
    """A built-in that was changed is kept and named, and keeps nothing else from being registered."""
    with Swift(today=TODAY) as swift, copied(generated) as register_all:
        changed, absent = "qwen3", "qwen2_5"
        swift.assign(changed, "default_system", "Another one.")
        swift.forget(absent)
        warnings = swift.load(register_all)
        registry = swift.registries["templates"]
        if len(warnings) != 1 or f"'{changed}'" not in warnings[0] or "default_system" not in warnings[0]:
            findings.wrong.append(f"a changed built-in gives the warnings {warnings}")
        if absent not in registry or registry[changed]["default_system"] != "Another one.":
            findings.wrong.append("a changed built-in is not kept, or keeps others from being registered")
        try:
            swift.register_all("error")
            findings.wrong.append("a changed built-in is no error where it should be one")
        except WorkerError as error:
            if "ConflictError" not in str(error) or f"'{changed}'" not in str(error):
                findings.wrong.append(f"a changed built-in gives the error {error}")
    findings.lines.append("a changed built-in: kept with a warning, or an error that names both sides, as asked")


# -- shared -----------------------------------------------------------------------------------------------------------


def _requests(template: Template, name: str) -> list[Request]:
    return [request_of(template, name, scenario, kind) for scenario in scenarios().values() for kind in Kind]


def request_of(template: Template, name: str, scenario: Scenario, kind: Kind) -> Request:
    """The request for a text of the template that ms-swift has under that name, in what only the spec knows."""
    thinking = template.thinking
    return Request(
        name,
        scenario,
        kind,
        adds=added_by_tokenizer(template),
        words=thinking.words if thinking else THOUGHT_WORDS,
        levels=bool(thinking and thinking.levels),
    )


def _render(requests: Sequence[Request], *workers: Swift) -> list[list[Rendered | Unsupported]]:
    """What each worker makes of the same texts, side by side: every worker is a process of its own."""
    with ThreadPoolExecutor() as pool:
        return list(pool.map(lambda swift: swift.render(requests), workers))


def added_by_tokenizer(template: Template) -> str:
    """What the publisher's tokenizer puts in front of a text, where ms-swift leaves the prefix to it."""
    own = template.targets.get("swift", {})
    if own.get("auto_add_bos") != "instead":
        return ""
    return "".join(BOS if part.kind == "bos" else part.value for part in template.slots.prefix)


def _same(one: Rendered | Unsupported, other: Rendered | Unsupported) -> bool:
    if isinstance(one, Unsupported) or isinstance(other, Unsupported):
        return isinstance(one, Unsupported) and isinstance(other, Unsupported)
    return one == other
