"""The wheel: small, without what only maintainers run, and useful without its extras."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from chatwright.targets.chat_template import chat_template
from tests.support import ROOT, catalogue

EXTRAS = ("transformers", "tokenizers", "huggingface_hub", "ruamel", "time_machine", "markdown_it", "torch")
# Runs a command as where no extra is installed: Python then says of each that it is not there.
WITHOUT = f"""
import sys
sys.modules.update(dict.fromkeys({EXTRAS}))
from chatwright.cli import main
main()
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(home)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    [found] = home.glob("*.whl")
    return found


def test_it_is_small_and_holds_the_product_alone(wheel: Path) -> None:
    assert wheel.stat().st_size <= 1_500_000
    with zipfile.ZipFile(wheel) as archive:
        tops = {name.split("/")[0] for name in archive.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"chatwright"}


@pytest.fixture(scope="module")
def site(wheel: Path) -> Path:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(wheel.parent / "site")
    (wheel.parent / "yi.jinja").write_text(chat_template(catalogue().templates["yi"]), encoding="utf-8")
    return wheel.parent / "site"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("draft", "yi.jinja"), "34 exact, 3 not comparable of 37 scenarios, against the publisher's template"),
        (("identify", "yi.jinja"), "yi.jinja: "),
        (("verify", "yi.jinja", "--template", "yi"), "as text; no token ids were compared"),
        (("export", "yi", "--for", "vllm"), "--chat-template"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_chat_templates_need_no_extra(site: Path, words: tuple[str, ...], said: str) -> None:
    done = run(site, *words)
    assert done.returncode in (0, 1), done.stderr
    assert said in done.stdout + done.stderr


def test_what_needs_an_extra_names_it_in_one_line(site: Path) -> None:
    (site.parent / "model").mkdir(exist_ok=True)
    (site.parent / "model" / "tokenizer.json").write_text("{}", encoding="utf-8")
    (site.parent / "docs").mkdir(exist_ok=True)
    said = {
        ("verify", "model"): "reading a tokenizer needs transformers; run: pip install 'chatwright[tokenizers]'",
        ("draft", "acme/none"): "fetching from the Hub needs huggingface_hub; run: pip install 'chatwright[hub]'",
        ("site", "--into", "out", "--docs", "docs"): (
            "writing Markdown as HTML needs markdown_it; run: pip install 'chatwright[tables]'"
        ),
    }
    for words, line in said.items():
        done = run(site, *words)
        assert (done.returncode, done.stderr) == (1, f"error: {line}\n")


def run(site: Path, *words: str) -> subprocess.CompletedProcess[str]:
    settings = {**os.environ, "PYTHONPATH": str(site), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [sys.executable, "-c", WITHOUT, *words],
        cwd=site.parent,
        env=settings,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
