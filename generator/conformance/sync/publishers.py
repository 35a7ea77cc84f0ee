"""``python -m conformance sync publishers``: whether the templates on the Hub are still those that are recorded.

A template is first known by its hash. One of another hash is rendered in the sandbox on every scenario, and held
against the recorded texts of the template that it is nearest to, with that one's tokens.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Literal

from chatwright.catalogue.model import Catalogue
from chatwright.errors import ChatwrightError, mistake_of_ours
from chatwright.inspection.verify.folder import TOOL_USE, ChatTemplates, by_name
from chatwright.meaning.sandbox import Refused, Workshop
from chatwright.meaning.scenarios import scenarios
from chatwright.records.publishers import Example

from ..comparison import example
from ..publisher_record import (
    Publisher,
    Record,
    WriteAll,
    own_publishers,
    request,
    sha256,
    without_bos,
    write_sandboxed,
)
from .hub import Fetch, Unread

Status = Literal["unchanged", "rewritten", "changed", "unread"]
TOLD: Mapping[Status, str] = {
    "unchanged": "unchanged",
    "rewritten": "the publisher changed its text, and it writes the same",
    "changed": "the publisher changed it",
    "unread": "could not be read",
}
_JINJA, _CONFIG, _PROCESSOR = "chat_template.jinja", "tokenizer_config.json", "chat_template.json"
_SHOWN = 8  # digits of a hash


@dataclass(frozen=True)
class Checked:
    """What became of one repository's template since it was recorded.

    ``templates`` are the catalogue's that it speaks for, ``recorded`` and ``now`` hashes, ``scenarios`` those that are
    written in another way, the first of them as ``example``; ``reason`` says why it could not be read, or what else
    there is to know.
    """

    repo: str
    status: Status
    templates: tuple[str, ...]
    recorded: tuple[str, ...]
    now: str | None = None
    scenarios: tuple[str, ...] = ()
    example: Example | None = None
    reason: str | None = None


def check(
    record: Record, catalogue: Catalogue, repos: Sequence[str], fetch: Fetch, progress: Callable[[str], None]
) -> list[Checked]:
    """Check recorded repositories, all of them where none is named, in the order of their names.

    Raises:
        KeyError: nothing is recorded of a repository that is named.
    """
    recorded: dict[str, list[Publisher]] = {}
    for publisher in record.publishers:
        recorded.setdefault(publisher.repo.casefold(), []).append(publisher)
    speaks_for: dict[str, list[str]] = {}
    for name, publishers in own_publishers(record.publishers, catalogue).items():
        for repo in {publisher.repo.casefold() for publisher in publishers}:
            speaks_for.setdefault(repo, []).append(name)
    found = []
    with Workshop() as workshop:
        write = partial(write_sandboxed, workshop)
        for repo in sorted({repo.casefold() for repo in repos} or recorded):
            known = recorded[repo]
            progress(f"reading {known[0].repo}")
            templates = tuple(speaks_for.get(repo, ()))
            try:
                found.append(_check(record, known, templates, fetch, write))
            except Exception as error:  # a mistake of ours, which costs no other repository its answer
                hashes = tuple(publisher.sha256 for publisher in known)
                found.append(Checked(known[0].repo, "unread", templates, hashes, reason=mistake_of_ours(error)))
    return found


def _check(
    record: Record, known: Sequence[Publisher], templates: tuple[str, ...], fetch: Fetch, write: WriteAll
) -> Checked:
    repo, hashes = known[0].repo, tuple(publisher.sha256 for publisher in known)
    try:
        sources = _sources(repo, fetch)
    except ChatwrightError as error:
        return Checked(repo, "unread", templates, hashes, reason=str(error))
    plain = sources.get("default") or next(iter(sources.values()))
    checked = _compare(record, known, templates, plain, write)
    tools = sources.get(TOOL_USE)
    if tools is None or checked.status not in ("unchanged", "rewritten") or sha256(tools) in hashes:
        return checked
    others = [publisher for publisher in known if publisher.sha256 != sha256(plain)]
    if others:
        return _compare(record, others, templates, tools, write)
    return Checked(
        repo, checked.status, templates, hashes, checked.now, reason="its template for requests with tools is new"
    )


def _compare(
    record: Record, known: Sequence[Publisher], templates: tuple[str, ...], source: str, write: WriteAll
) -> Checked:
    """Hold the text of a template against what is recorded of its repository's."""
    repo, hashes, now = known[0].repo, tuple(publisher.sha256 for publisher in known), sha256(source)
    if now in hashes:
        return Checked(repo, "unchanged", templates, hashes, now)
    nearest: dict[str, Example] | None = None
    for publisher in known:
        found = _differing(record, publisher, source, write)
        if nearest is None or len(found) < len(nearest):
            nearest = found
    if not nearest:
        return Checked(repo, "rewritten", templates, hashes, now)
    return Checked(repo, "changed", templates, hashes, now, tuple(nearest), next(iter(nearest.values())))


def _differing(record: Record, publisher: Publisher, source: str, write: WriteAll) -> dict[str, Example]:
    """The scenarios that a template writes in another way than is recorded, each with its place."""
    asked = [request(scenario, publisher.bos, publisher.eos) for scenario in scenarios().values()]
    found = {}
    for name, text in zip(scenarios(), write(source, asked), strict=True):
        before = record.text(publisher, name)
        if isinstance(text, Refused) or isinstance(before, Refused):
            if isinstance(text, Refused) != isinstance(before, Refused):
                found[name] = Example(name, "", _start(before), _start(text))
        elif (now := without_bos(text, publisher.bos)) != before:
            found[name] = example(name, before, now)
    return found


def _start(text: str | Refused) -> str:
    return f"(raises: {text.reason})" if isinstance(text, Refused) else example("", text, "").publisher


def _sources(repo: str, fetch: Fetch) -> Mapping[str, str]:
    """The repository's templates by name, as transformers chooses their file.

    Raises:
        ChatwrightError: there are none, or they cannot be read.
    """
    if (text := fetch(repo, _JINJA)) is not None:
        return ChatTemplates(_JINJA, {"default": _text(_JINJA, text)}).by_name
    for file in (_PROCESSOR, _CONFIG):
        if (text := fetch(repo, file)) is not None:
            data = _json(file, text)
            if isinstance(data, Mapping) and data.get("chat_template") is not None:
                return ChatTemplates(file, by_name(file, data["chat_template"])).by_name
    raise Unread("the repository has no chat template")


def _json(file: str, content: bytes) -> Any:
    try:
        return json.loads(_text(file, content))
    except (ValueError, RecursionError) as error:
        raise Unread(f"{file} is not JSON: {error}") from error


def _text(file: str, content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Unread(f"{file} is not UTF-8 text") from error


def to_do(found: Sequence[Checked]) -> bool:
    """Whether somebody must look: a template writes something else, or could not be read."""
    return any(each.status in ("changed", "unread") for each in found)


def lines(found: Sequence[Checked]) -> Iterator[str]:
    """What was found, repository by repository; those that are unchanged are counted."""
    for each in found:
        if each.status == "unchanged" and not each.reason:
            continue
        reason = f": {each.reason}" if each.reason else ""
        yield f"{each.repo}: {TOLD[each.status]}{reason}"
        if each.now and each.status != "unchanged":
            before = ", ".join(digest[:_SHOWN] for digest in each.recorded)
            yield f"  recorded {before}, now {each.now[:_SHOWN]}; {', '.join(each.templates)}"
        if each.example:
            yield f"  {len(each.scenarios)} of {len(scenarios())} scenarios: {', '.join(each.scenarios)}"
            yield f"  {each.example.scenario}: {each.example.before}"
            yield f"    recorded  {each.example.publisher}"
            yield f"    now       {each.example.ours}"
    counts = {told: sum(each.status == status for each in found) for status, told in TOLD.items()}
    yield "; ".join(f"{count} {told}" for told, count in counts.items() if count)


def as_json(found: Sequence[Checked]) -> dict[str, Any]:
    """The same as plain data; in an example ``recorded`` stands beside ``now``."""
    out = []
    for each in found:
        data = asdict(each)
        if each.example:
            data["example"]["recorded"] = data["example"].pop("publisher")
            data["example"]["now"] = data["example"].pop("ours")
        out.append(data)
    return {"repositories": out}
