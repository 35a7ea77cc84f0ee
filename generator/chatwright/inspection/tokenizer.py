"""A model folder's tokenizer, read in a process that is bounded: a library that has never seen the file reads it there.

What an honest tokenizer takes is far below the limits: Gemma 3's, the largest there is with 33 MB, is read in 3 seconds
and 640 MB. Answers are kept, and texts that will be asked for are best asked for at once, see :meth:`Tokenizer.learn`.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import needs
from ..meaning.bounded import Failed, Process

SECONDS = 30  # of the processor, for reading the tokenizer and everything that it is asked
MEMORY = 1000 * 1024**2  # bytes of address space, of which Python with transformers takes about 240 MB


class TokenizerFailed(Failed):
    """A tokenizer cannot be read, or does not answer within the limits."""


def start() -> Process:
    """Begin a process for one tokenizer, which takes about a second; it can be given to :class:`Tokenizer` later.

    Raises:
        ChatwrightError: transformers is not installed.
    """
    needs("transformers", "tokenizers", "reading a tokenizer")
    return Process("inspection.tokenizer_worker", seconds=SECONDS, memory=MEMORY, failure=TokenizerFailed)


class Tokenizer:
    """The tokenizer of a folder.

    ``special`` maps the names of special tokens (``bos_token``) to their texts; ``bos_token_id`` and ``eos_token_id``
    are None where there is no such token. ``adds_bos`` says whether the tokenizer puts its BOS in front of whatever it
    encodes with special tokens, ``puts_space`` names the part of it that puts a space in front of every text, if any.

    Raises:
        TokenizerFailed: the files cannot be read within the limits. So does each method, where it asks.
    """

    def __init__(self, folder: Path, process: Process) -> None:
        self._process = process
        self._known: dict[str, dict[Hashable, Any]] = {}
        found = process.ask({"folder": str(folder.absolute())})["folder"]
        self.special: dict[str, str] = found["special"]
        self.bos_token_id: int | None = found["bos"]
        self.eos_token_id: int | None = found["eos"]
        self.adds_bos: bool = found["adds_bos"]
        self.puts_space: str | None = found["puts_space"]

    def learn(self, texts: Iterable[str]) -> None:
        """Ask for the ids of many texts at once."""
        self._answers("ids", list(texts))

    def encode(self, text: str, *, add_special_tokens: bool = False) -> list[int]:
        """The ids of a text, as chat servers make them: without special tokens added."""
        assert not add_special_tokens
        ids: list[int] = self._answers("ids", [text])[0]
        return ids

    def spans(self, text: str) -> list[tuple[int, int]]:
        """Where each token of a text begins and ends in it."""
        return [(begin, end) for begin, end in self._answers("spans", [text])[0]]

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids; those that are no tokens are left out."""
        return str(self._answers("texts", [tuple(ids)])[0])

    def names(self, ids: Sequence[int]) -> list[str]:
        """The tokens by their names in the vocabulary; of an id that is no token, its number."""
        found = zip(ids, self._answers("names", ids), strict=True)
        return [f"id {index}" if name is None else name for index, name in found]

    def convert_tokens_to_ids(self, token: str) -> int:
        """The id of a token by its name; that of the unknown token, or -1, where there is none."""
        number = self._answers("numbers", [token])[0]
        return -1 if number is None else number

    def sides(self, index: int) -> list[str]:
        """On which sides a token takes the white space around it: ``before``, ``behind``."""
        return list(self._answers("sides", [index])[0])

    def known(self, ids: Sequence[int]) -> list[bool]:
        """Whether each is the id of a token."""
        return self._answers("known", ids)

    def close(self) -> None:
        """End the process."""
        self._process.close()

    def _answers(self, kind: str, asked: Sequence[Any]) -> list[Any]:
        known = self._known.setdefault(kind, {})
        if new := [each for each in dict.fromkeys(asked) if each not in known]:
            known.update(zip(new, self._process.ask({kind: new})[kind], strict=True))
        return [known[each] for each in asked]


class NoTokenizer(Tokenizer):
    """What a chat template's file has in place of a tokenizer: the texts of special tokens, and nothing to ask."""

    def __init__(self, special: Mapping[str, str]) -> None:
        self.special = dict(special)
        self.adds_bos = False

    def close(self) -> None:
        """Nothing was begun."""
