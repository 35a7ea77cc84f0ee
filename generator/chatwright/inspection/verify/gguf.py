"""What a GGUF says of its special tokens, as llama.cpp reads it: where replies end, and whether a BOS is added."""

from __future__ import annotations

from collections.abc import Mapping

from ...catalogue.model import Template
from ...characters import listing
from ...meaning.sandbox import Refused
from ...pipeline.gguf import ADD_BOS, Gguf
from ..conversations import Texts
from ..prompt_differences import Prompt
from .findings import Finding
from .folder import ModelFolder
from .stops import ends_of

_SHOWN = 8  # tokens in a message


def as_tokenized(texts: Texts, gguf: Gguf) -> Texts:
    """Prompts as llama.cpp tokenizes them: with one BOS in front where the GGUF adds one."""
    return {name: text if isinstance(text, Refused) else gguf.prompt(text) for name, text in texts.items()}


def stop_findings(template: Template, folder: ModelFolder, gguf: Gguf) -> tuple[list[Finding], list[str]]:
    """What is wrong with the tokens at which llama.cpp ends a reply, and notes."""
    place, listed = folder.vocabulary_file, listing(sorted(gguf.ends), _SHOWN) or "(none)"
    ends = ends_of(template, folder, lambda text: _first_token(gguf, text))
    found, notes = [], []
    if ends and not any(end in gguf.vocabulary for end in ends):
        text = f"the end of turn {' or '.join(ends)} is no token of the vocabulary, so generation cannot stop at it"
        found.append(Finding("end-of-turn-missing", place, text))
    elif ends and gguf.ends.isdisjoint(ends):
        text = f"the end of turn {' or '.join(ends)} is not among the stops {listed}: replies do not end"
        found.append(Finding("eos-not-end-of-turn", place, text))
    for word in template.stop_words:
        if word in ends and (len(ends) == 1 or found):
            continue
        if word not in gguf.vocabulary:
            notes.append(f"the stop word {word} is not in the vocabulary: requests must give it as `stop`")
        elif word not in gguf.ends:
            found.append(Finding("stop-word-missing", place, f"the stop word {word} is not among the stops {listed}"))
    return found, notes


def bos_notes(gguf: Gguf, prompts: Mapping[str, Prompt]) -> list[str]:
    """What a user must know of the BOS that the GGUF adds."""
    bos = gguf.special.get("bos_token")
    if not bos or not gguf.adds_bos or not any(prompt.text.startswith(bos) for prompt in prompts.values()):
        return []
    return [
        f"{ADD_BOS} is true, and the prompt has {bos} already: llama.cpp leaves one of them out, and programs that"
        " write the prompt themselves double it"
    ]


def _first_token(gguf: Gguf, text: str) -> str:
    """The longest token that a text begins with, the text itself where there is none."""
    beginnings = (text[:end] for end in range(len(text), 0, -1))
    return next((token for token in beginnings if token in gguf.vocabulary), text)
