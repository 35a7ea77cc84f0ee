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
FAULTS, HOSTILE, FEWER, CACHE, STRINGS, WRITES = (
    "tests/faults/test_runs.py",
    "tests/faults/test_hostile_folders.py",
    "tests/faults/test_fewer_flags.py",
    "tests/test_cache.py",
    "tests/strings/test_strings.py",
    "tests/pipeline/test_writer.py",
)
LOSSES = "tests/pipeline/test_losses.py"
GGUF, COPY = "pipeline/gguf.py", "pipeline/gguf_copy.py"
READS, COPIES = "tests/pipeline/test_gguf.py", "tests/pipeline/test_gguf_copy.py"
# What is guarded against, the file, what stands there, what takes its place, and the tests that must notice.
GUARDS = (
    (
        "links on the way to a file",
        "files.py",
        '        if kind != "folder":\n',
        '        if kind not in ("folder", "link"):\n',
        HOSTILE,
    ),
    (
        "a link in the place of a file",
        WRITER,
        'if found.kind in ("nothing", "file"):',
        'if found.kind in ("nothing", "file", "link"):',
        HOSTILE,
    ),
    (
        "what is no file in the place of one",
        WRITER,
        'if found.kind in ("nothing", "file"):',
        'if found.kind in ("nothing", "file", "other", "folder"):',
        HOSTILE,
    ),
    (
        "a junction of Windows",
        "files.py",
        ' or getattr(status, "st_reparse_tag", 0) in _WINDOWS_LINKS',
        "",
        WRITES,
    ),
    (
        "what is opened is looked at before",
        "files.py",
        '    if look(path).kind != "file":\n        return None\n',
        "",
        FEWER,
    ),
    (
        "what a manifest lists and is not ours",
        WRITER,
        " and _is_ours(out / path)",
        "",
        HOSTILE,
    ),
    (
        "JSON that only resembles ours",
        WRITER,
        " and tuple(data) == FIELDS",
        "",
        WRITES,
    ),
    (
        "a manifest with a NUL",
        WRITER,
        'if b"\\0" in content:',
        "if False:",
        HOSTILE,
    ),
    (
        "a manifest of one long line",
        WRITER,
        "if any(len(line) > disk.MAX_PATH for line in lines):",
        "if False:",
        HOSTILE,
    ),
    (
        "a manifest of many lines",
        WRITER,
        "if len(lines) > MAX_LISTED:",
        "if False:",
        WRITES,
    ),
    (
        "a manifest that is too large",
        WRITER,
        "if len(content) > MAX_MANIFEST:",
        "if False:",
        WRITES,
    ),
    (
        "a manifest of new and old files before any file",
        WRITER,
        "if manifest is not None and (new or tree.stale):",
        "if False:",
        FAULTS,
    ),
    (
        "unfinished parts that killed runs left",
        WRITER,
        "                disk.remove(out / part)\n",
        "                pass\n",
        FAULTS,
    ),
    (
        "unfinished parts of others",
        WRITER,
        "if disk.part_of(name) in known and",
        "if disk.part_of(name) and",
        WRITES,
    ),
    (
        "the unfinished part of a failed run",
        "files.py",
        "            os.unlink(part)\n",
        "            pass\n",
        FAULTS,
    ),
    (
        "files are moved to their place",
        "files.py",
        "        _patiently(lambda: os.replace(part, place))\n",
        "        place.write_bytes(b''.join(content()))\n        os.unlink(part)\n",
        FAULTS,
    ),
    (
        "an unfinished part that another run takes away",
        "files.py",
        "_TRIES = 5",
        "_TRIES = 1",
        WRITES,
    ),
    (
        "a file that somebody has open",
        "files.py",
        "        except PermissionError:\n            time",
        "        except ZeroDivisionError:\n            time",
        WRITES,
    ),
    (
        "paths that differ in case alone",
        WRITER,
        "if (other := known.setdefault(_folded(path), path)) != path:",
        "if False:",
        WRITES,
    ),
    (
        "a file that is renamed in case alone",
        WRITER,
        "            if path not in tree.renamed:\n",
        "            if True:\n",
        WRITES,
    ),
    (
        "a path that is a file and a folder",
        WRITER,
        'known.get(_folded("/".join(parts[:end])), "")',
        '""',
        WRITES,
    ),
    (
        "a default folder behind a link",
        "commands/generate.py",
        'if look(out).kind == "link":',
        "if False:",
        HOSTILE,
    ),
    (
        "a schema behind a link",
        "commands/draft.py",
        "Path(os.path.abspath(out.parent / OWN_SCHEMA))",
        "out.parent / OWN_SCHEMA",
        HOSTILE,
    ),
    (
        "a schema of somebody else",
        "pipeline/starter.py",
        "if _TITLE not in (read(copy, _HEAD) or _TITLE):",
        "if False:",
        HOSTILE,
    ),
    (
        "a tree of git that leads out",
        "pipeline/revisions.py",
        "        if is_inside(path):\n",
        "        if True:\n",
        HOSTILE,
    ),
    (
        "an entry of the cache that is no file",
        "cache.py",
        'if files.look(file.parent).kind == "folder" and files.look(file).kind in ("nothing", "file"):',
        "if True:",
        CACHE,
    ),
    (
        "a folder of the cache that is a link",
        "cache.py",
        'files.read(file, MAX_ENTRY) if files.look(file.parent).kind == "folder" else None',
        "files.read(file, MAX_ENTRY)",
        CACHE,
    ),
    (
        "an entry of the cache that is too large",
        "cache.py",
        "files.read(file, MAX_ENTRY)",
        "files.read(file, 1 << 30)",
        CACHE,
    ),
    (
        "what others put into the cache",
        "cache.py",
        '_ENTRY.fullmatch(file.name) or _BEGINNING.fullmatch(files.part_of(file.name) or "")',
        "True",
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
        "or sha256(key.encode() + entry[32:]).digest() != entry[:32]:",
        ":",
        CACHE,
    ),
    (
        "what a killed run left, where nothing has changed",
        "cache.py",
        "any(files.part_of(name) for folder in folders for name in files.names(out / folder))",
        "False",
        CACHE,
    ),
    (
        "links where nothing has changed",
        "cache.py",
        "files.not_a_folder(out, path, folders) is None",
        "True",
        CACHE,
    ),
    (
        "workers of a process that was killed",
        "pipeline/parallel.py",
        "        os._exit(1)\n",
        "        pass\n",
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
        "targets/chat_template/template.py",
        "if template.tool_definition is not None:",
        "if False:",
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
        ' and not is_generated(disk.read(out / path, _HEAD) or b"")',
        " and False",
        WRITES,
    ),
    (
        "paths that lead out",
        WRITER,
        "if not disk.is_inside(path):",
        "if False:",
        WRITES,
    ),
    (
        "names of devices",
        "files.py",
        ' or _DEVICES.fullmatch(name.partition(".")[0].rstrip(" ")) is not None',
        "",
        FAULTS,
    ),
    (
        "names that differ in case alone",
        CHECKS,
        'keys("templates", ANY), key=str.casefold',
        'keys("templates", ANY), key=str',
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
        "a committed catalogue that is too large",
        "losses.py",
        "if int(size) > MAX_BYTES:",
        "if False:",
        LOSSES,
    ),
    (
        "a committed catalogue that nests too deeply",
        "losses.py",
        "except (ValueError, RecursionError):",
        "except ValueError:",
        LOSSES,
    ),
    (
        "a catalogue that never ends",
        "losses.py",
        "if not stat.S_ISREG(file.stat().st_mode):",
        "if False:",
        LOSSES,
    ),
    (
        "names of a committed catalogue that a terminal acts on",
        "losses.py",
        'return printable(f"{_cut(self.name)}',
        'return (f"{_cut(self.name)}',
        LOSSES,
    ),
    (
        "a repository whose settings start a program",
        "git.py",
        '"GIT_ALLOW_PROTOCOL": "", "GIT_NO_LAZY_FETCH": "1"',
        '"GIT_ALLOW_PROTOCOL": "ext:file"',
        LOSSES,
    ),
    (
        "losses that nobody listed",
        "pipeline/loss_list.py",
        "for loss in lost if loss.name not in new",
        "for loss in () if loss.name not in new",
        LOSSES,
    ),
    (
        "entries of an earlier change that excuse a new loss",
        "pipeline/loss_list.py",
        "if before.get(name) != reason}",
        "}",
        LOSSES,
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
        "commands/terminal.py",
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
        "inspection/canonical.py",
        "quoted if is_seen(quoted) else",
        "quoted if True else",
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
        "catalogue/template_checks.py",
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
        "inspection/tokenizer.py",
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
        "inspection/identify/answer.py",
        "    except Exception as error:  # a mistake of ours",
        "    except MemoryError as error:",
        COSTS,
    ),
    (
        "an output that is closed",
        "commands/terminal.py",
        "    if sys.stdout is None:\n",
        "    if False:\n",
        f"{FOREIGN}test_a_closed_output_ends_a_command_in_silence",
    ),
    (
        "an input that is closed",
        "commands/identify.py",
        "if sys.stdin is None:",
        "if False:",
        f"{FOREIGN}test_streams_that_a_shell_closes",
    ),
    ("the counts of a GGUF", GGUF, "        if count > most:\n", "        if False:\n", READS),
    ("the lengths of a GGUF's texts", GGUF, "        if size > most:\n", "        if False:\n", READS),
    ("the end of a GGUF", GGUF, "if count > self.size - self.place:", "if False:", READS),
    ("the size of a GGUF's head", GGUF, "if self.place + count > limits.FILE_BYTES:", "if False:", READS),
    ("a key that a GGUF has twice", GGUF, "if not key or key in entries:", "if not key:", READS),
    ("the types of a GGUF's keys", GGUF, "if entry.kind != due:", "if False:", READS),
    ("the alignment of a GGUF", GGUF, " or alignment & (alignment - 1)", "", READS),
    ("a GGUF of the other byte order", GGUF, "if version & 0xFFFF == 0 and version:", "if False:", READS),
    (
        "a copy in the place of its original",
        COPY,
        "if target.exists() and target.samefile(source):",
        "if False:",
        COPIES,
    ),
    (
        "an original that changes while it is copied",
        COPY,
        " or os.fstat(stream.fileno()).st_size != self.gguf.size",
        "",
        COPIES,
    ),
    ("where the data of a copy begin", COPY, "aligned(len(head), gguf.alignment)", "len(head)", COPIES),
    ("a GGUF that is there already", WRITER, 'if found.kind == "file" and not force:', "if False:", COPIES),
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
    for name in ("generator", "tests/faults", "tests/strings", "tests/pipeline", "tests/inspection/verify"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in (
        "specs",
        "schema.json",
        "pyproject.toml",
        "tests/conftest.py",
        "tests/gguf_files.py",
        "tests/support.py",
        "tests/vectors",
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
