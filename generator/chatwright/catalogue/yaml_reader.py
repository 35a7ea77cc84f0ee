"""Strict YAML with a place for every key and value.

YAML is read the way an author means it. An unquoted ``true`` or ``false`` is a truth value, ``null``, ``~`` and an
empty value are nothing, and every other unquoted value is text, as typed: ``no``, ``1:30`` and ``2024-01-01`` stay what
they are. Only what looks like a decimal number may become one, and only where the field does not hold text, so that
``1.10`` never loses its zero; :meth:`Document.data` asks for that.

Refused, each with its place: duplicate keys, tags, merge keys, keys that are not text, several documents, files that
are not UTF-8, and whatever is too large, too deep, or grows too large through aliases. Text outside double quotes that
contains a backslash followed by ``n`` is refused too: it would not be a newline, and nearly always is meant to be one.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import yaml

from ..characters import BIDI, escaped, printable
from ..errors import Location, Problem

KeyPath = tuple[str | int, ...]

MAX_BYTES = 1 << 20
MAX_NODES = 50_000  # aliases counted as what they stand for
MAX_DEPTH = 30

_NUMBER = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})(\.[0-9]{1,30})?([eE][-+]?[0-9]{1,2})?")
_WORDS: Mapping[str, bool | None] = {"true": True, "false": False, "null": None, "~": None, "": None}
_PLAIN_KEY = re.compile(r"[A-Za-z0-9_-]+")
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_PARSERS_DIFFER = re.compile(r"[\t?]")  # libyaml takes some uses of these that PyYAML's own parser refuses
_TOO_HIGH = re.compile(r"\\U(?!000|0010)[0-9A-Fa-f]{8}")


@dataclass
class Node:
    """A value of the file. ``value`` holds nodes where it is a mapping or a list.

    ``line`` and ``column`` count from 1. ``keys`` are the places of a mapping's keys. ``number`` is what an unquoted
    text is as a number.
    """

    line: int
    column: int
    value: Any = None
    keys: dict[str, tuple[int, int]] = field(default_factory=dict)
    number: int | float | None = None
    size: int = 1
    height: int = 0


@dataclass(frozen=True)
class Document:
    """A file that was read: its content, as far as it could be, and what is wrong with it."""

    path: str  # as shown to people
    root: Node | None  # None where the file cannot be used at all
    problems: tuple[Problem, ...]

    def data(self, is_text: Callable[[KeyPath], bool] = lambda path: False) -> Any:
        """The content as plain values; an unquoted number is one unless ``is_text`` says that its field holds text."""
        return None if self.root is None else _data(self.root, (), is_text)

    def locate(self, path: KeyPath) -> Location:
        """The place of a key (of an item, in a list), or of the nearest thing around it that stands in the file."""
        return self._locate(path, value=False)

    def locate_value(self, path: KeyPath) -> Location:
        """The place of a value, or of the nearest thing around it that stands in the file."""
        return self._locate(path, value=True)

    def _locate(self, path: KeyPath, value: bool) -> Location:
        node = self.root
        if node is None:
            return Location(self.path)
        place = (node.line, node.column)
        for depth, key in enumerate(path):
            last = depth == len(path) - 1
            if isinstance(node.value, dict) and key in node.value:
                child = node.value[key]
                place = (child.line, child.column) if value and last else node.keys[str(key)]
            elif isinstance(node.value, list) and isinstance(key, int) and key < len(node.value):
                child = node.value[key]
                place = (child.line, child.column)
            else:
                break
            node = child
        return Location(self.path, *place)


def read_yaml(file: Path, shown: str, parse: Callable[[bytes, str], Document] | None = None) -> Document:
    """Read a file; ``shown`` is its path as people see it. No content of a file makes this raise.

    ``parse`` reads the content, :func:`parse_yaml` where it is not given.
    """
    try:
        status = file.stat()
        if stat.S_ISDIR(status.st_mode):
            return _unusable(shown, "this is a folder; a spec is a file")
        if not stat.S_ISREG(status.st_mode):
            return _unusable(shown, "this is not a regular file")
        with file.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except OSError as error:
        return _unusable(shown, f"the file cannot be read: {error.strerror or error}")
    return (parse or parse_yaml)(content, shown)


def parse_yaml(content: bytes, shown: str) -> Document:
    """Read the content of a file; see :func:`read_yaml`."""
    if len(content) > MAX_BYTES:
        return _unusable(shown, f"the file is larger than {MAX_BYTES // 1024} KiB; a spec is one model family")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        return _undecodable(content, error, shown)
    text = text.removeprefix("\ufeff")
    if match := _UNPRINTABLE.search(text) or BIDI.search(text):
        what = " turns the direction of the text around it, and" if BIDI.match(match[0]) else ""
        message = f'the character U+{ord(match[0]):04X}{what} cannot stand in a file; write "{escaped(match[0])}"'
        place = Location(shown, *_line_and_column(text, match.start()))
        return Document(shown, None, (Problem(place, "", message),))
    fast: Any = getattr(yaml, "CSafeLoader", None)
    if fast is not None and not _PARSERS_DIFFER.search(text):
        try:
            return _Composer(text, shown, fast).document()
        except (yaml.YAMLError, ValueError, OverflowError):
            pass  # the pure Python parser is everywhere, so its words are the ones to translate
    try:
        return _Composer(text, shown, yaml.SafeLoader).document()
    except yaml.YAMLError as error:
        return Document(shown, None, (_syntax_problem(error, text, shown),))
    except (ValueError, OverflowError):  # chr() of an escape beyond the last character
        match = _TOO_HIGH.search(text)
        place = Location(shown, *_line_and_column(text, match.start())) if match else Location(shown)
        message = f"{match[0] if match else 'an escape'} is no character; the last one is \\U0010FFFF"
        return Document(shown, None, (Problem(place, "", message),))


def breadcrumb(path: KeyPath) -> str:
    """A path of keys as people read it: ``models[0].checkpoints[2].name``."""
    crumb = ""
    for key in path[:12]:
        if isinstance(key, int):
            crumb += f"[{key}]"
        else:
            crumb += ("." if crumb else "") + (key if _PLAIN_KEY.fullmatch(key) else quote(key, '"'))
    return crumb + ("..." if len(path) > 12 else "")


def quote(text: str, mark: str = "'") -> str:
    """A text as messages show it: in quotes, on one line, cut where it is long."""
    short = text if len(text) <= 60 else text[:57] + "..."
    return mark + printable(short.replace("\\", "\\\\")) + mark


class _Unusable(Exception):
    """Reading cannot go on; the argument is the problem."""


class _Composer:
    """Builds the nodes of one file from the parser's events."""

    def __init__(self, text: str, path: str, loader: Any) -> None:
        self.text, self.path = text, path
        self.problems: list[Problem] = []
        self.anchors: dict[str, Node | None] = {}
        self.trail: list[str | int] = []
        self.nodes = 0
        self.events: Iterator[Any] = yaml.parse(text, Loader=loader)

    def document(self) -> Document:
        root: Node | None = None
        try:
            for event in self.events:
                if isinstance(event, yaml.DocumentStartEvent):
                    if root is not None:
                        self._problem(event, "a second document starts here; a spec is one document")
                        break
                    root = self._node(next(self.events))
            if root is None or root.value is None:
                raise _Unusable(Problem(Location(self.path), "", "the file is empty; a spec begins with 'name:'"))
            if not isinstance(root.value, dict):
                kind = "a list" if isinstance(root.value, list) else "a single value"
                place = Location(self.path, root.line, root.column)
                raise _Unusable(
                    Problem(place, "", f"a spec is a mapping that begins with 'name:'; here the file is {kind}")
                )
        except _Unusable as error:
            return Document(self.path, None, (*self.problems, error.args[0]))
        return Document(self.path, root, tuple(self.problems))

    def _node(self, event: Any) -> Node:
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event)
        self._count(event, 1)
        if len(self.trail) > MAX_DEPTH:
            self._give_up(event, f"this is nested more than {MAX_DEPTH} levels deep")
        if event.tag is not None:
            self._problem(event, "tags are not used in specs; put a text that starts with '!' in quotes")
        node = Node(event.start_mark.line + 1, event.start_mark.column + 1)
        if event.anchor is not None:
            self.anchors[event.anchor] = None
        if isinstance(event, yaml.ScalarEvent):
            self._scalar(node, event)
        elif isinstance(event, yaml.SequenceStartEvent):
            self._list(node)
        else:
            self._mapping(node, event)
        if event.anchor is not None:
            self.anchors[event.anchor] = node
        return node

    def _alias(self, event: Any) -> Node:
        if event.anchor not in self.anchors:
            missing = f"*{event.anchor} has no anchor &{event.anchor} above it"
            self._problem(event, f"{missing}; a text that starts with '*' must be in quotes")
            return Node(event.start_mark.line + 1, event.start_mark.column + 1, value="")
        node = self.anchors[event.anchor]
        if node is None:
            self._give_up(event, f"*{event.anchor} stands inside its own anchor, so it would never end")
        self._count(event, node.size)
        if len(self.trail) + node.height > MAX_DEPTH:
            self._give_up(event, f"*{event.anchor} makes this nested more than {MAX_DEPTH} levels deep")
        return node

    def _scalar(self, node: Node, event: Any) -> None:
        text: str = event.value
        node.value = text
        if event.start_mark.index == event.end_mark.index:  # nothing: the parsers differ on where that is
            before = self.text[: event.start_mark.index].rpartition("\n")[2]
            node.column -= len(before) - len(before.rstrip(" "))
        if event.style != '"' and re.search(r"\\n", text):
            newline = r'\n is a newline only in double quotes; write "\n", or "\\n" for a backslash and an n'
            self._problem(event, newline)
        if event.style in (None, "") and event.tag is None:
            if text in _WORDS:
                node.value = _WORDS[text]
            elif match := _NUMBER.fullmatch(text):
                node.number = float(text) if match[2] or match[3] else int(text)

    def _list(self, node: Node) -> None:
        node.value = []
        while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
            self.trail.append(len(node.value))
            self._add(node, self._node(event))
            self.trail.pop()

    def _add(self, node: Node, child: Node) -> None:
        node.value.append(child)
        self._grow(node, child)

    def _mapping(self, node: Node, start: Any) -> None:
        node.value = {}
        if start.flow_style and self.text.startswith("{{", start.start_mark.index):
            self._braces(node, start)
            return
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            key = self._key(event)
            self.trail.append("" if key is None else key)
            child = self._node(next(self.events))
            place = (event.start_mark.line + 1, event.start_mark.column + 1)
            if key in node.keys:
                first = f"it stands in line {node.keys[key][0]} already"
                self._problem(event, f"duplicate key {quote(key)}: {first}; keep one of the two")
            elif key is not None:
                node.value[key], node.keys[key] = child, place
            self._grow(node, child)
            self.trail.pop()

    def _braces(self, node: Node, start: Any) -> None:
        """Read ``{{name}}`` without quotes, in YAML a mapping whose key is a mapping, as the text that is meant."""
        self._problem(start, _BRACES_HINT.removeprefix("; "))
        depth, event = 1, start
        while depth:
            if depth > MAX_DEPTH:
                self._give_up(event, f"this is nested more than {MAX_DEPTH} levels deep")
            event = next(self.events)
            self._count(event, 1)
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        node.value = self.text[start.start_mark.index : event.end_mark.index]

    def _key(self, event: Any) -> str | None:
        if isinstance(event, yaml.ScalarEvent):
            self._count(event, 1)
            plain = event.style in (None, "")
            if event.tag is not None:
                self._problem(event, "tags are not used in specs; put a key that starts with '!' in quotes")
            if plain and event.value == "<<":
                self._problem(event, "merge keys are not read; write the keys out, or let a template use 'extends'")
                return None
            if plain and event.value == "":
                self._problem(event, "the key is missing in front of ':'")
                return None
            if event.anchor is not None:
                self.anchors[event.anchor] = Node(0, 0, value=event.value)
            return str(event.value)
        self.trail.append("")
        self._node(event)
        self.trail.pop()
        kind = "an alias" if isinstance(event, yaml.AliasEvent) else "a list or a mapping"
        self._problem(event, f"a key must be text, found {kind}")
        return None

    def _grow(self, node: Node, child: Node) -> None:
        node.size += child.size
        node.height = max(node.height, child.height + 1)

    def _count(self, event: Any, nodes: int) -> None:
        self.nodes += nodes
        if self.nodes > MAX_NODES:
            why = f"*{event.anchor} makes the file grow" if isinstance(event, yaml.AliasEvent) else "the file grows"
            self._give_up(event, f"{why} beyond {MAX_NODES} values; a spec is one model family")

    def _problem(self, event: Any, message: str) -> None:
        place = Location(self.path, event.start_mark.line + 1, event.start_mark.column + 1)
        self.problems.append(Problem(place, breadcrumb(self._named()), message))

    def _give_up(self, event: Any, message: str) -> NoReturn:
        self._problem(event, message)
        raise _Unusable(self.problems.pop())

    def _named(self) -> KeyPath:
        """The trail as far as its keys are text."""
        trail = tuple(self.trail)
        return trail[: trail.index("")] if "" in trail else trail


_BRACES_HINT = "; text that begins with '{{' must be in quotes"


def _data(node: Node, path: KeyPath, is_text: Callable[[KeyPath], bool]) -> Any:
    if isinstance(node.value, dict):
        return {key: _data(child, (*path, key), is_text) for key, child in node.value.items()}
    if isinstance(node.value, list):
        return [_data(child, (*path, index), is_text) for index, child in enumerate(node.value)]
    return node.value if node.number is None or is_text(path) else node.number


def _unusable(shown: str, message: str) -> Document:
    return Document(shown, None, (Problem(Location(shown), "", message),))


def _undecodable(content: bytes, error: UnicodeDecodeError, shown: str) -> Document:
    before = content[: error.start].decode("utf-8")
    place = Location(shown, *_line_and_column(before, len(before)))
    byte = f"byte 0x{content[error.start]:02X} at offset {error.start}"
    return Document(shown, None, (Problem(place, "", f"the file is not UTF-8 ({byte}); save it as UTF-8"),))


def _line_and_column(text: str, index: int) -> tuple[int, int]:
    lines = re.split(r"\r\n|\r|\n", text[:index])
    return len(lines), len(lines[-1].removeprefix("\ufeff")) + 1


# What a parser's words mean to an author: a pattern of the problem with its context in brackets behind it, and the
# message. The first that fits counts; some belong where the context begins.
_MEANINGS = {
    r"'\\t' that cannot start any token": "a tab cannot indent; use spaces",
    "cannot start any token": "a text cannot start with {quoted} unless it is in quotes",
    "^mapping values are not allowed": "a ':' cannot make a key here; put a text that holds ': ' in quotes, or check "
    "the indentation",
    "^could not find expected ':'": "this is neither 'key: value' nor '- item'; check the indentation and the quotes",
    r"^expected <block end>.*found ':' \(": "the key is missing in front of ':'",
    "^expected <block end>": "this does not continue what begins in line {line}; check indentation and quotes{hint}",
    r"^expected ',' or[^(]*\]": "the list opened in line {line} lacks a ',' or its ']' before this{hint}",
    "^expected ',' or": "the mapping opened in line {line} lacks a ',' or its '}}' before this{hint}",
    r"end of stream.*\(.*quoted": "the quote opened here is never closed",
    r"document separator.*\(": "the quote opened here is not closed before the line '---' or '...'",
    "^found unknown escape": '\\{character} is no escape in double quotes; a backslash itself is written "\\\\"',
    "^expected escape sequence": r"after \x, \u and \U stand 2, 4 and 8 hexadecimal digits",
    "^expected alphabetic or numeric": "a text that starts with '*' or '&' must be in quotes",
    "^expected the node content": "a value is missing here{hint}",
    "^sequence entries are not allowed": "a list item '- ' cannot stand here; begin it on a line of its own",
    "^mapping keys are not allowed": "a '? ' cannot stand here; put a text that starts with it in quotes",
    r"\(.*block scalar": "after '|' or '>' only '+', '-' or a digit may stand on the line; put the text in quotes",
    "tag": "tags are not used in specs; put a text that starts with '!' in quotes",
    "directive|^found incompatible YAML": "directives are not used in specs; put a text that starts with '%' in quotes",
    "^expected '<document start>'": "the file's mapping has ended before this; check the indentation and the "
    "brackets{hint}",
}
_WHERE_IT_BEGAN = re.compile("^could not find expected ':'|end of stream|document separator")


def _syntax_problem(error: yaml.YAMLError, text: str, shown: str) -> Problem:
    """What a parser's error means to an author, at the place where he has to change something."""
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return Problem(Location(shown), "", "this is not valid YAML")
    problem = error.problem or ""
    mark, start = error.problem_mark, error.context_mark or error.problem_mark
    character = text[mark.index : mark.index + 1]
    line = text.splitlines()[mark.line] if mark.line < len(text.splitlines()) else ""
    hint = _BRACES_HINT if re.search(r"(^|[:,\[-])\s*\{\{", line) else ""
    words = f"{problem} ({error.context or ''})"
    for pattern, message in _MEANINGS.items():
        if re.search(pattern, words, re.DOTALL):
            place = start if _WHERE_IT_BEGAN.search(problem) else mark
            said = message.format(quoted=quote(character), character=character, line=start.line + 1, hint=hint)
            return Problem(Location(shown, place.line + 1, place.column + 1), "", said)
    return Problem(Location(shown, mark.line + 1, mark.column + 1), "", f"this is not valid YAML: {problem}")


def shown_path(file: Path) -> str:
    """A file's path as people see it: relative to the current folder where it lies below, with forward slashes."""
    absolute = Path(os.path.abspath(file))
    try:
        shown = absolute.relative_to(Path.cwd()).as_posix()
    except (ValueError, OSError):
        shown = file.as_posix()
    return printable(shown)
