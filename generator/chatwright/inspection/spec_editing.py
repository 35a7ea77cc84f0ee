"""One spec file as data that can be edited: what a person wrote stays as written, what is new is in canonical style.

Canonical: keys in the order of ``schema.json``; lists, and maps that fit into a line, in flow style; slots and other
texts between double quotes; no line is wrapped. Comments belong to the key or the item that follows them (or that they
stand behind), and go where it goes.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import yaml
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

from ..catalogue.schema import load_schema

_WIDTH = 120
_HEAD = "# yaml-language-server: $schema=../../schema.json"
_BLOCKS = ("templates", "slots", "assistant", "model_types", "models", "checkpoints", "serving")
_TEXTS = (
    *("slots", "default_system", "result_separator", "stop_words", "tokens", "requires"),
    *("words", "when_on", "when_off", "when_dropped", "empty", "prefix", "system_prefix"),
)
_DEPTHS = {"spec": 0, "template": 4, "model_type": 4, "group": 4, "checkpoint": 8}  # where the keys of each stand
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_./+() -]*(?<! )")
_WORDS = ("true", "false", "yes", "no", "on", "off", "null", "y", "n")

_Anchor = tuple[int, str | int | None]


class Spec:
    """A spec file.

    ``source`` is its path in the specs folder, ``root`` its data, which may be changed at will; ``changed`` says
    whether the text must be written again.
    """

    def __init__(self, source: str, text: str) -> None:
        self.source = source
        self.changed = False
        lines, comments, behind = _without_comments(text)
        self.root: CommentedMap = _yaml().load("\n".join(lines) + "\n")
        self._kept: list[Any] = []  # what anchors name by its identity stays alive
        at: dict[int, _Anchor] = {}  # the outermost thing that begins on a line
        keys: dict[int, _Anchor] = {}  # the outermost key that stands there
        for anchor, line, node in _walk(self.root, self.root):
            at.setdefault(line, anchor)
            keys.setdefault(line, anchor)
            if keys[line][1] is None:
                keys[line] = anchor
            self._kept.append(node)
        following = [next((start for start in sorted(at) if start >= line), None) for line, _ in comments]
        self._comments = [
            (None if start is None else at[start], lines) for start, (_, lines) in zip(following, comments, strict=True)
        ]
        before = [max((start for start in keys if start <= line), default=None) for line, _ in behind]
        self._behind = [
            (None if start is None else keys[start], text) for start, (_, text) in zip(before, behind, strict=True)
        ]

    @classmethod
    def new(cls, source: str, title: str, publisher: str) -> Spec:
        """A spec that says nothing yet; it is named after its file."""
        name = source.rsplit("/", 1)[-1].removesuffix(".yaml")
        head = {"name": name, "title": title, "publisher": publisher}
        return cls(source, f"{_HEAD}\n" + "".join(f"{key}: {_flow(value, key)}\n" for key, value in head.items()))

    @property
    def is_empty(self) -> bool:
        """Whether it introduces nothing and lists nothing any more."""
        return not any(self.root.get(key) for key in ("templates", "model_types", "models"))

    def text(self) -> tuple[str, list[str]]:
        """The file's text, and the comments whose place in it is gone."""
        stream = io.StringIO()
        _yaml().dump(self.root, stream)
        lines = stream.getvalue().splitlines()
        places = {anchor: line for anchor, line, _ in reversed([*_walk(self.root, _yaml().load(stream.getvalue()))])}
        above: dict[int, list[str]] = {}
        lost: list[str] = []
        for anchor, comment in self._comments:
            line = len(lines) if anchor is None else places.get(anchor)
            if line is None:
                lost += comment
            else:
                above.setdefault(line, []).extend(comment)
        for anchor, text in self._behind:
            line = None if anchor is None else places.get(anchor)
            if line is None:
                lost.append(text)
            else:
                lines[line] += text
        out = [text for line in range(len(lines) + 1) for text in (*above.get(line, ()), *lines[line : line + 1])]
        return "\n".join(out) + "\n", [comment.strip() for comment in lost if comment.strip()]


def put(owner: CommentedMap, key: str, value: Any, kind: str) -> None:
    """Set a key of an owner that the schema knows as ``kind``; a new key goes where the schema's order puts it."""
    styled = canonical(value, key, depth=_DEPTHS[kind])
    if key in owner:
        owner[key] = styled
        return
    order = keys_of(kind)
    after = set(order[order.index(key) + 1 :])
    owner.insert(next((place for place, other in enumerate(owner) if other in after), len(owner)), key, styled)


def put_override(owner: CommentedMap, framework: str, key: str, value: Any, kind: str) -> None:
    """Set ``targets.<framework>.<key>``."""
    if "targets" not in owner:
        put(owner, "targets", {}, kind)
    targets = owner["targets"]
    if framework not in targets:
        first = framework == "llamafactory"
        targets.insert(0 if first else len(targets), framework, canonical({}, framework))
    targets[framework][key] = canonical(value, key)
    _fit(owner)


def drop_override(owner: CommentedMap, framework: str, key: str) -> None:
    """Remove ``targets.<framework>.<key>`` and what is empty then."""
    targets = owner.get("targets", {})
    targets.get(framework, {}).pop(key, None)
    if not targets.get(framework, True):
        del targets[framework]
    if "targets" in owner and not targets:
        del owner["targets"]


def override(owner: Mapping[str, Any], framework: str, key: str, default: Any = None) -> Any:
    """``targets.<framework>.<key>``, or the default where it is not written."""
    return owner.get("targets", {}).get(framework, {}).get(key, default)


def _fit(owner: CommentedMap) -> None:
    targets = owner["targets"]
    if targets.fa.flow_style() and len(_flow({"targets": targets}, "")) + 8 > _WIDTH:
        targets.fa.set_block_style()


@cache
def keys_of(kind: str) -> list[str]:
    """The keys that the schema knows in a ``spec``, or in one of its definitions, in order."""
    schema = load_schema()
    return list((schema if kind == "spec" else schema["$defs"][kind])["properties"])


def canonical(value: Any, key: str = "", *, text: bool = False, depth: int = 0, block: bool = False) -> Any:
    """Plain data as nodes in canonical style; ``key`` is the key it stands under, ``depth`` that key's indentation.

    ``text`` says that strings in it are quoted whatever they are, ``block`` that a map takes a line per key.
    """
    text = text or key in _TEXTS
    if isinstance(value, str):
        return DoubleQuotedScalarString(value) if text or not _is_plain(value) else str(value)
    if isinstance(value, Mapping):
        nested = key in ("templates", "model_types")
        node = CommentedMap()
        for name, item in value.items():
            styled = str(name) if _is_plain(str(name)) else DoubleQuotedScalarString(name)
            node[styled] = canonical(item, str(name), text=text, depth=depth + 2, block=nested)
        fits = depth + len(f"{key}: {_flow(value, key)}") <= _WIDTH
        if block or key in _BLOCKS or not fits:
            node.fa.set_block_style()
        else:
            node.fa.set_flow_style()
        return node
    if isinstance(value, Sequence):
        in_blocks = key in _BLOCKS and not text
        seq = CommentedSeq([canonical(item, text=text, depth=depth + 2, block=in_blocks) for item in value])
        if in_blocks:
            seq.fa.set_block_style()
        else:
            seq.fa.set_flow_style()
        return seq
    return value


def _flow(value: Any, key: str, text: bool = False) -> str:
    """A value in flow style on one line."""
    text = text or key in _TEXTS
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False) if text or not _is_plain(value) else value
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{name}: {_flow(item, str(name), text)}" for name, item in value.items()) + "}"
    if isinstance(value, Sequence):
        return "[" + ", ".join(_flow(item, "", text) for item in value) + "]"
    return {None: "null", True: "true", False: "false"}.get(value, str(value))


def _is_plain(value: str) -> bool:
    """Whether a text may stand without quotes: no reader takes it for anything else."""
    return bool(_PLAIN.fullmatch(value)) and any(map(str.isalpha, value)) and not _is_special(value.lower())


def _is_special(value: str) -> bool:
    return value in _WORDS or bool(re.fullmatch(r"0x[0-9a-f_]+|0o[0-7_]+|[0-9][0-9_.]*e[-+]?[0-9]+", value))


def _yaml() -> YAML:
    engine = YAML()
    engine.preserve_quotes = True
    engine.width = 1 << 20
    engine.indent(mapping=2, sequence=4, offset=2)
    return engine


def _walk(node: Any, placed: Any) -> Iterator[tuple[_Anchor, int, Any]]:
    """Every key and item with its line in ``placed``, which has the same shape, and the node that its anchor names."""
    if isinstance(node, CommentedMap):
        for key, value in node.items():
            yield (id(node), key), placed.lc.key(key)[0], node
            yield from _walk(value, placed[key])
    elif isinstance(node, CommentedSeq):
        for index, value in enumerate(node):
            nested = isinstance(value, (CommentedMap, CommentedSeq))
            anchor = (id(value), None) if nested else (id(node), index)
            yield anchor, placed.lc.item(index)[0], value if nested else node
            yield from _walk(value, placed[index])


def _without_comments(text: str) -> tuple[list[str], list[tuple[int, list[str]]], list[tuple[int, str]]]:
    """The lines without comments and empty lines; these, and comments behind something, by line among the others."""
    lines = text.split("\n")[: -1 if text.endswith("\n") else None]
    ends: dict[int, int] = {}  # line -> column behind the last thing that is no comment
    inside: set[int] = set()  # lines in the middle of a text
    for token in yaml.scan(text):
        start, end = token.start_mark, token.end_mark
        if (start.line, start.column) == (end.line, end.column):
            continue
        ends[end.line] = max(ends.get(end.line, 0), end.column)
        ends.setdefault(start.line, len(lines[start.line]) if end.line > start.line else 0)
        inside.update(range(start.line + 1, end.line))
    kept: list[str] = []
    comments: list[tuple[int, list[str]]] = []
    behind: list[tuple[int, str]] = []
    for number, line in enumerate(lines):
        if number not in ends and number not in inside:
            comments.append((len(kept), [line]))
            continue
        rest = line[ends[number] :] if number in ends and number not in inside else ""
        if rest.strip().startswith("#"):
            behind.append((len(kept), rest))
            line = line[: ends[number]]
        kept.append(line)
    return kept, comments, behind
