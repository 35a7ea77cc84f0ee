"""A draft as the text of a spec, with comments where the language falls short."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...catalogue.yaml_reader import parse_yaml
from ...characters import printable
from ..canonical import HEAD, keys_of, yaml_text

_WIDTH = 118


def spec_text(name: str, title: str, publisher: str, data: Mapping[str, Any], notes: Sequence[tuple[Path, str]]) -> str:
    """The text of a spec with these sections; each note stands above the key that its path names, or a shorter one."""
    known = {"name": name, "title": title, "publisher": publisher, **data}
    ordered = {section: known[section] for section in keys_of("spec") if section in known}
    lines = [HEAD, *yaml_text(ordered, block=True).split("\n")[:-1]]
    document = parse_yaml(("\n".join(lines) + "\n").encode(), f"{name}.yaml")
    above: dict[int, list[str]] = {}
    for path, text in notes:
        place = document.locate(_known(data, path))
        above.setdefault(max(place.line - 1, 1), []).extend(_wrapped(text))
    out: list[str] = []
    for number, line in enumerate(lines):
        indent = line[: len(line) - len(line.lstrip(" "))]
        out += [f"{indent}# {text}" for text in dict.fromkeys(above.get(number, ()))]
        out.append(line)
    return "\n".join(out) + "\n"


Path = tuple[str | int, ...]


def _known(data: Mapping[str, Any], path: Path) -> Path:
    """The path as far as it exists, and no deeper than what has a line of its own."""
    found: list[str | int] = []
    node: Any = data
    for key in path:
        if not isinstance(node, Mapping) or key not in node:
            break
        node = node[key]
        found.append(key)
    return tuple(found)


def _wrapped(text: str) -> list[str]:
    """The text in lines that a comment can hold."""
    lines, line = [], ""
    for word in printable(text).split(" "):
        if line and len(line) + len(word) > _WIDTH - 12:
            lines.append(line)
            line = "  " + word
        else:
            line = f"{line} {word}" if line else word
    return [*lines, line]
