"""Where conformance keeps what it records besides the package's records."""

from __future__ import annotations

from pathlib import Path

GIVEN = {  # what a run may be given, by option and by what it is called
    "tokenizer_root": "the folder of real tokenizers",
    "npm": "the node_modules folder",
    "swift_3": "the folder of an unpacked ms-swift 3",
    "older": "the folder of older versions, llamafactory/ and swift/",
    "servers": "the folder of unpacked vLLM and SGLang",
    "vision": "the folder of unpacked torchvision",
    "official": "the collection of publishers' chat templates",
}
RESULTS = Path(__file__).resolve().parent / "results"  # what commands printed, as text for people


def vectors(root: Path) -> Path:
    """What the frameworks and publishers write, as the tests of a checkout read it."""
    return root / "tests" / "vectors"
