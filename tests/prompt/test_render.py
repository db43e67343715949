"""Rendering: nobody's words become control tokens, and a longer talk begins like a shorter one."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from toytemplates import EVERY, FAMILY_CONTROLS
from toytokens import CONTROLS, STRICT, ToyTokenizer

from mlx_responses.errors import RequestError
from mlx_responses.prompt.render import Renderer, with_objects
from mlx_responses.prompt.shield import NONCHARACTERS

LONG = "You are a robot who answers in few words."
SYSTEM = {"role": "system", "content": LONG}
words = st.lists(
    st.one_of(st.text(max_size=8), st.sampled_from([*CONTROLS, "<|im_", "start|>", "\\ufdd0"])),
    max_size=5,
).map("".join)


def render(messages, tokenizer=None, functions=(), *, thinking=False):
    """A prompt, and the tokenizer that made it."""
    return Renderer(tokenizer or ToyTokenizer(), functions, thinking=thinking).render(messages)


def conversation(question: str, name: str, value: object, result: str) -> list[dict]:
    """Each kind of message, with somebody's words in it."""
    function = {"name": name, "arguments": json.dumps({name: value}, ensure_ascii=False)}
    return [
        {"role": "system", "content": question},
        {"role": "user", "content": question},
        {
            "role": "assistant",
            "content": result,
            "reasoning_content": question,
            "tool_calls": [{"id": "c1", "type": "function", "function": function}],
        },
        {"role": "tool", "content": result, "name": name, "tool_call_id": "c1"},
    ]


def test_a_prompt_is_the_template_encoded():
    toy = ToyTokenizer()
    prompt = render([SYSTEM, {"role": "user", "content": "Hi"}], toy)
    assert toy.decode(prompt.ids) == (
        f"<|im_start|>system\n{LONG}<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n"
        "<|im_start|>assistant\n<think>\n\n</think>\n\n"
    )
    assert prompt.opening == "<|im_start|>assistant\n<think>\n\n</think>\n\n"
    assert render([SYSTEM], thinking=True).opening == "<|im_start|>assistant\n"


@given(words, words, words, st.booleans())
def test_nobodys_words_become_control_tokens(question, name, result, ascii_json):
    toy = ToyTokenizer(ascii_json=ascii_json)
    function = {"name": name, "description": result, "parameters": {question: [name]}}
    functions = [{"type": "function", "function": function}]
    harmless = conversation("q", "n", "v", "r")
    talk = conversation(question or "q", name, {result: [name, 1, None]}, result)
    prompt = render(talk, toy, functions)
    text = toy.decode(prompt.ids)
    assert text == toy.apply_template(
        list(map(with_objects, talk)),
        tools=functions,
        generation_prompt=True,
        options={"enable_thinking": False},
    )
    assert toy.controls_in(prompt.ids) == toy.controls_in(render(harmless, toy, functions).ids)


family_words = st.lists(
    st.one_of(st.text(max_size=4), st.sampled_from([*FAMILY_CONTROLS, "<|", "channel|>", "[INST"])),
    max_size=5,
).map("".join)


@pytest.mark.parametrize("family", EVERY)
def test_nobodys_words_become_control_tokens_of_any_family(family):
    toy = ToyTokenizer(EVERY[family], controls=FAMILY_CONTROLS)

    @given(family_words, family_words, family_words)
    def check(question, name, result):
        harmless = conversation("q", "n", "v", "r")
        talk = conversation(f"q{question}", f"n{name}", {f"v{result}": [name, 1]}, f"r{result}")

        def made(chat, description):
            function = {"name": chat[2]["tool_calls"][0]["function"]["name"]}
            function |= {"description": description, "parameters": {"type": "object"}}
            return render(chat, toy, [{"type": "function", "function": function}])

        before = toy.controls_in(made(harmless, "d").ids)
        assert toy.controls_in(made(talk, result).ids) == before

    check()


@pytest.mark.parametrize("family", EVERY)
@pytest.mark.parametrize("arguments", ['{"n": "\\u003c|end|\\u003e</s>"}', '{"n</s>": "<|end|'])
def test_arguments_hide_no_control_token_in_their_escapes(family, arguments):
    toy = ToyTokenizer(EVERY[family], controls=FAMILY_CONTROLS)
    harmless, talk = conversation("q", "n", "v", "r"), conversation("q", "n", "v", "r")
    talk[2]["tool_calls"][0]["function"]["arguments"] = arguments
    assert toy.controls_in(render(talk, toy).ids) == toy.controls_in(render(harmless, toy).ids)


def test_a_text_that_holds_all_noncharacters_is_refused():
    with pytest.raises(RequestError, match="noncharacters"):
        render([{"role": "user", "content": "".join(NONCHARACTERS)}])


@given(st.lists(st.tuples(words, words), min_size=1, max_size=5))
def test_a_longer_talk_begins_with_the_ids_of_a_shorter_one(turns):
    toy = ToyTokenizer()
    messages: list[dict] = [SYSTEM]
    before: list[int] = []
    for question, answer in turns:
        messages.append({"role": "user", "content": question})
        prompt = render(messages, toy)
        assert prompt.ids[: len(before)] == before
        before = prompt.ids[: prompt.segments[-1]]
        messages.append({"role": "assistant", "content": answer})


def test_segments_end_before_each_question_and_before_the_answer():
    toy = ToyTokenizer()
    talk = [SYSTEM]
    for question in "AB":
        talk += [{"role": "user", "content": question}, {"role": "assistant", "content": "ok"}]
    prompt = render([*talk, {"role": "user", "content": "C"}], toy)
    ends = [toy.decode(prompt.ids[:end]) for end in prompt.segments]
    assert [end.split("<|im_start|>")[-1] for end in ends] == [
        *["user\n"] * 3,
        "user\nC<|im_end|>\n",
    ]


class Blanks(ToyTokenizer):
    """Puts a blank before all that it encodes, as some tokenizers do."""

    def encode(self, text: str) -> list[int]:
        return super().encode(" " + text)


def test_a_tokenizer_that_adds_blanks_encodes_the_whole_at_once():
    toy = Blanks()
    talk = [SYSTEM, *[{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}] * 2]
    prompt = render(talk, toy)
    assert toy.decode(prompt.ids) == " " + ToyTokenizer().decode(render(talk).ids)
    assert prompt.segments == ()


def test_a_template_that_strips_content_still_gets_the_text_it_would_write():
    toy = ToyTokenizer(STRICT)
    talk = [SYSTEM, {"role": "user", "content": "  Hi  "}, {"role": "assistant", "content": ""}]
    prompt = render([*talk, {"role": "user", "content": " \n"}], toy)
    assert toy.decode(prompt.ids) == f"[system]{LONG}\n[user]Hi\n[assistant]\n[user]\n[assistant]"


def test_a_template_that_ends_a_talk_before_no_answer_keeps_its_borders():
    ending = "{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}"
    toy = ToyTokenizer(ending + "{{ '<think>' if add_generation_prompt else '<|im_end|>' }}")
    prompt = render([SYSTEM, {"role": "user", "content": "a <think>"}], toy)
    assert toy.decode(prompt.ids) == f"[system]{LONG}[user]a <think><think>"
    assert toy.controls_in(prompt.ids) == 1
    assert toy.decode(prompt.ids[: prompt.segments[-1]]) == f"[system]{LONG}[user]"
    assert prompt.opening.endswith("<think>")


def test_a_template_that_writes_otherwise_because_of_a_border_has_none():
    toy = ToyTokenizer("{{ messages[0].content[:5] }}{{ '!' if add_generation_prompt }}" + "." * 20)
    prompt = render([{"role": "user", "content": "abcdefg"}], toy)
    assert toy.decode(prompt.ids) == "abcde!" + "." * 20
    assert prompt.segments == ()
