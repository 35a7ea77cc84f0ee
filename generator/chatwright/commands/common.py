"""What several commands share: options, loading the catalogue, and parts of messages."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import UsageError

if TYPE_CHECKING:
    from ..cache import Cache
    from ..catalogue.model import Catalogue, Spec, Template
    from ..pipeline import Rendering

FINE, MISTAKE, USAGE, OUR_BUG = 0, 1, 2, 3  # exit codes
COLOURS = {"+": "green", "-": "red", "@": "cyan"}  # of the lines of a diff

specs_option = click.option(
    "--specs",
    "folders",
    multiple=True,
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="A folder of your own specs, on top of the public catalogue.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for a machine.")


def load(folders: Iterable[Path], cache: Cache | None = None) -> Catalogue:
    """The public catalogue with the specs of these folders on top."""
    from ..cache import user_cache
    from ..pipeline import load_public_catalogue

    return load_public_catalogue(*folders, cache=cache or user_cache())


def chosen(folders: Sequence[Path], only_mine: bool, cache: Cache | None = None) -> Catalogue:
    """The catalogue; with ``only_mine`` only the specs of these folders and what they use."""
    from ..catalogue.load import spec_sources
    from ..pipeline import select

    if only_mine and not folders:
        raise UsageError("--only-mine needs --specs DIR")
    catalogue = load(folders, cache)
    if not only_mine:
        return catalogue
    return select(catalogue, {source for folder in folders for source in spec_sources(folder)})


def find_template(catalogue: Catalogue, name: str) -> Template:
    """A template by its name.

    Raises:
        UsageError: there is no such template; the message suggests another name.
    """
    if template := catalogue.templates.get(name):
        return template
    also = [other.name for other in catalogue.templates.values() if name in other.registered.values()]
    hint = f" (did you mean {also[0]!r}?)" if also else suggestion(name, catalogue.templates)
    raise UsageError(f"there is no template {name!r}{hint}; run: chatwright list")


def suggestion(word: str, known: Iterable[str]) -> str:
    """A hint for a message if a known name is close to the word; else an empty text."""
    from difflib import get_close_matches

    close = get_close_matches(word, list(known), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def refusals(catalogue: Catalogue, rendering: Rendering, sources: Collection[str]) -> Iterator[str]:
    """Messages for the author of these specs: which target cannot express which template, and why."""
    for spec in catalogue.specs:
        for template in spec.templates if spec.source in sources else ():
            for target, deployments in rendering.deployments.items():
                deployment = deployments.get(template.name)
                if deployment and deployment.path is None:
                    yield f"{template.name}: not for {target}: {deployment.reason}"
        yield from _without_template(spec, catalogue, rendering) if spec.source in sources else ()


def _without_template(spec: Spec, catalogue: Catalogue, rendering: Rendering) -> Iterable[str]:
    """Messages about models that a framework lists without the template that the spec names."""
    from ..targets.protocol import listed_in, registered_names

    for group in spec.models:
        for checkpoint in group.checkpoints:
            for framework in listed_in(checkpoint, group):
                name = group.template_for(framework, checkpoint)
                known = catalogue.templates.get(name or "")
                if known is None or registered_names(known, rendering.deployments)[framework]:
                    continue
                family = [item for item in catalogue.templates.values() if item.family == known.family]
                others = [item.name for item in family if registered_names(item, rendering.deployments)[framework]]
                hint = (
                    f"; `targets: {{{framework}: {{template: …}}}}` names another of {', '.join(others)}"
                    if others
                    else ""
                )
                yield f"{checkpoint.title}: no template in {framework}: {name} is not registered there{hint}"


def visible_text(text: str) -> str:
    """The text with every character made visible."""
    from ..meaning.visible import visible

    return visible(text)


def count(number: int, one: str, many: str | None = None) -> str:
    """A number with its noun."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def shown(path: Path) -> str:
    """The path as the user would write it."""
    try:
        return path.resolve().relative_to(Path.cwd()).as_posix()
    except ValueError:
        return path.as_posix()


def command_line(program: str = "chatwright", leave_out: Iterable[str] = ()) -> str:
    """The command as the user typed it, without some of its options."""
    return f"{program} " + shlex.join(argument for argument in sys.argv[1:] if argument not in leave_out)
