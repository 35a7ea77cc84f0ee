"""Export one template for one engine: its file, in the place where the engine looks for it, and a command.

How the engines use stop tokens (read from vLLM 0.33.0 and SGLang 0.5.23): both stop at the tokenizer's EOS and at
every id in ``eos_token_id`` of the model's ``generation_config.json``. vLLM reads another ``generation_config.json``
with ``--generation-config DIR`` (``config/model.py``, ``try_get_generation_config``);
``--override-generation-config`` does not change stop tokens (``get_diff_sampling_param``). SGLang adds ``eos_token_id``
of ``config.json``, which ``--json-model-override-args`` overrides (``configs/model_config.py``,
``_get_hf_eos_token_id``); every chat request overwrites the ``stop`` of ``--preferred-sampling-params``.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..catalogue.build import FRAMEWORKS
from ..catalogue.model import Catalogue, Template
from ..errors import ChatwrightError, Unsupported
from ..records.servers import SERVERS
from ..targets import llamacpp
from ..targets.commands import FILE_OF, command
from ..targets.go_text import is_plain
from ..targets.literal import stop_texts
from ..targets.own_prompts import refusal
from ..targets.parsers import parser_notes
from ..targets.upstream import snippets
from .formatting import format_python
from .generate import render_spec
from .gguf import is_gguf, read_gguf
from .model_files import eos_ids, read_json, token_text, vocabulary
from .writer import unlike, write_files

_TARGETS = {**FILE_OF, "transformers": "vllm", "llamacpp": "vllm"}
ENGINES = (*_TARGETS, *FRAMEWORKS)
MODEL_FILE = "chat_template.jinja"  # the file that transformers, and so LMDeploy, read in a model's folder
_MODEL = "MODEL"  # the placeholder in a command if the user named no model
_PAIR = '[{"role": "user", "content": "query"}, {"role": "assistant", "content": "document"}]'
_HELLO = '[{"role": "user", "content": "Hello"}]'


@dataclass(frozen=True)
class Export:
    """What an engine needs.

    ``files`` holds (file name, content); the first is the template's file. ``command`` is a line for a shell, None if
    the user pastes the file. ``notes`` are messages for the user.
    """

    files: tuple[tuple[str, str], ...]
    command: str | None
    notes: tuple[str, ...]


def export(
    catalogue: Catalogue, name: str, engine: str, *, model: str | None = None, into: Path | None = None
) -> Export:
    """The files and the command of a template for an engine; nothing is written.

    ``model`` is the folder or the id of a model, ``into`` the folder for the files (None: the current one).

    Raises:
        ChatwrightError: the engine cannot have the template, or the model's files cannot be read.
    """
    template = catalogue.templates[name]
    try:
        if engine in FRAMEWORKS:
            return _upstream(catalogue, template, engine)
        return _served(catalogue, template, engine, model, into)
    except Unsupported as reason:
        raise ChatwrightError(f"{name}: not for {engine}: {reason}{_instead(catalogue, template, engine)}") from None


def write(export_: Export, folder: Path, *, force: bool) -> list[tuple[Path, bool]]:
    """Write the files into a folder; returns each path with whether the file changed.

    Raises:
        ChatwrightError: a file exists with another content and ``force`` is false, or something else than a regular
            file is there; then nothing is written. Or the system refuses to write.
    """
    files = dict(export_.files)
    there = [name for name, how in unlike(folder, files).items() if how == "changed"]
    if there and not force:
        raise ChatwrightError(
            "\n".join(f"{folder / name}: is there with another content; --force replaces it" for name in there)
        )
    written = write_files(folder, files)
    return [(folder / name, name in written) for name in files]


# -- servers -----------------------------------------------------------------------------------------------------------


def _served(catalogue: Catalogue, template: Template, engine: str, model: str | None, into: Path | None) -> Export:
    source = next(spec.source for spec in catalogue.specs if template in spec.templates)
    rendering = render_spec(catalogue, source)
    deployment = rendering.deployments[_TARGETS[engine]][template.name]
    if engine == "lmdeploy" and deployment.path is None and template.pair is None:
        return _lmdeploy_folder(catalogue, template, str(deployment.reason), model, into)
    if deployment.path is None:
        raise Unsupported(*deployment.reasons)
    if reason := refusal(template, catalogue, engine) if engine in SERVERS else None:
        raise Unsupported(reason)
    text = rendering.files[deployment.path]
    suffix = {"ollama": "Modelfile", "lmdeploy": "json"}.get(engine, "jinja")
    name = MODEL_FILE if engine == "transformers" else f"{template.name}.{suffix}"
    files = [(name, _from_model(text, model) if engine == "ollama" else text)]
    path = str((into or Path()) / name)
    notes = list(deployment.notes)
    if engine == "transformers":
        folder = _model_folder(model, into)
        named = "" if folder else f", chat_template=open({_python(path)}, encoding='utf-8').read()"
        program = (
            "from transformers import AutoTokenizer; "
            f"tokenizer = AutoTokenizer.from_pretrained({_python(folder or model or _MODEL)}); "
            f"print(tokenizer.apply_chat_template({_PAIR if template.pair else _HELLO}{named}, tokenize=False, "
            "add_generation_prompt=True))"
        )
        if folder and "chat_template" in read_json(Path(folder) / "tokenizer_config.json"):
            notes.append(
                "tokenizer_config.json holds a chat template too, which older programs may read: remove it there"
            )
        return Export(tuple(files), shlex.join(["python", "-c", program]), tuple(notes))
    stops = stop_texts(next(spec for spec in catalogue.specs if spec.source == source), template)
    if engine == "llamacpp":
        words = llamacpp.command(template, text, model or f"{_MODEL}.gguf", path)
        head = read_gguf(Path(model)) if model and is_gguf(Path(model)) else None
        about = llamacpp.gguf_notes(text, stops, *((head.ends, head.adds_bos) if head else ()))
        return Export(tuple(files), shlex.join(words), (*llamacpp.notes(template, text), *about))
    if engine == "ollama" and model is None:
        notes.append("FROM names the folder of the Modelfile; --model names the model's folder, GGUF file or name")
    words = command(template, catalogue, engine, model or _MODEL, path)
    if engine in ("ollama", "lmdeploy"):
        return Export(tuple(files), shlex.join(words), tuple(notes))
    notes += parser_notes(template, engine)
    flags, further, stop_notes = _stops(template.name, stops, engine, model, into)
    return Export((*files, *further), shlex.join([*words, *flags]), (*notes, *stop_notes))


def _python(text: str) -> str:
    """The text as a Python literal; a JSON string is one if it escapes no characters outside the first plane."""
    return json.dumps(text, ensure_ascii=False)


def _instead(catalogue: Catalogue, template: Template, engine: str) -> str:
    """A hint that names the templates which a framework has for the models of an unsupported template."""
    if engine not in FRAMEWORKS:
        return ""
    groups = [group for spec in catalogue.specs for group in spec.models]
    used = {framework: [group.template_for(framework) for group in groups] for framework in FRAMEWORKS}
    others = {
        there
        for names in zip(*used.values(), strict=True)
        for there in names
        if template.name in names and there is not None and catalogue.templates[there].registered[engine]
    }
    return f"; its models have there: {', '.join(sorted(others))}" if others else ""


def _lmdeploy_folder(
    catalogue: Catalogue, template: Template, reason: str, model: str | None, into: Path | None
) -> Export:
    """Export the Jinja file for the model's folder, where LMDeploy reads it if the command names no file."""
    made = _served(catalogue, template, "transformers", model, into)
    folder = _model_folder(model, into) or (str(into) if into else _MODEL)
    note = f"LMDeploy's JSON cannot hold it: {reason}; put the file into the folder with the model's files"
    return Export(made.files, shlex.join(["lmdeploy", "serve", "api_server", folder]), (note, *made.notes))


def _model_folder(model: str | None, into: Path | None) -> str | None:
    """The folder for a chat_template.jinja if it holds a tokenizer; else None."""
    for folder in [into] if into else [Path(model)] if model else []:
        if any((folder / file).is_file() for file in ("tokenizer_config.json", "tokenizer.json")):
            return str(folder)
    return None


def _from_model(modelfile: str, model: str | None) -> str:
    if model is None:
        return modelfile
    place = str(Path(model).resolve()) if Path(model).exists() else model
    if not place or place != place.strip() or '"' in place or place[0] == "#" or not all(map(is_plain, place)):
        raise Unsupported(f"a Modelfile cannot name the model {place!r}")
    return modelfile.replace("\nFROM .\n", f'\nFROM "{place}"\n' if " " in place else f"\nFROM {place}\n", 1)


# -- where generation stops --------------------------------------------------------------------------------------------

Stops = tuple[list[str], list[tuple[str, str]], list[str]]  # flags, files, notes


def _stops(name: str, stops: Sequence[str], engine: str, model: str | None, into: Path | None) -> Stops:
    """Flags, files and notes that make a server stop at these texts, if the model's own files do not."""
    folder = Path(model) if model and Path(model).is_dir() else None
    if not stops:
        return [], [], []
    shown = ", ".join(stops)
    if folder is None or not (folder / "tokenizer.json").is_file():
        note = f"replies end at {shown}: eos_token_id of the model's generation_config.json must have their ids"
        return [], [], [f"{note} (--model FOLDER checks this)"]
    tokenizer_config = read_json(folder / "tokenizer_config.json")
    ids = vocabulary(folder)
    generation = read_json(folder / "generation_config.json")
    known = eos_ids(generation, folder / "generation_config.json")
    if engine == "sglang":
        known += eos_ids(read_json(folder / "config.json"), folder / "config.json")
    own = ids.get(token_text(tokenizer_config, "eos_token", folder / "tokenizer_config.json") or "")
    missing = [stop for stop in stops if stop in ids and ids[stop] not in (*known, own)]
    notes = [
        f"{stop!r} is no token of this model: requests must give it as `stop`" for stop in stops if stop not in ids
    ]
    if not missing:
        return [], [], notes
    complete = list(dict.fromkeys([*known, *([] if own is None else [own]), *(ids[stop] for stop in missing)]))
    notes.append(f"the model's own files do not stop at {', '.join(missing)}, so the command says so")
    if engine == "sglang":
        return ["--json-model-override-args", json.dumps({"eos_token_id": complete})], [], notes
    text = json.dumps({**generation, "eos_token_id": complete}, indent=2) + "\n"
    place = f"{name}.generation/generation_config.json"
    return ["--generation-config", str(((into or Path()) / place).parent)], [(place, text)], notes


# -- frameworks --------------------------------------------------------------------------------------------------------


def _upstream(catalogue: Catalogue, template: Template, framework: str) -> Export:
    found = snippets(framework, template, catalogue)
    files = []
    for snippet in found:
        text = format_python(f"# For {snippet.place}\n\n{snippet.text}")
        files.append((f"{template.name}.{framework}.{snippet.kind}.py", text))
    how = {True: "a new file, imported in the __init__.py of its folder", False: "to the others of its kind"}
    own = {"plugin": "a new file, which the template imports"}
    notes = tuple(
        f"{name}: goes into {snippet.place}, {own.get(snippet.kind, how[snippet.whole])}"
        for (name, _), snippet in zip(files, found, strict=True)
    )
    return Export(tuple(files), None, notes)
