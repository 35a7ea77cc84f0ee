"""The site: one static page to look up models, their prompts and their files.

``data.py`` makes the data of the page from ``catalog.json``, ``fidelity.json``, the generated files and the reference
renderer. ``page.py`` writes them into one HTML file with the style and the scripts of ``assets/``. Nothing here prints.
"""

from __future__ import annotations

from .page import compressed, page

__all__ = ["compressed", "page"]
