"""Architecture: imports go down the floors, targets do not import each other, only the command line prints."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import chatwright
from chatwright.targets import TARGETS

PACKAGE = Path(chatwright.__file__).parent
GENERATOR = PACKAGE.parent
FLOORS = (
    {
        "__init__",
        "limits",
        "characters",
        "errors",
        "files",
        "json_writer",
        "resources",
        "cache",
        "git",
        "losses",
        "verdicts",
    },
    {"records"},
    {"catalogue"},
    {"meaning"},
    {"targets"},
    {"pipeline"},
    {"inspection"},
    {"site"},
    {"commands"},
    {"cli", "__main__"},
)
# The rooms inside inspection/, from the ground up: what only reads and renders, then the three that judge a model.
ROOMS = (
    {
        "__init__",
        "token_ids",
        "canonical",
        "spec_editing",
        "registrations",
        "tokenizer_worker",
        "tokenizer",
        "jinja",
        "vllm",
    },
    {"conversations"},
    {"prompt_differences"},
    {"verify"},
    {"draft"},
    {"identify"},
)
FRAMEWORKS = {"transformers", "torch", "llamafactory", "swift", "lmdeploy", "tokenizers", "minijinja", "mistral_common"}
ASKING = {"inspection.tokenizer_worker"}  # a process of its own, which only reading a tokenizer needs


@cache
def modules(package: Path = PACKAGE) -> dict[str, ast.Module]:
    """Every module of a package by its dotted name inside it (``targets.vllm``)."""
    found = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)
        found[name] = ast.parse(path.read_text(encoding="utf-8"), str(path))
    assert len(found) > 20, "the modules were not found"
    return found


def imports(name: str) -> Iterator[str]:
    """What a module imports, anywhere in it: dotted names, those of the package without ``chatwright.`` in front."""
    is_package = (PACKAGE / name.replace(".", "/")).is_dir()
    here = name.split(".") if is_package else name.split(".")[:-1]
    for node in ast.walk(modules()[name]):
        if isinstance(node, ast.Import):
            yield from (alias.name.removeprefix("chatwright.") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = here[: len(here) - node.level + 1] if node.level else []
            source = ".".join([*base, *([node.module] if node.module else [])]).removeprefix("chatwright.")
            inside = node.level or (node.module or "").startswith("chatwright")
            for alias in node.names:
                full = f"{source}.{alias.name}" if source else alias.name
                yield full if inside and full in modules() else source or "__init__"


def upward(floors: Sequence[set[str]], inside: str = "") -> list[str]:
    """The imports that go from a lower floor to a higher one, among the modules below a folder."""

    def floor(name: str) -> int | None:
        if not name.startswith(inside) or name == inside.rstrip("."):
            return None
        top = name.removeprefix(inside).split(".")[0]
        return next((number for number, names in enumerate(floors) if top in names), None)

    lost = [name for name in modules() if name.startswith(inside) and floor(name) is None]
    return [f"{name} has no floor" for name in lost] + [
        f"{name} imports {imported}"
        for name in modules()
        for imported in imports(name)
        if (own := floor(name)) is not None and (other := floor(imported)) is not None and other > own
    ]


def test_imports_go_down() -> None:
    assert upward(FLOORS) == []


def test_inside_inspection_imports_go_down() -> None:
    assert upward(ROOMS, "inspection.") == []


def test_an_import_that_goes_up_is_found() -> None:
    assert "pipeline.generate imports targets" in upward(({"pipeline"}, {"targets"}))
    assert "inspection.draft.source imports inspection.verify.folder" in upward(ROOMS[::-1], "inspection.")


def test_the_product_never_imports_conformance() -> None:
    assert [name for name in modules() for imported in imports(name) if imported.split(".")[0] == "conformance"] == []
    assert any("chatwright" in ast.unparse(tree) for tree in modules(GENERATOR / "conformance").values())


def test_targets_never_import_each_other() -> None:
    assert {f"targets.{name}" for name in TARGETS} <= modules().keys()
    wrong = [
        f"{name} imports {imported}"
        for name in modules()
        for imported in imports(name)
        if (own := target(name)) and (other := target(imported)) and own != other
    ]
    assert wrong == []


def target(name: str) -> str | None:
    """The target that a module is, or is a part of."""
    floor_name, _, rest = name.partition(".")
    found = rest.partition(".")[0]
    return found if floor_name == "targets" and found in TARGETS else None


def test_few_modules_import_frameworks() -> None:
    asking = {name for name in modules() for imported in imports(name) if imported.split(".")[0] in FRAMEWORKS}
    assert asking == ASKING


def test_frameworks_are_imported_lazily() -> None:
    wrong = [
        f"{name}:{node.lineno}"
        for name, tree in modules().items()
        for node in tree.body
        if isinstance(node, ast.Import | ast.ImportFrom)
        for imported in ([alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""])
        if imported.split(".")[0] in FRAMEWORKS and not getattr(node, "level", 0) and not runs_in_its_own_process(tree)
    ]
    assert wrong == []


PRINTING = {
    *("print", "sys.stdout", "sys.stderr", "sys.__stdout__", "sys.__stderr__", "traceback.print_exc", "warnings.warn"),
    *("click.echo", "click.secho", "click.style", "click.echo_via_pager", "click.prompt", "click.confirm"),
    *("click.progressbar", "click.get_text_stream", "click.get_binary_stream"),
}
EXITING = {"exit", "sys.exit", "SystemExit"}


def uses(names: set[str], but: tuple[str, ...]) -> list[str]:
    """Where modules of this process use one of some names."""
    return [
        f"{name}:{node.lineno}: {what}"
        for name, tree in modules().items()
        if name not in but and not runs_in_its_own_process(tree)
        for node in ast.walk(tree)
        if isinstance(node, ast.expr) and (what := ast.unparse(node)) in names
    ]


def test_one_module_prints() -> None:
    """So that nothing is printed that has not been made visible: a command imports what prints from there."""
    assert uses(PRINTING, ("commands.terminal", "meaning.bounded_worker")) == []
    clicking = {name for name in modules() for imported in imports(name) if imported == "click"}
    assert [name for name in clicking if name != "cli" and not name.startswith("commands.")] == []


def test_only_the_command_line_exits() -> None:
    assert [each for each in uses(EXITING, ("cli", "__main__")) if not each.startswith("commands.")] == []


def runs_in_its_own_process(tree: ast.Module) -> bool:
    """Whether a module is a program that another framework's interpreter runs, and that answers on its output."""
    return any(isinstance(node, ast.If) and ast.unparse(node.test) == "__name__ == '__main__'" for node in tree.body)


# What writes without the one writer, always into a temporary folder, or a copy, that it has made itself; `cache` into
# the user's cache, whose entries it removes.
_TEMPORARY = {"cache", "pipeline.revisions"}
_WRITING = {"write_text", "write_bytes", "unlink", "rmdir", "rmtree", "rename", "copytree", "copy", "copy2", "move"}
_WRITING |= {"mkdir", "makedirs", "symlink_to", "symlink", "link", "hardlink_to", "truncate", "removedirs"}


def test_only_the_writer_touches_folders_of_users() -> None:
    wrong = {
        f"{name}:{node.lineno}: {ast.unparse(node.func)}"
        for name, tree in modules().items()
        if name not in ("files", "pipeline.writer", *_TEMPORARY)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and writes(node)
    }
    assert wrong == set()
    assert [name for name in _TEMPORARY if not any(map(writes, calls(name)))] == []


def calls(name: str) -> Iterator[ast.Call]:
    return (node for node in ast.walk(modules()[name]) if isinstance(node, ast.Call))


def writes(call: ast.Call) -> bool:
    """Whether a call is one that changes a disk: by its name, or as it opens a file for more than reading."""
    function = ast.unparse(call.func)
    last = function.rsplit(".", 1)[-1]
    if function in (f"os.{last}", f"shutil.{last}"):
        return last in _WRITING | {"replace", "remove"} or "O_CREAT" in ast.unparse(call)
    if last == "open" and "os.devnull" not in ast.unparse(call):
        values = [*call.args, *(keyword.value for keyword in call.keywords)]
        modes = [value.value for value in values if isinstance(value, ast.Constant)]
        return any(isinstance(mode, str) and set(mode) & set("wax+") and len(mode) < 4 for mode in modes)
    return isinstance(call.func, ast.Attribute) and last in _WRITING - {"copy", "link", "move"}
