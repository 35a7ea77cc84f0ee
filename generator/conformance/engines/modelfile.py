'''An exact reader of Ollama's Modelfile rules, written from what its parser does (``parser/parser.go``, v0.33.0-rc2).

A Modelfile is read rune by rune. A line begins with white space, a comment (``#``), or a command: letters, in any case,
then white space. The value of a command runs to the end of its line, or, when it begins with ``"`` or ``"""``, to the
first end of line at which what was read so far, white space at its ends aside, ends with the same quotes. Nothing is
escaped. Outside of what is white space, characters that Go calls non-printable are dropped without a word; carriage
return ends a line as newline does.
'''

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

# fmt: off
COMMANDS = frozenset({
    "from", "license", "template", "system", "adapter", "draft", "renderer", "parser", "parameter", "message",
    "requires",
})
_ROLES = ("system", "user", "assistant")
_DEPRECATED = frozenset({
    "penalize_newline", "low_vram", "f16_kv", "logits_all", "vocab_only", "use_mlock",
    "mirostat", "mirostat_tau", "mirostat_eta",
})
_FLOATS = frozenset({
    "top_p", "min_p", "typical_p", "temperature", "repeat_penalty", "presence_penalty", "frequency_penalty",
})
_INTS = frozenset({
    "num_keep", "seed", "num_predict", "top_k", "repeat_last_n", "num_ctx", "num_batch", "num_gpu", "main_gpu",
    "num_thread", "draft_num_predict",
})
# fmt: on
_BOOLS = {
    **dict.fromkeys(("1", "t", "T", "TRUE", "true", "True"), True),
    **dict.fromkeys(("0", "f", "F", "FALSE", "false", "False"), False),
}
_SPACE, _NEWLINE = " \t", "\r\n"
_TRIMMED = "".join(chr(code) for code in range(0x3001) if chr(code).isspace() and not 0x1C <= code <= 0x1F)


class ModelfileError(Exception):
    """Ollama refuses the Modelfile."""


@dataclass(frozen=True)
class Command:
    """One command: ``model`` for FROM, the parameter's name for PARAMETER, else the command in lower case."""

    name: str
    value: str


@dataclass(frozen=True)
class Modelfile:
    """The commands in order."""

    commands: tuple[Command, ...]

    def last(self, name: str) -> str:
        """The value of the last command of that name, which is the one that counts; empty where there is none."""
        return next((command.value for command in reversed(self.commands) if command.name == name), "")

    @property
    def parameters(self) -> dict[str, float | int | bool | list[str]]:
        """What the PARAMETER commands set; ``stop`` gathers, any other takes the last value.

        Raises:
            ModelfileError: a parameter is unknown, or its value has the wrong type.
        """
        found: dict[str, float | int | bool | list[str]] = {}
        stops: list[str] = []
        for command in self.commands:
            name, value = command.name, command.value
            if name in COMMANDS or name == "model" or name in _DEPRECATED:
                continue
            if name == "stop":
                stops.append(value)
                found[name] = stops
            elif name in _FLOATS or name in _INTS or name == "use_mmap":
                found[name] = _parameter(name, value)
            else:
                raise ModelfileError(f"unknown parameter '{name}'")
        return found


def _parameter(name: str, value: str) -> float | int | bool:
    try:
        if name == "use_mmap":
            return _BOOLS[value]
        if "_" in value or not value.isascii() or value.strip() != value:
            raise ValueError(value)  # which Python would read, and Go does not
        return float(value) if name in _FLOATS else int(value)
    except (KeyError, ValueError):
        raise ModelfileError(f"invalid value {value!r} of parameter '{name}'") from None


def is_print(character: str) -> bool:
    """Go's ``strconv.IsPrint``, by the Unicode version of the running Python."""
    return character == " " or unicodedata.category(character)[0] in "LMNPS"


def read_modelfile(text: str) -> Modelfile:
    """Read a Modelfile.

    Raises:
        ModelfileError: Ollama refuses it.
    """
    reader = _Reader()
    for character in text.removeprefix("\ufeff"):
        reader.feed(character)
    return reader.finish()


class _Reader:
    """The parser's states: between commands, in a comment, in a command's name, a parameter's name, a role, a value."""

    def __init__(self) -> None:
        self.state = "between"
        self.buffer: list[str] = []
        self.name = ""
        self.role = ""
        self.line = 1
        self.commands: list[Command] = []

    def feed(self, character: str) -> None:
        self.line += character in _NEWLINE
        getattr(self, f"_{self.state}")(character)

    def finish(self) -> Modelfile:
        if self.state == "value":
            self._end_value("unexpected EOF")
        elif self.state not in ("between", "comment"):
            raise ModelfileError("unexpected EOF")
        if not any(command.name == "model" for command in self.commands):
            raise ModelfileError("no FROM line")
        return Modelfile(tuple(self.commands))

    def _between(self, character: str) -> None:
        if character == "#":
            self._enter("comment")
        elif character not in _SPACE + _NEWLINE:
            self._enter("name")
            self._keep(character)

    def _comment(self, character: str) -> None:
        if character in _NEWLINE:
            self._enter("between")

    def _name(self, character: str) -> None:
        if _is_letter(character):
            self._keep(character)
            return
        name = self._read().lower()
        if character not in _SPACE or name not in COMMANDS:
            raise ModelfileError(f'(line {self.line}): command must be one of {", ".join(sorted(COMMANDS))}')
        self.name = "model" if name == "from" else name
        self._enter({"parameter": "parameter", "message": "message"}.get(name, "value"))

    def _parameter(self, character: str) -> None:
        if _is_letter(character) or character in "0123456789_":
            self._keep(character)
        elif character in _SPACE:
            self.name = self._read()
            self._enter("value")
        else:
            raise ModelfileError(f"unexpected EOF: {self._read()}")

    def _message(self, character: str) -> None:
        if _is_letter(character):
            self._keep(character)
        elif character in _SPACE:
            self.role = self._read()
            if self.role not in _ROLES:
                raise ModelfileError(f'(line {self.line}): message role must be one of {", ".join(_ROLES)}')
            self._enter("value")
        else:
            raise ModelfileError(f"unexpected EOF: {self._read()}")

    def _value(self, character: str) -> None:
        if character in _SPACE:
            self.buffer.append(character)
        elif character not in _NEWLINE:
            self._keep(character)
        elif self._unquoted() is None:
            self.buffer.append(character)
        else:
            self._end_value("")
            self._enter("between")

    def _end_value(self, otherwise: str) -> None:
        value = self._unquoted()
        if value is None:
            raise ModelfileError(otherwise)
        self.commands.append(Command(self.name, f"{self.role}: {value}" if self.role else value))
        self.role = ""

    def _unquoted(self) -> str | None:
        """The value without its quotes, or None where it is not complete yet."""
        text = self._read().strip(_TRIMMED)
        if text.startswith('"""'):
            return text[3:-3] if len(text) >= 6 and text.endswith('"""') else None
        if text.startswith('"'):
            return text[1:-1] if len(text) >= 2 and text.endswith('"') else None
        return text

    def _enter(self, state: str) -> None:
        self.state = state
        self.buffer = []

    def _keep(self, character: str) -> None:
        if is_print(character):
            self.buffer.append(character)

    def _read(self) -> str:
        return "".join(self.buffer)


def _is_letter(character: str) -> bool:
    return character.isascii() and character.isalpha()
