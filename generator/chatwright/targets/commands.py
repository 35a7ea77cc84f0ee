"""The commands that serve a model with the generated file of its template."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ..catalogue.model import Catalogue, Template
from ..records.servers import SERVERS
from .own_prompts import refusal, tokenizer_flags
from .parsers import parser_flags

FILE_OF = {"vllm": "vllm", "sglang": "vllm", "ollama": "ollama", "lmdeploy": "lmdeploy"}  # engine -> target


def served_by(template: Template, catalogue: Catalogue, files: Mapping[str, str | None]) -> Iterator[tuple[str, str]]:
    """The engines that use a file of the template, each with its path; ``files`` are the paths by target."""
    for engine, target in FILE_OF.items():
        path = files.get(target)
        if path and not (engine in SERVERS and refusal(template, catalogue, engine)):
            yield engine, path


def command(template: Template, catalogue: Catalogue, engine: str, model: str, path: str) -> list[str]:
    """The words of the command that makes an engine serve a model with the template's file."""
    if engine == "ollama":
        return ["ollama", "create", template.name, "-f", path]
    if engine == "lmdeploy":
        return ["lmdeploy", "serve", "api_server", model, "--chat-template", path]
    serve = ["vllm", "serve"] if engine == "vllm" else ["python3", "-m", "sglang.launch_server", "--model-path"]
    further = tokenizer_flags(template, catalogue) if engine == "vllm" else []
    return [*serve, model, "--chat-template", path, *parser_flags(template, engine), *further]
