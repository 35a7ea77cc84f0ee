"""Takes guards away, one at a time, and shows that a test fails without each: ``make mutants``.

Works on a copy; exits with 1 where a guard is missed by nobody.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parents[2]
WRITER, CHECKS, YAML = "pipeline/writer.py", "catalogue/checks.py", "catalogue/yaml_reader.py"
EXPORT = "pipeline/export.py"
FOREIGN = "tests/faults/test_foreign.py::"
CHARACTERS = "tests/test_characters.py"
TOLD, TAKES, COSTS = (
    f"{FOREIGN}test_a_hostile_input_is_told_in_words",
    f"{FOREIGN}test_what_is_bounded_takes_little",
    f"{FOREIGN}test_one_model_costs_no_other_its_answer",
)
FAULTS, CACHE, STRINGS, WRITES = (
    "tests/faults/test_runs.py",
    "tests/test_cache.py",
    "tests/strings/test_strings.py",
    "tests/pipeline/test_writer.py",
)
# What is guarded against, the file, what stands there, what takes its place, and the tests that must notice.
GUARDS = (
    (
        "a run that fails undoes its moves",
        WRITER,
        "        moves.undo(out)\n        _clear",
        "        _clear",
        FAULTS,
    ),
    (
        "a killed run leaves a journal",
        WRITER,
        "journal.replace(stage / _FORWARD)",
        "pass",
        FAULTS,
    ),
    (
        "the next run finishes it",
        WRITER,
        "            moves.make(out)\n    _clear",
        "            pass\n    _clear",
        FAULTS,
    ),
    (
        "files are kept before they are replaced",
        WRITER,
        "_link(place, kept)",
        "pass",
        FAULTS,
    ),
    (
        "one run at a time",
        WRITER,
        "fcntl.flock(handle, fcntl.LOCK_EX)",
        "pass",
        FAULTS,
    ),
    (
        "links that lead out",
        WRITER,
        "    _refuse_links(out, (*files, *owned))\n",
        "",
        FAULTS,
    ),
    (
        "a link in place of the stage",
        WRITER,
        "if stage.is_symlink() or stage.is_file():",
        "if False:",
        FAULTS,
    ),
    (
        "a journal by somebody else",
        WRITER,
        "return moves if ours and not",
        "return moves if not",
        FAULTS,
    ),
    (
        "a link in place of a file",
        WRITER,
        " or (out / path).is_symlink()",
        "",
        FAULTS,
    ),
    (
        "what others put into the cache",
        "cache.py",
        "filter(_FOLDER.fullmatch, _names(self.folder))",
        "_names(self.folder)",
        CACHE,
    ),
    (
        "a cache that others can write to",
        "cache.py",
        "or status.st_mode & 0o022",
        "or False",
        CACHE,
    ),
    (
        "an entry of the cache that is damaged",
        "cache.py",
        "if sha256(key.encode() + packed).digest() != digest:",
        "if False:",
        CACHE,
    ),
    (
        "what a killed run left, where nothing has changed",
        "runs.py",
        'name.startswith(".chatwright")',
        "False",
        CACHE,
    ),
    (
        "links where nothing has changed",
        "runs.py",
        "if any((root / folder).resolve() != root / folder for folder in folders):",
        "if False:",
        CACHE,
    ),
    (
        "Jinja that goes on behind a fragment",
        "catalogue/jinja_fragments.py",
        'kind == "raw_begin"',
        "False",
        FAULTS,
    ),
    (
        "Jinja that nests too deeply together with others",
        "targets/chat_template.py",
        "if template.tool_definition is not None and",
        "if False and",
        FAULTS,
    ),
    (
        "words of a template that a terminal acts on",
        "meaning/sandbox.py",
        'Refused(clipped(text["refused"], 2 * LONGEST_MESSAGE))',
        'Refused(text["refused"])',
        FAULTS,
    ),
    (
        "files made by hand",
        WRITER,
        "    if in_the_way:",
        "    if False:",
        WRITES,
    ),
    (
        "paths that lead out",
        WRITER,
        "if not _is_inside(path):",
        "if False:",
        WRITES,
    ),
    (
        "names of devices",
        CHECKS,
        '_DEVICES.fullmatch(name.partition(".")[0])',
        "False",
        FAULTS,
    ),
    (
        "names that differ in case alone",
        CHECKS,
        'all_of("templates", _ANY), key=str.casefold',
        'all_of("templates", _ANY), key=str',
        FAULTS,
    ),
    (
        "a model that is a line of a Modelfile",
        EXPORT,
        " or not all(map(is_plain, place))",
        "",
        FAULTS,
    ),
    (
        "a model that is more than a word of a shell",
        EXPORT,
        "shlex.join([*words, *flags])",
        '" ".join([*words, *flags])',
        FAULTS,
    ),
    (
        "files that never end",
        "pipeline/model_files.py",
        "if not file.is_file():\n        raise",
        "if not file.exists():\n        raise",
        FAULTS,
    ),
    (
        "specs of 10 MB",
        YAML,
        "MAX_BYTES = 1 << 20",
        "MAX_BYTES = 1 << 30",
        FAULTS,
    ),
    (
        "YAML bombs",
        YAML,
        "MAX_NODES = 50_000",
        "MAX_NODES = 10**9",
        FAULTS,
    ),
    (
        "Jinja of specs that is too much",
        "meaning/tool_formats.py",
        "if definition.own:",
        "if False:",
        FAULTS,
    ),
    (
        "Jinja of specs that is too much for a compiler",
        "catalogue/jinja_fragments.py",
        "optimized=False, finalize=pass_context(lambda context, value: value)",
        "",
        FAULTS,
    ),
    (
        "fragments that are no Jinja",
        "catalogue/jinja_fragments.py",
        """return f"this is no Jinja: line {error.lineno}: {quote(error.message or 'it cannot be read')}\"""",
        "return None",
        FAULTS,
    ),
    (
        "NUL and half characters",
        "catalogue/schema.py",
        "if isinstance(instance, str) and not re.search(",
        "if False and not re.search(",
        STRINGS,
    ),
    (
        "what is printed is made visible",
        "terminal.py",
        "shown = printable(text)\n",
        "shown = text\n",
        CHARACTERS,
    ),
    (
        "characters that a font shows as nothing",
        "characters.py",
        " and (text.isascii() or not _UNSEEN.search(text))",
        "",
        CHARACTERS,
    ),
    (
        "signs that a text holds itself",
        "meaning/visible.py",
        "**{sign: escaped(sign) for sign in (*_SHOWN.values(), _CUT)}, ",
        "",
        CHARACTERS,
    ),
    (
        "escapes that a text holds itself",
        "meaning/visible.py",
        "_LIKE_ESCAPE.sub(lambda match: escaped(match[0]), text)",
        "text",
        CHARACTERS,
    ),
    (
        "specs that read in another direction",
        YAML,
        " or BIDI.search(text)",
        "",
        FAULTS,
    ),
    (
        "drafts that hold what is not seen",
        "evidence/draft/writing.py",
        "_seen(spec.text()[0])",
        "spec.text()[0]",
        f"{FOREIGN}test_what_a_template_writes_is_drafted_with_escapes",
    ),
    (
        "comments that go on behind a fragment",
        "catalogue/jinja_fragments.py",
        "if not _ends_in_text(source, environment):",
        "if False:",
        FAULTS,
    ),
    (
        "variables that no call can take",
        CHECKS,
        '"self|args|',
        '"args|',
        FAULTS,
    ),
    (
        "reasons that are no text",
        "meaning/bounded_worker.py",
        "text = str(error if message is None else message)",
        "text = error if message is None else message",
        TOLD,
    ),
    (
        "panics of a tokenizer",
        "meaning/bounded_worker.py",
        "except BaseException as error:",
        "except Exception as error:",
        TAKES,
    ),
    (
        "memory of a tokenizer",
        "evidence/tokenizer.py",
        "MEMORY = 1000 * 1024**2",
        "MEMORY = 2000 * 1024**2",
        TAKES,
    ),
    (
        "tokens that are long",
        "pipeline/model_files.py",
        "    if len(text) > most:",
        "    if False:",
        TOLD,
    ),
    (
        "more stops than anybody has",
        "pipeline/model_files.py",
        "if len(listed) > limits.MOST_STOPS:",
        "if False:",
        TAKES,
    ),
    (
        "JSON of too many values",
        "pipeline/model_files.py",
        'if sum(map(text.count, "[{,")) > limits.FILE_VALUES:',
        "if False:",
        TAKES,
    ),
    (
        "numbers that are no ids",
        "pipeline/model_files.py",
        "    if not is_id(value):\n        raise",
        "    if False:\n        raise",
        TOLD,
    ),
    (
        "halves of characters in a file",
        "pipeline/model_files.py",
        "if half := HALF.search(text):",
        'if half := HALF.search(""):',
        TOLD,
    ),
    (
        "halves of characters that a template writes",
        "meaning/sandbox_worker.py",
        '{"refused": reason} if half else {"text": text}',
        '{"text": text}',
        TOLD,
    ),
    (
        "one model costs no other its answer",
        "evidence/identify/answer.py",
        "    except Exception as error:  # a mistake of ours",
        "    except MemoryError as error:",
        COSTS,
    ),
    (
        "an output that is closed",
        "terminal.py",
        "    if sys.stdout is None:\n",
        "    if False:\n",
        f"{FOREIGN}test_a_closed_output_ends_a_command_in_silence",
    ),
    (
        "an input that is closed",
        "cli.py",
        "if sys.stdin is None:",
        "if False:",
        f"{FOREIGN}test_streams_that_a_shell_closes",
    ),
)


def main() -> int:
    """Print what each mutant dies of."""
    missed = 0
    for tests in sorted({guard[-1] for guard in GUARDS}):
        with TemporaryDirectory(prefix="chatwright-mutant-") as folder:
            if failed := _failed(Path(folder), WRITER, "", "", tests):
                print(f"{tests} fails with every guard in its place: {failed[0]}")
                return 1
    for guard, file, old, new, tests in GUARDS:
        with TemporaryDirectory(prefix="chatwright-mutant-") as folder:
            failed = _failed(Path(folder), file, old, new, tests)
        missed += not failed
        print(f"killed: {guard}, by {failed[0]}" if failed else f"MISSED: {guard}", flush=True)
    print(f"{len(GUARDS) - missed} of {len(GUARDS)} mutants are killed")
    return 1 if missed else 0


def _failed(root: Path, file: str, old: str, new: str, tests: str) -> list[str]:
    """The first test that fails in a copy with the change."""
    for name in ("generator", "tests/faults", "tests/strings", "tests/pipeline", "tests/verify"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in (
        "specs",
        "schema.json",
        "pyproject.toml",
        "tests/conftest.py",
        "tests/support.py",
        "tests/vectors",
        "tests/evidence",
    ):
        (root / name).symlink_to(ROOT / name)
    for name in (CACHE, CHARACTERS):
        shutil.copy(ROOT / name, root / name)
    place = root / "generator" / "chatwright" / file
    text = place.read_text(encoding="utf-8")
    assert not old or text.count(old) == 1, f"{file} holds {old!r} {text.count(old)} times"
    place.write_text(text.replace(old, new) if old else text, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", "--tb=no", "-rf", "-x", tests]
    settings = {**os.environ, "PYTHONPATH": str(root / "generator"), "COLUMNS": "200"}
    answer = subprocess.run(command, cwd=root, env=settings, capture_output=True, text=True, timeout=600, check=False)
    assert answer.returncode in (0, 1), answer.stdout[-2000:]  # the tests ran
    return re.findall(r"^(?:FAILED|ERROR) \S+::(\S+)", answer.stdout, re.MULTILINE)


if __name__ == "__main__":
    sys.exit(main())
