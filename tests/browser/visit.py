"""A real Chromium, and the site of the whole catalogue, served and from the folder."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from chatwright.catalogue.model import Catalogue
from chatwright.pipeline import Rendering, render
from chatwright.records.engines import load_evidence
from chatwright.records.publishers import load_comparisons
from chatwright.site import page as site_page
from tests.support import catalogue

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
NEEDED = "no Chromium: install Debian's package chromium, or name a browser in CHATWRIGHT_BROWSER"


@dataclass
class Site:
    """The built page, and what it was built from."""

    catalogue: Catalogue
    rendering: Rendering
    text: str
    file: str  # its address in the folder
    served: str  # its address on a server
    figures: list[str] = field(default_factory=list)  # what was measured, printed at the end


@dataclass
class Visit:
    """A page in a browser of its own, and what went wrong in it."""

    page: Page
    context: BrowserContext
    address: str
    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def open(self, route: str = "") -> Page:
        """The page at a route, drawn anew."""
        self.page.goto("about:blank")
        self.page.goto(self.address + route)
        return self.page


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None: ...


_FIGURES: list[str] = []


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    rendering = render(catalogue(), load_evidence(), comparisons=load_comparisons())
    text = site_page(catalogue(), rendering)
    (folder / "index.html").write_text(text, encoding="utf-8")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    served = f"http://127.0.0.1:{server.server_port}/index.html"
    yield Site(catalogue(), rendering, text, (folder / "index.html").as_uri(), served, _FIGURES)
    server.shutdown()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    named = os.environ.get("CHATWRIGHT_BROWSER")
    program = shutil.which(named) if named else next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        pytest.exit(NEEDED, returncode=2)
    root = hasattr(os, "geteuid") and os.geteuid() == 0  # Chromium's sandbox refuses root
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=program, args=["--no-sandbox"] if root else [])


@pytest.fixture
def visit(site: Site, browser: Browser, request: pytest.FixtureRequest) -> Iterator[Visit]:
    """A visit to the served page; a test's mark ``visit`` gives the context's options, or ``address="file"``.

    Whatever a test looks at, nothing may be said on the console, and nothing but the page may be asked for.
    """
    mark = request.node.get_closest_marker("visit")
    options = {"locale": "en-US", **(mark.kwargs if mark else {})}
    address = getattr(site, options.pop("address", "served"))
    context = browser.new_context(**options)
    context.set_default_timeout(120_000)  # on a busy machine everything takes longer, and nothing else changes
    expect.set_options(timeout=30_000)
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    visit = Visit(context.new_page(), context, address)
    visit.page.on("console", lambda message: visit.errors.append(f"{message.type}: {message.text}"))
    visit.page.on("pageerror", lambda error: visit.errors.append(str(error)))
    visit.page.on("request", lambda asked: visit.requests.append(asked.url.partition("#")[0]))
    visit.open()
    yield visit
    shown = os.environ.get("CHATWRIGHT_SCREENSHOTS")
    if shown:
        Path(shown).mkdir(parents=True, exist_ok=True)
        visit.page.screenshot(path=Path(shown) / f"{request.node.name}.png")
    context.close()
    assert visit.errors == []
    elsewhere = {url for url in visit.requests if not url.startswith(("about:", "blob:", "data:"))} - {address}
    assert {url.partition("?")[0] for url in elsewhere} <= {address}


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "visit: options of the browser's context, or address='file'")


def pytest_terminal_summary(terminalreporter: Any) -> None:
    for line in _FIGURES:
        terminalreporter.write_line(line)
