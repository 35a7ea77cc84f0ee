"""What a model's files tell beside its chat template: stops, architectures, plugin, ids; in the words of a spec."""

from __future__ import annotations

import re
from collections.abc import Container, Mapping, Sequence
from typing import Any

from ...catalogue.model import Catalogue, MMPlugin, ModelType, Template
from ...limits import LONGEST_NAME
from ...pipeline import model_files
from .source import Source

_VISION = ("vision_config", "audio_config", "image_token_id", "image_token_index", "video_token_id", "thinker_config")
_MARKER = re.compile(r"<[^<>\s]+>|\[/?[A-Za-z_]+\]|<[｜|].*?[｜|]>")
_SLUG = re.compile(r"[^a-z0-9_.-]+")


def slug(text: str) -> str:
    """A name that a spec may have."""
    return _SLUG.sub("-", text[:LONGEST_NAME].casefold()).strip("-.") or "model"


def unused(name: str, known: Container[str]) -> str:
    """The name, or one made of it that is not known yet."""
    return name if name not in known else unused(f"{name}-draft", known)


def stop_words(template: Template, source: Source) -> list[str]:
    """Where generation stops, the end of turn first; the tokenizer's own EOS goes without saying."""
    eos = source.token("eos_token")
    found: list[str] = []
    for part in template.end:
        if part.kind == "eos":
            break
        if part.kind in ("text", "token") and part.value.strip():
            known = [token for token in source.tokens.values() if part.value.lstrip().startswith(token)]
            match = _MARKER.match(part.value.lstrip())
            found += [max(known, key=len)] if known else [match[0]] if match else []
            break
    found += [token for token in source.stops if token != eos]
    return list(dict.fromkeys(found))


def model_type(source: Source, catalogue: Catalogue) -> ModelType | None:
    """The model type of the catalogue that has the model's architecture; of several the one of its name."""
    architectures = set(model_files.architectures(source.config))
    fitting = [known for known in catalogue.model_types.values() if architectures & set(known.architectures)]
    said = source.config.get("model_type")
    return min(fitting, key=lambda known: (known.name != said, known.name), default=None)


def is_multimodal(source: Source, slots: Mapping[str, Any]) -> bool:
    """Whether the model takes more than text."""
    return (
        bool(source.processor)
        or any(key in source.config for key in _VISION)
        or bool({"image", "video", "audio"} & slots.keys())
    )


def plugin(source: Source, catalogue: Catalogue, slots: Mapping[str, Any]) -> tuple[MMPlugin | None, str]:
    """The plugin that the catalogue has for models of this architecture, if its tokens stand in the placeholders.

    And the reason where there is none.
    """
    known = model_type(source, catalogue)
    if known is None:
        named = ", ".join(model_files.architectures(source.config)) or "no architecture"
        return None, f"the catalogue has no model of the same architecture ({named})"
    found: dict[str, MMPlugin] = {}
    for group in (group for spec in catalogue.specs for group in spec.models if group.model_type == known.name):
        template = catalogue.templates.get(group.template or "")
        if template and template.mm_plugin:
            found.setdefault(template.mm_plugin.name, template.mm_plugin)
    for candidate in found.values():
        tokens = {kind: getattr(candidate, f"{kind}_token") for kind in ("image", "video", "audio")}
        if candidate.inputs and any((token is None) is (kind in slots) for kind, token in tokens.items()):
            continue  # a declared one has a text for each token
        if all(token in slots[kind] for kind, token in tokens.items() if token and kind in slots):
            return candidate, ""
    if found:
        return None, f"the tokens of the plugins {', '.join(sorted(found))} do not stand in its placeholders"
    return None, f"no template for models of type {known.name} has a plugin"


def plugin_data(found: MMPlugin) -> dict[str, Any]:
    """A plugin as a spec says it."""
    tokens = {key: getattr(found, key) for key in ("image_token", "video_token", "audio_token")}
    inputs = {"inputs": found.inputs} if found.inputs else {}
    return {"name": found.name, **inputs, **{key: value for key, value in tokens.items() if value}, **found.options}


def hub_ids(source: Source, catalogue: Catalogue) -> dict[str, str]:
    """The model's ids on hubs: the one that is known, and what the catalogue knows of the same checkpoint."""
    if source.hub_id is None:
        return {}
    known = (dict(each.ids) for *_, each in catalogue.checkpoints if each.ids.get("huggingface") == source.hub_id)
    return next(known, {"huggingface": source.hub_id})


def publisher(source: Source, catalogue: Catalogue, folder: str | None) -> str:
    """Who publishes it: as the catalogue calls those in the same folder, or under the same name on the Hub."""
    if source.hub_id is None:
        beside = (spec.publisher for spec in catalogue.specs if spec.source.split("/")[0] == folder)
        return next(beside, folder or "unknown")
    owner = source.hub_id.split("/")[0]
    theirs = (
        spec.publisher
        for spec, _, each in catalogue.checkpoints
        if each.ids.get("huggingface", "").startswith(f"{owner}/")
    )
    return next(theirs, owner)


def evidence(source: Source) -> dict[str, str]:
    """Where the format was read from."""
    said = {"repo": source.hub_id, "revision": source.revision, "sha256": source.sha256}
    return {key: value for key, value in said.items() if value}


def is_listed(source: Source, catalogue: Catalogue) -> bool:
    """Whether the catalogue lists the checkpoint already."""
    return source.hub_id is not None and any(source.hub_id in each.ids.values() for *_, each in catalogue.checkpoints)


def architectures(source: Source) -> Sequence[str]:
    """The architectures that config.json names."""
    return model_files.architectures(source.config)
