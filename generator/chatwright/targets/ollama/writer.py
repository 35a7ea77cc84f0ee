"""The writer of a TEMPLATE: slots, tokens, tools and trimming."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

from ...catalogue.model import PartKind, Slot, Spec, SystemMark, Template, Trim
from ...errors import Refusals, Unsupported
from ...meaning.conditions import All, Cases, Condition, Fact, Name, Not, possible
from ...meaning.reply import plan_reply
from ...meaning.tool_formats import format_of, needs_objects
from ..go_template import Go, Text, write_calls, write_tools
from ..go_text import NEWLINE, WHITE_SPACE, Action, GoWriter, Piece, Pieces, at_edge, go_date, go_literal, sides
from ..literal import begins_with_bos, token_text
from ..places import SLOTS, holding
from .refusals import refusals_of_tools

GIVEN = Go("$.System", Text())  # the system text of the conversation
CALLS = "if .ToolCalls"  # the condition where Ollama finds the text that calls begin with
_OF_TOOLS = (
    "system_with_tools",
    "before_calls",
    "opener_after_observation",
    "function",
    "function_last",
    "observation",
)
_TRIMS: tuple[Trim, ...] = ("leading_newlines", "newlines", "both")


class OllamaWriter(GoWriter):
    """Writes a template's TEMPLATE."""

    def __init__(self, spec: Spec, template: Template) -> None:
        super().__init__()
        self.template, self.slots, self.thinking = template, template.slots, template.thinking
        self.plan = plan_reply(template)
        self.bos, self.eos = token_text(spec, "bos_token"), token_text(spec, "eos_token")
        self.tools = format_of(template)
        self.without_tools: str | None = None  # why the template's tool format cannot be written
        self.sorted: set[str] = set()  # objects that lose their order, see go_template.scope.Written
        self.refusals = Refusals()
        if self.tools:
            refusals = Refusals(refusals_of_tools(template, self.tools))
            with refusals.collect():
                self.sorted |= write_tools(self.tools, GoWriter(), system=GIVEN, user=Go("$user", Text())).sorted
            with refusals.collect():
                self.sorted |= write_calls(self.tools, GoWriter()).sorted
            if refusals.reasons:
                self.tools, self.without_tools = None, "; ".join(dict.fromkeys(refusals.reasons))

    def reads_calls(self) -> Literal["any", "one"] | None:
        """Which calls Ollama finds in replies: any number, only a single call, or none. The text must be written."""
        if self.tools is None or needs_objects(self.tools):
            return None
        start = [line.strip() for line in self.lines].index(f"{{{{- {CALLS} -}}}}") + 1
        while self.lines[start].lstrip().startswith(("{{- if ", "{{- range ")):
            start += 1
        text = self.lines[start].split("{{")[0].strip()
        if not text:
            return None
        return "one" if self.tools.single and not text.split("{")[0] else "any"

    def refuse_part(self, kind: PartKind, reason: str) -> None:
        """Keep a reason about the parts of a kind, with their places in the spec."""
        names = [name for name in SLOTS if self.tools or name not in _OF_TOOLS]
        if kind == "bos" and begins_with_bos(self.slots.prefix, self.bos):
            names.remove("prefix")  # the runner adds this BOS
        places = [holding(self.slots, kind, names)]
        if any(part.kind == kind for part in self.template.default_system or ()):
            places.append("default_system")
        self.refusals.reasons.append(f"{', '.join(filter(None, places))}: {reason}")

    # -- thinking ------------------------------------------------------------------------------------------------------

    @property
    def mark(self) -> SystemMark | None:
        """The mark on thinking in the system text."""
        return self.thinking.system_mark if self.thinking else None

    @property
    def thinks_not(self) -> str:
        """A Go condition: thinking is off. A request that does not set it has the default mode."""
        return "and $.IsThinkSet (not $.Think)" if self.thinking and self.thinking.default else "not $.Think"

    def modes(self, mark: SystemMark) -> Iterator[str]:
        """The mark of each mode, each in its block."""
        return self.branches([(self.thinks_not, mark.off), ("", mark.on)])

    # -- slots ---------------------------------------------------------------------------------------------------------

    def put_slot(self, slot: Slot) -> None:
        """Add a slot to the line of output."""
        self.put(self.fill(slot))

    def fill(self, slot: Slot, content: Pieces = ()) -> list[Piece]:
        """The pieces of a slot with this content."""
        return [piece for part in slot for piece in self._part(part.kind, part.value, content)]

    def _part(self, kind: PartKind, value: str, content: Pieces) -> Pieces:
        match kind, value:
            case "text" | "token", _:
                return [value]
            case "field", "idx":
                return [Action("len $rounds")]
            case "field", "round":
                return [Action('len (printf "%s." $rounds)')]
            case "field", _:
                return content
            case "bos" | "eos", _:
                return [self.token("bos" if kind == "bos" else "eos")]
            case "id" | "attribute", _:
                self.refuse_part(kind, "the format has a token whose text only the tokenizer knows")
            case "date", _:
                try:
                    return go_date(value)
                except Unsupported as error:
                    self.refuse_part("date", str(error))
        return ()

    def token(self, name: Literal["bos", "eos"]) -> str:
        """The text of the tokenizer's own token, which the spec must give."""
        text = self.bos if name == "bos" else self.eos
        if text is None:
            self.refuse_part(
                name,
                f"the format writes the tokenizer's own {name.upper()} inside the prompt, a Go template cannot ask for "
                f"it, and the spec does not tell its text (serving.tokens.{name}_token)",
            )
        return text or ""

    def choose_slot(self, cases: Cases[Slot], facts: dict[Name, str]) -> None:
        """Write the slot of the first case that holds."""
        known: dict[Name, bool] = {} if self.tools else {"alone": False, "after_results": False}
        found = possible(cases, known)
        self.choose([("" if when is True else go_condition(when, facts), self.fill(slot)) for when, slot in found])

    @property
    def counts_rounds(self) -> bool:
        """Whether turns contain their numbers."""
        slots = (self.slots.user, self.slots.observation if self.tools else ())
        return any(part.kind == "field" and part.value in ("idx", "round") for slot in slots for part in slot)

    # -- trimming ------------------------------------------------------------------------------------------------------

    def trimmed(self, value: str, how: Trim) -> Action:
        """The text of a value, trimmed."""
        return Action(value if how == "none" else f"template {go_literal(how)} {value}")

    def write_trimmers(self) -> None:
        """Define Go templates that trim texts. Go has no function for it, so each calls itself with a shorter text."""
        trims = self.template.trim
        used = {how for role, how in trims.items() if self.tools or role != "observation"}
        for how in _TRIMS:
            if how in used:
                edges = sides(how)
                names = [how, f"{how}_end"][: len(edges)]
                after = [f"template {go_literal(name)} ." for name in names[1:]] + ["."]
                for name, (edge, rest), then in zip(names, edges, after, strict=True):
                    self._write_trimmer(name, WHITE_SPACE if how == "both" else NEWLINE, edge, rest, then)

    def _write_trimmer(self, name: str, white: Sequence[Sequence[str]], edge: str, rest: str, then: str) -> None:
        cases = [
            (at_edge(".", edge, length, some), f"template {go_literal(name)} ({rest.format('.', length)})")
            for length, some in enumerate(white, start=1)
        ]
        with self.block(f"define {go_literal(name)}"):
            self.choose([(found, [Action(action)]) for found, action in [*cases, ("", then)]])


def go_condition(of: Condition, facts: dict[Name, str], *, opposite: bool = False) -> str:
    """A condition in Go, or its negation with ``opposite``; ``facts`` has the Go condition of each fact."""
    if isinstance(of, Fact):
        return facts[of.name]
    if isinstance(of, Not):
        return go_condition(of.of, facts, opposite=not opposite)
    parts = sorted((go_condition(part, facts, opposite=opposite) for part in of.of), key=lambda part: " " in part)
    if len(parts) == 1:
        return parts[0]
    operands = [f"({part})" if " " in part else part for part in parts]
    return " ".join(["and" if isinstance(of, All) is not opposite else "or", *operands])
