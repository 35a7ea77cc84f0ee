"""``chatwright site``: write the published page, and the tables as HTML."""

from __future__ import annotations

from pathlib import Path

import click

from .common import chosen, count, shown, specs_option
from .terminal import Progress, echo

_DOCS = "generated/docs"  # where the page links to


@click.command()
@click.option(
    "--into", metavar="DIR", required=True, type=click.Path(file_okay=False, path_type=Path), help="Folder to write to."
)
@specs_option
@click.option("--only-mine", is_flag=True, help="With --specs: leave out public families that yours do not use.")
@click.option(
    "--docs",
    metavar="DIR",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Generated Markdown, such as generated/docs: write it as HTML too, below generated/docs/, and link it.",
)
def command(into: Path, folders: tuple[Path, ...], only_mine: bool, docs: Path | None) -> None:
    """Write the site: one page, index.html, with every model, its prompt and its files.

    The page needs no network and no other file: open it from the folder, or let any server publish it.
    """
    from .. import pipeline, site
    from ..cache import user_cache
    from ..pipeline.html import html_pages
    from ..pipeline.parallel import cores
    from ..records.engines import load_evidence
    from ..records.publishers import load_comparisons

    tables = dict(html_pages(docs)) if docs else {}
    catalogue = chosen(folders, only_mine)
    with Progress() as progress:
        evidence, comparisons = load_evidence(), load_comparisons()
        rendering = pipeline.render(catalogue, evidence, progress, comparisons, cache=user_cache(), workers=cores())
        progress("drawing prompts")
        page = site.page(catalogue, rendering, f"{_DOCS}/supported-models.html" if docs else None)
        changes = pipeline.write_tree(
            into, {"index.html": page, **{f"{_DOCS}/{path}": text for path, text in tables.items()}}
        )
    models = count(sum(len(group.checkpoints) for spec in catalogue.specs for group in spec.models), "model")
    done = "written" if "index.html" in changes.written else "up to date"
    size = f"{len(page.encode()) // 1000} kB, {site.compressed(page) // 1000} kB compressed"
    echo(f"{shown(into / 'index.html')}: {done}, {models}, {size}")
    if docs:
        echo(f"{shown(into / _DOCS)}: {count(len(tables), 'page')}")
