"""Write one self-contained HTML file with data, style and script.

So it works from a folder as well as from a server, and its content security policy can forbid everything else: nothing
is fetched, and only the script whose hash the policy names runs. The data is JSON in blocks that browsers do not run;
it is escaped so that it cannot end its block. The script writes data into the page as text, never as HTML.
"""

from __future__ import annotations

import gzip
import json
from base64 import b64encode
from hashlib import sha256
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from ..catalogue.model import Catalogue
from ..pipeline import Rendering
from ..pipeline.formatting import MARK
from ..targets.languages import languages
from .data import blocks

SCRIPTS = ("words", "data", "elements", "search", "list", "prompt", "files", "fidelity", "detail", "app")


def page(catalogue: Catalogue, rendering: Rendering, tables: str | None = None) -> str:
    """The page of the whole catalogue; the same bytes on every machine.

    ``tables`` is the relative address of the published tables; without it the page has no link to them.
    """
    known = {"words": {each.code: each.site for each in languages()}, **blocks(catalogue, rendering)}
    script = "\n".join(['"use strict";', *(_asset(f"{name}.js") for name in SCRIPTS)])
    style = _asset("style.css")
    environment = Environment(
        loader=PackageLoader(__package__, "assets"), undefined=StrictUndefined, autoescape=True, trim_blocks=True
    )
    return environment.get_template("page.html.j2").render(
        mark=MARK,
        tables=tables,
        script=Markup(script),
        script_hash=_hash(script),
        style=Markup(style),
        style_hash=_hash(style),
        first={name: json_block(known[name]) for name in ("words", "index")},
        later={name: json_block(known[name]) for name in ("prompts", "files")},
    )


def compressed(text: str) -> int:
    """The size of a page in bytes after gzip, as a server sends it."""
    return len(gzip.compress(text.encode(), 9, mtime=0))


def json_block(value: Any) -> Markup:
    """JSON for a ``script`` element; ``<``, which could end it or open a comment, is escaped."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c"))


def _asset(name: str) -> str:
    return resources.files(__package__).joinpath("assets").joinpath(name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """The hash of a script or style in a content security policy."""
    return f"sha256-{b64encode(sha256(text.encode()).digest()).decode()}"
