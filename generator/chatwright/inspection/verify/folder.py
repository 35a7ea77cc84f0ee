"""A model folder as it lies on disk: its tokenizer, its chat templates, and where generation is to stop.

Nothing is looked up elsewhere and no code of the folder is run: whatever class ``tokenizer_config.json`` names, the
tokenizer is what ``tokenizer.json`` says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import ChatwrightError
from ...limits import LONGEST_TEMPLATE
from ...pipeline.gguf import Gguf, is_gguf, read_gguf
from ...pipeline.model_files import HUB_ID, read_json, read_text, special_tokens, vocabulary, whole_text
from .. import tokenizer
from ..tokenizer import NoTokenizer, Tokenizer, TokenizerFailed

TOOL_USE = "tool_use"  # the named template that transformers takes for a request with tools
_NAMED = "additional_chat_templates"


@dataclass(frozen=True)
class ChatTemplates:
    """The chat templates that one file of the folder holds, by name; ``default`` is the one that is always there."""

    file: str
    by_name: Mapping[str, str]

    def __post_init__(self) -> None:
        """Refuse what no chat template is.

        Raises:
            ChatwrightError: it is too long, or holds half of a character.
        """
        if sum(map(len, self.by_name.values())) > LONGEST_TEMPLATE:
            raise ChatwrightError(f"{self.file}: the chat template has more than {LONGEST_TEMPLATE} characters")
        for name, text in self.by_name.items():
            whole_text(name + text, f"{self.file}: the chat template")

    def source(self, tools: bool) -> str | None:
        """The template of a request, as ``get_chat_template`` of transformers 5.6.0 chooses it."""
        name = TOOL_USE if tools and TOOL_USE in self.by_name else "default"
        return self.by_name.get(name)


@dataclass(frozen=True)
class ModelFolder:
    """What a model folder holds.

    ``chat_templates`` are in the order in which transformers prefers their files. ``config`` and ``generation`` are the
    JSON of their files, empty where there is none. ``gguf`` is the head of the GGUF that was given instead of a folder.
    """

    path: Path
    tokenizer: Tokenizer
    config: Mapping[str, Any]
    generation: Mapping[str, Any]
    chat_templates: tuple[ChatTemplates, ...]
    vocabulary: Mapping[str, int]  # what the files hold; the loaded tokenizer may have more
    gguf: Gguf | None = None

    @property
    def vocabulary_file(self) -> str:
        """The name of the file that holds the vocabulary."""
        return self.gguf.path.name if self.gguf else "tokenizer.json"

    @property
    def bos(self) -> str:
        """The text of the BOS, empty where there is none."""
        return self.tokenizer.special.get("bos_token", "")

    @property
    def eos(self) -> str:
        """The text of the tokenizer's EOS, empty where there is none."""
        return self.tokenizer.special.get("eos_token", "")

    def __enter__(self) -> ModelFolder:
        return self

    def __exit__(self, *_: object) -> None:
        self.tokenizer.close()


def read_folder(path: Path) -> ModelFolder:
    """Read a model folder, a GGUF, or the file of a chat template; a tokenizer can be asked until the ``with`` ends.

    Raises:
        ChatwrightError: it has no tokenizer.json, or one of its files cannot be read; the message names the file.
    """
    if path.is_file():
        return _read_file(path)
    if not path.is_dir():
        raise ChatwrightError(f"{path}: there is no such folder or file")
    file = path / "tokenizer.json"
    if not file.is_file():
        raise ChatwrightError(
            f"{path}: there is no tokenizer.json; save it as a fast tokenizer (tokenizer.save_pretrained), take the"
            " base model's where this folder is an adapter's, or verify the file of its chat template alone"
        )
    for name in ("special_tokens_map.json", "tokenizer_config.json"):
        special_tokens(read_json(path / name), path / name)  # those that no token is are refused by their place
    process = tokenizer.start()  # while it begins, the other files are read
    tokenizer_config, listed = read_json(path / "tokenizer_config.json"), vocabulary(path)
    templates = tuple(chat_templates(path, tokenizer_config))  # before the tokenizer, whose library reads them as well
    config, generation = read_json(path / "config.json"), read_json(path / "generation_config.json")
    try:
        read = Tokenizer(path, process)
    except TokenizerFailed as reason:
        raise ChatwrightError(f"{file}: the tokenizer cannot be read: {reason}") from reason
    return ModelFolder(path, read, config, generation, templates, listed)


def _read_file(path: Path) -> ModelFolder:
    """A GGUF, or a chat template alone: a text, or JSON with the special tokens as well (tokenizer_config.json)."""
    if is_gguf(path):
        gguf = read_gguf(path)
        own = gguf_templates(gguf)
        return ModelFolder(path, NoTokenizer(gguf.special), {}, {}, (own,) if own else (), gguf.vocabulary, gguf)
    if path.suffix != ".json":
        return ModelFolder(path, NoTokenizer({}), {}, {}, (ChatTemplates(path.name, {"default": read_text(path)}),), {})
    data = read_json(path)
    if data.get("chat_template") is None:
        raise ChatwrightError(f"{path}: it has no chat_template")
    templates = ChatTemplates(path.name, by_name(path, data["chat_template"]))
    return ModelFolder(path, NoTokenizer(special_tokens(data, path)), {}, {}, (templates,), {})


def gguf_templates(gguf: Gguf) -> ChatTemplates | None:
    """The chat templates that a GGUF carries, None where it has none."""
    return ChatTemplates(gguf.path.name, gguf.chat_templates) if gguf.chat_templates else None


def chat_templates(path: Path, tokenizer_config: Mapping[str, Any]) -> list[ChatTemplates]:
    """The chat templates of a folder, in the order in which transformers prefers their files."""
    found = []
    file = path / "chat_template.jinja"
    named = {item.stem: read_text(item) for item in sorted((path / _NAMED).glob("*.jinja"))}
    if file.is_file():
        found.append(ChatTemplates(file.name, {"default": read_text(file), **named}))
    elif named:
        found.append(ChatTemplates(_NAMED, named))
    for name, data in (
        ("chat_template.json", read_json(path / "chat_template.json")),
        ("tokenizer_config.json", tokenizer_config),
    ):
        if (value := data.get("chat_template")) is not None:
            found.append(ChatTemplates(name, by_name(path / name, value)))
    return found


def by_name(file: Path | str, value: Any) -> dict[str, str]:
    """The chat templates of a ``chat_template`` entry by name.

    Raises:
        ChatwrightError: it is neither a text nor a list of named ones.
    """
    if isinstance(value, str):
        return {"default": value}
    if isinstance(value, list):
        value = {str(item.get("name")): item.get("template") for item in value if isinstance(item, Mapping)}
    if isinstance(value, Mapping) and value and all(isinstance(text, str) for pair in value.items() for text in pair):
        return dict(value)
    raise ChatwrightError(f"{file}: chat_template is neither a text nor a list of named ones")


def said_ids(*configs: Mapping[str, Any]) -> list[str]:
    """The ids that configurations were saved under."""
    said = (data.get(key) for data in configs for key in ("_name_or_path", "name_or_path"))
    return [value for value in said if isinstance(value, str) and HUB_ID.fullmatch(value)]
