"""Where a draft is made from: a model folder, a file with a chat template, or an id on the Hub."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...characters import clipped
from ...errors import ChatwrightError, needs
from ...pipeline.gguf import EOM, EOS, EOT, is_gguf, read_gguf
from ...pipeline.model_files import HUB_ID, added_tokens, eos_ids, read_json, read_text, token_text, whole_text
from ..verify.folder import ChatTemplates, chat_templates, gguf_templates, said_ids

_FILES = ["*.jinja", "additional_chat_templates/*", "*config.json", "special_tokens_map.json", "added_tokens.json"]
_REVISION = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class Source:
    """What a draft is made from. The JSON of files is empty where there is none.

    ``hub_id`` is the model's id on Hugging Face as far as it is known, ``path`` the folder that was given where it is
    not.
    """

    name: str
    templates: ChatTemplates
    config: Mapping[str, Any] = field(default_factory=dict)
    tokenizer: Mapping[str, Any] = field(default_factory=dict)
    generation: Mapping[str, Any] = field(default_factory=dict)
    processor: Mapping[str, Any] = field(default_factory=dict)
    tokens: Mapping[int, str] = field(default_factory=dict)
    hub_id: str | None = None
    revision: str | None = None
    path: str | None = None

    @property
    def text(self) -> str:
        """The chat template of requests without tools."""
        return self.templates.by_name.get("default") or next(iter(self.templates.by_name.values()))

    @property
    def sha256(self) -> str:
        """The hash of its text."""
        return hashlib.sha256(self.text.encode("utf-8")).hexdigest()

    def token(self, name: str) -> str | None:
        """The text of a special token by the name of its attribute."""
        return token_text(self.tokenizer, name, "tokenizer_config.json")

    @property
    def stops(self) -> list[str]:
        """The tokens at which generation is told to stop; ids whose text no file tells are left out."""
        ids = eos_ids(self.generation or self.config, "generation_config.json" if self.generation else "config.json")
        return [self.tokens[index] for index in ids if index in self.tokens]


def read_source(model: str) -> Source:
    """Read a model folder, a GGUF or a chat template's file, or fetch what is needed of a model on the Hub.

    Raises:
        ChatwrightError: there is no such thing, or it has no chat template.
    """
    path = Path(whole_text(model, "this path"))  # a spec names it, and holds text alone
    if path.is_file():
        return _of_file(path)
    if path.is_dir():
        return _of_folder(path)
    if HUB_ID.fullmatch(model):
        folder = _fetched(model)
        revision = folder.name if _REVISION.fullmatch(folder.name) else None
        return _of_folder(folder, hub_id=model, revision=revision)
    raise ChatwrightError(f"{model}: there is no such folder or file, and it is no id of a model on the Hub")


def _of_gguf(path: Path) -> Source:
    gguf = read_gguf(path)
    templates = gguf_templates(gguf)
    if templates is None:
        raise ChatwrightError(f"{path}: it has no chat template")
    ids = [index for key in (EOS, EOT, EOM) if (index := gguf.value(key)) is not None]
    return Source(
        gguf.name or path.resolve().stem,
        templates,
        tokenizer=gguf.special,
        generation={"eos_token_id": ids},
        tokens=gguf.added,
        hub_id=gguf.hub_id if HUB_ID.fullmatch(gguf.hub_id) else None,
    )


def _of_file(path: Path) -> Source:
    if is_gguf(path):
        return _of_gguf(path)
    return Source(path.resolve().stem, ChatTemplates(path.name, {"default": read_text(path)}))


def _of_folder(path: Path, *, hub_id: str | None = None, revision: str | None = None) -> Source:
    tokenizer = read_json(path / "tokenizer_config.json")
    found = chat_templates(path, tokenizer)
    if not found:
        raise ChatwrightError(f"{path}: there is no chat template (chat_template.jinja or in tokenizer_config.json)")
    if not found[0].by_name:
        raise ChatwrightError(f"{path / found[0].file}: it names no chat template")
    config = read_json(path / "config.json")
    processor = read_json(path / "processor_config.json") or read_json(path / "preprocessor_config.json")
    hub_id = hub_id or next((each for each in said_ids(config, tokenizer) if not Path(each).exists()), None)
    name = (hub_id or path.resolve().name).rsplit("/", 1)[-1]
    special = {**read_json(path / "special_tokens_map.json"), **tokenizer}
    generation = read_json(path / "generation_config.json")
    tokens = added_tokens(path)
    where = None if hub_id else str(path)
    return Source(name, found[0], config, special, generation, processor, tokens, hub_id, revision, where)


def _fetched(model: str) -> Path:
    """The folder with what is needed of a model on the Hub."""
    needs("huggingface_hub", "hub", "fetching from the Hub")
    from huggingface_hub import snapshot_download
    from huggingface_hub.utils import disable_progress_bars

    disable_progress_bars()  # they would name the repository's files as they are
    try:
        return Path(snapshot_download(model, allow_patterns=_FILES))
    except Exception as error:  # whatever the network or the Hub says
        reason = clipped((str(error).strip().splitlines() or [type(error).__name__])[0])
        raise ChatwrightError(f"{model}: there is no such folder, and the Hub does not give it: {reason}") from error
