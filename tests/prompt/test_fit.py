"""Prompts fit the context window, or are refused with the counts."""

import pytest
from toytokens import STRICT, ToyTokenizer

from mlx_responses.errors import PromptTooLong, RequestError
from mlx_responses.prompt import Ask, Prompt, build
from mlx_responses.wire.items import FunctionCall, FunctionCallOutput, InputImage, Message


def says(role: str, text: str) -> Message:
    return Message(role=role, content=text)


def called(call_id: str) -> list:
    arguments = '{"x": "' + "y" * 40 + '"}'
    return [
        FunctionCall(call_id=call_id, name="f", arguments=arguments),
        FunctionCallOutput(call_id=call_id, output=f"result {call_id}"),
    ]


TALK = [
    says("user", "first " * 20),
    says("assistant", "one"),
    says("developer", "Be kind."),
    says("user", "second " * 20),
    *called("c1"),
    says("user", "third"),
    says("assistant", "three"),
    says("user", "now"),
]


def made(window: int, *, truncation: str = "auto", items=TALK) -> tuple[Prompt, str]:
    """A prompt for a window, and its text."""
    toy = ToyTokenizer()
    ask = Ask(input=items, instructions="Be brief.", truncation=truncation)
    prompt = build(ask, toy, context_window=window)
    return prompt, toy.decode(prompt.ids)


def test_a_string_is_one_user_message():
    toy = ToyTokenizer()
    assert "user\nhello<|im_end|>" in toy.decode(
        build(Ask(input="hello"), toy, context_window=99).ids
    )


def test_the_history_comes_before_the_input():
    ask = Ask(input="and me?", history=[says("user", "I am Bo"), says("assistant", "Hi Bo")])
    toy = ToyTokenizer()
    text = toy.decode(build(ask, toy, context_window=999).ids)
    assert text.index("I am Bo") < text.index("Hi Bo") < text.index("and me?")


def test_input_without_a_message_is_refused():
    with pytest.raises(RequestError, match="nothing to answer") as caught:
        build(Ask(input=[]), ToyTokenizer(), context_window=99)
    assert (caught.value.code, caught.value.param) == ("missing_required_parameter", "input")


def test_too_long_a_prompt_is_refused_with_the_counts():
    whole = len(made(9999)[0].ids)
    with pytest.raises(PromptTooLong, match=f"{whole} tokens.* {whole} tokens") as caught:
        made(whole, truncation="disabled")
    assert (caught.value.code, caught.value.param) == ("context_length_exceeded", "input")
    assert made(whole + 1, truncation="disabled")[0].dropped == 0


def test_auto_drops_the_oldest_exchange_first():
    whole = len(made(9999)[0].ids)
    prompt, text = made(whole)
    assert prompt.dropped == 2
    assert "first" not in text
    assert "second" in text


def test_auto_keeps_instructions_system_messages_and_the_newest_exchange():
    with pytest.raises(PromptTooLong, match="even without the 7 oldest items"):
        made(20)
    _, text = made(120)
    assert text.index("Be brief.") < text.index("Be kind.") < text.index("user\nnow")
    assert text.endswith("user\nnow<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n")


def test_auto_fits_any_window_and_drops_no_more_than_it_must():
    kept = {n: [says("developer", "Be kind."), *TALK[n:]] for n in (6, 8)}
    lengths = {
        0: len(made(9999)[0].ids),
        2: len(made(9999, items=TALK[2:])[0].ids),
        5: len(made(9999, items=kept[6])[0].ids),
        7: len(made(9999, items=kept[8])[0].ids),
    }
    for window in range(lengths[7] + 1, lengths[0] + 7, 6):
        prompt, text = made(window)
        assert prompt.dropped == min(n for n in lengths if lengths[n] < window)
        assert len(prompt.ids) == lengths[prompt.dropped]
        assert ("result c1" in text) == ('"x":' in text)


def test_an_output_after_a_new_question_stays_with_its_call():
    call, output = called("c1")
    items = [says("user", "a" * 90), call, says("user", "wait"), output, says("user", "now")]
    text = made(90, items=items)[1]
    assert "wait" not in text
    assert "result" not in text
    with pytest.raises(PromptTooLong):
        made(90, items=items[:4])


def test_a_window_is_found_in_few_renders():
    toy = ToyTokenizer()
    items = [says("user", f"question {n}") for n in range(200)]
    prompt = build(Ask(input=items, truncation="auto"), toy, context_window=400)
    assert 300 < len(prompt.ids) < 400
    assert toy.renders < 30


def test_a_part_of_the_history_is_refused_under_the_name_of_the_chain():
    image = Message(role="user", content=[InputImage(image_url="http://x")])
    with pytest.raises(RequestError) as caught:
        build(Ask(input="hi", history=[image]), ToyTokenizer(), context_window=99)
    assert caught.value.param == "previous_response_id[0].content[0]"


def test_a_template_that_wants_one_system_message_and_alternating_roles_gets_them():
    items = [says("user", "a"), says("user", "b"), says("developer", "d"), says("user", "c")]
    toy = ToyTokenizer(STRICT)
    prompt = build(Ask(input=items, instructions="i"), toy, context_window=99)
    assert toy.decode(prompt.ids) == "[system]i\n\nd\n[user]a\n\nb\n\nc\n[assistant]"
