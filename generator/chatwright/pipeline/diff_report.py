"""A comparison in words: for a terminal, as Markdown for a pull request, and as JSON for a machine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

from ..characters import is_seen, listing
from ..losses import lines
from ..meaning.visible import visible
from ..targets.markdown import cell
from ..targets.pages import fenced
from .compare import Change, Comparison, Entry, Files, Verdict, value_text

_MOST = 60_000  # characters; GitHub takes no comment of more than 65,536
_LINES = 40  # of one kind in a comment
_LONG = 240  # characters of a value that are shown
_LOSS = 700  # of a loss in a comment
_KINDS = (
    ("families", "family", "families"),
    ("templates", "template", "templates"),
    ("models", "model", "models"),
    ("model_types", "model type", "model types"),
)


def as_json(compared: Comparison) -> dict[str, Any]:
    """Everything, as plain data."""
    return asdict(compared)


def text_lines(compared: Comparison) -> Iterator[str]:
    """The comparison for a terminal; every character of a value is visible."""
    yield f"{compared.before} -> {compared.after}: {summary(compared)}"
    yield from lines(compared.losses)
    for key, _, several in _KINDS:
        entries: Sequence[Entry] = getattr(compared, key)
        if not entries:
            continue
        yield f"{several}: {_count_by_kind(entries)}"
        for entry in entries:
            yield f"  {entry.what:<8} {_titled(entry)}{f': {visible_words(entry.told)}' if entry.told else ''}"
            for change in entry.changes:
                yield f"    {change.name}: {' -> '.join(_shortened(change))}"
            yield from _prompt_lines(entry)
    if compared.pages:
        yield f"prompts that no spec changed: {len(compared.pages)}"
        for entry in compared.pages:
            yield f"  changed  {visible_words(entry.name)}"
            yield from _prompt_lines(entry)
    if compared.files:
        yield "files"
        for files in compared.files:
            yield f"  {files.target}: {_files_words(files)}"
            for name, reason in files.refused.items():
                yield f"    not for {files.target}: {name}: {visible_words(reason)}"
    if compared.fidelity:
        lost = sum(verdict.lost for verdict in compared.fidelity)
        yield f"fidelity: {lost} lost, {len(compared.fidelity) - lost} gained"
        yield from (f"  {what:<8} {template}: {told}" for what, template, told in _verdicts(compared.fidelity))
    for path in compared.unread:
        yield f"not compared: {path}: this generator cannot read it as it was"


def _prompt_lines(entry: Entry) -> Iterator[str]:
    if entry.prompt:
        yield f"    {_prompt_words(entry)}"
        yield from (f"      {line}" for line in entry.prompt.lines)


def markdown(compared: Comparison) -> str:
    """The comparison for a pull request; what a comment cannot hold is left out, and said so."""
    head = f"### What changes for the model\n\n{cell(summary(compared))}.\n\n"
    if compared.losses:
        lost = _first_lines(f"- **lost** {cell(_first_words(str(loss), _LOSS))}" for loss in compared.losses)
        head += f"#### Lost: {len(compared.losses)}\n\n" + "\n".join(lost) + "\n\n"
    tail = "".join(f"{block}\n\n" for block in _markdown_ends(compared))
    text = ""
    blocks = list(_markdown_entries(compared))
    for number, block in enumerate(blocks):
        if len(head) + len(text) + len(block) + len(tail) > _MOST:
            text += f"{len(blocks) - number} more parts are left out here; `chatwright diff` has them.\n\n"
            break
        text += f"{block}\n\n"
    return (head + text + tail).rstrip("\n") + "\n"


def _markdown_ends(compared: Comparison) -> Iterator[str]:
    """What stands behind the entries, and never grows so long that it is left out: files and fidelity."""
    if compared.files:
        lines = []
        for files in compared.files:
            lines.append(f"- **{cell(files.target)}**: {cell(_files_words(files))}")
            lines += _first_lines(
                f"  - not for {cell(files.target)}: {cell(_first_words(f'{name}: {reason}'))}"
                for name, reason in files.refused.items()
            )
        yield "#### Files\n\n" + "\n".join(lines)
    if compared.fidelity:
        told = (
            f"- {'**lost**' if what == 'lost' else what} {cell(template)}: {cell(words)}"
            for what, template, words in _verdicts(compared.fidelity)
        )
        yield "#### Fidelity\n\n" + "\n".join(_first_lines(told))
    if compared.unread:
        yield "Not compared, since this generator cannot read them as they were: " + cell(listing(compared.unread, 8))


def _first_lines(lines: Iterable[str]) -> list[str]:
    listed = list(lines)
    more = [f"- {len(listed) - _LINES} more"] if len(listed) > _LINES else []
    return listed[:_LINES] + more


def _first_words(text: str, most: int = _LONG) -> str:
    return text if len(text) <= most else f"{text[:most]}…"


def summary(compared: Comparison) -> str:
    """The comparison in one line."""
    if compared.same:
        return "nothing changed in what the specs mean"
    lost = len(compared.losses)
    found = [f"lost: {lost} of registrations, files and models"] if lost else []
    found += [_count_of(entries, one, several) for key, one, several in _KINDS if (entries := getattr(compared, key))]
    prompts = sum(entry.prompt is not None and entry.what == "changed" for entry in compared.templates)
    if prompts:
        found.append(f"prompts of {prompts} template{'s' * (prompts != 1)} differ")
    if compared.files:
        found.append(f"targets affected: {', '.join(files.target for files in compared.files)}")
    if compared.pages:
        found.append(f"prompts that no spec changed: {len(compared.pages)}")
    if lost := sum(verdict.lost for verdict in compared.fidelity):
        found.append(f"fidelity lost: {lost} verdict{'s' * (lost != 1)}")
    return "; ".join(found) or "see below"


def visible_words(text: str) -> str:
    """Words for a line: spaces stay, whatever else cannot be seen is shown."""
    return text if is_seen(text) else "".join(each if is_seen(each) else visible(each) for each in text)


def _markdown_entries(compared: Comparison) -> Iterator[str]:
    titles = {key: several.capitalize() for key, _, several in _KINDS} | {"pages": "Prompts that no spec changed"}
    for key, title in titles.items():
        entries: Sequence[Entry] = getattr(compared, key)
        listed: list[str] = []
        if entries:
            listed.append(f"#### {title}: {_count_by_kind(entries)}\n")
        for entry in entries:
            listed.append(f"- {entry.what} **{cell(entry.name)}** ({cell(entry.family)})" + _told(entry))
            for change in entry.changes:
                listed.append(f"  - {cell(f'{change.name}: ' + ' → '.join(_shortened(change)))}")
            if entry.prompt:
                listed.append(f"\n{cell(_prompt_words(entry))}\n\n{fenced(entry.prompt.lines, 'diff')}\n")
            if sum(map(len, listed)) > _MOST // 6:  # a block is kept or left out as a whole
                yield "\n".join(listed)
                listed = []
        if listed:
            yield "\n".join(listed)


def _verdicts(found: Sequence[Verdict]) -> Iterator[tuple[str, str, str]]:
    """Lost or gained, template, and what; those first that no engine has read as they are now."""
    unread: dict[str, list[str]] = {}
    for verdict in found:
        if verdict.after == "unverified":
            unread.setdefault(verdict.template, []).append(verdict.engine)
    for template, engines in unread.items():
        yield "lost", template, f"unverified on {', '.join(engines)} until `make conformance` has read the new file"
    for verdict in sorted(found, key=lambda verdict: not verdict.lost):
        if verdict.after != "unverified":
            what = "lost" if verdict.lost else "gained"
            yield what, verdict.template, f"{verdict.engine}: {verdict.before} -> {verdict.after}"


def _told(entry: Entry) -> str:
    return f": {cell(entry.told)}" if entry.told else ""


def _titled(entry: Entry) -> str:
    name = visible_words(entry.name)
    return name if entry.family == entry.name else f"{name} ({visible_words(entry.family)})"


def _prompt_words(entry: Entry) -> str:
    assert entry.prompt is not None
    if entry.what == "added":
        return f"its prompt, scenario {entry.prompt.scenario}:"
    return f"its texts differ in {entry.prompt.changed} of {entry.prompt.of} scenarios; {entry.prompt.scenario}:"


def _files_words(files: Files) -> str:
    listed = (("added", files.added), ("removed", files.removed), ("changed", files.changed))
    told = [f"{len(found)} {what} ({listing(found, 8)})" for what, found in listed if found]
    return "; ".join(told) or "no file more or less"


def _count_by_kind(entries: Sequence[Entry]) -> str:
    kinds = ("added", "removed", "renamed", "changed")
    counts = {kind: sum(entry.what == kind for entry in entries) for kind in kinds}
    return ", ".join(f"{count} {kind}" for kind, count in counts.items() if count)


def _count_of(entries: Sequence[Entry], one: str, several: str) -> str:
    return f"{one if len(entries) == 1 else several} {_count_by_kind(entries)}"


def _shortened(change: Change) -> tuple[str, str]:
    """Both values as far as a line can show them: long ones from a little before the place where they part."""
    before, after = (visible_words(value_text(value)) for value in (change.before, change.after))
    if len(before) <= _LONG and len(after) <= _LONG:
        return before, after
    alike = next((place for place, pair in enumerate(zip(before, after, strict=False)) if len(set(pair)) > 1), 0)
    start = max(0, alike - _LONG // 4)
    return _clipped(before, start), _clipped(after, start)


def _clipped(text: str, start: int) -> str:
    shown = text[start : start + _LONG]
    head, tail = "…" * (start > 0), "…" * (start + _LONG < len(text))
    return f"{head}{shown}{tail}" + (f" ({len(text)} characters)" if head or tail else "")
