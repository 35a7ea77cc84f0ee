"""The override ledger: what the specs say for one framework only, counted by kind, and how many there may be.

The ceilings are a ratchet: a file of counts by kind that a test compares with the specs. :func:`lowered` only lets
them fall; raising one is a person's edit of that file. The second thing that is not canonical is counted here too:
openers that stand in the slot of another role.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

import yaml

from chatwright.catalogue.model import Catalogue, Override, Part, Slot, Slots, Template
from chatwright.catalogue.slots import split_content
from chatwright.errors import Unsupported
from chatwright.pipeline.writer import read_text
from chatwright.records.frameworks import built_ins
from chatwright.targets import swift

_MARK = re.compile(r"<[^<>]*>|\[[^\[\]]*\]|\{\{[^{}]*\}\}|\w+|\S")
CEILINGS = Path(__file__).resolve().parents[2] / "tests" / "conformance" / "overrides.yaml"
NOT_REGISTERED = "no spec registers it"
_HEAD = """\
# How many overrides of each kind the specs may hold; `python -m conformance overrides` lists them. A count may only
# fall, which `python -m conformance overrides --lower` writes; a larger one is written by hand, with its reason in the
# commit.
"""


def overrides(catalogue: Catalogue) -> dict[str, list[Override]]:
    """Every override as it is written, by kind, sorted by kind and place."""
    found: dict[str, list[Override]] = {}
    for override in sorted(
        (item for spec in catalogue.specs for item in spec.overrides), key=lambda item: item.location
    ):
        found.setdefault(override.kind, []).append(override)
    return dict(sorted(found.items()))


def counts(catalogue: Catalogue) -> dict[str, int]:
    """How many overrides of each kind there are, sorted by kind."""
    return {kind: len(found) for kind, found in overrides(catalogue).items()}


def load_ceilings(file: Path) -> dict[str, int]:
    """The recorded counts by kind; none where there is no file."""
    return dict(yaml.safe_load(read_text(file) or "") or {})


def lowered(ceilings: Mapping[str, int], found: Mapping[str, int]) -> dict[str, int]:
    """The ceilings, each no higher than what was found, and none where nothing was."""
    return {kind: min(ceiling, found[kind]) for kind, ceiling in sorted(ceilings.items()) if found.get(kind)}


def dump_ceilings(ceilings: Mapping[str, int]) -> str:
    """The text of the file of ceilings."""
    return _HEAD + "".join(f"{kind}: {ceiling}\n" for kind, ceiling in ceilings.items())


def derived(catalogue: Catalogue) -> tuple[list[str], dict[str, str]]:
    """Of ms-swift's templates whose Python class changes no text: those derived from slots, and why the others are not.

    A template is derived if it is registered, its text lies in its slots alone, and no override says a text. Both are
    sorted by ms-swift's name.
    """
    ours = {template.registered["swift"]: template for template in catalogue.templates.values()}
    names, others = [], {}
    theirs = built_ins().get("swift")
    for name in sorted(theirs.templates - theirs.text_in_code) if theirs else ():
        reason = _not_derived(ours[name]) if name in ours else NOT_REGISTERED
        if reason is None:
            names.append(name)
        else:
            others[name] = reason
    return names, others


def _not_derived(template: Template) -> str | None:
    texts = [key for key in swift.TEXT_OVERRIDES if key in template.targets.get("swift", {})]
    if texts:
        return f"overrides {', '.join(texts)}"
    if template.undescribed:
        return f"its slots do not say {template.undescribed}"
    try:
        swift.template_arguments(template)
    except Unsupported as reason:
        return str(reason)
    return None


@dataclass(frozen=True, order=True)
class ForeignOpener:
    """The opener of a role (``user`` or ``system``) in a template's slot that belongs to another."""

    template: str
    slot: str
    role: str


def foreign_openers(catalogue: Catalogue) -> list[ForeignOpener]:
    """Every user or system opener that stands in another role's slot, sorted.

    The opener of a role is what stands before the content of its slot, without the space around it. It is no mark of
    the role where nothing is left of it, or where the assistant's opener begins with it: the roles then share it.
    A turn that begins with the whole head of another role's slot is written as that role's turn, which is the format's
    own way and not counted: a system turn or an observation as a user's turn, what stands without a system message as a
    system turn. A system text that goes into a user's turn is no turn, so it must not begin so. Where the user's slot
    has no opener, the one that stands elsewhere is what both the prefix and a reply end with.
    """
    found: list[ForeignOpener] = []
    for template in catalogue.templates.values():
        texts = {field.name: _text(getattr(template.slots, field.name)) for field in fields(Slots)}
        texts["result_separator"] = template.result_separator
        if texts["function_last"] in (texts["function"], texts["last"]):
            del texts["function_last"]  # what another slot says already
        found += [ForeignOpener(template.name, slot, "user") for slot in _moved(texts, template)]
        for role in ("user", "system"):
            if Part("field", "content") not in getattr(template.slots, role):
                continue
            head = _text(split_content(getattr(template.slots, role))[0])
            opener = head.strip()
            if not opener or any(texts[slot].startswith(opener) for slot in ("opener", "generation") if texts[slot]):
                continue
            others = {slot: text for slot, text in texts.items() if slot != role}
            for slot, start in _written_as(template, role, head):
                others[slot] = others[slot].removeprefix(start)
            if texts["observation"].startswith(head):
                del others["observation"], others["result_separator"]
            found += [ForeignOpener(template.name, slot, role) for slot, text in others.items() if opener in text]
    return sorted(set(found))


def _moved(texts: Mapping[str, str], template: Template) -> list[str]:
    """The slots whose common end opens a user's turn that has no opener of its own."""
    if _text(split_content(template.slots.user)[0]).strip():
        return []
    starts = [slot for slot in ("prefix", "no_system") if _last_mark(texts[slot])]
    return [
        slot
        for start in starts
        for end in ("body", "last")
        if _last_mark(texts[end]) == _last_mark(texts[start])
        for slot in (start, end)
    ]


def _last_mark(text: str) -> str:
    """The mark, word or sign that a text ends with, without the space behind it."""
    marks = _MARK.findall(text)
    return marks[-1] if marks else ""


def _written_as(template: Template, role: str, head: str) -> list[tuple[str, str]]:
    """The slots that may be a turn of another role, and the head of that role with which they then begin."""
    if role == "system":
        return [("user", head), ("no_system", head.strip())]  # behind the head of no content stands no space either
    return [("system", head), ("no_system", head)] if template.system_placement == "turn" else []


def _text(slot: Slot | str | None) -> str:
    """The text of a slot with its placeholders in braces; the boundaries between pieces left out."""
    if slot is None or isinstance(slot, str):
        return slot or ""
    return "".join(
        (
            part.value
            if part.kind in ("text", "token")
            else "" if part.kind == "break" else f"{{{{{part.kind}:{part.value}}}}}"
        )
        for part in slot
    )
