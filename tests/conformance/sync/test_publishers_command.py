"""`python -m conformance sync publishers`: a template on the Hub beside what is recorded of it."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator, Mapping

import pytest
from click.testing import CliRunner
from jinja2 import Template

from chatwright.errors import UsageError
from chatwright.meaning.scenarios import scenarios
from conformance import publisher_record as recording
from conformance.__main__ import conformance
from conformance.publisher_record import Publisher, Record, digest, request, sha256
from conformance.sync import publishers
from conformance.sync.hub import Unread, hub_fetch
from conformance.sync.publishers import Checked, check
from tests.support import catalogue

OURS = "{% for m in messages %}{{ m.role }}: {{ m.content }}; {% endfor %}"
CHANGED = OURS.replace("{{ m.content }}", "{% if m.role == 'system' %}!{% endif %}{{ m.content }}")
REPO = "Qwen/Qwen3-8B"


@pytest.fixture(scope="module")
def record() -> Record:
    """What is recorded of a template of our own."""
    renderer = Template(OURS)
    texts = {name: renderer.render(request(each, "<s>", "</s>")) for name, each in scenarios().items()}
    digests = {name: digest(text, "<s>") for name, text in texts.items()}
    publisher = Publisher("qwen", REPO, sha256(OURS), "<s>", "</s>", digests)
    return Record((publisher,), {digests[name]: text for name, text in texts.items()})


def checked(record: Record, files: Mapping[str, str | bytes | None]) -> Checked:
    """The one repository, with these files."""

    def fetch(repo: str, file: str) -> bytes | None:
        assert repo == REPO
        content = files.get(file)
        return content.encode() if isinstance(content, str) else content

    [found] = check(record, catalogue(), [], fetch, lambda _: None)
    assert found.templates[:1] == ("qwen3",)
    return found


def test_a_template_of_the_same_hash_is_unchanged_wherever_it_stands(record: Record) -> None:
    named = [{"name": "default", "template": OURS}, {"name": "rag", "template": "x"}]
    for files in (
        {"chat_template.jinja": OURS, "tokenizer_config.json": json.dumps({"chat_template": "older"})},
        {"chat_template.json": json.dumps({"chat_template": OURS})},
        {"tokenizer_config.json": json.dumps({"chat_template": OURS})},
        {"tokenizer_config.json": json.dumps({"chat_template": named})},
    ):
        found = checked(record, files)
        assert (found.status, found.now, found.scenarios) == ("unchanged", sha256(OURS), ())
    assert list(publishers.lines([found])) == ["1 unchanged"]
    assert not publishers.to_do([found])


def test_a_template_that_writes_something_else_is_changed(record: Record) -> None:
    """The one test of this page that really runs a foreign template in the sandbox."""
    found = checked(record, {"chat_template.jinja": CHANGED})
    systems = tuple(name for name, each in scenarios().items() if each.messages[0]["role"] == "system")
    assert (found.status, found.scenarios, found.now) == ("changed", systems, sha256(CHANGED))
    assert found.example is not None
    assert (found.example.scenario, found.example.before) == ("system", "system:·")
    assert (found.example.publisher, found.example.ours) == ("You·are·terse.;·user:·He…", "!You·are·terse.;·user:·H…")
    assert publishers.to_do([found])
    [title, hashes, told, *_, count] = publishers.lines([found])
    assert title == f"{REPO}: the publisher changed it"
    assert hashes.startswith(f"  recorded {sha256(OURS)[:8]}, now {sha256(CHANGED)[:8]}; qwen3")
    assert told.startswith(f"  {len(systems)} of {len(scenarios())} scenarios: system, ")
    assert count == "1 the publisher changed it"
    [data] = publishers.as_json([found])["repositories"]
    assert data["example"].keys() == {"scenario", "before", "recorded", "now"}


def test_another_text_that_writes_the_same(record: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [record.texts[str(text)] for text in record.publishers[0].texts.values()]
    monkeypatch.setattr(publishers, "write_sandboxed", lambda workshop, source, asked: texts)
    found = checked(record, {"chat_template.jinja": OURS + "{# new #}"})
    assert found.status == "rewritten"
    assert not publishers.to_do([found])


def test_a_new_template_for_tools_is_told(record: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    named = [{"name": "default", "template": OURS}, {"name": "tool_use", "template": "x"}]
    found = checked(record, {"tokenizer_config.json": json.dumps({"chat_template": named})})
    assert (found.status, found.reason) == ("unchanged", "its template for requests with tools is new")
    assert len(list(publishers.lines([found]))) == 2


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({}, "the repository has no chat template"),
        ({"tokenizer_config.json": "{}"}, "the repository has no chat template"),
        ({"tokenizer_config.json": "{"}, "tokenizer_config.json is not JSON: "),
        ({"tokenizer_config.json": "[" * 99999}, "tokenizer_config.json is not JSON: "),
        ({"tokenizer_config.json": '{"chat_template": 1}'}, "chat_template is neither a text nor a list of named"),
        ({"chat_template.jinja": b"\xff"}, "chat_template.jinja is not UTF-8 text"),
        ({"tokenizer_config.json": '{"chat_template": "\\ud800"}'}, "holds half of a character, U+D800"),
        ({"chat_template.jinja": b" " * 2_000_001}, "more than 2000000 characters"),
    ],
)
def test_what_cannot_be_read_is_told(record: Record, files: dict[str, str | bytes | None], reason: str) -> None:
    found = checked(record, files)
    assert found.status == "unread"
    assert found.reason is not None
    assert reason in found.reason
    assert publishers.to_do([found])


# -- over HTTP -------------------------------------------------------------------------------------------------------


class Hub(http.server.BaseHTTPRequestHandler):
    """The two files of one repository, as the Hub serves them; everything else as it refuses it."""

    def do_GET(self) -> None:
        status, told, body = {
            f"/{REPO}/resolve/main/chat_template.jinja": (404, "EntryNotFound", b""),
            f"/{REPO}/resolve/main/chat_template.json": (404, "EntryNotFound", b""),
            f"/{REPO}/resolve/main/tokenizer_config.json": (307, "", b""),
            "/elsewhere": (200, "", json.dumps({"chat_template": OURS}).encode()),
            "/gated/model/resolve/main/x": (401, "GatedRepo", b""),
            "/no/model/resolve/main/x": (401, "RepoNotFound", b""),
            f"/{REPO}/resolve/v9/x": (404, "RevisionNotFound", b""),
            "/broken/model/resolve/main/x": (500, "", b""),
        }[self.path]
        self.send_response(status)
        if told:
            self.send_header("X-Error-Code", told)
        if status == 307:
            self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def hub() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def endpoint(hub: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Other tests may have told huggingface_hub that there is no network."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    return hub


def test_the_command_reads_the_endpoint(record: Record, endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "read_record", lambda folder: record)
    monkeypatch.setattr("chatwright.pipeline.load_public_catalogue", lambda *_, **__: catalogue())
    done = CliRunner().invoke(conformance, ["sync", "publishers", REPO.lower()], env={"HF_ENDPOINT": endpoint})
    assert (done.exit_code, done.output) == (0, "1 unchanged\n")
    done = CliRunner().invoke(conformance, ["sync", "publishers", "--endpoint", endpoint, "--json"])
    assert json.loads(done.output)["repositories"][0]["status"] == "unchanged"
    done = CliRunner().invoke(conformance, ["sync", "publishers", "--endpoint", "http://127.0.0.1:9"])
    assert done.exit_code == 1
    assert f"{REPO}: could not be read: http://127.0.0.1:9: " in done.output


@pytest.mark.parametrize(
    ("repo", "revision", "reason"),
    [
        ("gated/model", "main", "access is refused (HTTP 401); for a gated repository set HF_TOKEN"),
        ("no/model", "main", "there is no such repository, or it is private"),
        (REPO, "v9", "there is no revision v9"),
        ("broken/model", "main", "HTTP 500"),
        ("not a repository", "main", "Repo id must"),
    ],
)
def test_why_a_file_cannot_be_read(endpoint: str, repo: str, revision: str, reason: str) -> None:
    with pytest.raises(Unread) as error:
        hub_fetch(endpoint, revision)(repo, "x")
    assert reason in str(error.value)


@pytest.mark.parametrize(
    "arguments",
    [
        ("publishers", "acme/unknown"),
        ("publishers", "--write"),
        ("publishers", "--path", "."),
        ("publishers", "--endpoint", "huggingface.co"),
        ("swift", REPO),
        ("swift", "--revision", "main"),
    ],
)
def test_wrong_usage(arguments: tuple[str, ...]) -> None:
    assert isinstance(CliRunner().invoke(conformance, ["sync", *arguments]).exception, UsageError)
