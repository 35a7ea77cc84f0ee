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

from chatwright.records.frameworks import built_ins
from chatwright.resources import checkout_root

from .. import places

Data = dict[str, Any]

_UNDESCRIBED = {
    "ClefTemplate": "a decision in place of a reply",
    "Emu3GenTemplate": "an image in place of a reply",
    "GenericDecisionTemplate": "a decision in place of a reply",
    "JevTemplate": "a decision in place of a reply",
    "Mistral2506Template": "the default system text of the model's SYSTEM_PROMPT.txt",
    "Mistral2512Template": "the default system text of the model's SYSTEM_PROMPT.txt",
    "Mistral2512ThinkingTemplate": "the default system text of the model's SYSTEM_PROMPT.txt",
    "OmniJevTemplate": "a decision in place of a reply",
    "Qwen3TTSTemplate": "speech in place of a reply",
    "SeedTemplate": "a thinking budget, counted in the tokens of earlier thoughts",
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
    root = checkout_root()
    files = sorted((places.vectors(root) / "swift").glob("*.json")) if root else []
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
    """Where a reply is asked for, an empty one stands, with an empty thought whether thinking is on or off."""
    _rewrites(data)
    if thinking := data.get("thinking"):
        _own(data)["thinking_fields"] = {"thinking_prefix": thinking["when_on"]}
        thinking["when_on"] = "<think>\n\n</think>\n\n"


def _rewrites(data: Data) -> None:
    """Every text is trimmed, a reply together with its thought."""
    _trims(data)
    if "thinking" in data:
        data["thinking"]["rewrite"] = True


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
    if "tool_format" in data:
        assistant["before_calls"] = assistant["generation"]
    if thinking:
        if thinking.get("when_on"):
            thinking["when_on"] = "\n" + thinking["when_on"]
        off = thinking.get("when_off", "")
        thinking["when_off"] = off and "\n" + off.removesuffix("\n")
        thinking.setdefault("empty", off)
        dropped = thinking.get("when_dropped", "")
        if "tool_format" in data and dropped.endswith("\n"):
            thinking["dropped_before_calls"] = dropped[:-1]


def _separates_system(data: Data) -> None:
    """A given system text is set off from the built-in one by a blank line."""
    system = data["slots"]["system"]
    _keeps_system_turn(data, system)
    data["slots"]["system"] = system.replace("{{content}}", "\n\n{{content}}")


def _names_system(data: Data) -> None:
    """The name of the system's turn stands in front of its text."""
    system = data["slots"]["system"]
    _keeps_system_turn(data, system)
    data["slots"]["system"] = system.replace("{{content}}", "system<|im_middle|>{{content}}")
    data["empty_system"] = "keep"


def _keeps_system_turn(data: Data, system: str) -> None:
    """The turn that a class changes stays as it is where tools are described."""
    if "tool_format" in data:
        data["slots"]["system_with_tools"] = system
    else:
        _own(data)["system_prefix"] = data["slots"].get("prefix", "") + system


def _marks_thinking(data: Data) -> None:
    if "thinking" in data:
        thinking = data["thinking"]
        thinking["words"] = ["<|channel>thought\n", "<channel|>"]
        thinking["empty_after"] = "user"
        thinking["system_mark"] = {"on": "<|think|>\n"}


def _learns_last(data: Data) -> None:
    _marks_thinking(data)
    data["learns"] = "last"


def _details_thinking(data: Data) -> None:
    """A line behind the system text; thinking is on by default."""
    lines = {way: f"detailed thinking {way}" for way in ("on", "off")}
    mark = {**lines, "place": "behind", "separator": "\n", "unless": list(lines.values())}
    data["thinking"].pop("default", None)
    data["thinking"]["system_mark"] = mark


def _levels(
    marks: Mapping[str, str], default: Mapping[str, str], thinking: Mapping[str, bool] | None = None, **settings: Any
) -> Data:
    """Levels with their marks, those that a request has in each mode, and what each turns thinking to."""
    turned = thinking or {}
    names = {
        name: ({"thinking": turned[name]} if name in turned else {}) | {"mark": mark} for name, mark in marks.items()
    }
    return ({"default": dict(default)} if default else {}) | {**settings, "names": names}


_ABSOLUTE = (
    "Reasoning Effort: Absolute maximum with no shortcuts permitted.\n"
    "You MUST be very thorough in your thinking and comprehensively decompose the problem to resolve the root cause, "
    "rigorously stress-testing your logic against all potential paths, edge cases, and adversarial scenarios.\n"
    "Explicitly write out your entire deliberation process, documenting every intermediate step, considered "
    "alternative, and rejected hypothesis to ensure absolutely no assumption is left unchecked.\n\n"
)
_BEYOND = (
    "Reasoning Effort: Beyond maximum — exhaustive, relentless, and uncompromising.\n"
    "You MUST reason with the utmost depth and rigor, leaving absolutely nothing to chance: exhaustively decompose the "
    "problem into its most fundamental components, trace every causal chain to its root, and resolve the underlying "
    "cause rather than any surface symptom.\n"
    "Do not stop reasoning until you have independently verified the solution from multiple angles and are certain "
    "that no assumption remains unchecked and no error remains undiscovered.\n\n"
)


def _deepseek_v4(marks: Mapping[str, str], default: str) -> Callable[[Data], None]:
    def describe_it(data: Data) -> None:
        _empty_after_user(data)
        data["thinking"]["system_mark"] = {}
        thinks = dict.fromkeys(marks, True)
        data["thinking"]["levels"] = _levels(marks, {"on": default}, thinks, unknown="ignore")
        _keeps_thoughts_with_tools(data)

    return describe_it


def _keeps_thoughts_with_tools(data: Data) -> None:
    if "tool_format" in data:
        data["thinking"]["kept_with_tools"] = True


def _deepseek_v41(data: Data) -> None:
    """A mark in front of every system text, and an empty thought in every reply without one."""
    data["slots"]["system"] = "<｜System｜>" + data["slots"]["system"]
    _own(data)["system_prefix"] = data["slots"].get("prefix", "") + "{{content}}"
    data["empty_system"] = "keep"
    thinking = data["thinking"]
    thinking["history_trim"] = "none"
    thinking |= {"empty_on": "<think></think>", "empty_in": "all"}
    said = "Reasoning Effort: {} (range 1-100, the higher the value, the more thorough the reasoning)\n\n"
    thinking["system_mark"] = {"on": said.format(75)}
    thinking["levels"] = _levels(
        {name: said.format(effort) for name, effort in (("low", 50), ("high", 75), ("max", 100))}, {}
    )
    _keeps_thoughts_with_tools(data)


_EFFORTS = {name: f"Reasoning Effort: {name.capitalize()}" for name in ("low", "high", "max")}


def _glm5_2(data: Data) -> None:
    _shortens_generation(data)
    data["thinking"]["system_mark"] = {"separator": "<|system|>"}
    data["thinking"]["levels"] = _levels(_EFFORTS, {"on": "max"})


def _glm5_3(data: Data) -> None:
    """Thinking cannot be turned off."""
    _shortens_generation(data)
    data["thinking"]["system_mark"] = {"separator": "<|system|>"}
    thinks = dict.fromkeys(_EFFORTS, True)
    data["thinking"]["levels"] = _levels(_EFFORTS, {"on": "max", "off": "max"}, thinks)


def _hy_v3(word: str) -> Callable[[Data], None]:
    def describe_it(data: Data) -> None:
        marks = {
            name: f"<｜reasoning_mode{word}｜>reasoning_effort:{name}" for name in ("no_think", "low", "high", "max")
        }
        thinks = {name: name != "no_think" for name in marks}
        data["thinking"]["system_mark"] = {"place": "behind"}
        data["thinking"]["levels"] = _levels(marks, {"on": "high", "off": "no_think"}, thinks)

    return describe_it


def _qwen3_8(data: Data) -> None:
    _rewrites(data)
    marks = {
        "xhigh": (
            "Reasoning effort is set to xhigh. Please think carefully through the task, validate key assumptions, "
            "consider plausible alternatives, and prioritize correctness, consistency, and clarity in the final answer."
        ),
        "medium": "",
        "low": (
            "Reasoning effort is set to low. Keep your thinking brief and focused, moving directly to the conclusion "
            "without unnecessary elaboration."
        ),
    }
    data["thinking"]["system_mark"] = {"separator": "\n\n"}
    data["thinking"]["levels"] = _levels(marks, {"on": "xhigh"})


def _minimax_m3(data: Data) -> None:
    """A system turn of the format's own in front of the given one; three modes, off by default."""
    head = (
        "Your model version is MiniMax-M3, developed by MiniMax. Knowledge cutoff: January 2026. Founded in early 2022"
        ", MiniMax is a global AI foundation model company committed to advancing the frontiers of AI towards AGI.\n\n"
        "<thinking_instructions>\nYou have a thinking capability that allows you to reason step by step before "
        "responding. When thinking is enabled, wrap your reasoning in <mm:think></mm:think> tags before your response. "
        "When thinking is disabled, begin your response directly after the </mm:think> prefix. When thinking is "
        "adaptive, decide on your own whether to think for the current turn.\nCurrent thinking mode: "
    )
    tail = "\n</thinking_instructions>[e~[\n]~b]developer\n"
    modes = {
        "enabled": (
            "enabled. You MUST think step by step before every response, including after receiving function/tool "
            "results."
        ),
        "disabled": "disabled. Do not output any thinking process.",
        "adaptive": (
            "adaptive. You are encouraged to think for complex decision-making, multi-step reasoning, or when "
            "analyzing function/tool results."
        ),
    }
    marks = {name: head + text + tail for name, text in modes.items()}
    thinks = {name: name != "disabled" for name in modes}
    levels = _levels(marks, {"on": "disabled", "off": "disabled"}, thinks)
    levels["names"]["adaptive"]["prompt"] = ""
    data["thinking"]["system_mark"] = {}
    data["thinking"]["levels"] = {"variable": "thinking_mode", **levels}


def _keeps_answer(data: Data) -> None:
    data["thinking"]["answer"] = ["<answer>", "</answer>"]


def _empty_in_last(data: Data) -> None:
    data["thinking"] |= {"empty_in": "last", "empty_unless": "holds"}
    if "tool_format" in data:
        data["thinking"]["kept_from_results"] = True


def _frames_response(data: Data) -> None:
    data["thinking"]["frame"] = {
        "thought": ["<think>\n", "</think>\n\n<response>\n", "\n</response>"],
        "plain": ["<response>\n", "\n</response>\n"],
        "unless": "<response>",
    }


def _channels(data: Data) -> None:
    """A system turn of the format's own, and a channel for every reply."""
    slots, own = data["slots"], _own(data)
    text = (
        "<|start|>system<|message|>You are ChatGPT, a large language model trained by OpenAI.\nKnowledge cutoff: "
        "2024-06\nCurrent date: {{date:%Y-%m-%d}}\n\nReasoning: medium\n\n# Valid channels: analysis, commentary, "
        "final. Channel must be included for every message.<|end|>"
    )
    slots["system"] = text + "<|start|>developer<|message|># Instructions\n\n{{content}}<|end|>"
    slots["no_system"] = text
    _heads_replies(data, "<|channel|>final<|message|>", "{{content}}")
    own["system_in_class"] = True


def _recipients(data: Data) -> None:
    """A system turn with lines of the format's own, and a recipient for every reply."""
    own = _own(data)
    suffix = '\n\nReasoning strength: high.\n\n# Valid recipients: "self", "user".<|eot|>'
    default = "You are a helpful AI assistant.\nKnowledge cutoff: 2026-01-04.\nCurrent date: {{date:%Y-%m-%d}}."
    data["slots"]["system"] = "<|start|>system<|message|>{{content}}" + suffix
    data["slots"]["no_system"] = "<|start|>system<|message|>" + default + suffix
    _heads_replies(data, " to=user<|message|>", "<|begin_of_text|>{{content}}")
    own["system_in_class"] = True


def _heads_replies(data: Data, head: str, system_prefix: str) -> None:
    assistant, own = data["slots"]["assistant"], _own(data)
    for name in ("body", "last"):
        if name in assistant:
            assistant[name] = head + assistant[name]
    data["empty_system"] = "keep"
    own["system_prefix"] = system_prefix
    own["content_in_class"] = True


def _fuses_instruction(data: Data) -> None:
    """The system text stands in front of the first user text, an empty one too."""
    data["slots"]["system"] = "{{content}} "
    data["system_placement"], data["empty_system"] = "first_user", "keep"
    _own(data)["system_in_class"] = True


def _pairs(text: str, instruction: str) -> Callable[[Data], None]:
    def describe_it(data: Data) -> None:
        data["pair"] = {"text": text} | ({"instruction": instruction} if instruction else {})

    return describe_it


def _ends_steps(data: Data) -> None:
    data["last_message_end"] = "<extra_0>"


def _frames_thoughts(data: Data) -> None:
    """Thoughts and replies in channels; thinking is on by default, and earlier thoughts stay."""
    slots, thinking, own = data["slots"], data["thinking"], _own(data)
    own["system_prefix"] = slots.get("prefix", "") + slots["system"]
    slots["system"] = slots["system"].replace("{{content}}", 'role="system"<|sep|>{{content}}')
    data["empty_system"] = "keep"
    opened, closed, response = "<|open|>think<|sep|>", "<|close|>think<|sep|>", "<|open|>response<|sep|>"
    thinking.pop("default", None)
    own["thinking_fields"] = {"non_thinking_prefix": thinking["empty"], "preserve_thinking": None}
    thinking |= {"history": "keep", "span": "between", "empty": ""}
    thinking["system_mark"] = {"place": "first"}
    said = (
        '<|open|>message role="system" type="thinking-effort"<|sep|>`thinking_effort` guides on how much to think in '
        "your thinking channel (not including the response channel), supported values include `low`, `medium`, `high`, "
        "and `max`.\nNow the system is invoked with `thinking_effort={}`.<|close|>message<|sep|><|end_of_msg|>"
    )
    thinking["levels"] = _levels({name: said.format(name) for name in ("low", "high", "max")}, {}, count="always")
    thinking["frame"] = {
        "thought": [opened, closed + response, "<|close|>response<|sep|>"],
        "plain": [opened + closed + response, "<|close|>response<|sep|>"],
    }
    if "tool_format" in data:
        slots["system_with_tools"] = slots.get("prefix", "") + "<|open|>message {{content}}"
        thinking["frame"]["calls"] = opened + closed + response


def _thinks(data: Data) -> None:
    data["thinking"].pop("default", None)


def _empty_after_user(data: Data) -> None:
    thinking = data["thinking"]
    trained = thinking.pop("empty_trained")
    data["thinking"] = {**thinking, "empty_after": "user", "empty_trained": trained}


_DESCRIBED: Mapping[str, Callable[[Data], None]] = {
    "DeepseekV3_1Template": _empty_after_user,
    "DeepseekV41Template": _deepseek_v41,
    "DeepseekV4FlashTemplate": _deepseek_v4({"low": "", "high": _ABSOLUTE, "max": _BEYOND}, "low"),
    "DeepseekV4Template": _deepseek_v4({"high": "", "max": _ABSOLUTE}, "high"),
    "DiffusionGemmaTemplate": _learns_last,
    "ErnieThinkingTemplate": _frames_response,
    "GLM4Template": _shortens_generation,
    "GLM4_5Template": _shortens_generation,
    "GLM5NextTemplate": _glm5_2,
    "GLM5_2Template": _glm5_2,
    "GLM5_3Template": _glm5_3,
    "Gemma3Template": _fuses_system,
    "Gemma3VisionTemplate": _fuses_system,
    "Gemma3nTemplate": _fuses_system,
    "Gemma4Template": _marks_thinking,
    "GptTemplate": _channels,
    "HunyuanTemplate": _keeps_answer,
    "HyV3PreviewTemplate": _hy_v3(""),
    "HyV3Template": _hy_v3(":opensource"),
    "Internvl3_5GPTTemplate": _channels,
    "JinaRerankerM0Template": _pairs("{{instruction}}\n**Query**:\n{{query}}\n**Document**:\n{{document}}", ""),
    "KimiK25Template": _names_system,
    "KimiK3Template": _frames_thoughts,
    "Ling3Template": _details_thinking,
    "MinimaxM3VLTemplate": _minimax_m3,
    "MuseGlimmerTemplate": _recipients,
    "Qwen3EmbTemplate": _fuses_instruction,
    "Qwen3RerankerTemplate": _pairs(
        "<Instruct>: {{instruction}}\n<Query>: {{query}}\n<Document>: {{document}}",
        "Given a web search query, retrieve relevant passages that answer the query",
    ),
    "Qwen3VLRerankerTemplate": _pairs(
        "<Instruct>: {{instruction}}<Query>:{{query}}\n<Document>:{{document}}",
        "Given a search query, retrieve relevant candidates that answer the query.",
    ),
    "Qwen3_5EmbTemplate": _embeds,
    "Qwen3_5Template": _rewrites,
    "Qwen3_8Template": _qwen3_8,
    "QwenPRMTemplate": _ends_steps,
    "Spark2_5Template": _separates_system,
    "Xing4_0Template": _thinks,
    "YoutuLLMTemplate": _empty_in_last,
}
