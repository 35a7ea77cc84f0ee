"""Model folders made of real tokenizers: faultless ones, and ones with a single fault of the kind that people have.

A faultless folder has the tokenizer as its publisher ships it, the deployed chat template, and a
``generation_config.json`` that stops at the tokenizer's EOS, the end of turn and the stop words.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from chatwright.catalogue.model import Catalogue, Part, Slot, Template
from chatwright.inspection.tokenizer_worker import load_tokenizer
from chatwright.targets.chat_template import chat_template

GENERATION, CONFIG, TOKENIZER, JINJA = (
    "generation_config.json",
    "tokenizer_config.json",
    "tokenizer.json",
    "chat_template.jinja",
)


@dataclass
class Folder:
    """A model folder that is being made, for one template of the catalogue."""

    path: Path
    template: Template
    catalogue: Catalogue

    def edit(self, file: str, change: Callable[[Any], None]) -> None:
        """Change the JSON of a file in place."""
        data = json.loads((self.path / file).read_text(encoding="utf-8"))
        change(data)
        (self.path / file).write_text(json.dumps(data, ensure_ascii=False), encoding="utf-8")

    def deploy(self, template: Template) -> None:
        """Let the chat template be that of ``template``."""
        (self.path / JINJA).write_text(chat_template(template), encoding="utf-8")

    def stop_at(self, *tokens: str) -> None:
        """Let generation stop at these tokens, and no others."""
        ids = [self.id(token) for token in tokens]
        (self.path / GENERATION).write_text(json.dumps({"eos_token_id": ids}), encoding="utf-8")

    def id(self, token: str) -> int:
        """The id of a token."""
        return int(load_tokenizer(self.path).convert_tokens_to_ids(token))


@dataclass(frozen=True)
class Fault:
    """One fault: what it is, in which faultless folder, the kind of finding that must name it.

    ``along`` are kinds that it cannot but bring with it, ``trained`` the template the model was trained with where
    that is not the folder's.
    """

    what: str
    tokenizer: str
    template: str
    kind: str
    make: Callable[[Folder], None]
    along: frozenset[str] = frozenset()
    trained: str | None = None


def faultless(catalogue: Catalogue, source: Path, template: str, path: Path) -> Folder:
    """Make a faultless folder for a template of the tokenizer in the folder ``source``."""
    path.mkdir(parents=True)
    for file in (TOKENIZER, CONFIG):
        shutil.copy(source / file, path / file)
    folder = Folder(path, catalogue.templates[template], catalogue)
    folder.edit(CONFIG, lambda config: config.pop("chat_template", None))
    folder.deploy(folder.template)
    tokenizer = load_tokenizer(path)
    words = [word for word in folder.template.stop_words if word in tokenizer.get_vocab()]
    ids = tokenizer.convert_tokens_to_ids(list(dict.fromkeys([tokenizer.eos_token, *words])))
    (path / GENERATION).write_text(json.dumps({"eos_token_id": ids}), encoding="utf-8")
    return folder


def copy(folder: Folder, path: Path) -> Folder:
    """The same folder once more, to make a fault in it."""
    return replace(folder, path=Path(shutil.copytree(folder.path, path)))


# -- faults ----------------------------------------------------------------------------------------------------------


def _other_template(folder: Folder) -> None:
    folder.deploy(folder.catalogue.templates["llama3"])


def _two_bos(folder: Folder) -> None:
    text = (folder.path / JINJA).read_text(encoding="utf-8")
    (folder.path / JINJA).write_text("{{- bos_token -}}\n" + text, encoding="utf-8")


def _no_bos(folder: Folder) -> None:
    folder.deploy(_with(folder.template, prefix=()))


def _no_default_system(folder: Folder) -> None:
    folder.deploy(replace(folder.template, default_system=None))


def _stripped_opener(folder: Folder) -> None:
    opener = folder.template.slots.opener
    stripped: Slot = (*opener[:-1], Part("text", opener[-1].value.rstrip("\n")))
    folder.deploy(_with(folder.template, opener=stripped, opener_after_observation=stripped, generation=stripped))


def _no_prefill(folder: Folder) -> None:
    thinking = folder.template.thinking
    assert thinking is not None
    folder.deploy(replace(folder.template, thinking=replace(thinking, when_off="")))


def _results_as_tool(folder: Folder) -> None:
    slot = (Part("text", "<|im_start|>tool\n"), Part("field", "content"), Part("text", "<|im_end|>\n"))
    folder.deploy(_with(folder.template, observation=slot))


def _no_image(folder: Folder) -> None:
    folder.deploy(_with(folder.template, image=None))


def _no_chat_template(folder: Folder) -> None:
    (folder.path / JINJA).unlink()


def _endless(folder: Folder) -> None:
    loops = "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}"
    (folder.path / JINJA).write_text(loops, encoding="utf-8")


def _second_template(folder: Folder) -> None:
    text = (folder.path / JINJA).read_text(encoding="utf-8")
    folder.edit(CONFIG, lambda config: config.update(chat_template=text))  # the right one, but read second
    (folder.path / JINJA).write_text(text.replace("<|im_end|>\\n", "<|im_end|>"), encoding="utf-8")


def _also_stop_at(word: str) -> Callable[[Folder], None]:
    def make(folder: Folder) -> None:
        number = folder.id(word)
        folder.edit(GENERATION, lambda data: data["eos_token_id"].append(number))

    return make


def _stop_only_at(*words: str) -> Callable[[Folder], None]:
    return lambda folder: folder.stop_at(*words)


def _other_eos(word: str) -> Callable[[Folder], None]:
    return lambda folder: folder.edit(CONFIG, lambda config: config.update(eos_token=word))


def _swallowing(word: str) -> Callable[[Folder], None]:
    """A token that was added with ``lstrip``, as tools that add tokens do unasked."""
    return lambda folder: _edit_token(folder, word, lstrip=True)


def _edit_token(folder: Folder, word: str, **fields: Any) -> None:
    """Change an added token in both files that list it."""

    def change(tokens: Iterable[dict[str, Any]]) -> None:
        for token in tokens:
            if token["content"] == word:
                token.update(fields)

    folder.edit(TOKENIZER, lambda data: change(data["added_tokens"]))
    folder.edit(CONFIG, lambda data: change(data.get("added_tokens_decoder", {}).values()))


def _prefix_space(folder: Folder) -> None:
    """The space that older conversions of sentencepiece tokenizers put in front of every text."""

    def change(data: dict[str, Any]) -> None:
        before = [data["normalizer"]] if data["normalizer"] else []
        data["normalizer"] = {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "▁"}, *before]}

    folder.edit(TOKENIZER, change)


def _without_token(word: str) -> Callable[[Folder], None]:
    """A vocabulary without this token, as a tokenizer of the family's text-only models has it."""

    def forget(config: dict[str, Any]) -> None:
        special = config.get("additional_special_tokens", ())
        config["additional_special_tokens"] = [token for token in special if token != word]

    def make(folder: Folder) -> None:
        _edit_token(folder, word, content="<|unused|>")
        folder.edit(CONFIG, forget)

    return make


def _chatml(folder: Folder) -> None:
    folder.deploy(folder.catalogue.templates["qwen"])


def _with(template: Template, **slots: Any) -> Template:
    return replace(template, slots=replace(template.slots, **slots))


FAULTS = (
    Fault("another family's chat template", "qwen3", "qwen3", "wrong-template", _other_template),
    Fault("the BOS written twice", "mistral_nemo", "mistral", "bos-doubled", _two_bos),
    Fault("the BOS not written", "deepseek_v3", "deepseek3", "bos-missing", _no_bos),
    Fault(
        "the EOS is not the end of turn", "llama3", "llama3", "eos-not-end-of-turn", _stop_only_at("<|end_of_text|>")
    ),
    Fault("the default system text lost", "qwen2_5", "qwen", "default-system-lost", _no_default_system),
    Fault("the opener's newline stripped", "internlm2", "intern2", "white-space", _stripped_opener),
    Fault(
        "a token that swallows the newline before it", "qwen3", "qwen3", "token-boundary", _swallowing("<|im_start|>")
    ),
    Fault("a space in front of every slot", "yi", "yi", "token-boundary", _prefix_space),
    Fault("a stop word missing", "qwen2_5", "qwen2_5", "stop-word-missing", _stop_only_at("<|im_end|>")),
    Fault("the prefill of thinking off missing", "qwen3", "qwen3", "thinking-prefill", _no_prefill),
    Fault("tool results in a turn of another role", "qwen3", "qwen3", "tool-layout", _results_as_tool),
    Fault("images without a placeholder", "qwen2_5", "qwen2_vl", "placeholder-missing", _no_image),
    Fault(
        "a placeholder that is no token",
        "qwen2_5",
        "qwen2_vl",
        "placeholder-missing",
        _without_token("<|image_pad|>"),
    ),
    Fault("a stop that opens a call", "qwen3", "qwen3", "stop-must-be-written", _also_stop_at("<tool_call>")),
    Fault("no chat template", "gptoss", "gpt_oss", "chat-template-missing", _no_chat_template),
    Fault("a chat template that never ends", "yi", "yi", "chat-template-fails", _endless),
    Fault(
        "two chat templates",
        "yi",
        "yi",
        "chat-templates-disagree",
        _second_template,
        along=frozenset({"white-space"}),
    ),
    Fault("two files with two EOS", "qwen3", "qwen3", "eos-disagrees", _other_eos("<|endoftext|>")),
    Fault(
        "a base model's vocabulary without the chat's tokens",
        "llama3",
        "llama3",
        "end-of-turn-missing",
        _chatml,
        frozenset({"marker-missing"}),
        "qwen",
    ),
)
FAULTLESS: Mapping[str, tuple[str, ...]] = {
    "deepseek_v3": ("deepseek3", "deepseekr1"),
    "gemma3": ("gemma3",),
    "gptoss": ("gpt_oss",),
    "internlm2": ("intern2",),
    "llama3": ("llama3",),
    "mistral_nemo": ("mistral",),
    "qwen2_5": ("qwen", "qwen2_5", "qwen2_vl"),
    "qwen3": ("qwen3",),
    "yi": ("yi",),
}
