"""Folders and dumps that others wrote: what is wrong in words, nothing hidden, and never a mistake of ours."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chatwright import cli, limits, pipeline
from chatwright.catalogue import load_catalogue
from chatwright.catalogue.model import Part
from chatwright.characters import is_seen
from chatwright.inspection import identify as identifying
from chatwright.inspection.identify import Identifier, identify_record
from chatwright.inspection.verify import candidates
from chatwright.inspection.verify.writings import Writings
from chatwright.meaning import bounded
from chatwright.meaning.bounded import Process
from chatwright.meaning.sandbox import Workshop
from tests.faults.hostile import ESCAPES, GENERATOR, GOOD, INPUTS, TEMPLATE, Input, arguments, rows, run
from tests.inspection.verify.support import make
from tests.support import catalogue, examples

# Seconds of the processor and MB of memory that suffice for what is bounded, on a machine that does other work too.
BOUNDED = {
    "an EOS of 10 MB: verify": (4, 200),
    "200,000 ids: verify": (15, 250),
    "raises 9 MB: draft": (8, 250),
    "a filter of 1.9 MB: draft": (8, 250),
    "300 MB of JSON: verify": (4, 250),
    "90 MB of lists: verify": (4, 400),
    "a pattern that explodes: verify": (20, 250),
    "a text that explodes: verify": (20, 1100),
}
LOAD = pipeline.load_public_catalogue
Answer = tuple[object, str, str]
Call = Callable[..., Answer]


@pytest.fixture(scope="session")
def faultless(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(TEMPLATE, tmp_path_factory.mktemp("faultless")).path


@pytest.mark.parametrize("name", BOUNDED)
def test_what_is_bounded_takes_little(faultless: Path, tmp_path: Path, name: str) -> None:
    ran = run(INPUTS[name], faultless, tmp_path / "model")
    fine(INPUTS[name], ran.code, ran.out, ran.err)
    seconds, memory = BOUNDED[name]
    assert ran.worked < seconds
    assert ran.memory < memory


# -- in this process ---------------------------------------------------------------------------------------------------


class Pool:
    """Bounded processes that are used again, so that a test need not wait until one has begun."""

    def __init__(self) -> None:
        self.idle: dict[tuple[str, ...], list[Any]] = defaultdict(list)
        self.begin, self.end = bounded._begin, bounded._end
        self.ready, self.ask = Process.ready, Process.ask

    def patch(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(bounded, "_begin", self._begin)
        monkeypatch.setattr(bounded, "_end", self._end)
        monkeypatch.setattr(Process, "ready", lambda process: self._ready(process))
        monkeypatch.setattr(Process, "ask", lambda process, question: self._ask(process, question))

    def close(self) -> None:
        for process in [process for idle in self.idle.values() for process in idle]:
            self.end(process)

    def _begin(self, *key: str) -> Any:
        if self.idle[key]:
            return self.idle[key].pop()
        process: Any = self.begin(*key)
        process.key, process.is_ready, process.spent = key, False, False
        return process

    def _end(self, process: Any) -> None:
        if process.spent or process.poll() is not None:
            self.end(process)
        else:
            self.idle[process.key].append(process)

    def _ready(self, process: Any) -> None:
        if not process._process.is_ready:
            self.ready(process)
            process._process.is_ready = True
        process._ready = True

    def _ask(self, process: Any, question: Mapping[str, Any]) -> dict[str, Any]:
        process._process.spent = True
        try:
            return self.ask(process, {**question, "anew": True})
        finally:
            process._process.spent = process.spent


@pytest.fixture(scope="session")
def pool() -> Iterator[Pool]:
    found = Pool()
    yield found
    found.close()


@cache
def written(today: date) -> Writings:
    return Writings(catalogue(), today)


@cache
def identifier() -> Identifier:
    return Identifier(catalogue())


@pytest.fixture
def call(pool: Pool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """A command in this process; what the catalogue's templates write is made once."""
    pool.patch(monkeypatch)
    monkeypatch.setattr(
        pipeline,
        "load_public_catalogue",
        lambda *folders, **more: LOAD(*folders, **more) if folders else catalogue(),
    )
    monkeypatch.setattr(candidates, "writings_of", lambda _, today: written(today))
    monkeypatch.setattr(identifying, "Identifier", lambda _: identifier())
    monkeypatch.delenv("CHATWRIGHT_DEBUG", raising=False)

    def call(*words: str, given: bytes = b"") -> Answer:
        monkeypatch.setattr(sys, "argv", ["chatwright", *words])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given)))
        with pytest.raises(SystemExit) as exit_:
            cli.main()
        return exit_.value.code, *capsys.readouterr()

    return call


def fine(hostile: Input, code: object, out: str, err: str) -> None:
    """What came out is what should, and nothing in it is hidden, acts on a terminal or is too long to be read."""
    assert hostile.says in out + err
    assert code == hostile.code, out + err
    harmless(code, out, err)


def harmless(code: object, out: str, err: str) -> None:
    assert code in (0, 1), out + err
    assert "mistake in chatwright" not in out + err
    assert "Traceback" not in out + err
    for line in (out + err).split("\n"):
        assert is_seen(line)
        assert len(line) < 20 * limits.LONGEST_MESSAGE
    if code == 1 and not out:
        assert err.startswith("error: ")


@pytest.mark.parametrize("name", [name for name in INPUTS if name not in BOUNDED])
def test_a_hostile_input_is_told_in_words(call: Call, faultless: Path, tmp_path: Path, name: str) -> None:
    words = arguments(INPUTS[name], faultless, tmp_path / "model")
    fine(INPUTS[name], *call(*words, given=INPUTS[name].given or b""))


# -- anything in any file ----------------------------------------------------------------------------------------------

KEYS = {
    "tokenizer_config.json": (
        *("bos_token", "eos_token", "pad_token", "unk_token", "chat_template", "added_tokens_decoder", "auto_map"),
        *("model_max_length", "tokenizer_class", "extra_special_tokens", "additional_special_tokens", "name_or_path"),
        *("add_bos_token", "clean_up_tokenization_spaces", "padding_side", "model_input_names", "split_special_tokens"),
    ),
    "config.json": ("architectures", "model_type", "eos_token_id", "image_token_id", "vision_config", "_name_or_path"),
    "generation_config.json": ("eos_token_id", "bos_token_id"),
    "tokenizer.json": (
        *("model", "added_tokens", "normalizer", "pre_tokenizer", "post_processor", "decoder", "truncation", "padding"),
    ),
    "special_tokens_map.json": ("bos_token", "eos_token", "additional_special_tokens", "self", "messages"),
    "added_tokens.json": ("x", "<|im_end|>"),
    "chat_template.json": ("chat_template",),
    "processor_config.json": ("processor_class", "image_token"),
}
TEMPLATES = (
    "{% for m in messages %}<{{ m.role }}>{{ m.content }}</{{ m.role }}>{% endfor %}{{ eos_token }}",
    "{{ bos_token }}{{ messages }}{{ tools }}",
    "{% for m in messages %}{{ m.content }}" + ESCAPES + "{% endfor %}",
    "{{ raise_exception(messages) }}",
    "{{ strftime_now('\\ud800') }}",
    "{% if enable_thinking %}<think>{% endif %}{% for m in messages %}{{ m.content|trim }}\x00{% endfor %}",
    "{% generation %}{{ messages[0].content }}{% endgeneration %}{{ range(99)|list }}",
)
HOSTILE_TEXTS = st.one_of(
    st.sampled_from(("", "\ud800", ESCAPES, "a/b", "Qwen/Qwen3-8B", "<|im_end|>", "x" * 1000, "BPE", "Replace", "\0")),
    st.sampled_from(TEMPLATES),
    st.text(st.characters(), max_size=8),
)
NUMBERS = st.one_of(
    st.integers(-3, 300), st.sampled_from((-1, 2**31, 2**63, 2**64, 10**400, float("inf"), float("-inf"), float("nan")))
)
NAMES = ("content", "id", "type", "vocab", "merges", "name", "template", "special", "default", "tool_use", "pattern")
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, HOSTILE_TEXTS),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.one_of(st.sampled_from(NAMES), HOSTILE_TEXTS), inner, max_size=4),
    ),
    max_leaves=8,
)
CHANGES = st.lists(
    st.sampled_from(sorted(KEYS)).flatmap(
        lambda file: st.tuples(
            st.just(file), st.dictionaries(st.sampled_from(KEYS[file]), VALUES, min_size=1, max_size=3)
        )
    ),
    min_size=1,
    max_size=3,
)


@settings(examples(25), suppress_health_check=list(HealthCheck))
@given(changes=CHANGES, source=st.one_of(st.none(), st.none(), HOSTILE_TEXTS))
def test_anything_in_the_files_of_a_folder(
    call: Call, faultless: Path, tmp_path: Path, changes: list[tuple[str, dict[str, Any]]], source: str | None
) -> None:
    folder = tmp_path / "model"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(faultless, folder)
    for name, values in changes:
        known = json.loads((folder / name).read_text()) if (folder / name).exists() else {}
        text = json.dumps({**known, **values})  # Infinity is no JSON; a number that is too large is
        (folder / name).write_text(re.sub(r"\b(Infinity|NaN)\b", "1e999", text))
    if source is not None:
        (folder / "chat_template.jinja").write_bytes(source.encode("utf-8", "surrogatepass"))
    elif any("chat_template" in values for _, values in changes):
        (folder / "chat_template.jinja").unlink()
    for words in (("verify", "--template", TEMPLATE), ("verify", "--json"), ("draft",), ("identify",)):
        harmless(*call(*words, str(folder)))
    code, _, err = call("export", TEMPLATE, "--for", "vllm", "--model", str(folder))
    harmless(code, "", err if code else "")


@settings(examples(25), suppress_health_check=list(HealthCheck))
@given(record=st.dictionaries(st.sampled_from(("id", "chat_template", "bos_token", "config", "architectures")), VALUES))
def test_anything_in_a_line_of_a_dump(call: Call, record: dict[str, Any]) -> None:
    code, out, err = call("identify", "-", "--cores", "1", given=rows(record, GOOD))
    assert code == 0, err
    harmless(code, out, "")
    assert [answer["template"] for answer in map(json.loads, out.splitlines())][1:] == ["qwen3"]


# -- one model, many models --------------------------------------------------------------------------------------------


@pytest.fixture
def breaking(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mistake of ours that one model brings out."""
    real = Identifier.decide

    def decide(self: Identifier, record: Any, behaviour: Any) -> Any:
        if record.ids == ("a/bad",):
            raise ZeroDivisionError("oh\x1b")
        return real(self, record, behaviour)

    monkeypatch.setattr(Identifier, "decide", decide)


@pytest.mark.usefixtures("breaking")
def test_one_model_costs_no_other_its_answer(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    mistake = "this is a mistake in chatwright, not yours: ZeroDivisionError: oh\\x1b"
    code, out, _ = call("identify", "Qwen/Qwen3-8B", "a/bad", "/nowhere", "Qwen/Qwen3-8B")
    assert code == 1
    assert out.count("Qwen/Qwen3-8B: qwen3, ") == 2
    assert f"a/bad: error: {mistake}\n" in out
    code, out, _ = call("identify", "Qwen/Qwen3-8B", "a/bad", "/nowhere", "Qwen/Qwen3-8B", "--json")
    assert code == 1
    assert [answer["template"] for answer in json.loads(out)] == ["qwen3", None, None, "qwen3"]
    code, out, err = call("identify", "-", "--cores", "1", given=rows(GOOD, {"id": "a/bad"}, "x", GOOD))
    answers = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert [answer["verdict"] for answer in answers] == ["by framework", "error", "error", "by framework"]
    assert answers[1]["error"] == mistake
    assert err.startswith("4 lines, 0 chat templates run, 2 errors")
    monkeypatch.setattr(identifying.identifier, "_shared", lambda: (identifier(), Workshop()))
    assert identify_record({"id": "a/bad"})["error"] == mistake


def test_what_a_template_writes_is_drafted_with_escapes(call: Call, tmp_path: Path) -> None:
    """The file is seen as it is, and means what the template writes."""
    folder, out = tmp_path / f"m{ESCAPES[-4:]}", tmp_path / "specs" / "me" / "mine.yaml"
    folder.mkdir()
    source = "{% for m in messages %}[{{ m.role }}" + ESCAPES + "]{{ m.content }}{{ eos_token }}{% endfor %}"
    (folder / "chat_template.jinja").write_text(source)
    code, _, err = call("draft", str(folder), "--out", str(out))
    assert code in (0, 1)
    assert all(map(is_seen, err.split("\n")))
    text = out.read_text(encoding="utf-8")
    assert is_seen(text.replace("\n", ""))
    assert "\\u202e" in text
    catalogue = load_catalogue(tmp_path / "specs")
    slot = catalogue.templates["mine"].slots.user
    assert slot[0] == Part("text", "[user" + ESCAPES.replace("\r", "\n") + "]")
    assert catalogue.specs[0].models[0].checkpoints[0].path == str(folder)


def test_texts_of_ones_own_specs_are_seen(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "load_public_catalogue", LOAD)
    specs = tmp_path / "specs"
    (specs / "me").mkdir(parents=True)
    own = {
        "name": "mine",
        "title": f"Mine {ESCAPES}",
        "publisher": ESCAPES,
        "templates": {
            "mine": {
                "slots": {"user": f"{ESCAPES}{{{{content}}}}", "assistant": {"body": "{{content}}"}},
                "default_system": ESCAPES,
                "stop_words": [ESCAPES],
            }
        },
        "models": [{"template": "mine", "checkpoints": [{"name": "Mine", "path": f"/x{ESCAPES}"}]}],
    }
    (specs / "me" / "mine.yaml").write_text(yaml.dump(own, allow_unicode=False))
    for words in (
        ("list", "mine"),
        ("list", "mine", "--json"),
        ("show", "mine"),
        ("show", "mine", "--json"),
        ("validate", str(specs)),
        ("export", "mine", "--for", "swift", "--rows"),
        ("generate", "--out", str(tmp_path / "out"), "--only-mine", "--diff"),
        ("export", "mine", "--for", "vllm", "--model", ESCAPES, "--into", str(tmp_path)),
    ):
        own_specs = () if words[0] == "validate" else ("--specs", str(specs))
        code, out, err = call(*words, *own_specs)
        assert code == (words[-1] == "--rows"), err  # it says why ms-swift lists none
        assert all(is_seen(line) for line in (out + err).split("\n"))
        assert ("rename the model, then paste it" in err) == ("--model" in words)
    (specs / "me" / "mine.yaml").write_text(yaml.dump({**own, f"k{ESCAPES}": 1, "name": ESCAPES}))
    for form in ("text", "github"):
        code, out, err = call("validate", str(specs), "--format", form)
        assert code == 1
        assert all(is_seen(line) for line in (out + err).split("\n"))


# -- closed streams ----------------------------------------------------------------------------------------------------

COMMANDS = (
    *(("list",), ("list", "--json"), ("show", "yi"), ("validate",), ("--help",), ("--version",)),
    *(
        ("export", "qwen3", "--for", "swift", "--rows"),
        ("identify", "Qwen/Qwen3-8B"),
        ("export", "yi", "--for", "vllm"),
    ),
    *(("generate", "--check"), ("diff",), ("verify", "FOLDER", "--template", TEMPLATE), ("draft", "FOLDER")),
    *(("identify", "-", "--cores", "1"), ("new", "fresh", "--specs", "SPECS"), ("site", "--into", "SPECS")),
)


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_closed_output_ends_a_command_in_silence(
    call: Call, faultless: Path, tmp_path: Path, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "load_public_catalogue", LOAD)
    places = {"FOLDER": str(faultless), "SPECS": str(tmp_path)}
    monkeypatch.setattr(sys, "stdout", None)
    code, _, err = call(*(places.get(word, word) for word in words), given=rows(GOOD))
    assert code == cli.NO_READER
    assert "error" not in err.replace("0 errors", "")


@pytest.mark.parametrize("closing", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-", "| head -0"])
def test_streams_that_a_shell_closes(tmp_path: Path, closing: str) -> None:
    (tmp_path / "dump").write_bytes(rows(*[GOOD] * 200))
    for words in ("list", "identify -"):
        given = "" if "<" in closing else f"< {tmp_path / 'dump'}"
        command = f"{sys.executable} -m chatwright {words} {given} {closing}; exit ${{PIPESTATUS[0]}}"
        settings = {**os.environ, "PYTHONPATH": str(GENERATOR), "CHATWRIGHT_DEBUG": "1"}
        ended = subprocess.run(["bash", "-c", command], capture_output=True, env=settings, timeout=100, check=False)
        read = {"list": 0, "identify -": cli.MISTAKE if "<" in closing else 0}[words]
        unread = (">&-" in closing.split() or "|" in closing) and not read
        assert ended.returncode == (cli.NO_READER if unread else read)
        if ended.returncode:
            assert ended.stderr == b""
