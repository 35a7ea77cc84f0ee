"""A page for each template, so that a pull request shows a change of its prompt as a diff of the page.

A page shows a few conversations with every character visible; each line of a prompt is a line of the page. Together
they show each kind of turn that the format has. All scenarios are in ``meaning/scenarios.yaml``; ``chatwright show``
renders any of them.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, replace
from datetime import date
from itertools import takewhile
from typing import Any

from ..catalogue.build import FRAMEWORKS
from ..catalogue.model import Spec, Template, Thinking
from ..catalogue.slots import write_slot, write_text
from ..errors import Unsupported
from ..json_writer import plain
from ..meaning.render import Kind, Piece
from ..meaning.scenarios import Scenario, scenarios
from ..meaning.visible import Row, rows, visible
from ..records.engines import STATUSES
from .commands import command, served_by
from .markdown import cell, link
from .models import address
from .protocol import FILES, Context, GeneratedFile, Output, added_templates, registered_names
from .rendering import environment

FOLDER = "docs/templates"
DAY = date(2024, 7, 26)  # the date in prompts that contain today's date
_PROMPT_ENDS = "  ----------- the prompt ends here"
_USUAL: tuple[Any, ...] = (dict.fromkeys(("system", "user", "assistant", "observation"), "none"), "all")
_PLAIN = (
    "slots",
    "name",
    "family",
    "location",
    "registered",
    "targets",
    "evidence",
    "serving",
    "thinking",
    "mm_plugin",
)


def generate(context: Context) -> Output:
    """One page per template."""
    models = _models(context)
    files = [
        GeneratedFile(f"{FOLDER}/{template.name}.md", _page(template, spec, models, context), "html", (spec.source,))
        for spec in context.specs
        for template in spec.templates
    ]
    return Output(tuple(files))


def _page(template: Template, spec: Spec, models: Mapping[str, list[str]], context: Context) -> str:
    registered = registered_names(template, context.deployments)
    return (
        environment("docs")
        .get_template("template.md.j2")
        .render(
            name=cell(template.name),
            family=cell(spec.title),
            registered=[(FRAMEWORKS[key], f"`{name}`" if name else "-") for key, name in registered.items()],
            scenarios=[(name, fenced(list(scenario_lines(template, scenarios()[name])))) for name in telling(template)],
            slots=fenced([f"{name:<24} {text}" for name, text in slots(template)]),
            settings=fenced([f"{name:<26} {text}" for name, text in settings(template)]),
            fidelity=list(_fidelity(context.fidelity.get(template.name, {}))),
            statuses=STATUSES,
            files=", ".join(_files(template, context)),
            commands=fenced(list(_commands(template, registered, context)), "sh"),
            models=models.get(template.name, []),
        )
    )


def telling(template: Template) -> list[str]:
    """The scenarios of a template's page; together they show each kind of turn that the template has."""
    names = ["plain", "system_multi"]
    if template.tool_format:
        names.append("tool_parallel" if _carries(template, scenarios()["tool_parallel"]) else "tool_result")
    if template.thinking:
        names += ["thinking_on", "thinking_off"]
        if template.thinking.levels:
            names.append("level_low")
    return names


def _carries(template: Template, scenario: Scenario) -> bool:
    try:
        scenario.pieces(template, Kind.TRAINING, DAY)
    except Unsupported:
        return False
    return True


def scenario_lines(template: Template, scenario: Scenario) -> Iterator[str]:
    """The lines that show a scenario's prompt and training text, as one text if the prompt begins the training text."""
    written = {}
    for kind in (Kind.PROMPT, Kind.TRAINING):
        try:
            written[kind] = scenario.pieces(template, kind, DAY)
        except Unsupported as reason:
            yield f"  unsupported ({kind.value}): {visible(str(reason))}"
    prompt, training = written.get(Kind.PROMPT), written.get(Kind.TRAINING)
    if prompt and training and (parts := _parted(training, prompt)):
        yield from map(shown_line, rows(parts[0]))
        yield _PROMPT_ENDS
        yield from map(shown_line, rows(parts[1]))
        return
    head = [shown_line(row) for row in rows(prompt or ())]
    if prompt is not None:
        yield from head
        yield _PROMPT_ENDS
    if training is not None:
        body = [shown_line(row) for row in rows(training)]
        same = sum(1 for _ in takewhile(lambda both: both[0] == both[1], zip(head, body, strict=False)))
        yield f"  ----------- trained on: {f'the first {same} lines of the prompt, then' if same else 'this'}"
        yield from body[same:]


def _parted(training: Sequence[Piece], prompt: Sequence[Piece]) -> tuple[list[Piece], list[Piece]] | None:
    """Split a training text into the prompt and the rest; None if it does not begin with the prompt."""
    text, head = "".join(map(_shown, training)), "".join(map(_shown, prompt))
    if not text.startswith(head):
        return None
    before, after, left = list[Piece](), list[Piece](), len(head)
    for piece in training:
        size = len(_shown(piece))
        if 0 < left < size:
            before.append(replace(piece, text=piece.text[:left]))
            after.append(replace(piece, text=piece.text[left:]))
        else:
            (before if left else after).append(piece)
        left = max(0, left - size)
    return before, after


def _shown(piece: Piece) -> str:
    """The text of a piece; the tokenizer's own tokens are represented by one private character each."""
    return {"bos": "\ue000", "eos": "\ue001"}.get(piece.kind, piece.text)


def shown_line(row: Row) -> str:
    """A line of a shown prompt: whether it is learned, its role, and its text."""
    return f"{'*' if row.trained else ' '} {row.role:<11} {row.text}"


def fenced(lines: Sequence[str], language: str = "text") -> str:
    """The lines as a code block; its fence is longer than any fence in the lines. Empty if there are no lines."""
    if not lines:
        return ""
    text = "\n".join(lines)
    fence = "`" * max(3, *(len(run) + 1 for run in re.findall("`+", text)), 3)
    return f"{fence}{language}\n{text}\n{fence}"


def slots(template: Template) -> Iterator[tuple[str, str]]:
    for field in fields(template.slots):
        slot = getattr(template.slots, field.name)
        if slot is None or slot == ():
            continue
        if field.name in _SAME_AS and slot == getattr(template.slots, _SAME_AS[field.name]):
            continue
        text = slot if isinstance(slot, str) else write_slot(slot)
        yield field.name, " | ".join(map(visible, [text] if isinstance(text, str) else text))


_SAME_AS = {
    "opener_after_observation": "opener",
    "generation": "opener",
    "last": "body",
    "function": "body",
    "function_last": "function",
}


def settings(template: Template) -> Iterator[tuple[str, str]]:
    """The other settings of a template that do not have their default value."""
    for field in fields(template):
        value = getattr(template, field.name)
        if field.name not in _PLAIN and value not in (None, (), frozenset(), False, "", *_USUAL) and value != {}:
            if field.name == "default_system":
                value = write_text(value)
            yield field.name, _written(value)
    if template.thinking:
        yield from _thinking(template.thinking)
    if template.mm_plugin:
        yield "mm_plugin", _written(template.mm_plugin.name)
        if template.mm_plugin.inputs:
            yield "mm_plugin.inputs", _written(template.mm_plugin.inputs)


def _thinking(thinking: Thinking) -> Iterator[tuple[str, str]]:
    for field in fields(thinking):
        value = getattr(thinking, field.name)
        if value is not None and value != "" and (value is not False or field.name == "default"):
            yield f"thinking.{field.name}", _written(value)


def _written(value: Any) -> str:
    return visible(value) if isinstance(value, str) else visible(json.dumps(plain(value), ensure_ascii=False))


def _fidelity(verdicts: Mapping[str, Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    for engine, verdict in verdicts.items():
        if "counts" not in verdict:
            yield {"engine": cell(engine), "counts": None, "why": cell(f"{verdict['status']}: {verdict['reason']}")}
            continue
        reasons = [
            f"{reason} ({', '.join(names[:2])}{f' and {len(names) - 2} more' if len(names) > 2 else ''})"
            for status in ("differs", "unsupported")
            for reason, names in verdict["not exact"].get(status, {}).items()
        ]
        more = f"; {len(reasons) - 3} more" if len(reasons) > 3 else ""
        counts = [verdict["counts"].get(status, "") for status in STATUSES]
        yield {"engine": cell(engine), "counts": counts, "why": cell("; ".join(reasons[:3]) + more)}


def _files(template: Template, context: Context) -> Iterator[str]:
    for target, title in FILES.items():
        found = context.deployments.get(target, {}).get(template.name)
        if found and found.path:
            yield link(title, f"../../{found.path}")


def _commands(template: Template, registered: Mapping[str, str | None], context: Context) -> Iterator[str]:
    """The commands that use the files, to be run in the folder that contains ``deploy/``."""
    made = {target: found.get(template.name) for target, found in context.deployments.items()}
    paths = {target: deployment.path for target, deployment in made.items() if deployment}
    for engine, path in served_by(template, context.catalogue, paths):
        yield shlex.join(command(template, context.catalogue, engine, "MODEL", path))
    if name := registered.get("llamafactory"):
        once = (
            ", once llamafactory/ is registered"
            if "llamafactory" in added_templates(template, context.deployments)
            else ""
        )
        yield f"# LLaMA-Factory: template: {name}{once}"
    if name := registered.get("swift"):
        plugin = ["--external_plugins", "swift/register_all.py"]
        yield shlex.join(["swift", "sft", *plugin, "--model", "MODEL", "--template", name])


def _models(context: Context) -> dict[str, list[str]]:
    """Template -> its models, each as a link if it has an id on a hub."""
    found: dict[str, dict[str, None]] = {}
    for spec in context.catalogue.specs:
        for group in spec.models:
            for checkpoint in group.checkpoints:
                hub = checkpoint.ids.get("huggingface")
                shown = link(checkpoint.title, address("huggingface", hub)) if hub else cell(checkpoint.title)
                for framework in FRAMEWORKS:
                    if name := group.template_for(framework, checkpoint):
                        found.setdefault(name, {})[shown] = None
    return {name: list(models) for name, models in found.items()}
