"""A copy of a GGUF with a template: the keys that change, everything else as it was, and the original untouched."""

from __future__ import annotations

import hashlib
import os
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from gguf import GGUFReader

from chatwright.errors import ChatwrightError
from chatwright.pipeline import gguf_copy
from chatwright.pipeline.export import export
from chatwright.pipeline.gguf import read_gguf
from chatwright.pipeline.gguf_copy import GgufCopy, plan_copy
from tests.faults.hostile import measured
from tests.gguf_files import QWEN, UINT16, gguf, guessed, make, model_keys, pair
from tests.support import catalogue

LLAMA = ("<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>")
GLM = ("<|endoftext|>", "[gMASK]", "<sop>", "<|system|>", "<|user|>", "<|assistant|>", "<|observation|>")
TENSORS = {"a": os.urandom(100), "b": os.urandom(4), "c": os.urandom(4000)}


def copied(source: Path, name: str, into: Path) -> dict[str, Any]:
    """The keys of the copy, as the library of llama.cpp's own converter reads them."""
    assert plan_copy(catalogue(), name, source, into).write(force=False)
    reader = GGUFReader(into / source.name)
    return {key: field.contents() for key, field in reader.fields.items() if not key.startswith("GGUF.")}


def digest(file: Path) -> tuple[str, int, int]:
    status = file.stat()
    return hashlib.sha256(file.read_bytes()).hexdigest(), status.st_mtime_ns, status.st_ino


@pytest.mark.parametrize("alignment", [32, 64, 4096])
@pytest.mark.parametrize("version", [2, 3])
def test_only_some_keys_change(tmp_path: Path, alignment: int, version: int) -> None:
    more = {"general.alignment": alignment} if alignment != 32 else {}
    keys = model_keys(template="old", tokenizer__ggml__add_bos_token=True, x__y=["some", "texts"]) | more
    keys |= {"tokenizer.chat_template.tool_use": "old", "tokenizer.chat_templates": ["tool_use"]}
    source = make(tmp_path / "m.gguf", keys, tensors=TENSORS, alignment=alignment, version=version)
    before = digest(source)
    found = copied(source, "qwen2_5", tmp_path / "out")
    assert digest(source) == before
    gone = {"tokenizer.chat_template.tool_use", "tokenizer.chat_templates"}
    changed = {
        "tokenizer.chat_template": export(catalogue(), "qwen2_5", "vllm").files[0][1],
        "tokenizer.ggml.add_bos_token": False,
        "tokenizer.ggml.add_eos_token": False,
        "tokenizer.ggml.eot_token_id": 2,
    }
    assert found == {key: value for key, value in keys.items() if key not in gone} | changed
    tensors = {tensor.name: tensor for tensor in GGUFReader(tmp_path / "out" / "m.gguf").tensors}
    assert {name: tensor.data.tobytes() for name, tensor in tensors.items()} == TENSORS
    assert all(tensor.data_offset % alignment == 0 for tensor in tensors.values())


def test_the_copy_of_a_copy_is_the_same(tmp_path: Path) -> None:
    source = make(tmp_path / "m.gguf", model_keys(), tensors=TENSORS)
    copied(source, "qwen3", tmp_path / "a")
    copied(tmp_path / "a" / "m.gguf", "qwen3", tmp_path / "b")
    assert (tmp_path / "a" / "m.gguf").read_bytes() == (tmp_path / "b" / "m.gguf").read_bytes()


def test_a_vocabulary_without_tensors(tmp_path: Path) -> None:
    source = make(tmp_path / "m.gguf", model_keys())
    copied(source, "qwen3", tmp_path / "a")
    assert read_gguf(tmp_path / "a" / "m.gguf").tensors == 0


@pytest.mark.parametrize(
    ("name", "tokens", "keys", "due"),
    [
        ("qwen2_5", QWEN, {}, {"eos": 0, "eot": 2}),
        ("qwen2_5", QWEN, {"eos": 2}, {"eos": 2}),
        ("qwen2_5", QWEN, {"eos": None}, {"eos": 2}),
        ("qwen2_5", QWEN, {"eos": 9999}, {"eos": 2}),
        ("llama3", LLAMA, {"eos": 1}, {"bos": 0, "eos": 1, "eot": 4}),
        ("glm4_5", GLM, {"bos": None}, {"eos": 0, "eot": 4, "eom": 6}),
    ],
)
def test_the_tokens_at_which_replies_end(
    tmp_path: Path, name: str, tokens: tuple[str, ...], keys: dict[str, Any], due: dict[str, int]
) -> None:
    source = make(tmp_path / "m.gguf", model_keys(tokens, **keys), tensors=TENSORS)
    found = copied(source, name, tmp_path / "out")
    ids = {key: found.get(f"tokenizer.ggml.{key}_token_id") for key in ("bos", "eos", "eot", "eom")}
    assert {key: ids[key] for key in due} == due
    assert ids["eom"] == due.get("eom")
    template = catalogue().templates[name]
    assert read_gguf(tmp_path / "out" / "m.gguf").ends >= set(template.stop_words) & set(tokens)


@pytest.mark.parametrize(
    ("name", "keys", "said"),
    [
        ("llama3", model_keys(LLAMA, bos=None), "bos_token_id names no token, and the template writes bos_token"),
        ("llama3", model_keys(LLAMA, bos=9999), "bos_token_id names no token, and the template writes bos_token"),
        ("llama2", model_keys(("<s>",), eos=None), "eos_token_id names no token, and the template writes eos_token"),
        ("qwen2_5", model_keys(LLAMA), "no stop of the template is a token of this model: <|im_end|>"),
        ("qwen2_5", {"general.architecture": "clip"}, "a GGUF of architecture clip without a vocabulary"),
        ("qwen2_5", {}, "a GGUF without a vocabulary"),
    ],
)
def test_a_model_of_another_template_is_refused(tmp_path: Path, name: str, keys: dict[str, Any], said: str) -> None:
    source = make(tmp_path / "m.gguf", keys, tensors=TENSORS)
    with pytest.raises(ChatwrightError, match=said.replace("|", r"\|")):
        plan_copy(catalogue(), name, source, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_stop_that_is_no_token_is_told(tmp_path: Path) -> None:
    source = make(tmp_path / "m.gguf", model_keys(GLM[:-1], bos=None))
    notes = plan_copy(catalogue(), "glm4_5", source, tmp_path / "out").notes
    assert "'<|observation|>' is no token of this model: requests must give it as `stop`" in notes


def test_parts_of_a_model_keep_their_names(tmp_path: Path) -> None:
    keys = [guessed(key, value) for key, value in model_keys().items()]
    for number in range(2):
        file = tmp_path / f"m-0000{number + 1}-of-00002.gguf"
        file.write_bytes(gguf([*keys, pair("split.no", UINT16, number), pair("split.count", UINT16, 2)], TENSORS))
    copy = plan_copy(catalogue(), "qwen3", tmp_path / "m-00001-of-00002.gguf", tmp_path / "out")
    assert copy.target == tmp_path / "out" / "m-00001-of-00002.gguf"
    assert any("consists of 2 files" in note for note in copy.notes)
    with pytest.raises(ChatwrightError, match="a further part of a model"):
        plan_copy(catalogue(), "qwen3", tmp_path / "m-00002-of-00002.gguf", tmp_path / "out")


# -- writing -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return make(tmp_path / "in" / "m.gguf", model_keys(), tensors=TENSORS)


def planned(source: Path, into: Path) -> GgufCopy:
    return plan_copy(catalogue(), "qwen3", source, into)


def test_where_the_copy_goes(source: Path, tmp_path: Path) -> None:
    for into, target in (("out", "out/m.gguf"), ("x.gguf", "x.gguf"), ("new/x.gguf", "new/x.gguf")):
        copy = planned(source, tmp_path / into)
        assert copy.write(force=False)
        assert (tmp_path / target).is_file()
        words = shlex.split(copy.command)
        assert words[:4] == ["llama-server", "--model", str(tmp_path / target), "--jinja"]
        assert "--chat-template-file" not in words


def test_what_is_there_is_not_replaced(source: Path, tmp_path: Path) -> None:
    copy = planned(source, tmp_path / "out")
    assert copy.write(force=False)
    assert not copy.write(force=False)
    content = copy.target.read_bytes()
    for other in (b"theirs", content[:-1] + bytes([content[-1] ^ 1])):
        copy.target.write_bytes(other)
        with pytest.raises(ChatwrightError, match="is there with another content; --force replaces it"):
            copy.write(force=False)
        assert copy.target.read_bytes() == other
        assert copy.write(force=True)
        assert copy.target.read_bytes() == content


def test_the_original_is_never_the_copy(source: Path, tmp_path: Path) -> None:
    before = digest(source)
    (tmp_path / "link.gguf").hardlink_to(source)
    (tmp_path / "soft.gguf").symlink_to(source)
    (tmp_path / "folder").symlink_to(source.parent)
    for into in (source.parent, source, tmp_path / "link.gguf", tmp_path / "soft.gguf", tmp_path / "folder"):
        with pytest.raises(ChatwrightError, match="this is the original"):
            planned(source, into)
    assert digest(source) == before


def test_no_link_is_followed(source: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.gguf"
    other.write_bytes(b"theirs")
    (tmp_path / "x.gguf").symlink_to(other)
    for force in (False, True):
        with pytest.raises(ChatwrightError, match="a symbolic link, which is not followed"):
            planned(source, tmp_path / "x.gguf").write(force=force)
    assert other.read_bytes() == b"theirs"


def test_a_copy_that_is_interrupted_leaves_nothing(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = GgufCopy._data

    def interrupted(copy: GgufCopy) -> Iterator[bytes]:
        yield next(real(copy))
        raise KeyboardInterrupt

    monkeypatch.setattr(GgufCopy, "_data", interrupted)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "m.gguf").write_bytes(b"theirs")
    with pytest.raises(KeyboardInterrupt):
        planned(source, tmp_path / "out").write(force=True)
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["m.gguf"]
    assert (tmp_path / "out" / "m.gguf").read_bytes() == b"theirs"


def test_what_a_killed_run_left_is_removed(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    left, others = out / f".m.gguf.{'0' * 16}.chatwright-part", out / f".n.gguf.{'0' * 16}.chatwright-part"
    for file in (left, others):
        file.write_bytes(b"half")
    assert planned(source, out).write(force=False)
    assert not left.exists()
    assert others.exists()


def test_an_original_that_changes_meanwhile(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gguf_copy, "_PIECE", 512)
    copy = planned(source, tmp_path / "out")
    for size in (copy.gguf.size + 1, copy.gguf.data + 600, copy.gguf.data - 10, 0):
        with source.open("r+b") as stream:
            stream.truncate(size)
        with pytest.raises(ChatwrightError, match="changed while it was copied"):
            copy.write(force=False)
    source.unlink()
    with pytest.raises(ChatwrightError, match=r"m\.gguf: cannot read: No such file"):
        copy.write(force=False)
    assert not (tmp_path / "out").exists() or list((tmp_path / "out").iterdir()) == []


def test_a_large_file_goes_by_in_pieces(tmp_path: Path) -> None:
    """A sparse file of 800 MB: the command takes no more memory than with a small one, and the data are the same."""
    size = 3 << 28
    source = make(tmp_path / "in" / "m.gguf", model_keys(), tensors={"a": bytes(4), "b": bytes(4)})
    begin = read_gguf(source).data
    marks = {begin: b"begin", begin + size // 2: b"middle", begin + size - 3: b"end"}
    with source.open("r+b") as stream:
        for place, mark in marks.items():
            stream.seek(place)
            stream.write(mark)
    words = ["export", "qwen3", "--for", "llamacpp", "--gguf", str(source), "--into", "out"]
    ran = measured(words, tmp_path)
    assert (ran.code, ran.out) == (0, "")
    assert "out/m.gguf: written" in ran.err
    assert ran.memory < 250
    target = read_gguf(tmp_path / "out" / "m.gguf")
    assert target.size - target.data == source.stat().st_size - begin == size
    with target.path.open("rb") as stream:
        for place, mark in marks.items():
            stream.seek(target.data + place - begin)
            assert stream.read(len(mark)) == mark
        stream.seek(target.data + size // 3)
        assert stream.read(1 << 20) == bytes(1 << 20)
    assert read_gguf(source).chat_templates == {}
    assert "up to date" in measured(words, tmp_path).err
    target.path.unlink()
