"""The process in which the registries of a LLaMA-Factory are read, whichever version stands first on the search path.

Asked for the folder that holds ``generated/``, it answers ``version``, the file that ``origin`` names, ``groups`` (the
calls of ``register_model_group`` in source order), ``plugins`` (its own multimodal ones, with their settings),
``theirs`` and ``ours`` (``templates`` and ``models`` by name, of LLaMA-Factory and of the generated package in that
folder), and ``refused``, the lines that say what of ours this version does not take.
"""

from __future__ import annotations

import ast
import contextlib
import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from . import llamafactory
from .worker import serve


class _Lacking:
    """Stands for a plugin, or the Python of a tool format, that this version does not have."""

    def __init__(self, **options: Any) -> None:
        vars(self).update(options)


def _read(root: str) -> dict[str, Any]:
    import llamafactory.extras.env as env  # the engine's module above has another full name

    found: dict[str, Any] = {"version": env.VERSION, "origin": env.__file__, "groups": _groups(), "theirs": _plain()}
    found["plugins"] = llamafactory.plugins()
    with llamafactory.registries(empty=True), _lenient(), llamafactory.generated_package(Path(root)) as package:
        try:
            package.register_all()
            found["refused"] = []
        except package.Conflict as conflict:
            found["refused"] = str(conflict).splitlines()
        found["ours"] = _plain()
    return found


def _plain() -> dict[str, Any]:
    from llamafactory.data.mm_plugin import PLUGINS

    templates = {}
    for name, template in llamafactory.templates().items():
        templates[name] = llamafactory.plain_fields(template)
        names = sorted(key for key, plugin in PLUGINS.items() if plugin is type(template.mm_plugin))
        templates[name]["mm_plugin"] = {"names": names, **templates[name]["mm_plugin"]}
    return {"templates": templates, "models": llamafactory.registered_models()}


def _groups() -> list[dict[str, Any]]:
    """The calls of ``register_model_group``; the registries forget the template of a name that is no chat model."""
    from llamafactory.extras import constants

    groups = []
    for node in ast.parse(inspect.getsource(constants)).body:
        if isinstance(node, ast.Expr) and isinstance(call := node.value, ast.Call):
            if ast.unparse(call.func) != "register_model_group":
                continue
            given = {keyword.arg: keyword.value for keyword in call.keywords}
            models = given.pop("models")
            assert isinstance(models, ast.Dict)
            groups.append(
                {
                    "models": [ast.literal_eval(key) for key in models.keys if key is not None],
                    "template": None,
                    "multimodal": False,
                    **{str(name): ast.literal_eval(value) for name, value in given.items()},
                }
            )
    return groups


@contextlib.contextmanager
def _lenient() -> Iterator[None]:
    """Let ours be read although this version lacks a plugin or a tool format that some of our templates name."""
    from llamafactory.data import formatter, mm_plugin

    def forgiving(get: Callable[..., Any]) -> Callable[..., Any]:
        def wrapper(name: str, **options: Any) -> Any:
            try:
                return get(name=name, **options)
            except ValueError:
                return _Lacking(name=name, **options)

        return wrapper

    before = formatter.get_tool_utils, mm_plugin.get_mm_plugin
    formatter.get_tool_utils, mm_plugin.get_mm_plugin = map(forgiving, before)
    try:
        yield
    finally:
        formatter.get_tool_utils, mm_plugin.get_mm_plugin = before


def _prepare() -> Callable[[str], dict[str, Any]]:
    llamafactory.load()
    return _read


if __name__ == "__main__":
    serve(_prepare)
