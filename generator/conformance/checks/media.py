"""What the catalogue's templates write for an image, a video or an audio clip, against every source that tells."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from chatwright.catalogue.model import Template
from chatwright.catalogue.slots import numbered
from chatwright.meaning.conversation import MEDIA_KINDS, MediaKind
from chatwright.meaning.runs import TODAY
from chatwright.meaning.sandbox import Refused, Workshop

from ..engines import llamafactory, swift
from ..engines.llamafactory_media import media_texts
from ..engines.vllm_models import Models
from ..media import Source, Users, agreement, due, notes, swift_text, users
from ..publishers import load_record, models, publishers_by_template, variables, write_sandboxed
from .workbench import Report, Workbench

Said = dict[MediaKind, dict[Source, tuple[str, ...]]]

_TYPES: Mapping[MediaKind, tuple[str, ...]] = {
    "image": ("image", "image_url"),
    "video": ("video", "video_url"),
    "audio": ("audio", "audio_url", "input_audio"),
}


def check_media(bench: Workbench) -> Report:
    """The words for images, video and audio against both frameworks, vLLM's models and publishers' templates."""
    report = Report("media")
    said = sources(bench)
    for name, template in bench.catalogue.templates.items():
        for kind in MEDIA_KINDS:
            report.wrong += _wrong(template, kind, said.get(name, {}).get(kind, {}))
    report.wrong += _unexplained(bench, said)
    report.lines += _tally(bench, said)
    return report


def sources(bench: Workbench) -> dict[str, Said]:
    """What each source says, by template and kind, of those that a framework has for multimodal models."""
    plugins = {name: template.mm_plugin for name, template in llamafactory.templates().items()}
    plugins = {name: plugin for name, plugin in plugins.items() if type(plugin).__name__ != "BasePlugin"}
    with swift.Swift(today=TODAY) as running:
        registries = running.registries
        used = users(registries["model_types"])
        written = running.media([name for name in registries["templates"] if name in used])
    served, classes = Models(bench.need("servers")), bench.catalogue.architectures
    published = _published(bench)
    found: dict[str, Said] = {}
    for name, template in bench.catalogue.templates.items():
        ours = _registered(template, "llamafactory"), _registered(template, "swift")
        plugin, user = plugins.get(ours[0] or ""), used.get(ours[1] or "")
        if plugin is None and user is None:
            continue
        names = classes[name] | (user or Users()).architectures
        vllm = {kind: texts for kind in MEDIA_KINDS if (texts := _vllm(served, names, kind))}
        known = any(served.knows(each) for each in names)
        said: Said = {}
        for kind in MEDIA_KINDS:
            told: dict[Source, Any] = {"vllm": vllm.get(kind), "publishers": published.get(name, {}).get(kind)}
            if plugin is not None and (pair := media_texts(plugin, kind)):
                told["llamafactory"] = (numbered(*pair),)
            if user is not None and ours[1] is not None:
                text = swift_text(kind, written[ours[1]], user, vllm, known)
                told["swift"] = None if text is None else (text,)
            said[kind] = {source: each for source, each in told.items() if each}
        found[name] = said
    return found


def _registered(template: Template, framework: str) -> str | None:
    return template.registered.get(framework, template.name)


def _vllm(served: Models, names: frozenset[str], kind: MediaKind) -> tuple[str, ...]:
    found = (served.placeholder(name, kind) for name in names)
    texts = {numbered(each.first, each.second) for each in found if each and each.first and each.second}
    return tuple(sorted(text for text in texts if text))


def _published(bench: Workbench) -> dict[str, dict[MediaKind, tuple[str, ...]]]:
    """What publishers' templates write for a typed part between two texts, by template and kind."""
    with bench.need("official").open(encoding="utf-8") as lines:
        templates = {data["id"]: data["chat_template"] for data in map(json.loads, lines)}
    names = (model.id for model in models(bench.catalogue))
    heard = load_record(bench.need("official"), names, lambda source, given: [Refused("")] * len(given)).publishers
    words: dict[str, dict[MediaKind, str | None]] = {}
    with Workshop() as workshop:
        for each in heard:
            write = partial(write_sandboxed, workshop, templates[each.id])
            words[each.id] = {kind: _between(write, variables([], each.bos, each.eos), kind) for kind in MEDIA_KINDS}
    found: dict[str, dict[MediaKind, tuple[str, ...]]] = {}
    for name, publishers in publishers_by_template(heard, bench.catalogue).items():
        for kind in MEDIA_KINDS:
            texts = {word for each in publishers if (word := words[each.id][kind])}
            found.setdefault(name, {})[kind] = tuple(sorted(texts))
    return found


def _between(
    write: Callable[[Sequence[Mapping[str, Any]]], Sequence[str | Refused]], given: Mapping[str, Any], kind: MediaKind
) -> str | None:
    """The word that a publisher's template writes for a medium; None where it writes none in its place."""
    texts = [{"type": "text", "text": text} for text in ("Here", "there", "behind")]
    parts = [{"type": name, name: "medium"} for name in _TYPES[kind]]
    contents = [[texts[0], part, texts[1], part, texts[2]] for part in parts]
    for written in write([{**given, "messages": [{"role": "user", "content": content}]} for content in contents]):
        _, first, rest = ("" if isinstance(written, Refused) else written).partition("Here")
        one, second, rest = rest.partition("there")
        two, third, _ = rest.partition("behind")
        if first and second and third and one.strip() and "'type'" not in one:
            return numbered(one, two)
    return None


def _wrong(template: Template, kind: MediaKind, said: Mapping[Source, tuple[str, ...]]) -> list[str]:
    name, word, what = template.name, getattr(template.slots, kind), due(template, kind, said)
    wrong = [] if word == what else [f"{name}: by its sources its {kind} should be {what!r}, not {word!r}"]
    listed = notes().differs.get(name, {}).get(kind, {})
    differing = {source for source, texts in said.items() if word is not None and agreement(word, texts) == "differs"}
    wrong += [f"{name}: {source} says {said[source]} for {kind}, not {word!r}" for source in differing - listed.keys()]
    wrong += [f"{name}: {source} is listed as saying something else for {kind}" for source in listed.keys() - differing]
    return wrong


def _unexplained(bench: Workbench, said: Mapping[str, Said]) -> list[str]:
    """The multimodal templates without any word that no note explains, and notes on others."""
    wrong = []
    for name in said:
        slots = bench.catalogue.templates[name].slots
        if all(getattr(slots, kind) is None for kind in MEDIA_KINDS) and name not in notes().left_out:
            wrong.append(f"{name}: no word for any medium, and no reason why")
    listed = {**notes().left_out, **notes().follows, **notes().differs}
    return wrong + [f"{name}: in media.yaml, and no multimodal template" for name in listed if name not in said]


def _tally(bench: Workbench, said: Mapping[str, Said]) -> list[str]:
    words = {
        (name, kind): getattr(bench.catalogue.templates[name].slots, kind) for name in said for kind in MEDIA_KINDS
    }
    words = {key: word for key, word in words.items() if word is not None}
    with_words = {name for name, _ in words}
    lines = [f"{len(said)} multimodal templates, {len(with_words)} with words"]
    lines.append(", ".join(f"{sum(kind == each for _, each in words)} for {kind}" for kind in MEDIA_KINDS))
    for source in ("llamafactory", "swift", "vllm", "publishers"):
        heard = [
            agreement(word, texts) for (name, kind), word in words.items() if (texts := said[name][kind].get(source))
        ]
        told = Counter(heard)
        lines.append(
            f"{source}: {len(heard)} words, {told['same']} the same, {told['open']} but for a token it does not name, "
            f"{told['around']} with something around its own, {told['within']} that it has something around, "
            f"{told['differs']} listed as something else"
        )
    alone = sum(
        not any(agreement(word, texts) == "same" for texts in said[name][kind].values())
        for (name, kind), word in words.items()
    )
    lines.append(f"{alone} words put together of two sources")
    reasons = Counter(reason for kinds in notes().left_out.values() for reason in set(kinds.values()))
    lines += [f"left out in {count} templates: {reason}" for reason, count in sorted(reasons.items())]
    return lines
