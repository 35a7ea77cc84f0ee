"""The command line: the only module that prints, all of it through ``terminal.py``, or exits.

Exit codes: 0 fine, 1 a mistake in a spec, stale output or something found, 2 wrong usage, 3 a mistake of ours, 141
the output is closed.
"""

from __future__ import annotations

import gc
import json
import os
import shlex
import sys
import tempfile
import traceback
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from . import __version__, terminal
from .characters import is_seen
from .errors import CatalogueError, ChatwrightError, Problem, Unsupported, UsageError, mistake_of_ours
from .terminal import Progress, echo, echo_json, echo_lines, echo_raw, echo_table, secho

if TYPE_CHECKING:
    from .cache import Cache
    from .catalogue.model import Catalogue, Override, Spec, Template
    from .evidence.draft import Draft
    from .evidence.identify import Answer
    from .evidence.verify import Verification
    from .losses import Loss
    from .meaning.render import Kind, Piece
    from .meaning.scenarios import Scenario
    from .meaning.visible import Row
    from .pipeline import Rendering
    from .pipeline.compare import Comparison

FINE, MISTAKE, USAGE, OUR_BUG = 0, 1, 2, 3
NO_READER = 141  # what a shell says of a program whose output nobody reads any more
ENGINES = ("vllm", "sglang", "transformers", "ollama", "lmdeploy", "llamafactory", "swift")  # of pipeline.export
_COLOURS = {"prefix": "magenta", "system": "yellow", "user": "cyan", "assistant": "green", "observation": "blue"}
_MOST_LEFT = 10
_SYNCED = ("llamafactory", "swift", "publishers")
_DEFAULT_SCENARIOS = ("system_multi",)
_LEGEND = (
    "* trained on   · space   → tab   ⏎ newline   <bos> <eos> the tokenizer's own tokens   "
    "\\x1b \\u202e what cannot be seen, or one of these signs in the text itself"
)
_REPORT = "Please report it, with the output of the same command after `export CHATWRIGHT_DEBUG=1`."
_specs = click.option(
    "--specs",
    "folders",
    multiple=True,
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="A folder of your own specs, on top of the public catalogue.",
)
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON for a machine.")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="chatwright")
def cli() -> None:
    """One spec per model family: templates for training frameworks and inference engines that mean the same."""


@cli.command()
@click.argument("name")
@click.option("--publisher", default="own", show_default=True, help="Who publishes the family.")
@click.option("--title", help="Its name as people write it; NAME where left out.")
@click.option(
    "--specs",
    "folder",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="The folder of specs to write to; `specs` in a checkout where left out.",
)
def new(name: str, publisher: str, title: str | None, folder: Path | None) -> None:
    """Write a commented spec for the family NAME, to start from."""
    from .pipeline.starter import write_starter
    from .resources import checkout_root, specs_path

    if folder is None and checkout_root() is None:
        raise UsageError("--specs DIR says which folder of yours the spec goes to, for example: --specs my-specs")
    mine = folder or specs_path()
    known = _load([mine] if folder and any(folder.glob("*/*.yaml")) else ())
    place = write_starter(known, name, title, publisher, mine)
    own = f" {shlex.quote(_shown(mine))}" if folder else ""
    echo(f"{_shown(place)}: written")
    echo(f"change what is not so, then run: chatwright validate{own}", err=True)


@cli.command()
@click.argument("paths", nargs=-1, type=click.Path(exists=True, path_type=Path))
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "github"]),
    default="text",
    help="github: also print each problem as an annotation of its line in a pull request.",
)
def validate(paths: tuple[Path, ...], form: str) -> None:
    """Check the public catalogue, and PATHS on top of it: folders of specs, or single specs."""
    try:
        catalogue = _load(paths)
    except CatalogueError as error:
        for problem in error.problems if form == "github" else ():
            echo(_annotation(problem))
        raise
    echo(f"{_count(len(catalogue.specs), 'spec')}: no problems")


@cli.command()
@click.option("--check", is_flag=True, help="Write nothing; exit 1 if anything would change.")
@click.option("--diff", is_flag=True, help="Write nothing; print what would change.")
@_specs
@click.option("--only-mine", is_flag=True, help="With --specs: leave out public families that yours do not use.")
@click.option(
    "--out",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the files go; `generated` beside the public specs where left out.",
)
def generate(check: bool, diff: bool, folders: tuple[Path, ...], only_mine: bool, out: Path | None) -> None:
    """Generate every file from the specs.

    What has not changed since an earlier run is not made again: that is kept below ~/.cache/chatwright, or in the
    folder that CHATWRIGHT_CACHE names; CHATWRIGHT_CACHE=off keeps nothing.
    """
    from .cache import Run, user_cache
    from .files import look
    from .losses import CATALOG, since_committed
    from .resources import checkout_root

    if folders and out is None:
        raise UsageError("--specs needs --out DIR, so that your families do not end up among the public ones")
    root = checkout_root()
    again = "make generate" if root and out is None else _command(leave_out=("--check", "--diff"))
    if out is None:
        out = (root or Path.cwd()) / "generated"
        if look(out).kind == "link":
            raise ChatwrightError(f"{out}: a symbolic link, which is followed only where --out names it")
    readme = None if root is None or folders or out != root / "generated" else root / "README.md"
    cache = user_cache()
    if cache.unused:
        echo(f"note: {cache.unused}", err=True)
    run = Run(cache, only_mine, folders, [readme] if readme and readme.is_file() else [])
    if (before := run.before(out)) is not None:
        for line in () if check or diff else before:
            echo(line, err=True)
        _echo_losses(*since_committed(out, None))
        if check:
            echo(f"{_shown(out)}: up to date")
        elif not diff:
            echo(f"{_shown(out)}: 0 written, 0 removed")
        return

    from . import pipeline
    from .catalogue.comparisons import load_comparisons
    from .catalogue.evidence import load_evidence
    from .catalogue.load import spec_sources
    from .pipeline.generate import differences
    from .pipeline.parallel import cores
    from .resources import evidence_path

    catalogue = _chosen(folders, only_mine, cache)
    mine = {source for folder in folders for source in spec_sources(folder)}
    evidence, comparisons = load_evidence(evidence_path()), load_comparisons(evidence_path())
    with Progress() as progress:
        rendering = pipeline.render(catalogue, evidence, progress, comparisons, cache=cache, workers=cores())
        told = list(_refusals(catalogue, rendering, mine))
        lost = since_committed(out, rendering.files[CATALOG].encode())
        if check or diff:
            found = differences(out, rendering.files)
        else:
            changes = pipeline.write_tree(out, rendering.files)
    stale = readme is not None and _write_counts(readme, catalogue, write=not (check or diff))
    if not stale:
        run.keep(rendering.files, told)
    if not (check or diff):
        for line in told:
            echo(line, err=True)
        _echo_losses(*lost)
        for line in _left(out, changes.left):
            echo(line, err=True)
        echo(f"{_shown(out)}: {len(changes.written)} written, {len(changes.removed)} removed")
        if stale:
            echo("README.md: its figures written")
        return
    _echo_losses(*lost)
    if diff:
        for difference in found:
            _echo_diff(difference.diff)
    if check:
        for difference in found:
            echo(f"{_shown(out / difference.path)}: {difference.kind}", err=True)
        if stale:
            echo("README.md: its figures are not the catalogue's", err=True)
        if found or stale:
            echo(f"{_count(len(found) + stale, 'file')} out of date; run: {again}", err=True)
            raise SystemExit(MISTAKE)
        echo(f"{_shown(out)}: up to date")


@cli.command("diff")
@click.argument("before", default="HEAD", metavar="[REV]")
@click.argument("after", required=False, metavar="[REV]")
@click.option("--markdown", "as_markdown", is_flag=True, help="Print Markdown, for a pull request.")
@click.option("--exit-code", is_flag=True, help="Exit with 1 if anything changed, as git does.")
@click.option(
    "--losses",
    "listed",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Exit with 1 unless this file lists each loss, with a reason, and nothing else that is new in it.",
)
@_specs
@_json
def diff_(
    before: str,
    after: str | None,
    as_markdown: bool,
    exit_code: bool,
    listed: Path | None,
    folders: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Say what changed in meaning since a revision (HEAD), or between two: losses, models, prompts, files, fidelity.

    The specs of both are read by this generator. With --specs, those of your own repository are compared.
    """
    from .cache import user_cache
    from .catalogue.comparisons import load_comparisons
    from .catalogue.evidence import load_evidence
    from .pipeline import tell
    from .pipeline.diff import diff
    from .pipeline.parallel import cores
    from .resources import evidence_path

    if as_markdown and as_json:
        raise UsageError("--markdown and --json are two ways to print the same")
    with Progress() as progress:
        evidence, comparisons = load_evidence(evidence_path()), load_comparisons(evidence_path())
        compared = diff(before, after, folders, evidence, progress, comparisons, cache=user_cache(), workers=cores())
    if as_json:
        echo_json(tell.as_json(compared))
    elif as_markdown:
        echo_lines(tell.markdown(compared).removesuffix("\n").split("\n"))
    else:
        for line in tell.text_lines(compared):
            _echo_diff_line(line)
    if listed is not None:
        _check_losses(listed, compared)
    if exit_code and not compared.same:
        raise SystemExit(MISTAKE)


@cli.command("list")
@click.argument("search", default="")
@_specs
@_json
def list_(search: str, folders: tuple[Path, ...], as_json: bool) -> None:
    """List families, templates and models; SEARCH keeps those with this text in a name or id."""
    families = [found for spec in _load(folders).specs if (found := _family(spec, search.casefold()))]
    if as_json:
        echo_json({"families": families})
        return
    if not families:
        echo(f"nothing matches {search!r}", err=True)
        raise SystemExit(MISTAKE)
    rows = [("FAMILY", "TEMPLATE", "LLAMA-FACTORY", "MS-SWIFT", "CHECKPOINTS")]
    for family in families:
        count = str(len(family["checkpoints"]))
        for index, template in enumerate(family["templates"] or [{"name": "", "registered": {}}]):
            names = (template["registered"].get(framework) or "-" for framework in ("llamafactory", "swift"))
            rows.append(("" if index else family["name"], template["name"], *names, "" if index else count))
    echo_table(rows)
    shown = _count(sum(len(family["templates"]) for family in families), "template")
    models = _count(sum(len(family["checkpoints"]) for family in families), "checkpoint")
    echo(f"{_count(len(families), 'family', 'families')}, {shown}, {models}")


@cli.command()
@click.argument("name", metavar="TEMPLATE")
@click.option("--scenario", "names", multiple=True, metavar="NAME", help="A conversation to render; may be repeated.")
@_specs
@_json
def show(name: str, names: tuple[str, ...], folders: tuple[Path, ...], as_json: bool) -> None:
    """Show a template: its slots, its files, and rendered prompts with every character visible."""
    from . import pipeline
    from .cache import user_cache
    from .catalogue.comparisons import load_comparisons
    from .catalogue.evidence import load_evidence
    from .meaning.scenarios import scenarios
    from .resources import evidence_path

    catalogue = _load(folders)
    template = _find_template(catalogue, name)
    chosen = names or _DEFAULT_SCENARIOS
    for scenario in chosen:
        if scenario not in scenarios():
            raise UsageError(f"there is no scenario {scenario!r}{_suggestion(scenario, scenarios())}")
    source = next(spec.source for spec in catalogue.specs if template in spec.templates)
    with Progress() as progress:
        evidence, comparisons = load_evidence(evidence_path()), load_comparisons(evidence_path())
        part, cache = pipeline.select(catalogue, {source}), user_cache()
        rendering = pipeline.render(part, evidence, progress, comparisons, cache=cache)
    data = {"template": name, **_summary(template, rendering)}
    if as_json:
        rendered = {scenario: _rendered_json(template, scenarios()[scenario]) for scenario in chosen}
        echo_json({**data, "scenarios": rendered})
        return
    _echo_summary(data)
    for scenario in chosen:
        _echo_scenario(template, scenario, scenarios()[scenario])


@cli.command()
@click.argument("name", metavar="TEMPLATE")
@click.option("--for", "engine", required=True, type=click.Choice(ENGINES), help="What the file is for.")
@click.option("--into", metavar="DIR", type=click.Path(file_okay=False, path_type=Path), help="The folder to write to.")
@click.option(
    "--model", metavar="MODEL", help="The model's folder or id, for the command; a folder is also looked into."
)
@click.option("--force", is_flag=True, help="Replace a file that is there with another content.")
@_specs
def export(
    name: str, engine: str, into: Path | None, model: str | None, force: bool, folders: tuple[Path, ...]
) -> None:
    """Write a template's file for one engine, and print the command that uses it.

    Without --into the file goes to stdout. The command, and what there is to know, go to stderr. A
    chat_template.jinja goes into the model's folder: --into DIR, or --model DIR.
    """
    from .pipeline import export as exports

    catalogue = _load(folders)
    _find_template(catalogue, name)
    with Progress() as progress:
        progress(f"generating {name}")
        made = exports.export(catalogue, name, engine, model=model, into=into)
        if into is None and model and Path(model).is_dir() and made.files[0][0] == exports.MODEL_FILE:
            into = Path(model)
        written = exports.write(made, into, force=force) if into else []
    for path, changed in written:
        echo(f"{_shown(path)}: {'written' if changed else 'up to date'}", err=True)
    if into is None:
        for _, text in made.files:
            echo_raw(text)
    for note in made.notes:
        echo(note, err=True)
    if made.command:
        echo(made.command, err=True)
        if not is_seen(made.command):
            echo("note: what cannot be seen stands in it as an escape; rename the model, then paste it", err=True)


@cli.command()
@click.option(
    "--into", metavar="DIR", required=True, type=click.Path(file_okay=False, path_type=Path), help="Where it goes."
)
@_specs
@click.option("--only-mine", is_flag=True, help="With --specs: leave out public families that yours do not use.")
@click.option("--tables", metavar="PATH", help="Where the published page finds the tables, for a link at its foot.")
def site(into: Path, folders: tuple[Path, ...], only_mine: bool, tables: str | None) -> None:
    """Write the site: one page, index.html, with every model, its prompt and its files.

    It needs no network and nothing beside it: open it from the folder, or let any server publish it.
    """
    from . import pipeline, site
    from .catalogue.comparisons import load_comparisons
    from .catalogue.evidence import load_evidence
    from .resources import evidence_path

    catalogue = _chosen(folders, only_mine)
    with Progress() as progress:
        evidence, comparisons = load_evidence(evidence_path()), load_comparisons(evidence_path())
        rendering = pipeline.render(catalogue, evidence, progress, comparisons)
        progress("drawing prompts")
        page = site.page(catalogue, rendering, tables)
        changes = pipeline.write_tree(into, {"index.html": page})
    models = _count(sum(len(group.checkpoints) for spec in catalogue.specs for group in spec.models), "model")
    done = "written" if changes.written else "up to date"
    size = f"{len(page.encode()) // 1000} kB, {site.compressed(page) // 1000} kB compressed"
    echo(f"{_shown(into / 'index.html')}: {done}, {models}, {size}")


@cli.command()
@click.argument("family")
@click.option("--for", "framework", required=True, type=click.Choice(["llamafactory", "swift"]), help="Whose table.")
@click.option("--head", is_flag=True, help="Also print the head of the table.")
@_specs
def rows(family: str, framework: str, head: bool, folders: tuple[Path, ...]) -> None:
    """Print a family's rows for a framework's own table of supported models, for a pull request there.

    What there is to know goes to stderr.
    """
    from .pipeline.rows import upstream_rows

    catalogue = _load(folders)
    families = {spec.name: spec for spec in catalogue.specs}
    if family not in families:
        raise UsageError(f"there is no family {family!r}{_suggestion(family, families)}; run: chatwright list")
    found = upstream_rows(catalogue, families[family], framework)
    echo_lines((*(found.head.split("\n") if head else ()), *found.lines))
    echo(f"for {found.place}", err=True)
    for note in found.notes:
        echo(note, err=True)


@cli.command()
@click.option("--kind", metavar="KIND", help="Only the overrides of this kind, such as 'group swift.template'.")
@click.option(
    "--lower", is_flag=True, help="In a checkout: let the recorded ceilings fall to what stands in the specs."
)
@_specs
@_json
def overrides(kind: str | None, lower: bool, folders: tuple[Path, ...], as_json: bool) -> None:
    """List every `targets:` override of the specs by kind, with its place and value."""
    from dataclasses import asdict

    from .pipeline import ledger

    if lower and (kind or folders or as_json):
        raise UsageError("--lower is for all kinds of the public catalogue, and stands alone")
    catalogue = _load(folders)
    if lower:
        _lower_ceilings(catalogue)
        return
    found = ledger.overrides(catalogue)
    if kind is not None and kind not in found:
        raise UsageError(f"no spec holds an override of the kind {kind!r}{_suggestion(kind, found)}")
    shown = found if kind is None else {kind: found[kind]}
    derived, others = ledger.derived(catalogue)
    openers = ledger.foreign_openers(catalogue)
    if as_json:
        data: dict[str, Any] = {
            "overrides": {name: [_override(item) for item in items] for name, items in shown.items()}
        }
        if kind is None:
            foreign = [asdict(opener) for opener in openers]
            data |= {"foreign_openers": foreign, "derived": derived, "not_derived": others}
        echo_json(data)
        return
    for name, items in shown.items():
        secho(f"{name}: {len(items)}", bold=True)
        entries = map(_override, items)
        echo_table([(f"  {item['place']}", item["owner"], json.dumps(item["value"])) for item in entries])
    if kind is None:
        secho(f"openers in the slot of another role: {len(openers)}", bold=True)
        for opener in openers:
            echo(f"  {opener.template}: the {opener.role}'s opener in {opener.slot}")
        echo(f"{_count(sum(map(len, found.values())), 'override')} of {_count(len(found), 'kind')}")
        echo(
            f"{len(derived)} of the {len(derived) + len(others)} templates of ms-swift whose Python class changes no "
            "text are derived from slots, without an override that says a text"
        )


@cli.command()
@click.argument("framework", metavar="llamafactory|swift|publishers", type=click.Choice(_SYNCED))
@click.argument("repos", nargs=-1, metavar="[REPO]...")
@click.option(
    "--path",
    metavar="DIR",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Read the version unpacked in this folder (pip install --no-deps --target DIR).",
)
@click.option("--write", "writes", is_flag=True, help="In a checkout: bring the specs up to date.")
@click.option(
    "--endpoint",
    metavar="URL",
    envvar="HF_ENDPOINT",
    help="publishers: where the repositories are; https://huggingface.co where left out.  [env: HF_ENDPOINT]",
)
@click.option("--revision", metavar="NAME", help="publishers: the revision to read; main where left out.")
@_json
def sync(
    framework: str,
    repos: tuple[str, ...],
    path: Path | None,
    writes: bool,
    endpoint: str | None,
    revision: str | None,
    as_json: bool,
) -> None:
    """Compare the catalogue with what an installed framework registers: what lacks, differs, or is gone upstream.

    For publishers: whether the chat templates in their repositories, or in each REPO, are still those that are
    recorded, and what they write in another way if not. Exit code 1 if there is anything to do.
    """
    if framework == "publishers":
        if path or writes:
            raise UsageError("--path and --write are for frameworks; publishers' repositories are read at --endpoint")
        _sync_publishers(repos, endpoint, revision, as_json)
        return
    if repos or revision:
        raise UsageError(f"repositories and --revision are for `sync publishers`; {framework} is read as installed")
    from .catalogue.build import FRAMEWORKS
    from .catalogue.built_ins import built_ins
    from .evidence.sync import compare, registry, report
    from .resources import built_ins_path, checkout_root, specs_path

    if writes and checkout_root() is None:
        raise UsageError("--write edits the specs of a checkout of the repository, and this is none")
    before = built_ins().get(framework)
    with Progress() as progress:
        progress(f"reading {FRAMEWORKS[framework]}")
        ours, theirs = registry.read_both(framework, _load_whole(), [path] if path else [])
        differences = compare.compare(ours, theirs, before)
        done: list[str] = []
        if writes and before and registry.is_older(theirs.version, before.version):
            raise ChatwrightError(
                f"{FRAMEWORKS[framework]} {theirs.version} is older than {before.version}, which the specs "
                "follow: --write would take them back to it; leave --write out to compare only"
            )
        if writes and differences:
            from .evidence.sync.write import remember_plugins, write

            remember_plugins(theirs, built_ins_path())
            done = write(differences, theirs, specs_path(), before=before)
    if done:
        if not as_json:
            echo_lines(done)
        try:
            with Progress() as progress:
                progress(f"reading {FRAMEWORKS[framework]} again")
                ours, theirs = registry.read_both(framework, _load_whole(), [path] if path else [])
        except ChatwrightError:
            if as_json:
                echo_json({"written": done})
            raise
        differences = compare.compare(ours, theirs, before)
    extra = compare.extras(ours, theirs, before)
    if as_json:
        data = report.as_json(differences, extra, theirs)
        echo_json({**data, "written": done} if writes else data)
    else:
        echo_lines(report.lines(differences, extra, theirs))
    if differences:
        raise SystemExit(MISTAKE)


@cli.command()
@click.argument("folder", metavar="MODEL_DIR", type=click.Path(path_type=Path))
@click.option(
    "--template", "name", metavar="NAME", help="What it was trained with; told by its chat template if left out."
)
@_specs
@_json
def verify(folder: Path, name: str | None, folders: tuple[Path, ...], as_json: bool) -> None:
    """Check that a model folder is served with the very tokens it was trained on.

    Compares its own chat template and the file to deploy with what training writes, as text and as the token ids of
    its tokenizer; then its stops and its vocabulary. Exit code 1 if anything is found. Uses no network and runs no
    code of the folder but its chat template, in a sandbox.
    """
    from .evidence.verify import verify as verify_folder

    catalogue = _load(folders)
    if name is not None:
        name = _find_template(catalogue, name).name
    with Progress() as progress:
        progress("reading the tokenizer")
        found = verify_folder(folder, catalogue, name)
    if as_json:
        echo_json(found.as_json())
    else:
        _echo_verification(found)
    if not found.fine:
        raise SystemExit(MISTAKE)


@cli.command()
@click.argument("model", metavar="MODEL")
@click.option("--name", metavar="NAME", help="Name of the family and its template; told by the model if left out.")
@click.option("--out", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path), help="Write the spec there.")
@click.option("--force", is_flag=True, help="With --out: replace a file that is there.")
@_specs
@_json
def draft(
    model: str, name: str | None, out: Path | None, force: bool, folders: tuple[Path, ...], as_json: bool
) -> None:
    """Draft a spec from a model's own chat template.

    MODEL is a folder, a file with a chat template, or an id on the Hub. The spec goes to stdout, or to --out FILE; what
    is exact in it, and what is not, goes to stderr, and stands in the spec as comments. Exit code 1 if anything is not
    exact. Runs no code of the model but its chat template, in a sandbox.
    """
    from .evidence import draft as drafts

    if out is not None and out.exists() and not force:
        raise UsageError(f"{_shown(out)} is there already; replace it with --force, or name another file")
    if force and out is None:
        raise UsageError("--force needs --out FILE")
    catalogue = _load(folders)
    with Progress() as progress:
        progress("probing the chat template")
        folder = out.resolve().parent.name if out else None
        found = drafts.draft(drafts.read_source(model), catalogue, name or (out.stem if out else None), folder)
    if out is not None:
        _write_draft(found.text, out)
    if as_json:
        echo_json(found.as_json())
    else:
        if out is None:
            echo_raw(found.text)
        _echo_draft(found, out)
        if found.data:
            _echo_refusals_of_draft(found, folders, out)
    if not found.exact:
        raise SystemExit(MISTAKE)


def _write_draft(text: str, out: Path) -> None:
    """Write a draft with the line that leads an editor to the schema, which outside of a checkout stands beside it."""
    from .pipeline.starter import OWN_SCHEMA, schema_reference
    from .pipeline.writer import write_file
    from .resources import schema_path

    schema = schema_reference(out.parent)
    write_file(out, text.replace("$schema=../../schema.json", f"$schema={schema}", 1))
    copy = Path(os.path.abspath(out.parent / OWN_SCHEMA))  # not behind a link that the folder may be
    if schema == OWN_SCHEMA and not os.path.lexists(copy):
        write_file(copy, schema_path().read_text(encoding="utf-8"))


def _echo_refusals_of_draft(found: Draft, folders: tuple[Path, ...], out: Path | None) -> None:
    """What a drafted template cannot be on which target, and what keeps the draft from standing in the catalogue."""
    from . import pipeline
    from .files import write

    with tempfile.TemporaryDirectory(prefix="chatwright-") as home:
        place = f"{(out.resolve().parent.name if out else '') or 'draft'}/{found.name}.yaml"
        write(Path(home) / place, found.text.encode("utf-8", "surrogatepass"))
        try:
            catalogue = _load((*folders, Path(home)))
        except CatalogueError as error:
            for problem in error.problems:
                echo(f"note: {_shown(out) if out else found.name}: {problem.message}", err=True)
            return
        part = pipeline.select(catalogue, {place})
        for line in _refusals(part, pipeline.render(part), {place}):
            echo(line, err=True)


@cli.command()
@click.argument("models", metavar="MODEL…", nargs=-1, required=True)
@click.option("--cores", type=click.IntRange(1), metavar="N", help="Of a stream: how many sandboxes; all if left out.")
@_specs
@_json
def identify(models: tuple[str, ...], cores: int | None, folders: tuple[Path, ...], as_json: bool) -> None:
    """Tell which template of the catalogue is a model's.

    MODEL is a folder, a file with a chat template, or an id on a hub, which is looked up and not fetched. With - it is
    a stream: lines of JSON with "chat_template" or "id", and as far as known "bos_token", "eos_token" and
    "architectures", on standard input, and one answer a line, in the same order.

    Exit code 0 if each MODEL has one template, or one in each framework; of a stream, if there is an answer to every
    line. Uses no network and runs no code of a model but its chat template, in a sandbox.
    """
    from .evidence.identify import Identifier, isolated, read_model
    from .meaning.sandbox import Workshop

    if "-" in models:
        if len(models) > 1:
            raise UsageError("- reads a stream of models, and stands alone")
        _identify_stream(folders, cores)
        return
    if cores is not None:
        raise UsageError("--cores is for a stream: chatwright identify -")
    found: list[Answer] = []
    with Workshop() as workshop, Progress() as progress:
        identifier = Identifier(_load(folders))
        for model in models:
            progress(f"identifying {model}")
            found.append(isolated(model, lambda: identifier.identify(read_model(model), workshop.render)))  # noqa: B023
    if as_json:
        echo_json([answer.as_json() for answer in found])
    else:
        for index, answer in enumerate(found):
            _echo_answer(answer, first=index == 0)
    if not all(answer.sure for answer in found):
        raise SystemExit(MISTAKE)


def _identify_stream(folders: tuple[Path, ...], cores: int | None) -> None:
    from .evidence.identify import Identifier, stream

    if sys.stdin is None:  # it was closed before the program began
        raise SystemExit(MISTAKE)
    figures = stream.Figures(cores or stream.cores())
    lines = stream.read_lines(sys.stdin.buffer)
    for answer in stream.answers(lines, Identifier(_load(folders)), figures):
        echo_json(answer.as_json(), indent=None)
    echo(figures.told, err=True)


@cli.command(hidden=True)
@click.option("--tokenizers", metavar="DIR", type=click.Path(exists=True, path_type=Path), help="Real tokenizers.")
@click.option("--npm", metavar="DIR", type=click.Path(exists=True, path_type=Path), help="A node_modules folder.")
@click.option("--swift-3", metavar="DIR", type=click.Path(exists=True, path_type=Path), help="An unpacked ms-swift 3.")
@click.option(
    "--older",
    metavar="DIR",
    type=click.Path(exists=True, path_type=Path),
    help="A folder with llamafactory/ and swift/: unpacked older versions.",
)
@click.option(
    "--servers", metavar="DIR", type=click.Path(exists=True, path_type=Path), help="vLLM and SGLang, unpacked."
)
@click.option("--vision", metavar="DIR", type=click.Path(exists=True, path_type=Path), help="Unpacked torchvision.")
@click.option("--record", is_flag=True, help="Also record what the frameworks write, as vectors for the tests.")
def conformance(
    tokenizers: Path | None,
    npm: Path | None,
    swift_3: Path | None,
    older: Path | None,
    servers: Path | None,
    vision: Path | None,
    record: bool,
) -> None:
    """Hold the generated files against the real frameworks and engines, and record the evidence (make conformance)."""
    from .evidence.conformance import run

    with Progress() as progress:
        reports = run(
            tokenizers=tokenizers,
            npm=npm,
            swift_3=swift_3,
            older=older,
            servers=servers,
            vision=vision,
            record=record,
            progress=progress,
        )
    for report in reports:
        secho(report.engine, bold=True)
        for line in report.lines:
            echo(f"  {line}")
        for line in report.wrong:
            secho(f"  wrong: {line}", fg="red")
        if report.skipped:
            secho(f"  skipped: {report.skipped}", fg="yellow")
    wrong = sum(len(report.wrong) for report in reports)
    skipped = sum(report.skipped is not None for report in reports)
    echo(f"{_count(len(reports), 'check')}, {wrong} wrong, {skipped} skipped")
    if wrong or (skipped and os.environ.get("CI")):
        raise SystemExit(MISTAKE)


@cli.command("train-smoke", hidden=True)
@click.option("--tokenizers", required=True, metavar="DIR", type=click.Path(exists=True, path_type=Path))
@click.option("--swift-4", required=True, metavar="DIR", type=click.Path(exists=True, path_type=Path))
@click.option("--swift-3", required=True, multiple=True, metavar="DIR", type=click.Path(exists=True, path_type=Path))
def train_smoke(tokenizers: Path, swift_4: Path, swift_3: tuple[Path, ...]) -> None:
    """Train tiny models in the real frameworks on what the generated files register (make train-smoke).

    --tokenizers is a folder of real tokenizers; --swift-4 and --swift-3 are folders with what each ms-swift imports
    in place of what is installed.
    """
    from .evidence.smoke import run, table

    with Progress() as progress:
        rows = run(tokenizers, {"swift": [swift_4], "swift 3": swift_3}, progress)
    for line in table(rows):
        echo(line)
    for row in rows:
        for line in row.wrong:
            secho(f"wrong: {row.trainer}, {row.start}, {row.case}: {line}", fg="red")
    wrong = sum(bool(row.wrong) for row in rows)
    echo(f"{_count(len(rows), 'training')}, {wrong} wrong")
    if wrong:
        raise SystemExit(MISTAKE)


@cli.command(hidden=True)
@click.argument("docs", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--into", required=True, metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
def tables(docs: Path, into: Path) -> None:
    """Write the generated Markdown of a folder as HTML (make tables)."""
    from .pipeline.html import html_pages
    from .pipeline.writer import write_files

    pages = dict(html_pages(docs))
    write_files(into, pages)
    echo(f"{_shown(into)}: {_count(len(pages), 'page')}")


@cli.command(hidden=True)
@click.option("--rounds", default=5, show_default=True, help="How often each command runs.")
@click.option("--times", multiple=True, type=int, help="Then generate so many times the catalogue; may be repeated.")
@click.option("--swift-python", metavar="PYTHON", help="A Python that has ms-swift, whose registry is then imported.")
def bench(rounds: int, times: tuple[int, ...], swift_python: str | None) -> None:
    """Time the generator beside its peers, and with larger catalogues (make bench)."""
    from .evidence.bench import run, sizes

    if rounds:
        with Progress() as progress:
            report = run(rounds, progress, swift_python)
        for timing in report.timings:
            shown = " ".join(f"{seconds:.2f}" for seconds in timing.seconds)
            echo(f"{timing.name:<40} median {timing.median:.3f} s   ({shown})")
        size = f"{report.python_files} files, {report.python_lines} lines, {report.python_bytes} bytes"
        echo(f"the generated Python: {size}")
        for ratio in report.ratios:
            pair = f"{ratio.ours.name} / {ratio.theirs.name}"
            echo(f"{pair:<70} {ratio.value:.2f} (at most {ratio.most})")
        if swift_python is None:
            echo("ms-swift: not timed; `make conformance` makes the environment that has it")
    with Progress() as progress:
        one = None
        for found in sizes(times, progress):
            one = one or found
            memory = "" if found.memory is None else f", {found.memory / 1e6:.0f} MB of memory"
            grown = "" if found is one else f", {found.seconds / one.seconds:.1f} times as long"
            echo(
                f"{found.times} x the catalogue: {found.specs} specs, {found.written / 1e6:.0f} MB written, "
                f"{found.seconds:.1f} s{memory}{grown}"
            )


def main() -> NoReturn:
    """Run the command line and exit; nothing but a mistake of ours is ever shown as more than a message."""
    gc.set_threshold(100_000, 50, 100)  # a run is short, and looking for garbage takes longer than there is of it
    terminal.prepare()
    try:
        code = _run()
        terminal.finish()
    except BrokenPipeError:
        code = NO_READER
    if code == NO_READER:
        terminal.discard()
    sys.exit(code)


def _run() -> int:
    """Run the command and say what is wrong; the exit code."""
    try:
        colour = False if os.environ.get("NO_COLOR") else None  # None: on a terminal only
        with cli.make_context("chatwright", sys.argv[1:], color=colour) as context:
            cli.invoke(context)
    except click.exceptions.Exit as exit_:
        return exit_.exit_code
    except SystemExit as exit_:
        return int(exit_.code or FINE)
    except click.ClickException as error:
        terminal.echo_error(error)
        return USAGE
    except UsageError as error:
        return _said(f"error: {error}", USAGE)
    except CatalogueError as error:
        echo_lines(map(str, error.problems), err=True)
        return _said(f"{_count(len(error.problems), 'problem')}; after the change run: {_command()}", MISTAKE)
    except ChatwrightError as error:
        first, *others = error.lines
        echo_lines((f"error: {first}", *others), err=True)
        return MISTAKE
    except BrokenPipeError:  # whoever read the output has read enough
        return NO_READER
    except (KeyboardInterrupt, click.Abort):
        return _said("error: interrupted", MISTAKE)
    except OSError as error:
        return _said(f"error: {error.filename or 'system'}: {error.strerror or error}", MISTAKE)
    except Exception as error:
        if os.environ.get("CHATWRIGHT_DEBUG"):
            echo_lines(traceback.format_exc().splitlines(), err=True)
            return OUR_BUG
        echo(f"error: {mistake_of_ours(error)}", err=True)
        return _said(_REPORT, OUR_BUG)
    return FINE


def _said(message: str, code: int) -> int:
    echo(message, err=True)
    return code


def _sync_publishers(repos: Sequence[str], endpoint: str | None, revision: str | None, as_json: bool) -> None:
    from .evidence.publishers import read_record
    from .evidence.sync import hub, publishers
    from .resources import publishers_path

    record = read_record(publishers_path())
    known = {publisher.repo.casefold(): publisher.repo for publisher in record.publishers}
    for repo in repos:
        if repo.casefold() not in known:
            raise UsageError(f"no template of {repo!r} is recorded{_suggestion(repo, known.values())}")
    fetch = hub.hub_fetch(endpoint or hub.ENDPOINT, revision or "main")
    with Progress() as progress:
        found = publishers.check(record, _load(()), repos, fetch, progress)
    if as_json:
        echo_json(publishers.as_json(found))
    else:
        echo_lines(publishers.lines(found))
    if publishers.to_do(found):
        raise SystemExit(MISTAKE)


# -- reading ---------------------------------------------------------------------------------------------------------


def _load(folders: Iterable[Path], cache: Cache | None = None) -> Catalogue:
    from .cache import user_cache
    from .pipeline import load_public_catalogue

    return load_public_catalogue(*folders, cache=cache or user_cache())


def _chosen(folders: Sequence[Path], only_mine: bool, cache: Cache | None = None) -> Catalogue:
    """The catalogue, or what the specs of these folders hold and use."""
    from .catalogue.load import spec_sources
    from .pipeline import select

    if only_mine and not folders:
        raise UsageError("--only-mine needs --specs DIR")
    catalogue = _load(folders, cache)
    if not only_mine:
        return catalogue
    return select(catalogue, {source for folder in folders for source in spec_sources(folder)})


def _load_whole() -> Catalogue:
    """The public catalogue for `sync`, which cannot bring back what other specs refer to."""
    try:
        return _load(())
    except CatalogueError:
        echo(
            "sync compares a valid catalogue only, and this one is not: bring back what is missing (git restore specs) "
            "or remove what refers to it",
            err=True,
        )
        raise


def _find_template(catalogue: Catalogue, name: str) -> Template:
    if template := catalogue.templates.get(name):
        return template
    also = [other.name for other in catalogue.templates.values() if name in other.registered.values()]
    hint = f" (did you mean {also[0]!r}?)" if also else _suggestion(name, catalogue.templates)
    raise UsageError(f"there is no template {name!r}{hint}; run: chatwright list")


def _suggestion(word: str, known: Iterable[str]) -> str:
    from difflib import get_close_matches

    close = get_close_matches(word, list(known), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def _family(spec: Any, search: str) -> dict[str, Any] | None:
    """What ``list`` says about a family: all of it where the family matches, else what matches in it."""
    from .pipeline.index import names_of

    templates = [{"name": item.name, "registered": names_of(item)} for item in spec.templates]
    checkpoints = [
        {"name": checkpoint.title, "template": group.template, **checkpoint.ids}
        for group in spec.models
        for checkpoint in group.checkpoints
    ]
    family = {"name": spec.name, "title": spec.title, "publisher": spec.publisher}
    if not _matches(family, search):
        templates = [item for item in templates if _matches(item, search)]
        checkpoints = [item for item in checkpoints if _matches(item, search)]
        if not templates and not checkpoints:
            return None
    return {**family, "templates": templates, "checkpoints": checkpoints}


def _matches(item: Mapping[str, Any], search: str) -> bool:
    values = (value for field in item.values() for value in (field.values() if isinstance(field, Mapping) else [field]))
    return any(search in value.casefold() for value in values if value)


def _summary(template: Template, rendering: Rendering) -> dict[str, Any]:
    from dataclasses import fields

    from .meaning.visible import slot_text
    from .pipeline.index import template_entry

    slots = {field.name: getattr(template.slots, field.name) for field in fields(template.slots)}
    return {
        **template_entry(template, rendering.deployments),
        "slots": {name: slot_text(slot) if isinstance(slot, tuple) else slot for name, slot in slots.items()},
        "fidelity": rendering.fidelity.get(template.name, {}),
        "publishers": _beside(template, rendering),
    }


def _beside(template: Template, rendering: Rendering) -> dict[str, Any]:
    """How a template compares with its publishers' own, each of these with where it comes from."""
    verdict = dict(rendering.publishers["templates"][template.name])
    if "compared" in verdict:
        sources = rendering.publishers["sources"]
        verdict["compared"] = [
            {**row, "publishers": [{"id": each, **sources[each]} for each in row["publishers"]]}
            for row in verdict["compared"]
        ]
    return verdict


def _refusals(catalogue: Catalogue, rendering: Rendering, sources: Collection[str]) -> Iterator[str]:
    """What the author of these specs must know: what his templates cannot be on which target."""
    for spec in catalogue.specs:
        for template in spec.templates if spec.source in sources else ():
            for target, deployments in rendering.deployments.items():
                deployment = deployments.get(template.name)
                if deployment and deployment.path is None:
                    yield f"{template.name}: not for {target}: {deployment.reason}"
        yield from _without_template(spec, catalogue, rendering) if spec.source in sources else ()


def _left(out: Path, paths: Sequence[str]) -> Iterator[str]:
    """What a manifest listed and is left where it is, in words; a stranger's may list many."""
    for path in paths[:_MOST_LEFT]:
        yield (f"note: {_shown(out)}/{path}: no longer generated, but left: it does not carry our header")
    if len(paths) > _MOST_LEFT:
        yield f"note: and {len(paths) - _MOST_LEFT} more"


def _without_template(spec: Spec, catalogue: Catalogue, rendering: Rendering) -> Iterable[str]:
    """The models that a framework lists without the template that the spec names, in words."""
    from .targets.protocol import listed_in, registered_names

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


def _texts(template: Template, scenario: Scenario) -> Iterable[tuple[Kind, Sequence[Piece] | Unsupported]]:
    from .meaning.render import Kind

    for kind in Kind:
        try:
            yield kind, scenario.pieces(template, kind)
        except Unsupported as reason:
            yield kind, reason


def _rendered_json(template: Template, scenario: Scenario) -> dict[str, Any]:
    from dataclasses import asdict

    return {
        kind.value: (
            {"unsupported": str(pieces)}
            if isinstance(pieces, Unsupported)
            else {"pieces": [asdict(piece) for piece in pieces]}
        )
        for kind, pieces in _texts(template, scenario)
    }


def _write_counts(readme: Path, catalogue: Catalogue, *, write: bool) -> bool:
    """Bring the figures of the README up to date; returns whether they were not, or are not."""
    from .pipeline.readme import with_counts
    from .pipeline.writer import read_text, write_file

    text = read_text(readme) or ""
    new = with_counts(text, catalogue)
    if write and new != text:
        write_file(readme, new)
    return new != text


def _lower_ceilings(catalogue: Catalogue) -> None:
    """Let the recorded ceilings fall to what stands in the specs; without a file, today's counts are the start."""
    from .pipeline import ledger
    from .pipeline.writer import write_file
    from .resources import ceilings_path

    file = ceilings_path()
    if file is None:
        raise ChatwrightError("the ceilings stand in a checkout of the repository, and this is none")
    counts = ledger.counts(catalogue)
    before = ledger.load_ceilings(file)
    after = ledger.lowered(before, counts) if file.exists() else counts
    write_file(file, ledger.dump_ceilings(after))
    changed = [kind for kind in sorted({*before, *after}) if before.get(kind) != after.get(kind)]
    for kind in changed:
        echo(f"{kind}: {before.get(kind, 0)} to {after.get(kind, 0)}")
    if not changed:
        echo(f"{_shown(file)}: nothing to lower")


def _override(item: Override) -> dict[str, Any]:
    from .catalogue.json_writer import plain

    place = f"{item.location.path}:{item.location.line}"
    return {"place": place, "owner": item.owner, "value": plain(item.value)}


def _check_losses(file: Path, compared: Comparison) -> None:
    """Exit with 1 unless a file lists the losses, and say what to add and what to remove."""
    from .pipeline.loss_list import check_losses, entry_line

    found = check_losses(file, compared.losses, compared.before)
    for problem in found.stale:
        echo(str(problem), err=True)
    if found.unlisted:
        count = _count(len(found.unlisted), "loss is", "losses are")
        echo(f"{_shown(file)}: {count} not listed; bring back what is lost, or add, with the reason:", err=True)
    for loss in found.unlisted:
        echo(entry_line(loss), err=True)
    if found.stale or found.unlisted:
        raise SystemExit(MISTAKE)


def _echo_losses(lost: Sequence[Loss], note: str | None) -> None:
    """What the committed catalogue has and cannot be made any more; to stderr."""
    from .losses import lines

    if note:
        echo(f"note: {note}", err=True)
    for line in lines(lost):
        echo(line, err=True)


# -- printing --------------------------------------------------------------------------------------------------------


def _echo_draft(found: Draft, out: Path | None) -> None:
    """What became of every scenario, and in one line what to make of it; to stderr."""
    for each in found.compared:
        secho(f"{each.scenario:24}", nl=False, err=True)
        secho(f"{each.outcome}", fg="green" if each.agrees else "red", nl=False, err=True)
        echo(f": {each.reason}" if each.reason else "", err=True)
    exact = sum(each.agrees for each in found.compared)
    echo(f"{exact} of {_count(len(found.compared), 'scenario')} as the publisher's template", err=True)
    if found.same:
        echo(f"means the same as template {found.same}, which the draft refers to", err=True)
    if out is not None:
        echo(f"{_shown(out)}: written; check it with: chatwright validate {_shown(out)}", err=True)


def _echo_answer(answer: Answer, *, first: bool) -> None:
    """A model's template, what leads to it, what remains to be chosen, and what to set."""
    from .catalogue.build import FRAMEWORKS

    if not first:
        echo()
    secho(f"{answer.id}: ", bold=True, nl=False)
    if answer.error:
        secho(f"error: {answer.error}", fg="red")
    else:
        shown = f"{answer.template}, {answer.verdict}" if answer.template else answer.verdict
        secho(shown, bold=True, fg="green" if answer.sure else "yellow")
    rows = [("  means the same", _some(answer.same, 8))] if answer.same else []
    rows += [(f"  by {kind}", _some(names, 8)) for kind, names in answer.by.items() if names]
    for candidate in answer.candidates:
        named = f", named by {' and '.join(candidate.named_by)}" if candidate.named_by else ""
        if candidate.equal is not None:
            rows.append((f"  {candidate.template}", f"{candidate.equal} of {candidate.of} prompts alike{named}"))
    rows += [(f"  {FRAMEWORKS[framework]}", told.replace("\n", ", ")) for framework, told in answer.flags.items()]
    if rows:
        echo_table(rows)
    for line in answer.why:
        echo(f"  note: {line}")


def _echo_verification(found: Verification) -> None:
    if found.template:
        how = "as named" if found.named else "told by its chat template"
        rows = [("template", f"{found.template}, {how}")]
        if found.same:
            rows.append(("means the same", ", ".join(found.same)))
        if compared := found.compared:
            of = f"of {compared.conversations}"
            shown = (
                "none that runs"
                if compared.chat_template is None
                else f"{compared.chat_template} {of} prompts as trained"
            )
            rows.append(("its chat template", shown))
            shown = "there is none" if compared.deployed is None else f"{compared.deployed} {of} prompts as trained"
            rows.append(("file to deploy", shown))
            rows.append(("token ids", f"{compared.token_ids} {of} prompts cut as in training"))
        echo_table(rows)
    for finding in found.findings:
        echo()
        secho(finding.kind, bold=True, fg="red", nl=False)
        seen = f" ({_some(finding.conversations)})" if finding.conversations else ""
        echo(f"  {finding.place}: {finding.text}{seen}")
        if example := finding.example:
            echo(f"  {example.conversation}: {example.before}")
            echo(f"    trained  {example.trained}")
            echo(f"    served   {example.served}")
        echo(f"  to do: {finding.advice}")
    if found.notes:
        echo()
    for note in found.notes:
        echo(f"note: {note}")
    echo()
    secho(found.verdict, bold=True, fg="green" if found.fine else "red")


def _some(names: Sequence[str], most: int = 3) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def _echo_summary(data: Mapping[str, Any]) -> None:
    secho(data["template"], bold=True, nl=False)
    echo(f"  family {data['family']}")
    rows = [
        (f"  {framework}", f"{name or '-'}{' (not built in: added here)' if framework in data['added'] else ''}")
        for framework, name in data["registered"].items()
    ]
    rows += [(f"  {target}", path or f"- {data['reasons'].get(target, '')}") for target, path in data["files"].items()]
    rows.append(("  stop words", " ".join(map(_visible, data["stop_words"])) or "-"))
    rows.append(("  default system", "-" if data["default_system"] is None else _visible(data["default_system"])))
    rows.append(("  tool format", data["tool_format"] or "-"))
    rows.append(("  thinking", "yes" if data["thinking"] else "no"))
    if "levels" in data:
        rows.append((f"  {data['levels']['variable']}", " ".join(data["levels"]["names"])))
    if "turns" in data:
        rows.append(("  also carries", " ".join(data["turns"])))
    for server, told in data["serving"].items():
        rows.append((f"  {server} options", " ".join(told["flags"]) + ("" if told["proven"] else "  (unverified)")))
    echo_table(rows)
    echo("slots")
    slots = {
        name: [text] if isinstance(text, str) else text for name, text in data["slots"].items() if text is not None
    }
    echo_table([(f"  {name}", " | ".join(map(_visible, texts))) for name, texts in slots.items()])
    echo("fidelity")
    found = [(f"  {engine}", _verdict(verdict)) for engine, verdict in data["fidelity"].items()]
    echo_table(found or [("  unverified", "no engine has read these files")])
    _echo_publishers(data["publishers"])


def _echo_publishers(beside: Mapping[str, Any]) -> None:
    """How the template compares with each publisher's own: how far it is the same, why not, and the first place."""
    echo("same as the publisher's")
    if "compared" not in beside:
        echo(f"  {beside['status']}: {beside['reason']}")
        return
    for row in beside["compared"]:
        names = _some([f"{each['repo']} ({each['sha256'][:8]})" for each in row["publishers"]])
        counts = ", ".join(f"{count} {status}" for status, count in row["counts"].items())
        only = f"; only {'ours' if row['bos'] == 'ours' else 'the publisher’s'} writes the BOS" if "bos" in row else ""
        echo(f"  {names}: {counts}{only}")
        for cause, count in row["causes"].items():
            echo(f"    {cause}: {_count(count, 'scenario')}")
        for reason, scenarios in row.get("unsupported", {}).items():
            echo(f"    refused here: {_count(len(scenarios), 'scenario')}: {reason}")
        if row["first"]:
            first = row["examples"][row["first"]]
            echo(f"    {first['scenario']}: {first['before']}")
            echo(f"      publisher's  {first['publisher']}")
            echo(f"      ours         {first['ours']}")


def _verdict(verdict: Mapping[str, Any]) -> str:
    if "counts" not in verdict:
        return str(verdict["status"])
    counts = ", ".join(f"{count} {status}" for status, count in verdict["counts"].items())
    return f"{counts}  ({verdict['version']}, {verdict['grade']})"


def _echo_scenario(template: Template, name: str, scenario: Scenario) -> None:
    from .meaning.visible import rows

    shown: dict[str, str | list[Row]] = {}
    for kind, pieces in _texts(template, scenario):
        title = f"{name}: {kind.value.replace('_', ' ')}"
        text = str(pieces) if isinstance(pieces, Unsupported) else list(rows(pieces))
        same = next((title for title, known in shown.items() if known == text), None)
        shown[title] = text
        echo()
        secho(title, bold=True)
        if same or isinstance(text, str):
            echo(f"  the same as {same}" if same else f"  unsupported: {text}")
            continue
        for row in text:
            echo("* " if row.trained else "  ", nl=False)
            secho(f"{row.role:<11}", fg=_COLOURS[row.role], nl=False)
            echo(" ", nl=False)
            secho(row.text, fg=_COLOURS[row.role], bold=row.trained)
    echo()
    echo(_LEGEND)


def _echo_diff(diff: str) -> None:
    for line in diff.removesuffix("\n").split("\n"):
        secho(line, fg={"+": "green", "-": "red", "@": "cyan"}.get(line[:1]))


def _annotation(problem: Problem) -> str:
    """A problem as a command of GitHub's workflows, which shows it on its line; what would end a value is escaped."""

    def escaped(text: str, further: str = "") -> str:
        return "".join(f"%{ord(each):02X}" if each in f"%\r\n{further}" else each for each in text)

    place = problem.location
    where = {"line": str(place.line), "col": str(place.column)} if place.line else {}
    told = {"file": place.path, **where, "title": "chatwright"}
    values = ",".join(f"{key}={escaped(value, ':,')}" for key, value in told.items())
    crumb = f"{problem.breadcrumb}: " if problem.breadcrumb else ""
    return f"::error {values}::{escaped(crumb + problem.message)}"


def _echo_diff_line(line: str) -> None:
    colour = {"+": "green", "-": "red"}.get(line[6:7]) if line.startswith("      ") else None
    secho(line, fg=colour)


def _visible(text: str) -> str:
    from .meaning.visible import visible

    return visible(text)


def _count(number: int, one: str, many: str | None = None) -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"


def _shown(path: Path) -> str:
    """The path as the user would write it."""
    try:
        return path.resolve().relative_to(Path.cwd()).as_posix()
    except ValueError:
        return path.as_posix()


def _command(leave_out: Iterable[str] = ()) -> str:
    return "chatwright " + shlex.join(argument for argument in sys.argv[1:] if argument not in leave_out)
