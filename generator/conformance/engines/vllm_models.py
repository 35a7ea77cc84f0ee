"""vLLM's models, read from its unpacked package: what stands in a prompt for a medium of each architecture.

``model_executor/models/registry.py`` names the module and the class of an architecture, and the class says in
``get_placeholder_str`` what vLLM writes where no chat template takes typed parts. No module is imported, since that
needs the whole of vLLM: the one function is run by itself, with the constants that it names.
"""

from __future__ import annotations

import ast
import builtins
import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

_MODELS = "vllm.model_executor.models"
_METHOD = "get_placeholder_str"
_PROTOCOL = f"{_MODELS}.interfaces"  # holds the bare signature of the method


@dataclass(frozen=True)
class Placeholder:
    """The text for the first medium of a kind and for the second; None where the processor places it itself."""

    first: str | None
    second: str | None


class Models:
    """The models of the vLLM that is unpacked in a folder."""

    def __init__(self, servers: Path) -> None:
        self._folder = servers
        self._classes = dict(_registered(self._tree(f"{_MODELS}.registry")))

    def knows(self, architecture: str) -> bool:
        """Whether vLLM has a model of its own for the architecture that says something of media."""
        return architecture in self._classes and self._method(*self._classes[architecture]) is not None

    def placeholder(self, architecture: str, kind: str) -> Placeholder | None:
        """What stands for a medium of that kind; None where vLLM has no such model, or the model no such medium."""
        method = self._method(*self._classes[architecture]) if architecture in self._classes else None
        if method is None:
            return None
        try:
            return Placeholder(method(kind, 1), method(kind, 2))
        except (ValueError, NotImplementedError):  # what the models raise at a kind they do not take
            return None

    def _method(self, module: str, name: str) -> Any:
        """The function of a class, or of the nearest of its bases that has one; None where none has."""
        if module == _PROTOCOL:
            return None
        tree = self._tree(module)
        definition = next((node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name), None)
        if definition is None:
            origin = self._imports(module).get(name)
            return self._method(*origin) if origin else None
        for node in definition.body:
            if isinstance(node, ast.FunctionDef) and node.name == _METHOD:
                return self._compiled(module, definition, node)
        found = (self._method(module, base.id) for base in definition.bases if isinstance(base, ast.Name))
        return next((method for method in found if method is not None), None)

    def _compiled(self, module: str, owner: ast.ClassDef, method: ast.FunctionDef) -> Any:
        """The function with what it names, to be called with a kind and a number."""
        scope = {name: self._value(module, name) for name in _names(method)}
        bare = copy.deepcopy(method)
        bare.decorator_list, bare.returns = [], None
        for argument in bare.args.args:
            argument.annotation = None
        code = ast.fix_missing_locations(ast.Module([bare], []))
        exec(compile(code, f"{module}.{owner.name}", "exec"), scope)
        cls = SimpleNamespace(**dict(_assigned(owner.body)))
        return lambda kind, number: scope[_METHOD](cls, kind, number)

    def _value(self, module: str, name: str) -> Any:
        """A constant, or a class with its constants, of a module or of the one it comes from; None for all else."""
        tree = self._tree(module)
        for target, value in _assigned(tree.body):
            if target == name:
                return value
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and node.name == name:
                return SimpleNamespace(**dict(_assigned(node.body)))
        origin = self._imports(module).get(name)
        return self._value(*origin) if origin else None

    @cache  # noqa: B019 - one short-lived object
    def _tree(self, module: str) -> ast.Module:
        path = self._path(module)
        return ast.parse(path.read_text(encoding="utf-8")) if path.is_file() else ast.Module([], [])

    def _path(self, module: str) -> Path:
        path = self._folder.joinpath(*module.split("."))
        return path / "__init__.py" if path.is_dir() else path.with_name(f"{path.name}.py")

    def _imports(self, module: str) -> Mapping[str, tuple[str, str]]:
        """The names that a module takes from others of vLLM, each with its module and its name there."""
        here = module.split(".") if self._path(module).name == "__init__.py" else module.split(".")[:-1]
        found: dict[str, tuple[str, str]] = {}
        for node in ast.walk(self._tree(module)):
            if isinstance(node, ast.ImportFrom) and (node.level or (node.module or "").startswith("vllm.")):
                above = here[: len(here) - node.level + 1] if node.level else []
                origin = ".".join([*above, *([node.module] if node.module else [])])
                found |= {alias.asname or alias.name: (origin, alias.name) for alias in node.names}
        return found


def _registered(tree: ast.Module) -> Iterator[tuple[str, tuple[str, str]]]:
    """Every architecture of the registry's tables with the names of its module and class."""
    for node in tree.body:
        value = node.value if isinstance(node, ast.Assign | ast.AnnAssign) else None
        if isinstance(value, ast.Dict):
            for key, entry in zip(value.keys, value.values, strict=True):
                if isinstance(key, ast.Constant) and isinstance(entry, ast.Tuple) and len(entry.elts) == 2:
                    module, name = (ast.literal_eval(element) for element in entry.elts)
                    yield str(key.value), (module if "." in module else f"{_MODELS}.{module}", name)


def _assigned(body: list[ast.stmt]) -> Iterator[tuple[str, Any]]:
    """The names that statements give a literal, or a text put together of names that have one."""
    known: dict[str, Any] = {}
    for node in body:
        if not isinstance(node, ast.Assign | ast.AnnAssign):
            continue
        value = node.value
        for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
            if isinstance(target, ast.Name) and value is not None:
                try:
                    known[target.id] = ast.literal_eval(value)
                except ValueError:
                    text = _joined(value, known)
                    if text is None:
                        continue
                    known[target.id] = text
                yield target.id, known[target.id]


def _joined(value: ast.expr, known: Mapping[str, Any]) -> str | None:
    """The text of an f-string, or of a sum, of literals and known names."""
    if isinstance(value, ast.Constant) and isinstance(value.value, str):
        return value.value
    if isinstance(value, ast.Name):
        found = known.get(value.id)
        return found if isinstance(found, str) else None
    parts: list[ast.expr] = []
    if isinstance(value, ast.JoinedStr):
        parts = [part.value if isinstance(part, ast.FormattedValue) else part for part in value.values]
    elif isinstance(value, ast.BinOp) and isinstance(value.op, ast.Add):
        parts = [value.left, value.right]
    texts = [_joined(part, known) for part in parts]
    return "".join(text for text in texts if text is not None) if parts and None not in texts else None


def _names(method: ast.FunctionDef) -> set[str]:
    """The names that a function reads and does not have itself."""
    own = {argument.arg for argument in method.args.args}
    read = {node.id for node in ast.walk(method) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    return {name for name in read - own if not hasattr(builtins, name)}
