"""Model folders, dumps and specs that would do harm, and the commands that read them: one of each kind.

``bounds.py`` prints what each takes, ``test_foreign.py`` holds it to limits.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import chatwright

GENERATOR = Path(chatwright.__file__).parent.parent
TEMPLATE = "yi"  # the template of the folder that the faultless one is made for
ESCAPES = "\x1b]0;x\x07\n\nfine: nothing found\r\x9b31m\u202e\u2066\u3164\u2800\ufe0f\U000e0101"


@dataclass(frozen=True)
class Input:
    """Something hostile: ``make`` changes the faultless folder, or writes what ``given`` names for standard input.

    ``command`` is run with ``FOLDER`` as the folder's path; ``says`` stands in what it prints.
    """

    make: Callable[[Path], None]
    command: Sequence[str] = ("verify", "FOLDER", "--template", TEMPLATE)
    says: str = ""
    given: bytes | None = None
    code: int = 1


def edit(file: str, **values: Any) -> Callable[[Path], None]:
    """Set keys of a JSON file of the folder, which need not be there."""

    def change(folder: Path) -> None:
        path = folder / file
        data = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        path.write_text(json.dumps({**data, **values}), encoding="utf-8")

    return change


def template(source: str) -> Callable[[Path], None]:
    """Let the chat template be this one."""

    def change(folder: Path) -> None:
        (folder / "chat_template.jinja").write_text(source, encoding="utf-8")

    return change


def in_json(source: str) -> Callable[[Path], None]:
    """Let the chat template be this one in tokenizer_config.json, where it may hold half of a character."""

    def change(folder: Path) -> None:
        (folder / "chat_template.jinja").unlink(missing_ok=True)
        edit("tokenizer_config.json", chat_template=source)(folder)

    return change


def text(file: str, head: bytes, part: bytes = b"", times: int = 0, tail: bytes = b"") -> Callable[[Path], None]:
    """Let a file hold this, with a part that is repeated."""

    def change(folder: Path) -> None:
        with (folder / file).open("wb") as stream:
            stream.write(head)
            for _ in range(times):
                stream.write(part)
            stream.write(tail)

    return change


def added(**token: Any) -> Callable[[Path], None]:
    """Add a token to tokenizer.json; ``Infinity`` for an id is what JSON's 1e999 becomes."""

    def change(folder: Path) -> None:
        path = folder / "tokenizer.json"
        data = json.loads(path.read_text(encoding="utf-8"))
        flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized", "special"), False)
        data["added_tokens"].append({**flags, "id": 300, "content": "x", **token})
        path.write_text(json.dumps(data).replace("Infinity", "1e999"), encoding="utf-8")

    return change


def part(key: str, value: Mapping[str, Any]) -> Callable[[Path], None]:
    """Set the normalizer or the pre-tokenizer of tokenizer.json."""
    return edit("tokenizer.json", **{key: value})


def pipe(file: str) -> Callable[[Path], None]:
    """Put a pipe that nobody writes to in the place of a file."""

    def change(folder: Path) -> None:
        (folder / file).unlink(missing_ok=True)
        os.mkfifo(folder / file)

    return change


def both(*changes: Callable[[Path], None]) -> Callable[[Path], None]:
    """Make several changes."""

    def change(folder: Path) -> None:
        for each in changes:
            each(folder)

    return change


def nothing(folder: Path) -> None:
    """Leave the folder as it is."""


def rows(*records: Any) -> bytes:
    """Lines of a dump."""
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


HALF = "{% if false %}\ud800{% endif %}{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}"
GROWING = {
    "type": "Sequence",
    "normalizers": [{"type": "Replace", "pattern": {"String": "a"}, "content": "a" * 1000}] * 4,
}
PANIC = {"type": "Split", "pattern": {"Regex": "(.*)*x(.*)*y"}, "behavior": "Isolated", "invert": False}
DRAFT, IDENTIFY = ("draft", "FOLDER"), ("identify", "FOLDER")
STREAM = ("identify", "-", "--cores", "1")
BAD, GOOD = {"id": "a/bad"}, {"id": "Qwen/Qwen3-8B"}

INPUTS: Mapping[str, Input] = {
    "nothing wrong: verify": Input(nothing, says="fine: served", code=0),
    "nothing wrong: draft": Input(nothing, DRAFT, says="34 exact, 3 not comparable of 37 scenarios", code=0),
    "nothing wrong: identify": Input(nothing, IDENTIFY, says="yi", code=0),
    # an exception that is no text
    "raises a number: verify": Input(template("{{ raise_exception(1) }}"), says="chat-template-fails"),
    "raises a number: draft": Input(template("{{ raise_exception(1) }}"), DRAFT, says="error: "),
    "raises a number: identify": Input(template("{{ raise_exception(1) }}"), IDENTIFY, says="raises even for plain"),
    "raises messages: verify": Input(template("{{ raise_exception(messages) }}"), says="chat-template-fails"),
    "raises what is not there: verify": Input(template("{{ raise_exception(nowhere) }}"), says="chat-template-fails"),
    "raises a number: a stream": Input(
        nothing,
        STREAM,
        given=rows({**BAD, "chat_template": "{{ raise_exception(1) }}"}, GOOD),
        says='"template": "qwen3"',
        code=0,
    ),
    # terminal control, what cannot be seen, what turns the direction
    "escapes in the EOS: verify": Input(edit("tokenizer_config.json", eos_token=ESCAPES), says="\\x1b]0;x\\x07"),
    "escapes in the EOS: identify": Input(edit("tokenizer_config.json", eos_token=ESCAPES), IDENTIFY, code=0),
    "escapes in a template: draft": Input(
        template("{% for m in messages %}" + ESCAPES + "{{ m.content }}{% endfor %}"), DRAFT, says="\\u202e"
    ),
    "escapes in a template: verify --json": Input(
        template("{% for m in messages %}" + ESCAPES + "{{ m.content }}{% endfor %}"),
        ("verify", "FOLDER", "--template", TEMPLATE, "--json"),
        says="\\\\x1b]0;x\\\\x07",
    ),
    "escapes in an architecture: draft": Input(edit("config.json", architectures=[ESCAPES]), DRAFT, code=0),
    # numbers out of range, and of another kind
    "an EOS below zero: verify": Input(edit("generation_config.json", eos_token_id=-1), says="has -1, no id"),
    "an EOS below zero: draft": Input(edit("generation_config.json", eos_token_id=-1), DRAFT, code=0),
    "a token with the id 1e999: verify": Input(added(id=float("inf")), says="not listed as tokenizers"),
    "a token with the id 1e999: draft": Input(added(id=float("inf")), DRAFT, says="not listed as tokenizers"),
    "a length that is a text: verify": Input(
        edit("tokenizer_config.json", model_max_length="x"), says="tokenizer.json"
    ),
    # half of a character
    "half a character in a template: verify": Input(in_json(HALF), says="half of a character"),
    "half a character in a template: draft": Input(in_json(HALF), DRAFT, says="half of a character"),
    "half a character in a template: identify": Input(in_json(HALF), IDENTIFY, says="half of a character"),
    "half a character in a date: verify": Input(template("{{ strftime_now('\\ud800') }}"), says="chat-template-fails"),
    "half a character in a date: draft": Input(template("{{ strftime_now('\\ud800') }}"), DRAFT, says="error: "),
    "half a character is written: draft": Input(template("{{ '\\ud800' }}"), DRAFT, says="half of a character"),
    # much
    "200,000 ids: verify": Input(
        edit("generation_config.json", eos_token_id=list(range(200_000))), says="at most 1000"
    ),
    "200,000 ids: draft": Input(
        both(
            template("{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}"),
            edit("generation_config.json", eos_token_id=list(range(200_000))),
        ),
        DRAFT,
        says="at most 1000",
    ),
    "1,000 ids: verify": Input(
        edit("generation_config.json", eos_token_id=list(range(9_000, 10_000))), says="992 more"
    ),
    "an EOS of 10 MB: verify": Input(edit("tokenizer_config.json", eos_token="x" * 10_000_000), says="at most 200"),
    "an EOS of 10 MB: draft": Input(
        edit("tokenizer_config.json", eos_token="x" * 10_000_000), DRAFT, says="at most 200"
    ),
    "an EOS of 10 MB: identify": Input(
        edit("tokenizer_config.json", eos_token="x" * 10_000_000), IDENTIFY, says="at most 200"
    ),
    "raises 9 MB: verify": Input(template("{{ raise_exception('x' * 9000000) }}"), says="(9000000 characters)"),
    "raises 9 MB: draft": Input(template("{{ raise_exception('x' * 9000000) }}"), DRAFT, says="error: "),
    "raises 9 MB: identify": Input(template("{{ raise_exception('x' * 9000000) }}"), IDENTIFY, says="characters)"),
    "a filter of 5 MB: verify": Input(template("{{ 1|" + "x" * 5_000_000 + " }}"), says="more than 2000000"),
    "a filter of 1.9 MB: verify": Input(template("{{ 1|" + "x" * 1_900_000 + " }}"), says="chat-template-fails"),
    "a filter of 1.9 MB: draft": Input(template("{{ 1|" + "x" * 1_900_000 + " }}"), DRAFT, says="error: "),
    "300 MB of JSON: verify": Input(text("tokenizer.json", b"", b" " * 1_000_000, 300), says="larger than 100 MB"),
    "90 MB of lists: verify": Input(text("tokenizer.json", b'{"a":[', b"[]," * 1_000_000, 30, b"1]}"), says="values"),
    "5 million lists: verify": Input(text("config.json", b'{"a":[', b"[]," * 100_000, 24, b"1]}"), code=0),
    "3 MB of brackets: verify": Input(text("config.json", b"[" * 3_000_000), says="nests too deeply"),
    "a line of 8 MB: a stream": Input(
        nothing, STREAM, given=b"[" * 7_900_000 + b"\n" + rows(GOOD), says='"template": "qwen3"', code=0
    ),
    # tokenizers
    "a pattern that explodes: verify": Input(part("pre_tokenizer", PANIC), says="cannot be used: PanicException: "),
    "a text that explodes: verify": Input(part("normalizer", GROWING), says="tokenizer.json: the tokenizer cannot"),
    # what is no file
    "a pipe for special tokens: verify": Input(pipe("special_tokens_map.json"), code=0),
    "a pipe for a chat template: identify": Input(pipe("chat_template.jinja"), IDENTIFY),
    "a pipe for tokenizer_config.json: draft": Input(pipe("tokenizer_config.json"), DRAFT, code=0),
}


@dataclass(frozen=True)
class Ran:
    """What became of a command: its output, seconds by the clock and of the processor, and the peak of memory in MB.

    The peak is that of the largest of its processes.
    """

    code: int
    out: str
    err: str
    seconds: float
    worked: float
    memory: float


# A process that is small itself: what a process has taken before it becomes another one counts as its peak, too.
_MEASURE = """
import json, os, sys, time
begun = time.monotonic()
process = os.posix_spawn(sys.executable, [sys.executable, "-m", "chatwright", *sys.argv[2:]], os.environ)
_, status, used = os.wait4(process, 0)
took = time.monotonic() - begun
with open(sys.argv[1], "w") as file:
    json.dump([os.waitstatus_to_exitcode(status), took, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024], file)
"""


def arguments(given: Input, faultless: Path, folder: Path) -> list[str]:
    """Make the folder, a copy of the faultless one; the words of the command."""
    shutil.copytree(faultless, folder)
    given.make(folder)
    return [str(folder) if word == "FOLDER" else word for word in given.command]


def run(given: Input, faultless: Path, folder: Path) -> Ran:
    """Run a command on a copy of the faultless folder, in a process of its own."""
    return measured(arguments(given, faultless, folder), folder.parent, given.given or b"")


def measured(words: Sequence[str], place: Path, given: bytes = b"") -> Ran:
    """Run a command in a process of its own, and measure it; ``place`` is its working directory."""
    told = place / "told"
    command = [sys.executable, "-I", "-S", "-c", _MEASURE, str(told), *words]
    settings = {**os.environ, "PYTHONPATH": str(GENERATOR)}
    ended = subprocess.run(command, input=given, capture_output=True, env=settings, cwd=place, timeout=300, check=True)
    code, seconds, worked, memory = json.loads(told.read_text())
    return Ran(code, ended.stdout.decode(), ended.stderr.decode(), seconds, worked, memory)
