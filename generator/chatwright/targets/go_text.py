"""Write Go ``text/template`` sources that any Ollama Modelfile can hold unchanged.

Each statement has its own line and trims the white space around it (``{{- if … -}}``). Lines of output come between
statements; white space that a neighbouring statement would trim is written as a string literal.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from operator import itemgetter

from ..catalogue.model import Trim
from ..errors import Unsupported
from .blocks import BlockWriter

NOT_FOUND = "Ollama finds thoughts by plain texts around them; these words need escapes"
_DELIMITERS = re.compile(r'\{\{+|"""+')
_ISO_DATE = "%Y-%m-%d"  # the format of Ollama's currentDate
_DIRECTIVES = re.compile(f"({_ISO_DATE}|%.)", re.DOTALL)
_DATE_FIELDS = {"%Y": (0, 4), "%y": (2, 4), "%m": (5, 7), "%d": (8, 10)}  # their places in YYYY-MM-DD
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
NEWLINE = (("\n",),)
WHITE_SPACE = tuple(  # the characters that Python's str.strip removes, by length in UTF-8
    tuple(chr(code) for code in range(0x3001) if chr(code).isspace() and len(chr(code).encode()) == length)
    for length in (1, 2, 3)
)


@dataclass(frozen=True)
class Action:
    """A Go action inside a line of output."""

    action: str

    def __str__(self) -> str:
        return f"{{{{ {self.action} }}}}"


@dataclass(frozen=True)
class Inline:
    """Actions and texts inside a line of output, written unchanged."""

    source: str

    def __str__(self) -> str:
        return self.source


@dataclass(frozen=True)
class Thought:
    """A thought between its words, all on one line, so that Ollama finds it."""

    condition: str
    words: tuple[str, str]

    @property
    def is_found(self) -> bool:
        """Whether Ollama finds the thought between its words."""
        return all(word.strip() and _is_raw(word) for word in self.words)

    def __str__(self) -> str:
        if not self.is_found:
            raise Unsupported(NOT_FOUND)
        return f"{{{{ if {self.condition} }}}}{self.words[0]}{{{{ .Thinking }}}}{self.words[1]}{{{{ end }}}}"


@dataclass(frozen=True)
class Block:
    """Statements in the middle of an output."""

    write: Callable[[], None]


Piece = str | Action | Inline | Thought | Block
Pieces = Sequence[Piece]


class GoWriter(BlockWriter):
    """Writes one statement per line, which trims the white space around it, and lines of output between statements."""

    OTHERWISE = "else if"

    def __init__(self) -> None:
        super().__init__()
        self.definitions: list[str] = []  # definitions of templates that the text calls; they come first
        self.pending: list[Piece] = []

    def source(self) -> str:
        """The whole source."""
        self._flush()
        return "\n".join([*self.definitions, *self.lines])

    def wrote(self) -> bool:
        """Whether anything was written."""
        self._flush()
        return bool(self.lines)

    def put(self, output: Pieces) -> None:
        """Add pieces to the current line of output; the next statement ends the line."""
        for piece in output:
            if isinstance(piece, Block):
                piece.write()
            elif piece:
                self.pending.append(piece)

    def statement(self, statement: str) -> None:
        """Write one action."""
        self._flush()
        self.line(f"{{{{- {statement} -}}}}")

    def end_of(self, word: str) -> str:
        """The action that ends a block."""
        return "end"

    def choose(self, cases: Sequence[tuple[str, Pieces]]) -> None:
        """Write the output of the first case whose condition holds; an empty condition always does."""
        while cases and not any(cases[-1]):
            cases = cases[:-1]
        if any(output for _, output in cases):
            for output in self.branches(cases):
                self.put(output)

    def refuse(self, reason: str) -> None:
        """Write a statement that ends the rendering with this error."""
        self.statement(f"call {go_literal(reason)}")

    def trim(self, variable: str, how: Trim = "both") -> None:
        """Write statements that trim a variable's text, as the reference renderer does."""
        for edge, rest in sides(how):
            cases = [
                (at_edge(variable, edge, length, characters), f"{variable} = {rest.format(variable, length)}")
                for length, characters in enumerate(WHITE_SPACE if how == "both" else NEWLINE, start=1)
            ]
            with self.block(f"range len {variable}"):
                for statement in self.branches([*cases, ("", "break")]):
                    self.statement(statement)

    def find(self, text: str, word: str, *then: str) -> None:
        """Write a search for the first place of a word in a text; ``$at`` is the byte offset in the ``then`` part."""
        length = len(word.encode())
        rest = f"slice {text} $at"
        found = f"and (ge (len ({rest})) {length}) (eq (slice ({rest}) 0 {length}) {go_literal(word)})"
        with self.block(f"range $at := len {text}"), self.block(f"if {found}"):
            for statement in (*then, "break"):
                self.statement(statement)

    def remove_between(self, variable: str, words: tuple[str, str]) -> None:
        """Write statements that remove two words and everything between them from a variable's text."""
        start, end = words
        after_start, after_end = (len(word.encode()) for word in words)
        head, tail = f"$head = slice {variable} 0 $at", f"$tail = slice (slice {variable} $at) {after_start}"
        self.statement('$kept := ""')
        with self.block(f"range len {variable}"):
            self.write("""
                $head := ""
                $tail := ""
                $closed := false
            """)
            self.find(variable, start, head, tail)
            self.find("$tail", end, f"$tail = slice (slice $tail $at) {after_end}", "$closed = true")
            self.write(f"""
                if not $closed
                    break
                $kept = printf "%s%s" $kept $head
                {variable} = $tail
            """)
        self.statement(f'{variable} = printf "%s%s" $kept {variable}')

    def keep_after_last(self, variable: str, word: str) -> None:
        """Write statements that keep only the text after the last place of a word in a variable."""
        with self.block(f"range len {variable}"):
            self.statement("$held := false")
            rest = f"{variable} = slice (slice {variable} $at) {len(word.encode())}"
            self.find(variable, word, rest, "$held = true")
            self.write("""
                if not $held
                    break
            """)

    def include(self, other: GoWriter) -> None:
        """Append the output of another writer."""
        other._flush()
        self._flush()
        self.definitions += other.definitions
        self.lines += ["  " * self.depth + line if line.lstrip().startswith("{{-") else line for line in other.lines]

    def define(self, other: GoWriter) -> None:
        """Add the output of another writer to the definitions, which come first."""
        other._flush()
        self.definitions += [*other.definitions, *other.lines]

    def _flush(self) -> None:
        pieces: list[Piece] = []
        for piece in self.pending:
            if pieces and isinstance(piece, str) and isinstance(pieces[-1], str):
                pieces[-1] += piece
            else:
                pieces.append(piece)
        self.pending = []
        if not pieces:
            return
        ends = (0, len(pieces) - 1)
        self.lines.append(
            "".join(
                _go_text(piece, first=index == ends[0], last=index == ends[1]) if isinstance(piece, str) else str(piece)
                for index, piece in enumerate(pieces)
            )
        )


def sides(how: Trim) -> list[tuple[str, str]]:
    """The edges of a text to trim: for each, Go for the edge of a length, and Go for the rest of the text."""
    head = ("slice {0} 0 {1}", "slice {0} {1}")
    tail = ("slice {0} (len (slice {0} {1}))", "slice {0} 0 (len (slice {0} {1}))")
    return {"none": [], "leading_newlines": [head], "newlines": [head, tail], "both": [head, tail]}[how]


def at_edge(text: str, edge: str, length: int, characters: Sequence[str]) -> str:
    """A Go condition: the edge of a text is one of these characters, which have this length in bytes."""
    wanted = " ".join(map(go_literal, characters))
    return f"and (ge (len {text}) {length}) (eq ({edge.format(text, length)}) {wanted})"


def go_literal(text: str) -> str:
    """The text as a Go string literal that any Modelfile can hold unchanged."""
    escapes = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
    return f'"{"".join(escapes.get(character) or _go_character(character) for character in text)}"'


def go_date(form: str) -> list[Piece]:
    """Today's date in a strftime form, in the C locale; Ollama's ``currentDate`` writes YYYY-MM-DD.

    Raises:
        Unsupported: the form has other parts than years, months and days of the month.
    """
    pieces: list[Piece] = []
    for index, run in enumerate(_DIRECTIVES.split(form)):
        if index % 2 == 0:
            pieces.append(run)
        elif run == _ISO_DATE:
            pieces.append(Action("currentDate"))
        elif run in _DATE_FIELDS:
            start, end = _DATE_FIELDS[run]
            pieces.append(Action(f"slice currentDate {start} {end}"))
        elif run in ("%b", "%B"):
            pieces.append(Inline(_month(short=run == "%b")))
        elif run == "%%":
            pieces.append("%")
        else:
            raise Unsupported(f"Ollama tells templates the year, month and day only, the format wants {form}")
    return pieces


def _month(*, short: bool) -> str:
    names = [name[:3] if short else name for name in _MONTHS]
    cases = [f'if eq $month "{number:02d}" }}}}{name}' for number, name in enumerate(names, start=1)]
    return f"{{{{ $month := slice currentDate 5 7 }}}}{{{{ {'{{ else '.join(cases)}{{{{ end }}}}"


@cache
def is_plain(character: str) -> bool:
    """Whether every version of Go calls the character printable, independent of its Unicode version.

    Go prints letters, marks, numbers, punctuation, symbols and the ASCII space (``strconv.IsPrint``). The check uses
    Unicode 3.2, which every Python includes: newer characters count as not printable, and so does the soft hyphen,
    whose category has changed since.
    """
    if character == "\u00ad":
        return False
    return character == " " or unicodedata.ucd_3_2_0.category(character)[0] in "LMNPS"


def _go_character(character: str) -> str:
    if is_plain(character):
        return character
    return f"\\u{ord(character):04x}" if ord(character) < 0x10000 else f"\\U{ord(character):08x}"


def _go_text(text: str, *, first: bool, last: bool) -> str:
    """Text of a template: plain if possible, else a literal. Go trims white space at the ends of a line."""
    start = len(text) - len(text.lstrip()) if first else 0
    end = max(start, len(text.rstrip())) if last else len(text)
    written = [_literal_action(text[:start])]
    for raw, run in _runs(text[start:end]):
        written.append(run if raw else _literal_action(run))
    written.append(_literal_action(text[end:]))
    return "".join(written)


def _literal_action(text: str) -> str:
    return str(Action(go_literal(text))) if text else ""


def _runs(text: str) -> list[tuple[bool, str]]:
    """Split the text into runs, each with whether a template can hold it as plain text."""
    raw = [character == "\n" or is_plain(character) for character in text]
    for match in _DELIMITERS.finditer(text):
        raw[match.start() : match.end()] = [False] * len(match[0])
    for index in reversed(range(len(text))):
        if text[index] == "{" and not (index + 1 < len(text) and raw[index + 1]):
            raw[index] = False  # the next action would otherwise begin one brace too early
    runs = groupby(zip(raw, text, strict=True), key=itemgetter(0))
    return [(plain, "".join(character for _, character in run)) for plain, run in runs]


def _is_raw(text: str) -> bool:
    return all(raw for raw, _ in _runs(text))
