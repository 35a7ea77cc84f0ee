"""A writer of Jinja: statements, blocks, and slots as expressions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ...catalogue.model import Part, Slot, Template, Trim
from ...errors import Refusals
from ...meaning.conditions import Cases, Condition, Fact, Name, Not, Some
from ...meaning.jinja import literal
from ...meaning.reply import plan_reply
from ...meaning.tool_formats import format_of
from ..blocks import BlockWriter
from ..places import holding


class JinjaWriter(BlockWriter):
    """Writes the Jinja of one template. Every tag trims the white space around it, so the layout is free.

    Three statements are added to Jinja's: ``print`` with an expression, ``refuse`` with a message that ends the
    rendering, and the block ``unless``.
    """

    def __init__(self, template: Template, *, marks: bool) -> None:
        super().__init__()
        self.template, self.marks = template, marks
        self.slots, self.thinking = template.slots, template.thinking
        self.tools = format_of(template)
        self.plan = plan_reply(template)
        self.refusals = Refusals()

    def statement(self, statement: str) -> None:
        """Write one tag."""
        if statement.startswith("print "):
            self.line(f"{{{{- {statement[6:]} -}}}}")
        elif statement.startswith("refuse "):
            self.line(f"{{{{- raise_exception({literal(statement[7:])}) -}}}}")
        else:
            self.line(f"{{%- {statement} -%}}")

    def open(self, head: str) -> str:
        """Begin a block."""
        return super().open(f"if not ({head[7:]})" if head.startswith("unless ") else head)

    def end_of(self, word: str) -> str:
        """The tag that ends a block."""
        return f"end{word}"

    def refuse(self, reason: str) -> None:
        """Keep a reason why Jinja cannot express the template; the output is then discarded."""
        self.refusals.reasons.append(reason)

    def print_slot(self, slot: Slot, content: str = "''") -> None:
        """Print a slot with an expression as its content."""
        if slot:
            self.statement(f"print {self.expression(slot, content)}")

    def print_text(self, text: str) -> None:
        """Print a text, which may be empty."""
        if text:
            self.statement(f"print {literal(text)}")

    def print_either(self, condition: str, yes: str, no: str) -> None:
        """Print one text or the other."""
        if yes == no or not (yes or no):
            self.print_text(yes)
        elif not yes:
            self.print_either(f"not {condition}", no, yes)
        else:
            for text in self.branches([(condition, yes), *([("", no)] if no else [])]):
                self.print_text(text)

    def expression(self, slot: Slot, content: str = "''") -> str:
        """A slot as an expression; ``content`` is the expression of its content."""
        return " ~ ".join(text for part in slot if (text := self._part(part, content)) is not None) or "''"

    def _part(self, part: Part, content: str) -> str | None:
        if part.kind in ("id", "attribute"):
            places = holding(self.slots, part.kind)
            self.refuse(f"{places}: the format has a token whose text only the tokenizer knows")
        if part.kind in ("bos", "eos"):
            return f"({part.kind}_token or '')"
        if part.kind == "date":
            return f"strftime_now({literal(part.value)})"
        if part.kind == "field":
            return {"idx": "state.round", "round": "(state.round + 1)"}.get(part.value, content)
        return literal(part.value) if part.kind in ("text", "token") else None


def trimmed(expression: str, how: Trim) -> str:
    """A trimmed expression; newlines are trimmed by a macro."""
    if how == "both":
        return f"{expression}|trim"
    return expression if how == "none" else f"without_{how}({expression})"


def listed(texts: Iterable[str]) -> str:
    """A Jinja list of texts."""
    return f"[{', '.join(map(literal, texts))}]"


def condition(of: Condition, facts: Mapping[Name, str], *, inner: bool = False) -> str:
    """A condition as an expression; ``facts`` has the expression of each fact."""
    if isinstance(of, Fact):
        return facts[of.name]
    if isinstance(of, Not):
        return f"not {condition(of.of, facts, inner=True)}"
    text = (" or " if isinstance(of, Some) else " and ").join(condition(each, facts, inner=True) for each in of.of)
    return f"({text})" if inner else text


def one_of(cases: Cases[str], facts: Mapping[Name, str]) -> str:
    """An expression for the text of the first case that holds."""
    (when, text), *rest = cases
    if when is True:
        return literal(text)
    return f"{literal(text)} if {condition(when, facts)} else {one_of(tuple(rest), facts)}"
