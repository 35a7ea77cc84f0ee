"""What the Template classes of ms-swift write beyond the fields of their template (read from ms-swift 4.6.0).

What a class does to a text is either said in the spec's own words, or, where the slots cannot say it, named as what
they leave out. A class that changes no text is not named here: conformance has recorded which ones do not, and of any
other class nothing is known.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from ...catalogue.built_ins import built_ins
from ...resources import built_ins_path

Data = dict[str, Any]

_UNDESCRIBED = {
    "ClefTemplate": "a decision in place of a reply",
    "DeepseekV41Template": "marks around system texts, and thoughts in another way",
    "DeepseekV4FlashTemplate": "a line on the reasoning effort",
    "DeepseekV4Template": "a line on the reasoning effort",
    "DiffusionGemmaTemplate": "one learned reply only, and a mark for thinking in the system text",
    "Emu3GenTemplate": "an image in place of a reply",
    "ErnieThinkingTemplate": "a frame around every reply",
    "GLM5NextTemplate": "a line on the reasoning effort",
    "GLM5_2Template": "a line on the reasoning effort",
    "GLM5_3Template": "a line on the reasoning effort",
    "GenericDecisionTemplate": "a decision in place of a reply",
    "GptTemplate": "a system text and channels of its own",
    "HunyuanTemplate": "only the answer of earlier replies",
    "HyV3PreviewTemplate": "a line on the reasoning effort",
    "HyV3Template": "a line on the reasoning effort",
    "Internvl3_5GPTTemplate": "a system text and channels of its own",
    "JevTemplate": "a decision in place of a reply",
    "JinaRerankerM0Template": "a query and a document in place of a conversation",
    "KimiK3Template": "thoughts and replies in frames of its own",
    "Ling3Template": "a line on thinking in the system text",
    "MinimaxM3VLTemplate": "a system text of its own",
    "Mistral2506Template": "the default system text of the model's SYSTEM_PROMPT.txt",
    "Mistral2512Template": "the default system text of the model's SYSTEM_PROMPT.txt",
    "Mistral2512ThinkingTemplate": "the default system text of the model's SYSTEM_PROMPT.txt",
    "MuseGlimmerTemplate": "a system text of its own",
    "OmniJevTemplate": "a decision in place of a reply",
    "Qwen3EmbTemplate": "a text to embed in place of a conversation",
    "Qwen3RerankerTemplate": "a query and a document in place of a conversation",
    "Qwen3TTSTemplate": "speech in place of a reply",
    "Qwen3VLRerankerTemplate": "a query and a document in place of a conversation",
    "Qwen3_8Template": "a line on the reasoning effort",
    "QwenPRMTemplate": "a mark behind every step of a reply",
    "SeedTemplate": "a thinking budget in the system text",
    "YoutuLLMTemplate": "an empty thought in the last reply only",
}


def describe(data: Data, fields: Mapping[str, Any]) -> None:
    """Add to a lifted template what its class writes."""
    name = fields["template_cls"].rpartition(".")[2]
    if name in _UNDESCRIBED:
        data["undescribed"] = _UNDESCRIBED[name]
    elif name in _DESCRIBED:
        _DESCRIBED[name](data)
    elif is_unknown(fields):
        data["undescribed"] = f"what the class {name} adds, which nobody has looked at yet"


def is_unknown(fields: Mapping[str, Any]) -> bool:
    """Whether nothing says what the class of a template of ms-swift does to its text."""
    name = fields["template_cls"].rpartition(".")[2]
    return name not in (*_UNDESCRIBED, *_DESCRIBED) and name not in _plain()


@cache
def _plain() -> frozenset[str]:
    """The classes that change no text: of the recorded templates those that are not recorded as changing it."""
    record = built_ins().get("swift")
    changing = record.text_in_code if record else frozenset()
    files = sorted((built_ins_path().parent / "swift").glob("*.json"))
    recorded = [json.loads(file.read_text(encoding="utf-8")) for file in files]
    return frozenset(
        each["fields"]["template_cls"].rpartition(".")[2] for each in recorded if each["template"] not in changing
    )


def _own(data: Data) -> Data:
    own: Data = data["targets"]["swift"]
    return own


def _trims(data: Data) -> None:
    data["trim"] = dict.fromkeys(("system", "user", "assistant", "observation"), "both")


def _embeds(data: Data) -> None:
    _trims(data)
    if "thinking" in data:
        data["undescribed"] = "an empty thought even where thinking is on"


def _fuses_system(data: Data) -> None:
    """The system text stands in front of the first user text, an empty one too."""
    slots, own = data["slots"], _own(data)
    if "system" in slots:
        own["system_prefix"] = slots.get("prefix", "") + slots["system"]
    slots["system"] = "{{content}}\n\n"
    data["system_placement"], data["empty_system"], data["trim"] = "first_user", "keep", {"assistant": "newlines"}
    own["system_in_class"] = True


def _shortens_generation(data: Data) -> None:
    """The newline behind the opener, or behind an empty thought there, is left to the model."""
    assistant, thinking = data["slots"]["assistant"], data.get("thinking")
    if not assistant["opener"].endswith("\n"):
        return
    assistant["generation"] = assistant["opener"][:-1]
    data["slots"]["assistant"] = {
        key: assistant[key] for key in ("opener", "generation", "body", "last") if key in assistant
    }
    if thinking:
        if thinking.get("when_on"):
            thinking["when_on"] = "\n" + thinking["when_on"]
        off = thinking.get("when_off", "")
        thinking["when_off"] = off and "\n" + off.removesuffix("\n")
        thinking.setdefault("empty", off)


def _separates_system(data: Data) -> None:
    """A given system text is set off from the built-in one by a blank line."""
    system = data["slots"]["system"]
    _own(data)["system_prefix"] = data["slots"].get("prefix", "") + system
    data["slots"]["system"] = system.replace("{{content}}", "\n\n{{content}}")


def _names_system(data: Data) -> None:
    """The name of the system's turn stands in front of its text."""
    system = data["slots"]["system"]
    _own(data)["system_prefix"] = data["slots"].get("prefix", "") + system
    data["slots"]["system"] = system.replace("{{content}}", "system<|im_middle|>{{content}}")
    data["empty_system"] = "keep"


def _marks_thinking(data: Data) -> None:
    if "thinking" in data:
        data["undescribed"] = "a mark for thinking in the system text"


def _thinks(data: Data) -> None:
    data["thinking"].pop("default", None)


def _empty_after_user(data: Data) -> None:
    thinking = data["thinking"]
    trained = thinking.pop("empty_trained")
    data["thinking"] = {**thinking, "empty_after": "user", "empty_trained": trained}


_DESCRIBED: Mapping[str, Callable[[Data], None]] = {
    "DeepseekV3_1Template": _empty_after_user,
    "GLM4Template": _shortens_generation,
    "GLM4_5Template": _shortens_generation,
    "Gemma3Template": _fuses_system,
    "Gemma3VisionTemplate": _fuses_system,
    "Gemma3nTemplate": _fuses_system,
    "Gemma4Template": _marks_thinking,
    "KimiK25Template": _names_system,
    "Qwen3_5EmbTemplate": _embeds,
    "Qwen3_5Template": _trims,
    "Spark2_5Template": _separates_system,
    "Xing4_0Template": _thinks,
}
