"""The site: one static page with every model, its prompt and its files, for people who look something up.

``data.py`` makes what the page knows from ``catalog.json``, ``fidelity.json``, the generated files and the reference
renderer; ``page.py`` puts it into one HTML file with the style and the program of ``assets/``. Nothing here prints.
"""

from __future__ import annotations

from .page import compressed, page

__all__ = ["compressed", "page"]
