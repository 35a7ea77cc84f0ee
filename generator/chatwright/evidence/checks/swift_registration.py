"""The generated registration against ms-swift itself: the same fields, texts, masks and stop words as the built-ins.

:func:`check` compares with ms-swift 4.x, :func:`check_3` runs the same files on 3.12. Both load the files the way
``--external_plugins`` does, in processes of their own.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...catalogue.model import Catalogue, Template
from ...errors import Unsupported
from ...meaning.render import Kind
from ..adapters import to_swift
from ..engines.swift import Rendered, Request, Swift, SwiftError, copied, start
from ..scenarios import scenarios
from ..vectors import BOS, EOS, TODAY, Run, Truth, normal

_PROMPTS = ("prefix", "system_prefix", "prompt", "chat_sep", "suffix")
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
        SwiftError: ms-swift is not installed.
    """
    with start(today=TODAY) as theirs, start(today=TODAY) as ours, copied(generated) as register_all:
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
            if template.registered["swift"] and template.name not in templates
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
        start(today=TODAY) as new,
        start(today=TODAY, python_path=[swift_3]) as old,
        copied(generated) as register_all,
    ):
        findings = Findings(old.version)
        if not old.version.startswith("3."):
            findings.wrong.append(f"{swift_3} holds no ms-swift 3: version {old.version} answered")
        findings.lines.append(f"ms-swift {old.version} beside {new.version}")
        for swift in (new, old):
            swift.empty()
            findings.wrong += swift.load(register_all)
        names = {template.registered["swift"]: template for template in catalogue.templates.values()}
        fields = new.registries["templates"]
        if missing := sorted(fields.keys() - old.registries["templates"].keys()):
            findings.wrong.append(f"not registered with ms-swift {old.version}: {', '.join(missing)}")
        requests = [request for name in fields for request in _requests(names[name], name)]
        causes: Counter[str] = Counter()
        for request, one, other in zip(requests, new.render(requests), old.render(requests), strict=True):
            where = f"{request.template_type}, {request.scenario.name}, {request.kind.value}"
            if _same(one, other):
                causes["equal"] += not isinstance(one, Unsupported)
            elif (cause := version_cause(request, fields[request.template_type])) is None:
                findings.wrong.append(f"{where}: {old.version} writes {other}, {new.version} {one}")
            else:
                causes[cause] += 1
        findings.lines += [f"{count} texts: {cause}" for cause, count in causes.most_common()]
        _check_shadows(findings, old, register_all)
    return findings


def version_cause(request: Request, fields: Mapping[str, Any]) -> str | None:
    """Why ms-swift 3.12 may write a text in another way than 4.x from the same registration; None: it may not."""
    scenario = request.scenario
    messages = scenario.asked if request.kind is Kind.PROMPT else scenario.messages
    last_user = max((index for index, message in enumerate(messages) if message["role"] == "user"), default=-1)
    answered = any(message["role"] == "tool" for message in messages[last_user:])
    thinks = scenario.thinking or fields["is_thinking"] or fields["non_thinking_prefix"]
    if scenario.tools and fields["agent_template"] is None:
        return "without an agent template 4.x refuses tools, 3.12 takes react_en"
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
    equal_fields = texts = 0
    for template in templates.values():
        name = template.registered["swift"]
        assert name is not None
        if name not in built_in:
            findings.lines.append(f"{name}: registered, no built-in to compare with")
            continue
        equal_fields += registered[name] == built_in[name]
        if differing := template_differences(registered[name], built_in[name]):
            findings.wrong.append(f"template {name}: {', '.join(differing)} differ from the built-in's")
        requests = _requests(template, name)
        answers = zip(requests, theirs.render(requests), ours.render(requests), strict=True)
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
        f"{count} templates, {equal_fields} of them equal to the built-in's in every field as written, all compared in "
        f"what the fields mean; {texts} texts compared with masks and stop words"
    )


def template_differences(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> list[str]:
    """The fields in which two templates, as plain data, mean different things.

    Adjacent texts of a prompt are joined and empty ones left out, as ms-swift does before it tokenizes; the end of a
    turn is a stop word whether or not it is listed (``TemplateMeta.init``).
    """
    return [key for key in theirs if _meaning(ours, key) != _meaning(theirs, key)]


def _meaning(fields: Mapping[str, Any], key: str) -> Any:
    value = fields[key]
    if key == "stop_words":
        end = fields["suffix"][-1] if fields["suffix"] else None
        words = [*value, end.strip() if isinstance(end, str) else end]
        return sorted({json.dumps(word) for word in words if word})
    if key not in _PROMPTS or value is None:
        return value
    joined: list[Any] = []
    for element in value:
        if isinstance(element, str) and joined and isinstance(joined[-1], str):
            joined[-1] += element
        elif element != "":
            joined.append(element)
    return joined


def _check_model_types(findings: Findings, theirs: Swift, ours: Swift) -> None:
    held = total = 0
    for name, meta in ours.registries["model_types"].items():
        built_in = theirs.registries["model_types"].get(name)
        if built_in is None:
            findings.lines.append(f"model type {name}: registered, no built-in to compare with")
            continue
        if differing := [key for key in built_in if key != "groups" and meta[key] != built_in[key]]:
            findings.wrong.append(f"model type {name}: {', '.join(differing)} differ from the built-in's")
        if strange := group_counts(meta) - group_counts(built_in):
            findings.wrong.append(f"model type {name}: not a group of the built-in's: {sorted(strange)}")
        held += sum(group_counts(meta).values())
        total += sum(group_counts(built_in).values())
    count = len(ours.registries["model_types"])
    findings.lines.append(f"{count} model types compared in every field, with {held} of their {total} groups")


def group_counts(meta: Mapping[str, Any]) -> Counter[str]:
    """The groups of a model type as a multiset, whatever their order and that of their models."""
    return Counter(
        json.dumps({**group, "models": sorted(map(json.dumps, group["models"]))}, sort_keys=True)
        for group in meta["groups"]
    )


def _check_adapter(findings: Findings, swift: Swift) -> None:
    """Our adapter against ms-swift's own reading of OpenAI messages, which knows no thoughts."""
    compared = 0
    for scenario in scenarios().values():
        if any(message.get("reasoning_content") for message in scenario.messages):
            continue
        adapted = to_swift(scenario.messages, scenario.tools, thinks=False)["messages"]
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
    except SwiftError as error:
        findings.wrong.append(str(error))
    if changed := [
        name for kind in before for name in before[kind] if swift.registries[kind][name] != before[kind][name]
    ]:
        findings.wrong.append(f"built-ins changed by the registration: {', '.join(changed)}")
    findings.lines.append("next to the built-ins: nothing registered twice, no conflict")


def _check_conflict(findings: Findings, generated: Path) -> None:
    """A built-in that was changed is kept and named, and keeps nothing else from being registered."""
    with start(today=TODAY) as swift, copied(generated) as register_all:
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
        except SwiftError as error:
            if "ConflictError" not in str(error) or f"'{changed}'" not in str(error):
                findings.wrong.append(f"a changed built-in gives the error {error}")
    findings.lines.append("a changed built-in: kept with a warning, or an error that names both sides, as asked")


# -- shared -----------------------------------------------------------------------------------------------------------


def _requests(template: Template, name: str) -> list[Request]:
    return [
        Request(name, scenario, kind, added_by_tokenizer(template))
        for scenario in scenarios().values()
        for kind in Kind
    ]


def added_by_tokenizer(template: Template) -> str:
    """What the publisher's tokenizer puts in front of a text, where ms-swift leaves the prefix to it."""
    own = template.targets.get("swift", {})
    if not own.get("auto_add_bos") or "prefix" in own:
        return ""
    return "".join(BOS if part.kind == "bos" else part.value for part in template.slots.prefix)


def _same(one: Rendered | Unsupported, other: Rendered | Unsupported) -> bool:
    if isinstance(one, Unsupported) or isinstance(other, Unsupported):
        return isinstance(one, Unsupported) and isinstance(other, Unsupported)
    return one == other
