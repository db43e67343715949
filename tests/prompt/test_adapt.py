"""Conversations in the manners of each family's template."""

import json

import pytest
from toytemplates import EVERY
from toytokens import QWEN, STRICT, ToyTokenizer

from mlx_responses import dialects
from mlx_responses.prompt import Ask, build
from mlx_responses.prompt.manners import Manners
from mlx_responses.wire.items import (
    FunctionCall,
    FunctionCallOutput,
    Message,
    Reasoning,
    ReasoningText,
)
from mlx_responses.wire.tools import FunctionTool

TOOL = FunctionTool(name="look", description="Looks.", parameters={"type": "object"})


VERBATIM = QWEN.replace(
    "{{ call.function.arguments | tojson }}",
    "{{ call.function.arguments if call.function.arguments is string "
    "else call.function.arguments | tojson }}",
)
"""Qwen3's own template does so."""


def says(role: str, text: str) -> Message:
    return Message(role=role, content=text)


def thinks(text: str) -> Reasoning:
    return Reasoning(summary=[], content=[ReasoningText(text)])


def calls(call_id: str, name: str = "look", arguments: str = '{"at": "sky"}') -> FunctionCall:
    return FunctionCall(call_id=call_id, name=name, arguments=arguments)


def gets(call_id: str, output: str) -> FunctionCallOutput:
    return FunctionCallOutput(call_id=call_id, output=output)


def shown(family: str, *items, tools=(), instructions: str | None = None) -> str:
    """The prompt's text."""
    toy = ToyTokenizer(EVERY.get(family, family))
    ask = Ask(input=items, tools=tools, instructions=instructions, effort="low")
    return toy.decode(build(ask, toy, context_window=9999).ids)


def test_harmony_shows_thoughts_between_calls_in_the_analysis_channel():
    text = shown(
        "harmony",
        says("developer", "Be brief."),
        says("user", "Blue?"),
        *(thinks("Look first."), says("assistant", "One moment."), calls("call_1")),
        gets("call_1", "blue"),
        *(
            thinks("And now down."),
            calls("call_2", "look", '{"at": "sea"}'),
            gets("call_2", "green"),
        ),
        tools=[TOOL],
    )
    assert "<|start|>developer<|message|>Be brief.\ntype look = " in text
    analysis = "<|start|>assistant<|channel|>analysis<|message|>"
    assert f"{analysis}Look first.\n\nOne moment.<|end|>" in text
    assert 'to=functions.look<|channel|>commentary json<|message|>{"at": "sea"}<|call|>' in text
    assert '<|start|>functions.look to=assistant<|channel|>commentary<|message|>"green"' in text
    assert text.index("Look first.") < text.index('"blue"') < text.index("And now down.")
    assert text.endswith("<|start|>assistant")
    assert "Reasoning: low" in text


@pytest.mark.parametrize(
    ("family", "expected"),
    [
        ("glm", "<think>Look first.</think>One moment.<tool_call>"),
        ("mistral", "[THINK]Look first.[/THINK]One moment.[TOOL_CALLS]"),
        ("kimi", "<|im_assistant|>One moment.<|tool_call_begin|>"),
    ],
)
def test_thoughts_are_given_as_the_template_takes_them(family, expected):
    thoughts = thinks("Look first."), says("assistant", "One moment.")
    text = shown(family, says("user", "Blue?"), *thoughts, calls("c"), gets("c", "blue"))
    assert expected in text


@pytest.mark.parametrize("family", ["harmony", "llama"])
def test_parallel_calls_are_shown_one_by_one_where_a_message_holds_one(family):
    text = shown(
        family,
        says("user", "Both?"),
        *(
            calls("call_1"),
            calls("call_2", "read", "{}"),
            gets("call_2", "two"),
            gets("call_1", "one"),
        ),
    )
    order = ["Both?", "look", "one", "read", "two"]
    places = [text.index(piece) for piece in order]
    assert places == sorted(places)


def test_calls_of_a_message_stay_together_where_they_may():
    text = shown(
        "mistral",
        says("user", "Both?"),
        *(calls("call_1"), calls("a-very-long-id", "read", "{}"), gets("call_1", "one")),
        gets("a-very-long-id", "two"),
    )
    assert '[TOOL_CALLS]look[ARGS]{"at": "sky"}[TOOL_CALLS]read[ARGS]{}</s>' in text
    assert "[TOOL_RESULTS]one[/TOOL_RESULTS][TOOL_RESULTS]two[/TOOL_RESULTS]" in text


@pytest.mark.parametrize("family", EVERY)
def test_a_user_may_speak_before_a_call_is_answered(family):
    text = shown(family, says("user", "Q"), calls("c"), gets("c", "blue"), says("user", "Wait!"))
    assert text.index("blue") < text.index("Wait!")


@pytest.mark.parametrize("family", EVERY)
def test_call_ids_never_change_a_prompt(family):
    first, second = (
        shown(family, says("user", "Q"), calls(call_id), gets(call_id, "A"), tools=[TOOL])
        for call_id in ("call_1", "fc_abcdefghij")
    )
    assert first == second


@pytest.mark.parametrize(
    ("family", "expected"),
    [
        ("glm", "<arg_key>at</arg_key><arg_value>sky</arg_value>"),
        ("deepseek", '<call>look<sep>{"at": "sky"}</call>'),
        ("kimi", '<|tool_call_begin|>functions.look:0<|tool_call_argument_begin|>{"at": "sky"}'),
    ],
)
def test_arguments_and_names_are_given_as_the_template_takes_them(family, expected):
    items = says("user", "Q"), calls("call_1"), gets("call_1", "blue")
    text = shown(family, *items, tools=[TOOL])
    assert expected in text
    assert "blue" in text


@pytest.mark.parametrize("family", ["deepseek", VERBATIM])
def test_a_call_is_told_as_it_was_written_where_the_template_takes_that(family):
    written = '{"at" :"sky"}'
    text = shown(family, says("user", "Q"), calls("c", arguments=written), gets("c", "A"))
    assert written in text


@pytest.mark.parametrize("family", EVERY)
def test_arguments_that_are_no_object_are_shown_too(family):
    assert "oops" in shown(family, says("user", "Q"), calls("c", arguments="oops"), gets("c", "A"))


LATER = (
    says("developer", "Be kind."),
    says("user", "One"),
    says("assistant", "Uno"),
    says("developer", "Now shout."),
    says("user", "Two"),
)


@pytest.mark.parametrize(
    ("family", "order"),
    [
        ("llama", ["Be brief.\n\nBe kind.", "One", "Uno", "Now shout.", "Two"]),
        ("glm", ["Be brief.\n\nBe kind.", "One", "Uno", "Now shout.", "Two"]),
        ("mistral", ["Be brief.\n\nBe kind.\n\nNow shout.", "One", "Uno", "Two"]),
        ("harmony", ["Be brief.\n\nBe kind.\n\nNow shout.", "One", "Uno", "Two"]),
        ("no_system", ["user\nBe brief.\n\nBe kind.\n\nNow shout.\n\nOne", "Uno", "Two"]),
    ],
)
def test_system_messages_stand_where_the_template_shows_them(family, order):
    text = shown(family, *LATER, instructions="Be brief.")
    places = [text.index(piece) for piece in order]
    assert places == sorted(places)


@pytest.mark.parametrize("family", [STRICT, EVERY["no_system"]])
def test_a_template_without_tools_is_taught_and_its_reader_reads_what_it_was_taught(family):
    toy = ToyTokenizer(family)
    ask = Ask(input=[says("user", "Blue?"), calls("c"), gets("c", "yes")], tools=[TOOL])
    prompt = build(ask, toy, context_window=9999)
    text = toy.decode(prompt.ids)
    assert prompt.taught
    assert '{"name": "look", "description": "Looks.", "parameters": {"type": "object"}}' in text
    call = '<tool_call>\n{"name": "look", "arguments": {"at": "sky"}}\n</tool_call>'
    assert text.index("Blue?") < text.index(call) < text.index("<tool_response>\nyes\n</tool")
    reader = dialects.reader(dialects.FALLBACK, thinking=False, opening=prompt.opening)
    started, arguments, _ = reader.feed(call)
    assert (started.name, json.loads(arguments.text)) == ("look", {"at": "sky"})


@pytest.mark.parametrize("family", [name for name in EVERY if name != "no_system"])
def test_a_template_with_tools_is_not_taught(family):
    toy = ToyTokenizer(EVERY[family])
    prompt = build(Ask(input="Blue?", tools=[TOOL]), toy, context_window=9999)
    assert not prompt.taught
    assert "look" in toy.decode(prompt.ids)


def test_old_calls_are_text_where_a_template_cannot_show_them():
    text = shown("no_system", says("user", "Q"), calls("c"), gets("c", "A"), says("user", "More"))
    assert "look" in text
    assert "<tool_response>\nA\n</tool_response>\n\nMore<end_of_turn>" in text
    assert "You can call tools" not in text


def test_a_template_is_asked_only_what_a_conversation_needs():
    toy = ToyTokenizer()
    manners = Manners(toy, offering=False)
    assert toy.renders == 0
    assert (manners.arguments, manners.arguments) == ("object", "object")
    assert toy.renders == 2  # with an object, and with text


def test_a_template_that_takes_no_other_variables_is_given_none():
    class Narrow(ToyTokenizer):
        def apply_template(self, messages, *, tools, generation_prompt, options):
            if "thinking" in options:
                raise TypeError("unexpected keyword argument 'thinking'")
            return super().apply_template(
                messages, tools=tools, generation_prompt=generation_prompt, options=options
            )

    manners = Manners(Narrow(), offering=False)
    assert manners.options(True, "high") == {"enable_thinking": True}


@pytest.mark.parametrize(
    ("words", "effort", "given"),
    [
        ("none low medium high", "none", "none"),
        ("low medium high", "none", "low"),
        ("none high", "medium", "high"),
        ("low medium high", "max", "high"),
        ("low medium high", None, None),
    ],
)
def test_an_effort_is_told_in_a_word_that_the_template_takes(words, effort, given):
    known = f"{{% if reasoning_effort not in {[*words.split(), None]} and reasoning_effort %}}"
    toy = ToyTokenizer(known + "{{ raise_exception('what?') }}{% endif %}text")
    options = Manners(toy, offering=False).options(True, effort)
    assert options.get("reasoning_effort") == given
    assert (options["enable_thinking"], options["thinking"]) == (True, True)
