"""What ``chatwright export`` gives: used by the engine it is for, from the place where the engine looks."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.metadata import metadata
from pathlib import Path
from typing import Any

from chatwright.errors import ChatwrightError
from chatwright.meaning.runs import BOS, EOS, TODAY
from chatwright.meaning.scenarios import scenarios
from chatwright.pipeline.export import export, write
from chatwright.pipeline.rows import HEADS, upstream_rows

from ..engines import llamafactory, lmdeploy, modelfile, tokenizers
from ..engines.swift import Swift, copied
from .workbench import Report, Workbench

_TRIED = ("qwen3", "llama3", "mistral")  # of which the commands run as well
_MODEL_FOLDER = "a model's folder"  # a name that a shell would take apart


def check_export(bench: Workbench) -> Report:
    """The exported files in their engines: pasted code registers what generated/ does, the rest is read as it is."""
    report = Report("export")
    _check_llamafactory(bench, report)
    _check_swift(bench, report)
    _check_transformers(bench, report)
    _check_lmdeploy(bench, report)
    _check_ollama(bench, report)
    _check_rows(bench, report)
    return report


def _pasted(bench: Workbench, framework: str) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """The Python of every template that ``generated/`` registers: name in the framework, template, code by file."""
    for name, template in bench.catalogue.templates.items():
        registered = template.registered[framework]
        if registered and bench.deployments[framework][name].path:
            made = export(bench.catalogue, name, framework)
            yield registered, name, tuple(text for _, text in made.files)


def _check_llamafactory(bench: Workbench, report: Report) -> None:
    upstream = llamafactory.load()
    from llamafactory.extras import constants

    with llamafactory.registries(empty=True) as live, llamafactory.generated_package(bench.root) as package:
        package.register_all()
        due = {name: llamafactory.plain_fields(template) for name, template in live.items()}
        due_models = llamafactory.registered_models()
    count = models = 0
    for registered, name, code in _pasted(bench, "llamafactory"):
        with llamafactory.registries(empty=True) as live:
            for text, module in zip(code, (upstream, constants), strict=False):
                exec(compile(text, name, "exec"), dict(vars(module)))  # the names that the file itself has
            found = {key: llamafactory.plain_fields(value) for key, value in live.items()}
            found_models = llamafactory.registered_models()
        count += 1
        models += len(found_models)
        if found != {registered: due[registered]}:
            report.wrong.append(f"{name}: the code for LLaMA-Factory registers another template than generated/ does")
        if differing := [key for key, value in found_models.items() if value != due_models.get(key)]:
            report.wrong.append(
                f"{name}: the code for LLaMA-Factory registers {differing[0]} otherwise than generated/"
            )
    report.lines.append(f"llamafactory: the code of {count} templates run in its files' names, {models} models with it")


def _check_swift(bench: Workbench, report: Report) -> None:
    generated = bench.root / "generated"
    with Swift(today=TODAY) as ours, Swift(today=TODAY) as pasted, copied(generated) as register_all:
        ours.empty()
        ours.load(register_all)
        due = ours.registries
        codes = list(_pasted(bench, "swift"))
        types: set[str] = set()
        for registered, name, code in codes:
            pasted.empty()
            for text, package in zip(code, ("swift.template.templates", "swift.model.models"), strict=False):
                pasted.paste(text, package)
            found = pasted.registries
            for kind in ("templates", "model_types"):
                differing = [key for key, value in found[kind].items() if value != due[kind].get(key)]
                if differing or (kind == "templates" and list(found[kind]) != [registered]):
                    report.wrong.append(f"{name}: the code for ms-swift registers {kind} {differing} otherwise")
            types.update(found["model_types"])
    report.lines.append(
        f"swift: the code of {len(codes)} templates run in its packages, {len(types)} model types with it"
    )


def _check_transformers(bench: Workbench, report: Report) -> None:
    """A model's folder whose tokenizer brings another chat template; the printed command, as a shell runs it."""
    for name in _TRIED:
        with tempfile.TemporaryDirectory(prefix="chatwright-") as folder:
            place = Path(folder) / _MODEL_FOLDER
            tokenizer = tokenizers.byte_level(BOS, EOS)
            tokenizer.save_pretrained(place)
            config = json.loads((place / "tokenizer_config.json").read_text(encoding="utf-8"))
            config["chat_template"] = "another one"
            (place / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
            made = export(bench.catalogue, name, "transformers", into=place)
            write(made, place, force=False)
            assert made.command is not None
            program = made.command.removeprefix("python")
            run = subprocess.run(
                ["sh", "-c", f'"$0"{program}', sys.executable],
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                encoding="utf-8",
                check=False,
            )
        expected = _greeting(bench, name)
        if run.stdout != expected + "\n":
            report.wrong.append(f"{name}: the command for transformers writes {run.stdout!r}, not {expected!r}")
    report.lines.append(f"transformers: {len(_TRIED)} commands run on folders whose tokenizer had another template")


def _greeting(bench: Workbench, name: str) -> str:
    from chatwright.meaning.render import render, to_text

    pieces = render(bench.catalogue.templates[name], [{"role": "user", "content": "Hello"}], today=TODAY)
    return to_text(pieces, bos=BOS, eos=EOS)


def _check_lmdeploy(bench: Workbench, report: Report) -> None:
    count = 0
    for name in _files(bench, "lmdeploy"):
        text = _text(bench, name, "lmdeploy")
        plain = scenarios()["plain"]
        body = bench.body("lmdeploy", name)
        count += 1
        if body is None or lmdeploy.prompt(lmdeploy.load(text), plain) != lmdeploy.prompt(lmdeploy.load(body), plain):
            report.wrong.append(f"{name}: LMDeploy makes another prompt of the exported file than of the generated one")
    in_folders = [name for name in bench.deployments["lmdeploy"] if bench.body("lmdeploy", name) is None]
    in_folders = [name for name in in_folders if bench.body("vllm", name) and not bench.catalogue.templates[name].pair]
    for name in in_folders:
        if _text(bench, name, "lmdeploy") != bench.body("vllm", name):
            report.wrong.append(f"{name}: the file for a model's folder is not the one that `lmdeploy-folder` checks")
    report.lines.append(f"lmdeploy: {count} files loaded, and {len(in_folders)} for model folders")


def _check_ollama(bench: Workbench, report: Report) -> None:
    count = 0
    with tempfile.TemporaryDirectory(prefix="chatwright-") as folder:
        place = Path(folder) / _MODEL_FOLDER
        place.mkdir()
        for name in _files(bench, "ollama"):
            read = modelfile.read_modelfile(_text(bench, name, "ollama", model=str(place)))
            due = modelfile.read_modelfile(bench.body("ollama", name) or "")
            count += 1
            if read.last("model") != str(place.resolve()) or read.last("template") != due.last("template"):
                report.wrong.append(f"{name}: Ollama reads FROM {read.last('model')!r} in the exported Modelfile")
    report.lines.append(f"ollama: {count} Modelfiles read, with a model's folder in FROM")


def _check_rows(bench: Workbench, report: Report) -> None:
    """The rows for LLaMA-Factory's table beside the table itself, which its package carries as its description."""
    table = [line for line in str(metadata("llamafactory").json["description"]).splitlines() if line.startswith("|")]
    start = next(
        (at for at, line in enumerate(table) if _cells(line) == _cells(HEADS["llamafactory"].splitlines()[0])), None
    )
    if start is None:
        report.wrong.append("LLaMA-Factory's README has no table with the head of our rows")
        return
    ours: list[list[str]] = []
    for spec in bench.catalogue.specs:
        try:
            ours += [_cells(line) for line in upstream_rows(bench.catalogue, spec, "llamafactory").lines]
        except ChatwrightError:  # no model of the family has a name there
            continue
    known = {name for row in ours for name in row[2].split("/")}
    used = {str(model["template"]) for model in llamafactory.registered_models().values()}
    unused: set[str] = set()
    count = complete = 0
    for line in table[start + 2 :]:
        row = _cells(line)
        if len(row) != 3 or "](" not in row[0]:
            break
        names = {name.split()[0] for name in row[2].split("/")}
        unused |= names - known - used
        if missing := (names - known) & used:
            report.wrong.append(f"no row of ours names {', '.join(sorted(missing))}, as LLaMA-Factory's {row[0]} does")
        sizes = {size for mine in ours if names & set(mine[2].split("/")) for size in mine[1].split("/")}
        count += 1
        complete += set(row[1].split("/")) <= sizes
    report.lines.append(
        f"rows: {len(ours)} families in the layout of LLaMA-Factory's table; of its {count} rows, names of models tell "
        f"every size of {complete}"
    )
    if unused:
        report.lines.append(f"its table names templates that none of its models has: {', '.join(sorted(unused))}")


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def _files(bench: Workbench, target: str) -> list[str]:
    return [name for name, deployment in bench.deployments[target].items() if deployment.path]


def _text(bench: Workbench, name: str, engine: str, **options: Any) -> str:
    try:
        return export(bench.catalogue, name, engine, **options).files[0][1]
    except ChatwrightError as error:  # a file of generated/ that cannot be exported
        return str(error)
