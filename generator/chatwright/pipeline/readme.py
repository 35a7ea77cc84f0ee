"""Write the catalogue's figures into the README, between two marks."""

from __future__ import annotations

from ..catalogue.model import Catalogue
from ..records.frameworks import built_ins

START, END = "<!-- counts: written by make generate -->", "<!-- end of counts -->"


def with_counts(text: str, catalogue: Catalogue) -> str:
    """The text with the catalogue's figures between the marks; unchanged if a mark is missing."""
    head, _, rest = text.partition(START)
    _, end, tail = rest.partition(END)
    return f"{head}{marked_counts(catalogue)}{tail}" if end else text


def marked_counts(catalogue: Catalogue) -> str:
    """The figures with the marks around them."""
    return f"{START}\n\n{counts(catalogue)}\n\n{END}"


def counts(catalogue: Catalogue) -> str:
    """A sentence with the sizes of the catalogue and of the frameworks' registries."""
    groups = [group for spec in catalogue.specs for group in spec.models]
    checkpoints = sum(len(group.checkpoints) for group in groups)
    held = f"{len(catalogue.specs)} families, {len(catalogue.templates)} templates, {checkpoints} checkpoints"
    known = built_ins()
    theirs = []
    if record := known.get("llamafactory"):
        models = len(record.models["name"])
        theirs.append(f"all {len(record.templates)} templates and {models} models of LLaMA-Factory {record.version}")
    if record := known.get("swift"):
        types = len(record.models["model_type"])
        theirs.append(f"all {len(record.templates)} templates and {types} model types of ms-swift {record.version}")
    return f"The catalogue holds {held} (`chatwright list`), among them {', and '.join(theirs)}."
