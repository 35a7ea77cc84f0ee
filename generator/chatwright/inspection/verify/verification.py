"""``chatwright verify``: whether a model folder is served with the very tokens that its template trains on.

Three things are held against each other, on every scenario: what training writes (the reference renderer, which the
recorded vectors prove to equal the frameworks), what the folder's own chat template writes, and what the file to
deploy writes; as text, and as the token ids of the folder's tokenizer, training's slot by slot. Then where generation
stops, and whether the vocabulary has the template's markers. Nothing is looked up elsewhere, and no code of the folder
is run but its chat template, in the sandbox.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from pathlib import Path

from ...catalogue.model import Catalogue
from ...characters import listing
from ...errors import ChatwrightError
from ...meaning.sandbox import Refused, TemplateFailed
from ...verdicts import Verdict, counted
from ..conversations import TYPED, Texts, conversations, parts_unread
from ..prompt_differences import differences, is_another
from ..tokenizer import NoTokenizer, TokenizerFailed
from . import boundaries, gguf, stops, texts, vocabulary
from .candidates import Identity, identify, same_meaning
from .findings import Compared, Counts, Finding, Verification
from .folder import ModelFolder, read_folder
from .prompts import deployed, served, trained

DISAGREE = "chat-templates-disagree"
DEPLOYED = "deploy"  # the place of findings about the file that we generate


def verify(path: Path, catalogue: Catalogue, name: str | None = None, today: date | None = None) -> Verification:
    """Verify a model folder, a GGUF, or a chat template's file against a template: the named, or the identified one.

    Raises:
        ChatwrightError: the folder cannot be read.
        KeyError: the catalogue has no template of that name.
    """
    today = today or date.today()
    try:
        with read_folder(path) as folder:
            return _verify(folder, catalogue, name, today)
    except TokenizerFailed as reason:
        raise ChatwrightError(f"{path / 'tokenizer.json'}: the tokenizer cannot be used: {reason}") from reason


def _verify(folder: ModelFolder, catalogue: Catalogue, name: str | None, today: date) -> Verification:
    found, own = _own_texts(folder, catalogue, today)
    identity: Identity | None
    if name is not None:
        template = catalogue.templates[name]
        identity = Identity(template, same_meaning(catalogue, template, today), (), True)
    elif (identity := identify(catalogue, folder, own, today) if own else None) is None or not identity.known:
        near = f"; the nearest is {identity.template.name}" if identity else ""
        if own:
            text = f"no template of the catalogue writes this{near}"
            found.append(Finding("unknown-template", folder.chat_templates[0].file, text))
    if identity is None:
        return Verification(str(folder.path), None, False, (), (), None, tuple(found), ())
    template, place = identity.template, folder.chat_templates[0].file if folder.chat_templates else ""
    prompts, reasons = trained(template, folder, today)
    notes: list[str] = []
    if not prompts:
        text = f"{template.name}: {next(iter(reasons.values()))}"
        found.append(Finding("not-described", template.location.path, text))
    as_served = as_deployed = None
    if own is not None:
        differing = differences(template, folder.bos, prompts, own)
        like = identify(catalogue, folder, own, today) if name is not None and is_another(differing) else None
        found += texts.findings(differing, place, like.template.name if like and like.known else None)
        as_served = _counts(prompts, differing, own)
        if not differing:  # what is read first is right
            notes += [f"{each.place}: {each.text}" for each in found if each.kind == DISAGREE]
            found = [each for each in found if each.kind != DISAGREE]
        if TYPED in prompts and parts_unread(own[TYPED]):
            notes.append("its chat template does not read content that comes in parts; servers then join the parts")
    file = deployed(template, folder, today)
    if isinstance(file, str):
        notes.append(f"there is no file to deploy: {file}")
    else:
        off = differences(template, folder.bos, prompts, gguf.as_tokenized(file, folder.gguf) if folder.gguf else file)
        found += texts.findings(off, DEPLOYED)
        as_deployed = _counts(prompts, off, file)
    as_cut = None
    if folder.gguf:
        notes.append("token ids were not compared, since the tokenizer of a GGUF is not run")
        more, said = gguf.stop_findings(template, folder, folder.gguf)
        found += [*more, *vocabulary.findings(template, folder)]
        notes += [*said, *gguf.bos_notes(folder.gguf, prompts)]
    elif isinstance(folder.tokenizer, NoTokenizer):
        notes.append("not compared, since this is a chat template alone: token ids, stops and vocabulary")
    else:
        cut = boundaries.cuts(prompts, folder)
        as_cut = _counts(prompts, cut)
        for more, said in (boundaries.findings(cut, prompts), stops.findings(template, folder, today)):
            found += more
            notes += said
        found += vocabulary.findings(template, folder)
    if folder.tokenizer.adds_bos and any(prompt.text.startswith(folder.bos) for prompt in prompts.values()):
        notes.append(
            f"the tokenizer adds {folder.bos}, which the prompt has already: tokenize prompts with "
            "add_special_tokens=False, as the chat endpoints of servers do; completion endpoints double it"
        )
    if identity.others:
        notes.append(
            f"its chat template agrees as far with {listing(identity.others, 8)}, which mean something else; "
            "name yours with --template"
        )
    compared = Compared(as_served, as_deployed, as_cut)
    same, others = identity.same, identity.others
    named = name is not None
    return Verification(str(folder.path), template.name, named, same, others, compared, tuple(found), tuple(notes))


def _counts(prompts: Collection[str], differing: Collection[str], texts: Texts | None = None) -> Counts:
    """The verdicts on all conversations, of which ``differing`` are not the same; ``texts`` are what is served."""

    def verdict(name: str) -> Verdict:
        text = texts[name] if texts else ""
        if name not in prompts or (name == TYPED and parts_unread(text)):
            return "not comparable"
        if name not in differing:
            return "exact"
        return "unsupported" if isinstance(text, Refused) else "differs"

    return counted(map(verdict, conversations()))


def _own_texts(folder: ModelFolder, catalogue: Catalogue, today: date) -> tuple[list[Finding], Texts | None]:
    """What the folder's own chat template writes, None where it has none that runs, and what is wrong with that."""
    if not folder.chat_templates:
        text = "the folder has no chat template, so servers refuse chats or make up a format"
        place = folder.vocabulary_file if folder.gguf else "tokenizer_config.json"
        return [Finding("chat-template-missing", place, text)], None
    first, *rest = folder.chat_templates
    found = [
        Finding(DISAGREE, other.file, f"its chat template is not that of {first.file}, which is read first")
        for other in rest
        if any(other.source(tools) != first.source(tools) for tools in (False, True))
    ]
    try:
        own = served(first, folder, catalogue, today)
        return found, gguf.as_tokenized(own, folder.gguf) if folder.gguf else own
    except TemplateFailed as reason:
        return [*found, Finding("chat-template-fails", first.file, f"the chat template cannot be run: {reason}")], None
