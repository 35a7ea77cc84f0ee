"""``chatwright verify``: whether a model folder is served with the very tokens that its template trains on.

Three things are held against each other, on every scenario: what training writes (the reference renderer, which the
recorded vectors prove to equal the frameworks), what the folder's own chat template writes, and what the file to
deploy writes; as text, and as the token ids of the folder's tokenizer, training's slot by slot. Then where generation
stops, and whether the vocabulary has the template's markers. Nothing is looked up elsewhere, and no code of the folder
is run but its chat template, in the sandbox.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path

from ...catalogue.model import Catalogue, Template
from ..sandbox import TemplateFailed
from . import boundaries, stops, texts, vocabulary
from .candidates import Identity, identify, matches, same_meaning
from .findings import ADVICE, Compared, Divergence, Finding, Verification
from .folder import ModelFolder, read_folder
from .prompts import Texts, deployed, served, trained

__all__ = ["ADVICE", "Compared", "Divergence", "Finding", "Verification", "verify"]

DEPLOYED = "deploy"  # the place of findings about the file that we generate


def verify(path: Path, catalogue: Catalogue, name: str | None = None, today: date | None = None) -> Verification:
    """Verify the model folder at ``path``, against the template of that name or the one it is identified as.

    Raises:
        ChatwrightError: the folder cannot be read.
        KeyError: the catalogue has no template of that name.
    """
    today = today or date.today()
    folder = read_folder(path)
    found, own = _own_texts(folder, catalogue, today)
    identity = identify(catalogue, folder, own, today) if own else None
    template = catalogue.templates[name] if name is not None else identity.template if identity else None
    if name is None and own and (identity is None or not identity.known):
        near = f"; the nearest is {identity.template.name}" if identity else ""
        found.append(
            Finding(
                "unknown-template", folder.chat_templates[0].file, f"no template of the catalogue writes this{near}"
            )
        )
    if template is None:
        return Verification(str(path), None, False, None, (), (), None, tuple(found), ())
    return _against(template, folder, catalogue, today, name is not None, identity, own, found)


def _against(
    template: Template,
    folder: ModelFolder,
    catalogue: Catalogue,
    today: date,
    named: bool,
    identity: Identity | None,
    own: Texts | None,
    found: list[Finding],
) -> Verification:
    prompts, reasons = trained(template, folder, today)
    if not prompts:
        found.append(
            Finding("not-described", template.location.path, f"{template.name}: {next(iter(reasons.values()))}")
        )
    differing = None
    if own is not None:
        differing = texts.differences(template, folder, prompts, own)
        like = identity.template.name if identity and identity.known and identity.template != template else None
        found += texts.findings(differing, folder.chat_templates[0].file, like)
    unread = own is not None and texts.TYPED in prompts and texts.parts_unread(own[texts.TYPED])
    file = deployed(template, folder, today)
    off = None if isinstance(file, str) else texts.differences(template, folder, prompts, file)
    found += texts.findings(off or {}, DEPLOYED)
    cut = boundaries.cuts(prompts, folder)
    at_boundaries, notes = boundaries.findings(cut, prompts)
    at_stops, more = stops.findings(template, folder, today)
    found += [*at_boundaries, *at_stops, *vocabulary.findings(template, folder)]
    notes += more
    if unread:
        notes.append("its chat template does not read content that comes in parts; servers then join the parts")
    if isinstance(file, str):
        notes.append(f"there is no file to deploy: {file}")
    if folder.adds_bos and any(prompt.text.startswith(folder.bos) for prompt in prompts.values()):
        notes.append(
            f"the tokenizer adds {folder.bos}, which the prompt has already: tokenize prompts with "
            "add_special_tokens=False, as the chat endpoints of servers do; completion endpoints double it"
        )
    if identity and not named and identity.others:
        notes.append(
            f"its chat template agrees as far with {_some(identity.others)}, which mean something else; "
            "name yours with --template"
        )
    count = len(prompts)
    compared = Compared(
        count,
        None if differing is None else count - len(differing) - unread,
        None if off is None else count - len(off),
        count - len(cut),
    )
    return Verification(
        str(folder.path),
        template.name,
        named,
        None if own is None else matches(template, folder, own, today),
        same_meaning(catalogue, template, today) if named or identity is None else identity.same,
        () if named or identity is None else identity.others,
        compared,
        tuple(found),
        tuple(notes),
    )


def _own_texts(folder: ModelFolder, catalogue: Catalogue, today: date) -> tuple[list[Finding], Texts | None]:
    """What the folder's own chat template writes, None where it has none that runs, and what is wrong with that."""
    if not folder.chat_templates:
        text = "the folder has no chat template, so servers refuse chats or make up a format"
        return [Finding("chat-template-missing", "tokenizer_config.json", text)], None
    first, *rest = folder.chat_templates
    found = [
        Finding(
            "chat-templates-disagree", other.file, f"its chat template is not that of {first.file}, which is read first"
        )
        for other in rest
        if any(other.source(tools) != first.source(tools) for tools in (False, True))
    ]
    try:
        return found, served(first, folder, catalogue, today)
    except TemplateFailed as reason:
        return [*found, Finding("chat-template-fails", first.file, f"the chat template cannot be run: {reason}")], None


def _some(names: Sequence[str], most: int = 8) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
