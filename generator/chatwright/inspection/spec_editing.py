"""One spec file as data that can be edited: what a person wrote stays as written, what is new is in canonical style.

A comment belongs to the key or the item that follows it, or that is in front of it on its line, and moves with it.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from typing import Any

import yaml
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq

from .canonical import HEAD, fits, keys_of, yaml_text

_DEPTHS = {"spec": 0, "template": 4, "model_type": 4, "group": 4, "checkpoint": 8}  # where the keys of each stand

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
        return cls(source, f"{HEAD}\n" + yaml_text({"name": name, "title": title, "publisher": publisher}, block=True))

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
    if targets.fa.flow_style() and not fits(targets, "targets", 10):
        targets.fa.set_block_style()


def canonical(value: Any, key: str = "", *, text: bool = False, depth: int = 0, block: bool = False) -> Any:
    """Plain data as nodes in canonical style: see :func:`.canonical.yaml_text`."""
    node = _yaml().load(yaml_text(value, key, text=text, depth=depth, block=block))
    if block:
        node.fa.set_block_style()  # an empty map too
    return node


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
