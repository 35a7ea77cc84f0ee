"""Cut fragments that write one tool or one call out of a chat template's own Jinja.

They serve formats that no known tool format describes. jinja2's lexer splits the source into tags; nothing is run here.
A fragment is the body of a loop, or a call of a macro with the tools, together with the macros and constants that it
uses. Each of its tags trims the white space around it, so that the fragment works at any place. The caller renders a
fragment to find out whether it writes what the template writes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from .jinja import literal

_FOR = re.compile(r"for\s+(\w+)\s+in\b(.*)", re.DOTALL)
_MACRO = re.compile(r"macro\s+(\w+)\s*\(")
_SET = re.compile(r"set\s+(\w+)\s*=(.*)", re.DOTALL)
_NAME = re.compile(r"[A-Za-z_]\w*")
_STRING = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"", re.DOTALL)
_CONSTANT = {"namespace", "true", "false", "none", "True", "False", "None"}
_MARKS = ("generation", "endgeneration")  # transformers' own tags, which write nothing
_MOST = 24  # loops of one template that are examined, the longest first


@dataclass(frozen=True)
class Piece:
    """A literal text, the inside of a tag, or an expression that is printed."""

    kind: Literal["data", "tag", "print"]
    text: str

    def jinja(self) -> str:
        """The piece as Jinja that trims the white space around it."""
        if self.kind == "data":
            return f"{{{{- {literal(self.text)} -}}}}" if self.text else ""
        if self.kind == "print":
            return f"{{{{- {self.text} -}}}}"
        return "" if self.text in _MARKS else f"{{%- {self.text} -%}}"


def loop_bodies(source: str) -> list[dict[str, str]]:
    """The loops without duplicates: ``target`` is the loop variable, ``body`` includes the definitions it needs."""
    pieces = list(_pieces(source))
    known = _definitions(pieces)
    found = []
    for start, piece in enumerate(pieces):
        if piece.kind == "tag" and (match := _FOR.match(piece.text)):
            body = _join(pieces[start + 1 : _end(pieces, start, "for", "endfor")])
            if "{{-" in body or "loop" in body:
                found.append({"target": match[1], "body": _with_definitions(body, known)})
    unique = {(each["target"], each["body"]): each for each in found}
    return sorted(unique.values(), key=lambda each: -len(each["body"]))[:_MOST]


def macro_calls(source: str) -> list[str]:
    """Expressions that call a macro with the list of tools, each with the definitions it needs."""
    pieces = list(_pieces(source))
    known = _definitions(pieces)
    found: dict[str, None] = {}
    for piece in pieces:
        if piece.kind != "data" and not _MACRO.match(piece.text):
            for name in known:
                for match in re.finditer(rf"\b{name}\((?:[^()]*,\s*)?tools(?:\s*,[^()]*)?\)", piece.text):
                    found[_with_definitions(f"{{{{- {match[0]} -}}}}", known)] = None
    return list(found)


def _pieces(source: str) -> Iterator[Piece]:
    from jinja2 import Environment

    inside: list[str] = []
    source = source.replace("\r\n", "\n").replace("\r", "\n")
    for _, token, value in Environment(trim_blocks=True, lstrip_blocks=True).lexer.tokeniter(source, None):
        if token == "data":
            yield Piece("data", value)
        elif token in ("block_begin", "variable_begin"):
            inside = []
        elif token == "block_end":
            yield Piece("tag", "".join(inside).strip())
        elif token == "variable_end":
            yield Piece("print", "".join(inside).strip())
        elif not token.startswith(("comment", "raw")):
            inside.append(value)


def _join(pieces: Sequence[Piece]) -> str:
    return "".join(piece.jinja() for piece in pieces)


def _end(pieces: Sequence[Piece], start: int, opening: str, closing: str) -> int:
    """The index of the tag that closes the block which begins at ``start``."""
    depth = 0
    for place in range(start, len(pieces)):
        if pieces[place].kind == "tag":
            word = (_NAME.match(pieces[place].text) or [""])[0]
            depth += (word == opening) - (word == closing)
            if not depth:
                return place
    return len(pieces)


def _definitions(pieces: Sequence[Piece]) -> dict[str, str]:
    """The macros and the constants of a template by name; a constant is set once, outside of blocks."""
    found: dict[str, str] = {}
    outside = 0  # the end of the last macro or loop
    for start, piece in enumerate(pieces):
        if piece.kind != "tag" or start < outside:
            continue
        if match := _MACRO.match(piece.text):
            outside = _end(pieces, start, "macro", "endmacro") + 1
            found[match[1]] = _join(pieces[start:outside])
        elif _FOR.match(piece.text):
            outside = _end(pieces, start, "for", "endfor") + 1
        elif match := _SET.match(piece.text):
            names = _NAME.findall(re.sub(r"\w+\s*=(?!=)", "", _STRING.sub("", match[2])))
            if _CONSTANT.issuperset(names) and match[1] not in found:
                found[match[1]] = piece.jinja()
    return found


def _with_definitions(body: str, known: Mapping[str, str]) -> str:
    """The body with the definitions that it uses, directly or indirectly, in front."""
    needed: set[str] = set()
    waiting = [body]
    while waiting:
        names = set(_NAME.findall(waiting.pop()))
        new = [name for name in known if name in names and name not in needed]
        needed.update(new)
        waiting += [known[name] for name in new]
    return "".join(text for name, text in known.items() if name in needed) + body
