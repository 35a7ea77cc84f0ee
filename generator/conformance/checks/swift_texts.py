"""Texts of ms-swift, asked for and compared: by what this module imports alone, an answer that is recorded is made.

So it imports little: see :mod:`..asked`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from chatwright.catalogue.model import Template
from chatwright.errors import Unsupported
from chatwright.meaning.render import Kind
from chatwright.meaning.runs import BOS, EOS, TODAY, Run, normal, piece_runs
from chatwright.meaning.scenarios import Scenario, scenarios

from ..engines.swift import THOUGHT_WORDS, Rendered, Request, Swift
from ..fuzz import tool_scenarios
from ..vectors import turns_digest
from .attempts import Refusal, attempt, difference

KINDS = (Kind.PROMPT, Kind.TRAINING)  # of random conversations
CASES = 300  # random conversations
_SHOWN = 3  # how many differences of a tool format
Answer = Rendered | Unsupported
Texts = dict[str, dict[Kind, "tuple[Run, ...] | str"]]  # by scenario; the reason where there is none


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


def added_by_tokenizer(template: Template) -> str:
    """What the publisher's tokenizer puts in front of a text, where ms-swift leaves the prefix to it."""
    own = template.targets.get("swift", {})
    if own.get("auto_add_bos") != "instead":
        return ""
    return "".join(BOS if part.kind == "bos" else part.value for part in template.slots.prefix)


def runs_of(answer: Answer) -> tuple[Run, ...] | None:
    """The runs of a text, None where there is none."""
    return None if isinstance(answer, Unsupported) else normal(answer.runs)


def requests(template: Template, name: str) -> list[Request]:
    """The requests for every text of a template."""
    return [request_of(template, name, scenario, kind) for scenario in scenarios().values() for kind in Kind]


def answers(asked: Sequence[Request], *workers: Swift) -> Iterator[tuple[Any, ...]]:
    """Each request with what each worker makes of it, side by side: every worker is a process of its own."""
    with ThreadPoolExecutor() as pool:
        return zip(asked, *pool.map(lambda swift: swift.render(asked), workers), strict=True)


def same(one: Answer, other: Answer) -> bool:
    """Whether two answers are equal, or both refusals."""
    if isinstance(one, Unsupported) or isinstance(other, Unsupported):
        return isinstance(one, Unsupported) and isinstance(other, Unsupported)
    return one == other


def compared(template: Template, name: str, theirs: Swift, ours: Swift) -> tuple[Texts, dict[str, str]]:
    """What the built-in of that name writes, and in which scenarios the generated registration differs, and how."""
    texts: Texts = {}
    wrong: dict[str, str] = {}
    for request, there, here in answers(requests(template, name), theirs, ours):
        scenario, kind = request.scenario.name, request.kind
        if not same(there, here):
            wrong[scenario] = f"{kind.value}: ms-swift writes {there}, the generated registration {here}"
        texts.setdefault(scenario, {})[kind] = runs_of(there) or str(there)
    return texts, wrong


def compared_versions(
    templates: Mapping[str, Template], new: Swift, old: Swift, own: Swift
) -> dict[str, dict[str, dict[str, int]]]:
    """How ms-swift 3.12 and 4.x write the texts of the same registrations, counted by cause, for each name.

    ``own`` is a 3.12 that has its own templates. A difference without a known cause is counted under ``wrong``, by what
    is wrong.
    """
    fields, known = new.registries["templates"], own.registries["templates"]
    found: dict[str, dict[str, dict[str, int]]] = {}
    for name, template in templates.items():
        causes: Counter[str] = Counter()
        unknown = []
        for request, one, other in answers(requests(template, name), new, old):
            if same(one, other):
                causes["equal"] += not isinstance(one, Unsupported)
            elif (cause := version_cause(request, fields[name])) is None:
                unknown.append((request, one, other))
            else:
                causes[cause] += 1
        wrong: Counter[str] = Counter()
        built_in = own.render([request for request, _, _ in unknown]) if name in known else [None] * len(unknown)
        for (request, one, other), upstream in zip(unknown, built_in, strict=True):
            if upstream is not None and same(other, upstream):
                causes["3.12's own template of that name writes the same as ours, 4.x another text"] += 1
            else:
                where = f"{name}, {request.scenario.name}, {request.kind.value}"
                wrong[f"{where}: {old.version} writes {other}, {new.version} {one}"] += 1
        found[name] = {"causes": dict(causes), "wrong": dict(wrong)}
    return found


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


def compared_turns(template: Template, name: str, swift: Swift) -> tuple[list[str], dict[str, Any]]:
    """Random conversations with tools, as ms-swift's template and the reference renderer write them.

    Returns the digests of what ms-swift writes, and how many texts differ (``count``, the first ones ``differing``) or
    are ``refused`` by both.
    """
    cases = list(tool_scenarios(CASES))
    texts = iter(swift.render([request_of(template, name, case, kind) for case in cases for kind in KINDS]))
    digests, differing, refused = [], [], 0
    for case in cases:
        theirs = [runs_of(next(texts)) for _ in KINDS]
        digests.append(turns_digest(theirs))
        for kind, ours, due in zip(KINDS, reference_turns(template, case), theirs, strict=True):
            refused += ours is due is None
            if ours != due:
                differing.append(f"{case.name}, {kind.value}: {_told(ours, due)}")
    return digests, {"count": len(differing), "differing": differing[:_SHOWN], "refused": refused}


def reference_turns(template: Template, case: Scenario) -> list[tuple[Run, ...] | None]:
    """What the reference renderer writes of a conversation, in each of the kinds; None where it refuses."""
    found = [attempt(case.pieces, template, kind, TODAY) for kind in KINDS]
    return [None if isinstance(pieces, Refusal) else piece_runs(pieces, EOS) for pieces in found]


def _told(ours: Sequence[Run] | None, theirs: Sequence[Run] | None) -> str:
    if ours is None or theirs is None:
        return "refused by us alone" if ours is None else "refused by ms-swift alone"
    got, due = ("".join(text for text, _ in runs) for runs in (ours, theirs))
    return "the mask differs" if got == due else difference(got, due)


def changing(names: Sequence[str], swift: Swift) -> dict[str, str]:
    """Whether the Python class of each template ``changes`` the text that ms-swift's plain class writes.

    Or refuses it; ``unread`` where the class writes nothing here, ``same`` otherwise.
    """
    found = {}
    for name in names:
        asked = [(scenario, kind) for scenario in scenarios().values() for kind in Kind]
        own = swift.render([Request(name, scenario, kind) for scenario, kind in asked])
        plain = swift.render([Request(name, scenario, kind, plain=True) for scenario, kind in asked])
        if all(isinstance(text, Unsupported) for text in own):
            found[name] = "unread"
        else:
            differ = any(_text(one) != _text(other) for one, other in zip(own, plain, strict=True))
            found[name] = "changes" if differ else "same"
    return found


def _text(answer: Answer) -> str | None:
    return None if isinstance(answer, Unsupported) else answer.text
