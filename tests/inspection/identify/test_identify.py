"""Which template a model has: by its names, by what its chat template writes, and where these do not agree."""

from __future__ import annotations

import pytest

from chatwright.inspection.identify.names import model_name
from chatwright.inspection.identify.records import parse_line
from tests.inspection.identify.support import deployed, identifier, identify

CHATML = (
    "{% for m in messages %}"
    "{% if loop.first and m.role != 'system' %}<|im_start|>system\nDEFAULT<|im_end|>\n{% endif %}"
    "<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


@pytest.mark.parametrize(
    ("path", "name"),  # as get_model_name of ms-swift 4.6.0 has them, which `make conformance` asks
    [
        ("Qwen/Qwen3-8B", "Qwen3-8B"),
        ("/hub/models--Qwen--Qwen3-8B/snapshots/0123abc", "Qwen3-8B"),
        ("/hub/models/Qwen--Qwen3-8B/snapshots/0123abc/", "Qwen3-8B"),
        ("models/Qwen/Qwen2___5-7B-Instruct/", "Qwen2.5-7B-Instruct"),
    ],
)
def test_a_name_is_what_ms_swift_takes_for_it(path: str, name: str) -> None:
    assert model_name(path) == name


def test_an_id_is_found_on_either_hub_and_a_name_by_its_last_part() -> None:
    for model_id in ("meta-llama/Meta-Llama-3-8B-Instruct", "LLM-Research/meta-llama-3-8b-instruct"):
        answer = identify(id=model_id)
        assert answer.by["id"] == ("llama3", "llama3-swift")
        assert (answer.verdict, answer.sure) == ("by framework", True)
        assert answer.flags == {
            "llamafactory": "template: llama3",
            "swift": "--model_type llama --template llama3",
        }
    answer = identify(id="someone/meta-llama-3-8B-Instruct")
    assert (answer.by["id"], answer.by["name"]) == ((), ("llama3", "llama3-swift"))
    assert identify(id="someone/Meta-Llama-3-8B-Instruct-mine").verdict == "unknown"


def test_only_the_first_architecture_counts() -> None:
    known = identifier().names
    assert {each.model_type for each in known.by_architecture(["Qwen3ForCausalLM", "LlamaForCausalLM"])} == {"qwen3"}
    answer = identify(id="a/b", architectures=["Qwen3ForCausalLM"])
    assert answer.by["architecture"]
    assert "only its architecture Qwen3ForCausalLM tells, that of qwen3" in answer.why[0]


@pytest.mark.parametrize("name", ["qwen", "yi", "deepseek3", "qwen3-swift", "qwen2_vl"])
def test_a_deployed_file_is_told_by_what_it_writes(name: str) -> None:
    answer = identify(chat_template=deployed(name))
    assert name in (answer.template, *answer.same, *(each.template for each in answer.candidates))
    best = answer.candidates[0]
    assert (best.exact, best.difference) == (best.of, "")


def test_tokens_and_text_that_says_the_same_mean_the_same() -> None:
    answer = identify(chat_template=deployed("llama3"), bos_token="<|begin_of_text|>", eos_token="<|eot_id|>")
    assert answer.template == "llama3"
    text = deployed("llama3").replace("bos_token", "'<|begin_of_text|>'")
    assert text != deployed("llama3")
    assert identify(chat_template=text, bos_token="<|begin_of_text|>", eos_token="<|eot_id|>").by == answer.by


def test_another_default_system_text_is_near_and_the_difference_is_shown() -> None:
    answer = identify(chat_template=CHATML)
    assert (answer.verdict, answer.sure) == ("near", False)
    [shown] = [why for why in answer.why if why.startswith(f"{answer.template} is only the nearest")]
    assert ": after <|im_start|>system⏎ the template writes " in shown
    assert shown.endswith("the model's own DEFAULT<|im_end|>⏎<|im_s…; behind a system message both write the same")


def test_an_id_and_texts_that_do_not_agree_leave_a_choice() -> None:
    answer = identify(id="01-ai/Yi-6B-Chat", chat_template=deployed("qwen"))
    assert (answer.verdict, answer.template) == ("several", "yi")
    assert answer.why[0].startswith("its id says yi")
    assert "qwen" in {each.template for each in answer.candidates}


def test_a_name_chooses_between_templates_that_write_the_same() -> None:
    alone = identify(chat_template=deployed("llama3-swift"))
    named = identify(chat_template=deployed("llama3-swift"), id="meta-llama/Meta-Llama-3-8B-Instruct")
    assert named.template == "llama3-swift"
    assert len(named.candidates) <= len(alone.candidates)


def test_candidates_with_a_place_for_images_come_off_where_the_chat_template_has_none() -> None:
    answer = identify(chat_template=CHATML.replace("DEFAULT", "You are a helpful assistant."))
    assert any("it has no place for images, video or audio" in why for why in answer.why)
    assert all(each.template not in identifier().seeing for each in answer.candidates)


def test_a_chat_template_that_wants_content_in_parts_gets_it() -> None:
    in_parts = CHATML.replace("m.content", "m.content[0]['text']").replace("DEFAULT", "You are a helpful assistant.")
    whole = identify(chat_template=CHATML.replace("DEFAULT", "You are a helpful assistant."))
    assert identify(chat_template=in_parts).by["behaviour"] == whole.by["behaviour"]


def test_flags_switch_thinking_where_the_framework_can_and_name_what_is_ours() -> None:
    flags = identify(id="Qwen/Qwen3-8B").flags
    assert flags["llamafactory"] == "template: qwen3\nenable_thinking: true"
    assert flags["swift"] == "--model_type qwen3 --template qwen3"
    assert "\n" not in identify(id="01-ai/Yi-6B-Chat").flags["llamafactory"]
    flags = identify(chat_template=deployed("llama2")).flags
    assert flags["llamafactory"] == "template: llama2"


def test_what_raises_or_harms_is_told() -> None:
    answer = identify(chat_template="{{ raise_exception('go away') }}")
    assert answer.verdict == "unknown"
    assert answer.why == ("its chat template raises even for plain questions: go away",)
    answer = identify(id="Qwen/Qwen3-8B", chat_template="{{ ''.__class__.__mro__ }}")
    assert answer.verdict == "error"
    assert "forbids" in answer.error
    assert answer.by["id"] == ("qwen3", "qwen3-swift")
    answer = identify(id="Qwen/Qwen3-8B", chat_template="{% for %}")
    assert (answer.verdict, answer.template) == ("error", None)
    assert "line 1" in answer.error


def test_a_line_may_begin_with_a_byte_order_mark() -> None:
    assert parse_line(b'\xef\xbb\xbf{"id": "acme/a", "chat_template": "x"}').name == "acme/a"
