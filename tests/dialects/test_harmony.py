"""gpt-oss' channels: analysis, commentary, final, and calls."""

import pytest
from conformance import Conformance, read, told

from mlx_responses import dialects
from mlx_responses.parts import CallDelta, CallEnded, CallStarted, ReasoningDelta, TextDelta

ANALYSIS = "<|channel|>analysis<|message|>I see.<|end|>"
CALL = '<|channel|>commentary to=functions.f <|constrain|>json<|message|>{"a": "<b>"}<|call|>'
FINAL = "<|start|>assistant<|channel|>final<|message|>Hello.\n<|return|>"


class TestHarmony(Conformance):
    dialect = "harmony"
    texts = [
        ANALYSIS + FINAL,
        f"{ANALYSIS}<|start|>assistant<|channel|>commentary<|message|>Let me.<|end|>"
        f"<|start|>assistant{CALL}",
        ' to=functions.f<|channel|>commentary json<|message|>{"a": 1}',
        f"{CALL}<|start|>assistant{CALL}",
        "<|channel|>commentary to=python code<|message|>broken(1)<|call|>",
        "<|channel|>what is this",
        "plain <|channel|>final<|message|>text",
    ]
    fragments = [
        *("<|start|>", "<|end|>", "<|channel|>", "<|message|>", "<|call|>", "<|return|>"),
        *("assistant", "analysis", "final", "commentary", " to=functions.f", "<|constrain|>json"),
        *(ANALYSIS, CALL, FINAL, "<|start|>assistant"),
    ]


def test_each_channel_is_told_as_what_it_is():
    assert told(read("harmony", [TestHarmony.texts[0]])) == [
        ("thought", "I see."),
        ("text", "Hello.\n"),
    ]
    assert told(read("harmony", [TestHarmony.texts[1]])) == [
        ("thought", "I see."),
        ("text", "Let me."),
        ("f", '{"a": "<b>"}'),
    ]


def test_a_call_whose_end_mark_ended_the_turn_is_whole():
    assert told(read("harmony", [CALL.removesuffix("<|call|>")])) == [("f", '{"a": "<b>"}')]
    assert told(read("harmony", [TestHarmony.texts[2]])) == [("f", '{"a": 1}')]


def test_a_call_that_is_cut_is_not_ended():
    assert told(read("harmony", [CALL[:-10]])) == [("f", '{"a": "<b>...')]


def test_a_call_of_a_built_in_tool_keeps_its_text():
    assert told(read("harmony", [TestHarmony.texts[4]])) == [("python", "broken(1)")]


@pytest.mark.parametrize(
    ("opening", "kind"),
    [
        ("<|start|>assistant<|channel|>analysis<|message|>", ReasoningDelta),
        ("<|start|>assistant<|channel|>final<|message|>", TextDelta),
    ],
)
def test_a_message_may_be_opened_by_the_prompt(opening, kind):
    parts = read("harmony", ["Hm<|end|>" + FINAL], opening=opening)
    assert (type(parts[0]), parts[0].text[:2]) == (kind, "Hm")


def test_a_call_starts_with_its_header_and_its_arguments_stream():
    reader = dialects.reader("harmony", thinking=True)
    head, arguments = CALL.split('{"a"')
    assert reader.feed(head) == []
    assert reader.feed('{"a"') == [CallStarted("f"), CallDelta('{"a"')]
    assert reader.feed(arguments) == [CallDelta(': "<b>"}'), CallEnded()]


@pytest.mark.parametrize("text", TestHarmony.texts[5:])
def test_a_header_that_is_none_is_text(text):
    assert "".join(part for _, part in told(read("harmony", [text]))) == text.replace(
        "<|channel|>final<|message|>", ""
    )
